"""Random traffic on hash tables in which keys move, are parked and are swept all the time, against a Python dict.

A failure names its seed and frame; the same traffic runs again with

    SAOFFLOAD_SEED=<seed> make test ARGS="-k table_traffic"
"""

import os

import pytest
from tests.harness.traffic import TrafficHarness
from tests.harness.traffic_program import Program

from saoffload.hdl.config import EngineConfig, HashSizes
from saoffload.hdl.table.hashed.table import HashedTable
from saoffload.sim.designs import TOP, harness_verilog
from saoffload.sim.runner import build, run

BENCH = "tests.cocotb.traffic_bench"
SEED = int(os.environ.get("SAOFFLOAD_SEED", "1"))
#: As many rows as keys, few places beside them, nothing a power of two that need not be.
CROWDED = EngineConfig(
    name="crowded",
    bundles=27,
    keys=16,
    context_width=5,
    unretired_limit=256,
    hashed=HashSizes(ways=4, way_depth=4, overflow=2, wildcards=3, rounds=4, max_moves=4),
)

pytestmark = pytest.mark.rtl


@pytest.mark.parametrize(
    "operations", [pytest.param(50_000, id="short"), pytest.param(1_000_000, id="long", marks=pytest.mark.nightly)]
)
def test_random_traffic(operations: int) -> None:
    table = HashedTable(CROWDED)
    simulation = build(harness_verilog(TrafficHarness, CROWDED), top=TOP)
    job = {
        "seed": SEED,
        "operations": operations,
        "config": Program.fields_of(CROWDED),
        "key_latency": table.key_latency,
        "handle_latency": table.handle_latency,
    }
    total = run(simulation, bench=BENCH, job=job)
    print(f"seed {SEED}: {total}")
    assert total["operations"] >= operations
    # Everything that was meant to happen did, and often.
    results = ("OK", "UNSUPPORTED", "RESTORE_MODE", "BAD_HANDLE", "HANDLE_IN_USE", "DUPLICATE", "FULL")
    events = (*results, "deleted", "flushes", "restores", "end_restores", "graces", "waits", "seen_early")
    assert [name for name in events if total.get(name, 0) < operations // 5000] == []
    assert total["moves"] > operations // 50
    assert total["lookups"] > total["clocks"] * 1.9
