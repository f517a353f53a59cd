"""A part of a design that is placed before the rest of it."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

BLOCK_RAM, LUT, FLIP_FLOP = "DP16KD", "LUT4", "TRELLIS_FF"
LOGIC = (LUT, FLIP_FLOP, "CCU2C", "TRELLIS_DPR16X4")
"""Cells that only a part's own are placed of, when it is placed."""


@dataclass(frozen=True, kw_only=True)
class FirstPart:
    """Is placed without the rest of the design, which then is placed around it.

    A placer that minds wire length and one that minds the clock each get what they are good at, and each finds its
    paths alone.

    Parameters: ``pattern``, which the names of its cells match; ``rest``, which those of the logic match that is left
    out while it is placed, everything else stays as its surroundings; ``placing``, options of nextpnr for this step.
    """

    pattern: str
    rest: str
    placing: str

    def alone(self, netlist: dict[str, Any]) -> dict[str, Any]:
        """The netlist, as yosys writes it in JSON, without the logic of the rest; block RAMs keep their sites."""
        top = _top(netlist)
        module = netlist["modules"][top]
        cells = {
            name: cell
            for name, cell in module["cells"].items()
            if cell["type"] not in LOGIC or not re.match(self.rest, name)
        }
        used = {bit for cell in cells.values() for bits in cell["connections"].values() for bit in bits}
        nets = {name: net for name, net in module["netnames"].items() if not used.isdisjoint(net["bits"])}
        return netlist | {"modules": netlist["modules"] | {top: module | {"cells": cells, "netnames": nets}}}

    def keep(self, netlist: dict[str, Any], placed: dict[str, Any]) -> Counter[str]:
        """Notes in the netlist of the whole design where nextpnr put the part; says how many cells of which type stay.

        ``placed``: what nextpnr wrote of ``alone``. Carry chains and RAM in tables have no one place, so they are
        placed anew; so is what nextpnr ties to them, or to logic of the rest: a flip-flop shares a place with the table
        that feeds it, if it is the one that nextpnr chooses of those that the table feeds.

        Raises ``ValueError`` when nothing of the part was placed: the designs are not the same.
        """
        cells = _cells(netlist)
        sites = {name: cell["attributes"].get("NEXTPNR_BEL") for name, cell in _cells(placed).items()}
        driver: dict[int, str] = {}
        fed: defaultdict[int, list[str]] = defaultdict(list)
        for name, cell in cells.items():
            for port, bit in _bits(cell):
                if cell["port_directions"][port] == "output":
                    driver[bit] = name
                elif cell["type"] == FLIP_FLOP and port == "DI":
                    fed[bit].append(name)

        def is_inside(name: str) -> bool:
            return re.match(self.pattern, name) is not None and bool(sites.get(name))

        def stays(name: str) -> bool:
            cell = cells[name]
            if cell["type"] == BLOCK_RAM:
                return bool(sites.get(name))
            if not is_inside(name):
                return False
            if cell["type"] == LUT:
                (output,) = cell["connections"]["Z"]
                return len(fed[output]) <= 1 and all(is_inside(user) for user in fed[output])
            if cell["type"] != FLIP_FLOP:
                return False
            sources = [driver[bit] for port, bit in _bits(cell) if port == "DI" and bit in driver]
            return all(
                stays(source) if cells[source]["type"] == LUT else _is_register(cells[source]) for source in sources
            )

        kept: Counter[str] = Counter()
        for name, cell in cells.items():
            if stays(name):
                cell.setdefault("attributes", {})["BEL"] = sites[name]
                kept[cell["type"]] += 1
        if not kept[LUT] + kept[FLIP_FLOP]:
            raise ValueError(f"no logic whose name matches {self.pattern!r} was placed")
        return kept


def _top(netlist: dict[str, Any]) -> str:
    # Cells of the library are modules too, without content.
    modules = netlist["modules"]
    return max(modules, key=lambda name: len(modules[name]["cells"]))


def _cells(netlist: dict[str, Any]) -> dict[str, Any]:
    cells: dict[str, Any] = netlist["modules"][_top(netlist)]["cells"]
    return cells


def _bits(cell: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Ports and the numbers of the nets at them, without constants."""
    for port, bits in cell["connections"].items():
        yield from ((port, bit) for bit in bits if isinstance(bit, int))


def _is_register(cell: dict[str, Any]) -> bool:
    return cell["type"] in (FLIP_FLOP, BLOCK_RAM)
