"""Where a scenario's choices come from: a seed, or whoever shrinks it. All are numbers below a bound, and 0 is the
simplest, so that smaller numbers make a smaller scenario.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

ItemT = TypeVar("ItemT")


class Choices:
    """Draws each number below a bound with ``draw``, and remembers them all in ``drawn``."""

    def __init__(self, draw: Callable[[int], int]) -> None:
        self._draw = draw
        self.drawn: list[int] = []

    @classmethod
    def of_seed(cls, seed: int | str) -> "Choices":
        """The same choices for the same seed."""
        return cls(Random(seed).randrange)

    def below(self, bound: int) -> int:
        """0 to ``bound - 1``."""
        number = self._draw(bound)
        self.drawn.append(number)
        return number

    def between(self, low: int, high: int) -> int:
        """``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def pick(self, items: Sequence[ItemT]) -> ItemT:
        """One of ``items``; the first is the simplest."""
        return items[self.below(len(items))]

    def percent(self, chance: int) -> bool:
        """True in so many of 100 cases."""
        return self.below(100) >= 100 - chance

    def random(self) -> Random:
        """A source of its own for numbers that are too many to be drawn one by one."""
        return Random(self.below(1 << 16))
