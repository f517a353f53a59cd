"""Which lookup answers are still in use by the packet path, and what therefore has to wait."""

import enum


class LookupKind(enum.Enum):
    """The two kinds of lookups; each has its own streams and its own limit."""

    KEY = "key"
    HANDLE = "handle"


class MustWaitError(RuntimeError):
    """A lookup was asked while as many answers of its kind are unretired as the limit allows: the hardware would not
    have taken the request yet.
    """


class Drain:
    """Knows every answer that is not retired. A grace period that begins now is over once every answer given before
    now is retired; answers given later do not lengthen it.

    Parameters: ``unretired_limit``, the answers of one kind that may be unretired.
    """

    def __init__(self, *, unretired_limit: int = 4096) -> None:
        if unretired_limit < 1:
            raise ValueError(f"unretired_limit must be at least 1, got {unretired_limit}")
        self.unretired_limit = unretired_limit
        #: Retires that named no unretired answer of their kind. They change nothing.
        self.bad_retire_count = 0
        self._answered_count = 0
        # One dict in the order of the answers: its first entry is the oldest unretired one.
        self._unretired: dict[int, LookupKind] = {}
        self._counts = dict.fromkeys(LookupKind, 0)

    def unretired_count(self, kind: LookupKind) -> int:
        """Unretired answers of one kind."""
        return self._counts[kind]

    def is_waiting(self, kind: LookupKind) -> bool:
        """Whether a lookup of this kind has to wait, for the only reason there is."""
        return self._counts[kind] >= self.unretired_limit

    def answer(self, kind: LookupKind) -> int:
        """A lookup is answered now: the ticket to retire it with. Raises ``MustWaitError`` at the limit."""
        if self.is_waiting(kind):
            raise MustWaitError(f"{self.unretired_limit} answers to {kind.value} lookups are unretired")
        ticket = self._answered_count
        self._answered_count += 1
        self._unretired[ticket] = kind
        self._counts[kind] += 1
        return ticket

    def retire(self, kind: LookupKind, ticket: int) -> bool:
        """The packet path is done with an answer. False: no unretired answer of this kind has that ticket."""
        if self._unretired.get(ticket) is not kind:
            self.bad_retire_count += 1
            return False
        del self._unretired[ticket]
        self._counts[kind] -= 1
        return True

    def mark(self) -> int:
        """Begins a grace period: the value to ask ``is_over`` with. Later marks are never smaller."""
        return self._answered_count

    def is_over(self, mark: int) -> bool:
        """Whether every lookup answered before the mark is retired."""
        return next(iter(self._unretired), mark) >= mark

    def waiting_for(self, mark: int) -> int:
        """How many answers given before the mark are unretired."""
        return sum(ticket < mark for ticket in self._unretired)

    def reset(self) -> None:
        """Forgets every answer. Tickets of before are never used again, so that a late retire is a bad one."""
        self._unretired.clear()
        self._counts = dict.fromkeys(LookupKind, 0)
