"""Small netlists as nextpnr writes them once they are placed: tests say what stands where."""

from typing import Any

from saoffload.boards.netlist import FLIP_FLOP, PACKED_LUT

OUTPUTS = ("F", "FCO", "OFX", "Q", "DO", "DOA0", "DOB0")
CLOCK, ENABLE, RESET = 9001, 9002, 9003


def cell(kind: str, site: str = "", **connections: int | list[int | str]) -> dict[str, Any]:
    """A cell of that type at that site; each connection is the number of a net, or a list of them."""
    return {
        "type": kind,
        "attributes": {"NEXTPNR_BEL": site} if site else {},
        "parameters": {"SD": "1 ", "CEMUX": "CE", "MODE": "LOGIC"},
        "port_directions": {port: "output" if port in OUTPUTS else "input" for port in connections},
        "connections": {port: net if isinstance(net, list) else [net] for port, net in connections.items()},
    }


def lut(site: str, *, mode: str = "LOGIC", **connections: int) -> dict[str, Any]:
    """A look-up table."""
    made = cell(PACKED_LUT, site, **connections)
    made["parameters"]["MODE"] = mode
    return made


def flip_flop(site: str, *, enable: int = ENABLE, reset: int = RESET, **data: int) -> dict[str, Any]:
    """It takes its data from the table of its place through ``DI``, from elsewhere through ``M``."""
    made = cell(FLIP_FLOP, site, CLK=CLOCK, CE=enable, LSR=reset, **data)
    made["parameters"]["SD"] = "1 " if "DI" in data else "0 "
    return made


def netlist(**cells: dict[str, Any]) -> dict[str, Any]:
    """Of these cells; ``__`` in a name stands for a dot."""
    named = {name.replace("__", "."): content for name, content in cells.items()}
    return {"modules": {"top": {"cells": named, "netnames": {}, "settings": {"target_freq": "12000000.000000"}}}}
