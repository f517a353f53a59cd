"""The control room and its commands: doorbells, completions, aborts and flushes; the test plays the walker."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from tests.unit.control_bench import (
    ACCEPTED,
    COMPLETION_REGISTERS,
    DELETE,
    FLUSH,
    SMALL,
    TINY,
    WALK,
    Bed,
)
from tests.unit.streams import Probe, receive, seeds, send, simulate

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import Status
from saoffload.host.register_map import (
    DoorbellResult,
    InterruptStatusFields,
    Register,
)

pytestmark = pytest.mark.usefixtures("wild_memories")


def test_commands_are_refused_until_ready() -> None:
    bed = Bed()

    async def bench(ctx: Any) -> None:
        assert await bed.read(ctx, Register.DOORBELL_RESULT) == DoorbellResult.NONE
        await bed.stage(ctx, tag=1)
        for doorbell in (WALK, DELETE, FLUSH):
            assert await bed.ring(ctx, doorbell) == DoorbellResult.NOT_READY
        assert await bed.counter(ctx, Register.REFUSED_DOORBELLS_LOW) == 3
        assert await bed.status(ctx) == {"QUIESCED", "TABLE_LOST"}
        ctx.set(bed.dut.is_ready, 1)
        word = await bed.read(ctx, Register.INTERRUPT_STATUS)
        assert InterruptStatusFields.READY.get(word)
        assert await bed.ring(ctx, WALK) == ACCEPTED

    bed.run(bench, is_ready=0)


@pytest.mark.parametrize("config", [TINY, SMALL], ids=lambda config: config.name)
def test_a_command_and_its_completion(config: EngineConfig) -> None:
    bed = Bed(config)

    async def bench(ctx: Any) -> None:
        dut = bed.dut
        await bed.stage(ctx, tag=0xCAFE_F00D, head=0x1234_5678_9ABC_DEF0, budget=99)
        assert await bed.ring(ctx, WALK | 0x100) == ACCEPTED
        assert "QUIESCED" not in await bed.status(ctx)
        assert await receive(ctx, dut.commands) == {
            "opcode": dut.commands.payload.opcode.shape()(WALK),
            "abi": dut.commands.payload.abi.shape()(1),
            "tag": 0xCAFE_F00D,
            "head": 0x1234_5678_9ABC_DEF0,
            "budget": 99,
        }
        for register in (Register.COMPLETION_STATUS, *COMPLETION_REGISTERS):
            assert await bed.read(ctx, register) == 0
        await bed.pop(ctx)
        fault = 0xFEDC_BA98_7654_3210
        await bed.finish(ctx, 0xCAFE_F00D, Status.LOOP, visited=9, deleted=4, not_found=5, fault_address=fault)
        await ctx.tick().repeat(10)
        expected = (Status.LOOP.value, 0xCAFE_F00D, 9, 4, 5, fault)
        assert [await bed.completion(ctx) for _ in range(3)] == [expected] * 3
        assert await bed.status(ctx) == {"READY", "QUIESCED", "TABLE_LOST", "COMPLETION_VALID"}
        await bed.pop(ctx)
        assert await bed.completion(ctx) is None
        assert await bed.counter(ctx, Register.COMPLETIONS_LOW) == 1

    bed.run(bench)


def test_a_full_completion_queue_holds_walks_back_and_loses_nothing() -> None:
    bed = Bed()
    accepted: list[int] = []

    async def bench(ctx: Any) -> None:
        refused_count = 0
        for tag in range(12):
            await bed.stage(ctx, tag=tag, budget=tag)
            result = await bed.ring(ctx, WALK)
            accepted.extend([tag] if result == ACCEPTED else [])
            if result != ACCEPTED:
                assert result == DoorbellResult.QUEUE_FULL
                assert "COMMAND_QUEUE_FULL" in await bed.status(ctx)
                refused_count += 1
            await ctx.tick().repeat(20)
        # As many as there are places for completions are done, as many as the queue holds wait.
        assert accepted == list(range(TINY.completion_depth + TINY.command_depth))
        assert len(bed.monitors["commands"].transfers) == TINY.completion_depth
        assert await bed.counter(ctx, Register.REFUSED_DOORBELLS_LOW) == refused_count
        await bed.write(ctx, Register.COMMAND_TAG, 77)
        assert await bed.ring(ctx, FLUSH) == DoorbellResult.FLUSH_BUSY, "no place for its completion"
        for tag in accepted:
            assert await bed.completion(ctx) == (0, tag, tag, tag, 0, 0)
            await bed.pop(ctx)
            await ctx.tick().repeat(25)
        assert await bed.completion(ctx) is None
        assert await bed.status(ctx) == {"READY", "QUIESCED", "TABLE_LOST"}

    simulate_with_walker(bed, bench)


def simulate_with_walker(bed: Bed, *benches: Any) -> None:
    """A run in which the walker is ``take_and_finish``."""

    async def prepare(ctx: Any) -> None:
        ctx.set(bed.dut.is_ready, 1)

    monitors = [*bed.monitors.values(), bed.irq]
    simulate(bed.dut, prepare, *benches, monitors=monitors, background=[bed.grant, bed.take_and_finish])


def test_no_completion_before_its_grace_period() -> None:
    bed = Bed()
    bed.grace_clocks = None

    async def bench(ctx: Any) -> None:
        await bed.stage(ctx, tag=5, budget=1)
        assert await bed.ring(ctx, WALK) == ACCEPTED
        await ctx.tick().repeat(40)
        assert await bed.completion(ctx) is None
        assert "QUIESCED" not in await bed.status(ctx)
        bed.grace_clocks = 0
        await ctx.tick().repeat(4)
        assert await bed.completion(ctx) == (0, 5, 1, 1, 0, 0)

    simulate_with_walker(bed, bench)


@pytest.mark.parametrize("seed", seeds(2))
def test_random_commands(seed: int) -> None:
    """Exactly one completion for each accepted command, under a slow table and a slow host."""
    bed = Bed()
    random = Random(seed)
    accepted: list[int] = []
    completed: list[int] = []

    async def take_flushes(ctx: Any) -> None:
        while True:
            await receive(ctx, bed.dut.flushes, stalls=iter_stalls(random))
            await ctx.tick().repeat(random.randrange(1, 40))
            await send(ctx, bed.dut.flush_answers, {"deleted": 3})

    async def bench(ctx: Any) -> None:
        for number in range(30):
            bed.grace_clocks = random.choice((0, 1, 30))
            await bed.stage(ctx, tag=number)
            if await bed.ring(ctx, random.choice((WALK, DELETE, FLUSH))) == ACCEPTED:
                accepted.append(number)
            for _ in range(random.choice((0, 0, 1, 3))):
                await collect(ctx)
        while len(completed) < len(accepted):
            await collect(ctx)
        assert await bed.completion(ctx) is None

    async def collect(ctx: Any) -> None:
        completion = await bed.completion(ctx)
        if completion is not None:
            completed.append(completion[1])
            await bed.pop(ctx)

    async def prepare(ctx: Any) -> None:
        ctx.set(bed.dut.is_ready, 1)

    simulate(
        bed.dut,
        prepare,
        bench,
        monitors=bed.monitors.values(),
        background=[bed.grant, bed.take_and_finish, take_flushes],
        deadline=60_000,
    )
    assert sorted(completed) == accepted, f"seed {seed}"
    assert len(accepted) > 10, f"seed {seed} tests little"


def iter_stalls(random: Random) -> Iterator[bool]:
    while True:
        yield random.random() < 0.5


# Abort, flush


async def answer_aborts(ctx: Any, dut: Any, delay: int) -> None:
    """The walker's side of an abort: it is done so many clocks later, in the clock of the next one at the latest."""
    clocks = deque([0] * delay)
    while True:
        _, _, do_abort = await ctx.tick().sample(dut.do_abort)
        clocks.append(do_abort)
        ctx.set(dut.abort_is_done, clocks[1])
        clocks.popleft()


@pytest.mark.parametrize("delay", [1, 3])
def test_abort_reaches_queue_and_walker_and_counts_what_is_unknown(delay: int) -> None:
    bed = Bed(replace(TINY, command_depth=4))
    aborts = Probe(bed.dut.do_abort)

    async def bench(ctx: Any) -> None:
        dut = bed.dut
        for tag in (1, 2, 1):
            await bed.stage(ctx, tag=tag)
            assert await bed.ring(ctx, WALK) == ACCEPTED
        await bed.write(ctx, Register.ABORT, 1)
        assert await bed.counter(ctx, Register.UNKNOWN_ABORTS_LOW) == 0
        marks = []
        for _ in range(3):
            marks.append(ctx.get(dut.command_is_aborted))
            await receive(ctx, dut.commands)
            await ctx.tick().repeat(2)
        assert marks == [1, 0, 1]
        await bed.write(ctx, Register.ABORT, 2)
        for _ in range(delay):
            await ctx.tick()
        assert await bed.counter(ctx, Register.UNKNOWN_ABORTS_LOW) == 1
        ctx.set(dut.abort_matches, 1)
        await bed.write(ctx, Register.ABORT, 2)
        for _ in range(delay):
            await ctx.tick()
        assert await bed.counter(ctx, Register.UNKNOWN_ABORTS_LOW) == 1

    async def watch(ctx: Any) -> None:
        async for _, _, do_abort, tag in ctx.tick().sample(bed.dut.do_abort, bed.dut.abort_tag):
            if do_abort:
                tags.append(tag)

    async def answer(ctx: Any) -> None:
        await answer_aborts(ctx, bed.dut, delay)

    tags: list[int] = []

    async def prepare(ctx: Any) -> None:
        ctx.set(bed.dut.is_ready, 1)

    simulate(bed.dut, prepare, bench, monitors=[*bed.monitors.values(), aborts], background=[bed.grant, watch, answer])
    assert tags == [1, 2, 2]
    assert len(aborts.high_clocks) == 3


@pytest.mark.parametrize("delay", [1, 5])
def test_unknown_aborts_are_told_from_known_ones_at_full_speed(delay: int) -> None:
    """What came of an abort may be known in the clock of the next one: it is counted for the right one."""
    bed = Bed()

    async def answer(ctx: Any) -> None:
        await answer_aborts(ctx, bed.dut, delay)

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.is_ready, 1)
        await bed.stage(ctx, tag=5)
        assert await bed.ring(ctx, WALK) == ACCEPTED
        await bed.write_at_full_speed(ctx, [(Register.ABORT, tag) for tag in (7, 5, 8, 5)])
        await ctx.tick().repeat(12)
        ctx.set(bed.dut.axi.bready, 0)
        assert await bed.counter(ctx, Register.UNKNOWN_ABORTS_LOW) == 2

    aborts = Probe(bed.dut.do_abort)
    simulate(bed.dut, bench, monitors=[*bed.monitors.values(), aborts], background=[bed.grant, answer])
    first, *others = aborts.high_clocks
    assert [clock - first for clock in others] == [5, 10, 15]


@pytest.mark.parametrize("delay", [1, 3])
def test_aborts_among_writes_at_full_speed(delay: int) -> None:
    """An abort looks for its tag for some clocks: the next writes, as fast as the bus takes them, must not matter."""
    bed = Bed()
    tags: list[int] = []
    aborts = (Register.ABORT, 5), (Register.COMMAND_TAG, 6), (Register.ABORT, 7), (Register.COMMAND_TAG, 5)
    rings = (Register.COMMAND_HEAD_LOW, 0), (Register.COMMAND_HEAD_HIGH, 0), (Register.DOORBELL, DELETE)

    async def watch(ctx: Any) -> None:
        async for _, _, do_abort, tag in ctx.tick().sample(bed.dut.do_abort, bed.dut.abort_tag):
            if do_abort:
                tags.append(tag)

    async def answer(ctx: Any) -> None:
        await answer_aborts(ctx, bed.dut, delay)

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.is_ready, 1)
        await bed.stage(ctx, tag=5)
        assert await bed.ring(ctx, WALK) == ACCEPTED
        await bed.write_at_full_speed(ctx, [*aborts, *rings])
        await ctx.tick().repeat(8)
        for is_aborted in (1, 0):
            assert ctx.get(bed.dut.command_is_aborted) == is_aborted
            assert (await receive(ctx, bed.dut.commands))["tag"] == 5
            await ctx.tick().repeat(3)
        ctx.set(bed.dut.axi.bready, 0)
        assert await bed.counter(ctx, Register.UNKNOWN_ABORTS_LOW) == 1

    simulate(bed.dut, bench, monitors=bed.monitors.values(), background=[bed.grant, watch, answer])
    assert tags == [5, 7]


def test_flush_reaches_the_table_before_its_write_is_answered() -> None:
    bed = Bed()
    answers = Probe(bed.dut.axi.bvalid & bed.dut.axi.bready)

    async def bench(ctx: Any) -> None:
        dut = bed.dut
        # Walks that wait do not hold a flush back.
        for tag in (1, 2):
            await bed.stage(ctx, tag=tag)
            assert await bed.ring(ctx, WALK) == ACCEPTED
        ctx.set(dut.flushes.ready, 1)
        await bed.write(ctx, Register.COMMAND_TAG, 0xF1)
        await bed.write(ctx, Register.DOORBELL, FLUSH)
        assert bed.monitors["flushes"].clocks[0] < answers.high_clocks[-1]
        assert await bed.read(ctx, Register.DOORBELL_RESULT) == ACCEPTED
        ctx.set(dut.flushes.ready, 0)
        await bed.write(ctx, Register.COMMAND_TAG, 0xF2)
        assert await bed.ring(ctx, FLUSH) == DoorbellResult.FLUSH_BUSY
        assert {"FLUSH_ACTIVE"} <= await bed.status(ctx)
        await send(ctx, dut.flush_answers, {"deleted": 6})
        await ctx.tick().repeat(12)
        assert await bed.completion(ctx) == (0, 0xF1, 6, 6, 0, 0)
        assert "FLUSH_ACTIVE" not in await bed.status(ctx)
        # A flush that the table does not take at once waits, and is not lost.
        assert await bed.ring(ctx, FLUSH) == ACCEPTED
        await bed.write(ctx, Register.COMMAND_TAG, 0xF3)
        await ctx.tick().repeat(5)
        await receive(ctx, dut.flushes)
        await send(ctx, dut.flush_answers, {"deleted": 0})
        await ctx.tick().repeat(12)
        await bed.pop(ctx)
        assert await bed.completion(ctx) == (0, 0xF2, 0, 0, 0, 0)

    bed.run(bench, monitors=[answers])
    assert len(bed.monitors["flushes"].transfers) == 2
