"""A flush at any clock of an add, over both tables: the add is before it and removed, or after it and whole."""

from typing import Any, NamedTuple

import pytest
from tests.cocotb.flush_races_bench import LIVING

from saoffload.sim.designs import TOP, engine_verilog
from saoffload.sim.faults.campaign import ENGINES, SHOWS_MEMORIES
from saoffload.sim.runner import build, run

BENCH = "tests.cocotb.flush_races_bench"
#: Both are built for the fault campaign as well.
TABLES = ("contexts, parallel", "contexts, hashed")


class End(NamedTuple):
    """What the add is told, how many bundles the flush removed, and which key hits afterwards."""

    result: str
    deleted: int
    hits: list[int]


#: Clocks from one flush to the next: no longer than a bundle takes to appear, in which a flush waits.
STEPS = [3, pytest.param(1, marks=pytest.mark.nightly)]

#: How it ends when the add comes before the flush, and when the flush comes first.
ENDS = {
    "named": (End("OK", LIVING + 1, []), End("OK", LIVING, [LIVING])),
    "twin": (End("DUPLICATE", LIVING, []), End("OK", LIVING, [0])),
    "free": (End("OK", LIVING + 1, []), End("RESTORE_MODE", LIVING, [])),
}

pytestmark = pytest.mark.rtl


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("variant", ENDS)
@pytest.mark.parametrize("table", TABLES)
def test_an_add_is_before_a_flush_or_after_it(table: str, variant: str, step: int) -> None:
    simulation = build(engine_verilog(ENGINES[table]), top=TOP, shows_memories=table in SHOWS_MEMORIES)
    cases: list[dict[str, Any]] = run(simulation, bench=BENCH, job={"variant": variant, "step": step})
    before, after = ENDS[variant]
    seen = set()
    for case in cases:
        end = End(case["result"], case["deleted"], case["hits"])
        assert end in (before, after), case
        assert case["status"] == "OK", case
        assert case["live"] == [len(end.hits)] * 2, case
        assert end == before or not case["was_answered"], f"an add that was answered came after all: {case}"
        seen.add(end == before)
    assert seen == {True, False}, "the flush never met the add"
