"""Logic that moves to where its paths are shorter: which does, whereto, and what never happens."""

import random
from collections import defaultdict
from copy import deepcopy
from typing import Any

import pytest
from tests.unit.placed_netlist import RESET, flip_flop, lut, netlist
from tests.unit.placed_netlist import cell as a_cell

from saoffload.boards.netlist import FLIP_FLOP, PACKED_LUT, cells_of
from saoffload.boards.refinement import Refinement
from saoffload.boards.tiles import Site, Tile, sites_in
from saoffload.boards.timing import Timing

CLOCK_HZ = 500e6


def site_of(design: dict[str, Any], name: str) -> str:
    return cells_of(design)[name]["attributes"]["NEXTPNR_BEL"]


def corner(*, columns: int = 40, rows: int = 1) -> dict[str, dict[str, Any]]:
    """Tables that nothing leads to, so that these columns and rows are known to hold logic."""
    return {
        f"corner{x}_{y}": lut(f"X{x}/Y{y}/SLICED.K1", F=5000 + 100 * x + y)
        for x in range(1, columns + 1)
        for y in range(1, rows + 1)
    }


def detour(**others: dict[str, Any]) -> dict[str, Any]:
    """Between two flip-flops of neighbouring tiles leads a path through a table at the other end of the row."""
    return netlist(
        start=flip_flop("X1/Y1/SLICEA.FF0", Q=1),
        table=lut("X40/Y1/SLICEA.K0", A=1, F=2),
        end=flip_flop("X2/Y1/SLICEA.FF0", M=2),
        **corner(),
        **others,
    )


def test_a_table_moves_to_where_its_path_is_shortest() -> None:
    design = detour()
    before = deepcopy(design)
    refinement = Refinement(design, fixed=["start", "end"], clock_hz=CLOCK_HZ)
    late = refinement.lateness
    assert refinement.run() == 1
    assert site_of(design, "table").startswith(("X1/Y1/SLICE", "X2/Y1/SLICE"))
    assert 0 <= refinement.lateness < late
    # Nothing else changed but its site.
    cells_of(design)["table"]["attributes"] = cells_of(before)["table"]["attributes"]
    assert design == before


def test_nothing_moves_that_is_fast_enough() -> None:
    design = detour()
    assert Refinement(design, clock_hz=1e6).run() == 0
    assert design == detour()


@pytest.mark.parametrize("fixed", ["table", "start", "end"])
def test_what_is_fixed_stays(fixed: str) -> None:
    design = detour()
    Refinement(design, fixed=[fixed], clock_hz=CLOCK_HZ).run()
    assert site_of(design, fixed) == site_of(detour(), fixed)


def test_all_move_at_once_whose_reset_comes_from_one_register(monkeypatch: pytest.MonkeyPatch) -> None:
    """That they have a neighbour in common does not make untrue what is known of their paths."""
    monkeypatch.setattr("saoffload.boards.refinement.PASSES", 1)
    monkeypatch.setattr("saoffload.boards.refinement.AIMS", (0.85,))
    lanes: dict[str, dict[str, Any]] = {}
    for lane in range(2, 10):
        lanes[f"start{lane}"] = flip_flop(f"X1/Y{lane}/SLICEA.FF0", Q=10 + lane)
        lanes[f"table{lane}"] = lut(f"X40/Y{lane}/SLICEA.K0", A=10 + lane, F=30 + lane)
        lanes[f"pair{lane}"] = flip_flop(f"X40/Y{lane}/SLICEA.FF0", DI=30 + lane, Q=50 + lane)
        lanes[f"end{lane}"] = flip_flop(f"X1/Y{lane}/SLICEA.FF1", M=50 + lane)
    design = netlist(reset=flip_flop("X20/Y1/SLICEA.FF0", reset=5, Q=RESET), **lanes, **corner(rows=10))
    fixed = [name for name in cells_of(design) if name.startswith(("start", "end", "reset"))]
    assert Refinement(design, fixed=fixed, clock_hz=CLOCK_HZ).run() == 16


def test_nothing_moves_without_gain_though_it_leads_to_no_register_as_well() -> None:
    """Left and right of the tile of its neighbours, which is full, its paths are as long."""
    neighbours = {
        f"pair{place}": flip_flop(f"X20/Y1/SLICE{'ABCD'[place // 2]}.FF{place % 2}", Q=10 + place) for place in range(8)
    }
    design = netlist(
        moves=flip_flop("X21/Y1/SLICEA.FF0", M=10, Q=2),
        end=lut("X20/Y1/SLICEA.K0", A=2, F=3),
        end_ff=flip_flop("X40/Y1/SLICEA.FF0", M=3),
        leads_nowhere=lut("X20/Y1/SLICEA.K1", A=2, F=4),
        **neighbours,
        **corner(),
    )
    fixed = [name for name in cells_of(design) if name != "moves"]
    assert Refinement(design, fixed=fixed, clock_hz=CLOCK_HZ).run() == 0


def test_tables_that_a_multiplexer_joins_stay() -> None:
    design = netlist(
        start=flip_flop("X1/Y1/SLICEA.FF0", Q=1),
        upper=a_cell(PACKED_LUT, "X40/Y1/SLICEA.K1", A=1, F=3),
        lower=a_cell(PACKED_LUT, "X40/Y1/SLICEA.K0", A=1, F=4, F1=3, M=1, OFX=5),
        end=flip_flop("X2/Y1/SLICEA.FF0", M=4),
        **corner(),
    )
    before = deepcopy(design)
    Refinement(design, fixed=["start", "end", "upper"], clock_hz=CLOCK_HZ).run()
    assert design == before


@pytest.mark.parametrize("source", ["X1/Y1/SLICEA.FF0", "X40/Y1/SLICEA.FF0"])
@pytest.mark.parametrize("fixed", [(), ("pair",), ("table",)])
def test_a_flip_flop_moves_with_the_table_that_feeds_it_or_not_at_all(source: str, fixed: tuple[str, ...]) -> None:
    design = netlist(
        start=flip_flop(source, Q=1),
        table=lut("X40/Y1/SLICEC.K1", A=1, F=2),
        pair=flip_flop("X40/Y1/SLICEC.FF1", DI=2, Q=3),
        end=flip_flop("X1/Y1/SLICEA.FF1", M=3),
        **corner(),
    )
    refinement = Refinement(design, fixed=["start", "end", *fixed], clock_hz=CLOCK_HZ)
    assert refinement.run() == (0 if fixed else 2)
    table, pair = (Site.of(site_of(design, name)) for name in ("table", "pair"))
    assert table is not None
    assert table.beside("FF") == pair
    assert (table.tile == "X40/Y1") == bool(fixed)


@pytest.mark.parametrize(
    ("neighbour", "is_free"),
    [
        pytest.param(flip_flop("X1/Y1/SLICEB.FF0", Q=20), True, id="with the same reset and enable"),
        pytest.param(flip_flop("X1/Y1/SLICEB.FF0", Q=20, enable=7), True, id="with another enable"),
        pytest.param(flip_flop("X1/Y1/SLICEB.FF0", Q=20, reset=7), False, id="with another reset"),
        pytest.param(lut("X1/Y1/SLICEB.K0", mode="DPRAM", F=20), False, id="a RAM"),
    ],
)
def test_a_flip_flop_moves_to_a_tile_that_takes_it(neighbour: dict[str, Any], *, is_free: bool) -> None:
    """Its two readers and its source stand around one tile, whose other places are of no use to it, or are."""
    far = {"enable": 30, "reset": 31}
    design = netlist(
        table=lut("X1/Y1/SLICEA.K0", A=99, F=1),
        moves=flip_flop("X40/Y1/SLICEA.FF0", M=1, Q=2),
        near=lut("X1/Y1/SLICEA.K1", A=2, F=3),
        end=flip_flop("X20/Y1/SLICEA.FF0", M=3, **far),
        neighbour=neighbour,
        **corner(),
    )
    Refinement(design, fixed=["table", "near", "end", "neighbour"], clock_hz=CLOCK_HZ).run()
    assert site_of(design, "moves").startswith("X1/Y1/") == is_free
    assert not site_of(design, "moves").startswith("X40/")


def test_a_site_is_free_once_its_flip_flop_has_moved() -> None:
    """Its reset is no concern of the tile any more."""
    tile = Tile()
    first, second = (flip_flop("", reset=reset, M=1) for reset in (7, 8))
    here, beside = (site for site in sites_in("X1/Y1", "FF") if site.slice == "A")
    tile.add(here, first)
    assert not tile.takes(here, first)
    assert tile.takes(beside, first)
    assert not tile.takes(beside, second)
    tile.remove(here)
    assert tile.takes(here, second)
    assert tile.takes(beside, second)


def test_carries_stay_and_nothing_comes_between_them() -> None:
    chain = {
        f"bit{slice_}": lut(
            f"X1/Y1/SLICE{slice_}.K0", mode="CCU2", A=2, FCI=10 + number, FCO=11 + number, F=20 + number
        )
        for number, slice_ in enumerate("ABCD")
    }
    ends = {
        f"end{slice_}": flip_flop(f"X1/Y1/SLICE{slice_}.FF0", DI=20 + number) for number, slice_ in enumerate("ABCD")
    }
    others = corner()
    del others["corner1_1"]
    design = netlist(
        start=flip_flop("X1/Y1/SLICEA.FF1", Q=1), table=lut("X39/Y1/SLICEA.K0", A=1, F=2), **chain, **ends, **others
    )
    Refinement(design, fixed=["start"], clock_hz=CLOCK_HZ).run()
    assert site_of(design, "table").startswith("X2/Y1/")
    for name, made in (chain | ends).items():
        assert site_of(design, name) == made["attributes"]["NEXTPNR_BEL"]


def random_design(seed: int) -> dict[str, Any]:
    """Tables and flip-flops, some of them pairs, at random sites that are legal together."""
    choose = random.Random(seed)
    tiles = [(x, y) for x in range(1, 11) for y in range(1, 11)]
    resets = {tile: choose.choice((7, 8)) for tile in tiles}
    places = [(tile, slice_, number) for tile in tiles for slice_ in "ABCD" for number in (0, 1)]
    choose.shuffle(places)
    cells: dict[str, dict[str, Any]] = {}
    nets = list(range(1, 41))
    for number, (tile, slice_, place) in enumerate(places[:40], start=1):
        site = f"X{tile[0]}/Y{tile[1]}/SLICE{slice_}.FF{place}"
        cells[f"ff{number}"] = flip_flop(site, reset=resets[tile], enable=ord(slice_), M=1000 + number, Q=number)
    for number, (tile, slice_, place) in enumerate(places[40:200], start=1):
        site = f"X{tile[0]}/Y{tile[1]}/SLICE{slice_}.K{place}"
        inputs = dict(zip("ABCD", choose.sample(nets, choose.randint(1, 4)), strict=False))
        net = 1000 + number
        cells[f"lut{number}"] = lut(site, **inputs, F=net)
        if number > 40:
            nets.append(net)
        if number > 120 and choose.random() < 0.5:
            cells[f"pair{number}"] = flip_flop(
                site.replace(".K", ".FF"), reset=resets[tile], enable=ord(slice_), DI=net, Q=2000 + number
            )
            nets.append(2000 + number)
    used = {cell["attributes"]["NEXTPNR_BEL"] for cell in cells.values()}
    free = {
        name: cell
        for name, cell in corner(columns=10, rows=10).items()
        if cell["attributes"]["NEXTPNR_BEL"] not in used
    }
    return netlist(**cells, **free)


def conflicts(design: dict[str, Any]) -> list[str]:
    """What no tile can hold, told by the rules of the chip and not by those who moved."""
    taken: dict[str, str] = {}
    resets: defaultdict[str, set[int]] = defaultdict(set)
    enables: defaultdict[str, set[int]] = defaultdict(set)
    found = []
    for name, cell in cells_of(design).items():
        site = cell["attributes"]["NEXTPNR_BEL"]
        if site in taken:
            found.append(f"{name} and {taken[site]} stand at {site}")
        taken[site] = name
        if cell["type"] == FLIP_FLOP:
            resets[site.split("/SLICE")[0]].update(cell["connections"]["LSR"])
            enables[site.split(".")[0]].update(cell["connections"]["CE"])
    found += [f"{tile} has two resets" for tile, nets in resets.items() if len(nets) > 1]
    return found + [f"{place} has two enables" for place, nets in enables.items() if len(nets) > 1]


@pytest.mark.parametrize("seed", range(10))
def test_designs_become_faster_and_stay_legal(seed: int) -> None:
    print(f"seed {seed}")
    design = random_design(seed)
    assert not conflicts(design)
    clock_hz = 1e9 / (0.7 * max(Timing(design).longest()))
    refinement = Refinement(design, clock_hz=clock_hz)
    late = refinement.lateness
    assert refinement.run() > 10
    assert refinement.lateness < 0.5 * late
    assert not conflicts(design)
    # What it says is what the netlist says.
    assert Refinement(design, clock_hz=clock_hz).lateness == pytest.approx(refinement.lateness)
    for name, cell in cells_of(design).items():
        if name.startswith("pair"):
            fed = site_of(design, name.replace("pair", "lut"))
            assert cell["attributes"]["NEXTPNR_BEL"] == fed.replace(".K", ".FF")
