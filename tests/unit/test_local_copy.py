"""Copies of a register: the same to whoever reads them, and as many as there are to the synthesis of a large chip."""

import json
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tests.unit.streams import simulate

from saoffload.boards.bare_chip import bare_chip
from saoffload.boards.flow import FEWEST_ENABLED, Flow, prepared
from saoffload.boards.harness import Harness, HarnessTop
from saoffload.boards.netlist import FLIP_FLOP, LUT
from saoffload.boards.synth import COPIES
from saoffload.hdl.local_copy import LocalCopy, local_copy

WIDTH = FEWEST_ENABLED - 1


class TwoReaders(wiring.Component):
    """Copies one source for two readers, in a room that a reset forgets. ``mask`` makes the readers two."""

    def __init__(self) -> None:
        super().__init__(
            {"source": In(WIDTH), "mask": In(WIDTH), "is_reset": In(1), "near": Out(WIDTH), "far": Out(WIDTH)}
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        room = Module()
        room.d.comb += [
            self.near.eq(local_copy(room, "near", self.source)),
            self.far.eq(local_copy(room, "far", self.source) & self.mask),
        ]
        m.submodules.room = ResetInserter(self.is_reset)(room)
        return m


def netlist_of(folder: Path, apart: tuple[str, ...]) -> dict[str, Any]:
    clock_hz = 100_000_000
    top = HarnessTop(Harness(TwoReaders()))
    plan = prepared(bare_chip("LFE5U-25F", clock_hz=clock_hz), top, is_ecp5=True, apart=apart, folds_enables=True)
    flow = Flow(plan, folder=folder, clock_hz=clock_hz, cure="none")
    flow.synthesize()
    (netlist,) = folder.glob("*/top.json")
    return json.loads(netlist.read_text())["modules"]["top"]["cells"]


def flip_flops_of(cells: dict[str, Any]) -> list[str]:
    return [name for name, cell in cells.items() if cell["type"] == FLIP_FLOP]


def test_copies_stay_apart_where_they_are_to(tmp_path: Path) -> None:
    apart, joined = netlist_of(tmp_path / "apart", COPIES), netlist_of(tmp_path / "joined", ())
    assert len(flip_flops_of(apart)) == len(flip_flops_of(joined)) + WIDTH


def test_no_table_stands_before_a_copy(tmp_path: Path) -> None:
    """A floorplan has a site for the flip-flop alone: the reset must not be folded into its data."""
    cells = netlist_of(tmp_path, COPIES)
    copies = [cells[name] for name in flip_flops_of(cells) if ".local_" in name]
    assert len(copies) == 2 * WIDTH
    sources = {bit for cell in copies for bit in cell["connections"]["DI"]}
    tables = {bit for cell in cells.values() if cell["type"] == LUT for bit in cell["connections"]["Z"]}
    assert len(sources) == WIDTH
    assert sources.isdisjoint(tables)


@pytest.mark.parametrize("reset_less", [False, True])
def test_a_copy_is_a_clock_late(reset_less: bool) -> None:
    reset = Signal()
    copy = LocalCopy(8, reset_less=reset_less)
    dut = ResetInserter(reset)(copy)

    async def bench(ctx: Any) -> None:
        for value in (0x5A, 0xFF, 0):
            ctx.set(copy.source, value)
            await ctx.tick()
            assert ctx.get(copy.copy) == value
        ctx.set(copy.source, 0x77)
        ctx.set(reset, 1)
        await ctx.tick()
        assert ctx.get(copy.copy) == (0x77 if reset_less else 0)

    simulate(dut, bench)
