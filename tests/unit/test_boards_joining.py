"""Parts that were placed one by one, put together: who stands where, who gives way, and what is told."""

from typing import Any

import pytest
from tests.unit.placed_netlist import cell, netlist

from saoffload.boards.joining import LOCKED, join
from saoffload.boards.netlist import cells_of
from saoffload.boards.partition import Part, Partition

REST = Part(name="rest", placing="--placer heap")
TABLE = Part(name="table", pattern=r"t\.", placing="--placer static")
CLOCK, ENABLE, RESET = 9, 8, 7
LUT = "TRELLIS_COMB"
FLIP_FLOP = "TRELLIS_FF"


def joined(packed: dict[str, Any], rest: dict[str, Any], table: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    # Of what stands before a $ packing makes one cell or more.
    unpacked = {name.split("$")[0]: cell(FLIP_FLOP) for name in cells_of(packed)}
    partition = Partition({"modules": {"top": {"cells": unpacked}}}, (REST, TABLE))
    homeless = join(packed, partition, {REST: rest, TABLE: table}, clock_hz=125_000_000)
    return homeless, cells_of(packed)


def sites(cells: dict[str, Any]) -> dict[str, str]:
    return {name: cell["attributes"]["NEXTPNR_BEL"] for name, cell in cells.items() if cell["attributes"]}


def test_each_cell_stands_where_its_part_was_placed_and_stays_there() -> None:
    packed = netlist(r__lut=cell(LUT, A=[1], F=[2]), t__lut=cell(LUT, A=[2], F=[3]), t__ram=cell("DP16KD", ADA0=[3]))
    cells_of(packed)["t.ram"]["attributes"] = {"BEL": "X4/Y22/EBR0"}
    homeless, cells = joined(
        packed,
        netlist(r__lut=cell(LUT, "X1/Y1/SLICEA.K0")),
        netlist(t__lut=cell(LUT, "X1/Y1/SLICEA.K1"), t__ram=cell("DP16KD", "X4/Y22/EBR0")),
    )
    assert homeless == 0
    assert sites({"r.lut": cells["r.lut"], "t.lut": cells["t.lut"]}) == {
        "r.lut": "X1/Y1/SLICEA.K0",
        "t.lut": "X1/Y1/SLICEA.K1",
    }
    assert cells["r.lut"]["attributes"]["BEL_STRENGTH"] == LOCKED
    # What the floorplan placed needs no more.
    assert cells["t.ram"]["attributes"] == {"BEL": "X4/Y22/EBR0"}
    assert packed["modules"]["top"]["settings"]["target_freq"] == "125000000.000000"


def test_a_flip_flop_of_the_floorplan_is_locked_as_the_others_are() -> None:
    packed = netlist(r__ff=ff(M=[1], Q=[2]))
    cells_of(packed)["r.ff"]["attributes"] = {"BEL": "X1/Y1/SLICEA.FF0"}
    homeless, cells = joined(packed, netlist(r__ff=ff("X1/Y1/SLICEA.FF0", M=[1])), netlist())
    assert homeless == 0
    assert cells["r.ff"]["attributes"] == {"NEXTPNR_BEL": "X1/Y1/SLICEA.FF0", "BEL_STRENGTH": LOCKED}


def test_pieces_of_a_cell_go_with_it() -> None:
    names = ("t.sum$CCU2_COMB0", "t.sum$CCU2_COMB1", "t.word$DPRAM_COMB3", "t.word$RAMW_BLOCK1", "t.word$RAMW_SLICE")
    packed, table = netlist(), netlist()
    for number, name in enumerate(names):
        cells_of(packed)[name] = cell(LUT)
        cells_of(table)[name] = cell(LUT, f"X{number}/Y1/SLICEA.K0")
    homeless, cells = joined(packed, netlist(), table)
    assert homeless == 0
    assert sites(cells) == sites(cells_of(table))


def test_the_ends_of_a_carry_chain_are_known_by_whom_they_lead_to() -> None:
    """They have no names of their own: the third of the whole may be the first of the part."""

    def chain(first: int, last: int, *, row: int = 0) -> dict[str, Any]:
        names = (
            f"$nextpnr_CCU2C_{first}$CCU2_COMB1",
            "t.sum$CCU2_COMB0",
            f"$nextpnr_CCU2C_{last}$CCU2_COMB0",
            f"$nextpnr_CCU2C_{last}$CCU2_COMB1",
        )
        sites = [(row and f"X1/Y{row}/SLICE{place}") or "" for place in ("A.K0", "A.K1", "B.K0", "B.K1")]
        return netlist(
            **{
                name: cell(LUT, site, FCI=[10 + number], FCO=[11 + number])
                for number, (name, site) in enumerate(zip(names, sites, strict=True))
            }
        )

    homeless, cells = joined(chain(3, 4), netlist(), chain(0, 1, row=5))
    assert homeless == 0
    assert sites(cells) == {
        "$nextpnr_CCU2C_3$CCU2_COMB1": "X1/Y5/SLICEA.K0",
        "t.sum$CCU2_COMB0": "X1/Y5/SLICEA.K1",
        "$nextpnr_CCU2C_4$CCU2_COMB0": "X1/Y5/SLICEB.K0",
        "$nextpnr_CCU2C_4$CCU2_COMB1": "X1/Y5/SLICEB.K1",
    }


def ff(site: str = "", *, enable: int = ENABLE, reset: int = RESET, **data: list[int | str]) -> dict[str, Any]:
    return cell(FLIP_FLOP, site, CLK=[CLOCK], CE=[enable], LSR=[reset], **data)


@pytest.mark.parametrize(
    ("site", "table_ff", "stays"),
    [
        ("X1/Y1/SLICEA.FF1", {}, True),
        ("X1/Y1/SLICEA.FF1", {"enable": 80}, False),
        ("X1/Y1/SLICEB.FF1", {"enable": 80}, True),
        ("X1/Y1/SLICEB.FF1", {"reset": 70}, False),
        ("X1/Y2/SLICEA.FF1", {"enable": 80, "reset": 70}, True),
        ("X1/Y1/SLICEA.FF0", {}, False),
    ],
)
def test_a_flip_flop_gives_way_where_a_tile_cannot_hold_it(site, table_ff, stays) -> None:
    """Those of a tile share their reset, those of a slice their enable."""
    packed = netlist(r__ff=ff(M=[1], Q=[2]), t__ff=ff(M=[3], Q=[4], **table_ff))
    homeless, cells = joined(
        packed, netlist(r__ff=ff("X1/Y1/SLICEA.FF0", M=[1])), netlist(t__ff=ff(site, M=[3], **table_ff))
    )
    assert homeless == (not stays)
    assert sites(cells) == {"r.ff": "X1/Y1/SLICEA.FF0", **({"t.ff": site} if stays else {})}


def test_nothing_stands_beside_a_ram_of_another_part() -> None:
    ram = cell(LUT, "X1/Y1/SLICEA.K0", D=[1], F=[2])
    ram["parameters"]["MODE"] = "DPRAM"
    packed = netlist(r__ram=cell(LUT, D=[1], F=[2]), t__ff=ff(M=[3], Q=[4]))
    cells_of(packed)["r.ram"]["parameters"]["MODE"] = "DPRAM"
    homeless, cells = joined(packed, netlist(r__ram=ram), netlist(t__ff=ff("X1/Y1/SLICED.FF0", M=[3])))
    assert homeless == 1
    assert sites(cells) == {"r.ram": "X1/Y1/SLICEA.K0"}


def test_a_flip_flop_takes_its_data_from_the_look_up_table_of_its_place_or_from_elsewhere() -> None:
    """Of two that one table feeds, nextpnr tied one to it in the whole, and the other one in the part."""
    packed = netlist(
        r__lut=cell(LUT, A=[1], F=[2]), r__first=ff(DI=[2], Q=[3]), r__second=ff(M=[2], Q=[4]), r__far=ff(DI=[1], Q=[1])
    )
    rest = netlist(
        r__lut=cell(LUT, "X1/Y1/SLICEA.K0", A=[1], F=[2]),
        r__first=ff("X1/Y1/SLICEB.FF0", M=[2]),
        r__second=ff("X1/Y1/SLICEA.FF0", DI=[2]),
        r__far=ff("X1/Y1/SLICEB.FF1", M=[1]),
    )
    _, cells = joined(packed, rest, netlist())
    first, second, far = (cells[f"r.{name}"] for name in ("first", "second", "far"))
    for tied, has in ((first, "M"), (second, "DI"), (far, "M")):
        assert tied["connections"][has]
        assert tied["connections"]["M" if has == "DI" else "DI"] == []
        assert tied["parameters"]["SD"] == ("1 " if has == "DI" else "0 ")


def test_who_drives_a_constant_may_be_placed_at_last() -> None:
    packed = netlist(r__lut=cell(LUT, A=[1], F=[2]), **{"$PACKER_GND": cell(LUT, F=[5])})
    homeless, cells = joined(packed, netlist(r__lut=cell(LUT, "X1/Y1/SLICEA.K0")), netlist())
    assert homeless == 1
    assert set(sites(cells)) == {"r.lut"}


def test_another_design_is_told() -> None:
    packed = netlist(r__lut=cell(LUT, A=[1], F=[2]), t__lut=cell(LUT, A=[2], F=[3]))
    rest = netlist(r__lut=cell(LUT, "X1/Y1/SLICEA.K0"))
    with pytest.raises(ValueError, match=r"t\.lut was not placed with the part 'table'"):
        joined(packed, rest, netlist())
    packed = netlist(r__lut=cell(LUT, A=[1], F=[2]), t__lut=cell(LUT, A=[2], F=[3]))
    with pytest.raises(ValueError, match=r"t\.lut has no place beside the parts before 'table'"):
        joined(packed, rest, netlist(t__lut=cell(LUT, "X1/Y1/SLICEA.K0")))
