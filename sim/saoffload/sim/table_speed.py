"""Fills tables on their RTL and says what adds, deletes, flushes and lookups took.

    fills = fill_tables(preset("large"), families=["random"], seeds=[1, 2])
    figures = figures_of(preset("large"), fills)

The measurement is that of ``bench_hdl.fill``: the table alone, adds back to back up to the first that is refused, and a
lookup of each kind in every clock, each answer of which was checked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from random import Random
from time import process_time
from typing import Any

from saoffload.hdl.config import EngineConfig

from .bench_hdl.fill import FillHarness
from .bench_hdl.fill_plan import FillPlan
from .designs import TOP, harness_verilog
from .fill_study import FAMILIES
from .model import Bundle, Key, SaTable
from .runner import Progress, Simulation, build, run

BENCH = "saoffload.sim.benches.fill_bench"
LOADS = (50, 90, 95, 99)
"""Percent of all keys, at which adds are summed up: over those of the percent before, or the last ``FEWEST``."""
FEWEST = 8
NARROW_FAMILIES = ("sequential SPIs", "sequential IPv4")
"""Families that a table without IPv6 can store."""
CLOCKS_PER_ADD_LIMIT = 2000
"""On average; a table that takes longer is taken for stuck."""
OK = 0


@dataclass(frozen=True)
class Spread:
    """The mean of some numbers, the one that 99 % do not exceed, and the largest."""

    mean: float
    p99: int
    max: int


@dataclass(frozen=True)
class Fill:
    """One fill of a table. ``adds``: clocks, moves and result of each, in order; the last one was refused."""

    family: str
    seed: int
    adds: list[tuple[int, int, int]]
    lookup_clocks: int
    key_requests: int
    handle_requests: int
    key_hits: int
    handle_hits: int
    delete_count: int
    delete_clocks: int
    delete_latency: int
    flush_clocks: int
    key_latency: int
    handle_latency: int


@dataclass(frozen=True)
class Fills:
    """Fills of one table, and the clocks that were simulated for them in each second of processor time."""

    fills: list[Fill]
    clocks_per_second: int


def simulation_of(config: EngineConfig, *, progress: Progress | None = None) -> Simulation:
    """The harness around this table, ready to run."""
    return build(harness_verilog(FillHarness, config), top=TOP, progress=progress)


def families_for(config: EngineConfig) -> tuple[str, ...]:
    """The families of ``fill_study`` that the table can store."""
    return tuple(FAMILIES) if config.ipv6 else NARROW_FAMILIES


def fill_tables(
    config: EngineConfig,
    *,
    families: Iterable[str] = ("random",),
    seeds: Iterable[int] = (1,),
    keys: Mapping[str, Sequence[int]] | None = None,
    table_seed: int | None = None,
    progress: Progress | None = None,
) -> Fills:
    """Fills the table once for each family and seed, and for each of the named ``keys`` and seed. The seed decides the
    keys of a family, and the table's own seed unless there is a ``table_seed``.

    Raises ``BenchError`` with the kind ``WrongAnswerError`` when the table answered something that is not true.
    """
    seeds = list(seeds)
    jobs: list[dict[str, Any]] = [{"family": family, "seed": seed} for family in families for seed in seeds]
    jobs += [
        {"family": name, "seed": seed, "keys": list(chosen)} for name, chosen in (keys or {}).items() for seed in seeds
    ]
    if table_seed is not None:
        jobs = [{**one, "table_seed": table_seed} for one in jobs]
    job = {"fills": jobs, "key_count": config.keys, "clock_limit": CLOCKS_PER_ADD_LIMIT * FillPlan(config).adds}
    result = run(simulation_of(config, progress=progress), bench=BENCH, job=job, progress=progress)
    fills = [
        Fill(one["family"], one["seed"], adds=[(c, m, r) for c, m, r in made.pop("adds")], **made)
        for one, made in zip(jobs, result["fills"], strict=True)
    ]
    return Fills(fills, int(result["clocks"] / result["seconds"]))


def load_at_refusal(config: EngineConfig, fill: Fill) -> float:
    """Keys that live when the last add is refused, as a fraction of those that there is room for."""
    return FillPlan(config).keys_before(len(fill.adds) - 1) / config.keys


def adds_at(config: EngineConfig, fill: Fill, load: int) -> list[tuple[int, int, int]]:
    """The adds that brought the table to this load, in percent of its keys; none if it was refused before."""
    plan = FillPlan(config)
    end = config.keys * load // 100
    begin = end - max(FEWEST, ceil(config.keys / 100))
    if plan.keys_before(len(fill.adds) - 1) < end:
        return []
    return [add for number, add in enumerate(fill.adds[:-1]) if begin <= plan.keys_before(number) < end]


def spread_of(numbers: Sequence[int]) -> Spread | None:
    """Mean, 99th percentile and maximum; None of nothing."""
    if not numbers:
        return None
    ordered = sorted(numbers)
    return Spread(round(sum(ordered) / len(ordered), 2), ordered[len(ordered) * 99 // 100], ordered[-1])


def costs_of(config: EngineConfig, fills: Sequence[Fill]) -> dict[str, Any]:
    """Clocks and moves per add at each load, and the load at the first refusal: the lowest of all fills."""
    costs: dict[str, Any] = {"load_at_first_refusal": min(load_at_refusal(config, fill) for fill in fills)}
    for name, column in (("clocks_per_add", 0), ("moves_per_add", 1)):
        costs[name] = {}
        for load in LOADS:
            spread = spread_of([add[column] for fill in fills for add in adds_at(config, fill, load)])
            costs[name][str(load)] = None if spread is None else asdict(spread)
    return costs


def figures_of(config: EngineConfig, measured: Fills) -> dict[str, Any]:
    """What `saoffload bench table --json` prints."""
    fills = measured.fills
    families = list(dict.fromkeys(fill.family for fill in fills))
    clocks = sum(fill.lookup_clocks for fill in fills)
    return {
        "preset": config.name,
        "capacity": config.keys,
        "bundles": config.bundles,
        **costs_of(config, fills),
        "clocks_per_delete": sum(fill.delete_clocks for fill in fills) / sum(fill.delete_count for fill in fills),
        "delete_latency": max(fill.delete_latency for fill in fills),
        "clocks_per_flush": max(fill.flush_clocks for fill in fills),
        "lookups_per_clock": sum(fill.key_requests for fill in fills) / clocks,
        "lookup_latency": max(fill.key_latency for fill in fills),
        "handle_lookups_per_clock": sum(fill.handle_requests for fill in fills) / clocks,
        "handle_lookup_latency": max(fill.handle_latency for fill in fills),
        "lookups_checked": sum(fill.key_requests + fill.handle_requests for fill in fills),
        "seeds": len({fill.seed for fill in fills}),
        "families": {
            family: costs_of(config, [fill for fill in fills if fill.family == family]) for family in families
        },
        "simulated_clocks_per_second": measured.clocks_per_second,
        "model_operations_per_second": model_speed(config),
    }


def model_speed(config: EngineConfig, *, seed: int = 1) -> int:
    """Adds, lookups and deletes of the reference model, one of each per bundle, in a second of processor time."""
    random = Random(seed)
    keys = [Key(random.getrandbits(32), random.getrandbits(31) + 1) for _ in range(min(config.bundles, config.keys))]
    keys = list(dict.fromkeys(keys))
    table = SaTable(bundles=config.bundles, keys=config.keys, unretired_limit=len(keys))
    table.end_restore()
    start = process_time()
    answers = [table.add(Bundle((key,))) for key in keys]
    hits = sum(table.lookup_key(key).hit for key in keys)
    deleted = sum(table.delete(answer.handle) for answer in answers if answer is not None)
    seconds = process_time() - start
    if not hits == deleted == len(keys):
        raise AssertionError(f"the model found {hits} and deleted {deleted} of {len(keys)} bundles")
    return int(3 * len(keys) / seconds)
