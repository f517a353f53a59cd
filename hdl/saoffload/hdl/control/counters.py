"""The event counters: wide counts in memories, with a few bits in front of each."""

from amaranth.hdl import Array, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from saoffload.hdl.memory import BlockMemory

LOW_BITS = 32
"""Bits of a count that are added at once; what is above them follows a clock later, with the carry."""


class EventCounters(wiring.Component):
    """Counts every event and gives the exact count, up to the clock before the read, at any time.

    An event goes into a short counter of its own. One after the other these are added to the long counts in a memory
    and begin again at 0. A read gives the sum of both and changes nothing. It must not meet the counter's own turn
    halfway, so no turn begins in the clock before it, nor in its own. Reading a low word latches the high word.

    Parameters
    ----------
    count : int
        Counters; a power of two, at least 4.
    width : int
        Bits of a counter, 32 or 64.
    twice : tuple of int
        Counters whose event can happen twice in one clock.

    Members
    -------
    events : ``In(count)``
        Strobes.
    events_again : ``In(count)``
        Strobes of a second event in the clock, looked at for the counters of ``twice`` alone.
    do_pause, index : In
        Must come in the clock before each ``do_read``, and comes at most in every fifth clock. ``index`` belongs to it.
    is_high, do_read : In
        Reads a word: ``read_data`` holds it in the next clock, and is 0 in all others. During the first turns after
        reset, while the memory is filled, all read 0; events of that time are counted.
    read_data : ``Out(32)``

    Latency 1 clock.
    """

    def __init__(self, *, count: int, width: int, twice: tuple[int, ...] = ()):
        if count < 4 or count & (count - 1):
            raise ValueError(f"count must be a power of two and at least 4, got {count}")
        if width not in (32, 64):
            raise ValueError(f"width must be 32 or 64, got {width}")
        if any(not 0 <= number < count for number in twice):
            raise ValueError(f"twice must name counters below {count}, got {twice}")
        self._count = count
        self._width = width
        self._twice = twice
        super().__init__(
            {
                "events": In(count),
                "events_again": In(count),
                "index": In(range(count)),
                "is_high": In(1),
                "do_read": In(1),
                "do_pause": In(1),
                "read_data": Out(32),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        next_index = Signal(range(self._count))
        # Who is read, in a register: the next turn's, but for a clock after a pause.
        index = Signal(range(self._count))
        index_q = Signal(range(self._count))
        was_paused_q = Signal()
        is_filled = Signal()
        does_turn = Signal()
        does_turn_q = Signal()
        adds_q = Signal()
        shows_q = Signal()
        total = Signal(LOW_BITS + 1)

        # First clock of a turn or a read: the long count and the short one are read, and the latter is cleared.
        reads_low = self.do_read & ~self.is_high
        m.d.comb += does_turn.eq(~self.do_pause & ~was_paused_q)
        index_behind = (next_index + does_turn)[: len(next_index)]
        m.d.sync += [
            was_paused_q.eq(self.do_pause),
            next_index.eq(index_behind),
            index.eq(Mux(self.do_pause, self.index, index_behind)),
            index_q.eq(index),
            does_turn_q.eq(does_turn),
            adds_q.eq(is_filled),
            shows_q.eq(reads_low & is_filled),
        ]
        with m.If(does_turn):
            m.d.sync += is_filled.eq(is_filled | next_index.all())
        short_q = self._add_short_counters(m, index=index, next_index=next_index, do_clear=does_turn)

        m.submodules.counts = counts = BlockMemory(width=LOW_BITS, depth=self._count)
        m.d.comb += [
            counts.read_address.eq(index),
            counts.do_read.eq(1),
            # Second clock: add. The first round adds to 0, whatever the memory holds.
            total.eq(counts.read_data + short_q),
            counts.write_address.eq(index_q),
            counts.write_data.eq(Mux(adds_q, total[:LOW_BITS], short_q)),
            counts.do_write.eq(does_turn_q),
        ]
        shown = total[:LOW_BITS] & shows_q.replicate(LOW_BITS)
        if self._width > LOW_BITS:
            carry_q = Signal()
            m.d.sync += carry_q.eq(total[LOW_BITS])
            shown = shown | self._add_high_half(
                m, index_q=index_q, carry_q=carry_q, does_turn_q=does_turn_q, adds_q=adds_q
            )
        m.d.comb += self.read_data.eq(shown)
        return m

    def _add_short_counters(self, m: Module, *, index: Value, next_index: Signal, do_clear: Signal) -> Signal:
        """What each counter counted since its last turn, in a register. Turns come round in 28 clocks for 16 counters
        even if every fifth clock is a pause and the next one a read.
        """
        bits = ceil_log2(5 * self._count // 3 + 5)
        shorts = Array(Signal(bits + (number in self._twice), name=f"short_{number}") for number in range(self._count))
        for number, short in enumerate(shorts):
            events = self.events[number] + (self.events_again[number] if number in self._twice else 0)
            with m.If(do_clear & (next_index == number)):
                m.d.sync += short.eq(events)
            with m.Else():
                m.d.sync += short.eq(short + events)
        short_q = Signal(bits + bool(self._twice))
        m.d.sync += short_q.eq(shorts[index])
        return short_q

    def _add_high_half(
        self,
        m: Module,
        *,
        index_q: Signal,
        carry_q: Signal,
        does_turn_q: Signal,
        adds_q: Signal,
    ) -> Value:
        """The upper bits, each step a clock behind the lower ones; returns what a read of the high word shows."""
        bits = self._width - LOW_BITS
        reads_low_q = Signal()
        latches = Signal()
        write_index = Signal.like(index_q)
        does_write = Signal()
        adds_high = Signal()
        high_q = Signal(bits)
        shown_q = Signal(bits)
        total = Signal(bits)

        m.submodules.high_counts = counts = BlockMemory(width=bits, depth=self._count)
        m.d.sync += [
            reads_low_q.eq(self.do_read & ~self.is_high),
            latches.eq(reads_low_q),
            write_index.eq(index_q),
            does_write.eq(does_turn_q),
            adds_high.eq(adds_q),
        ]
        m.d.comb += [
            counts.read_address.eq(index_q),
            counts.do_read.eq(1),
            total.eq(counts.read_data + carry_q),
            counts.write_address.eq(write_index),
            counts.write_data.eq(Mux(adds_high, total, 0)),
            counts.do_write.eq(does_write),
        ]
        with m.If(latches):
            m.d.sync += high_q.eq(Mux(adds_high, total, 0))
        m.d.sync += shown_q.eq(high_q & (self.do_read & self.is_high).replicate(bits))
        return shown_q
