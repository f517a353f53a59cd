"""Netlists as yosys and nextpnr write them in JSON: what placing needs to know of them."""

from collections.abc import Iterable, Iterator
from typing import Any

BLOCK_RAM, LUT, FLIP_FLOP, CARRY, LUT_RAM = "DP16KD", "LUT4", "TRELLIS_FF", "CCU2C", "TRELLIS_DPR16X4"
"""Cells of an ECP5, as yosys names their types."""

LOGIC = (LUT, FLIP_FLOP, CARRY, LUT_RAM)
"""Those that stand in logic tiles."""

PACKED_LUT, PACKED_RAM_INPUT = "TRELLIS_COMB", "TRELLIS_RAMW"
"""What nextpnr makes of logic: a look-up table, which may be one of a carry chain or of a RAM; and a RAM's inputs."""

PLAIN, CARRY_MODE, LUT_RAM_MODE = "LOGIC", "CCU2", "DPRAM"
"""Modes of such a table: neither in a chain nor in a RAM, or in one of them."""

CONSTANT = "$PACKER"
"""What the names of tables begin with that drive a constant to whoever needs one."""

FROM_ITS_LUT, FROM_ELSEWHERE = "1 ", "0 "
"""Where a flip-flop takes its data from, its parameter SD."""

LUT_INPUTS = ("A", "B", "C", "D", "FCI")

Cell = dict[str, Any]
Netlist = dict[str, Any]


def cells_of(netlist: Netlist) -> dict[str, Cell]:
    """The cells of the design by their names."""
    cells: dict[str, Cell] = netlist["modules"][_top(netlist)]["cells"]
    return cells


def with_cells(netlist: Netlist, cells: dict[str, Cell]) -> Netlist:
    """The netlist with these cells in place of its own, and of its nets those that they use."""
    top = _top(netlist)
    module = netlist["modules"][top]
    used = {bit for cell in cells.values() for bits in cell["connections"].values() for bit in bits}
    nets = {name: net for name, net in module["netnames"].items() if not used.isdisjoint(net["bits"])}
    return netlist | {"modules": netlist["modules"] | {top: module | {"cells": cells, "netnames": nets}}}


def settings_of(netlist: Netlist) -> dict[str, str]:
    """What nextpnr was told, in a netlist that it wrote."""
    settings: dict[str, str] = netlist["modules"][_top(netlist)]["settings"]
    return settings


def bits_of(cell: Cell) -> Iterator[tuple[str, int]]:
    """Ports and the numbers of the nets at them, without constants."""
    for port, bits in cell["connections"].items():
        yield from ((port, bit) for bit in bits if isinstance(bit, int))


def is_output(cell: Cell, port: str) -> bool:
    """Whether the cell drives what is at this port."""
    return bool(cell["port_directions"][port] == "output")


def nets_of(cells: Iterable[Cell]) -> set[int]:
    """Everything that they are connected to, but for clocks."""
    return {bit for cell in cells for port, bit in bits_of(cell) if not is_clock(port)}


def is_clock(port: str) -> bool:
    """Whether a port of that name is a clock's."""
    return port.startswith(("CLK", "WCK"))


def drivers_of(cells: dict[str, Cell]) -> dict[int, str]:
    """Which cell drives each net."""
    return {bit: name for name, cell in cells.items() for port, bit in bits_of(cell) if is_output(cell, port)}


def mode_of(cell: Cell) -> str:
    """Of a look-up table as nextpnr packs it."""
    mode: str = cell["parameters"].get("MODE", PLAIN)
    return mode


def site_of(cell: Cell) -> str | None:
    """Where nextpnr put it, or else where it is to put it, if either is known."""
    attributes: dict[str, str] = cell["attributes"]
    return attributes.get("NEXTPNR_BEL") or attributes.get("BEL") or None


def _top(netlist: Netlist) -> str:
    # Cells of the library are modules too, without content.
    modules = netlist["modules"]
    return max(modules, key=lambda name: len(modules[name]["cells"]))
