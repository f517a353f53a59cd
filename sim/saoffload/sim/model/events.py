"""What happens during a walk, as values that can be compared: statuses, events and the completion.

Every event ends in its own ``kind``, so that two events of different kinds are never equal although both are
tuples, and so that a list of events can be written as JSON and still be read.
"""

import enum
from typing import Literal, NamedTuple


class Status(enum.Enum):
    """How a command ended. The names are the contract; the numbers only keep the order in which checks apply."""

    #: The list ended with NULL.
    OK = 0
    #: The address is not a multiple of the node's natural alignment.
    MISALIGNED = 1
    #: No window holds the whole node.
    OUT_OF_WINDOW = 2
    #: The address is the one that Brent's algorithm has saved.
    LOOP = 3
    #: As many nodes were visited as the budget allows, and the list goes on.
    TOO_LONG = 4
    #: A beat that holds bytes of the node was answered with an error.
    BUS_ERROR = 5
    #: A beat that holds bytes of the node was not answered in time.
    TIMEOUT = 6
    #: The node's first 32-bit word is not the one of its structure.
    BAD_HEADER = 7
    #: An abort arrived before the last node was decided.
    ABORTED = 8


class DisagreementError(AssertionError):
    """The hardware that the model follows did what the contract forbids. The message says what and which rule."""


class Read(NamedTuple):
    """Bytes of a node were asked for: ``length`` bytes from bus ``address``, never across 4 KB.

    A fetch that reads ahead makes other reads; compare reads only with hardware that reads by demand.
    """

    address: int
    length: int
    kind: Literal["read"] = "read"

    def beats(self, beat_bytes: int = 8) -> range:
        """The addresses of the beats that hold these bytes."""
        return range(self.address & -beat_bytes, self.address + self.length, beat_bytes)


class Visited(NamedTuple):
    """A node's header was accepted. ``address`` is the list address, ``handle`` what the node names."""

    address: int
    handle: int
    kind: Literal["visited"] = "visited"


class Deleted(NamedTuple):
    """The handle named a bundle; the bundle is gone."""

    handle: int
    kind: Literal["deleted"] = "deleted"


class NotFound(NamedTuple):
    """The handle named nothing, which is no error."""

    handle: int
    kind: Literal["not_found"] = "not_found"


class Completion(NamedTuple):
    """The one answer to a command.

    ``visited`` is always ``deleted + not_found``. ``fault_address`` is None exactly when ``status`` is OK: otherwise
    the list address that failed, for ABORTED the next node not visited, for LOOP the address met again.
    """

    tag: int
    status: Status
    visited: int
    deleted: int
    not_found: int
    fault_address: int | None
    kind: Literal["completion"] = "completion"


Event = Read | Visited | Deleted | NotFound | Completion
"""Anything that can stand in a list of events."""
