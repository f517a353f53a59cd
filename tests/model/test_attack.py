"""Keys that an attacker chose, in the study of whole tables: what collides under one seed is random under another."""

from random import Random

import pytest
from tests.unit.streams import seeds

from saoffload.sim.attack import colliding_keys, linear_hash, linearly_colliding_keys
from saoffload.sim.fill_study import WAYS, moves_of_adds, rows_under
from saoffload.sim.permutation import KEY_BITS, ROUNDS

PLACES = 4


def fill(keys: list[int], *, seed: int, row_bits: int) -> tuple[float, float]:
    """Load at the first refusal, and moves per add of the percent up to 95 percent load (infinite if not reached)."""
    rows = rows_under(keys, seed=seed, rounds=ROUNDS, row_bits=row_bits)
    moves = moves_of_adds(rows, random=Random(seed), row_bits=row_bits, places=PLACES)
    count = WAYS << row_bits
    window = moves[94 * count // 100 : 95 * count // 100]
    return len(moves) / count, sum(window) / len(window) if window else float("inf")


def random_keys(random: Random, count: int) -> list[int]:
    return [random.getrandbits(KEY_BITS) for _ in range(count)]


def test_the_linear_hash_is_linear_and_its_rows_are_spread() -> None:
    random = Random(1)
    one, other = random_keys(random, 2)
    for seed in (0, 1, random.getrandbits(64)):
        difference = linear_hash(one, seed=seed) ^ linear_hash(other, seed=seed)
        assert difference == linear_hash(one ^ other, seed=0)
    assert len({linear_hash(key, seed=3) for key in range(1000)}) == 1000


@pytest.mark.parametrize("row_bits", [9, pytest.param(11, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("seed", seeds(1))
def test_chosen_keys_do_no_more_harm_than_random_ones(seed: int, row_bits: int) -> None:
    """Three sets of as many keys as there are rows: of 64 rows in each way under a seed that the attacker knows, of one
    row in each way under a linear hash, and random ones. Ten unknown seeds each.
    """
    random = Random(seed)
    count = WAYS << row_bits
    known = random.getrandbits(64)
    colliding = colliding_keys(seed=known, count=count, rows=64, ways=WAYS, row_bits=row_bits, random=random)
    linear = linearly_colliding_keys(count=count, random=random)
    assert len(set(colliding)) == len(set(linear)) == count
    for unknown in (0, random.getrandbits(64)):
        assert len({linear_hash(key, seed=unknown) for key in linear}) == 1
    load, _ = fill(colliding, seed=known, row_bits=row_bits)
    assert load < (64 * WAYS + PLACES + 1) / count, "under the seed that they were chosen for they take 64 rows a way"

    unknown_seeds = [random.getrandbits(64) for _ in range(10)]
    measured = {
        name: [fill(keys, seed=unknown, row_bits=row_bits) for unknown in unknown_seeds]
        for name, keys in (
            ("colliding", colliding),
            ("linear", linear),
            ("random", random_keys(random, count)),
        )
    }
    print(f"seed {seed}: {measured}")
    least = min(load for load, _ in measured["random"])
    most = max(moves for _, moves in measured["random"])
    for fills in measured.values():
        assert min(load for load, _ in fills) >= max(0.99, least - 0.005)
        assert max(moves for _, moves in fills) <= 1.5 * most
