"""No completion, whatever it says, comes while an answer of before is in use; none waits for an answer of after."""

from itertools import product
from typing import Any

import pytest

from saoffload.sim.designs import TOP, engine_verilog
from saoffload.sim.faults.campaign import ENGINES, SHOWS_MEMORIES
from saoffload.sim.runner import build, run

BENCH = "tests.cocotb.grace_bench"
#: Command, how it ends, and whether a lookup of the deleted bundle hits afterwards.
COMMANDS = {
    "walk": ("OK", 0),
    "empty walk": ("OK", 1),
    "refused walk": ("OUT_OF_WINDOW", 1),
    "delete": ("OK", 0),
    "delete of nothing": ("OK", 1),
    "flush": ("OK", 0),
}
CASES = list(product(COMMANDS, ("key", "handle")))
#: One without registers between its rooms and one with them; both are built for the fault campaign as well.
WITHOUT_AND_WITH_REGISTERS = ("serial, parallel", "contexts, hashed")

pytestmark = pytest.mark.rtl


@pytest.fixture(scope="module", params=WITHOUT_AND_WITH_REGISTERS)
def results(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """All cases in one run of the simulator."""
    engine = request.param
    simulation = build(engine_verilog(ENGINES[engine]), top=TOP, shows_memories=engine in SHOWS_MEMORIES)
    job = {"cases": [{"command": command, "kind": kind} for command, kind in CASES]}
    return run(simulation, bench=BENCH, job=job)


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_grace_period(case: tuple[str, str], results: list[dict[str, Any]]) -> None:
    status, hit_after = COMMANDS[case[0]]
    assert results[CASES.index(case)] == {"hits": [1, hit_after], "early": 0, "late": [status]}
