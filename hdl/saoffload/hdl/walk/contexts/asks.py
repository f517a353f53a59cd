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

    A node asked for while nothing waits is offered in the same clock. Otherwise it waits its turn with the others, in
    a ring. The second part of a node that crosses 4 KB waits there as well. Nothing leaves the ring before the read
    before it was accepted, so that what still waits can be called off. Lines go out when no node waits.

    Parameters
    ----------
    config : :class:`EngineConfig`
        ``contexts`` and the widths of the bus.

    Members
    -------
    can_ask, do_ask, context, address, abi : In
        Asks for the node at this bus address. ``do_ask`` may be late in its clock; it comes only with ``can_ask``.
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
        In the ring, or leaving it in this clock.
    is_leaving, leaving_context : Out
        The read of this context leaves the ring: it is offered from the next clock on.
    lines : ``In(stream of layouts.read_request)``
    reads : ``Out(stream of layouts.read_request)``

    No clock from ``do_ask`` to ``reads`` if nothing waits; a node from the ring goes out every second clock.
    """

    lines: stream.Interface
    reads: stream.Interface

    def __init__(self, config: EngineConfig):
        self._config = config
        context = range(max(2, config.contexts))
        super().__init__(
            {
                "can_ask": In(1),
                "do_ask": In(1),
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
                "is_leaving": Out(1),
                "leaving_context": Out(context),
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
        is_second_q = Signal(config.contexts)

        # The read that was offered and not taken, or that waits for nothing else.
        held_q = Signal(layouts.read_request(config))
        is_held_q = Signal()
        asked = Signal(layouts.read_request(config))
        is_fast = Signal()
        m.d.comb += [
            asked.id.eq(self.context),
            asked.address.eq(Cat(Const(0, 3), self.address[3:])),
            asked.beat_count.eq(first_count(self.address, self.abi)),
            self.reads.valid.eq(is_held_q | is_fast),
            self.reads.payload.eq(Mux(is_held_q, held_q.as_value(), asked.as_value())),
        ]

        # The one that leaves the ring.
        is_leaving_q = Signal()
        leaving_q = self.leaving_context
        is_kept = self.is_aborted.bit_select(leaving_q, 1)
        do_take = Signal()
        can_be_fast = Signal()
        m.d.comb += [
            places.do_write.eq(self.do_ask),
            places.write_address.eq(self.context),
            places.write_data.word.eq(self.address[3:]),
            places.write_data.is_x86.eq(self.abi == Abi.X86),
            places.read_addresses[0].eq(leaving_q),
            turn.requests.eq(self.pending & ~self.is_aborted),
            do_take.eq(turn.is_any & (~is_held_q | self.reads.ready) & ~is_leaving_q & self.may_ask),
            turn.do_take.eq(is_leaving_q),
            turn.taken.eq(leaving_q),
            can_be_fast.eq(~is_held_q & ~is_leaving_q & ~self.pending.any() & self.may_ask),
            is_fast.eq(self.do_ask & ~self.ask_is_parked & can_be_fast),
            self.is_leaving.eq(is_leaving_q & ~is_kept & self.is_waiting.bit_select(leaving_q, 1)),
        ]
        m.d.sync += is_leaving_q.eq(do_take)
        with m.If(do_take):
            m.d.sync += leaving_q.eq(turn.index)

        found = places.read_data[0]
        address = Cat(Const(0, 3), found.word)
        next_page = Cat(Const(0, PAGE_WORDS_BITS + 3), (found.word[PAGE_WORDS_BITS:] + 1)[: config.address_width - 12])
        before = first_count(address, found.is_x86)
        total = Mux(found.is_x86, 2, 3)
        is_second = is_second_q.bit_select(leaving_q, 1)

        # What is held waits for nothing that is late, but for whether it is valid.
        with m.If(self.reads.ready):
            m.d.sync += is_held_q.eq(0)
        with m.If(self.is_leaving | is_fast):
            m.d.sync += is_held_q.eq(self.is_leaving | ~self.reads.ready)
        with m.If(is_leaving_q):
            m.d.sync += [
                held_q.id.eq(leaving_q),
                held_q.address.eq(Mux(is_second, next_page, address)),
                held_q.beat_count.eq(Mux(is_second, total - before, before)),
            ]
        with m.Elif(self.can_ask & ~is_held_q):
            m.d.sync += held_q.eq(asked)
        if config.line_buffers:
            can_hold_line = ~is_held_q & ~is_leaving_q & ~self.can_ask & ~(self.pending.any() & self.may_ask)
            m.d.comb += self.lines.ready.eq(can_hold_line)
            with m.If(self.lines.valid & can_hold_line):
                m.d.sync += [is_held_q.eq(1), held_q.eq(self.lines.payload)]

        with m.If(is_leaving_q & ~(is_kept & self.is_waiting.bit_select(leaving_q, 1))):
            m.d.sync += self.pending.bit_select(leaving_q, 1).eq(0)
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
