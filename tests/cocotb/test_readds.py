"""A key that is added again while its bundle is deleted belongs to the one bundle, to none, or to the other.

In the hash table the keys are such that one of them is parked: its dead entry, too, gets its new owner where it stands.
"""

import os
from random import Random
from typing import Any

import pytest

from saoffload.sim.attack import colliding_keys
from saoffload.sim.designs import TOP, engine_verilog
from saoffload.sim.faults.campaign import ENGINES, SHOWS_MEMORIES
from saoffload.sim.permutation import SEED_BITS
from saoffload.sim.runner import build, run

BENCH = "tests.cocotb.readds_bench"
SEED = int(os.environ.get("SAOFFLOAD_SEED", "1"))
#: Both are built for the fault campaign as well.
TABLES = ("contexts, parallel", "contexts, hashed")
DELAYS = [-60, -40, -20, 0, 20]
"""Of the add behind the delete, in clocks."""
KEYS = 3
_FAMILY_IPV6 = 1 << 160

pytestmark = pytest.mark.rtl


def keys_of(table: str, *, table_seed: int, random: Random) -> list[tuple[int, int, int, int]]:
    """Any keys, or in a hash table keys that all have one row in each way: one more than there are ways."""
    hashed = ENGINES[table].hashed
    if hashed is None:
        return [(random.getrandbits(32), random.getrandbits(128), 1, number % 2) for number in range(KEYS)]
    assert KEYS == hashed.ways + 1
    found = colliding_keys(
        seed=table_seed, count=20 * KEYS, rows=1, ways=hashed.ways, row_bits=hashed.row_bits, random=random
    )
    # Half of the numbers that come from rows are keys of IPv6; those of IPv4 are longer than such keys can be.
    chosen = [key for key in found if key & _FAMILY_IPV6][:KEYS]
    return [(key & 0xFFFF_FFFF, key >> 32 & (1 << 128) - 1, 1, key >> 161) for key in chosen]


@pytest.mark.parametrize("table", TABLES)
def test_a_key_that_is_added_again_has_one_owner_at_most(table: str) -> None:
    random = Random(SEED)
    table_seed = random.getrandbits(SEED_BITS)
    keys = keys_of(table, table_seed=table_seed, random=random)
    simulation = build(engine_verilog(ENGINES[table]), top=TOP, shows_memories=table in SHOWS_MEMORIES)
    job = {"keys": keys, "delays": DELAYS, "seed": table_seed}
    ends: list[dict[str, Any]] = run(simulation, bench=BENCH, job=job)
    assert len(ends) == KEYS * len(DELAYS)
    for end in ends:
        owner = {"OK": KEYS, "DUPLICATE": None}[end["result"]]
        owners = [owner if number == end["key"] else number for number in range(KEYS)]
        assert end["owners"] == owners, f"seed {SEED}: {end}"
        assert end["deleted"] == 1, f"seed {SEED}: {end}"
        assert end["live"] == [KEYS - (owner is None)] * 2, f"seed {SEED}: {end}"
    assert {(end["key"], end["result"]) for end in ends} == {
        (number, result) for number in range(KEYS) for result in ("OK", "DUPLICATE")
    }, f"seed {SEED}"
