"""Fuzzing of fixed seeds on all engines, and the judge that would have told."""

import os
from collections import Counter

import pytest
from tests.cocotb.fuzz_lies_bench import LIES

from saoffload.sim.fuzz.choices import Choices
from saoffload.sim.fuzz.engines import ENGINES
from saoffload.sim.fuzz.maker import make_scenario
from saoffload.sim.fuzz.runner import Batch, run_batch, simulation
from saoffload.sim.runner import run

SEED = int(os.environ.get("SAOFFLOAD_SEED", "1"))
NODES = 35_000
"""Of each engine: more than 100,000 of all."""
SCENARIOS = 120
STATUSES = ("OK", "MISALIGNED", "OUT_OF_WINDOW", "LOOP", "TOO_LONG", "BUS_ERROR", "TIMEOUT", "BAD_HEADER", "ABORTED")

pytestmark = pytest.mark.rtl


@pytest.mark.parametrize("engine", ENGINES)
def test_fixed_seeds(engine: str) -> None:
    outcome = run_batch(Batch(engine=engine, seed=SEED, first=0, count=SCENARIOS))
    failure = outcome.failure
    assert failure is None, f"saoffload fuzz --engine {engine} --seed {SEED}: scenario {failure.seed}: {failure.text}"
    counts: Counter[str] = outcome.counts
    print(f"{engine}, seed {SEED}: {dict(counts)}")
    if SEED == 1:
        assert counts["nodes"] >= NODES
        assert [status for status in STATUSES if not counts[status]] == []
        # What else must have come about for these checks to mean something.
        for name in ("deleted", "lookup hits", "held reads", "alien beats", "add OK", "add DUPLICATE", "add FULL"):
            assert counts[name], name


def test_the_judge_sees_through_every_lie() -> None:
    scenario = make_scenario(Choices.of_seed("1/71"), "serial")
    said = run(simulation("serial"), bench="tests.cocotb.fuzz_lies_bench", job={"scenario": scenario.to_json()})
    assert said.pop("the truth") is None
    assert set(said) == set(LIES)
    assert [name for name, failure in said.items() if failure is None] == []
