"""20,000 random nodes over random tables and broken lists, on the engine's Verilog, each step compared with the model.

A failure names its seed, round and stall pattern; the same round alone runs again with

    SAOFFLOAD_SEED=<seed> SAOFFLOAD_ROUND=<round> make test ARGS="-k random_walks"
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.cocotb.random_bench import PAUSE

from saoffload.hdl.config import EngineConfig
from saoffload.sim.designs import TOP, engine_verilog
from saoffload.sim.runner import Simulation, build, run

BENCH = "tests.cocotb.random_bench"
NODES = 20_000
SEED = int(os.environ.get("SAOFFLOAD_SEED", "1"))
SIMULATOR = os.environ.get("SAOFFLOAD_SIMULATOR", "verilator")
#: Nothing is a power of two, so that every bound is its own.
ODD = EngineConfig(name="odd", bundles=12, keys=15, context_width=8, windows=3, command_depth=5, completion_depth=4)
SMALL = replace(ODD, name="small", bundles=5, keys=5, ipv6=False, context_width=0)
WALKERS = {
    "serial": ODD,
    "contexts": replace(ODD, contexts=3),
    "lines": replace(ODD, contexts=3, line_buffers=1, lines=8, id_width=4, data_width=128),
    "lines, two buffers": replace(ODD, contexts=3, line_buffers=2, lines=8, id_width=5),
    "lines, alone": replace(SMALL, contexts=1, line_buffers=1, lines=8, id_width=4),
}
"""By how they read, which is the first word."""

# By day `test_fuzz` does as much and more, in a memory of ours; this one is not.
pytestmark = [pytest.mark.rtl, pytest.mark.nightly]


CASES = [(kind, stall) for kind in WALKERS for stall in PAUSE]


@pytest.fixture(scope="module")
def walker(request: pytest.FixtureRequest) -> tuple[str, Simulation]:
    return request.param, build(engine_verilog(WALKERS[request.param]), top=TOP, simulator=SIMULATOR)


def job_of(reads_by: str, stall: str, nodes: int) -> Iterator[tuple[str, Any]]:
    job = {"reads_by": reads_by, "seed": SEED, "stall": stall, "first_round": 0, "nodes": nodes}
    yield from job.items()
    if "SAOFFLOAD_ROUND" in os.environ:
        yield "first_round", int(os.environ["SAOFFLOAD_ROUND"])
        yield "rounds", 1


@pytest.mark.parametrize(("walker", "stall"), CASES, indirect=["walker"])
def test_random_walks(walker: tuple[str, Simulation], stall: str) -> None:
    reads_by, simulation = walker
    job = dict(job_of(reads_by.partition(",")[0], stall, NODES // len(PAUSE)))
    total = run(simulation, bench=BENCH, job=job)
    print(f"{reads_by}, seed {SEED}, stall pattern {stall}: {total}")
    if "rounds" not in job:
        assert total["nodes"] >= NODES // len(PAUSE)
        assert 0 < total["deleted"] < total["nodes"]
        # Every way to end that this memory can bring about did come about.
        ends = ("OK", "MISALIGNED", "OUT_OF_WINDOW", "LOOP", "TOO_LONG", "BUS_ERROR", "BAD_HEADER", "ABORTED")
        assert [end for end in ends if not total.get(end)] == []
