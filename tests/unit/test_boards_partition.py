"""A design cut into parts: whose each cell is, what is left out while a part is placed, and what stands around it."""

from copy import deepcopy
from typing import Any

import pytest

from saoffload.boards.netlist import cells_of
from saoffload.boards.partition import Part, Partition

REST = Part(name="rest", placing="--placer heap")
TABLE = Part(name="table", pattern=r"t\.", placing="--placer static")
CELLS: dict[str, tuple[str, dict[str, list[int | str]]]] = {
    # The rest: a look-up table and the flip-flop that it feeds; one that feeds two; one that comes from a carry chain.
    "r.pair_lut": ("LUT4", {"A": [1], "B": [40], "C": ["0"], "D": ["0"], "Z": [2]}),
    "r.pair_ff": ("TRELLIS_FF", {"CLK": [9], "CE": [3], "LSR": [1], "DI": [2], "Q": [1]}),
    "r.double_lut": ("LUT4", {"A": [1], "B": ["0"], "C": ["0"], "D": ["0"], "Z": [4]}),
    "r.double_ff0": ("TRELLIS_FF", {"CLK": [9], "DI": [4], "Q": [5]}),
    "r.double_ff1": ("TRELLIS_FF", {"CLK": [9], "DI": [4], "Q": [3]}),
    "r.carry": ("CCU2C", {"A0": [3], "S0": [6]}),
    "r.carry_ff": ("TRELLIS_FF", {"CLK": [9], "DI": [6], "Q": [7]}),
    "r.ram": ("DP16KD", {"CLKA": [9], "ADA0": [7], "DOA0": [8]}),
    # The table, and a look-up table that leads to it whatever it is called.
    "t.ram": ("DP16KD", {"CLKA": [9], "ADA0": [20], "DOA0": [21]}),
    "t.ff": ("TRELLIS_FF", {"CLK": [9], "DI": [22], "Q": [20]}),
    "r.serves_the_table": ("LUT4", {"A": [1], "B": [21], "C": ["0"], "D": ["0"], "Z": [22]}),
    "t.answer": ("TRELLIS_FF", {"CLK": [9], "DI": [8], "Q": [40]}),
    "t.second": ("TRELLIS_FF", {"CLK": [9], "DI": [5], "Q": [36]}),
    # Read by both: from the rest alone, from the table alone, from both.
    "t.of_the_rest": ("LUT4", {"A": [1], "B": [5], "C": ["0"], "D": ["0"], "Z": [30]}),
    "r.of_the_table": ("LUT4", {"A": [20], "B": ["0"], "C": ["0"], "D": ["0"], "Z": [31]}),
    "t.of_both": ("LUT4", {"A": [30], "B": [31], "C": ["0"], "D": ["0"], "Z": [32]}),
    "r.reader": ("TRELLIS_FF", {"CLK": [9], "DI": [33], "Q": [34]}),
    "t.reader": ("TRELLIS_FF", {"CLK": [9], "DI": [32], "Q": [35]}),
    "r.last": ("LUT4", {"A": [32], "B": [30], "C": [31], "D": ["0"], "Z": [33]}),
    # Around both.
    "clock": ("TRELLIS_IO", {"O": [9]}),
}
OUTPUTS = ("Z", "Q", "S0", "DOA0", "O")
OF_THE_TABLE = {
    "t.ram",
    "t.ff",
    "t.answer",
    "t.second",
    "t.reader",
    "r.serves_the_table",
    "r.of_the_table",
    "t.of_both",
}
SITES = {"r.pair_lut": "X3/Y4/SLICEA.K0", "r.pair_ff": "X3/Y4/SLICEA.FF0", "r.double_ff0": "X3/Y4/SLICEB.FF1"}


def design() -> dict[str, Any]:
    cells = {
        name: {
            "type": kind,
            "attributes": {"src": "x"},
            "parameters": {"CEMUX": "CE"} if kind == "TRELLIS_FF" else {},
            "port_directions": {port: "output" if port in OUTPUTS else "input" for port in connections},
            "connections": connections,
        }
        for name, (kind, connections) in CELLS.items()
    }
    nets = {f"net_{number}": {"bits": [number]} for number in (*range(1, 10), *range(20, 23), *range(30, 41))}
    return {"creator": "x", "modules": {"LUT4": {"cells": {}}, "top": {"cells": cells, "netnames": nets}}}


def placed() -> dict[str, Any]:
    """The rest, as nextpnr writes it where it placed it."""
    cells = {name: {"type": "LUT4", "attributes": {"NEXTPNR_BEL": site}} for name, site in SITES.items()}
    return {"modules": {"top": {"cells": cells}}}


@pytest.fixture
def partition() -> Partition:
    return Partition(design(), (REST, TABLE))


def test_registers_go_by_name_and_look_up_tables_by_what_they_serve(partition) -> None:
    owners = {name: partition.owner_of(name) for name in CELLS if name != "clock"}
    assert {name for name, owner in owners.items() if owner is TABLE} == OF_THE_TABLE
    assert partition.owner_of("$PACKER_GND") is REST


def test_a_part_is_placed_without_logic_and_block_rams_of_the_others() -> None:
    whole = design()
    alone = Partition(whole, (REST, TABLE)).alone(REST, {})
    assert set(cells_of(alone)) == set(CELLS) - OF_THE_TABLE
    # A net of the table alone is gone, one that leads out of the rest is there, without who reads it.
    assert {"net_21", "net_22", "net_35"}.isdisjoint(alone["modules"]["top"]["netnames"])
    assert {"net_8", "net_40"} < set(alone["modules"]["top"]["netnames"])
    assert whole == design()


def test_the_next_part_finds_its_neighbours_at_their_places_and_their_tiles_taken(partition) -> None:
    neighbours = placed()
    # What was kept free for the table itself is not in its way.
    cells_of(neighbours)["taken.X5/Y6/SLICEA.K0"] = {"attributes": {"NEXTPNR_BEL": "X5/Y6/SLICEA.K0"}}
    cells = cells_of(partition.alone(TABLE, {REST: neighbours}))
    fillers = {name for name in cells if name.startswith("taken.")}
    assert set(cells) - fillers == OF_THE_TABLE | {"clock", "r.pair_lut", "r.pair_ff"}
    # Seven of the tile's eight look-up tables: the eighth is the neighbour's.
    assert {cells[name]["attributes"]["BEL"] for name in fillers} == {
        f"X3/Y4/SLICE{slice_name}.K{number}" for slice_name in "ABCD" for number in (0, 1)
    } - {"X3/Y4/SLICEA.K0"}
    outputs = [cells[name]["connections"]["Z"][0] for name in fillers]
    assert len(set(outputs)) == 7
    assert min(outputs) > 40


def test_of_a_neighbour_what_leads_into_the_part_is_kept(partition) -> None:
    cells = cells_of(partition.alone(TABLE, {REST: placed()}))
    lut, flip_flop = cells["r.pair_lut"], cells["r.pair_ff"]
    assert lut["attributes"]["BEL"] == SITES["r.pair_lut"]
    # Net 40 is the table's, net 1 leads into it.
    assert lut["connections"] == {"A": [1], "B": [40], "C": ["0"], "D": ["0"], "Z": [2]}
    # Its enable and its data are on no net of the table: it is always on, and keeps its place with nothing to take.
    assert "CE" not in flip_flop["connections"]
    assert flip_flop["connections"]["DI"] == ["0"]
    assert flip_flop["parameters"]["CEMUX"] == "1 "
    assert flip_flop["connections"]["Q"] == [1]
    assert set(flip_flop["port_directions"]) == set(flip_flop["connections"])


def test_who_shares_a_place_with_another_by_choice_does_not_stay(partition) -> None:
    """nextpnr chooses which of the two flip-flops stands with the look-up table that feeds both."""
    sites = placed()
    for name, site in (("r.double_lut", "X3/Y4/SLICEB.K1"), ("r.double_ff1", "X3/Y4/SLICEC.FF0")):
        cells_of(sites)[name] = {"type": "LUT4", "attributes": {"NEXTPNR_BEL": site}}
    assert {"r.double_lut", "r.double_ff0"}.isdisjoint(cells_of(partition.alone(TABLE, {REST: sites})))


def test_a_neighbour_gives_way_where_the_floorplan_has_the_part_itself() -> None:
    """Two cells at one site, and the placer would fall over them."""
    whole = design()
    cells_of(whole)["t.ff"]["attributes"]["BEL"] = SITES["r.pair_ff"]
    cells = cells_of(Partition(whole, (REST, TABLE)).alone(TABLE, {REST: placed()}))
    assert "r.pair_ff" not in cells
    assert "r.pair_lut" in cells
    assert cells["t.ff"]["attributes"]["BEL"] == SITES["r.pair_ff"]


def test_tiles_in_which_a_later_part_has_a_site_are_left_alone() -> None:
    """Flip-flops of a tile share more than a clock: beside those of a part before it the site might be of no use."""
    whole = design()
    cells_of(whole)["t.ff"]["attributes"]["BEL"] = "X5/Y6/SLICEB.FF1"
    cells = cells_of(Partition(whole, (REST, TABLE)).alone(REST, {}))
    taken = {name: cell for name, cell in cells.items() if name.startswith("taken.")}
    assert {cell["attributes"]["BEL"] for cell in taken.values()} == {
        f"X5/Y6/SLICE{slice_name}.{kind}{number}" for slice_name in "ABCD" for kind in ("K", "FF") for number in (0, 1)
    }
    flip_flops = [cell for cell in taken.values() if cell["type"] == "TRELLIS_FF"]
    assert all(cell["connections"]["CLK"] == [9] and cell["connections"]["DI"] == ["0"] for cell in flip_flops)
    outputs = [cell["connections"]["Z" if cell["type"] == "LUT4" else "Q"][0] for cell in taken.values()]
    assert len(set(outputs)) == 16
    assert min(outputs) > 40
    assert "t.ff" not in cells


def test_a_part_of_which_there_is_nothing_is_told() -> None:
    nobody = Part(name="nobody", pattern=r"n\.", placing="")
    with pytest.raises(ValueError, match="nothing belongs to the part 'nobody'"):
        Partition(design(), (REST, nobody)).alone(nobody, {})


def test_a_plan_without_a_part_for_the_rest_is_told() -> None:
    """Else the rest would go with whichever part comes first."""
    with pytest.raises(ValueError, match="no part is without a pattern"):
        Partition(design(), (TABLE,))


def test_the_netlist_itself_stays_as_it_is() -> None:
    whole = design()
    before = deepcopy(whole)
    Partition(whole, (REST, TABLE)).alone(TABLE, {REST: placed()})
    assert whole == before
