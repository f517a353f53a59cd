"""A reset by register: what it waits for, what it resets, and what it leaves alone."""

from random import Random
from typing import Any

import pytest
from amaranth.hdl import Module
from tests.unit.control_bench import ACCEPTED, TINY, WALK, Bed
from tests.unit.streams import seeds, simulate
from tests.unit.test_control_commands import answer_aborts

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.soft_reset import ResetCopy, SoftReset
from saoffload.hdl.table import retire_watch
from saoffload.hdl.table.drain import EpochDrain
from saoffload.hdl.table.retire_watch import RetireWatch
from saoffload.host.register_map import DoorbellResult, InterruptStatusFields, Register

CONFIG = EngineConfig(name="drain", bundles=4, keys=4, unretired_limit=8)


@pytest.mark.parametrize("seed", seeds(2))
def test_it_waits_for_every_read_that_somebody_waits_for(seed: int) -> None:
    """A bus that takes addresses when it likes, and reads that take their time: none begins once a reset was asked for,
    an address that was seen is never taken back, and the reset comes when all is answered.
    """
    random = Random(f"soft reset {seed}")
    dut = SoftReset()
    copy = ResetCopy()
    m = Module()
    m.submodules.dut, m.submodules.copy = dut, copy
    m.d.comb += copy.will_reset.eq(dut.will_reset)
    resets = []

    async def bench(ctx: Any) -> None:
        outstanding, was_awaited, is_offered, wants = 0, False, False, False
        requested, waited = False, 0
        for clock in range(4000):
            # What stands in this clock: the walker asks, the gate lets it through, the bus may take it.
            wants = wants or random.random() < 0.4
            offers = is_offered or (wants and ctx.get(dut.may_read))
            takes = offers and random.random() < 0.5
            if is_offered:
                assert ctx.get(dut.may_read), f"seed {seed}, clock {clock}: an address was taken back"
            ends = outstanding > 0 and random.random() < 0.2
            ctx.set(dut.is_offered, offers and not takes)
            ctx.set(dut.is_awaited, was_awaited)
            asks = not requested and random.random() < 0.02
            ctx.set(dut.do_request, asks)
            assert ctx.get(dut.is_pending) == requested
            assert ctx.get(copy.do_reset) == ctx.get(dut.do_reset)
            if ctx.get(dut.do_reset):
                assert requested
                assert not offers, f"seed {seed}, clock {clock}: reset with an address on offer"
                assert outstanding == 0, f"seed {seed}, clock {clock}: reset with a read outstanding"
                resets.append(clock)
                requested, wants = False, False
            elif requested:
                waited += 1
                assert waited < 500, f"seed {seed}: no reset"
            requested, waited = requested or asks, 0 if asks else waited
            was_awaited = offers or outstanding > 0
            outstanding += takes - ends
            is_offered = offers and not takes
            wants = wants and not takes
            await ctx.tick()

    simulate(m, bench)
    assert len(resets) > 20, f"seed {seed} tests little"


def test_the_room_begins_anew_and_refuses_meanwhile() -> None:
    bed = Bed(TINY)

    async def bench(ctx: Any) -> None:
        dut = bed.dut
        ctx.set(dut.is_ready, 1)
        await bed.write(ctx, Register.INTERRUPT_STATUS, 0xFFFF_FFFF)
        await bed.write(ctx, Register.INTERRUPT_ENABLE, InterruptStatusFields.REFUSED.mask)
        await bed.write(ctx, Register.TIMEOUT, 77)
        await bed.stage(ctx, tag=1)
        assert await bed.ring(ctx, WALK) == ACCEPTED
        assert "QUIESCED" not in await bed.status(ctx)

        ctx.set(dut.is_pending, 1)
        assert {"RESETTING"} <= await bed.status(ctx)
        assert "READY" not in await bed.status(ctx)
        await bed.stage(ctx, tag=2)
        assert await bed.ring(ctx, WALK) == DoorbellResult.NOT_READY
        assert ctx.get(dut.timeout) == 77

        ctx.set(dut.do_reset, 1)
        await ctx.tick()
        ctx.set(dut.do_reset, 0)
        ctx.set(dut.is_pending, 0)
        assert await bed.status(ctx) == {"READY", "QUIESCED", "TABLE_LOST"}
        assert await bed.read(ctx, Register.INTERRUPT_STATUS) == InterruptStatusFields.TABLE_LOST.mask
        assert await bed.read(ctx, Register.INTERRUPT_ENABLE) == await bed.read(ctx, Register.TIMEOUT) == 0
        assert ctx.get(dut.timeout) == 0
        assert await bed.read(ctx, Register.DOORBELL_RESULT) == DoorbellResult.NONE
        assert not ctx.get(dut.commands.valid), "a command of before"

    simulate(bed.dut, bench, background=[bed.grant])


@pytest.mark.parametrize("clock", range(8))
def test_a_refusal_in_any_clock_of_a_reset_is_of_before_or_behind_it(clock: int) -> None:
    """What is forgotten of a doorbell is forgotten everywhere: its result, its interrupt and its count."""
    bed = Bed()

    async def reset(ctx: Any) -> None:
        await ctx.tick().repeat(30 + clock)
        ctx.set(bed.dut.do_reset, 1)
        await ctx.tick()
        ctx.set(bed.dut.do_reset, 0)

    async def bench(ctx: Any) -> None:
        await ctx.tick().repeat(28)
        await bed.write(ctx, Register.DOORBELL, WALK)
        await ctx.tick().repeat(60)
        is_behind = await bed.read(ctx, Register.DOORBELL_RESULT) != DoorbellResult.NONE
        interrupts = await bed.read(ctx, Register.INTERRUPT_STATUS)
        assert bool(interrupts & InterruptStatusFields.REFUSED.mask) == is_behind
        assert await bed.counter(ctx, Register.REFUSED_DOORBELLS_LOW) == is_behind

    simulate(bed.dut, bench, reset, background=[bed.grant])


@pytest.mark.parametrize("clock", range(0, 12, 2))
def test_an_access_in_any_clock_of_a_reset_is_answered(clock: int) -> None:
    bed = Bed(TINY)

    async def reset(ctx: Any) -> None:
        await ctx.tick().repeat(30 + clock)
        ctx.set(bed.dut.do_reset, 1)
        await ctx.tick()
        ctx.set(bed.dut.do_reset, 0)

    async def bench(ctx: Any) -> None:
        await ctx.tick().repeat(28)
        for _ in range(4):
            assert await bed.read(ctx, Register.ID) == 0x53414F46
            await bed.write(ctx, Register.TIMEOUT, 5)
        assert await bed.read(ctx, Register.TIMEOUT) == 5

    simulate(bed.dut, bench, reset, background=[bed.grant])


@pytest.mark.parametrize("word", [0, 2, 0xFFFF_FFFE])
def test_only_bit_0_asks_for_a_reset(word: int) -> None:
    bed = Bed(TINY)
    asked: list[int] = []

    async def watch(ctx: Any) -> None:
        async for _, _, do_request in ctx.tick().sample(bed.dut.do_request):
            asked.append(do_request)

    async def bench(ctx: Any) -> None:
        await bed.write(ctx, Register.RESET, word)
        assert sum(asked) == 0
        await bed.write(ctx, Register.RESET, 1)
        assert sum(asked) == 1

    simulate(bed.dut, bench, background=[bed.grant, watch])


def test_an_abort_of_all_reaches_the_queue_and_the_walker_and_is_never_unknown() -> None:
    bed = Bed(TINY)
    seen: list[tuple[int, int]] = []

    async def watch(ctx: Any) -> None:
        async for _, _, do_abort, is_all in ctx.tick().sample(bed.dut.do_abort, bed.dut.abort_is_all):
            if do_abort:
                seen.append((do_abort, is_all))

    async def answer(ctx: Any) -> None:
        await answer_aborts(ctx, bed.dut, 1)

    async def bench(ctx: Any) -> None:
        dut = bed.dut
        ctx.set(dut.is_ready, 1)
        await bed.write(ctx, Register.ABORT_ALL, 0)
        for tag in (1, 2):
            await bed.stage(ctx, tag=tag)
            assert await bed.ring(ctx, WALK) == ACCEPTED
        assert not ctx.get(dut.command_is_aborted), "an abort of before"
        await bed.write(ctx, Register.ABORT_ALL, 0)
        for _ in range(2):
            await ctx.tick().until(dut.commands.valid)
            assert ctx.get(dut.command_is_aborted)
            ctx.set(dut.commands.ready, 1)
            await ctx.tick()
            ctx.set(dut.commands.ready, 0)
        assert await bed.counter(ctx, Register.UNKNOWN_ABORTS_LOW) == 0
        await bed.write(ctx, Register.ABORT, 9)
        await ctx.tick().repeat(8)
        assert await bed.counter(ctx, Register.UNKNOWN_ABORTS_LOW) == 1

    simulate(bed.dut, bench, background=[bed.grant, watch, answer])
    assert seen == [(1, 1), (1, 1), (1, 0)]


def test_what_was_asked_for_is_forgotten_and_what_was_answered_is_not() -> None:
    dut = EpochDrain(CONFIG, depths=(4, 1))
    granted: list[int] = []

    async def watch(ctx: Any) -> None:
        clock = 0
        async for _, _, first, second in ctx.tick().sample(*(answer.valid for answer in dut.grace_answers)):
            if first or second:
                granted.append(clock)
            clock += 1

    async def strobe(ctx: Any, signal: Any) -> None:
        ctx.set(signal, 1)
        await ctx.tick()
        ctx.set(signal, 0)

    async def bench(ctx: Any) -> None:
        epoch = ctx.get(dut.epoch)
        await strobe(ctx, dut.did_answer[0])
        for requester in range(2):
            await strobe(ctx, dut.graces[requester].valid)
        await ctx.tick().repeat(4)
        assert ctx.get(dut.retire_is_due)
        await strobe(ctx, dut.do_forget)
        await ctx.tick().repeat(4)
        # One more asks after it: it waits for the answer of before.
        await strobe(ctx, dut.graces[0].valid)
        await ctx.tick().repeat(10)
        assert granted == []
        ctx.set(dut.retires[0].payload.epoch, epoch)
        await strobe(ctx, dut.retires[0].valid)
        await ctx.tick().repeat(12)
        assert len(granted) == 1
        assert not ctx.get(dut.retire_is_due)

    simulate(dut, bench, background=[watch])


def test_the_age_counts_stops_and_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retire_watch, "AGE_BITS", 6)
    monkeypatch.setattr(retire_watch, "LATE_CLOCKS", 20)
    dut = RetireWatch()
    late: list[int] = []

    async def watch(ctx: Any) -> None:
        async for _, _, is_late in ctx.tick().sample(dut.is_late):
            late.append(is_late)

    async def bench(ctx: Any) -> None:
        ctx.set(dut.is_due, 1)
        await ctx.tick().repeat(2)
        ages = []
        for _ in range(100):
            ages.append(ctx.get(dut.age))
            await ctx.tick()
        assert ages == [min(clock + 1, 63) for clock in range(100)]
        assert sum(late) == 1
        # The next epoch is as late as it is itself.
        ctx.set(dut.is_new, 1)
        await ctx.tick()
        ctx.set(dut.is_new, 0)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.age) == 1
        await ctx.tick().repeat(30)
        assert sum(late) == 2
        ctx.set(dut.is_due, 0)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.age) == 0

    simulate(dut, bench, background=[watch])
