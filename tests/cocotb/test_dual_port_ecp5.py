"""A dual port memory made of DP16KD gives what the portable one gives, in every shape of the block."""

import os
from pathlib import Path

import pytest
from amaranth._toolchain.yosys import find_yosys
from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, ClockSignal, Module, Signal
from amaranth.lib.wiring import In
from tests.unit.streams import seeds

from saoffload.hdl.dual_port import DualPortMemory, DualPortSignature, GenericDualPort
from saoffload.hdl.dual_port_ecp5 import Ecp5DualPort
from saoffload.sim.runner import Simulation, build, run

BENCH = "tests.cocotb.dual_port_bench"
MODEL = Path(__file__).with_name("dp16kd.v")
CLOCKS = 4000
#: Width and depth: each shape full and not, one column and more, and more words than a block has.
SIZES = [
    (1, 16384),
    (3, 8192),
    (5, 3000),
    (20, 2048),
    (18, 1024),
    (20, 300),
    (1, 2),
    (2, 16384 + 700),
    (1, 3 * 16384),
]

pytestmark = pytest.mark.rtl


def side_by_side() -> tuple[Module, list[Signal]]:
    """For each size one memory of each kind, with the same inputs; and the ports of that."""
    m = Module()
    m.domains.sync = ClockDomain(reset_less=True)
    clock = Signal(name="clk")
    m.d.comb += ClockSignal().eq(clock)
    ports = [clock]
    for number, (width, depth) in enumerate(SIZES):
        signature = DualPortSignature(width=width, depth=depth)
        memories = {"ecp5": Ecp5DualPort(signature), "generic": GenericDualPort(signature)}
        for name, member in signature.members.items():
            if member.flow == In:
                shared = Signal(member.shape, name=f"pair{number}_{name}")
                ports.append(shared)
                m.d.comb += [getattr(memory, name).eq(shared) for memory in memories.values()]
        for kind, memory in memories.items():
            m.submodules[f"{kind}_{number}"] = memory
            for name in ("a_data", "b_data"):
                output = Signal(width, name=f"pair{number}_{kind}_{name}")
                ports.append(output)
                m.d.comb += output.eq(getattr(memory, name))
    return m, ports


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    design, ports = side_by_side()
    text = rtlil.convert(design, name="pairs", ports=ports, emit_src=False)
    commands = f"read_rtlil <<rtlil\n{text}\nrtlil\nproc\nopt_clean\nmemory_collect\nwrite_verilog -norename\n"
    verilog = find_yosys(lambda version: version >= (0, 40)).run(["-q", "-"], commands, ignore_warnings=True)
    return build(verilog + MODEL.read_text(), top="pairs")


@pytest.mark.parametrize("seed", seeds(3))
def test_both_kinds_give_what_was_written(seed: int, simulation: Simulation) -> None:
    result = run(simulation, bench=BENCH, job={"sizes": SIZES, "seed": seed, "clocks": CLOCKS})
    assert result["differences"] == [], f"seed {seed}"
    assert min(result["compared"]) > CLOCKS, f"seed {seed} tests little"


def test_the_platform_chooses() -> None:
    """DP16KD for ECP5 alone, as many as promised."""

    class Marker:
        device = "LFE5UM5G-85F"

    for width, depth in SIZES:
        for platform, count in ((Marker(), DualPortMemory.blocks(width, depth)), (None, 0)):
            memory = DualPortMemory(width=width, depth=depth)
            text = rtlil.convert(memory, platform=platform)
            assert text.count("cell \\DP16KD ") == count, (width, depth, platform)
