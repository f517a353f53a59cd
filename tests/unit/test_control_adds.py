"""The control room and adds: what is staged, answered, refused, and never shown."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.control_bench import ACCEPTED, FLUSH, SMALL, TINY, Bed
from tests.unit.streams import receive, send

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import AddResult, Direction, Family, Protocol
from saoffload.host.register_map import (
    AddStatusFields,
    Memory,
    Register,
)

pytestmark = pytest.mark.usefixtures("wild_memories")


async def stage_add(bed: Bed, ctx: Any) -> None:
    await bed.write(ctx, Register.ADD_HANDLE_LOW, 0x8000_0005)
    await bed.write(ctx, Register.ADD_CONTROL, 0x21)
    for sa in range(2):
        base = Register.ADD_SA_0_SPI + 0x20 * sa
        await bed.write(ctx, base, 0x1001 + sa)
        for word in range(4):
            await bed.write(ctx, base + 4 + 4 * word, 0xA0 + 0x10 * sa + word)
        await bed.write(ctx, base + 0x14, 1 + sa)
    for word in range(3):
        await bed.write(ctx, Memory.ADD_CONTEXT + 4 * word, 0xC0DE_00E0 + word)


@pytest.mark.parametrize(
    "config", [TINY, SMALL, replace(SMALL, context_width=0), replace(SMALL, context_width=70)], ids=range(4)
)
def test_an_add_and_its_answer(config: EngineConfig) -> None:
    bed = Bed(config)
    words = 4 if config.ipv6 else 1
    context = 0xC0DE_00E2_C0DE_00E1_C0DE_00E0 & (1 << config.context_width) - 1
    expected = {
        "handle": 0x8000_0005,
        "direction": Direction.OUTBOUND,
        "sa_count": 2,
        "context": context,
        "keys": [
            {
                "spi": 0x1001 + sa,
                # What a preset without IPv6 cannot keep shows in one bit for each word.
                "destination": sum((0xA0 + 0x10 * sa + word) << 32 * word for word in range(words))
                | (0 if config.ipv6 else 1 << 32 | 1 << 64 | 1 << 96),
                "family": Family(1 + sa & 1),
                "protocol": Protocol(1 + sa >> 1),
            }
            for sa in range(2)
        ],
    }

    async def bench(ctx: Any) -> None:
        dut = bed.dut
        await stage_add(bed, ctx)
        await bed.write(ctx, Register.ADD_GO, 0)
        await ctx.tick()
        staged = AddStatusFields.BUSY.mask | AddStatusFields.STAGED.mask
        assert await bed.read(ctx, Register.ADD_STATUS) == staged
        # Nothing moves what is offered.
        await stage_add(bed, ctx)
        await bed.write(ctx, Register.ADD_GO, 0)
        assert await bed.read(ctx, Register.ADD_STATUS) == staged | AddStatusFields.GO_REFUSED.mask
        assert await bed.counter(ctx, Register.REFUSED_ADDS_LOW) == 2 + 12 + 3 + 1
        assert await receive(ctx, dut.adds) == expected
        await ctx.tick()
        assert ctx.get(dut.adds.payload.as_value()) == 0, "keys and context stay behind"
        ctx.set(dut.add_is_waiting, 1)
        busy = AddStatusFields.BUSY.mask | AddStatusFields.GO_REFUSED.mask | AddStatusFields.WAITING.mask
        assert await bed.read(ctx, Register.ADD_STATUS) == busy
        ctx.set(dut.add_is_waiting, 0)
        assert "ADD_BUSY" in await bed.status(ctx)
        # The next can be staged while the table works, but not submitted.
        await bed.write(ctx, Register.ADD_HANDLE_HIGH, 0x100)
        await bed.write(ctx, Register.ADD_GO, 0)
        assert await bed.counter(ctx, Register.REFUSED_ADDS_LOW) == 2 + 12 + 3 + 2
        await send(ctx, dut.add_answers, {"result": AddResult.OK, "handle": 0x8000_0005})
        word = await bed.read(ctx, Register.ADD_STATUS)
        assert AddStatusFields.DONE.get(word)
        assert not AddStatusFields.BUSY.get(word)
        assert await bed.read(ctx, Register.ADD_ANSWER_HANDLE) == 0x8000_0005
        await bed.write(ctx, Register.ADD_GO, 0)
        payload = await receive(ctx, dut.adds)
        assert payload["handle"] >> 32, "an upper bit of the handle must show"
        assert payload["handle"] & 0xFFFF_FFFF == payload["sa_count"] == 0
        assert not AddStatusFields.DONE.get(await bed.read(ctx, Register.ADD_STATUS))
        await send(ctx, dut.add_answers, {"result": AddResult.BAD_HANDLE, "handle": 0})
        assert await bed.read(ctx, Register.ADD_STATUS) == (
            AddStatusFields.DONE.mask | AddStatusFields.RESULT.put(AddResult.BAD_HANDLE.value)
        )
        assert await bed.read(ctx, Register.ADD_ANSWER_HANDLE) == 0

    bed.run(bench)


@pytest.mark.parametrize("config", [TINY, SMALL], ids=lambda config: config.name)
def test_a_reserved_bit_makes_an_add_unsupported(config: EngineConfig) -> None:
    """An SA count of 5 is not 1, and no protocol is known by some of its bits. What is staged again counts anew."""
    bed = Bed(config)
    bad = [(Register.ADD_CONTROL, 0x20 | 1 << bit) for bit in (*range(1, 4), *range(6, 32))]
    bad += [(flags, 1 << bit) for flags in (Register.ADD_SA_0_FLAGS, Register.ADD_SA_1_FLAGS) for bit in range(2, 32)]

    async def sa_count(ctx: Any, *words: tuple[Register, int]) -> int:
        for register, value in words:
            await bed.write(ctx, register, value)
        await bed.write(ctx, Register.ADD_GO, 1)
        count = (await receive(ctx, bed.dut.adds))["sa_count"]
        await send(ctx, bed.dut.add_answers, {"result": AddResult.OK, "handle": 1 << 31})
        return count

    async def bench(ctx: Any) -> None:
        control = (Register.ADD_CONTROL, 0x20)
        for register, value in bad:
            good = control if register is Register.ADD_CONTROL else (register, 3)
            assert await sa_count(ctx, control, (register, value)) == 3, f"{register.name} {value:#x}"
            assert await sa_count(ctx, (register, value), good, control) == 2, f"{register.name} {value:#x}"
        only_first = (Register.ADD_CONTROL, 0x10)
        assert await sa_count(ctx, (Register.ADD_SA_1_FLAGS, 4), only_first) == 1, "there is no SA 1"
        assert await sa_count(ctx, (Register.ADD_SA_0_FLAGS, 4), only_first) == 3

    bed.run(bench)


def test_upper_destination_words_of_a_preset_without_ipv6_are_never_cut_off() -> None:
    bed = Bed(TINY)

    async def is_long(ctx: Any, *words: int) -> list[bool]:
        """Stages one bit in each of these destination words, then 0 in the others; whether each key shows it."""
        for word, value in [*((word, 1 << 31) for word in words), *((word, 0) for word in {*range(8)} - {*words})]:
            await bed.write(ctx, Register.ADD_SA_0_DESTINATION_0 + 0x20 * (word // 4) + 4 * (word % 4), value)
        await bed.write(ctx, Register.ADD_GO, 1)
        keys = (await receive(ctx, bed.dut.adds))["keys"]
        await send(ctx, bed.dut.add_answers, {"result": AddResult.UNSUPPORTED, "handle": 0})
        return [bool(key["destination"] >> 32) for key in keys]

    async def bench(ctx: Any) -> None:
        for word in range(8):
            assert await is_long(ctx, word) == [word in (1, 2, 3), word in (5, 6, 7)]
        assert await is_long(ctx, 1, 2, 3, 5, 6, 7) == [True, True]
        await bed.write(ctx, Register.ADD_SA_0_DESTINATION_3, 1)
        assert await is_long(ctx) == [False, False], "what is staged again counts anew"

    bed.run(bench)


def test_secrets_are_readable_nowhere() -> None:
    """With everything staged, no register shows anything that it did not show before."""
    bed = Bed(SMALL)

    async def bench(ctx: Any) -> None:
        addresses = [*Register, *range(Memory.ADD_CONTEXT, Memory.ADD_CONTEXT + 16, 4)]
        before = {address: await bed.read(ctx, address) for address in addresses}
        await stage_add(bed, ctx)
        await bed.write(ctx, Register.SEED_LOW, 0xFFFF_FFFF)
        await bed.write(ctx, Register.SEED_HIGH, 0xFFFF_FFFF)
        assert {address: await bed.read(ctx, address) for address in addresses} == before

    bed.run(bench)


def test_end_of_restore_waits_until_it_is_taken() -> None:
    bed = Bed()

    async def bench(ctx: Any) -> None:
        await bed.write(ctx, Register.END_RESTORE, 1)
        assert "END_RESTORE_BUSY" in await bed.status(ctx)
        await bed.write(ctx, Register.END_RESTORE, 1)
        await receive(ctx, bed.dut.end_restores)
        assert "END_RESTORE_BUSY" not in await bed.status(ctx)

    bed.run(bench)
    assert len(bed.monitors["end_restores"].transfers) == 1


def test_an_end_of_restore_during_a_flush_waits_for_its_end_and_one_of_before_does_not() -> None:
    """The table discards what it is offered as it takes the flush: that must be what was asked for before."""
    bed = Bed()

    async def bench(ctx: Any) -> None:
        dut = bed.dut
        ctx.set(dut.is_ready, 1)
        await bed.write(ctx, Register.END_RESTORE, 1)
        await bed.write(ctx, Register.COMMAND_TAG, 7)
        assert await bed.ring(ctx, FLUSH) == ACCEPTED
        await receive(ctx, dut.end_restores)
        await bed.write(ctx, Register.END_RESTORE, 1)
        for _ in range(20):
            assert not ctx.get(dut.end_restores.valid)
            assert "END_RESTORE_BUSY" in await bed.status(ctx)
        await receive(ctx, dut.flushes)
        await send(ctx, dut.flush_answers, {"deleted": 0})
        await receive(ctx, dut.end_restores)
        assert "END_RESTORE_BUSY" not in await bed.status(ctx)

    bed.run(bench)
    assert len(bed.monitors["end_restores"].transfers) == 2
