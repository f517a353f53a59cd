"""The least depth of logic, on netlists whose depth is known."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

TOOL = Path(__file__).resolve().parents[2] / "tools" / "depths.py"
AND = "1" + "0" * 15
"""Truth table of four inputs as yosys writes it, the highest number first."""


def lut(output: int, inputs: list[int | str], table: str = AND) -> dict[str, Any]:
    return {
        "type": "LUT4",
        "parameters": {"INIT": table},
        "port_directions": {"A": "input", "B": "input", "C": "input", "D": "input", "Z": "output"},
        "connections": {**{name: [bit] for name, bit in zip("ABCD", inputs, strict=True)}, "Z": [output]},
    }


def register(data: int, output: int) -> dict[str, Any]:
    return {
        "type": "TRELLIS_FF",
        "parameters": {},
        "port_directions": {"DI": "input", "CLK": "input", "Q": "output"},
        "connections": {"DI": [data], "CLK": [2], "Q": [output]},
    }


def told(tmp_path: Path, cells: list[dict[str, Any]], netnames: dict[str, list[int]], *more: str) -> str:
    names = {name: {"bits": bits} for name, bits in netnames.items()}
    module = {"cells": {str(number): cell for number, cell in enumerate(cells)}, "netnames": names}
    netlist = tmp_path / "top.json"
    netlist.write_text(json.dumps({"modules": {"top": module, "LUT4": {"cells": {}, "netnames": {}}}}))
    done = subprocess.run([sys.executable, TOOL, netlist, *more], capture_output=True, text=True, check=True)
    return done.stdout


def test_tables_that_go_into_one(tmp_path: Path) -> None:
    """Six gates of two inputs in a chain need two levels; of several names the shortest is told."""
    gate = "1000" * 4
    chain = [lut(100 + step, [99 + step if step else 10, 11 + step, "0", "x"], gate) for step in range(6)]
    names = {"a_longer_name": [200], "deep": [200]}
    output = told(tmp_path, [*chain, register(105, 200)], names, "--at-least", "1")
    assert output.splitlines() == ["  2.0     1  deep DI", "1 of 1 groups of inputs need 1 levels or more"]


def test_what_cannot_be_flatter(tmp_path: Path) -> None:
    """Seventeen inputs need three levels; a table that passes one input on is none."""
    wide = [lut(100 + number, list(range(10 + 4 * number, 14 + 4 * number))) for number in range(4)]
    top = [lut(110, [100, 101, 102, 103]), lut(111, [110, 30, "1", "1"]), lut(112, [111, "0", "x", 3], "10" * 8)]
    output = told(tmp_path, [*wide, *top, register(112, 200)], {"wide": [200]}, "--at-least", "3")
    assert output.splitlines()[0] == "  3.0     1  wide DI"


def test_what_hangs_on_one_signal(tmp_path: Path) -> None:
    """One way of two levels and one of three; only the first begins at the signal, which is itself behind logic."""
    cells = [
        lut(100, [10, 11, 12, 13]),
        *(lut(101 + number, [100, *range(20 + 3 * number, 23 + 3 * number)]) for number in range(4)),
        lut(110, [101, 102, 103, 104]),
        *(lut(120 + number, list(range(40 + 4 * number, 44 + 4 * number))) for number in range(4)),
        lut(130, [120, 121, 122, 123]),
        lut(131, [130, 60, 61, 62]),
        register(110, 200),
        register(131, 201),
        register(10, 202),
    ]
    names = {"border": [100], "near": [200], "far": [201], "none": [202]}
    assert told(tmp_path, cells, names, "--at-least", "1").splitlines()[:2] == [
        "  3.0     1  far DI",
        "  3.0     1  near DI",
    ]
    output = told(tmp_path, cells, names, "--at-least", "0", "--behind", "border")
    assert output.splitlines() == ["  2.0     1  near DI", "1 of 3 groups of inputs need 0 levels or more"]


def test_a_signal_that_is_not_there(tmp_path: Path) -> None:
    told(tmp_path, [register(10, 200)], {"border": [10]})
    command = [sys.executable, TOOL, tmp_path / "top.json", "--behind", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("is called nothing\n")


def test_what_is_no_netlist(tmp_path: Path) -> None:
    broken = tmp_path / "top.json"
    broken.write_text("{}")
    done = subprocess.run([sys.executable, TOOL, broken], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert str(broken) in done.stderr
