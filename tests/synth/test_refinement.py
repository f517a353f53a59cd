"""Logic that moved after it was placed, with the real tools: they route it, and it is as fast as was expected."""

import json
from pathlib import Path

import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.boards.bare_chip import bare_chip
from saoffload.boards.floorplan import MINDS_THE_CLOCK, Floorplan
from saoffload.boards.flow import Flow, prepared
from saoffload.boards.harness import Harness, HarnessTop
from saoffload.boards.partition import Part
from saoffload.boards.refinement import Refinement
from saoffload.boards.timing import Timing

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


@pytest.mark.synth
def test_what_moved_is_routed_and_as_fast_as_expected(tmp_path: Path) -> None:
    plan = prepared(
        bare_chip("LFE5U-25F", clock_hz=CLOCK_HZ), HarnessTop(Harness(Lanes())), is_ecp5=True, placing=MINDS_THE_CLOCK
    )
    floorplan = Floorplan(rooms=(), parts=(Part(name="all", placing=MINDS_THE_CLOCK),), placing=MINDS_THE_CLOCK)
    flow = Flow(plan, folder=tmp_path, clock_hz=CLOCK_HZ, cure="none", floorplan=floorplan)
    flow.synthesize()
    flow.pack_cells()
    routed = flow.route(1)
    # nextpnr takes no design in which a tile holds what it cannot: that it routed this one says it is legal.
    (netlist,) = tmp_path.glob("*/seed-1/top.json")
    placed = json.loads(netlist.read_text())
    expected = 1000 / max(Timing(placed).longest())
    print(f"expected {expected:.1f} MHz, routed {routed.fmax_mhz:.1f} MHz")
    assert expected * 0.8 < routed.fmax_mhz < expected * 1.25
    # What was routed is what the moves led to: there are none left, or few.
    assert Refinement(placed, clock_hz=CLOCK_HZ).run() < 20
