"""The flow of a design that is placed in parts: what nextpnr is asked, in which order, and what is kept."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.boards_workshop import Workshop
from tests.unit.placed_netlist import lut

from saoffload.boards.floorplan import Floorplan, Room
from saoffload.boards.netlist import cells_of
from saoffload.boards.partition import Part
from saoffload.boards.synth import synthesize
from saoffload.boards.tools import BuildError

PLAN = Floorplan(
    rooms=(),
    parts=(
        Part(name="rest", placing="--placer heap --placer-heap-timingweight 30", tries=2),
        Part(name="table", pattern=r"t\.", placing="--placer static"),
    ),
    placing="--placer heap",
)
NEAR, FAR = "X2/Y22/EBR0", "X100/Y22/EBR0"
"""Sites of a block RAM that another one at the first of them writes to: from the second that is late."""
SITES = {"r.ff": "X1/Y1/SLICEA.FF0", "t.ff": "X2/Y1/SLICEA.FF0"}


def netlist(*, is_placed: bool = False, row: int = 1, from_ram: str = "") -> str:
    cells: dict[str, Any] = {
        name: {
            "type": "TRELLIS_FF",
            "attributes": {"NEXTPNR_BEL": site.replace("Y1", f"Y{row}")} if is_placed else {},
            "parameters": {},
            "port_directions": {"CLK": "input", "DI": "input", "Q": "output"},
            "connections": {"CLK": [9], "DI": [number], "Q": [3 - number]},
        }
        for number, (name, site) in enumerate(SITES.items(), start=1)
    }
    if from_ram:
        for name, site, port, direction in (("r.from", from_ram, "DOA0", "output"), ("r.to", NEAR, "ADA0", "input")):
            cells[name] = {
                "type": "DP16KD",
                "attributes": {"NEXTPNR_BEL": site},
                "parameters": {},
                "port_directions": {port: direction},
                "connections": {port: [20]},
            }
    return json.dumps({"modules": {"top": {"cells": cells, "netnames": {}, "settings": {}}}})


@pytest.fixture
def workshop(tmp_path, monkeypatch) -> Workshop:
    shop = Workshop(tmp_path)
    shop.install(monkeypatch)
    monkeypatch.setattr("saoffload.boards.synth.floorplan_of", lambda *_: PLAN)
    return shop


def measure(workshop: Workshop, **options: Any) -> Any:
    return synthesize("walk", preset="tiny", out_dir=workshop.home / "out", **options)


def test_parts_are_placed_with_each_seed_and_routed_together(workshop) -> None:
    fmax = {str(seed): 110.0 + seed for seed in range(1, 5)}
    workshop.plan(fmax=fmax, constraint=125.0, netlist=netlist(), placed=netlist(is_placed=True))
    steps = []
    for _ in range(2):
        assert measure(workshop, seeds=2, progress=steps.append).fmax_by_seed == {1: 111.0, 2: 112.0}
    assert [step.text for step in steps[:3]] == ["describing the hardware", "synthesis", "packing cells"]
    assert steps[0].count == 5
    packing, *others = [line for line in workshop.lines() if line.startswith("nextpnr")]
    assert "--pack-only" in packing
    assert "--textcfg" not in packing
    seeds = [line.split("--seed ")[1].split()[0] for line in others]
    # The first part twice, the second once, then all of it; with the other seed the same anew.
    assert seeds == ["1", "2", "1", "1", "3", "4", "2", "2"]
    for first, again, second, whole in (others[:4], others[4:]):
        for line in (first, again):
            assert "--placer heap --placer-heap-timingweight 30" in line
        assert "--placer static" in second
        assert all("--no-route" in line for line in (first, again, second))
        assert "--no-pack --freq 125.000000" in whole
        assert "--placer" not in whole
        assert "--no-route" not in whole
    for routed in workshop.home.glob("out/*/*/seed-*/top.json"):
        cells = cells_of(json.loads(routed.read_text()))
        assert {name: cell["attributes"]["NEXTPNR_BEL"] for name, cell in cells.items()} == SITES


@pytest.mark.parametrize(("rams", "best"), [((NEAR, FAR), 1), ((FAR, NEAR), 2)])
def test_the_placement_is_kept_of_which_the_least_lateness_is_expected(workshop, rams, best) -> None:
    """All others are thrown away: they are large."""
    placed = {
        str(seed): netlist(is_placed=True, row=seed, from_ram=from_ram) for seed, from_ram in enumerate(rams, start=1)
    }
    workshop.plan(fmax={"1": 100.0, "2": 100.0}, constraint=125.0, netlist=netlist(), placed="", placed_by_seed=placed)
    assert measure(workshop).fmax_mhz == 100.0
    (routed,) = workshop.home.glob("out/*/*/seed-1/top.json")
    cells = cells_of(json.loads(routed.read_text()))
    assert cells["r.ff"]["attributes"]["NEXTPNR_BEL"] == SITES["r.ff"].replace("Y1", f"Y{best}")
    assert not list(workshop.home.glob("out/*/*/seed-1/*/placed*"))


def test_a_try_that_is_not_placed_gives_way_to_the_others(workshop) -> None:
    workshop.plan(fmax={"1": 126.0}, constraint=125.0, netlist=netlist(), placed=netlist(is_placed=True))
    assert measure(workshop).fmax_mhz == 126.0
    assert [line.split("--seed ")[1].split()[0] for line in workshop.lines() if "--seed" in line] == [
        "1",
        "2",
        "1",
        "1",
    ]
    workshop.plan(fmax={}, constraint=125.0, netlist=netlist(), placed=netlist(is_placed=True), version=2)
    with pytest.raises(BuildError, match="Unable to place cell"):
        measure(workshop)


def test_what_the_floorplan_has_a_site_for_stays(workshop, monkeypatch) -> None:
    """In its part, and in the whole."""
    far = "X120/Y90/SLICEA.FF0"
    rooms = (
        Room(pattern=r"r\.ff", sites=(far,), kind="TRELLIS_FF"),
        Room(pattern=r"t\.ff", sites=(SITES["t.ff"],), kind="TRELLIS_FF"),
    )
    monkeypatch.setattr("saoffload.boards.synth.floorplan_of", lambda *_: replace(PLAN, rooms=rooms))
    placed = json.loads(netlist(is_placed=True))
    cells_of(placed)["r.ff"]["attributes"]["NEXTPNR_BEL"] = far
    workshop.plan(fmax={"1": 126.0, "2": 126.0}, constraint=125.0, netlist=netlist(), placed=json.dumps(placed))
    measure(workshop)
    (routed,) = workshop.home.glob("out/*/*/seed-1/top.json")
    cells = cells_of(json.loads(routed.read_text()))
    assert {name: cell["attributes"]["NEXTPNR_BEL"] for name, cell in cells.items()} == SITES | {"r.ff": far}


def test_logic_in_a_loop_is_told_in_one_line(workshop) -> None:
    placed = json.loads(netlist(is_placed=True))
    cells_of(placed)["r.loop"] = lut("X1/Y1/SLICEA.K0", A=30, F=30)
    workshop.plan(fmax={"1": 126.0, "2": 126.0}, constraint=125.0, netlist=netlist(), placed=json.dumps(placed))
    with pytest.raises(BuildError, match="the paths of the design have no end: 1 signals are part of a loop") as raised:
        measure(workshop)
    assert "\n" not in str(raised.value)


def test_logic_moves_between_the_parts_once_they_are_together(workshop) -> None:
    """Two flip-flops that lead to each other, of one part each, are placed far apart: the one moves to the other."""
    rest = json.loads(netlist(is_placed=True, from_ram=NEAR))
    table = json.loads(netlist(is_placed=True, row=90, from_ram=FAR))
    del cells_of(rest)["t.ff"]
    del cells_of(table)["r.ff"]
    cells_of(table)["t.ff"]["attributes"]["NEXTPNR_BEL"] = "X120/Y90/SLICEA.FF0"
    workshop.plan(
        fmax={"1": 100.0, "2": 100.0},
        constraint=125.0,
        netlist=netlist(),
        placed="",
        placed_by_seed={"1": json.dumps(table), "2": json.dumps(rest)},
    )
    measure(workshop)
    (routed,) = workshop.home.glob("out/*/*/seed-1/top.json")
    cells = cells_of(json.loads(routed.read_text()))
    assert len({cell["attributes"]["NEXTPNR_BEL"].partition("/SLICE")[0] for cell in cells.values()}) == 1


@pytest.mark.parametrize(
    ("fmax", "tried", "best"),
    [
        pytest.param({"1": 120.0, "2": 126.0, "3": 130.0}, ["1", "2"], "2", id="until one meets the clock"),
        pytest.param({"1": 120.0, "2": 122.0, "3": 121.0}, ["1", "2", "3"], "2", id="all if none does"),
        pytest.param({"1": 120.0, "2": 122.0}, ["1", "2", "3"], "2", id="but one that fails"),
    ],
)
def test_the_fastest_routing_is_kept(workshop, monkeypatch, fmax, tried, best) -> None:
    monkeypatch.setattr("saoffload.boards.synth.floorplan_of", lambda *_: replace(PLAN, routings=3))
    workshop.plan(fmax=fmax, constraint=125.0, netlist=netlist(), placed=netlist(is_placed=True))
    report = measure(workshop)
    assert (report.fmax_mhz, report.seed) == (fmax[best], 1)
    routings = [line for line in workshop.lines() if "--no-pack" in line]
    assert [line.split("--seed ")[1].split()[0] for line in routings] == tried
    (folder,) = workshop.home.glob("out/*/*/seed-1")
    assert (folder / "top.asc").read_text() == f"seed {best}"
    assert json.loads((folder / "report.json").read_text())["fmax"]["clk"]["achieved"] == fmax[best]
    assert not list(folder.glob("routing-*"))


def test_a_design_without_one_of_the_parts_is_told_in_one_line(workshop) -> None:
    whole = json.loads(netlist())
    del cells_of(whole)["t.ff"]
    fmax = {"1": 130.0, "2": 130.0}
    workshop.plan(fmax=fmax, constraint=125.0, netlist=json.dumps(whole), placed=netlist(is_placed=True))
    with pytest.raises(BuildError, match="the netlist is none that the floorplan is for: nothing belongs") as raised:
        measure(workshop)
    assert "\n" not in str(raised.value)
