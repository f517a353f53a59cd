"""Scenarios on the simulated RTL: a batch of them per start of the simulator."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from saoffload.sim.bench_hdl.fuzz_top import TOP, fuzzed_verilog
from saoffload.sim.designs import surrounded_verilog
from saoffload.sim.runner import Progress, Simulation, build, run

from .engines import ENGINES
from .scenario import Scenario, from_json

BENCH = "saoffload.sim.benches.fuzz_bench"
SHRINK_BENCH = "saoffload.sim.benches.fuzz_shrink_bench"


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Scenarios ``first`` to ``first + count - 1`` of a ``seed``, all on one engine."""

    engine: str
    seed: int
    first: int
    count: int

    def seed_of(self, place: int) -> str:
        """The seed of one of its scenarios."""
        return f"{self.seed}/{self.first + place}"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Where RTL and model differ, and the scenario in which they do, by its seed."""

    engine: str
    seed: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a batch: it ends with the first failure. ``counts`` are of what went well."""

    batch: Batch
    done: int
    failure: Failure | None
    counts: Counter[str]


def simulation(engine: str, *, progress: Progress | None = None) -> Simulation:
    """The engine in its surroundings, built now unless it was before."""
    if progress is not None:
        progress(f"convert engine {engine} to Verilog", 0, 0)
    return build(surrounded_verilog(fuzzed_verilog, ENGINES[engine]), top=TOP, progress=progress)


def run_batch(batch: Batch) -> Outcome:
    """Runs a batch in a simulator of its own."""
    seeds = [batch.seed_of(place) for place in range(batch.count)]
    result = _run(batch.engine, {"seeds": seeds})
    text = result["failure"]
    failure = None
    if text is not None:
        failure = Failure(engine=batch.engine, seed=seeds[result["done"] - 1], text=text)
    return Outcome(batch=batch, done=result["done"], failure=failure, counts=Counter(result["counts"]))


def replay(scenario: Scenario) -> str | None:
    """Runs one scenario: where RTL and model differ, None when they agree."""
    return _run(scenario.engine, {"scenarios": [scenario.to_json()]})["failure"]


def shrink(failure: Failure, *, progress: Progress | None = None) -> tuple[Scenario, str] | None:
    """The smallest scenario found that fails like this one, and how it does. None when it does not fail again."""
    job = {"engine": failure.engine, "seed": failure.seed}
    result = run(simulation(failure.engine), bench=SHRINK_BENCH, job=job, progress=progress)
    return None if result is None else (from_json(result["scenario"]), result["failure"])


def _run(engine: str, job: Mapping[str, Any]) -> Any:
    return run(simulation(engine), bench=BENCH, job={"engine": engine, **job})
