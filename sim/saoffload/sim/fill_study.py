"""Measures how a cuckoo hash table fills when the keyed permutation has few rounds, and how random its rows are.

``python -m saoffload.sim.fill_study --rounds 4 6 8 --json``. Three studies of each number of rounds:

* fill: a table is filled with keys of one family until an add needs more than ``LIMIT`` moves. Moves per add at
  several loads, and the colliding pairs of keys, as a multiple of what random rows give: in any way (``pairs``), and
  in the same way under two seeds (``pairs_twice``).
* avalanche: how often an output bit flips with an input bit, the least and the most frequent.
* differences: how often two keys that differ inside one box address the same row, as a multiple of 1 in rows.

Rounds 0 stand for rows drawn at random, without any permutation: what the others are to be compared with.

``--limits 100 500 1000`` studies something else: how full the table gets when an add displaces so many keys at most,
and parks the last of them where it is compared by itself; it is refused when ``PLACES`` are parked.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from random import Random
from typing import NamedTuple

from .permutation import KEY_BITS, ROUNDS, SEED_BITS, KeyedPermutation, key_bits, row_of

WAYS = 8
ROW_BITS = 11
LIMIT = 500
"""Moves after which an add gives up."""
PLACES = 4
"""Keys that can be parked."""
LOADS = (50, 90, 95, 99)
"""Percent of all places, at which moves per add are counted: over the adds of the percent before."""
_BOXES = [range(low, low + 4) for low in range(0, 156, 4)] + [range(156, 159), range(159, 162)]

Rows = tuple[int, ...]


def _random_keys(random: Random, count: int) -> list[int]:
    return [random.getrandbits(KEY_BITS) for _ in range(count)]


def _sequential_spis(random: Random, count: int) -> list[int]:
    destination, first = random.getrandbits(32), random.randrange(256, 1 << 31)
    return [key_bits(spi=first + number, destination=destination) for number in range(count)]


def _swapped_spis(random: Random, count: int) -> list[int]:
    """Sequential SPIs whose bytes are swapped, so that the high bits differ."""
    destination, first = random.getrandbits(32), random.randrange(256, 1 << 31)
    swapped = (int.from_bytes((first + number).to_bytes(4, "little"), "big") for number in range(count))
    return [key_bits(spi=spi, destination=destination) for spi in swapped]


def _sequential_ipv4(random: Random, count: int) -> list[int]:
    spi, first = random.getrandbits(32), random.getrandbits(31)
    return [key_bits(spi=spi, destination=first + number) for number in range(count)]


def _sequential_ipv6(random: Random, count: int) -> list[int]:
    spi, first = random.getrandbits(32), random.getrandbits(127)
    return [key_bits(spi=spi, destination=first + number, family=1) for number in range(count)]


def _spread_bits(random: Random, count: int) -> list[int]:
    """All keys that differ in a few bits, which stand anywhere."""
    base = random.getrandbits(KEY_BITS)
    places = random.sample(range(KEY_BITS), (count - 1).bit_length())
    return [base ^ sum((number >> index & 1) << place for index, place in enumerate(places)) for number in range(count)]


FAMILIES: dict[str, Callable[[Random, int], list[int]]] = {
    "random": _random_keys,
    "sequential SPIs": _sequential_spis,
    "swapped sequential SPIs": _swapped_spis,
    "sequential IPv4": _sequential_ipv4,
    "sequential IPv6": _sequential_ipv6,
    "spread bits": _spread_bits,
}


class Moves(NamedTuple):
    """Moves per add at one load."""

    mean: float
    p99: int
    most: int


class Fill(NamedTuple):
    """What fills showed, over all seeds. ``failed_at`` is the lowest load, in percent, at which an add failed; None
    when all places were filled. ``moves`` has no entry for a load that a fill did not reach.
    """

    failed_at: float | None
    moves: dict[int, Moves]
    pairs: float
    pairs_twice: float


class Spread(NamedTuple):
    """The least and the most frequent case of many."""

    least: float
    most: float


def rows_under(keys: Iterable[int], *, seed: int, rounds: int, row_bits: int = ROW_BITS) -> list[Rows]:
    """The rows of each key, one per way; random ones for 0 rounds."""
    if rounds == 0:
        random = Random(f"{seed} rows")
        return [tuple(random.getrandbits(row_bits) for _ in range(WAYS)) for _ in keys]
    permutation = KeyedPermutation(seed=seed, rounds=rounds)
    permuted = (permutation.forward(key) for key in keys)
    return [tuple(row_of(bits, way=way, row_bits=row_bits) for way in range(WAYS)) for bits in permuted]


def moves_of_adds(
    rows: list[Rows], *, random: Random, row_bits: int = ROW_BITS, limit: int = LIMIT, places: int = 0
) -> list[int]:
    """Adds all keys to an empty table and returns the moves that each add took, up to the first that failed.

    In every step all rows of the entry in the hand are looked at. It goes where one is free; else it takes the place
    of another entry, in any way but the one that it came from. After ``limit`` moves the add fails; or, if there are
    ``places``, the entry in the hand is parked, and the add after the one that took the last place fails.
    """
    ways = len(rows[0])
    table: list[list[int | None]] = [[None] * (1 << row_bits) for _ in range(ways)]
    others = [[way for way in range(ways) if way != last] for last in range(ways)]
    counts: list[int] = []
    for number in range(len(rows)):
        hand, moves, choices = number, 0, list(range(ways))
        while True:
            free = [way for way, row in enumerate(rows[hand]) if table[way][row] is None]
            if free:
                table[free[0]][rows[hand][free[0]]] = hand
                break
            if moves == limit:
                if not places:
                    return counts
                break
            way = random.choice(choices)
            row = rows[hand][way]
            evicted = table[way][row]
            assert evicted is not None
            table[way][row], hand = hand, evicted
            choices = others[way]
            moves += 1
        counts.append(moves)
        if moves == limit and places:
            places -= 1
            if not places:
                return counts
    return counts


def _colliding_pairs(values: Iterable[object]) -> int:
    return sum(count * (count - 1) // 2 for count in Counter(values).values())


def study_fill(
    make_keys: Callable[[Random, int], list[int]], *, rounds: int, seeds: Iterable[int], row_bits: int = ROW_BITS
) -> Fill:
    """Fills a table once for each seed, which decides keys, permutation and moves."""
    places = WAYS << row_bits
    failed_at: list[float] = []
    moves: dict[int, list[int]] = {load: [] for load in LOADS}
    pairs = pairs_twice = tries = 0
    for seed in seeds:
        random = Random(f"{seed} fill")
        keys = make_keys(random, places)
        rows = rows_under(keys, seed=random.getrandbits(SEED_BITS), rounds=rounds, row_bits=row_bits)
        other = rows_under(keys, seed=random.getrandbits(SEED_BITS), rounds=rounds, row_bits=row_bits)
        tries += 1
        for way in range(WAYS):
            pairs += _colliding_pairs(row[way] for row in rows)
            pairs_twice += _colliding_pairs((row[way], twin[way]) for row, twin in zip(rows, other, strict=True))
        counts = moves_of_adds(rows, random=random, row_bits=row_bits)
        if len(counts) < places:
            failed_at.append(round(100 * len(counts) / places, 2))
        for load in LOADS:
            if len(counts) * 100 >= places * load:
                moves[load] += counts[places * (load - 1) // 100 : places * load // 100]
    expected = tries * WAYS * places * (places - 1) / 2 / 2**row_bits
    return Fill(
        min(failed_at, default=None),
        {load: _summary(counts) for load, counts in moves.items() if counts},
        round(pairs / expected, 3),
        round(pairs_twice * 2**row_bits / expected, 3),
    )


def _summary(counts: list[int]) -> Moves:
    ordered = sorted(counts)
    return Moves(round(sum(counts) / len(counts), 2), ordered[len(ordered) * 99 // 100], ordered[-1])


def study_limit(*, limit: int, seeds: Iterable[int], ways: int = WAYS, row_bits: int = ROW_BITS) -> dict[str, object]:
    """Fills a table with keys of random rows once for each seed. The load at the first refusal in percent, and moves
    per add over the last percent before it.
    """
    count = ways << row_bits
    loads: list[float] = []
    last: list[int] = []
    for seed in seeds:
        random = Random(f"{seed} rows")
        rows = [tuple(random.getrandbits(row_bits) for _ in range(ways)) for _ in range(count)]
        moves = moves_of_adds(rows, random=Random(f"{seed} limit"), row_bits=row_bits, limit=limit, places=PLACES)
        loads.append(round(100 * len(moves) / count, 3))
        last += moves[-count // 100 :]
    return {
        "ways": ways,
        "limit": limit,
        "refused_at": {"least": min(loads), "mean": round(sum(loads) / len(loads), 3), "most": max(loads)},
        "last_percent": _summary(last)._asdict(),
    }


def study_avalanche(*, rounds: int, samples: int = 256, seed: int = 1) -> Spread:
    """How often an output bit flips when an input bit does: the least and the most frequent of all pairs of bits.
    Each sample has a key and a seed of its own.
    """
    random = Random(f"{seed} avalanche")
    counts = [[0] * KEY_BITS for _ in range(KEY_BITS)]
    for _ in range(samples):
        permutation = KeyedPermutation(seed=random.getrandbits(SEED_BITS), rounds=rounds)
        key = random.getrandbits(KEY_BITS)
        permuted = permutation.forward(key)
        for flipped, row in enumerate(counts):
            difference = permuted ^ permutation.forward(key ^ 1 << flipped)
            while difference:
                lowest = difference & -difference
                row[lowest.bit_length() - 1] += 1
                difference ^= lowest
    frequencies = [count / samples for row in counts for count in row]
    return Spread(round(min(frequencies), 3), round(max(frequencies), 3))


def study_differences(*, rounds: int, samples: int = 64, seed: int = 1, row_bits: int = ROW_BITS) -> float:
    """How often a way's rows collide for keys that differ in bits of one box, over all such differences, as a multiple
    of what random rows give. These are the differences that fewest boxes take part in.
    """
    random = Random(f"{seed} differences")
    collisions = tries = 0
    for _ in range(samples):
        permutation = KeyedPermutation(seed=random.getrandbits(SEED_BITS), rounds=rounds)
        for box in _BOXES:
            key = random.getrandbits(KEY_BITS)
            permuted = permutation.forward(key)
            for pattern in range(1, 1 << len(box)):
                difference = permuted ^ permutation.forward(key ^ pattern << box[0])
                collisions += sum(row_of(difference, way=way, row_bits=row_bits) == 0 for way in range(WAYS))
                tries += WAYS
    return round(collisions * 2**row_bits / tries, 3)


def study(*, rounds: int, seeds: int, row_bits: int = ROW_BITS, samples: int = 64) -> dict[str, object]:
    """All studies of one number of rounds, as plain values."""
    fills = {
        name: study_fill(make_keys, rounds=rounds, seeds=range(1, seeds + 1), row_bits=row_bits)
        for name, make_keys in FAMILIES.items()
    }
    result: dict[str, object] = {
        "rounds": rounds,
        "fill": {
            name: {**fill._asdict(), "moves": {str(load): moves._asdict() for load, moves in fill.moves.items()}}
            for name, fill in fills.items()
        },
    }
    if rounds:
        result["avalanche"] = study_avalanche(rounds=rounds, samples=4 * samples)._asdict()
        result["differences"] = study_differences(rounds=rounds, samples=samples, row_bits=row_bits)
    return result


def _lines(result: dict[str, object]) -> Iterable[str]:
    fills = result["fill"]
    assert isinstance(fills, dict)
    for name, fill in fills.items():
        moves = " ".join(
            f"{load}%: {moves['mean']:.2f}/{moves['p99']}/{moves['most']}" for load, moves in fill["moves"].items()
        )
        end = "never failed" if fill["failed_at"] is None else f"failed at {fill['failed_at']} %"
        yield f"{name:24} moves mean/p99/most {moves}; {end}; pairs {fill['pairs']}, twice {fill['pairs_twice']}"
    if "avalanche" in result:
        yield f"avalanche {result['avalanche']}, differences {result['differences']}"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m saoffload.sim.fill_study", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object per number of rounds")
    parser.add_argument("--rounds", type=int, nargs="+", default=[0, ROUNDS], help="default: %(default)s")
    parser.add_argument("--seeds", type=int, default=2, help="fills of each family (default: %(default)s)")
    parser.add_argument("--row-bits", type=int, default=ROW_BITS, help="default: %(default)s")
    parser.add_argument("--samples", type=int, default=64, help="keys per difference (default: %(default)s)")
    parser.add_argument("--limits", type=int, nargs="+", help="study these limits of moves, and nothing else")
    parser.add_argument("--ways", type=int, default=WAYS, help="in a study of limits (default: %(default)s)")
    arguments = parser.parse_args()
    for limit in arguments.limits or ():
        seeds = range(1, arguments.seeds + 1)
        result = study_limit(limit=limit, seeds=seeds, ways=arguments.ways, row_bits=arguments.row_bits)
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()
    if arguments.limits:
        return 0
    for rounds in arguments.rounds:
        result = study(rounds=rounds, seeds=arguments.seeds, row_bits=arguments.row_bits, samples=arguments.samples)
        if arguments.json:
            sys.stdout.write(json.dumps(result) + "\n")
        else:
            sys.stdout.write(f"{rounds} rounds\n" + "".join(f"  {line}\n" for line in _lines(result)))
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
