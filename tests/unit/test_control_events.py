"""The control room's interrupts and event counters."""

from typing import Any

import pytest
from tests.unit.control_bench import ACCEPTED, SMALL, TINY, WALK, Bed
from tests.unit.streams import receive

from saoffload.hdl.config import EngineConfig
from saoffload.host.register_map import (
    InterruptStatusFields,
    Register,
)

pytestmark = pytest.mark.usefixtures("wild_memories")


def test_interrupts() -> None:
    bed = Bed()

    async def bench(ctx: Any) -> None:
        dut = bed.dut
        fields = InterruptStatusFields
        # After reset the table is lost, and says so once it is asked.
        assert await bed.read(ctx, Register.INTERRUPT_STATUS) == fields.TABLE_LOST.mask | fields.READY.mask
        assert not ctx.get(dut.irq)
        await bed.write(ctx, Register.INTERRUPT_ENABLE, fields.TABLE_LOST.mask | fields.COMPLETION.mask)
        assert ctx.get(dut.irq)
        await bed.write(ctx, Register.INTERRUPT_STATUS, 0x1F & ~fields.TABLE_LOST.mask)
        assert ctx.get(dut.irq)
        await bed.write(ctx, Register.INTERRUPT_STATUS, fields.TABLE_LOST.mask)
        assert not ctx.get(dut.irq)
        assert "TABLE_LOST" not in await bed.status(ctx)
        # What is not enabled is kept, but does not interrupt.
        await bed.ring(ctx, 7)
        assert await bed.read(ctx, Register.INTERRUPT_STATUS) == fields.REFUSED.mask
        assert not ctx.get(dut.irq)
        ctx.set(dut.table_is_damaged, 1)
        await ctx.tick()
        ctx.set(dut.table_is_damaged, 0)
        assert fields.TABLE_LOST.get(await bed.read(ctx, Register.INTERRUPT_STATUS))
        assert ctx.get(dut.irq)

    bed.run(bench)


@pytest.mark.parametrize("delay", range(12))
def test_an_event_in_the_clock_of_its_clearing_stays(delay: int) -> None:
    """A strobe at every clock around the clearing: whether it came before or not, it is never lost after it."""
    bed = Bed()
    writes: list[int] = []

    async def strobe(ctx: Any) -> None:
        for _ in range(delay):
            await ctx.tick()
        ctx.set(bed.dut.table_is_damaged, 1)
        await ctx.tick()
        ctx.set(bed.dut.table_is_damaged, 0)

    async def bench(ctx: Any) -> None:
        await bed.write(ctx, Register.INTERRUPT_STATUS, InterruptStatusFields.TABLE_LOST.mask)
        await ctx.tick().repeat(12)
        writes.append(InterruptStatusFields.TABLE_LOST.get(await bed.read(ctx, Register.INTERRUPT_STATUS)))

    bed.run(bench, strobe)
    # The write reaches the registers in clock 2.
    assert writes == [int(delay >= 2)]


def test_one_interrupt_for_each_completion() -> None:
    bed = Bed()
    mask = InterruptStatusFields.COMPLETION.mask

    async def bench(ctx: Any) -> None:
        for tag in range(3):
            await bed.stage(ctx, tag=tag)
            await bed.write(ctx, Register.INTERRUPT_STATUS, 0x1F)
            assert await bed.ring(ctx, WALK) == ACCEPTED
            await receive(ctx, bed.dut.commands)
            assert not await bed.read(ctx, Register.INTERRUPT_STATUS) & mask
            await bed.finish(ctx, tag)
            await ctx.tick().repeat(10)
            assert await bed.read(ctx, Register.INTERRUPT_STATUS) & mask
            await bed.write(ctx, Register.INTERRUPT_STATUS, mask)
            assert not await bed.read(ctx, Register.INTERRUPT_STATUS) & mask, "set twice"

    bed.run(bench)


EVENTS = {
    "key_lookup": Register.KEY_LOOKUPS_LOW,
    "key_hit": Register.KEY_HITS_LOW,
    "key_wait": Register.KEY_WAITS_LOW,
    "handle_lookup": Register.HANDLE_LOOKUPS_LOW,
    "handle_hit": Register.HANDLE_HITS_LOW,
    "handle_wait": Register.HANDLE_WAITS_LOW,
    "visited_node": Register.VISITED_NODES_LOW,
    "handle_deleted": Register.DELETED_HANDLES_LOW,
    "handle_not_found": Register.NOT_FOUND_HANDLES_LOW,
    "unknown_beat": Register.UNKNOWN_BEATS_LOW,
    "bad_retire": Register.BAD_RETIRES_LOW,
}


@pytest.mark.parametrize("config", [TINY, SMALL], ids=lambda config: config.name)
def test_each_event_has_its_counter(config: EngineConfig) -> None:
    bed = Bed(config)

    async def bench(ctx: Any) -> None:
        await ctx.tick().repeat(40)
        for number, port in enumerate(EVENTS, start=1):
            ctx.set(getattr(bed.dut, port), 1)
            await ctx.tick().repeat(number)
            ctx.set(getattr(bed.dut, port), 0)
        for number, register in enumerate(EVENTS.values(), start=1):
            assert await bed.counter(ctx, register) == number, register.name

    bed.run(bench)


def test_bad_retires_of_both_kinds_in_one_clock_are_two() -> None:
    bed = Bed()

    async def bench(ctx: Any) -> None:
        await ctx.tick().repeat(40)
        for kinds in (0b11, 0b10, 0b01, 0b11):
            ctx.set(bed.dut.bad_retire, kinds)
            await ctx.tick()
        ctx.set(bed.dut.bad_retire, 0)
        assert await bed.counter(ctx, Register.BAD_RETIRES_LOW) == 6

    bed.run(bench)
