"""The control room through its registers, between a walker and a table that are played by the test."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from tests.unit.control_bench import COMPLETION_REGISTERS, OKAY, SLVERR, Registers, make_memories_wild
from tests.unit.streams import Probe, receive, seeds, send, simulate

from saoffload.hdl.config import PRESETS, EngineConfig, preset
from saoffload.hdl.layouts import AddResult, Direction, Family, Protocol, Status
from saoffload.host.register_map import (
    AddStatusFields,
    BusFeaturesFields,
    DoorbellResult,
    InterruptStatusFields,
    Memory,
    QueueDepthsFields,
    Register,
    TableFeaturesFields,
    WindowStatusFields,
)

TINY, SMALL = preset("tiny"), preset("small")
WALK, DELETE, FLUSH = 0, 1, 2
ACCEPTED = DoorbellResult.ACCEPTED
LATENCY = 3


@pytest.fixture(autouse=True)
def wild_memories(monkeypatch: pytest.MonkeyPatch) -> None:
    make_memories_wild(monkeypatch)


class Bed(Registers):
    """A control room with a table that answers graces after ``grace_clocks``, or when the test says so."""

    def __init__(self, config: EngineConfig = TINY):
        super().__init__(config)
        self.config = config
        self.irq = Probe(self.dut.irq)
        self.grace_clocks: int | None = 1

    async def grant(self, ctx: Any) -> None:
        due: list[int] = []
        clock = 0
        while True:
            is_due = bool(due) and self.grace_clocks is not None and clock - due[0] >= self.grace_clocks
            if is_due:
                due.pop(0)
            ctx.set(self.dut.grace_answers.valid, is_due)
            _, _, is_asked = await ctx.tick().sample(self.dut.graces.valid)
            if is_asked:
                due.append(clock)
            clock += 1

    async def finish(self, ctx: Any, tag: int, status: Status = Status.OK, **values: int) -> None:
        """The walker's result."""
        payload = {"tag": tag, "status": status, "visited": 0, "deleted": 0, "not_found": 0, "fault_address": 0}
        await send(ctx, self.dut.results, {**payload, **values})

    def run(self, *benches: Any, is_ready: int = 1, **settings: Any) -> None:
        async def prepare(ctx: Any) -> None:
            ctx.set(self.dut.is_ready, is_ready)

        monitors = [*self.monitors.values(), self.irq, *settings.pop("monitors", [])]
        simulate(self.dut, prepare, *benches, monitors=monitors, background=[self.grant], **settings)
        # With one access at a time every answer takes the same number of clocks.
        assert set(self.latencies) <= {LATENCY}

    async def take_and_finish(self, ctx: Any) -> None:
        """A walker that takes every command and finds all of its nodes."""
        while True:
            command = await receive(ctx, self.dut.commands)
            await self.finish(ctx, command["tag"], visited=command["budget"], deleted=command["budget"])


# Identification, map, reset


@pytest.mark.parametrize("name", PRESETS)
def test_identification_and_capabilities(name: str) -> None:
    config = PRESETS[name]
    bed = Bed(config)

    async def bench(ctx: Any) -> None:
        expected = {
            Register.ID: 0x53414F46,
            Register.VERSION: 0x0001_0000,
            Register.CAPACITY_BUNDLES: config.bundles,
            Register.CAPACITY_KEYS: config.keys,
            Register.TABLE_FEATURES: TableFeaturesFields.INDEX_BITS.put(config.index_bits)
            | TableFeaturesFields.IPV6.put(config.ipv6)
            | TableFeaturesFields.EPOCH_WIDTH.put(config.epoch_width),
            Register.CONTEXT_WIDTH: config.context_width,
            Register.UNRETIRED_LIMIT: config.unretired_limit,
            Register.BUS_FEATURES: BusFeaturesFields.DATA_WIDTH.put(config.data_width)
            | BusFeaturesFields.ADDRESS_WIDTH.put(config.address_width)
            | BusFeaturesFields.ID_WIDTH.put(config.id_width),
            Register.QUEUE_DEPTHS: QueueDepthsFields.COMMAND_DEPTH.put(config.command_depth)
            | QueueDepthsFields.COMPLETION_DEPTH.put(config.completion_depth),
            Register.WINDOW_COUNT: config.windows,
            Register.COUNTER_WIDTH: config.counter_width,
        }
        for register, value in expected.items():
            assert await bed.read(ctx, register) == value, register.name

    bed.run(bench)


@pytest.mark.parametrize("config", [TINY, SMALL], ids=lambda config: config.name)
def test_the_map_is_the_same_for_all_presets(config: EngineConfig) -> None:
    bed = Bed(config)
    random = Random("map")

    async def bench(ctx: Any) -> None:
        for register in Register:
            assert (await bed.try_read(ctx, register))[0] == OKAY, register.name
        for word in random.sample(range(128), 10):
            assert await bed.try_read(ctx, Memory.ADD_CONTEXT + 4 * word) == (OKAY, 0)
            assert await bed.try_write(ctx, Memory.ADD_CONTEXT + 4 * word, 0xFFFF_FFFF) == OKAY
        for address in (0x038, 0x054, 0x07C, 0x0BC, 0x0E0, 0x180, 0x1FC, 0x218, 0x238, 0x260, 0x7FC, 0xA00, 0xFFC):
            assert await bed.try_read(ctx, address) == (SLVERR, 0)
            assert await bed.try_write(ctx, address, 0xFFFF_FFFF) == SLVERR
        assert await bed.try_write(ctx, Register.TIMEOUT, 0x1234, strobe=0b0111) == SLVERR
        assert await bed.read(ctx, Register.TIMEOUT) == 0
        await bed.write(ctx, Register.TIMEOUT, 0x1234)
        assert ctx.get(bed.dut.timeout) == await bed.read(ctx, Register.TIMEOUT) == 0x1234
        await bed.write(ctx, Register.ID, 0)
        assert await bed.read(ctx, Register.ID) == 0x53414F46

    bed.run(bench)


def test_state_of_the_rest_is_shown() -> None:
    bed = Bed()

    async def bench(ctx: Any) -> None:
        assert await bed.status(ctx) == {"READY", "QUIESCED", "TABLE_LOST"}
        for port, bit in (
            ("is_restoring", "RESTORING"),
            ("add_is_waiting", "ADD_WAITING"),
            ("is_active", "WALK_ACTIVE"),
        ):
            ctx.set(getattr(bed.dut, port), 1)
            assert bit in await bed.status(ctx)
        ctx.set(bed.dut.busy_ids, 0b10)
        assert "QUIESCED" not in await bed.status(ctx)
        ctx.set(bed.dut.busy_ids, 0)
        assert "QUIESCED" in await bed.status(ctx)
        ctx.set(bed.dut.live_bundles, 5)
        ctx.set(bed.dut.live_keys, 7)
        ctx.set(bed.dut.lost_id_count, 2)
        assert await bed.read(ctx, Register.LIVE_BUNDLES) == 5
        assert await bed.read(ctx, Register.LIVE_KEYS) == 7
        assert await bed.read(ctx, Register.LOST_IDS) == 2

    bed.run(bench)


# Commands and completions


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
    """The walker's side of an abort: it is done so many clocks later, at most before the next one."""
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
        for _ in range(delay - 1):
            await ctx.tick()
        assert await bed.counter(ctx, Register.UNKNOWN_ABORTS_LOW) == 1
        ctx.set(dut.abort_matches, 1)
        await bed.write(ctx, Register.ABORT, 2)
        for _ in range(delay - 1):
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
        axi = bed.dut.axi
        ctx.set(bed.dut.is_ready, 1)
        await bed.stage(ctx, tag=5)
        assert await bed.ring(ctx, WALK) == ACCEPTED
        ctx.set(axi.bready, 1)
        for register, value in (*aborts, *rings):
            ctx.set(axi.awaddr, int(register))
            ctx.set(axi.wdata, value)
            ctx.set(axi.wstrb, 0b1111)
            ctx.set(axi.awvalid, 1)
            ctx.set(axi.wvalid, 1)
            await ctx.tick().until(axi.awready & axi.wready)
        ctx.set(axi.awvalid, 0)
        ctx.set(axi.wvalid, 0)
        await ctx.tick().repeat(8)
        for is_aborted in (1, 0):
            assert ctx.get(bed.dut.command_is_aborted) == is_aborted
            assert (await receive(ctx, bed.dut.commands))["tag"] == 5
            await ctx.tick().repeat(3)
        ctx.set(axi.bready, 0)
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


# Windows


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


# Adds


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


# Interrupts and counters


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
    # The write reaches the registers in clock 1.
    assert writes == [int(delay >= 1)]


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
