"""Which read goes out next: nodes that were asked for, second parts, and lines when nobody else wants the bus."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import Abi
from saoffload.hdl.local_copy import local_copy
from saoffload.hdl.lut_memory import LutMemory

from .round_robin import RoundRobin

PAGE_BITS = 12


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
    can_ask, do_ask, do_note, context, address, abi, first_count : In
        Asks for the node at this bus address, of which so many words lie before 4 KB. ``do_ask`` may be late in its
        clock; it comes only with ``can_ask``. ``do_note`` is the same, for what is kept: this one leads to the bus.
    do_wake, wake_context : In
        A node that was asked for with ``ask_is_parked`` is to be read after all.
    may_be_parked, ask_is_parked : In
        Belong to ``do_ask``: nothing is read unless it is woken. ``ask_is_parked`` may be later still, and comes only
        with ``may_be_parked``.
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

    No clock from ``do_ask`` to ``reads`` if nothing waits, one with ``may_be_parked``, 5 through the ring, out of which
    a node goes every second clock.
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
                "do_note": In(1),
                "may_be_parked": In(1),
                "ask_is_parked": In(1),
                "context": In(context),
                "address": In(config.address_width),
                "abi": In(Abi),
                "first_count": In(2),
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
        page_bits = config.address_width - PAGE_BITS
        first = data.StructLayout({"word": config.address_width - 3, "count": 2})
        second = data.StructLayout({"page": page_bits, "count": 2})
        m.submodules.firsts = firsts = LutMemory(shape=first, depth=config.contexts)
        m.submodules.seconds = seconds = LutMemory(shape=second, depth=config.contexts)
        m.submodules.turn = turn = RoundRobin(width=config.contexts)

        # The read that was offered and not taken, or that waits for nothing else.
        held_q = Signal(layouts.read_request(config))
        is_held_q = Signal()
        # What is held has just been asked for, and is not to be read.
        is_parked_q = Signal()
        asked = Signal(layouts.read_request(config))
        is_fast = Signal()
        before = self.first_count
        m.d.comb += [
            asked.id.eq(self.context),
            asked.address.eq(Cat(Const(0, 3), self.address[3:])),
            asked.beat_count.eq(before),
            self.reads.valid.eq((is_held_q & ~is_parked_q) | is_fast),
            self.reads.payload.eq(Mux(is_held_q, held_q.as_value(), asked.as_value())),
        ]

        # The one that leaves the ring. Who may leave was found out a clock before.
        is_leaving_q = Signal()
        leaving_q = self.leaving_context
        has_one_q = turn.is_any
        # Of each context: it is the one, if any leaves.
        is_next_q = Signal(config.contexts)
        leavers = Signal(config.contexts)
        do_take = Signal()
        can_be_fast = Signal()
        # What is asked for is kept a clock later: whether it is known late, and it leaves three clocks later at the
        # earliest.
        noted_q = Signal(config.address_width)
        is_noted_q = Signal()
        before_q, behind_q = (Signal(2, name=f"noted_{side}_q") for side in ("before", "behind"))
        asked_context_q = Signal(self.context.shape())
        m.d.sync += [
            is_noted_q.eq(self.do_note),
            noted_q.eq(self.address),
            before_q.eq(before),
            behind_q.eq(Mux(self.abi == Abi.X86, 2, 3) - before),
            asked_context_q.eq(self.context),
        ]
        m.d.comb += [
            firsts.write_data.word.eq(noted_q[3:]),
            firsts.write_data.count.eq(before_q),
            seconds.write_data.page.eq(noted_q[PAGE_BITS:] + 1),
            seconds.write_data.count.eq(behind_q),
        ]
        for name, part in (("first", firsts), ("second", seconds)):
            m.d.comb += [
                part.do_write.eq(is_noted_q),
                part.write_address.eq(asked_context_q),
                part.read_addresses[0].eq(local_copy(m, name, turn.index)),
            ]
        m.d.comb += [
            turn.requests.eq(self.pending & ~self.is_aborted),
            do_take.eq(has_one_q & (~is_held_q | self.reads.ready) & ~is_leaving_q & self.may_ask),
            turn.do_take.eq(is_leaving_q),
            turn.taken.eq(leaving_q),
            can_be_fast.eq(~is_held_q & ~is_leaving_q & ~has_one_q & self.may_ask),
            is_fast.eq(self.do_ask & ~self.may_be_parked & can_be_fast),
            self.is_leaving.eq((leavers & self.is_waiting & ~self.is_aborted).any()),
        ]
        m.d.sync += is_leaving_q.eq(do_take)
        # Whether the read of a context is that of a second part, and that of the one that leaves.
        seconds_q = Signal(config.contexts)
        is_second_q = Signal()
        m.d.comb += turn.marks.eq(seconds_q)
        m.d.sync += [
            leaving_q.eq(turn.index),
            is_second_q.eq(turn.mark),
            is_next_q.eq(Cat(turn.index == number for number in range(config.contexts))),
        ]
        m.d.comb += leavers.eq(is_next_q & is_leaving_q.replicate(config.contexts))

        # What is held waits for nothing that is late, but for whether it is valid.
        found, behind = firsts.read_data[0], seconds.read_data[0]
        with m.If(self.reads.ready | is_parked_q):
            m.d.sync += is_held_q.eq(0)
        with m.If(self.is_leaving | (self.do_note & can_be_fast)):
            m.d.sync += is_held_q.eq(self.is_leaving | self.may_be_parked | ~self.reads.ready)
        m.d.sync += is_parked_q.eq(self.ask_is_parked & self.do_note & can_be_fast)
        left = Signal(layouts.read_request(config))
        m.d.comb += [
            left.id.eq(leaving_q),
            left.address.eq(Mux(is_second_q, Cat(Const(0, PAGE_BITS), behind.page), Cat(Const(0, 3), found.word))),
            left.beat_count.eq(Mux(is_second_q, behind.count, found.count)),
        ]
        is_left = local_copy(m, "leaving", do_take)
        otherwise = Mux(self.can_ask, asked, self.lines.payload) if config.line_buffers else asked
        # Nothing leaves while another is held.
        with m.If(~is_held_q):
            m.d.sync += held_q.eq(Mux(is_left, left, otherwise))
        if config.line_buffers:
            can_hold_line = ~is_held_q & ~is_leaving_q & ~self.can_ask & ~has_one_q
            m.d.comb += self.lines.ready.eq(can_hold_line)
            with m.If(can_hold_line & self.lines.valid):
                m.d.sync += is_held_q.eq(1)

        # Who must wait is told a clock later.
        does_wait_q = Signal()
        was_parked_q = Signal()
        m.d.sync += [
            does_wait_q.eq(self.do_note & ~can_be_fast),
            was_parked_q.eq(self.ask_is_parked),
        ]
        does_wait = does_wait_q & ~was_parked_q
        for number in range(config.contexts):
            with m.If(leavers[number] & ~(self.is_aborted[number] & self.is_waiting[number])):
                m.d.sync += [self.pending[number].eq(0), seconds_q[number].eq(0)]
            with m.If(
                (does_wait & (asked_context_q == number))
                | (self.do_wake & (self.wake_context == number))
                | (self.do_second & (self.second_context == number))
            ):
                m.d.sync += self.pending[number].eq(1)
            with m.If(self.do_second & (self.second_context == number)):
                m.d.sync += seconds_q[number].eq(1)
            with m.If(self.do_call_off & (self.call_off_context == number)):
                m.d.sync += [self.pending[number].eq(0), seconds_q[number].eq(0)]
        return m
