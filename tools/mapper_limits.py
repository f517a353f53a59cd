"""Which registers of an ECP5 design keep the mapper from flatter logic everywhere.

    saoffload synth walk --preset huge
    python tools/mapper_limits.py build/LFE5U-85F-walk-huge/*/top.il

The mapper (abc9) allows all paths as many look-up tables as the longest one takes, as it maps it, and does not say
which that is. So the inputs of all registers behind more than --levels tables in a row are cut off, and the design is
mapped again, until there are none. Then they come back: those of one room at a time, and those of one name in a room at
fault. Who brings registers behind more tables by himself is at fault. A carry chain counts as a table, a RAM in tables
as none, which is how the mapper sees it. Each mapping takes seconds, and there are some dozens.
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from saoffload.boards.flow import FOLD_ENABLES, MAP_TO_ECP5
from saoffload.boards.tools import TOOLS, BuildError

READ = f"""
read_rtlil top.il
setattr -unset init a:uninitialised
synth_ecp5 -nowidelut -run begin:map_ffs -top top
{FOLD_ENABLES}
delete =A:blackbox =A:whitebox
write_rtlil mapped.il
"""
MAP = f"""
read_verilog -lib -specify +/lattice/cells_sim_ecp5.v +/lattice/cells_bb_ecp5.v
read_rtlil cut.il
hierarchy -top top
{MAP_TO_ECP5}
write_json cut.json
"""
INPUTS = ("DI", "CE", "LSR")
CHAIN_INPUTS = ("A0", "B0", "C0", "D0", "A1", "B1", "C1", "D1")

Bit = tuple[str, int]
"""A bit of a signal: its name, and the number in it."""


class Design:
    """A flat design before its look-up tables, whose registers can be cut off.

    Parameters: ``source``, RTLIL of a design whose top is ``top``; ``folder``, to work in. Raises ``BuildError`` if
    yosys is missing or fails, as do the methods.
    """

    def __init__(self, source: Path, folder: Path):
        self._folder = folder
        shutil.copyfile(source, folder / "top.il")
        self._run(READ)
        self._lines = (folder / "mapped.il").read_text().splitlines()
        self._registers: dict[Bit, list[tuple[int, str]]] = {}
        inputs: list[tuple[int, str]] = []
        for number, line in enumerate(self._lines):
            if line.startswith("  cell \\"):
                inputs = []
            elif match := re.match(r"    connect \\(DI|CE|LSR) ", line):
                inputs.append((number, match[1]))
            elif match := re.match(r"    connect \\Q \\(\S+)(?: \[(\d+)\])?$", line):
                self._registers[match[1], int(match[2] or 0)] = inputs

    def deep(self, levels: int, cut: Iterable[Bit] = ()) -> dict[Bit, str]:
        """The registers behind more tables than ``levels`` in the design without those that are ``cut``: the name of
        each, by every bit that names it.
        """
        lines = list(self._lines)
        for register in cut:
            for number, port in self._registers.get(register, ()):
                lines[number] = f"    connect \\{port} 1'0"
        (self._folder / "cut.il").write_text("\n".join(lines) + "\n")
        self._run(MAP)
        return _deep(json.loads((self._folder / "cut.json").read_text())["modules"]["top"], levels)

    def _run(self, script: str) -> None:
        (self._folder / "script.ys").write_text(script)
        log = self._folder / "log"
        TOOLS["YOSYS"].run(["-q", "script.ys"], folder=self._folder, log=log, cure="is it the top.il of a build?")


def _deep(module: dict[str, Any], levels: int) -> dict[Bit, str]:
    drivers = {
        bit: (cell, port)
        for cell in module["cells"].values()
        for port, bits in cell["connections"].items()
        if cell["port_directions"][port] == "output"
        for bit in bits
    }
    known: dict[int | str, int] = {}

    def level(bit: int | str) -> int:
        if bit not in known:
            cell, port = drivers.get(bit, ({"type": ""}, ""))
            taken = cell.get("connections", {})
            known[bit] = 0
            if cell["type"] == "LUT4":
                known[bit] = 1 + max(level(taken[name][0]) for name in "ABCD")
            elif cell["type"] == "CCU2C":
                own = [level(taken[name][0]) for name in CHAIN_INPUTS]
                known[bit] = max(1 + max(own), level(taken["CIN"][0]))
            elif "DPR16X4" in cell["type"] and port.startswith("DO"):
                known[bit] = max(level(address) for address in taken["RAD"])
        return known[bit]

    names: dict[int | str, list[Bit]] = defaultdict(list)
    for name, net in module["netnames"].items():
        for number, bit in enumerate(net["bits"]):
            names[bit].append((name, number))
    found = {}
    for cell in module["cells"].values():
        taken = cell["connections"]
        if cell["type"] == "TRELLIS_FF" and any(level(bit) > levels for port in INPUTS for bit in taken.get(port, ())):
            aliases = names[taken["Q"][0]]
            shortest = min((name for name, _ in aliases), key=lambda name: (len(name), name))
            found |= dict.fromkeys(aliases, shortest)
    return found


def at_fault(design: Design, levels: int) -> Iterable[tuple[str, int]]:
    """Names of registers that by themselves bring registers behind more tables than ``levels``, and how many."""
    cut: dict[Bit, str] = {}
    while more := {register: name for register, name in design.deep(levels, cut).items() if register not in cut}:
        cut |= more
        print(f"{len(set(cut.values()))} names cut off", file=sys.stderr)
    rooms = defaultdict(list)
    for name in sorted(set(cut.values())):
        rooms[name.rpartition(".")[0]].append(name)
    for number, names in enumerate(rooms.values()):
        print(f"room {number + 1} of {len(rooms)}", file=sys.stderr)
        for tried in (names, *([name] for name in names)):
            left = {register: name for register, name in cut.items() if name not in tried}
            found = len(set(design.deep(levels, left).values()))
            if not found:
                if tried is names:
                    break
            elif tried is not names:
                yield tried[0], found


def main() -> None:
    """A line for each name at fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("design", type=Path, help="flat RTLIL of a build, before synthesis: its top.il")
    parser.add_argument("--levels", type=int, default=4, metavar="N", help="tables in a row that are no fault (4)")
    arguments = parser.parse_args()
    if not arguments.design.is_file():
        sys.exit(f"error: there is no file {arguments.design}: name the top.il of a build")
    sys.setrecursionlimit(1_000_000)
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name, count in at_fault(Design(arguments.design, Path(folder)), arguments.levels):
                print(f"{name}: with it {count} names are behind more than {arguments.levels} tables", flush=True)
    except BuildError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
