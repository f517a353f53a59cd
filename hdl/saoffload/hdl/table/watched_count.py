"""A count that knows at once whether it stands at one number."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class WatchedCount(wiring.Component):
    """Counts up and down, and says in each clock whether the count is ``watched``.

    A comparison of the count itself would come after its adder or before it, and decisions that change the count wait
    for it. Here the count of the clock before is compared with the three numbers around ``watched``, and what changed
    since tells which of them matters: one look-up table.

    Parameters: ``high``, the largest count; ``watched``, from 0 to ``high``. Raises ``ValueError`` for others.

    Members: ``does_add``, ``does_remove``: in any clock, both too; never beyond 0 or ``high``. ``is_watched``: the
    count, with all changes of earlier clocks, is ``watched``.

    Latency: a change shows in the next clock.
    """

    def __init__(self, *, high: int, watched: int):
        if not 0 <= watched <= high:
            raise ValueError(f"watched must be 0 to {high}, got {watched}")
        self._high = high
        self._watched = watched
        super().__init__({"does_add": In(1), "does_remove": In(1), "is_watched": Out(1)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        count = Signal(range(self._high + 1))
        numbers = (self._watched - 1, self._watched, self._watched + 1)
        was_below, was_there, was_above = (
            Signal(name=name, init=number == 0)
            for name, number in zip(("was_below", "was_there", "was_above"), numbers, strict=True)
        )
        did_add = Signal()
        did_remove = Signal()
        changes = self.does_add ^ self.does_remove
        is_less = self.does_remove & ~self.does_add
        m.d.sync += [
            # One adder: 1, or all ones, or 0.
            count.eq(count + Cat(changes, is_less.replicate(len(count) - 1))),
            *(
                was.eq(count == number if 0 <= number <= self._high else 0)
                for was, number in zip((was_below, was_there, was_above), numbers, strict=True)
            ),
            did_add.eq(self.does_add),
            did_remove.eq(self.does_remove),
        ]
        m.d.comb += self.is_watched.eq(
            Mux(did_add == did_remove, was_there, Mux(did_add, was_below, was_above)),
        )
        return m
