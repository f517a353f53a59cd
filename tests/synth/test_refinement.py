"""Logic that moved after it was placed, with the real tools: they route it, and it is as fast as was expected."""

import json
import shutil
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.boards.bare_chip import bare_chip
from saoffload.boards.floorplan import MINDS_THE_CLOCK, Floorplan
from saoffload.boards.flow import Flow, prepared
from saoffload.boards.harness import Harness, HarnessTop
from saoffload.boards.netlist import FLIP_FLOP, Netlist, cells_of
from saoffload.boards.partition import Part
from saoffload.boards.refinement import Refinement
from saoffload.boards.reports import RoutedDesign
from saoffload.boards.timing import Timing
from saoffload.boards.tools import TOOLS, BuildError

LANES, WIDTH = 6, 20
CLOCK_HZ = 300_000_000
"""More than the design can do, so that much is late."""


class Lanes(wiring.Component):
    """Sums that enable each other, and a permutation of all their bits: long paths, enables, carries, and far wires."""

    def __init__(self) -> None:
        super().__init__({"step": In(WIDTH), "choice": In(LANES), "result": Out(WIDTH)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        sums = [Signal(WIDTH, name=f"sum_{lane}") for lane in range(LANES)]
        for lane, total in enumerate(sums):
            behind = sums[lane - 1]
            with m.If(self.choice[lane] ^ behind.xor()):
                m.d.sync += total.eq(total + (self.step ^ behind.rotate_left(7 * lane)))
        folded = Cat(*(total[bit] for bit in range(WIDTH) for total in sums))
        m.d.sync += self.result.eq(Cat(folded[bit * LANES : (bit + 1) * LANES].xor() for bit in range(WIDTH)))
        return m


@dataclass(frozen=True)
class Build:
    """A design placed, refined and routed: its netlist as it was routed, the folder of that, how many cells moved."""

    routed: RoutedDesign
    netlist: Netlist
    folder: Path
    moved: list[int]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder = tmp_path_factory.mktemp("lanes")
    plan = prepared(
        bare_chip("LFE5U-25F", clock_hz=CLOCK_HZ), HarnessTop(Harness(Lanes())), is_ecp5=True, placing=MINDS_THE_CLOCK
    )
    floorplan = Floorplan(rooms=(), parts=(Part(name="all", placing=MINDS_THE_CLOCK),), placing=MINDS_THE_CLOCK)
    flow = Flow(plan, folder=folder, clock_hz=CLOCK_HZ, cure="none", floorplan=floorplan)
    flow.synthesize()
    flow.pack_cells()
    moved: list[int] = []
    run = Refinement.run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Refinement, "run", lambda refinement: moved.append(run(refinement)))
        routed = flow.route(1)
    (netlist,) = folder.glob("*/seed-1/top.json")
    return Build(routed, json.loads(netlist.read_text()), netlist.parent, moved)


@pytest.mark.synth
def test_what_moved_is_routed_and_as_fast_as_expected(build: Build) -> None:
    expected = 1000 / max(Timing(build.netlist).longest())
    print(f"expected {expected:.1f} MHz, routed {build.routed.fmax_mhz:.1f} MHz")
    assert expected * 0.8 < build.routed.fmax_mhz < expected * 1.25
    # What was routed is what the moves led to: there are none left, or few.
    print(f"moved {build.moved}")
    assert build.moved[0] > 50
    assert Refinement(deepcopy(build.netlist), clock_hz=CLOCK_HZ).run() < build.moved[0] / 5


@pytest.mark.synth
@pytest.mark.parametrize("port", ["CE", "LSR"])
def test_the_tools_refuse_a_tile_that_cannot_hold_what_stands_in_it(build: Build, tmp_path: Path, port: str) -> None:
    """So a move that was wrong would end the build, and not become a chip that does something else."""
    netlist = deepcopy(build.netlist)
    flip_flops = {
        cell["attributes"]["NEXTPNR_BEL"]: cell for cell in cells_of(netlist).values() if cell["type"] == FLIP_FLOP
    }
    first, second = next(
        (cell, flip_flops[other])
        for site, cell in flip_flops.items()
        if (other := site.replace(".FF0", ".FF1")) != site and other in flip_flops and cell["connections"].get("CE")
    )
    nets = [cell["connections"]["CE"] for cell in flip_flops.values() if cell["connections"].get("CE")]
    second["connections"][port] = next(net for net in nets if net != first["connections"].get(port))
    second["port_directions"][port] = "input"
    (tmp_path / "top.json").write_text(json.dumps(netlist))
    shutil.copyfile(build.folder / "top.lpf", tmp_path / "top.lpf")
    options = ["--25k", "--package", "CABGA381", "--speed", "6", "--no-pack", "--timing-allow-fail"]
    with pytest.raises(BuildError, match="Placing design failed"):
        TOOLS["NEXTPNR_ECP5"].run(
            [*options, "--json", "top.json", "--lpf", "top.lpf", "--textcfg", "top.config"],
            folder=tmp_path,
            log=tmp_path / "log",
            cure="none",
        )
