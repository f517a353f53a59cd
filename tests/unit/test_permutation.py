"""The keyed permutation: the hardware against the program, both against what the rule promises, and how tables fill."""

import json
from random import Random
from typing import Any

import pytest
from tests.unit.streams import seeds, simulate

from saoffload.hdl import layouts
from saoffload.hdl.table.hashed import permutation as rtl
from saoffload.sim import fill_study
from saoffload.sim.permutation import (
    KEY_BITS,
    ROUNDS,
    SEED_BITS,
    KeyedPermutation,
    key_bits,
    place_after_wires,
    row_of,
)

KEY_ONES = (1 << KEY_BITS) - 1
SEED_ONES = (1 << SEED_BITS) - 1

# What each is about, with the seed and the key.
EDGE_CASES: dict[str, tuple[int, int]] = {
    "all zero": (0, 0),
    "seed zero": (0, KEY_ONES),
    "key zero": (SEED_ONES, 0),
    "all ones": (SEED_ONES, KEY_ONES),
    "lowest bits": (1, 1),
    "highest bits": (1 << SEED_BITS - 1, 1 << KEY_BITS - 1),
    "seed is the step": (rtl.STEP, 0),
    "key is the pattern": (0, rtl.PATTERN),
}

BOXES = [range(low, low + 4) for low in range(0, 156, 4)] + [range(156, 159), range(159, 162)]
BOX_OF = {bit: number for number, box in enumerate(BOXES) for bit in box}


def random_cases(seed: int | str, count: int) -> list[tuple[int, int]]:
    """Several keys under each seed, some of them one bit apart."""
    random = Random(f"{seed} cases")
    cases: list[tuple[int, int]] = []
    while len(cases) < count:
        chosen, key = random.getrandbits(SEED_BITS), random.getrandbits(KEY_BITS)
        cases += [
            (chosen, key),
            (chosen, key ^ 1 << random.randrange(KEY_BITS)),
            (chosen, random.getrandbits(KEY_BITS)),
        ]
    return cases[:count]


# Hardware


def run_pipeline(seed: int, keys: list[int]) -> list[int]:
    """What leaves the pipeline for keys in clocks 0, 1, ...: a value for each, read just ``LATENCY`` clocks later."""
    dut = rtl.Permutation()
    seen: list[int] = []

    async def bench(ctx: Any) -> None:
        ctx.set(dut.seed, seed)
        for key in [*keys, *[KEY_ONES] * dut.LATENCY]:
            ctx.set(dut.key, key)
            _, _, permuted = await ctx.tick().sample(dut.permuted)
            seen.append(permuted)

    simulate(dut, bench)
    return seen[dut.LATENCY :]


def test_sizes_are_those_of_a_key() -> None:
    assert KEY_BITS == rtl.KEY_BITS == layouts.KEY.size
    assert SEED_BITS == rtl.SEED_BITS
    assert ROUNDS == rtl.ROUNDS == rtl.Permutation.LATENCY == rtl.SerialPermutation.LATENCY - 1


def test_key_bits_are_laid_out_as_in_the_hardware() -> None:
    key = layouts.KEY.const(
        {"spi": 0x1234, "destination": 5 << 120, "family": layouts.Family.IPV6, "protocol": layouts.Protocol.AH}
    )
    assert key.as_value().value == key_bits(spi=0x1234, destination=5 << 120, family=1, protocol=1)


@pytest.mark.parametrize("case", EDGE_CASES)
def test_pipeline_edge_cases(case: str) -> None:
    seed, key = EDGE_CASES[case]
    assert run_pipeline(seed, [key]) == [KeyedPermutation(seed=seed).forward(key)]


@pytest.mark.parametrize("seed", seeds(3))
def test_pipeline_takes_a_key_in_every_clock(seed: int) -> None:
    random = Random(seed)
    chosen = random.getrandbits(SEED_BITS)
    keys = [random.getrandbits(KEY_BITS) for _ in range(100)]
    keys += [keys[0] ^ 1 << bit for bit in range(KEY_BITS)]
    model = KeyedPermutation(seed=chosen)
    assert run_pipeline(chosen, keys) == [model.forward(key) for key in keys], f"seed {seed}"


@pytest.mark.parametrize("seed", seeds(3))
def test_serial_answers_like_the_model(seed: int) -> None:
    """Starts after pauses of any length, none included; while nothing starts, the inputs are noise."""
    dut = rtl.SerialPermutation()
    random = Random(seed)

    async def bench(ctx: Any) -> None:
        for chosen, key in [*EDGE_CASES.values(), *random_cases(seed, 60)]:
            expected = KeyedPermutation(seed=chosen).forward(key)
            ctx.set(dut.do_start, 1)
            ctx.set(dut.seed, chosen)
            ctx.set(dut.key, key)
            await ctx.tick()
            ctx.set(dut.do_start, 0)
            # From the clock after the start on: not done, then done once, and the answer stands.
            for clock in range(1, dut.LATENCY + random.randrange(4)):
                ctx.set(dut.seed, random.getrandbits(SEED_BITS))
                ctx.set(dut.key, random.getrandbits(KEY_BITS))
                _, _, is_done, permuted = await ctx.tick().sample(dut.is_done, dut.permuted)
                assert is_done == (clock == dut.LATENCY), f"seed {seed}: clock {clock}"
                assert clock < dut.LATENCY or permuted == expected, f"seed {seed}: {chosen:#x} {key:#x}"
            assert ctx.get(dut.permuted) == expected, f"seed {seed}: {chosen:#x} {key:#x}"

    simulate(dut, bench)


@pytest.mark.parametrize("clock_count", range(1, ROUNDS))
def test_serial_start_abandons_the_one_before(clock_count: int) -> None:
    dut = rtl.SerialPermutation()
    (first_seed, first), (_, second) = random_cases(clock_count, 2)
    done: list[int] = []

    async def bench(ctx: Any) -> None:
        ctx.set(dut.seed, first_seed)
        for clock in range(clock_count + 3 * dut.LATENCY):
            ctx.set(dut.do_start, clock in {0, clock_count})
            ctx.set(dut.key, first if clock == 0 else second)
            _, _, is_done = await ctx.tick().sample(dut.is_done)
            if is_done:
                done.append(clock)
        assert ctx.get(dut.permuted) == KeyedPermutation(seed=first_seed).forward(second)

    simulate(dut, bench)
    assert done == [clock_count + dut.LATENCY]


# The rule


@pytest.mark.parametrize("seed", seeds(3))
@pytest.mark.parametrize("rounds", [1, 2, ROUNDS])
def test_inverse_undoes_forward(seed: int, rounds: int) -> None:
    for chosen, key in [*EDGE_CASES.values(), *random_cases(seed, 30)]:
        model = KeyedPermutation(seed=chosen, rounds=rounds)
        assert model.inverse(model.forward(key)) == key, f"seed {seed}: {chosen:#x} {key:#x}"
        assert model.forward(model.inverse(key)) == key, f"seed {seed}: {chosen:#x} {key:#x}"


def test_wires_are_a_bijection_that_spreads_every_box() -> None:
    source_of = {place_after_wires(bit): bit for bit in range(KEY_BITS)}
    assert sorted(source_of) == list(range(KEY_BITS))
    for box in BOXES:
        assert len({BOX_OF[place_after_wires(bit)] for bit in box}) == len(box), "forward"
        assert len({BOX_OF[source_of[bit]] for bit in box}) == len(box), "backward"
    for way in range(fill_study.WAYS):
        row = range(fill_study.ROW_BITS * way, fill_study.ROW_BITS * (way + 1))
        assert len({BOX_OF[source_of[bit]] for bit in row}) == len(row), f"way {way}"


@pytest.mark.parametrize(("box", "most"), [(rtl.BOX, 4), (rtl.SMALL_BOX, 2)])
def test_boxes_are_optimal(box: tuple[int, ...], most: int) -> None:
    values = range(len(box))
    assert sorted(box) == list(values)
    for difference in values[1:]:
        outcomes = [box[value] ^ box[value ^ difference] for value in values]
        assert max(outcomes.count(outcome) for outcome in values) <= most
        if box is rtl.BOX and difference.bit_count() == 1:
            assert all(outcome.bit_count() >= 2 for outcome in outcomes)
    for mask_in in values:
        for mask_out in values[1:]:
            balance = sum(
                (-1) ** ((mask_in & value).bit_count() + (mask_out & box[value]).bit_count()) for value in values
            )
            assert abs(balance) <= len(box) // 2


def test_every_bit_depends_on_every_key_bit_after_five_rounds() -> None:
    """Through boxes of which every output depends on every input."""
    for box in (rtl.BOX, rtl.SMALL_BOX):
        width = (len(box) - 1).bit_length()
        for bit in range(width):
            flips = [box[value] ^ box[value ^ 1 << bit] for value in range(len(box))]
            assert all(any(flip >> output & 1 for flip in flips) for output in range(width))
    depends = [{bit} for bit in range(KEY_BITS)]
    for _ in range(5):
        after_boxes = [set().union(*(depends[bit] for bit in box)) for box in BOXES]
        depends = [set() for _ in range(KEY_BITS)]
        for bit in range(KEY_BITS):
            depends[place_after_wires(bit)] = after_boxes[BOX_OF[bit]]
    assert all(len(bits) == KEY_BITS for bits in depends)


def test_rounds_differ_under_any_seed() -> None:
    assert rtl.STEP.bit_count() % 2 == 1, "else some seed would make all rounds alike"
    for seed in [0, SEED_ONES, rtl.STEP, *(chosen for chosen, _ in random_cases("rounds", 100))]:
        keys = KeyedPermutation(seed=seed).round_keys
        assert len(set(keys)) == ROUNDS, f"{seed:#x}"
        assert all(0.2 < key.bit_count() / KEY_BITS < 0.8 for key in keys), f"{seed:#x}"


@pytest.mark.parametrize("seed", [-1, 1 << SEED_BITS])
def test_model_refuses_a_seed_of_other_width(seed: int) -> None:
    with pytest.raises(ValueError, match=f"seed must be .* got {seed}"):
        KeyedPermutation(seed=seed)


def test_model_refuses_no_rounds() -> None:
    with pytest.raises(ValueError, match="rounds must be at least 1, got 0"):
        KeyedPermutation(seed=0, rounds=0)


# How random it looks


def test_avalanche() -> None:
    """In 100 samples a fair bit flips 50 times, give or take 25 (5 standard deviations, of 26,244 pairs of bits)."""
    least, most = fill_study.study_avalanche(rounds=ROUNDS, samples=100)
    assert 0.25 <= least, least
    assert most <= 0.75, most
    assert fill_study.study_avalanche(rounds=ROUNDS - 3, samples=20).least < 0.1, "the study sees too few rounds"


def test_seed_bits_change_rows() -> None:
    """The seed works as the key does: one bit of it changes half of the permuted bits."""
    random = Random("seed bits")
    key, chosen = random.getrandbits(KEY_BITS), random.getrandbits(SEED_BITS)
    permuted = KeyedPermutation(seed=chosen).forward(key)
    for bit in range(SEED_BITS):
        changed = KeyedPermutation(seed=chosen ^ 1 << bit).forward(key) ^ permuted
        assert 0.3 < changed.bit_count() / KEY_BITS < 0.7, f"bit {bit}"


def test_differences_inside_a_box_do_not_collide_more_often() -> None:
    """About 150 collisions are expected: the bounds are 4 standard deviations away."""
    assert 0.67 < fill_study.study_differences(rounds=ROUNDS, samples=16, row_bits=9) < 1.33
    assert fill_study.study_differences(rounds=ROUNDS - 2, samples=4, row_bits=9) > 1.5, "the study sees too few rounds"


@pytest.mark.parametrize("family", fill_study.FAMILIES)
def test_every_family_fills_a_table_like_random_keys(family: str) -> None:
    make_keys = fill_study.FAMILIES[family]
    fill = fill_study.study_fill(make_keys, rounds=ROUNDS, seeds=[1], row_bits=7)
    assert fill.failed_at is None or fill.failed_at > 97, fill
    assert 0.9 < fill.pairs < 1.1, fill
    assert 0.7 < fill.pairs_twice < 1.3, "keys that collide under one seed must not under another"
    assert fill.moves[90].mean < 3, fill


def test_fill_study_sees_too_few_rounds() -> None:
    fill = fill_study.study_fill(fill_study.FAMILIES["sequential SPIs"], rounds=3, seeds=[1], row_bits=7)
    assert fill.failed_at is not None
    assert fill.failed_at < 50, fill
    assert fill.pairs > 2, fill


def test_rows_are_fields_of_the_permuted_key() -> None:
    permuted = sum((way * 37 % 128) << 7 * way for way in range(8))
    assert [row_of(permuted, way=way, row_bits=7) for way in range(8)] == [way * 37 % 128 for way in range(8)]
    ((*rows,),) = fill_study.rows_under([5], seed=9, rounds=ROUNDS, row_bits=7)
    expected = KeyedPermutation(seed=9).forward(5)
    assert sum(row << 7 * way for way, row in enumerate(rows)) == expected % (1 << 7 * 8)


def test_command_prints_an_object_for_each_number_of_rounds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--json", "--rounds", "0", "3", "--seeds", "1", "--row-bits", "5", "--samples", "1"]
    monkeypatch.setattr("sys.argv", ["fill_study", *options])
    assert fill_study.main() == 0
    ideal, three = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (ideal["rounds"], three["rounds"]) == (0, 3)
    assert set(ideal["fill"]) == set(three["fill"]) == set(fill_study.FAMILIES)
    assert "differences" in three
    assert "differences" not in ideal


def test_command_prints_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(
        "sys.argv", ["fill_study", "--rounds", "2", "--seeds", "1", "--row-bits", "5", "--samples", "1"]
    )
    assert fill_study.main() == 0
    shown = capsys.readouterr().out
    assert shown.startswith("2 rounds\n  random ")
    assert "avalanche" in shown
