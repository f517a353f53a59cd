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
    assert latencies == (23, 7, 11)
