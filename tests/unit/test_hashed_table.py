"""What only a hash table can do wrong: keys on the move, keys that find no row, and the queue of free indices."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from tests.unit.streams import seeds, simulate
from tests.unit.table_bench import Bundle, Key, TableBench

from saoffload.hdl.config import EngineConfig, HashSizes, preset
from saoffload.hdl.layouts import AddResult
from saoffload.hdl.table.hashed.delete_pipe import DeletePipe
from saoffload.hdl.table.hashed.handle_lookup import HandleLookup
from saoffload.hdl.table.hashed.key_lookup import KeyLookup
from saoffload.hdl.table.hashed.table import HashedTable
from saoffload.sim.attack import colliding_keys

FULL = EngineConfig(
    name="full",
    bundles=16,
    keys=16,
    context_width=4,
    unretired_limit=128,
    hashed=HashSizes(ways=4, way_depth=4, overflow=2, wildcards=2, rounds=2, max_moves=12),
)
"""As many rows as keys: the last adds displace many keys, and some are parked."""


def run(config: EngineConfig, script: Any, *, background: Any = ()) -> TableBench:
    dut = HashedTable(config)
    bench = TableBench(dut, config)

    async def main(ctx: Any) -> None:
        await bench.start(ctx)
        await script(ctx, bench)

    simulate(dut, main, background=[*background(bench)] if background else (), monitors=[bench], deadline=60_000)
    return bench


@pytest.mark.parametrize("watched", [0, 5])
@pytest.mark.parametrize("seed", seeds(2))
def test_a_key_is_found_in_every_clock_in_which_others_displace_it(watched: int, seed: int) -> None:
    """One key is looked up in every clock from its add on; the judge knows when it lives."""
    random = Random(f"{seed} {watched}")
    keys = [Key(spi, random.getrandbits(127) | 1, 1) for spi in random.sample(range(1 << 32), FULL.keys)]

    def background(bench: TableBench) -> list[Any]:
        def questions() -> Iterator[Key]:
            while True:
                yield keys[watched]

        async def ask(ctx: Any) -> None:
            await bench.ask_for_ever(ctx, "key", questions())

        async def retire(ctx: Any) -> None:
            await bench.retire_for_ever(ctx, "key", Random(seed), longest=1)

        return [ask, retire]

    async def script(ctx: Any, bench: TableBench) -> None:
        handles: list[int] = []
        for key in keys:
            result, handle = await bench.add(ctx, Bundle((key,)))
            assert result in (AddResult.OK, AddResult.FULL)
            handles += [handle] * (result == AddResult.OK)
        assert len(handles) >= FULL.keys * 3 // 4
        # Full, then half empty, then full again: what is swept makes room for what was parked.
        gone = [handle for handle in handles[watched + 1 :] if random.random() < 0.5]
        await bench.delete(ctx, *gone)
        for number in range(len(gone)):
            result, _ = await bench.add(ctx, Bundle((Key(number, 1 << 64 | number + 1, 1),)))
            assert result in (AddResult.OK, AddResult.FULL)
        await ctx.tick().repeat(2 * bench.dut.key_latency)

    bench = run(FULL, script, background=background)
    assert bench.judge.hit_count > 500


@pytest.mark.parametrize("seed", seeds(2))
def test_a_parked_key_is_found_and_gets_a_row_again(seed: int) -> None:
    """With one move to an add, keys are parked before the rows are full; each is looked up after every change."""
    assert FULL.hashed is not None
    config = replace(FULL, hashed=replace(FULL.hashed, max_moves=1))
    random = Random(seed)

    async def script(ctx: Any, bench: TableBench) -> None:
        living: dict[Key, int] = {}

        async def add(count: int) -> int:
            """Adds so many keys, looks up all that live after each, and returns how many were refused."""
            refused = 0
            for _ in range(count):
                key = Key(random.getrandbits(32), random.getrandbits(127) | 1, 1)
                result, handle = await bench.add(ctx, Bundle((key,)))
                assert result in (AddResult.OK, AddResult.FULL)
                refused += result == AddResult.FULL
                if result == AddResult.OK:
                    living[key] = handle
                for one in living:
                    assert (await bench.lookup(ctx, "key", one))["hit"]
            return refused

        await add(config.keys)
        for key in random.sample(list(living), len(living) // 2):
            await bench.delete(ctx, living.pop(key))
        # A pass of the sweep later the parked keys stand in rows, and their places take others.
        await ctx.tick().repeat(1500)
        assert await add(2) == 0

    run(config, script)


async def fill(ctx: Any, bench: TableBench, random: Random) -> dict[Key, int]:
    """Adds random keys until one is refused; the keys that live, with their handles."""
    living: dict[Key, int] = {}
    while True:
        key = Key(random.getrandbits(32), random.getrandbits(127) | 1, 1)
        result, handle = await bench.add(ctx, Bundle((key,)))
        if result == AddResult.FULL:
            return living
        assert result == AddResult.OK
        living[key] = handle


def test_duplicates_of_parked_keys_are_refused() -> None:
    """All keys have one row in each way, so there are four rows for them, and two places."""
    random = Random(1)
    assert FULL.hashed is not None
    sizes = FULL.hashed
    bits = colliding_keys(
        seed=0, count=7, rows=1, ways=sizes.ways, row_bits=sizes.row_bits, random=random, rounds=sizes.rounds
    )
    keys = [Key(one & 0xFFFF_FFFF, one >> 32 & (1 << 128) - 1, one >> 160 & 1, one >> 161) for one in bits]

    async def script(ctx: Any, bench: TableBench) -> None:
        living = {key: (await bench.add(ctx, Bundle((key,)))) for key in keys}
        assert [result for result, _ in living.values()] == [AddResult.OK] * 6 + [AddResult.FULL]
        for key in keys[:6]:
            other = Key(random.getrandbits(32), 5)
            assert (await bench.add(ctx, Bundle((key,))))[0] == AddResult.DUPLICATE
            assert (await bench.add(ctx, Bundle((other, key))))[0] == AddResult.DUPLICATE
            assert (await bench.lookup(ctx, "key", key))["handle"] == living[key][1]
            assert not (await bench.lookup(ctx, "key", other))["hit"]

    run(FULL, script)


@pytest.mark.parametrize("seed", seeds(1))
def test_duplicates_of_moving_keys_are_refused(seed: int) -> None:
    """Each add sets others in motion, and goes on doing so when it is answered; then keys that live are offered."""
    random = Random(seed)
    moves: list[int] = []

    def background(bench: TableBench) -> list[Any]:
        async def watch(ctx: Any) -> None:
            async for _, _, moved in ctx.tick().sample(bench.dut.moved):
                if moved:
                    moves.append(bench.judge.clock)

        return [watch]

    async def script(ctx: Any, bench: TableBench) -> None:
        living = await fill(ctx, bench, random)
        checked = 0
        while checked < 5:
            gone = random.choice(list(living))
            await bench.delete(ctx, living.pop(gone))
            key = Key(random.getrandbits(32), random.getrandbits(127) | 1, 1)
            result, handle = await bench.add(ctx, Bundle((key,)))
            if result != AddResult.OK:
                await ctx.tick().repeat(400)
                continue
            begun = bench.judge.clock
            # The first two are judged while the chain goes on.
            for twin in random.sample(list(living), 2):
                assert (await bench.add(ctx, Bundle((twin,))))[0] == AddResult.DUPLICATE
            checked += any(clock > begun for clock in moves)
            living[key] = handle
        for one, owner in living.items():
            assert (await bench.lookup(ctx, "key", one))["handle"] == owner

    run(FULL, script, background=background)


def test_a_dead_key_that_gets_a_new_owner_never_hits_a_third() -> None:
    """The entry's owner changes from index 1 to index 2 while index 3 lives, whose bits are those of both together."""
    key = Key(7)

    def background(bench: TableBench) -> list[Any]:
        def questions() -> Iterator[Key]:
            while True:
                yield key

        async def ask(ctx: Any) -> None:
            await bench.ask_for_ever(ctx, "key", questions())

        async def retire(ctx: Any) -> None:
            await bench.retire_for_ever(ctx, "key", Random(1), longest=1)

        return [ask, retire]

    dut = HashedTable(FULL)
    bench = TableBench(dut, FULL)
    changes = 0

    async def script(ctx: Any) -> None:
        nonlocal changes
        await bench.start(ctx, leaves_restore=False)
        for index, one in ((3, Key(8)), (1, key)):
            assert (await bench.add(ctx, Bundle((one,), handle=1 << 31 | index)))[0] == AddResult.OK
        old, new = 1, 2
        # The owner dies while the add looks for its key, so that no sweep comes between.
        for delay in (*range(4, 24), *range(4, 24)):
            number = bench.offer_add(ctx, Bundle((key,), handle=1 << 31 | new))
            await ctx.tick().repeat(delay)
            await bench.delete(ctx, 1 << 31 | old)
            result, _ = await bench.answer_of_add(ctx, number)
            if result == AddResult.OK:
                changes += 1
                old, new = new, old
            else:
                assert result == AddResult.DUPLICATE
                assert (await bench.add(ctx, Bundle((key,), handle=1 << 31 | old)))[0] == AddResult.OK

    simulate(dut, script, background=background(bench), monitors=[bench], deadline=20_000)
    assert changes > 5


def test_bad_handles_of_a_table_whose_indices_were_used_before() -> None:
    """Zero, beyond the capacity, stale, not yet issued, and upper bits set: to deletes, lookups and restores."""
    config = replace(FULL, name="eleven", bundles=11, keys=11)
    mask = (1 << config.index_bits) - 1

    async def script(ctx: Any, bench: TableBench) -> None:
        stale: list[int] = []
        handles: list[int] = []
        for generation in range(2):
            handles = [
                (await bench.add(ctx, Bundle((Key(spi),), is_outbound=True)))[1] for spi in range(config.bundles)
            ]
            assert sorted(handle & mask for handle in handles) == list(range(config.bundles))
            if generation == 0:
                stale += handles
                await bench.delete(ctx, *handles)
        bad = [0, *stale, *(handle + (mask + 1) for handle in handles)]
        bad += [handle & ~mask | index for handle in handles[:1] for index in range(config.bundles, mask + 1)]
        bad += [handles[0] ^ 1 << bit for bit in (*range(config.index_bits, 64, 5), 31, 32, 63)]
        before = bench.judge.deleted_count
        await bench.delete(ctx, *bad)
        assert bench.judge.deleted_count == before
        for one in bad:
            assert not (await bench.lookup(ctx, "handle", one))["hit"], f"{one:#x}"
        for one in handles:
            assert (await bench.lookup(ctx, "handle", one))["handle"] == one
        assert (await bench.add(ctx, Bundle((Key(99),), is_outbound=True)))[0] == AddResult.FULL

        await bench.flush(ctx)
        assert (await bench.add(ctx, Bundle((Key(1),))))[0] == AddResult.RESTORE_MODE
        for one in [
            *(handles[0] & ~mask | index for index in range(config.bundles, mask + 1)),
            *(handles[0] ^ 1 << bit for bit in (31, 32, 47, 63)),
        ]:
            assert (await bench.add(ctx, Bundle((Key(1),), handle=one)))[0] == AddResult.BAD_HANDLE, f"{one:#x}"
        assert (await bench.add(ctx, Bundle((Key(1),), handle=handles[0])))[0] == AddResult.OK
        for one in (handles[0], handles[0] + mask + 1, stale[handles[0] & mask]):
            assert one & mask == handles[0] & mask
            assert (await bench.add(ctx, Bundle((Key(2),), handle=one)))[0] == AddResult.HANDLE_IN_USE, f"{one:#x}"
        assert (await bench.lookup(ctx, "key", Key(1)))["handle"] == handles[0]

    run(config, script)


def test_a_full_table_takes_another_when_one_is_gone() -> None:
    """Also while the dead one's key is not swept yet, and whatever the new one displaces."""
    random = Random(1)

    async def script(ctx: Any, bench: TableBench) -> None:
        living = await fill(ctx, bench, random)
        assert len(living) >= FULL.keys * 3 // 4
        for _ in range(3):
            key = random.choice(list(living))
            await bench.delete(ctx, living.pop(key))
            result, living[key] = await bench.add(ctx, Bundle((key,)))
            assert result == AddResult.OK, "where it stood there is room"
            if len(living) == FULL.keys:
                assert (await bench.add(ctx, Bundle((Key(7),))))[0] == AddResult.FULL
        for one in living:
            assert (await bench.lookup(ctx, "key", one))["hit"]

    run(FULL, script)


def test_the_longest_free_index_is_issued_first() -> None:
    config = EngineConfig(
        name="queue", bundles=6, keys=8, context_width=0, hashed=HashSizes(ways=2, way_depth=4, wildcards=2, rounds=2)
    )

    async def script(ctx: Any, bench: TableBench) -> None:
        mask = (1 << config.index_bits) - 1
        handles = [(await bench.add(ctx, Bundle((Key(spi),), is_outbound=True)))[1] for spi in range(6)]
        assert [handle & mask for handle in handles] == list(range(6)), "after a reset in their order"
        for handle in (handles[4], handles[1], handles[3]):
            await bench.delete(ctx, handle)
            await ctx.tick().repeat(400)  # so that each is free before the next dies
        again = [(await bench.add(ctx, Bundle((Key(spi),), is_outbound=True)))[1] & mask for spi in range(3)]
        assert again == [4, 1, 3]

    run(config, script)


def test_wildcards_have_places_of_their_own() -> None:
    async def script(ctx: Any, bench: TableBench) -> None:
        wild = [(await bench.add(ctx, Bundle((Key(spi, 0),)))) for spi in (1, 2, 3)]
        assert [result for result, _ in wild] == [AddResult.OK, AddResult.OK, AddResult.FULL]
        assert (await bench.add(ctx, Bundle((Key(3),))))[0] == AddResult.OK
        assert (await bench.add(ctx, Bundle((Key(1, 0),))))[0] == AddResult.DUPLICATE
        await bench.delete(ctx, wild[0][1])
        assert (await bench.add(ctx, Bundle((Key(3, 0),))))[0] == AddResult.OK, "it waits for the sweep"

    run(FULL, script)


@pytest.mark.parametrize("name", ["small", "medium"])
def test_latencies_of_the_presets(name: str) -> None:
    """As docs/integration-guide.md states them."""
    latencies = (KeyLookup.latency(preset(name)), HandleLookup.LATENCY, DeletePipe.LATENCY)
    assert latencies == (25, 8, 16)
