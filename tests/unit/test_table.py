"""Every SA table keeps the contract: the same tests for each implementation of ``TableSignature``."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle
from random import Random
from typing import Any

import pytest
from tests.unit.streams import seeds, simulate
from tests.unit.table_bench import Bundle, Key, TableBench

from saoffload.hdl.config import EngineConfig, HashSizes, preset
from saoffload.hdl.layouts import AddResult
from saoffload.hdl.table.hashed.table import HashedTable
from saoffload.hdl.table.parallel.table import ParallelTable

Script = Callable[[Any, TableBench], Any]
IPV6 = 1
AH = 1

CONFIGS = {
    "tiny": replace(preset("tiny"), unretired_limit=16, context_width=8, prefers_block_ram=False),
    "bits": replace(preset("tiny"), bundles=3, keys=4, unretired_limit=16),
    "words": EngineConfig(
        name="words", bundles=3, keys=3, context_width=4, unretired_limit=16, epoch_width=1, prefers_block_ram=True
    ),
    "odd": EngineConfig(name="odd", bundles=5, keys=7, context_width=12, unretired_limit=12, epoch_width=1),
    "bare": EngineConfig(name="bare", bundles=2, keys=3, context_width=0, unretired_limit=32),
}


def hashed_table(config: EngineConfig) -> HashedTable:
    """A hash table of these sizes, with as few rows as will do, so that keys displace each other."""
    assert config.ipv6
    assert not config.prefers_block_ram
    depth = max(4, 1 << (-(-config.keys // 4) - 1).bit_length())
    # Two rounds are quick to simulate and let keys that are nearly equal collide: without a short limit a chain of
    # moves among them takes 4,000 clocks before it parks its last key.
    sizes = HashSizes(ways=4, way_depth=depth, wildcards=max(2, config.keys), rounds=2, max_moves=16)
    return HashedTable(replace(config, hashed=sizes))


@pytest.fixture(params=[ParallelTable, hashed_table], ids=["parallel", "hashed"])
def table(request: pytest.FixtureRequest) -> Any:
    return request.param


# Written in 256 clocks an entry, a table takes minutes of simulation; test_match.py has the comparators alone.
SLOW = {"bits", "words"}


@pytest.fixture(
    params=[
        pytest.param(config, id=name, marks=[pytest.mark.nightly] if name in SLOW else [])
        for name, config in CONFIGS.items()
    ]
)
def config(request: pytest.FixtureRequest, table: Any) -> EngineConfig:
    if table is hashed_table:
        # Hash tables are never for IPv4 alone.
        return replace(request.param, ipv6=True, prefers_block_ram=False)
    return request.param


def run(
    table: Any, config: EngineConfig, script: Script, *, background: Any = (), leaves_restore: bool = True
) -> TableBench:
    """Run one script on a fresh table, with the judge watching, and lookups retired at the end."""
    dut = table(config)
    bench = TableBench(dut, config)

    async def main(ctx: Any) -> None:
        await bench.start(ctx, leaves_restore=leaves_restore)
        await script(ctx, bench)

    simulate(dut, main, background=[*background(bench)] if background else (), monitors=[bench], deadline=60_000)
    assert not bench.judge.asked["key"] or background, "a lookup was never answered"
    assert not bench.judge.deletes, "a delete was never answered"
    return bench


def handle_of(config: EngineConfig, index: int, generation: int = 0) -> int:
    return 1 << 31 | generation << config.index_bits | index


def test_an_added_bundle_is_found_by_its_key_and_a_deleted_one_is_not(table: Any, config: EngineConfig) -> None:
    context = 0x5A & (1 << config.context_width) - 1

    async def script(ctx: Any, bench: TableBench) -> None:
        result, handle = await bench.add(ctx, Bundle((Key(0x1001),), context=context))
        assert result == AddResult.OK
        assert handle >> config.index_bits == 1 << 31 - config.index_bits, "the first owner has generation 0"
        answer = await bench.lookup(ctx, "key", Key(0x1001))
        assert answer["hit"]
        assert answer["handle"] == handle
        assert answer["context"] == context
        await bench.delete(ctx, handle)
        assert not (await bench.lookup(ctx, "key", Key(0x1001)))["hit"]
        assert ctx.get(bench.dut.live_bundles) == 0 == ctx.get(bench.dut.live_keys)

    run(table, config, script)


def test_spi_zero_and_an_all_zero_key_are_ordinary(table: Any, config: EngineConfig) -> None:
    async def script(ctx: Any, bench: TableBench) -> None:
        assert not (await bench.lookup(ctx, "key", Key(0, 0)))["hit"], "an empty table knows no all-zero key"
        result, handle = await bench.add(ctx, Bundle((Key(0, 0),)))
        assert result == AddResult.OK
        assert (await bench.lookup(ctx, "key", Key(0, 0)))["handle"] == handle
        await bench.delete(ctx, handle)
        assert not (await bench.lookup(ctx, "key", Key(0, 0)))["hit"]

    run(table, config, script)


def test_every_bit_of_the_key_counts(table: Any) -> None:
    config = EngineConfig(name="bits", bundles=2, keys=2, context_width=0)
    stored = Key(0xA5A5_0F0F, 0x2001_0DB8 << 96 | 0x1234_5678_9ABC, IPV6, 0)
    bits = stored.spi | stored.destination << 32 | stored.family << 160 | stored.protocol << 161

    async def script(ctx: Any, bench: TableBench) -> None:
        await bench.add(ctx, Bundle((stored,)))
        assert (await bench.lookup(ctx, "key", stored))["hit"]
        for bit in range(162):
            one = bits ^ 1 << bit
            other = Key(one & 0xFFFF_FFFF, one >> 32 & (1 << 128) - 1, one >> 160 & 1, one >> 161 & 1)
            assert not (await bench.lookup(ctx, "key", other))["hit"], f"bit {bit}"

    run(table, config, script)


def test_a_wildcard_yields_to_an_exact_match_and_takes_over_when_that_dies(table: Any, config: EngineConfig) -> None:
    exact, wildcard, other = Key(7, 0xC0000201), Key(7, 0), Key(7, 0xC0000202)

    async def script(ctx: Any, bench: TableBench) -> None:
        _, wild_handle = await bench.add(ctx, Bundle((wildcard,)))
        result, exact_handle = await bench.add(ctx, Bundle((exact,)))
        assert result == AddResult.OK, "wildcard and exact with one SPI are no duplicates"
        assert (await bench.lookup(ctx, "key", exact))["handle"] == exact_handle
        assert (await bench.lookup(ctx, "key", other))["handle"] == wild_handle
        assert (await bench.lookup(ctx, "key", wildcard))["handle"] == wild_handle
        assert not (await bench.lookup(ctx, "key", replace(other, protocol=AH)))["hit"], "the protocol must be equal"
        assert not (await bench.lookup(ctx, "key", replace(other, family=IPV6)))["hit"], "a wildcard has a family"
        await bench.delete(ctx, exact_handle)
        # Before and after the sweep: a dead exact entry hides nothing.
        for _ in range(12):
            assert (await bench.lookup(ctx, "key", exact))["handle"] == wild_handle

    run(table, config, script)


def test_both_sas_of_a_bundle_carry_one_handle_and_vanish_together(table: Any, config: EngineConfig) -> None:
    esp, ah = Key(0x10), Key(0x11, protocol=AH)

    async def script(ctx: Any, bench: TableBench) -> None:
        _, handle = await bench.add(ctx, Bundle((esp, ah)))
        for number, key in enumerate((esp, ah)):
            answer = await bench.lookup(ctx, "key", key)
            assert (answer["handle"], answer["sa_number"]) == (handle, number)
        assert (ctx.get(bench.dut.live_keys), ctx.get(bench.dut.live_bundles)) == (2, 1)
        await bench.delete(ctx, handle)
        assert not (await bench.lookup(ctx, "key", esp))["hit"]
        assert not (await bench.lookup(ctx, "key", ah))["hit"]
        assert ctx.get(bench.dut.live_keys) == 0

    run(table, config, script)


def test_directions(table: Any, config: EngineConfig) -> None:
    async def script(ctx: Any, bench: TableBench) -> None:
        _, outbound = await bench.add(ctx, Bundle((Key(1),), is_outbound=True))
        assert not (await bench.lookup(ctx, "key", Key(1)))["hit"], "outbound bundles have no keys"
        result, inbound = await bench.add(ctx, Bundle((Key(1),)))
        assert result == AddResult.OK, "a key of an outbound bundle is nobody's duplicate"
        assert (await bench.lookup(ctx, "handle", outbound))["hit"]
        assert not (await bench.lookup(ctx, "handle", inbound))["hit"], "a transmit lookup hits outbound bundles only"
        assert (await bench.lookup(ctx, "key", Key(1)))["handle"] == inbound
        await bench.delete(ctx, outbound, inbound)
        assert bench.judge.deleted_count == 2, "deletes take either direction"

    run(table, config, script)


def test_bad_handles_name_nothing(table: Any, config: EngineConfig) -> None:
    async def script(ctx: Any, bench: TableBench) -> None:
        _, handle = await bench.add(ctx, Bundle((Key(1),), is_outbound=True))
        bad = [0, handle & 0x7FFF_FFFF, handle ^ 1, 1 << 63 | handle, 1 << 32 | handle, (1 << 64) - 1]
        bad += [handle ^ 1 << bit for bit in range(config.index_bits, 31)]
        bad += [handle_of(config, index) for index in range(config.bundles, 1 << config.index_bits)]
        for one in bad:
            assert not (await bench.lookup(ctx, "handle", one))["hit"], f"{one:#x}"
        await bench.delete(ctx, *bad)
        assert bench.judge.deleted_count == 0
        assert (await bench.lookup(ctx, "handle", handle))["hit"]

    run(table, config, script)


def test_two_deletes_of_one_handle_back_to_back_find_it_once(table: Any, config: EngineConfig) -> None:
    async def script(ctx: Any, bench: TableBench) -> None:
        _, first = await bench.add(ctx, Bundle((Key(1),)))
        _, second = await bench.add(ctx, Bundle((Key(2),)))
        await bench.delete(ctx, first, first, second, second, first)
        assert bench.judge.deleted_count == 2

    run(table, config, script)


def test_add_results_in_their_order(table: Any, config: EngineConfig) -> None:
    async def script(ctx: Any, bench: TableBench) -> None:
        async def result(*keys: Key, **more: Any) -> AddResult:
            return (await bench.add(ctx, Bundle(keys, **more)))[0]

        assert await result(Key(1), sa_count=0) == AddResult.UNSUPPORTED
        assert await result(Key(1), sa_count=3) == AddResult.UNSUPPORTED
        assert await result(Key(1), Key(1)) == AddResult.DUPLICATE
        assert await result(Key(1), handle=1 << 31) == AddResult.OK, "outside restore mode a handle is not looked at"
        assert await result(Key(1)) == AddResult.DUPLICATE
        assert await result(Key(2), Key(1)) == AddResult.DUPLICATE
        assert await result(Key(1), Key(2)) == AddResult.DUPLICATE
        if not config.ipv6:
            assert await result(Key(9, 1 << 127, IPV6)) == AddResult.UNSUPPORTED
            assert await result(Key(9), Key(8, 1 << 127, IPV6)) == AddResult.UNSUPPORTED
            assert await result(Key(9, 1 << 32 | 0xC0000201)) == AddResult.UNSUPPORTED, "not cut short"
            assert await result(Key(9), Key(8, 1 << 32)) == AddResult.UNSUPPORTED
            assert await result(Key(9, 0, IPV6), is_outbound=True) == AddResult.UNSUPPORTED
            assert await result(Key(9, 1 << 127), is_outbound=True) == AddResult.OK, "only its family counts"
        spi = 100
        while len(bench.judge.live) < config.bundles:
            spi += 1
            assert await result(Key(spi), is_outbound=True) == AddResult.OK
        assert await result(Key(1)) == AddResult.DUPLICATE, "a duplicate is told before the table is full"
        assert await result(Key(50)) == AddResult.FULL
        assert await result(Key(51), is_outbound=True) == AddResult.FULL
        assert not (await bench.lookup(ctx, "key", Key(50)))["hit"]

    run(table, config, script)


def test_a_table_full_of_keys_refuses_inbound_bundles_alone(table: Any, config: EngineConfig) -> None:
    async def script(ctx: Any, bench: TableBench) -> None:
        spi = 0
        while ctx.get(bench.dut.live_keys) + 2 <= config.keys and len(bench.judge.live) + 2 <= config.bundles:
            spi += 2
            assert (await bench.add(ctx, Bundle((Key(spi), Key(spi + 1)))))[0] == AddResult.OK
        needed = config.keys - ctx.get(bench.dut.live_keys) + 1
        if needed <= 2:
            keys = tuple(Key(1000 + number) for number in range(needed))
            assert (await bench.add(ctx, Bundle(keys)))[0] == AddResult.FULL
            assert (await bench.add(ctx, Bundle(keys, is_outbound=True)))[0] == AddResult.OK

    run(table, config, script)


@pytest.mark.parametrize("keys", [*range(2, 7), *(pytest.param(keys, marks=pytest.mark.nightly) for keys in (7, 8))])
def test_keys_that_die_while_an_add_looks_for_room_in_a_full_table(table: Any, keys: int) -> None:
    """The add finds every entry in use, and still it is not FULL: it waits for the sweep and overwrites nobody."""
    config = EngineConfig(name="full", bundles=keys // 2 + 2, keys=keys, context_width=0)

    async def script(ctx: Any, bench: TableBench) -> None:
        handles = [(await bench.add(ctx, Bundle((Key(spi), Key(spi + 1)))))[1] for spi in range(0, keys - 1, 2)]
        if keys % 2:
            await bench.add(ctx, Bundle((Key(99),)))
        for delay in range(1, keys + 12):
            bundle = Bundle((Key(100 + 2 * delay), Key(101 + 2 * delay)))
            number = bench.offer_add(ctx, bundle)
            await ctx.tick().repeat(delay)
            await bench.delete(ctx, handles.pop(0))
            result, handle = await bench.answer_of_add(ctx, number)
            if result == AddResult.FULL:
                result, handle = await bench.add(ctx, bundle)
            assert result == AddResult.OK
            handles.append(handle)
            for key in [key for bundle in bench.judge.live.values() for key in bundle.keys]:
                assert (await bench.lookup(ctx, "key", key))["hit"], f"delay {delay}"
            assert (await bench.add(ctx, Bundle(bundle.keys[:1])))[0] == AddResult.DUPLICATE

    run(table, config, script)


def test_an_index_comes_back_with_the_next_generation_and_its_old_handle_is_stale(
    table: Any, config: EngineConfig
) -> None:
    async def script(ctx: Any, bench: TableBench) -> None:
        handles: list[int] = []
        for round_number in range(3 * config.bundles):
            _, handle = await bench.add(ctx, Bundle((Key(round_number),), is_outbound=bool(round_number & 1)))
            for old in handles[-6:]:
                assert not (await bench.lookup(ctx, "handle", old))["hit"]
            handles.append(handle)
            await bench.delete(ctx, handle, *handles[-6:])
        assert len(set(handles)) == len(handles)
        by_index: dict[int, list[int]] = {}
        for handle in handles:
            index = handle & (1 << config.index_bits) - 1
            by_index.setdefault(index, []).append((handle & 0x7FFF_FFFF) >> config.index_bits)
        assert all(generations == list(range(len(generations))) for generations in by_index.values()), by_index

    run(table, config, script)


def test_a_key_can_be_added_again_at_once_after_its_delete(table: Any, config: EngineConfig) -> None:
    async def script(ctx: Any, bench: TableBench) -> None:
        _, handle = await bench.add(ctx, Bundle((Key(1), Key(2))))
        for _ in range(2 * config.bundles):
            await bench.delete(ctx, handle)
            result, handle = await bench.add(ctx, Bundle((Key(2), Key(1))))
            assert result == AddResult.OK
            assert (await bench.lookup(ctx, "key", Key(1)))["sa_number"] == 1

    run(table, config, script)


def test_a_dead_key_asked_for_in_every_clock_of_its_sweep_never_hits(table: Any, config: EngineConfig) -> None:
    """An entry may go, and its owner with it, while a lookup that it matched is on its way to the live bit."""

    async def script(ctx: Any, bench: TableBench) -> None:
        await bench.add(ctx, Bundle((Key(1),)))
        _, handle = await bench.add(ctx, Bundle((Key(2),)))
        ctx.set(bench.dut.key_requests.payload, Key(2).bits())
        ctx.set(bench.dut.key_requests.valid, 1)
        ctx.set(bench.dut.deletes.payload, {"handle": handle})
        ctx.set(bench.dut.deletes.valid, 1)
        await ctx.tick()
        ctx.set(bench.dut.deletes.valid, 0)
        await ctx.tick().repeat(bench.config.unretired_limit + 2 * bench.dut.key_latency)
        ctx.set(bench.dut.key_requests.valid, 0)
        await ctx.tick().repeat(bench.dut.key_latency)
        assert bench.judge.answer_count == bench.config.unretired_limit

    run(table, replace(config, unretired_limit=60), script)


def test_an_index_is_not_reused_while_an_older_answer_is_unretired(table: Any, config: EngineConfig) -> None:
    async def script(ctx: Any, bench: TableBench) -> None:
        handles = [(await bench.add(ctx, Bundle((Key(spi),))))[1] for spi in range(min(config.bundles, config.keys))]
        answer = await bench.lookup(ctx, "key", Key(0), retires=False)
        while len(bench.judge.live) < config.bundles:
            await bench.add(ctx, Bundle((Key(99),), is_outbound=True))
        await bench.delete(ctx, handles[0])
        number = bench.offer_add(ctx, Bundle((Key(77),)))
        await ctx.tick().repeat(200 if not config.prefers_block_ram else 2000)
        assert len(bench.add_results) == number, "FULL is judged on live bundles: the add waits"
        assert ctx.get(bench.dut.add_is_waiting)
        await bench.retire(ctx, "key", answer["epoch"])
        assert (await bench.answer_of_add(ctx, number))[0] == AddResult.OK
        assert not ctx.get(bench.dut.add_is_waiting)

    run(table, config, script)


def test_grace_waits_for_key_and_handle_answers_of_before_alone(table: Any, config: EngineConfig) -> None:
    async def script(ctx: Any, bench: TableBench) -> None:
        async def answered(count: int, clocks: int = 30) -> bool:
            await ctx.tick().repeat(clocks)
            return bench.graces_answered == count

        await bench.grace(ctx)
        assert await answered(1, clocks=6), "nothing to wait for"
        for kind in ("key", "handle"):
            before = bench.graces_answered
            old = await bench.lookup(ctx, kind, Key(1) if kind == "key" else 0, retires=False)
            await bench.grace(ctx)
            young = await bench.lookup(ctx, kind, Key(1) if kind == "key" else 0, retires=False)
            assert old["epoch"] != young["epoch"]
            assert await answered(before), f"an old {kind} answer, a miss too, holds the grace period"
            await bench.retire(ctx, kind, old["epoch"])
            assert await answered(before + 1, clocks=8), "a young answer does not"
            await bench.retire(ctx, kind, young["epoch"])

    run(table, config, script)


def test_the_ring_of_epochs_may_be_full(table: Any, config: EngineConfig) -> None:
    async def script(ctx: Any, bench: TableBench) -> None:
        epochs = []
        for _ in range(min(3 * (1 << config.epoch_width), config.completion_depth)):
            epochs.append((await bench.lookup(ctx, "key", Key(1), retires=False))["epoch"])
            await bench.grace(ctx)
        await ctx.tick().repeat(20)
        assert bench.graces_answered == 0
        for epoch in reversed(epochs):
            await bench.retire(ctx, "key", epoch)
        await ctx.tick().repeat(6 * len(epochs) + 10)
        assert bench.graces_answered == len(epochs)

    run(table, config, script)


def test_a_retire_without_an_answer_is_reported_and_changes_nothing(table: Any, config: EngineConfig) -> None:
    async def script(ctx: Any, bench: TableBench) -> None:
        answer = await bench.lookup(ctx, "key", Key(1), retires=False)
        await bench.retire(ctx, "handle", answer["epoch"])
        await bench.retire(ctx, "key", answer["epoch"] ^ 1)
        await ctx.tick().repeat(2)
        assert bench.bad_retire_count == 2
        for kind in ("key", "handle"):
            ctx.set(getattr(bench.dut, f"{kind}_retires").payload, {"epoch": answer["epoch"] ^ 1})
            ctx.set(getattr(bench.dut, f"{kind}_retires").valid, 1)
        await ctx.tick()
        for kind in ("key", "handle"):
            ctx.set(getattr(bench.dut, f"{kind}_retires").valid, 0)
        await ctx.tick().repeat(2)
        assert bench.bad_retire_count == 4, "one of each kind in one clock"
        await bench.grace(ctx)
        await ctx.tick().repeat(20)
        assert bench.graces_answered == 0
        await bench.retire(ctx, "key", answer["epoch"])
        await ctx.tick().repeat(8)
        assert bench.graces_answered == 1

    run(table, config, script)


@pytest.mark.parametrize("kind", ["key", "handle"])
def test_lookups_wait_only_at_the_limit_of_unretired_answers(table: Any, config: EngineConfig, kind: str) -> None:
    question = Key(1) if kind == "key" else 5

    async def script(ctx: Any, bench: TableBench) -> None:
        requests = getattr(bench.dut, f"{kind}_requests")
        waiting = getattr(bench.dut, f"{kind}_request_is_waiting")
        ctx.set(requests.payload, question.bits() if isinstance(question, Key) else {"handle": question})
        ctx.set(requests.valid, 1)
        for _ in range(config.unretired_limit):
            assert (ctx.get(requests.ready), ctx.get(waiting)) == (1, 0)
            await ctx.tick()
        await ctx.tick().repeat(2 * bench.dut.key_latency)
        assert (ctx.get(requests.ready), ctx.get(waiting)) == (0, 1)
        assert len(bench.answers[kind]) == config.unretired_limit
        await bench.retire(ctx, kind, bench.answers[kind][0]["epoch"])
        await ctx.tick().repeat(2 * bench.dut.key_latency)
        assert len(bench.answers[kind]) == config.unretired_limit + 1

    run(table, config, script)


def test_latencies_are_as_stated(table: Any, config: EngineConfig) -> None:
    async def script(ctx: Any, bench: TableBench) -> None:
        before = bench.judge.clock
        await bench.lookup(ctx, "key", Key(1))
        await bench.lookup(ctx, "handle", 1)
        first_key, first_handle = bench.answer_clocks["key"][0], bench.answer_clocks["handle"][0]
        assert first_key - before == bench.dut.key_latency
        assert first_handle - (first_key + 2) == bench.dut.handle_latency
        before = bench.judge.clock
        await bench.delete(ctx, 1, 2, 3)
        assert bench.delete_clocks == [before + bench.dut.delete_latency + number for number in range(3)]

    run(table, config, script)


def test_flush_removes_everything_and_enters_restore_mode(table: Any, config: EngineConfig) -> None:
    async def script(ctx: Any, bench: TableBench) -> None:
        handles = [(await bench.add(ctx, Bundle((Key(spi),))))[1] for spi in range(2)]
        await bench.flush(ctx)
        assert bench.judge.flushed_count == 2
        assert (ctx.get(bench.dut.is_restoring), ctx.get(bench.dut.live_bundles)) == (1, 0)
        assert not (await bench.lookup(ctx, "key", Key(0)))["hit"]
        await bench.delete(ctx, *handles)
        assert bench.judge.deleted_count == 0
        assert (await bench.add(ctx, Bundle((Key(5),))))[0] == AddResult.RESTORE_MODE
        assert (await bench.add(ctx, Bundle((Key(0),), handle=handles[0]))) == (AddResult.OK, handles[0])
        await bench.handshake(ctx, bench.dut.end_restores)
        # The flush kept the generations: whoever gets the other old index next is its second owner.
        others = [
            (await bench.add(ctx, Bundle((Key(10 + n),), is_outbound=True)))[1] for n in range(config.bundles - 1)
        ]
        assert handles[1] not in others
        assert handles[1] + (1 << config.index_bits) in others

    run(table, config, script)


def clocks_of_an_add(table: Any, config: EngineConfig) -> list[int]:
    """Offsets into the add of two keys: all its clocks, or one of each state where it takes long."""
    if table is hashed_table:
        return [*range(0, 100, 9), *range(100, 130, 3)]
    return [2, 300, 519, 520, 521, 522, 524] if config.prefers_block_ram else list(range(18))


@pytest.mark.parametrize("restores", [False, True], ids=["new", "restored"])
def test_flush_beats_a_waiting_add_and_deletes_meet_it(table: Any, config: EngineConfig, restores: bool) -> None:
    """At every clock of an add: it is answered before the flush and goes with it, or after it and was never there."""
    keys = (Key(1), Key(2, protocol=AH))
    other_count = min(2, config.bundles - 1)

    def background(bench: TableBench) -> list[Any]:
        async def ask(ctx: Any) -> None:
            await bench.ask_for_ever(ctx, "key", cycle(keys))

        async def retire(ctx: Any) -> None:
            await bench.retire_for_ever(ctx, "key", Random("retires"), longest=1)

        return [ask, retire]

    async def script(ctx: Any, bench: TableBench) -> None:
        dut, judge = bench.dut, bench.judge
        outcomes = set()
        for generation, delay in enumerate(clocks_of_an_add(table, config)):
            handles = [handle_of(config, index, generation) if restores else 0 for index in range(other_count + 1)]
            if not restores:
                await bench.handshake(ctx, dut.end_restores)
            others = [(await bench.add(ctx, Bundle((Key(3),), True, handle=one)))[1] for one in handles[1:]]
            victims = cycle([*others, handles[0]])
            begin = delay - generation % 5
            number = bench.offer_add(ctx, Bundle(keys, handle=handles[0]))
            clock, end = 0, delay + bench.dut.delete_latency + 4
            while clock < end or judge.is_flushing:
                ctx.set(dut.deletes.payload, {"handle": next(victims)})
                ctx.set(dut.deletes.valid, begin <= clock < end)
                ctx.set(dut.flushes.valid, clock >= delay and clock < end and not judge.is_flushing)
                await ctx.tick()
                clock += 1
                if judge.is_flushing and clock < end:
                    end = min(end, clock + 3)
            is_before = len(bench.add_results) > number
            result, _ = await bench.answer_of_add(ctx, number)
            assert result == (AddResult.OK if is_before or restores else AddResult.RESTORE_MODE), f"delay {delay}"
            assert judge.added_count == judge.deleted_count + judge.flushed_count + len(judge.live), f"delay {delay}"
            outcomes.add(is_before)
            await bench.flush(ctx)
        assert outcomes == {True, False}

    run(table, config, script, background=background, leaves_restore=False)


def test_an_end_of_restore_comes_after_an_add_that_began_before_it(table: Any, config: EngineConfig) -> None:
    """Also while the add waits for an older answer, and while it has not been looked at because of a sweep."""

    async def script(ctx: Any, bench: TableBench) -> None:
        dut = bench.dut
        for generation, delay in enumerate((1, 2, 3, 5, 9, 40)):
            old, new = handle_of(config, 0, 2 * generation), handle_of(config, 0, 2 * generation + 1)
            await bench.add(ctx, Bundle((Key(1),), handle=old))
            answer = await bench.lookup(ctx, "key", Key(1), retires=False)
            await bench.delete(ctx, old)
            number = bench.offer_add(ctx, Bundle((Key(2),), handle=new))
            await ctx.tick().repeat(delay)
            ctx.set(dut.end_restores.valid, 1)
            await ctx.tick().until(dut.add_is_waiting)
            await bench.retire(ctx, "key", answer["epoch"])
            await bench.handshake(ctx, dut.end_restores)
            assert await bench.answer_of_add(ctx, number) == (AddResult.OK, new)
            assert not ctx.get(dut.is_restoring)
            await bench.flush(ctx)

    run(table, config, script, leaves_restore=False)


def test_an_end_of_restore_before_an_add_goes_first(table: Any, config: EngineConfig) -> None:
    async def script(ctx: Any, bench: TableBench) -> None:
        await bench.add(ctx, Bundle((Key(1),), handle=handle_of(config, 0)))
        await bench.delete(ctx, handle_of(config, 0))
        # A sweep is under way.
        await bench.handshake(ctx, bench.dut.end_restores)
        assert (await bench.add(ctx, Bundle((Key(1),))))[0] == AddResult.OK

    run(table, config, script, leaves_restore=False)


def test_a_flush_enters_restore_mode_whatever_end_of_it_was_asked_for_before(table: Any, config: EngineConfig) -> None:
    async def script(ctx: Any, bench: TableBench) -> None:
        dut = bench.dut
        # One that waits for an add goes with the flush, the flush that waits for nothing.
        number = bench.offer_add(ctx, Bundle((Key(7),)))
        await ctx.tick().repeat(2)
        ctx.set(dut.end_restores.valid, 1)
        await ctx.tick().repeat(2)
        await bench.handshake(ctx, dut.flushes)
        ctx.set(dut.end_restores.valid, 0)
        await bench.end_of_flush(ctx)
        assert (await bench.answer_of_add(ctx, number))[0] == AddResult.RESTORE_MODE
        assert ctx.get(dut.is_restoring)
        # One that comes while the flush is under way ends the restore mode that it entered.
        await bench.handshake(ctx, dut.flushes)
        await bench.handshake(ctx, dut.end_restores)
        assert not bench.judge.is_flushing
        assert (await bench.add(ctx, Bundle((Key(7),))))[0] == AddResult.OK

    run(table, config, script)


def test_an_end_of_restore_before_ready_changes_nothing(table: Any, config: EngineConfig) -> None:
    dut = table(config)
    bench = TableBench(dut, config)

    async def main(ctx: Any) -> None:
        await bench.handshake(ctx, dut.end_restores)
        await bench.wait_ready(ctx)
        await ctx.tick().repeat(3)
        assert ctx.get(dut.is_restoring)

    simulate(dut, main, monitors=[bench])


def test_an_answer_that_stands_when_a_flush_comes_remains(table: Any, config: EngineConfig) -> None:
    async def script(ctx: Any, bench: TableBench) -> None:
        dut = bench.dut
        ctx.set(dut.add_answers.ready, 0)
        bench.offer_add(ctx, Bundle((Key(1),), sa_count=0))
        await ctx.tick().until(dut.add_answers.valid)
        ctx.set(dut.flushes.valid, 1)
        for _ in range(3):
            await ctx.tick()
            ctx.set(dut.flushes.valid, 0)
            assert ctx.get(dut.add_answers.valid)
        assert bench.judge.is_flushing
        ctx.set(dut.add_answers.ready, 1)
        await bench.end_of_flush(ctx)
        assert [one["result"] for one in bench.add_results] == [AddResult.UNSUPPORTED]

    run(table, config, script)


def test_restore(table: Any, config: EngineConfig) -> None:
    async def script(ctx: Any, bench: TableBench) -> None:
        async def restore(handle: int, key: Key, **more: Any) -> AddResult:
            return (await bench.add(ctx, Bundle((key,), handle=handle, **more)))[0]

        high = handle_of(config, config.bundles - 1, (1 << config.generation_bits) - 1)
        assert await restore(0, Key(1)) == AddResult.RESTORE_MODE
        assert await restore(0, Key(1), sa_count=0) == AddResult.UNSUPPORTED
        assert await restore(high & 0x7FFF_FFFF, Key(1)) == AddResult.BAD_HANDLE
        assert await restore(1 << 32 | high, Key(1)) == AddResult.BAD_HANDLE
        if config.bundles < 1 << config.index_bits:
            assert await restore(handle_of(config, config.bundles), Key(1)) == AddResult.BAD_HANDLE
        assert await restore(high, Key(1)) == AddResult.OK
        assert await restore(high, Key(1)) == AddResult.HANDLE_IN_USE, "told before the duplicate"
        assert await restore(high ^ 1 << config.index_bits, Key(2)) == AddResult.HANDLE_IN_USE
        assert await restore(handle_of(config, 0, 5), Key(1)) == AddResult.DUPLICATE
        assert await restore(handle_of(config, 0, 5), Key(2), is_outbound=True) == AddResult.OK
        assert (await bench.lookup(ctx, "key", Key(1)))["handle"] == high, "lookups work while restoring"
        assert (await bench.lookup(ctx, "handle", handle_of(config, 0, 5)))["hit"]
        await bench.delete(ctx, high)
        assert bench.judge.deleted_count == 1, "deletes too"
        assert await restore(handle_of(config, config.bundles - 1, 3), Key(1)) == AddResult.OK
        await bench.delete(ctx, handle_of(config, config.bundles - 1, 3), handle_of(config, 0, 5))
        await bench.handshake(ctx, bench.dut.end_restores)
        handles = [(await bench.add(ctx, Bundle((Key(n),), is_outbound=True)))[1] for n in range(config.bundles)]
        assert handle_of(config, config.bundles - 1, 4) in handles, "the next owner gets plus 1"
        assert handle_of(config, 0, 6) in handles

    run(table, config, script, leaves_restore=False)


def test_a_generation_wraps(table: Any) -> None:
    config = EngineConfig(name="wrap", bundles=2, keys=2, context_width=0)
    last = handle_of(config, 1, (1 << config.generation_bits) - 1)

    async def script(ctx: Any, bench: TableBench) -> None:
        await bench.add(ctx, Bundle((Key(1),), handle=last))
        await bench.delete(ctx, last)
        await bench.handshake(ctx, bench.dut.end_restores)
        handles = [(await bench.add(ctx, Bundle((Key(n),))))[1] for n in range(2)]
        assert handle_of(config, 1, 0) in handles

    run(table, config, script, leaves_restore=False)


def test_nothing_answers_before_ready(table: Any, config: EngineConfig) -> None:
    dut = table(config)
    bench = TableBench(dut, config)

    async def main(ctx: Any) -> None:
        ctx.set(dut.add_answers.ready, 1)
        assert (ctx.get(dut.is_ready), ctx.get(dut.is_restoring)) == (0, 1)
        assert (ctx.get(dut.key_requests.ready), ctx.get(dut.handle_requests.ready)) == (1, 1), "no reason to wait"
        assert (await bench.add(ctx, Bundle((Key(1),), handle=handle_of(config, 0))))[0] == AddResult.NOT_READY
        assert not ctx.get(dut.is_ready), "the scrub was longer than one add"
        assert not (await bench.lookup(ctx, "key", Key(1)))["hit"]
        await bench.wait_ready(ctx)
        entry_clocks = 259 if config.prefers_block_ram else 3
        assert bench.judge.clock <= entry_clocks * config.keys + 2 * config.bundles + 8

    simulate(dut, main, monitors=[bench])


@pytest.mark.parametrize("longest", [1, 40], ids=["prompt", "slow"])
@pytest.mark.parametrize("seed", seeds(3))
def test_random_traffic_at_full_lookup_load(table: Any, config: EngineConfig, seed: int, longest: int) -> None:
    """A lookup of each kind in every clock, adds, deletes, flushes and graces at random; nothing is ever wrong."""
    random = Random(f"{seed} {config.name} {longest}")
    spis = range(1, 2 + config.bundles)
    # Retires come one per clock, so the limit must leave room for as many as are held.
    config = replace(config, unretired_limit=max(64, 4 * longest))

    def questions(bench: TableBench, kind: str) -> Iterator[Key | int]:
        while True:
            if kind == "key":
                yield Key(random.choice(spis), random.choice((0, 0xC0000201, 0xC0000202)), 0, random.choice((0, 1)))
            else:
                yield random.choice([*bench.judge.live, 0, handle_of(config, random.randrange(config.bundles))])

    def background(bench: TableBench) -> list[Any]:
        def asker(kind: str) -> Any:
            async def ask(ctx: Any) -> None:
                await bench.ask_for_ever(ctx, kind, questions(bench, kind))

            return ask

        def retirer(kind: str) -> Any:
            async def retire(ctx: Any) -> None:
                await bench.retire_for_ever(ctx, kind, random, longest=longest)

            return retire

        return [make(kind) for kind in ("key", "handle") for make in (asker, retirer)]

    async def script(ctx: Any, bench: TableBench) -> None:
        known: list[int] = []
        grace_count = 0
        for _ in range(60):
            action = random.choices(("add", "delete", "grace", "flush"), (10, 8, 3, 0.3))[0]
            if action == "add":
                keys = random.sample(
                    [Key(spi, to, 0, protocol) for spi in spis for to in (0, 0xC0000201) for protocol in (0, 1)],
                    random.choice((1, 2)),
                )
                bundle = Bundle(tuple(keys), random.random() < 0.4, random.getrandbits(config.context_width))
                result, handle = await bench.add(ctx, bundle)
                assert result in (AddResult.OK, AddResult.DUPLICATE, AddResult.FULL)
                if result == AddResult.OK:
                    known.append(handle)
            elif action == "delete" and known:
                await bench.delete(ctx, *random.choices(known[-2 * config.bundles :], k=random.randint(1, 3)))
            elif action == "grace":
                await bench.grace(ctx)
                grace_count += 1
                while bench.graces_answered < grace_count - 2:
                    await ctx.tick()
            elif action == "flush":
                await bench.flush(ctx)
                await bench.handshake(ctx, bench.dut.end_restores)
        deadline = bench.judge.clock + 2000
        while bench.graces_answered < grace_count:
            await ctx.tick()
            assert bench.judge.clock < deadline
        judge = bench.judge
        assert judge.added_count == judge.deleted_count + judge.flushed_count + len(judge.live), f"seed {seed}"
        assert judge.hit_count > judge.answer_count // 50, "the traffic hits now and then"

    run(table, config, script, background=background)
