"""The clocks between the steps of a lookup: what ties lookups, deletes, moves and adds together."""

from saoffload.hdl.config import EngineConfig

from .entry import sizes_of
from .overflow import Overflow

MEMORY_LATENCY = 2
"""Clocks from an address to its word, in every memory of this table."""

WORD_LATENCY = 1 + MEMORY_LATENCY
"""Clocks from an access to the generations being taken to its word: one for the way to a port that several share."""

STATE_LATENCY = 2 + MEMORY_LATENCY
"""The same for the management's reads of states: more ask, and deletes go first."""

STATE_WRITE_DELAY = 2
"""Clocks from a write of the management being taken by the live store to that in which the memories are written."""

DELETE_WRITE_DELAY = 3
"""The same for the write of a delete: it is always taken, and known a clock ahead, so that the management waits."""

LIVE_TO_ANSWER = 7
"""Clocks from the clock in which a lookup addresses its live bit to that of its answer, both kinds alike: the live bit
(2), the choice (1), generation and context (2), the generation's parity (1), the answer's register (1). A delete's
answer is delayed by as much after its live bit went away, so that at the ports the two agree to the clock."""


def way_to_live(config: EngineConfig) -> int:
    """Clocks from a search addressing the first way to its candidate addressing the live bit."""
    return sizes_of(config).ways + Overflow.LATENCY + 1


def request_to_live(config: EngineConfig) -> int:
    """Clocks from a key lookup's request, after which wildcards are compared, to its candidates addressing the live
    bits.
    """
    return sizes_of(config).rounds + way_to_live(config)
