"""Reads as they stood on an AXI4 bus, and what must hold for each of them alone."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

BEAT_BYTES = 8
INCR = 1
SIZE_8 = 3


@dataclass(frozen=True)
class Burst:
    """One read as it stood on the bus."""

    clock: int
    id: int
    address: int
    beat_count: int
    size: int
    kind: int


def flaws(bursts: Iterable[Burst], windows: Iterable[tuple[int, int]]) -> list[str]:
    """What is wrong with these reads whatever they were for: each must be an incrementing burst of whole beats, cross
    no 4 KB, and lie wholly inside one of the ``windows`` (bus address, size).
    """
    found = []
    spans = [(start, start + size) for start, size in windows if size]
    for burst in bursts:
        end = burst.address + burst.beat_count * BEAT_BYTES
        where = f"read of {burst.beat_count} beats at {burst.address:#x}"
        if (burst.kind, burst.size) != (INCR, SIZE_8) or burst.address % BEAT_BYTES:
            found.append(f"{where}: ARBURST {burst.kind}, ARSIZE {burst.size}, not an aligned burst of 8-byte beats")
        if burst.address >> 12 != (end - 1) >> 12:
            found.append(f"{where}: crosses 4 KB")
        if not any(start <= burst.address and end <= stop for start, stop in spans):
            found.append(f"{where}: leaves the windows")
    return found


def to_json(bursts: Iterable[Burst]) -> list[dict[str, int]]:
    """For a job's result."""
    return [asdict(burst) for burst in bursts]


def from_json(bursts: Iterable[Mapping[str, int]]) -> list[Burst]:
    """From a job's result."""
    return [Burst(**burst) for burst in bursts]
