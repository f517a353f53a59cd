"""Faults that were found in other devices, tried here where no test of a block does it already."""

from dataclasses import replace
from itertools import cycle
from random import Random
from typing import Any

import pytest
from amaranth.hdl import ResetInserter, Signal
from tests.unit.one_walk_bench import Bed
from tests.unit.streams import simulate
from tests.unit.table_bench import Bundle, Key, TableBench
from tests.unit.walk_bench import X64
from tests.unit.walk_in_python import Command, Outcome, handles, lay_list

from saoffload.hdl.config import EngineConfig, preset
from saoffload.hdl.layouts import AddResult, Status
from saoffload.hdl.table.parallel.table import ParallelTable

CONFIGS = {
    "tiny": replace(preset("tiny").with_bundles(4), unretired_limit=64),
    "odd": EngineConfig(name="odd", bundles=5, keys=7, context_width=12, unretired_limit=64, epoch_width=1),
}


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS.keys())
def config(request: pytest.FixtureRequest) -> EngineConfig:
    return request.param


def handle_of(config: EngineConfig, index: int, generation: int = 0) -> int:
    return 1 << 31 | generation << config.index_bits | index


async def ask_everything(ctx: Any, bench: TableBench, keys: list[Key], old_handles: list[int]) -> list[bool]:
    """Whether each key and then each handle hits."""
    answers = [await bench.lookup(ctx, "key", key) for key in keys]
    answers += [await bench.lookup(ctx, "handle", handle) for handle in old_handles]
    return [bool(answer["hit"]) for answer in answers]


def test_no_key_context_or_generation_survives_a_reset(config: EngineConfig) -> None:
    """Lookups miss from the reset on, also for whoever gets the old index and the old handle next."""
    reset = Signal()
    table = ParallelTable(config)
    bench = TableBench(table, config)
    exact, wildcard, second = Key(0x1001), Key(0x1002, 0), Key(0x1003, protocol=1)
    secret = (1 << config.context_width) - 1
    old_keys = [exact, wildcard, second]

    async def main(ctx: Any) -> None:
        await bench.start(ctx)
        # The reset comes after a reuse, so that a generation that it must clear is not 0.
        _, first = await bench.add(ctx, Bundle((Key(1),)))
        await bench.delete(ctx, first)
        bundles = [
            Bundle((exact, second), context=secret),
            Bundle((wildcard,), context=secret),
            Bundle((Key(5),), is_outbound=True, context=secret),
        ]
        old = [(await bench.add(ctx, bundle))[1] for bundle in bundles]
        assert await ask_everything(ctx, bench, old_keys, old[2:]) == [True] * 4

        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        judge = bench.judge
        judge.live.clear()
        judge.death_clock.clear()
        judge.generations.clear()
        judge.is_restoring = True
        for kind in judge.unretired.values():
            kind.clear()
        # Asked while the scrub goes on, again and again, and after it.
        while not ctx.get(table.is_ready):
            assert not any(await ask_everything(ctx, bench, old_keys, old))
        assert not any(await ask_everything(ctx, bench, old_keys, old))
        assert ctx.get(table.live_bundles) == ctx.get(table.live_keys) == 0
        assert ctx.get(table.is_restoring)

        # Each old index gets another owner: it has its own key and context, and nobody else's.
        indices = [handle & (1 << config.index_bits) - 1 for handle in old]
        for number, index in enumerate(indices):
            handle = handle_of(config, index, 3)
            assert (await bench.add(ctx, Bundle((Key(0x2000 + number),), handle=handle)))[0] == AddResult.OK
            answer = await bench.lookup(ctx, "key", Key(0x2000 + number))
            assert (answer["handle"], answer["context"]) == (handle, 0)
        assert not any(await ask_everything(ctx, bench, old_keys, old))
        await bench.delete(ctx, *old)
        assert judge.deleted_count == 1, "only the delete of before the reset found something"
        # A reset clears generations: an index nobody restored begins anew.
        await bench.handshake(ctx, table.end_restores)
        _, handle = await bench.add(ctx, Bundle((Key(0x3000),), is_outbound=True))
        assert handle >> config.index_bits == 1 << 31 - config.index_bits

    simulate(ResetInserter(reset)(table), main, monitors=[bench], deadline=60_000)


def test_a_half_built_or_half_deleted_bundle_is_never_seen(config: EngineConfig) -> None:
    """Both keys in turn in every clock, while their bundle is added and deleted: never one without the other."""
    smaller = config.with_bundles(2) if config.prefers_block_ram else config
    config = replace(smaller, unretired_limit=1024)
    bench = TableBench(table := ParallelTable(config), config)
    esp, ah = Key(0x10), Key(0x11, protocol=1)

    async def ask(ctx: Any) -> None:
        await bench.wait_ready(ctx)
        await bench.ask_for_ever(ctx, "key", cycle((esp, ah)))

    async def retire(ctx: Any) -> None:
        await bench.wait_ready(ctx)
        await bench.retire_for_ever(ctx, "key", Random("retires"), longest=1)

    async def main(ctx: Any) -> None:
        await bench.start(ctx)
        for _ in range(2):
            begin = len(bench.answers["key"])
            _, handle = await bench.add(ctx, Bundle((esp, ah)))
            await ctx.tick().repeat(12)
            await bench.delete(ctx, handle)
            await ctx.tick().repeat(12)
            hits = "".join(str(int(answer["hit"])) for answer in bench.answers["key"][begin:])
            assert hits.strip("0").strip("1") == "", f"it came and went more than once: {hits}"
            assert "11" in hits

    simulate(table, main, background=[ask, retire], monitors=[bench], deadline=60_000)


def test_a_packet_to_send_never_finds_another_sa_after_a_loss(config: EngineConfig) -> None:
    """Handles of before a flush miss during it, after it, and when their index has a new owner."""
    bench = TableBench(table := ParallelTable(config), config)

    async def main(ctx: Any) -> None:
        await bench.start(ctx)
        old = [(await bench.add(ctx, Bundle((Key(n),), is_outbound=True)))[1] for n in range(config.bundles)]
        assert await ask_everything(ctx, bench, [], old) == [True] * len(old)
        await bench.handshake(ctx, table.flushes)
        while bench.judge.is_flushing:
            assert not any(await ask_everything(ctx, bench, [], old))
        assert not any(await ask_everything(ctx, bench, [], old))
        new = [handle + (1 << config.index_bits) for handle in old]
        for handle in new:
            assert (await bench.add(ctx, Bundle((Key(9),), is_outbound=True, handle=handle)))[0] == AddResult.OK
        assert await ask_everything(ctx, bench, [], old + new) == [False] * len(old) + [True] * len(new)
        assert bench.judge.flushed_count == config.bundles

    simulate(table, main, monitors=[bench], deadline=60_000)


def test_nothing_read_by_one_walk_is_used_by_the_next() -> None:
    """A list is appended to at its tail, a node's handle changes, and the second walk sees both."""
    bed = Bed(live=handles(8))
    first, last, appended = 0x2_0000, 0x2_0018, 0x2_0030
    lay_list(bed.memory, [first, last])

    async def bench(ctx: Any) -> None:
        command = Command(head=first)
        assert len((await bed.walk(ctx, command)).nodes) == 2
        bed.memory.write(first, X64.node(last, 0x8000_0005))
        bed.memory.write(last, X64.node(appended, 0x8000_0006))
        bed.memory.write(appended, X64.node(0, 0x8000_0007))
        outcome = await bed.walk(ctx, command)
        assert outcome == Outcome(
            Status.OK, 0, ((first, 0x8000_0005, True), (last, 0x8000_0006, True), (appended, 0x8000_0007, True))
        )

    bed.run(bench)
    assert len(bed.reads.log) == 5
