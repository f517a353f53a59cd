"""The clocks between the steps of a lookup: what ties lookups, deletes, moves and adds together."""

from saoffload.hdl.config import EngineConfig

from .entry import sizes_of
from .overflow import Overflow

MEMORY_LATENCY = 2
"""Clocks from an address to its word, in every memory of this table."""

LIVE_WRITE_DELAY = 1
"""Clocks from a write being given to the live store to the clock in which the memory is written."""

LIVE_TO_ANSWER = 6
"""Clocks from the clock in which a lookup addresses its live bit to that of its answer, both kinds alike: the live bit
(2), the choice (1), generation and context (2), the answer's register (1). A delete's answer is delayed by as much
after its live bit went away, so that at the ports the two agree to the clock."""


def way_to_live(config: EngineConfig) -> int:
    """Clocks from a search addressing the first way to its candidate addressing the live bit."""
    return sizes_of(config).ways + Overflow.LATENCY + 1


def request_to_live(config: EngineConfig) -> int:
    """Clocks from a key lookup's request, when wildcards are compared, to its candidates addressing the live bits."""
    return sizes_of(config).rounds + way_to_live(config)
