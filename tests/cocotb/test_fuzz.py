"""Fuzzing of fixed seeds by day and of new ones at night, and the judge that would have told.

A failure names its seed; SAOFFLOAD_SEED=<seed> chooses another.
"""

import json
import os
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.cocotb.fuzz_lies_bench import LIES
from tests.end_to_end.command import run_command

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
    first = SCENARIOS * list(ENGINES).index(engine)
    outcome = run_batch(Batch(engine=engine, seed=SEED, first=first, count=SCENARIOS))
    failure = outcome.failure
    assert failure is None, f"saoffload fuzz --seed {SEED}: scenario {failure.seed} on {engine}: {failure.text}"
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


@pytest.mark.nightly
def test_five_million_nodes(tmp_path: Path) -> None:
    seed = os.environ.get("SAOFFLOAD_SEED", str(time.time_ns() // 10**9))
    limits = ["--nodes", "5000000", "--minutes", "120"]
    ran = run_command("fuzz", *limits, "--seed", seed, "--output", str(tmp_path), "--json")
    files = [file.read_text() for file in tmp_path.iterdir()]
    assert ran.returncode == 0, f"--seed {seed}: {ran.stderr}\n{''.join(files)}"
    result = json.loads(ran.stdout)
    print(f"seed {seed}: {result['nodes']:,} nodes, {result['nodes_per_second']:,.0f} per second, {result['statuses']}")
    assert result["nodes"] >= 5_000_000, f"only {result['nodes']:,} nodes in two hours"
