"""A count that knows at once whether it stands at one number."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class WatchedCount(wiring.Component):
    """Counts up and down, and says in each clock whether the count is ``watched``.

    Decisions that change the count wait for that, so neither the adder nor a comparison may stand in the way. Both are
    behind: the count is that of a clock ago, and a clock before that it was compared with the numbers that are two
    steps or less from ``watched``. Which of these matters is told by the changes since, in a register for each.

    Parameters: ``high``, the largest count; ``watched``, from 0 to ``high``; ``is_small`` compares the count itself:
    for parts where cells are scarcer than time. Raises ``ValueError`` for other numbers.

    Members: ``does_add``, ``does_remove``: in any clock, both too; never beyond 0 or ``high``. ``is_watched``: the
    count, with all changes of earlier clocks, is ``watched``.

    Latency: a change shows in the next clock.
    """

    def __init__(self, *, high: int, watched: int, is_small: bool = False):
        if not 0 <= watched <= high:
            raise ValueError(f"watched must be 0 to {high}, got {watched}")
        self._high = high
        self._watched = watched
        self._is_small = is_small
        super().__init__({"does_add": In(1), "does_remove": In(1), "is_watched": Out(1)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        if self._is_small:
            count = Signal(range(self._high + 1))
            m.d.sync += count.eq(count + self.does_add - self.does_remove)
            m.d.comb += self.is_watched.eq(count == self._watched)
            return m

        # Whether there is more, or less, after this clock, and after the one before it.
        rises = Signal(2)
        falls = Signal(2)
        m.d.comb += [
            rises[0].eq(self.does_add & ~self.does_remove),
            falls[0].eq(self.does_remove & ~self.does_add),
        ]
        m.d.sync += [rises[1].eq(rises[0]), falls[1].eq(falls[0])]
        # One adder: 1, or all ones, or 0.
        count = Signal(range(self._high + 1))
        m.d.sync += count.eq(count + Cat(rises[1] | falls[1], falls[1].replicate(len(count) - 1)))

        steps = {
            2: rises.all(),
            1: rises.xor() & ~falls.any(),
            0: ~(rises.any() ^ falls.any()),
            -1: falls.xor() & ~rises.any(),
            -2: falls.all(),
        }
        cases = []
        for step, is_step in steps.items():
            number = self._watched - step
            if 0 <= number <= self._high:
                was_there = Signal(name=f"was_{number}", init=number == 0)
                changed = Signal(name=f"changed_{step + 2}", init=step == 0)
                m.d.sync += [was_there.eq(count == number), changed.eq(is_step)]
                cases.append(was_there & changed)
        m.d.comb += self.is_watched.eq(Cat(cases).any())
        return m
