"""How full hash tables get, what adds take, and what keys that an attacker chose do to that: on the RTL, while a lookup
of each kind is asked and checked in every clock.
"""

import os
from random import Random
from statistics import mean

import pytest

from saoffload.hdl.config import EngineConfig, preset
from saoffload.hdl.table.hashed.table import HashedTable
from saoffload.sim.attack import colliding_keys, linearly_colliding_keys
from saoffload.sim.table_speed import Fills, adds_at, figures_of, fill_tables, load_at_refusal

SEED = int(os.environ.get("SAOFFLOAD_SEED", "1"))
FAMILIES = ("random", "sequential SPIs", "sequential IPv4", "spread bits")
SEEDS = range(SEED, SEED + 20)

pytestmark = pytest.mark.rtl


def assert_lookups_never_wait(config: EngineConfig, measured: Fills) -> None:
    """One lookup of each kind and one delete per clock, answered when the table says."""
    table = HashedTable(config)
    latencies = (table.key_latency, table.handle_latency, table.delete_latency)
    del table
    for fill in measured.fills:
        assert fill.key_requests == fill.handle_requests == fill.lookup_clocks
        assert fill.delete_clocks == fill.delete_count >= config.bundles // 3
        assert (fill.key_latency, fill.handle_latency, fill.delete_latency) == latencies
        assert fill.key_hits > fill.key_requests // 4
        assert fill.handle_hits > fill.handle_requests // 4


def test_large_fills_to_95_percent() -> None:
    config = preset("large")
    measured = fill_tables(config, families=("random", "sequential SPIs"), seeds=[SEED])
    assert_lookups_never_wait(config, measured)
    figures = figures_of(config, measured)
    print(f"seed {SEED}: {figures}")
    assert figures["load_at_first_refusal"] >= 0.95
    assert figures["clocks_per_add"]["50"]["mean"] <= 64


def test_keys_that_collide_under_one_seed_are_of_no_use_under_another() -> None:
    """2,048 keys that have 16 rows in each way, for a table of 4,096: refused when those rows are full. Under another
    seed, and filled up with random keys, they get as far as random keys alone, and move as few.
    """
    config = preset("large")
    assert config.hashed is not None
    random = Random(SEED)
    known, unknown = (random.getrandbits(64) for _ in range(2))
    rows = 16
    chosen = colliding_keys(
        seed=known, count=2048, rows=rows, ways=config.hashed.ways, row_bits=config.hashed.row_bits, random=random
    )
    rest = [random.getrandbits(162) for _ in range(config.keys)]
    keys = {
        "colliding": [*chosen, *rest][: config.keys],
        "linear": linearly_colliding_keys(count=config.keys, random=random),
        "random": rest,
    }
    hit = fill_tables(config, families=(), seeds=[SEED], keys={"colliding": keys["colliding"]}, table_seed=known)
    capacity = rows * config.hashed.ways + config.hashed.overflow
    assert 0.9 * capacity <= load_at_refusal(config, hit.fills[0]) * config.keys <= capacity + 32

    fills = fill_tables(config, families=(), seeds=[SEED], keys=keys, table_seed=unknown).fills
    loads = {fill.family: load_at_refusal(config, fill) for fill in fills}
    moves = {fill.family: mean(moves for _, moves, _ in adds_at(config, fill, 95)) for fill in fills}
    print(f"seed {SEED}: loads {loads}, moves per add at 95 % {moves}")
    for family in keys:
        assert loads[family] >= 0.95
        assert loads[family] >= loads["random"] - 0.01
        assert moves[family] <= 2 * moves["random"] + 10


@pytest.mark.nightly
def test_huge_fills_to_99_percent_with_all_families() -> None:
    config = preset("huge")
    measured = fill_tables(config, families=FAMILIES, seeds=SEEDS)
    assert_lookups_never_wait(config, measured)
    figures = figures_of(config, measured)
    print(f"seeds {SEEDS}: {figures}")
    assert figures["load_at_first_refusal"] >= 0.99
    assert figures["clocks_per_add"]["95"]["mean"] <= 64
    assert figures["clocks_per_add"]["99"]["mean"] <= 200


@pytest.mark.nightly
def test_large_fills_to_95_percent_with_all_families() -> None:
    config = preset("large")
    measured = fill_tables(config, families=FAMILIES, seeds=SEEDS)
    assert_lookups_never_wait(config, measured)
    assert figures_of(config, measured)["load_at_first_refusal"] >= 0.95
