"""Which read goes out next: nodes that were asked for, second parts, and lines when nobody else wants the bus."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import Abi
from saoffload.hdl.lut_memory import LutMemory

from .lane import first_count
from .round_robin import RoundRobin

PAGE_WORDS_BITS = 9


class AskQueue(wiring.Component):
    """Offers one read at a time to the read master, which holds it on the bus until it is accepted.

    A node asked for while nothing waits is offered in the next clock. Otherwise it waits its turn with the others, in
    a ring. The second part of a node that crosses 4 KB waits there as well. Nothing leaves the ring before the read
    before it was accepted, so that what still waits can be called off. Lines go out when no node waits.

    Parameters
    ----------
    config : :class:`EngineConfig`
        ``contexts`` and the widths of the bus.

    Members
    -------
    do_ask, ask_is_late, context, address, abi : In
        Asks for the node at this bus address. ``ask_is_late``: it shall wait its turn in any case, or for ``do_wake``.
    do_wake, wake_context : In
        A node that was asked for with ``ask_is_parked`` is to be read after all.
    ask_is_parked : In
        Belongs to ``do_ask``: nothing is read unless it is woken.
    do_second, second_context : In
        The first part of this context's node is there: the second one is to be read.
    may_ask : In
        While 0, no node leaves the ring.
    is_waiting : ``In(contexts)``
        A node whose context stopped waiting for it is dropped.
    is_aborted : ``In(contexts)``
        Nodes of aborted contexts stay in the ring until they are called off.
    do_call_off, call_off_context : In
    pending : ``Out(contexts)``
        In the ring, and only there.
    lines : ``In(stream of layouts.read_request)``
    reads : ``Out(stream of layouts.read_request)``

    One clock from ``do_ask`` to ``reads`` if nothing waits; a node from the ring goes out every second clock.
    """

    lines: stream.Interface
    reads: stream.Interface

    def __init__(self, config: EngineConfig):
        self._config = config
        context = range(max(2, config.contexts))
        super().__init__(
            {
                "do_ask": In(1),
                "ask_is_late": In(1),
                "ask_is_parked": In(1),
                "context": In(context),
                "address": In(config.address_width),
                "abi": In(Abi),
                "do_wake": In(1),
                "wake_context": In(context),
                "do_second": In(1),
                "second_context": In(context),
                "may_ask": In(1),
                "is_waiting": In(config.contexts),
                "is_aborted": In(config.contexts),
                "do_call_off": In(1),
                "call_off_context": In(context),
                "pending": Out(config.contexts),
                "lines": In(stream.Signature(layouts.read_request(config))),
                "reads": Out(stream.Signature(layouts.read_request(config))),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        config = self._config
        m = Module()
        place = data.StructLayout({"word": config.address_width - 3, "is_x86": 1})
        m.submodules.places = places = LutMemory(shape=place, depth=config.contexts)
        m.submodules.turn = turn = RoundRobin(width=config.contexts)
        read = self.reads.payload
        is_second_q = Signal(config.contexts)

        # The one that left the ring and is offered next.
        is_leaving_q = Signal()
        leaving_q = Signal.like(self.context)
        leaving_is_second_q = Signal()
        is_open = Signal()
        is_fast = Signal()
        m.d.comb += [
            places.do_write.eq(self.do_ask),
            places.write_address.eq(self.context),
            places.write_data.word.eq(self.address[3:]),
            places.write_data.is_x86.eq(self.abi == Abi.X86),
            places.read_addresses[0].eq(leaving_q),
            is_open.eq(~self.reads.valid | self.reads.ready),
            turn.requests.eq(self.pending & ~self.is_aborted),
            turn.do_take.eq(turn.is_any & is_open & ~is_leaving_q & self.may_ask),
            is_fast.eq(
                self.do_ask
                & ~(self.ask_is_late | self.ask_is_parked)
                & is_open
                & ~is_leaving_q
                & ~self.pending.any()
                & self.may_ask
            ),
        ]
        m.d.sync += [is_leaving_q.eq(turn.do_take), leaving_q.eq(turn.index)]
        with m.If(turn.do_take):
            m.d.sync += [
                self.pending.bit_select(turn.index, 1).eq(0),
                leaving_is_second_q.eq(is_second_q.bit_select(turn.index, 1)),
            ]

        is_lost = ~self.is_waiting.bit_select(leaving_q, 1)
        is_kept = self.is_aborted.bit_select(leaving_q, 1)
        found = places.read_data[0]
        address = Cat(Const(0, 3), found.word)
        next_page = Cat(Const(0, PAGE_WORDS_BITS + 3), (found.word[PAGE_WORDS_BITS:] + 1)[: config.address_width - 12])
        before = first_count(address, found.is_x86)
        total = Mux(found.is_x86, 2, 3)
        do_leave = is_leaving_q & ~is_lost & ~is_kept

        with m.If(self.reads.ready):
            m.d.sync += self.reads.valid.eq(0)
        with m.If(do_leave):
            m.d.sync += [
                self.reads.valid.eq(1),
                read.id.eq(leaving_q),
                read.address.eq(Mux(leaving_is_second_q, next_page, address)),
                read.beat_count.eq(Mux(leaving_is_second_q, total - before, before)),
            ]
        with m.Elif(is_fast):
            m.d.sync += [
                self.reads.valid.eq(1),
                read.id.eq(self.context),
                read.address.eq(Cat(Const(0, 3), self.address[3:])),
                read.beat_count.eq(first_count(self.address, self.abi)),
            ]
        if config.line_buffers:
            m.d.comb += self.lines.ready.eq(is_open & ~is_leaving_q & ~is_fast & ~(self.pending.any() & self.may_ask))
            with m.If(self.lines.valid & self.lines.ready):
                m.d.sync += [self.reads.valid.eq(1), read.eq(self.lines.payload)]

        with m.If(is_leaving_q & is_kept & ~is_lost):
            m.d.sync += self.pending.bit_select(leaving_q, 1).eq(1)
        with m.If(self.do_ask):
            m.d.sync += is_second_q.bit_select(self.context, 1).eq(0)
            with m.If(~is_fast & ~self.ask_is_parked):
                m.d.sync += self.pending.bit_select(self.context, 1).eq(1)
        with m.If(self.do_wake):
            m.d.sync += self.pending.bit_select(self.wake_context, 1).eq(1)
        with m.If(self.do_second):
            m.d.sync += [
                self.pending.bit_select(self.second_context, 1).eq(1),
                is_second_q.bit_select(self.second_context, 1).eq(1),
            ]
        with m.If(self.do_call_off):
            m.d.sync += self.pending.bit_select(self.call_off_context, 1).eq(0)
        return m
