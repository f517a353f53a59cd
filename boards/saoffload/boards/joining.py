"""Parts that were placed one by one, put together again."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from .netlist import (
    CONSTANT,
    FLIP_FLOP,
    FROM_ELSEWHERE,
    FROM_ITS_LUT,
    PACKED_LUT,
    Cell,
    Netlist,
    cells_of,
    drivers_of,
    settings_of,
    site_of,
)
from .partition import Part, Partition
from .tiles import Site, Tile

PIECE = re.compile(r"\$(CCU2_COMB|DPRAM_COMB|RAMW_BLOCK|RAMW_SLICE)\d?$")
"""What it adds to the name of a cell that becomes several."""

CHAIN_END = "$nextpnr_CCU2C"
"""What the names of tables begin with that lead a carry into a chain or out of it. They are numbered anew each time."""

LOCKED = format(6, "032b")
"""A strength with which nextpnr moves nothing, and does not ask what belongs to a cell: it is all there."""


def join(packed: Netlist, partition: Partition, placed: Mapping[Part, Netlist], *, clock_hz: int) -> int:
    """Notes in a netlist as nextpnr packs it where the cells of each part were placed, and the clock to aim for, which
    a packed netlist does not know from its constraints. Says how many cells have no place yet.

    ``placed``: the parts, in the order in which they were placed, as nextpnr wrote them. A flip-flop of a later part
    that stands by itself gives way where a tile cannot hold it beside those of an earlier part.

    Raises ``ValueError`` when a cell was not placed, or has no place beside the parts before: these are other designs.
    """
    cells = cells_of(packed)
    chain_ends = _chain_ends(cells)
    tiles: defaultdict[str, Tile] = defaultdict(Tile)
    used: set[str] = set()
    homeless = 0
    for part, netlist in placed.items():
        source = cells_of(netlist)
        name_of_end = {end: name for name, end in _chain_ends(source).items()}
        of_this_part: list[tuple[Site, Cell]] = []
        for name, cell in cells.items():
            end = chain_ends.get(name)
            if partition.owner_of(PIECE.sub("", name if end is None else end.neighbour)) is not part:
                continue
            if "BEL" in cell["attributes"] and Site.of(cell["attributes"]["BEL"]) is None:
                continue
            found = source.get(name if end is None else name_of_end.get(end, ""))
            site_name = site_of(found) if found else None
            if site_name is None:
                if not name.startswith(CONSTANT):
                    raise ValueError(f"{name} was not placed with the part {part.name!r}")
                homeless += 1
                continue
            site = Site.of(site_name)
            cell["attributes"].pop("BEL", None)
            if site_name in used or (site is not None and not tiles[site.tile].takes(site, cell)):
                if cell["type"] != FLIP_FLOP:
                    raise ValueError(f"{name} has no place beside the parts before {part.name!r}")
                homeless += 1
                continue
            used.add(site_name)
            cell["attributes"] |= {"NEXTPNR_BEL": site_name, "BEL_STRENGTH": LOCKED}
            if site is not None:
                of_this_part.append((site, cell))
        for site, cell in of_this_part:
            tiles[site.tile].add(site, cell)
    _pair(cells)
    settings_of(packed)["target_freq"] = f"{clock_hz:.6f}"
    return homeless


def _pair(cells: dict[str, Cell]) -> None:
    """Each flip-flop takes its data from the look-up table of its place if that is what feeds it.

    Of those that one table feeds nextpnr chooses one for its place, and not the same one in each netlist.
    """
    drivers = drivers_of(cells)
    for cell in cells.values():
        if cell["type"] != FLIP_FLOP:
            continue
        connected, site = cell["connections"], cell["attributes"].get("NEXTPNR_BEL")
        data = connected.get("DI") or connected.get("M")
        if not data:
            continue
        source = cells.get(drivers.get(data[0], ""))
        beside = source["attributes"].get("NEXTPNR_BEL") if source and source["type"] == PACKED_LUT else None
        is_pair = bool(site and beside and beside.replace(".K", ".FF") == site)
        connected["DI"], connected["M"] = (data, []) if is_pair else ([], data)
        cell["port_directions"] |= {"DI": "input", "M": "input"}
        cell["parameters"]["SD"] = FROM_ITS_LUT if is_pair else FROM_ELSEWHERE


@dataclass(frozen=True)
class _ChainEnd:
    """Which table of a carry chain's ends it is: so many behind one with a name, or before it."""

    neighbour: str
    distance: int


def _chain_ends(cells: dict[str, Cell]) -> dict[str, _ChainEnd]:
    """The tables at the ends of carry chains, by their names of this run."""
    tables = {name: cell["connections"] for name, cell in cells.items() if cell["type"] == PACKED_LUT}
    giver = {bit: name for name, connected in tables.items() for bit in connected.get("FCO", ())}
    taker = {bit: name for name, connected in tables.items() for bit in connected.get("FCI", ())}
    found = {}
    for name in tables:
        if not name.startswith(CHAIN_END):
            continue
        for port, others, step in (("FCI", giver, 1), ("FCO", taker, -1)):
            other, distance = name, 0
            while other.startswith(CHAIN_END):
                bits = tables[other].get(port)
                other, distance = others.get(bits[0], "") if bits else "", distance + step
            if other:
                found[name] = _ChainEnd(other, distance)
                break
    return found
