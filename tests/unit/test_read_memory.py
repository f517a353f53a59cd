"""The memory that walkers are measured on: its clocks are exact, or every figure is wrong."""

from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

import pytest
from amaranth.hdl import Cat
from tests.unit.speed_memory import BASE, SIZE, WordMemory
from tests.unit.streams import (
    STALL_PATTERNS,
    Channel,
    Monitor,
    StallPattern,
    Stalls,
    receive_all,
    seeds,
    send_all,
    simulate,
)

from saoffload.hdl.bus.axi4 import Response
from saoffload.sim.bench_hdl.read_memory import QUEUE_DEPTH, ReadMemory

INCR = 1
WRAP = 2


class Read(NamedTuple):
    address: int
    beat_count: int
    id: int = 0
    size: int = 3
    burst: int = INCR

    @property
    def bits(self) -> int:
        return self.id | self.address << 2 | (self.beat_count - 1) << 66 | self.size << 74 | self.burst << 77


class Beat(NamedTuple):
    clock: int
    id: int
    data: int
    response: int
    is_last: bool


class Run:
    """Makes these reads of a memory, and says when they were taken, what came, and what the memory counted."""

    def __init__(
        self,
        reads: Sequence[Read],
        *,
        latency: int,
        data_width: int = 64,
        asks: Stalls | None = None,
        takes: Stalls | None = None,
        takes_after: int = 0,
    ) -> None:
        self.dut = WordMemory(data_width=data_width)
        memory = self.dut.reads
        axi = memory.axi
        addresses = Channel(
            payload=Cat(axi.arid, axi.araddr, axi.arlen, axi.arsize, axi.arburst), valid=axi.arvalid, ready=axi.arready
        )
        answers = Channel(payload=Cat(axi.rid, axi.rresp, axi.rlast, axi.rdata), valid=axi.rvalid, ready=axi.rready)
        taken, given = Monitor(addresses, "addresses"), Monitor(answers, "beats")
        beat_count = sum(read.beat_count for read in reads)
        self.counts: dict[str, int] = {}

        async def source(ctx: Any) -> None:
            ctx.set(memory.latency, latency)
            await send_all(ctx, addresses, [read.bits for read in reads], stalls=asks)

        async def sink(ctx: Any) -> None:
            if takes_after:
                await ctx.tick().repeat(takes_after)
            await receive_all(ctx, answers, beat_count, stalls=takes)
            for name in ("beat_count", "byte_count", "burst_count", "refused_count"):
                self.counts[name] = ctx.get(getattr(memory, name))

        simulate(self.dut, source, sink, monitors=[taken, given])
        self.taken = taken.clocks
        self.beats = [
            Beat(clock, bits & 3, bits >> 5, bits >> 2 & 3, bool(bits >> 4 & 1)) for clock, bits in given.transfers
        ]
        self.offered = given.offer_clocks

    def schedule(self, reads: Sequence[Read], latency: int) -> list[int]:
        """The clock of every beat: each read when its latency is over and the bus is free."""
        clocks: list[int] = []
        for read, taken in zip(reads, self.taken, strict=True):
            first = max(taken + latency, clocks[-1] + 1 if clocks else 0)
            clocks += range(first, first + read.beat_count)
        return clocks


def random_reads(seed: int, count: int) -> list[Read]:
    random = Random(f"reads {seed}")
    reads = []
    for _ in range(count):
        beat_count = random.choice((1, 2, 3, 8, 64))
        page = random.randrange(SIZE // 4096) * 4096
        at = random.randrange((4096 - 8 * beat_count) // 8 + 1) * 8
        reads.append(Read(BASE + page + at, beat_count, random.randrange(4)))
    return reads


@pytest.mark.parametrize("latency", [1, 2, 13, 400, 1023, 4095])
@pytest.mark.parametrize("beat_count", [1, 3, 64])
def test_the_first_beat_comes_after_exactly_the_latency_and_the_others_follow(latency: int, beat_count: int) -> None:
    run = Run([Read(BASE + 64, beat_count, 1)], latency=latency)
    first = run.taken[0] + latency
    assert [beat.clock for beat in run.beats] == list(range(first, first + beat_count))
    assert [beat.is_last for beat in run.beats] == [False] * (beat_count - 1) + [True]
    assert [beat.data for beat in run.beats] == run.dut.words[8 : 8 + beat_count]


@pytest.mark.parametrize("seed", seeds(4))
@pytest.mark.parametrize("pattern", STALL_PATTERNS, ids=str)
def test_reads_are_pipelined_in_order_a_beat_per_clock(pattern: StallPattern, seed: int) -> None:
    reads = random_reads(seed, 40)
    latency = Random(seed).choice((1, 7, 60))
    run = Run(reads, latency=latency, asks=pattern.source(f"{seed} asks"), takes=pattern.sink(f"{seed} takes"))
    places = [((read.address - BASE) // 8 + beat, read) for read in reads for beat in range(read.beat_count)]
    assert [beat.data for beat in run.beats] == [run.dut.words[place] for place, _ in places]
    assert [beat.id for beat in run.beats] == [read.id for _, read in places]
    assert {beat.response for beat in run.beats} == {Response.OKAY}
    expected = run.schedule(reads, latency)
    if not pattern.sink_stalls:
        assert [beat.clock for beat in run.beats] == expected
    assert all(offered >= clock for offered, clock in zip(run.offered, expected, strict=True))
    beat_count = len(places)
    assert run.counts == {
        "beat_count": beat_count,
        "byte_count": 8 * beat_count,
        "burst_count": len(reads),
        "refused_count": 0,
    }


def test_at_128_bits_narrow_beats_count_their_own_bytes() -> None:
    reads = [Read(BASE, 2, size=4), Read(BASE + 8, 3, size=3), Read(BASE + 4092, 1, size=2)]
    run = Run(reads, latency=5, data_width=128)
    words = run.dut.words
    # A narrow beat stands in its own lane of the word that holds it.
    assert [beat.data for beat in run.beats] == [words[0], words[1], words[0], words[1], words[1], words[255]]
    assert (run.counts["beat_count"], run.counts["byte_count"]) == (6, 2 * 16 + 3 * 8 + 4)


@pytest.mark.parametrize(
    "read",
    [
        Read(BASE - 8, 1),
        Read(BASE + SIZE, 1),
        Read(BASE + (1 << 63), 1),
        Read(BASE + 4096 - 8, 2),
        Read(BASE, 2, burst=WRAP),
        Read(BASE, 1, size=4),
    ],
    ids=["below", "above", "far above", "across 4 KB", "wrapping", "wider than the bus"],
)
def test_what_no_reader_may_ask_for_is_refused_and_counted(read: Read) -> None:
    run = Run([Read(BASE, 1), read, Read(BASE + 4096 - 8, 1)], latency=3)
    responses = [Response.OKAY, *[Response.SLVERR] * read.beat_count, Response.OKAY]
    assert [beat.response for beat in run.beats] == responses
    assert run.counts["refused_count"] == 1


def test_a_full_queue_takes_no_address_and_loses_none() -> None:
    reads = [Read(BASE + 8 * (number % 512), 1) for number in range(QUEUE_DEPTH + 8)]
    run = Run(reads, latency=1, takes_after=2 * QUEUE_DEPTH)
    assert run.taken[:QUEUE_DEPTH] == list(range(run.taken[0], run.taken[0] + QUEUE_DEPTH))
    assert run.taken[QUEUE_DEPTH] > run.beats[0].clock
    assert [beat.data for beat in run.beats] == [run.dut.words[number % 512] for number in range(len(reads))]


@pytest.mark.parametrize(("base", "size"), [(0, 2048), (0, 12288), (4096, 8192), (1 << 32, 4096)])
def test_a_memory_that_cannot_be(base: int, size: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        ReadMemory(address_width=32, data_width=64, id_width=1, base=base, size=size)
