"""The control room and host memory windows: what is staged, committed and refused."""

from typing import Any

import pytest
from tests.unit.control_bench import ACCEPTED, SMALL, TINY, WALK, Bed
from tests.unit.streams import receive, send

from saoffload.host.register_map import (
    Register,
    WindowStatusFields,
)

pytestmark = pytest.mark.usefixtures("wild_memories")


async def commit(bed: Bed, ctx: Any, index: int, words: list[int]) -> None:
    for offset, word in enumerate(words):
        await bed.write(ctx, Register.WINDOW_BASE_LOW + 4 * offset, word)
    await bed.write(ctx, Register.WINDOW_COMMIT, index)


async def window_status(bed: Bed, ctx: Any) -> tuple[int, int]:
    word = await bed.read(ctx, Register.WINDOW_STATUS)
    return WindowStatusFields.BUSY.get(word), WindowStatusFields.REFUSED.get(word)


def test_window_writes() -> None:
    bed = Bed(SMALL)
    words = [0x1111_0000, 0x11, 0x2222_0000, 0x22, 0x3333_0000, 0x33]
    expected = {"index": 3, "base": 0x11_1111_0000, "size": 0x22_2222_0000, "bus_base": 0x33_3333_0000}

    async def bench(ctx: Any) -> None:
        dut = bed.dut
        await commit(bed, ctx, 3, words)
        assert await window_status(bed, ctx) == (1, 0)
        assert not ctx.get(dut.window_is_locked)
        # Everything that comes while it is under way is refused; the offer stands.
        await bed.write(ctx, Register.WINDOW_SIZE_LOW, 0xBAD)
        await bed.write(ctx, Register.WINDOW_COMMIT, 1)
        assert await bed.counter(ctx, Register.REFUSED_WINDOWS_LOW) == 2
        # A command that is accepted meanwhile is not offered.
        await bed.stage(ctx, tag=1)
        assert await bed.ring(ctx, WALK) == ACCEPTED
        assert await receive(ctx, dut.window_writes) == expected
        await ctx.tick().repeat(5)
        assert not ctx.get(dut.commands.valid)
        await send(ctx, dut.window_write_answers, {"refused": 0})
        assert await window_status(bed, ctx) == (0, 0)
        await receive(ctx, dut.commands)
        # Now a command is active: the window table is told to refuse.
        await bed.write(ctx, Register.WINDOW_COMMIT, 3)
        assert await receive(ctx, dut.window_writes) == expected, "staged words keep their values"
        assert ctx.get(dut.window_is_locked)
        await send(ctx, dut.window_write_answers, {"refused": 1})
        assert await window_status(bed, ctx) == (0, 1)
        for index in (SMALL.windows, 1 << 31, 0x103):
            await bed.write(ctx, Register.WINDOW_COMMIT, index)
            assert await window_status(bed, ctx) == (0, 1)
        assert await bed.counter(ctx, Register.REFUSED_WINDOWS_LOW) == 6
        await bed.finish(ctx, 1)
        await ctx.tick().repeat(12)
        await bed.write(ctx, Register.WINDOW_COMMIT, 0)
        assert not ctx.get(dut.window_is_locked)
        assert await receive(ctx, dut.window_writes) == {**expected, "index": 0}
        await send(ctx, dut.window_write_answers, {"refused": 0})
        assert await window_status(bed, ctx) == (0, 0)

    bed.run(bench)


def test_window_index_of_a_preset_with_one_window() -> None:
    bed = Bed()

    async def bench(ctx: Any) -> None:
        await bed.write(ctx, Register.WINDOW_COMMIT, 1)
        assert await window_status(bed, ctx) == (0, 1)
        await bed.write(ctx, Register.WINDOW_COMMIT, 0)
        assert (await window_status(bed, ctx))[0]
        payload = await receive(ctx, bed.dut.window_writes)
        assert payload == {"index": 0, "base": 0, "size": 0, "bus_base": 0}

    bed.run(bench)


def test_upper_window_words_of_a_narrow_bus() -> None:
    """Bits far above the bus address are not kept one by one, but whether the window ends above the bus is exact."""
    bed = Bed()
    high_words = (0, 1, 2, 3, 4, 0x8000_0000, 0xFFFF_FFFF)
    limit = 1 << TINY.address_width

    async def bench(ctx: Any) -> None:
        for size_high in high_words:
            for bus_high in high_words:
                for size_low, bus_low in ((0, 0), (8, 0xFFFF_F000), (0x1000, 0xFFFF_F000)):
                    await commit(bed, ctx, 0, [8, 0x1234_5678, size_low, size_high, bus_low, bus_high])
                    write = await receive(ctx, bed.dut.window_writes)
                    assert write["base"] == 0x1234_5678 << 32 | 8
                    end = (size_high << 32 | size_low) + (bus_high << 32 | bus_low)
                    assert (write["size"] + write["bus_base"] > limit) == (end > limit)
                    if end <= limit:
                        assert write["size"] == size_high << 32 | size_low
                        assert write["bus_base"] == bus_high << 32 | bus_low
                    await send(ctx, bed.dut.window_write_answers, {"refused": 0})

    bed.run(bench, deadline=100_000)
