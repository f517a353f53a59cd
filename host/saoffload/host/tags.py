"""Which commands are outstanding: the account that makes every completion arrive exactly once."""

from collections import Counter

from .errors import TagInUseError
from .registers import require_bits

TAG_BITS = 32


class TagAccount:
    """Issues tags, and knows how many outstanding commands carry each."""

    def __init__(self) -> None:
        self._next = 1
        self._outstanding: Counter[int] = Counter()

    @property
    def outstanding(self) -> tuple[int, ...]:
        """The tag of every outstanding command, once per command, in the order of their first submission."""
        return tuple(self._outstanding.elements())

    def is_outstanding(self, tag: int) -> bool:
        """Whether a completion of this tag is still to come."""
        return self._outstanding[tag] > 0

    def reserve(self, chosen: int | None, *, is_shared: bool) -> int:
        """A tag for a command about to be submitted: the chosen one, or one that no outstanding command carries.
        It counts as outstanding from now on. Raises ``TagInUseError`` for a chosen tag that an outstanding command
        carries, unless ``is_shared``, and ``ValueError`` for one that does not fit 32 bits.
        """
        if chosen is None:
            while self._outstanding[self._next]:
                self._advance()
            tag = self._next
            self._advance()
        else:
            require_bits("a tag", chosen, TAG_BITS)
            if self._outstanding[chosen] and not is_shared:
                raise TagInUseError(chosen)
            tag = chosen
        self._outstanding[tag] += 1
        return tag

    def settle(self, tag: int) -> bool:
        """One command of this tag is over. False when none was outstanding."""
        if not self._outstanding[tag]:
            return False
        self._outstanding[tag] -= 1
        if not self._outstanding[tag]:
            del self._outstanding[tag]
        return True

    def void(self) -> tuple[int, ...]:
        """Forget all outstanding commands, and say which they were."""
        tags = self.outstanding
        self._outstanding.clear()
        return tags

    def _advance(self) -> None:
        self._next = (self._next + 1) % (1 << TAG_BITS)
