"""What is tried on which engine, and how it is run and summed up."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

from saoffload.hdl.config import EngineConfig, HashSizes, preset
from saoffload.sim.designs import TOP, engine_verilog
from saoffload.sim.runner import BenchError, Progress, build, run

from . import aborts, lists, reads, resets, stuck

BENCH = "saoffload.sim.faults.bench"
_SMALL = EngineConfig(name="odd", bundles=12, keys=15, context_width=8, windows=3, command_depth=5, completion_depth=4)


def _with(**sizes: Any) -> EngineConfig:
    return EngineConfig(**{**_SMALL.__dict__, **sizes})


ENGINES: dict[str, EngineConfig] = {
    "serial, parallel": preset("tiny"),
    "serial, hashed": _with(hashed=HashSizes(ways=4, way_depth=8, wildcards=15)),
    "contexts, parallel": _with(contexts=3),
    "lines, parallel": _with(contexts=3, line_buffers=1, lines=8, id_width=4, data_width=128),
    "contexts, hashed": EngineConfig(
        name="flips",
        bundles=8,
        keys=8,
        context_width=8,
        windows=3,
        contexts=2,
        command_depth=4,
        completion_depth=4,
        unretired_limit=64,
        hashed=HashSizes(ways=2, way_depth=8, overflow=2, wildcards=2),
    ),
}
"""By walker and table."""

SHOWS_MEMORIES = frozenset(["contexts, hashed"])
"""Engines whose memories the bench must reach."""

PLAN: dict[str, tuple[str, ...]] = {
    "reads": ("serial, parallel", "serial, hashed", "contexts, parallel", "lines, parallel"),
    "aborts": ("serial, parallel", "serial, hashed", "contexts, parallel", "lines, parallel"),
    "resets": ("serial, parallel", "serial, hashed", "lines, parallel", "contexts, hashed"),
    "lists": ("serial, parallel", "contexts, parallel", "lines, parallel"),
    "stuck": ("serial, parallel", "serial, hashed", "contexts, hashed"),
    "flips": ("contexts, hashed",),
}
"""On which engines each part is tried."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """How much of a part is tried: every ``cases``-th case, resets at every ``clocks``-th clock, every ``bits``-th
    stored bit; ``is_patient``: waits are long.
    """

    cases: int = 1
    clocks: int = 1
    bits: int = 1
    is_patient: bool = True


WHOLE = Share()
DAY = Share(cases=23, clocks=19, bits=29, is_patient=False)
"""A cut through all of it for every day. The numbers have no factor in common with what the cases go round in."""


class CampaignError(AssertionError):
    """Something came of a fault that must not."""


def run_part(
    part: str, engine: str, *, share: Share = WHOLE, verilog: str | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Tries one part on one engine: ``part``, ``engine``, ``cases`` and what the part counts. ``verilog``: instead of
    that of the engine. Raises ``CampaignError``, which names the case, at the first that is not as it must be.
    """
    config = ENGINES[engine]
    text = engine_verilog(config) if verilog is None else verilog
    chosen, options = _work(part, config, share)
    simulation = build(text, top=TOP, shows_memories=engine in SHOWS_MEMORIES, progress=progress)
    try:
        done = run(
            simulation,
            bench=BENCH,
            job={"part": part, "chosen": chosen, "options": options},
            progress=progress,
            timeout_seconds=4 * 3600,
        )
    except BenchError as error:
        raise CampaignError(f"{part} on {engine}: {error}") from error
    return {"part": part, "engine": engine, **done}


def jobs(parts: Iterable[str] = PLAN) -> Iterator[tuple[str, str]]:
    """Each part with each engine that it is tried on. Raises ``ValueError`` for a part that there is not."""
    for part in parts:
        if part not in PLAN:
            raise ValueError(f"unknown part {part!r}: choose from {', '.join(PLAN)}")
        for engine in PLAN[part]:
            yield part, engine


def _work(part: str, config: EngineConfig, share: Share) -> tuple[list[int] | None, dict[str, Any]]:
    """The numbers of the cases, and the part's options."""
    if part == "flips":
        return None, {"step": share.bits, "sizes": _sizes(config)}
    if part == "reads":
        return list(range(0, len(list(reads.cases())), share.cases)), {}
    if part == "lists":
        options = {"address_width": config.address_width, "window_count": config.windows}
        return list(range(0, len(lists.cases(**options)), share.cases)), options
    if part == "aborts":
        # A variant is one walk at every clock: the day has two of them, each whole, on the fast memory.
        return list(range(0, len(aborts.VARIANTS), 1 if share == WHOLE else len(aborts.VARIANTS) - 2)), {}
    if part == "resets":
        return list(range(len(resets.VARIANTS))), {"step": share.clocks}
    return list(range(len(stuck.COMMANDS))), {"is_patient": share.is_patient}


def _sizes(config: EngineConfig) -> dict[str, int]:
    hashed = config.hashed
    if hashed is None:
        raise ValueError(f"{config.name} stores no parity")
    steps = max(hashed.way_depth, hashed.overflow, hashed.wildcards)
    return {
        "ways": hashed.ways,
        "way_depth": hashed.way_depth,
        "rounds": hashed.rounds,
        "steps": steps,
        "audits": ceil(config.bundles / steps),
    }
