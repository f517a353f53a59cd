"""A part of a design that is placed before the rest: what is left out while it is, and what then stays at its place."""

import json
from collections import Counter
from typing import Any

import pytest
from tests.unit.boards_workshop import Workshop

from saoffload.boards.first_part import FirstPart
from saoffload.boards.floorplan import Floorplan
from saoffload.boards.synth import synthesize
from saoffload.boards.tools import BuildError

PART = FirstPart(pattern=r"a\.", rest=r"(?!a\.)\w+\.", placing="--placer static")
CELLS: dict[str, tuple[str, dict[str, list[int | str]]]] = {
    # A table and the flip-flop that it feeds; a table that feeds none.
    "a.pair_lut": ("LUT4", {"A": [1], "B": [40], "C": ["0"], "D": ["0"], "Z": [2]}),
    "a.pair_ff": ("TRELLIS_FF", {"CLK": [9], "DI": [2], "Q": [1]}),
    "a.lut": ("LUT4", {"A": [1], "B": ["0"], "C": ["0"], "D": ["0"], "Z": [3]}),
    # Which of the two shares the table's place is nextpnr's choice.
    "a.double_lut": ("LUT4", {"A": [1], "B": ["0"], "C": ["0"], "D": ["0"], "Z": [4]}),
    "a.double_ff0": ("TRELLIS_FF", {"CLK": [9], "DI": [4], "Q": [5]}),
    "a.double_ff1": ("TRELLIS_FF", {"CLK": [9], "DI": [4], "Q": [6]}),
    # From a flip-flop, from a block RAM, from outside, from a constant.
    "a.chain_ff": ("TRELLIS_FF", {"CLK": [9], "DI": [1], "Q": [7]}),
    "a.ram": ("DP16KD", {"CLKA": [9], "ADA0": [7], "DOA0": [8]}),
    "a.ram_ff": ("TRELLIS_FF", {"CLK": [9], "DI": [8], "Q": [10]}),
    "a.from_ff": ("TRELLIS_FF", {"CLK": [9], "DI": [40], "Q": [11]}),
    "a.one_ff": ("TRELLIS_FF", {"CLK": [9], "DI": ["1"], "Q": [12]}),
    # Tied to what is placed anew.
    "a.carry": ("CCU2C", {"A0": [1], "S0": [13]}),
    "a.carry_ff": ("TRELLIS_FF", {"CLK": [9], "DI": [13], "Q": [14]}),
    "a.from_lut": ("TRELLIS_FF", {"CLK": [9], "DI": [41], "Q": [15]}),
    "a.to_ff": ("LUT4", {"A": [1], "B": ["0"], "C": ["0"], "D": ["0"], "Z": [42]}),
    # The rest.
    "b.lut": ("LUT4", {"A": [3], "B": ["0"], "C": ["0"], "D": ["0"], "Z": [41]}),
    "b.ff": ("TRELLIS_FF", {"CLK": [9], "DI": [42], "Q": [40]}),
    "b.ram": ("DP16KD", {"CLKA": [9], "ADA0": [40], "DOA0": [43]}),
    # Around both.
    "clock": ("TRELLIS_IO", {"O": [9]}),
}
OUTPUTS = ("Z", "Q", "S0", "DOA0", "O")
STAY = {"a.pair_lut", "a.pair_ff", "a.lut", "a.chain_ff", "a.ram", "a.ram_ff", "a.from_ff", "a.one_ff", "b.ram"}


def design() -> dict[str, Any]:
    cells = {
        name: {
            "type": kind,
            "attributes": {"src": "x"},
            "port_directions": {port: "output" if port in OUTPUTS else "input" for port in connections},
            "connections": connections,
        }
        for name, (kind, connections) in CELLS.items()
    }
    nets = {f"net_{number}": {"bits": [number]} for number in (*range(1, 16), *range(40, 44))}
    return {"creator": "x", "modules": {"LUT4": {"cells": {}}, "top": {"cells": cells, "netnames": nets}}}


def placed(netlist: dict[str, Any]) -> dict[str, Any]:
    """What nextpnr writes of it: every cell has a place, logic of other names."""
    cells = {
        name: {"type": kind, "attributes": {"NEXTPNR_BEL": f"place of {name}"}}
        for name, kind in ((name, cell["type"]) for name, cell in netlist["modules"]["top"]["cells"].items())
    }
    return {"modules": {"top": {"cells": cells}}}


def sites(netlist: dict[str, Any]) -> dict[str, str]:
    cells = netlist["modules"]["top"]["cells"]
    return {name: cell["attributes"]["BEL"] for name, cell in cells.items() if "BEL" in cell["attributes"]}


def test_the_logic_of_the_rest_is_left_out_and_nothing_else() -> None:
    whole = design()
    alone = PART.alone(whole)["modules"]["top"]
    assert set(alone["cells"]) == {name for name in CELLS if name.startswith("a.")} | {"b.ram", "clock"}
    # A net of the rest alone is gone, one that leads into the part is there, without who drives it.
    assert {"net_40", "net_41", "net_42"} < set(alone["netnames"])
    assert whole == design()


def test_what_has_one_place_of_its_own_stays_there() -> None:
    whole = design()
    kept = PART.keep(whole, placed(PART.alone(whole)))
    assert sites(whole) == {name: f"place of {name}" for name in STAY}
    assert kept == Counter({"TRELLIS_FF": 5, "LUT4": 2, "DP16KD": 2})


def test_a_cell_that_was_not_placed_takes_what_is_tied_to_it_along() -> None:
    whole = design()
    there = placed(PART.alone(whole))
    del there["modules"]["top"]["cells"]["a.pair_lut"]
    PART.keep(whole, there)
    assert set(sites(whole)) == STAY - {"a.pair_lut", "a.pair_ff"}


def test_a_placement_of_another_design_is_told() -> None:
    with pytest.raises(ValueError, match="no logic whose name matches"):
        PART.keep(design(), {"modules": {"top": {"cells": {"c.lut": {"type": "LUT4", "attributes": {}}}}}})


@pytest.fixture
def workshop(tmp_path, monkeypatch) -> Workshop:
    shop = Workshop(tmp_path)
    shop.install(monkeypatch)
    plan = Floorplan(rooms=(), first=PART, placing="--placer heap")
    monkeypatch.setattr("saoffload.boards.synth.floorplan_of", lambda *_: plan)
    return shop


def test_the_part_is_placed_once_and_the_rest_with_each_seed(workshop) -> None:
    whole = json.dumps(design())
    workshop.plan(fmax={"1": 130.0, "2": 120.0}, constraint=125.0, netlist=whole, placed=json.dumps(placed(design())))
    steps = []
    for _ in range(2):
        report = synthesize("walk", preset="tiny", seeds=2, out_dir=workshop.home / "out", progress=steps.append)
        assert report.fmax_by_seed == {1: 130.0, 2: 120.0}
    assert steps[0].count == 5
    assert [step.text for step in steps[:3]] == ["describing the hardware", "synthesis", "placing the first part"]
    first, *seeds = [line for line in workshop.lines() if line.startswith("nextpnr")]
    assert len(seeds) == 2
    assert "--placer static" in first
    assert "--no-route" in first
    assert all("--placer heap" in line and "--no-route" not in line for line in seeds)
    (alone,) = workshop.home.glob("out/*/*/first/top.json")
    assert json.loads(alone.read_text()) == PART.alone(design())
    for routed in workshop.home.glob("out/*/*/seed-*/top.json"):
        assert set(sites(json.loads(routed.read_text()))) == STAY


def test_a_placement_that_names_nothing_of_the_part_is_told_in_one_line(workshop) -> None:
    nothing = json.dumps({"modules": {"top": {"cells": {}}}})
    workshop.plan(fmax={"1": 130.0}, constraint=125.0, netlist=json.dumps(design()), placed=nothing)
    with pytest.raises(BuildError, match="the netlist is none that the floorplan is for: no logic") as raised:
        synthesize("walk", preset="tiny", out_dir=workshop.home / "out")
    assert "\n" not in str(raised.value)
