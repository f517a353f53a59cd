"""Where the block RAMs of the largest engine are told to stand."""

import json
import re
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from tests.unit.boards_workshop import Workshop

from saoffload.boards.floorplan import BLOCKS, COLUMNS, ROWS, WAYS, Floorplan, Room, floorplan_of, huge_engine
from saoffload.boards.synth import synthesize
from saoffload.boards.tools import BuildError
from saoffload.hdl.config import preset

OTHERS = {
    "table.generations.handle_copy.memory.memory.block_0_{}": 18,
    "table.generations.key_copy.memory.memory.block_0_{}": 18,
    "table.live.deletes.memory.block_0_{}": 4,
    "table.live.handle.memory.block_0_{}": 2,
    "table.live.exact_key.memory.block_0_{}": 2,
    "table.live.wildcard_key.memory.block_0_{}": 2,
    "walk.room.pool.buffer_0.reader.memory.memory.block_0_{}": 4,
    "walk.room.pool.buffer_1.reader.memory.memory.block_0_{}": 4,
    "control.completions.rows.memory.0.{}": 1,
}
"""Block RAMs of an engine that store no keys, and how many there are."""


def netlist(*names: str) -> dict[str, Any]:
    cells: dict[str, Any] = {f"harness.design.{name}": {"type": "DP16KD", "attributes": {"src": "x"}} for name in names}
    cells["logic"] = {"type": "LUT4", "attributes": {}}
    return {"modules": {"DP16KD": {"cells": {}}, "top": {"cells": cells}}}


def sites(design: dict[str, Any]) -> dict[str, str]:
    cells = design["modules"]["top"]["cells"]
    return {name.removeprefix("harness.design."): cell["attributes"].get("BEL") for name, cell in cells.items()}


def huge_names() -> list[str]:
    ways = [f"table.way_{way}.memory.memory.block_0_{block}" for way in range(WAYS) for block in range(BLOCKS)]
    return ways + [pattern.format(number) for pattern, count in OTHERS.items() for number in range(count)]


def test_every_block_ram_of_the_largest_engine_has_a_site_of_its_own() -> None:
    design = netlist(*huge_names())
    huge_engine().apply(design)
    placed = sites(design)
    assert placed.pop("logic") is None
    on_chip = {f"X{x}/Y{y}/EBR{number % 4}" for y in ROWS for number, x in enumerate(COLUMNS)}
    assert len(on_chip) == 208
    assert len(placed) == len(set(placed.values())) == 207
    assert set(placed.values()) < on_chip


def test_the_same_part_of_the_keys_stands_together_in_all_ways() -> None:
    design = netlist(*huge_names())
    huge_engine().apply(design)
    for block in range(BLOCKS):
        places = [_place(sites(design)[f"table.way_{way}.memory.memory.block_0_{block}"]) for way in range(WAYS)]
        xs, ys = zip(*places, strict=True)
        # Eight in one row, or four above four.
        assert max(xs) - min(xs) + max(ys) - min(ys) <= 23, block
    ways = [_place(sites(design)[f"table.way_0.memory.memory.block_0_{block}"]) for block in range(BLOCKS)]
    steps = [abs(x - u) + abs(y - v) for (x, y), (u, v) in pairwise(ways)]
    # To the next part it is a few columns, but over what stands in the midst, and at the one turn.
    assert Counter(step <= 20 for step in steps) == {True: BLOCKS - 3, False: 2}
    assert max(steps) <= 40


def test_numbers_are_counted_not_spelt_and_what_has_no_room_is_left_alone() -> None:
    names = [f"memory.block_{number}" for number in (10, 9, 1)]
    design = netlist(*names, "stranger.block_2")
    rooms = (Room(pattern=r"\.memory\.", sites=("A", "B", "C", "D")), Room(pattern="block_1$", sites=("E",)))
    Floorplan(rooms=rooms).apply(design)
    expected = {"memory.block_1": "A", "memory.block_9": "B", "memory.block_10": "C", "stranger.block_2": None}
    assert sites(design) == {**expected, "logic": None}


def test_a_room_that_is_too_small_is_told() -> None:
    with pytest.raises(ValueError, match="2 cells of type DP16KD fit 'memory', which has 1 sites"):
        Floorplan(rooms=(Room(pattern="memory", sites=("A",)),)).apply(netlist("memory.0", "memory.1"))


def test_a_room_takes_cells_of_its_kind_alone() -> None:
    design = netlist("reset.block")
    cells = design["modules"]["top"]["cells"]
    cells["reset.copy"] = {"type": "TRELLIS_FF", "attributes": {}}
    Floorplan(rooms=(Room(pattern="reset", sites=("A",), kind="TRELLIS_FF"),)).apply(design)
    assert cells["reset.copy"]["attributes"]["BEL"] == "A"
    assert sites(design)["reset.block"] is None


@pytest.mark.parametrize(
    ("subject", "name", "bundles", "device", "is_planned"),
    [
        ("engine", "huge", None, "LFE5U-85F", True),
        ("engine", "huge", None, "LFE5U-25F", False),
        ("engine", "huge", 8192, "LFE5U-85F", False),
        ("engine", "large", None, "LFE5U-85F", False),
        ("table", "huge", None, "LFE5U-85F", False),
        ("walk", "huge", None, "LFE5U-85F", False),
    ],
)
def test_the_largest_engine_alone_is_planned(subject, name, bundles, device, is_planned) -> None:
    config = preset(name) if bundles is None else preset(name).with_bundles(bundles)
    floorplan = floorplan_of(subject, config, device)
    assert (floorplan == huge_engine()) == is_planned
    if not is_planned:
        assert not floorplan.rooms
        assert len(floorplan.parts) == 1


@pytest.fixture
def workshop(tmp_path, monkeypatch) -> Workshop:
    shop = Workshop(tmp_path)
    shop.install(monkeypatch)
    plan = Floorplan(rooms=(Room(pattern="memory", sites=("A",)),))
    monkeypatch.setattr("saoffload.boards.synth.floorplan_of", lambda *_: plan)
    return shop


def test_place_and_route_is_given_the_plan_and_another_plan_is_another_design(workshop, monkeypatch) -> None:
    workshop.plan(fmax={"1": 130.0}, constraint=125.0, netlist=json.dumps(netlist("memory.0")))
    for site in ("A", "B"):
        plan = Floorplan(rooms=(Room(pattern="memory", sites=(site,)),))
        monkeypatch.setattr("saoffload.boards.synth.floorplan_of", lambda *_, plan=plan: plan)
        synthesize("walk", preset="tiny", out_dir=workshop.home / "out")
        assert workshop.calls() == ["yosys", "nextpnr1"]
    routed = [sites(json.loads(path.read_text())) for path in workshop.home.glob("out/*/*/seed-1/top.json")]
    assert sorted(routed, key=str) == [{"memory.0": "A", "logic": None}, {"memory.0": "B", "logic": None}]


def test_a_netlist_that_the_plan_does_not_fit_is_told_in_one_line(workshop) -> None:
    workshop.plan(fmax={"1": 130.0}, constraint=125.0, netlist=json.dumps(netlist("memory.0", "memory.1")))
    with pytest.raises(
        BuildError, match="the netlist is none that the floorplan is for: 2 cells of type DP16KD"
    ) as raised:
        synthesize("walk", preset="tiny", out_dir=workshop.home / "out")
    assert "\n" not in str(raised.value)


def _place(site: str) -> tuple[int, int]:
    found = re.match(r"X(\d+)/Y(\d+)/EBR[0-3]$", site)
    assert found is not None, site
    return int(found[1]), int(found[2])
