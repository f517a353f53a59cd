"""The event counters: wide counts in one block RAM, with a few bits in front of each."""

from amaranth.hdl import Array, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from saoffload.hdl.memory import BlockMemory


class EventCounters(wiring.Component):
    """Counts every event and gives the exact count, up to the clock of the read, at any time.

    An event goes into a short counter of its own. One after the other these are added to the long counts in a memory
    and begin again at 0. A read is one such turn, taken at once: what it gives is the long count plus the short one.
    Reading a low word latches the high word.

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
    index, is_high, do_read : In
        Reads a word: ``read_data`` holds it in the next clock. An event counts from the clock after it. During the
        first ``count + 1`` turns after reset, while the memory is filled, all read 0; events of that time are counted.
    do_pause : ``In(1)``
        ``read_data`` is 0 in the next clock, unless that belongs to ``do_read``. Both together at most in every fourth
        clock.
    read_data : ``Out(32)``
        Unknown where neither promises anything: what is written and what is read share their gates.

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
        has_passed = Signal()
        is_filled = Signal()
        index = Signal(range(self._count))
        index_q = Signal(range(self._count))
        has_index_q = Signal()
        adds_q = Signal()
        total = Signal(self._width)
        do_write = Signal()

        # First clock of a turn: which counter. Reads go before; they come too seldom to starve the others.
        does_read = self.do_read & ~self.is_high & is_filled
        # After the first round one turn is left out: by then the last counter is surely written.
        does_pause = ~does_read & (self.do_read | self.do_pause | (has_passed & ~is_filled))
        m.d.comb += index.eq(Mux(does_read, self.index, next_index))
        m.d.sync += [
            index_q.eq(index),
            has_index_q.eq(~does_pause),
            adds_q.eq(is_filled & ~does_pause),
            is_filled.eq(has_passed),
        ]
        with m.If(~does_read & ~does_pause):
            m.d.sync += [next_index.eq(next_index + 1), has_passed.eq(has_passed | next_index.all())]

        m.submodules.counts = counts = BlockMemory(width=self._width, depth=self._count)
        m.d.comb += [
            counts.read_address.eq(index),
            counts.do_read.eq(1),
            counts.write_address.eq(index_q),
            counts.write_data.eq(total),
            # The counter whose next turn begins now would be read and written at once: that turn writes instead.
            do_write.eq(has_index_q & (index != index_q)),
            counts.do_write.eq(do_write),
        ]
        fresh = self._add_short_counters(m, index=index_q, do_clear=do_write)
        # Second clock: add. The first round adds to 0, whatever the memory holds; a pause adds nothing to nothing.
        long = counts.read_data & adds_q.replicate(self._width)
        short = fresh & has_index_q.replicate(len(fresh))
        m.d.comb += total.eq(long + short)
        self._add_reads(m, total=total)
        return m

    def _add_short_counters(self, m: Module, *, index: Signal, do_clear: Value) -> Value:
        """What each counter counted since its last turn. Turns come round in 4/3 * count clocks even if every fourth
        clock is a read or a pause, one turn may be put off by one, and one is left out after the first round.
        """
        bits = ceil_log2(3 * self._count // 2 + 4)
        shorts = Array(Signal(bits + (number in self._twice), name=f"short_{number}") for number in range(self._count))
        for number, short in enumerate(shorts):
            events = self.events[number] + (self.events_again[number] if number in self._twice else 0)
            with m.If(do_clear & (index == number)):
                m.d.sync += short.eq(events)
            with m.Else():
                m.d.sync += short.eq(short + events)
        return Value.cast(shorts[index])

    def _add_reads(self, m: Module, *, total: Signal) -> None:
        m.d.comb += self.read_data.eq(total[:32])
        if self._width > 32:
            reads_low_q = Signal()
            reads_high_q = Signal()
            high_q = Signal(self._width - 32)
            m.d.sync += [
                reads_low_q.eq(self.do_read & ~self.is_high),
                reads_high_q.eq(self.do_read & self.is_high),
            ]
            with m.If(reads_low_q):
                m.d.sync += high_q.eq(total[32:])
            with m.If(reads_high_q):
                m.d.comb += self.read_data.eq(high_q)
