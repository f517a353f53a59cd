"""The figures that the engine must reach."""

from typing import NamedTuple

from saoffload.hdl.config import EngineConfig

from .lists import NODE_BYTES
from .measure import Row

LATENCIES = (13, 100, 400)


class Target(NamedTuple):
    """At most so many clocks and bytes per node."""

    cycles_per_node: float
    bytes_per_node: float

    def is_met(self, row: Row) -> bool:
        """Whether a row reaches both, to the hundredth of a clock that is shown of it.

        A row holds the whole command, from its start to its completion, some 40 clocks more than its nodes take: of
        20,000 nodes that is 0.002 clocks each.
        """
        return round(row.cycles_per_node, 2) <= self.cycles_per_node and row.bytes_per_node <= self.bytes_per_node


# Clocks at each of LATENCIES, and bytes read for each byte of a node.
_CONTIGUOUS = ((3.3, 3.3, 4), 1.1)
_SLOTS_32 = ((4.3, 4.3, 5), 1.4)
_SLOTS_64 = ((8.5, 8.5, 9), 2.7)
_TARGETS: dict[str, tuple[tuple[float, ...], float]] = {
    "contiguous24": _CONTIGUOUS,
    "contiguous24_down": _CONTIGUOUS,
    "slots32": _SLOTS_32,
    "slots32_down": _SLOTS_32,
    "slots64": _SLOTS_64,
    "slots64_down": _SLOTS_64,
    "page_random": ((8, 13, 40), 2),
    "random": ((17, 104, 404), 1.1),
    "random_16_lists": ((4.2, 7, 27), 1.1),
}
_ONE_WINDOW: dict[str, tuple[tuple[float, ...], float]] = {"random": ((15, 102, 402), 1.1)}
"""With one window and one list at a time: an engine that small reads no node ahead."""


def target_of(config: EngineConfig, list_name: str, latency: int) -> Target | None:
    """What this engine must reach on that list; None where nothing is demanded. All demands are for 64-bit beats."""
    if config.data_width != 64 or latency not in LATENCIES:
        return None
    cycles, factor = (_ONE_WINDOW if config.windows == 1 else _TARGETS).get(list_name, ((), 0.0))
    if not cycles:
        return None
    return Target(cycles[LATENCIES.index(latency)], NODE_BYTES * factor)
