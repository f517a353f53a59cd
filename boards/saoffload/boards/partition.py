"""A design cut into parts, each of which is placed without the logic of the others."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .netlist import (
    BLOCK_RAM,
    FLIP_FLOP,
    LOGIC,
    LUT,
    Cell,
    Netlist,
    bits_of,
    cells_of,
    drivers_of,
    is_clock,
    is_output,
    nets_of,
    site_of,
    with_cells,
)
from .tiles import Site, sites_in

TAKEN = "taken."
"""What the names of cells begin with that are there for their sites alone."""

FILLER: Cell = {
    "hide_name": 0,
    "type": LUT,
    "parameters": {"INIT": "0" * 16},
    "port_directions": dict.fromkeys("ABCD", "input") | {"Z": "output"},
    "connections": {port: ["0"] for port in "ABCD"} | {"Z": []},
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """Logic that is placed together.

    Parameters: ``name``; ``pattern``, a regular expression for what the names of its registers begin with, and without
    one those that belong to no other part; ``placing``, options of nextpnr for it; ``tries``, placements of which the
    one is kept of which the least lateness is expected.
    """

    name: str
    pattern: str = ""
    placing: str
    tries: int = 1


class Partition:
    """Which part each cell of a netlist belongs to.

    Registers, carry chains and memories go by their names. A look-up table goes where its result goes, or else where
    its inputs come from: by its name it may be of one part and serve another, and would stand between them.

    Parameters: ``netlist``, of the whole design, as yosys writes it in JSON; ``parts``, in the order in which they are
    placed, one of them without a pattern, else ``ValueError``.
    """

    def __init__(self, netlist: Netlist, parts: Sequence[Part]):
        self._netlist = netlist
        self._cells = cells_of(netlist)
        self._parts = parts
        rest = next((part for part in parts if not part.pattern), None)
        if rest is None:
            raise ValueError("no part is without a pattern: what no pattern matches belongs to none")
        self._rest = rest
        self._owners = self._with_luts(
            {name: self._by_name(name) for name, cell in self._cells.items() if cell["type"] != LUT}
        )

    def owner_of(self, name: str) -> Part:
        """The part of a cell. What no cell of the netlist is called belongs to the part without pattern."""
        return self._owners.get(name, self._rest)

    def alone(self, part: Part, before: Mapping[Part, Netlist]) -> Netlist:
        """The netlist without the logic and the block RAMs of the other parts, which would draw this one apart; all
        else stays as surroundings.

        ``before``: parts that are placed already, as nextpnr wrote them. Their look-up tables and flip-flops that touch
        this part stand where they are, so that it comes to lie beside them, and all others of their tiles are taken.

        Tiles in which the floorplan has a site for a part that comes later are taken, too: flip-flops of one tile share
        a reset, and more.

        Raises ``ValueError`` when nothing belongs to the part: the netlist is of another design.
        """
        placed_types = (*LOGIC, BLOCK_RAM)
        own = {
            name for name, cell in self._cells.items() if cell["type"] in placed_types and self._owners[name] is part
        }
        if not own:
            raise ValueError(f"nothing belongs to the part {part.name!r}")
        kept = {name: cell for name, cell in self._cells.items() if cell["type"] not in placed_types or name in own}
        own_nets = nets_of(self._cells[name] for name in own)
        tiles: set[str] = set()
        # What the floorplan has for this part is its own: a neighbour there gives way.
        taken = {site for name in own if (site := self._cells[name]["attributes"].get("BEL"))}
        for other, placed in before.items():
            sites = {
                name: site
                for name, cell in cells_of(placed).items()
                if (site := site_of(cell)) and not name.startswith(TAKEN)
            }
            tiles |= {site.tile for name in sites.values() if (site := Site.of(name))}
            for name in self._steady(other, sites):
                if sites[name] not in taken and not own_nets.isdisjoint(nets_of([self._cells[name]])):
                    kept[name] = _touching(self._cells[name], own_nets, sites[name])
                    taken.add(sites[name])
        later = [
            cell
            for name, cell in self._cells.items()
            if cell["type"] == FLIP_FLOP and "BEL" in cell["attributes"] and self._owners[name] not in (part, *before)
        ]
        last_net = max((bit for cell in self._cells.values() for _, bit in bits_of(cell)), default=0)
        fillers = dict.fromkeys(_sites_of(tiles, "K"), FILLER)
        for cell in later:
            site = Site.of(cell["attributes"]["BEL"])
            assert site is not None
            fillers |= dict.fromkeys(_sites_of([site.tile], "K"), FILLER)
            fillers |= dict.fromkeys(_sites_of([site.tile], "FF"), _touching(cell, set(), ""))
        for number, site in enumerate(sorted(fillers.keys() - taken), start=1):
            kept[TAKEN + site] = _filling(fillers[site], site, last_net + number)
        return with_cells(self._netlist, kept)

    def _by_name(self, name: str) -> Part:
        return next((part for part in self._parts if part.pattern and re.match(part.pattern, name)), self._rest)

    def _with_luts(self, owners: dict[str, Part]) -> dict[str, Part]:
        """The same, and the owners of look-up tables."""
        cells = self._cells
        drivers = drivers_of(cells)
        readers: defaultdict[int, list[str]] = defaultdict(list)
        for name, cell in cells.items():
            for port, bit in bits_of(cell):
                if not is_output(cell, port) and not is_clock(port):
                    readers[bit].append(name)
        seen: tuple[dict[str, frozenset[Part]], ...] = ({}, {})

        def reached(name: str, *, is_ahead: bool) -> frozenset[Part]:
            """Parts of the logic that a look-up table leads to, or comes from, through look-up tables alone."""
            known = seen[is_ahead]
            if name not in known:
                known[name] = frozenset()
                cell = cells[name]
                neighbours = (
                    other
                    for port, bit in bits_of(cell)
                    if is_output(cell, port) == is_ahead
                    for other in (readers[bit] if is_ahead else [drivers[bit]] if bit in drivers else [])
                )
                known[name] = frozenset[Part]().union(
                    *(
                        reached(other, is_ahead=is_ahead)
                        if cells[other]["type"] == LUT
                        else {owners[other]}
                        if cells[other]["type"] in (*LOGIC, BLOCK_RAM)
                        else ()
                        for other in neighbours
                    )
                )
            return known[name]

        def owner_of_lut(name: str) -> Part:
            for is_ahead in (True, False):
                found = reached(name, is_ahead=is_ahead)
                if len(found) == 1:
                    return next(iter(found))
            return self._by_name(name)

        return owners | {name: owner_of_lut(name) for name, cell in cells.items() if cell["type"] == LUT}

    def _steady(self, part: Part, sites: Mapping[str, str]) -> Iterator[str]:
        """Look-up tables and flip-flops of the part whose sites can be asked for: a flip-flop shares its site with the
        table that feeds it, if it is the one that nextpnr chooses of those that the table feeds.
        """
        cells = self._cells
        drivers = drivers_of(cells)
        fed: defaultdict[int, list[str]] = defaultdict(list)
        for name, cell in cells.items():
            if cell["type"] == FLIP_FLOP:
                for bit in cell["connections"].get("DI", ()):
                    fed[bit].append(name)

        def is_inside(name: str) -> bool:
            return name in sites and self._owners[name] is part

        def stays(name: str) -> bool:
            cell = cells[name]
            if not is_inside(name) or cell["type"] not in (LUT, FLIP_FLOP):
                return False
            if cell["type"] == LUT:
                (output,) = cell["connections"]["Z"]
                return len(fed[output]) <= 1 and all(is_inside(user) for user in fed[output])
            sources = [drivers[bit] for port, bit in bits_of(cell) if port == "DI" and bit in drivers]
            return all(
                cells[source]["type"] in (FLIP_FLOP, BLOCK_RAM) or (cells[source]["type"] == LUT and stays(source))
                for source in sources
            )

        return (name for name in cells if stays(name))


def _touching(cell: Cell, nets: set[int], site: str) -> Cell:
    """The cell at its site, with its clock and, of its other inputs, those alone that are on ``nets``."""
    connections: dict[str, Any] = {}
    parameters = dict(cell["parameters"])
    for port, bits in cell["connections"].items():
        is_far = (
            not is_output(cell, port)
            and not is_clock(port)
            and nets.isdisjoint(bits)
            and any(isinstance(bit, int) for bit in bits)
        )
        if not is_far:
            connections[port] = bits
        elif port == "CE":
            # Yosys writes a value with a space behind it if it could be taken for a number.
            parameters["CEMUX"] = "1 "
        elif port != "LSR":
            connections[port] = ["0"]
    return cell | {
        "connections": connections,
        "port_directions": {port: cell["port_directions"][port] for port in connections},
        "parameters": parameters,
        "attributes": cell["attributes"] | {"BEL": site},
    }


def _sites_of(tiles: Iterable[str], kind: str) -> set[str]:
    return {str(site) for tile in tiles for site in sites_in(tile, kind)}


def _filling(cell: Cell, site: str, net: int) -> Cell:
    """The like of a cell, there for its site, with an output of its own."""
    outputs = {port: [net] for port in cell["connections"] if is_output(cell, port)}
    return cell | {"attributes": {"BEL": site}, "connections": cell["connections"] | outputs}
