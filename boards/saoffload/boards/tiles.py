"""What a logic tile of an ECP5 can hold."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .netlist import FLIP_FLOP, LUT_RAM_MODE, PACKED_RAM_INPUT, PLAIN, Cell, mode_of

SLICES, PLACES_PER_SLICE = "ABCD", 2
"""Each place has a look-up table, ``K``, and a flip-flop, ``FF``."""

TILE = re.compile(r"X(\d+)/Y(\d+)")
SITE = re.compile(r"(X\d+/Y\d+)/SLICE([A-D])\.([A-Z]+)(\d?)")


@dataclass(frozen=True)
class Site:
    """A site in a logic tile."""

    tile: str
    slice: str
    kind: str
    number: str

    @staticmethod
    def of(name: str) -> "Site | None":
        """The site of that name of nextpnr's, if it is one in a logic tile."""
        match = SITE.fullmatch(name)
        return match and Site(*match.groups())

    def __str__(self) -> str:
        return f"{self.tile}/SLICE{self.slice}.{self.kind}{self.number}"

    def beside(self, kind: str) -> "Site":
        """That of the look-up table, or of the flip-flop, of the same place."""
        return Site(self.tile, self.slice, kind, self.number)


def coordinates_of(name: str) -> tuple[int, int]:
    """Column and row of a tile, or of a site in one. Raises ``ValueError`` when the name is of neither."""
    match = TILE.match(name)
    if match is None:
        raise ValueError(f"{name!r} names no tile")
    return int(match[1]), int(match[2])


def sites_in(tile: str, kind: str) -> Iterator[Site]:
    """Of look-up tables, ``K``, or of flip-flops, ``FF``."""
    return (Site(tile, name, kind, str(number)) for name in SLICES for number in range(PLACES_PER_SLICE))


class Tile:
    """What stands in a tile: its flip-flops share a clock and a reset, those of a slice an enable; beside a carry there
    is none but carry in a slice, and beside a RAM nothing in the tile.
    """

    def __init__(self) -> None:
        self._taken: set[Site] = set()
        self._flip_flops: dict[Site, tuple[list[object], list[object]]] = {}
        self._carries: set[str] = set()
        self._has_ram = False

    def add(self, site: Site, cell: Cell) -> None:
        """The cell stands there, whether the tile takes it or not."""
        self._taken.add(site)
        mode = mode_of(cell)
        if cell["type"] == FLIP_FLOP:
            self._flip_flops[site] = (_shared(cell), _enable(cell))
        elif cell["type"] == PACKED_RAM_INPUT or mode == LUT_RAM_MODE:
            self._has_ram = True
        elif mode != PLAIN:
            self._carries.add(site.slice)

    def remove(self, site: Site) -> None:
        """A flip-flop, or a table that is neither in a chain nor in a RAM, stands there no more."""
        self._taken.remove(site)
        self._flip_flops.pop(site, None)

    def takes(self, site: Site, cell: Cell) -> bool:
        """Whether the cell may stand there beside all others."""
        if self._has_ram or site in self._taken:
            return False
        if cell["type"] != FLIP_FLOP:
            return site.slice not in self._carries
        shared, enable = _shared(cell), _enable(cell)
        return all(
            shared == others and (site.slice != there.slice or enable == other)
            for there, (others, other) in self._flip_flops.items()
        )


def _shared(flip_flop: Cell) -> list[object]:
    """What it shares with all of its tile."""
    connected, parameters = flip_flop["connections"], flip_flop["parameters"]
    names = ("CLKMUX", "LSRMUX", "SRMODE", "GSR")
    return [*(connected.get(port) or None for port in ("CLK", "LSR")), *(parameters.get(name) for name in names)]


def _enable(flip_flop: Cell) -> list[object]:
    return [flip_flop["connections"].get("CE") or None, flip_flop["parameters"].get("CEMUX")]
