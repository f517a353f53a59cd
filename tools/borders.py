"""How deep the logic is on both sides of each border between the rooms of an engine, before anything is placed.

    python tools/borders.py --preset huge

Every room is synthesized alone for an ECP5. Of each signal that leads from one room into another: levels of 4-input
tables from registers to the border, from there to the next register or memory, and the sum of both, the deepest first.
``tools/depths.py`` says how levels are counted. *Through* a room leads what hangs on an input of it without a register
between: to the signals named, so many levels on. A carry chain has fractions of levels, an enable 0.6 more.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from amaranth.back import rtlil
from amaranth.hdl import Const, Elaboratable, Module, Signal, Value
from amaranth.lib.wiring import Component, In
from depths import COMBINATIONAL, RAMS, Depths

from saoffload.boards.tools import TOOLS, BuildError
from saoffload.hdl.borders import LINKS, has_registers, wires_of
from saoffload.hdl.bus.choice import read_master
from saoffload.hdl.config import EngineConfig, preset
from saoffload.hdl.control.control import Control
from saoffload.hdl.soft_reset import SoftReset
from saoffload.hdl.table.choice import sa_table
from saoffload.hdl.walk.walk import Walk

SCRIPT = "read_rtlil top.il; setattr -unset init a:uninitialised; synth_ecp5 -nowidelut -top top -json top.json"
LIMIT = 2
"""Levels that a signal may pass between two registers, both sides of the border together."""

ROOMS: dict[str, Callable[[EngineConfig], Component]] = {
    "control": Control,
    "soft_reset": lambda _config: SoftReset(),
    "walk": Walk,
    "read_master": read_master,
    "table": sa_table,
}


class Alone(Elaboratable):
    """A room whose ports are those of a chip. Members: ``ports``, by name: a signal, and whether it is an input."""

    def __init__(self, room: Component):
        self._room = room
        self.ports: dict[str, tuple[Signal, bool]] = {}
        self._inner: dict[str, Value] = {}
        for path, member, value in room.signature.flatten(room):
            inner = Value.cast(value)
            if len(inner) and not isinstance(inner, Const):
                name = ".".join(str(part) for part in path)
                self.ports[name] = (Signal(len(inner), name=name), member.flow == In)
                self._inner[name] = inner

    def elaborate(self, _platform: object) -> Module:
        """The room, wired to its ports."""
        m = Module()
        m.submodules.room = self._room
        for name, (signal, is_input) in self.ports.items():
            m.d.comb += self._inner[name].eq(signal) if is_input else signal.eq(self._inner[name])
        return m


@dataclass
class Side:
    """Levels between a port of a room and the registers in it: none if there are no registers on that way."""

    levels: float | None
    #: Outputs that hang on this input without a register between, and levels to them.
    through: dict[str, float] = field(default_factory=dict)


def sides_of(room: Component, folder: Path) -> dict[str, Side]:
    """Every port of a room. Raises ``BuildError`` if yosys is missing or fails."""
    alone = Alone(room)
    (folder / "top.il").write_text(
        rtlil.convert(alone, name="top", ports=[signal for signal, _ in alone.ports.values()], emit_src=False)
    )
    TOOLS["YOSYS"].run(["-q", "-p", SCRIPT], folder=folder, log=folder / "yosys.log", cure="see the log")
    modules = json.loads((folder / "top.json").read_text())["modules"]
    return dict(_measured(modules["top"], {name: is_input for name, (_, is_input) in alone.ports.items()}))


def _measured(module: dict[str, Any], ports: dict[str, bool]) -> Iterator[tuple[str, Side]]:
    bits = {name: _signals(port["bits"]) for name, port in module["ports"].items() if name in ports}
    registers = frozenset(
        bit
        for cell in module["cells"].values()
        if cell["type"] not in (*COMBINATIONAL, *RAMS)
        for port, connected in cell["connections"].items()
        if cell["port_directions"][port] == "output"
        for bit in _signals(connected)
    )
    from_registers = Depths(module, starts=registers)
    for name, is_input in ports.items():
        if not is_input:
            yield name, Side(_told(from_registers.depth_of(bits[name] or ["0"])))
            continue
        behind = Depths(module, starts=frozenset(bits[name]))
        ends = [max(depths) for depths in behind.endpoints().values()]
        through = {
            other: behind.depth_of(bits[other]) for other, is_input in ports.items() if not is_input and bits[other]
        }
        yield (
            name,
            Side(
                _told(max(ends, default=float("-inf"))),
                {other: levels for other, levels in through.items() if levels >= 0},
            ),
        )


def _signals(bits: list[int | str]) -> list[int]:
    return [bit for bit in bits if isinstance(bit, int)]


def _told(levels: float) -> float | None:
    return levels if levels >= 0 else None


class Crossing(NamedTuple):
    """A signal, by the ports that it leads from and to."""

    source: str
    output: str
    sink: str
    input: str
    is_registered: bool


def crossings_of(config: EngineConfig) -> Iterator[Crossing]:
    """All signals that lead from room to room."""
    for link in LINKS:
        late = link.is_registered and has_registers(config)
        for part in ("valid", "payload"):
            name = f"{link.stream}.{part}"
            yield Crossing(link.source, name, link.sink, name, late)
        yield Crossing(link.sink, f"{link.stream}.ready", link.source, f"{link.stream}.ready", late)
    for wire in wires_of(config):
        late = wire.is_registered and has_registers(config)
        yield Crossing(wire.owner, wire.name, wire.reader, wire.read_as or wire.name, late)
    # The engine lets reads pass only while there is no reset to wait for.
    for part in ("valid", "payload"):
        yield Crossing("walk", f"reads.{part}", "read_master", f"requests.{part}", is_registered=False)
    yield Crossing("read_master", "requests.ready", "walk", "reads.ready", is_registered=False)
    # What is counted of the packet path and of deletes.
    for kind in ("key", "handle"):
        yield Crossing("table", f"{kind}_answers.valid", "control", f"{kind}_lookup", has_registers(config))
        yield Crossing("table", f"{kind}_answers.payload", "control", f"{kind}_hit", has_registers(config))
    yield Crossing("table", "delete_answers.payload", "control", "handle_deleted", has_registers(config))


def measured(config: EngineConfig, *, progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """A row for each signal that crosses: ``signal``, ``source``, ``sink``, ``is_registered``, ``before``, ``behind``,
    ``levels``, ``through``. Raises ``BuildError``.
    """
    sides = {}
    for name, room in ROOMS.items():
        progress(f"synthesis of {name}")
        with tempfile.TemporaryDirectory(prefix="borders") as folder:
            sides[name] = sides_of(room(config), Path(folder))
    rows = [row for crossing in crossings_of(config) if (row := _row(crossing, sides)) is not None]
    return sorted(rows, key=lambda row: (-row["levels"], row["source"], row["signal"]))


def _row(crossing: Crossing, sides: dict[str, dict[str, Side]]) -> dict[str, Any] | None:
    """None if the port is a constant, or has no bits."""
    source, sink = sides[crossing.source].get(crossing.output), sides[crossing.sink].get(crossing.input)
    if source is None or sink is None:
        return None
    before, behind = source.levels or 0, sink.levels or 0
    return {
        "signal": crossing.output,
        "source": crossing.source,
        "sink": crossing.sink,
        "is_registered": crossing.is_registered,
        "before": before,
        "behind": behind,
        "levels": max(before, behind) if crossing.is_registered else before + behind,
        "through": sink.through,
    }


def main() -> None:
    """One line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="huge", help="engine to look at (huge)")
    parser.add_argument("--json", action="store_true", help="write it for programs")
    arguments = parser.parse_args()
    # Depths are counted by one call for each gate that is passed.
    sys.setrecursionlimit(1_000_000)
    try:
        rows = measured(preset(arguments.preset), progress=lambda text: print(text, file=sys.stderr))
    except (BuildError, ValueError) as error:
        sys.exit(f"error: {error}")
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        mark = " register" if row["is_registered"] else ""
        print(
            f"{row['levels']:5.1f} = {row['before']:3.1f} + {row['behind']:3.1f}  "
            f"{row['source']} -> {row['sink']}: {row['signal']}{mark}"
        )
        if row["through"] and not row["is_registered"]:
            print("       through: " + ", ".join(f"{name} ({levels:.1f})" for name, levels in row["through"].items()))
    deep = sum(row["levels"] > LIMIT and not row["is_registered"] for row in rows)
    print(f"{deep} of {len(rows)} signals cross without a register and have more than {LIMIT} levels in all")


if __name__ == "__main__":
    main()
