"""The packet path by hand: registers in, lookups and retires out, answers back."""

from dataclasses import replace
from random import Random

import pytest
from tests.unit.streams import STALL_PATTERNS, Monitor, receive, seeds, simulate

from saoffload.boards.probe import CONTEXT_WORDS, IDENTIFICATION, PacketProbe, Register
from saoffload.hdl import layouts
from saoffload.hdl.config import preset

CONFIG = replace(preset("small"), context_width=72, epoch_width=3)
NARROW = preset("tiny")
OKAY, SLVERR = 0, 2
KEY, HANDLE = 0, 1
LATENCY = 4


async def access(ctx, dut, address, data=None):
    """One access; returns (response, read data), and takes one clock."""
    address = address.value if isinstance(address, Register) else address
    ctx.set(dut.bus.is_active, 1)
    ctx.set(dut.bus.is_write, data is not None)
    ctx.set(dut.bus.address, 0x4000 | address)
    ctx.set(dut.bus.write_data, data or 0)
    _, _, is_done, response, value = await ctx.tick().sample(dut.bus.is_done, dut.bus.response, dut.bus.read_data)
    ctx.set(dut.bus.is_active, 0)
    assert is_done == 1
    return int(response), value


async def write(ctx, dut, address, data):
    assert (await access(ctx, dut, address, data))[0] == OKAY


async def read(ctx, dut, address):
    response, value = await access(ctx, dut, address)
    assert response == OKAY
    return value


async def answer_when_asked(ctx, dut, kind, answer, stalls):
    """The table: takes one request of that kind and answers a fixed number of clocks later."""
    requests, answers = (
        (dut.key_requests, dut.key_answers) if kind == KEY else (dut.handle_requests, dut.handle_answers)
    )
    request = await receive(ctx, requests, stalls=stalls)
    await ctx.tick().repeat(LATENCY)
    ctx.set(answers.payload, answer)
    ctx.set(answers.valid, 1)
    await ctx.tick()
    ctx.set(answers.valid, 0)
    ctx.set(answers.payload, dict.fromkeys(answer, 0))
    return request


def random_answer(random):
    return {
        "hit": random.randrange(2),
        "handle": random.getrandbits(32),
        "sa_number": random.randrange(2),
        "direction": random.randrange(2),
        "context": random.getrandbits(CONFIG.context_width),
        "epoch": random.randrange(8),
    }


@pytest.mark.parametrize("pattern", STALL_PATTERNS, ids=str)
@pytest.mark.parametrize("seed", seeds(2))
def test_lookups_ask_what_was_written_and_show_what_was_answered(pattern, seed):
    random = Random(seed)
    dut = PacketProbe(config=CONFIG, memory_bytes=64)
    lookups = [
        (random.randrange(2), [random.getrandbits(32) for _ in range(5)], random_answer(random)) for _ in range(12)
    ]
    retires = [Monitor(dut.key_retires), Monitor(dut.handle_retires)]
    requests = [Monitor(dut.key_requests), Monitor(dut.handle_requests)]
    asked = []

    async def host(ctx):
        for number, (kind, words, answer) in enumerate(lookups):
            for n, word in enumerate(words):
                await write(ctx, dut, Register.WORD0.value + 4 * n, word)
            await write(ctx, dut, Register.LOOKUP, kind | 0b110 & number << 1)
            while not (status := await read(ctx, dut, Register.STATUS)) & 1:
                await ctx.tick()
            expected = 1 | answer["hit"] << 2 | answer["sa_number"] << 3 | answer["direction"] << 4 | kind << 5
            assert status == expected | answer["epoch"] << 8, f"seed {seed}"
            assert await read(ctx, dut, Register.ANSWER_HANDLE) == answer["handle"]
            context = sum([await read(ctx, dut, CONTEXT_WORDS + 4 * n) << 32 * n for n in range(3)])
            assert context == answer["context"], f"seed {seed}"
            await write(ctx, dut, Register.RETIRE, kind | answer["epoch"] << 8)

    async def table(ctx):
        for kind, _, answer in lookups:
            asked.append(await answer_when_asked(ctx, dut, kind, answer, pattern.sink(seed)))

    simulate(dut, host, table, monitors=requests + retires)
    for number, ((kind, words, _), request) in enumerate(zip(lookups, asked, strict=True)):
        if kind == KEY:
            assert request == {
                "spi": words[0],
                "destination": sum(word << 32 * n for n, word in enumerate(words[1:])),
                "family": layouts.Family(number & 1),
                "protocol": layouts.Protocol(number >> 1 & 1),
            }
        else:
            assert request == {"handle": words[0] | words[1] << 32}
    for kind, monitor in enumerate(retires):
        assert monitor.payloads == [{"epoch": answer["epoch"]} for its, _, answer in lookups if its == kind]
    assert [len(monitor.payloads) for monitor in requests] == [len(monitor.payloads) for monitor in retires]


def test_a_lookup_before_the_last_answer_is_refused_and_changes_nothing():
    dut = PacketProbe(config=CONFIG, memory_bytes=64)
    keys, handles = Monitor(dut.key_requests), Monitor(dut.handle_requests)
    answer = {"hit": 1, "handle": 5, "sa_number": 0, "direction": 0, "context": 0, "epoch": 1}

    async def bench(ctx):
        assert await read(ctx, dut, Register.STATUS) == 0
        await write(ctx, dut, Register.LOOKUP, KEY)
        assert (await access(ctx, dut, Register.LOOKUP, HANDLE))[0] == SLVERR
        assert await read(ctx, dut, Register.STATUS) == 0b10
        ctx.set(dut.key_requests.ready, 1)
        await ctx.tick()
        ctx.set(dut.key_requests.ready, 0)
        assert await read(ctx, dut, Register.STATUS) == 0
        assert (await access(ctx, dut, Register.LOOKUP, HANDLE))[0] == SLVERR
        ctx.set(dut.key_answers.payload, answer)
        ctx.set(dut.key_answers.valid, 1)
        await ctx.tick()
        ctx.set(dut.key_answers.valid, 0)
        assert await read(ctx, dut, Register.STATUS) == 0x105
        await write(ctx, dut, Register.LOOKUP, HANDLE)
        assert await read(ctx, dut, Register.STATUS) & 0b11 == 0b10

    simulate(dut, bench, monitors=[keys, handles])
    assert len(keys.payloads) == 1
    assert len(handles.payloads) == 0


def test_answers_may_be_retired_later_and_in_any_order():
    dut = PacketProbe(config=CONFIG, memory_bytes=64)
    retires = [Monitor(dut.key_retires), Monitor(dut.handle_retires)]

    async def bench(ctx):
        for epoch, kind in ((3, KEY), (1, HANDLE), (2, KEY), (7, KEY)):
            await write(ctx, dut, Register.RETIRE, kind | epoch << 8)
        await ctx.tick().repeat(5)

    simulate(dut, bench, monitors=retires)
    assert [payload["epoch"] for payload in retires[KEY].payloads] == [3, 2, 7]
    assert [payload["epoch"] for payload in retires[HANDLE].payloads] == [1]


@pytest.mark.parametrize("config", [CONFIG, NARROW], ids=lambda config: config.name)
def test_registers_are_where_they_are_and_nowhere_else(config):
    dut = PacketProbe(config=config, memory_bytes=2048)
    word_count = 1 + config.destination_bits // 32
    context_count = -(-config.context_width // 32)
    readable = {0x00, 0x04, 0x08, 0x0C, *range(0x40, 0x40 + 4 * context_count, 4)}
    writable = {0x10, 0x14, *range(0x20, 0x20 + 4 * word_count, 4)}

    async def bench(ctx):
        assert await read(ctx, dut, Register.ID) == IDENTIFICATION == int.from_bytes(b"SAPB", "big")
        assert await read(ctx, dut, Register.MEMORY_BYTES) == 2048
        for address in [*range(0, 0x140, 4), 0x800, 0xFF8]:
            assert ((await access(ctx, dut, address))[0] == OKAY) == (address in readable), hex(address)
            if address != Register.LOOKUP.value:
                assert ((await access(ctx, dut, address, 0))[0] == OKAY) == (address in writable), hex(address)

    simulate(dut, bench)


def test_contexts_wider_than_their_registers_are_refused():
    with pytest.raises(ValueError, match="1568"):
        PacketProbe(config=replace(CONFIG, context_width=1568), memory_bytes=64)
