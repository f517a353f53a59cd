"""A run of fuzzing: batch after batch until there is enough, the time is up, or something fails."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from saoffload.sim.runner import Progress

from .runner import Batch, Failure, run_batch, simulation
from .spread import spread

SCENARIOS_PER_BATCH = 50
"""About 17,000 nodes: six seconds of a core, one of them for the start of the simulator."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run came to. ``counts`` are of all that went well; ``failure`` is the first that did not."""

    counts: Counter[str]
    seconds: float
    failure: Failure | None

    @property
    def nodes_per_second(self) -> float:
        """Of real time, the start of the workers included."""
        return self.counts["nodes"] / max(self.seconds, 1e-9)


def fuzz(
    engines: Sequence[str],
    *,
    seed: int,
    jobs: int,
    scheduler: str | None,
    seconds: float,
    nodes: int | None,
    progress: Progress,
) -> Summary:
    """Fuzzes ``engines`` in turn. ``nodes``: enough when so many were visited, None: never. ``jobs``, ``scheduler``:
    see ``spread``. The same seed does the same scenarios in the same order; how many, the time decides.
    """
    # Workers elsewhere build for themselves.
    for name in engines if scheduler is None else ():
        simulation(name, progress=progress)
    progress("start the workers", 0, 0)
    began = time.monotonic()
    counts: Counter[str] = Counter()
    failures: list[Failure] = []

    def is_over() -> bool:
        has_enough = nodes is not None and counts["nodes"] >= nodes
        return has_enough or time.monotonic() - began >= seconds or bool(failures)

    for outcome in spread(_batches(engines, seed), work=run_batch, jobs=jobs, scheduler=scheduler, is_over=is_over):
        counts += outcome.counts
        if outcome.failure is not None:
            failures.append(outcome.failure)
        rate = counts["nodes"] / (time.monotonic() - began)
        progress(f"{rate:,.0f} nodes per second", counts["nodes"], nodes or 0)
    return Summary(counts=counts, seconds=time.monotonic() - began, failure=failures[0] if failures else None)


def _batches(engines: Sequence[str], seed: int) -> Iterator[Batch]:
    """The engines take turns."""
    return (
        Batch(
            engine=engines[number % len(engines)],
            seed=seed,
            first=number * SCENARIOS_PER_BATCH,
            count=SCENARIOS_PER_BATCH,
        )
        for number in count()
    )
