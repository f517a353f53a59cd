"""Host memory on the chip: bursts against a list of words, its edges, and the local bus in between."""

from dataclasses import replace
from random import Random

import pytest
from amaranth.hdl import Cat
from tests.unit.streams import STALL_PATTERNS, Channel, Monitor, never, seeds, simulate

from saoffload.boards.memory import HostMemory
from saoffload.hdl.config import preset

CONFIG = replace(preset("small"), id_width=3)
OKAY, SLVERR = 0, 2
FIXED, INCR, WRAP = 0, 1, 2
BASE = 0x8000


def channels(axi):
    return (
        Channel(payload=Cat(axi.arid, axi.araddr, axi.arlen), valid=axi.arvalid, ready=axi.arready),
        Channel(payload=Cat(axi.rid, axi.rdata, axi.rresp, axi.rlast), valid=axi.rvalid, ready=axi.rready),
    )


async def ask(ctx, axi, *, address, beats=1, burst_id=0, burst=INCR, size=3, stalls=None):
    stalls = stalls or never()
    while next(stalls):
        await ctx.tick()
    for name, value in (("addr", address), ("len", beats - 1), ("id", burst_id), ("burst", burst), ("size", size)):
        ctx.set(getattr(axi, f"ar{name}"), value)
    ctx.set(axi.arvalid, 1)
    await ctx.tick().until(axi.arready)
    ctx.set(axi.arvalid, 0)
    ctx.set(axi.araddr, 0)
    ctx.set(axi.arid, 0)


async def take(ctx, axi, count, *, stalls=None):
    """``count`` beats as (id, data or None after an error, response, is_last)."""
    stalls = stalls or never()
    beats = []
    while len(beats) < count:
        is_ready = not next(stalls)
        ctx.set(axi.rready, is_ready)
        _, _, is_valid, *beat = await ctx.tick().sample(axi.rvalid, axi.rid, axi.rdata, axi.rresp, axi.rlast)
        if is_ready and is_valid:
            if beat[2] != OKAY:
                beat[1] = None
            beats.append(tuple(beat))
    ctx.set(axi.rready, 0)
    return beats


async def access(ctx, bus, address, data=None):
    """One access of the local bus; returns (response, read data, clocks)."""
    ctx.set(bus.is_active, 1)
    ctx.set(bus.is_write, data is not None)
    ctx.set(bus.address, address)
    ctx.set(bus.write_data, data or 0)
    clocks = 0
    while True:
        _, _, is_done, response, value = await ctx.tick().sample(bus.is_done, bus.response, bus.read_data)
        clocks += 1
        if is_done:
            ctx.set(bus.is_active, 0)
            return int(response), value, clocks


async def fill(ctx, dut, words):
    for n, word in enumerate(words):
        response, _, clocks = await access(ctx, dut.bus, BASE + 4 * n, word)
        assert (response, clocks) == (OKAY, 1)


def expected_beats(words, *, address, beats, burst_id=0, burst=INCR, size=3):
    size_bytes = 4 * len(words)
    result = []
    for n in range(beats):
        at = (address & ~7) + 8 * n
        is_bad = address >= size_bytes or at >= size_bytes or burst != INCR or size != 3
        data = None if is_bad else words[at // 4] | words[at // 4 + 1] << 32
        result.append((burst_id, data, SLVERR if is_bad else OKAY, int(n == beats - 1)))
    return result


def words_of(seed, byte_count):
    random = Random(seed)
    return [random.getrandbits(32) for _ in range(byte_count // 4)]


@pytest.mark.parametrize("pattern", STALL_PATTERNS, ids=str)
@pytest.mark.parametrize("seed", seeds(2))
def test_bursts_read_what_the_bus_wrote(pattern, seed):
    random = Random(seed)
    byte_count = 256
    words = words_of(seed, byte_count)
    dut = HostMemory(config=CONFIG, byte_count=byte_count)
    requests = [
        {
            "address": random.choice([0, 8 * random.randrange(32), 240, 248, 256, 1 << 32, (1 << 64) - 8]),
            "beats": random.choice([1, 2, 3, 3, 40]),
            "burst_id": random.randrange(8),
            "burst": random.choice([INCR] * 8 + [FIXED, WRAP]),
            "size": random.choice([3] * 8 + [2]),
        }
        for _ in range(25)
    ]
    expected = [beat for request in requests for beat in expected_beats(words, **request)]
    received = []
    is_filled = False

    async def source(ctx):
        nonlocal is_filled
        await fill(ctx, dut, words)
        is_filled = True
        for request in requests:
            await ask(ctx, dut.axi, **request, stalls=pattern.source(seed))

    async def sink(ctx):
        received.extend(await take(ctx, dut.axi, len(expected), stalls=pattern.sink(seed)))

    async def bus(ctx):
        # Reads in between, which share the memory's one port with the bursts.
        while not is_filled:
            await ctx.tick()
        for n in (random.randrange(len(words)) for _ in range(60)):
            response, value, _ = await access(ctx, dut.bus, BASE + 4 * n)
            assert (response, value) == (OKAY, words[n]), f"seed {seed}"
            await ctx.tick().repeat(random.randrange(1, 4))

    monitors = [Monitor(channel) for channel in channels(dut.axi)]
    simulate(dut, source, sink, bus, monitors=monitors)
    assert received == expected, f"seed {seed}"
    assert len(monitors[1].transfers) == len(expected)


def test_writes_land_in_between_bursts_in_the_word_named_and_no_other():
    dut = HostMemory(config=CONFIG, byte_count=64)
    words = words_of(0, 64)

    async def bench(ctx):
        await fill(ctx, dut, words)
        for n in range(16):
            words[n] ^= 0xFFFFFFFF
            await access(ctx, dut.bus, BASE + 4 * n, words[n])
            await ask(ctx, dut.axi, address=0, beats=8)
            assert await take(ctx, dut.axi, 8) == expected_beats(words, address=0, beats=8), n

    simulate(dut, bench)


def test_a_write_in_every_clock_of_a_burst_only_delays_it():
    dut = HostMemory(config=CONFIG, byte_count=64)
    words = words_of(0, 64)
    is_filled = False

    async def burst(ctx):
        nonlocal is_filled
        await fill(ctx, dut, words)
        is_filled = True
        await ask(ctx, dut.axi, address=0, beats=8)
        assert await take(ctx, dut.axi, 8) == expected_beats(words, address=0, beats=8)

    async def bus(ctx):
        while not is_filled:
            await ctx.tick()
        for n in range(20):
            assert (await access(ctx, dut.bus, BASE + 4 * (n % 16), words[n % 16]))[2] == 1

    simulate(dut, burst, bus)


def test_every_address_bit_above_the_memory_counts():
    dut = HostMemory(config=CONFIG, byte_count=64)

    async def bench(ctx):
        for bit in range(6, CONFIG.address_width):
            await ask(ctx, dut.axi, address=1 << bit)
            assert await take(ctx, dut.axi, 1) == [(0, None, SLVERR, 1)], bit

    simulate(dut, bench)


def test_first_beat_comes_after_two_clocks_then_one_a_clock():
    dut = HostMemory(config=CONFIG, byte_count=64)
    addresses, beats = (Monitor(channel) for channel in channels(dut.axi))

    async def bench(ctx):
        ctx.set(dut.axi.rready, 1)
        await ctx.tick().repeat(4)
        await ask(ctx, dut.axi, address=0, beats=5)
        await ctx.tick().repeat(10)

    simulate(dut, bench, monitors=[addresses, beats])
    assert beats.clocks == [addresses.clocks[0] + 2 + n for n in range(5)]


@pytest.mark.parametrize("byte_count", [64, 2048, 32768])
def test_bus_reaches_every_word_and_answers_slverr_beyond(byte_count):
    dut = HostMemory(config=CONFIG, byte_count=byte_count)
    edges = [0, 4, byte_count // 2, byte_count - 4]
    outside = [at for at in (byte_count, byte_count + 4, 32764) if byte_count <= at < 32768]

    async def bench(ctx):
        for n, at in enumerate(edges):
            await access(ctx, dut.bus, BASE + at, n + 1)
        for at in outside:
            assert (await access(ctx, dut.bus, BASE + at, 99))[0] == SLVERR
            assert (await access(ctx, dut.bus, BASE + at))[0] == SLVERR
        for n, at in enumerate(edges):
            assert await access(ctx, dut.bus, BASE + at) == (OKAY, n + 1, 2)

    simulate(dut, bench)


@pytest.mark.parametrize("byte_count", [32, 96, 65536])
def test_other_sizes_are_refused(byte_count):
    with pytest.raises(ValueError, match=str(byte_count)):
        HostMemory(config=CONFIG, byte_count=byte_count)


def test_sizes_are_integers():
    with pytest.raises(TypeError, match="True"):
        HostMemory(config=CONFIG, byte_count=True)
