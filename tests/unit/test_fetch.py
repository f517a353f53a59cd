"""The serial fetch, its timer and its IDs, against a memory that stalls, fails and falls silent."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from random import Random
from struct import unpack
from typing import Any

import pytest
from tests.unit.streams import STALL_PATTERNS, Monitor, Probe, StallPattern, receive, seeds, send, simulate
from tests.unit.walk_bench import PAGE, X64, X86, Abi, Fault, Memory, ReadPort

from saoffload.hdl.config import preset
from saoffload.hdl.layouts import FetchOutcome
from saoffload.hdl.walk.fetch import SerialFetch
from saoffload.hdl.walk.ids import IdPicker
from saoffload.hdl.walk.timer import Timer

CONFIG = preset("small")
ABIS = pytest.mark.parametrize("abi", [X64, X86], ids=["x64", "x86"])
OK, BUS_ERROR, TIMEOUT, BAD_HEADER = FetchOutcome


def read_in_python(memory: Memory, address: int, abi: Abi) -> dict[str, Any]:
    """What a good fetch of a good node hands over."""
    next_address, handle = unpack("<4xII" if abi is X86 else "<8xQQ", memory.read(address, abi.size))
    return {"outcome": OK, "next": next_address, "handle": handle}


def outcome_in_python(faults: dict[int, Fault], address: int, abi: Abi) -> Any:
    """Read by read: silence is a timeout, any other fault of a word read an error. Knows ERROR and SILENCE."""
    words = range(address // 8 * 8, address + abi.size, 8)
    for page in sorted({word // PAGE for word in words}):
        kinds = {faults.get(word) for word in words if word // PAGE == page}
        if Fault.SILENCE in kinds:
            return TIMEOUT
        if Fault.ERROR in kinds:
            return BUS_ERROR
    return OK


class Bed:
    """A fetch with memory behind it."""

    def __init__(self, *, config: Any = CONFIG, **port: Any):
        self.dut = SerialFetch(config)
        self.memory = Memory()
        self.port = ReadPort(self.dut, self.memory, **port)
        self.requests = Monitor(self.dut.requests, "requests")
        self.nodes = Monitor(self.dut.nodes, "nodes")
        self.reads = Monitor(self.dut.reads, "reads")

    def run(self, *benches: Any, deadline: int = 30_000) -> None:
        simulate(
            self.dut,
            *benches,
            monitors=[self.requests, self.nodes, self.reads],
            background=[self.port.run],
            deadline=deadline,
        )

    async def ask(self, ctx: Any, address: int, abi: Abi = X64, *, stalls: Any = None, flip: int = 0) -> None:
        """Asks for a node with the right header, but for the bits of ``flip``."""
        self.memory.write(address, (abi.header ^ flip).to_bytes(4, "little"))
        await send(ctx, self.dut.requests, {"address": address, "abi": abi.code}, stalls=stalls)

    async def fetch(
        self, ctx: Any, address: int, abi: Abi = X64, *, stalls: Any = None, flip: int = 0
    ) -> dict[str, Any]:
        await self.ask(ctx, address, abi, flip=flip)
        return await receive(ctx, self.dut.nodes, stalls=stalls)


@pytest.mark.parametrize("pattern", STALL_PATTERNS, ids=str)
@pytest.mark.parametrize("seed", seeds(2))
def test_random_nodes(seed: int, pattern: StallPattern) -> None:
    """Any node anywhere, many across 4 KB, some failing. Replay with SAOFFLOAD_SEED."""
    random = Random(f"fetch {seed}")
    bed = Bed(
        latency=random.choice([1, 2, 7]),
        address_stalls=pattern.sink(f"{seed} addresses"),
        beat_stalls=pattern.source(f"{seed} beats"),
    )
    sink = pattern.sink(f"{seed} nodes")

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 120)
        for _ in range(40):
            abi = random.choice([X64, X86])
            page = random.randrange(1, 2**52) * PAGE
            address = page - random.randrange(0, 48, abi.alignment) if random.random() < 0.6 else page + 0x120
            faults = {}
            if random.random() < 0.3:
                word = (address - 8) // 8 * 8 + 8 * random.randrange(5)
                faults = {word: random.choice([Fault.ERROR, Fault.ERROR, Fault.SILENCE])}
            bed.port.faults = faults
            flip = 1 << random.randrange(32) if random.random() < 0.2 else 0
            node = await bed.fetch(ctx, address, abi, stalls=sink, flip=flip)
            outcome = outcome_in_python(faults, address, abi)
            outcome = BAD_HEADER if outcome is OK and flip else outcome
            assert node["outcome"] is outcome, f"{address:#x} {faults}"
            if outcome is OK:
                assert node == read_in_python(bed.memory, address, abi), f"{address:#x}"
            bed.port.release()
            while bed.port.busy_ids:
                await ctx.tick()

    bed.run(bench)
    assert len(bed.nodes.transfers) == 40


def test_reads_of_a_node_at_each_place() -> None:
    """The reads, exactly: whole words, never across 4 KB, no word of a neighbour."""
    bed = Bed()
    base = 0x1234_5000
    expected: dict[tuple[int, Abi], list[tuple[int, int]]] = {
        (base, X64): [(base, 3)],
        (base + 8, X64): [(base + 8, 3)],
        (base - 24, X64): [(base - 24, 3)],
        (base - 16, X64): [(base - 16, 2), (base, 1)],
        (base - 8, X64): [(base - 8, 1), (base, 2)],
        (base, X86): [(base, 2)],
        (base + 4, X86): [(base, 2)],
        (base - 16, X86): [(base - 16, 2)],
        (base - 12, X86): [(base - 16, 2)],
        (base - 8, X86): [(base - 8, 1), (base, 1)],
        (base - 4, X86): [(base - 8, 1), (base, 1)],
    }

    async def bench(ctx: Any) -> None:
        for (address, abi), reads in expected.items():
            before = len(bed.port.log)
            node = await bed.fetch(ctx, address, abi)
            assert node == read_in_python(bed.memory, address, abi)
            assert [read[2:] for read in bed.port.log[before:]] == reads, f"{abi} {address:#x}"

    bed.run(bench)
    ids = [read[1] for read in bed.port.log]
    assert ids == [number % 4 for number in range(len(ids))], "IDs rotate"


@ABIS
@pytest.mark.parametrize("is_taken_late", [False, True])
def test_every_bit_of_a_header_counts_at_each_place(abi: Abi, is_taken_late: bool) -> None:
    """Also where the header is alone before 4 KB. The node before and the node after it are good."""
    bed = Bed()
    places = [0x3000, 0x2FF8, 0x2FF0] if abi is X64 else [0x3000, 0x3004, 0x2FF8, 0x2FFC]

    async def bench(ctx: Any) -> None:
        for bit in range(32):
            place = places[bit % len(places)]
            stalls = iter([True] * 12 + [False] * 99) if is_taken_late else None
            assert (await bed.fetch(ctx, place, abi, stalls=stalls, flip=1 << bit))["outcome"] is BAD_HEADER, f"{bit}"
            if bit % 8 < len(places):
                assert await bed.fetch(ctx, place, abi) == read_in_python(bed.memory, place, abi)

    bed.run(bench)


@ABIS
@pytest.mark.parametrize("latency", [1, 4])
def test_latencies(abi: Abi, latency: int) -> None:
    """Offered in the clock of the request; handed over with the last beat, one clock later where Next is in it."""
    bed = Bed(latency=latency)
    beats = 3 if abi is X64 else 2

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.nodes.ready, 1)
        for place in range(0, 16, abi.alignment):
            await bed.ask(ctx, 0x7000 + place, abi)
            await ctx.tick().repeat(latency + 5)

    bed.run(bench)
    assert bed.reads.clocks == bed.requests.clocks
    lateness = [abi is X86 and place % 8 == 4 for place in range(0, 16, abi.alignment)]
    assert [after - before for before, after in zip(bed.requests.clocks, bed.nodes.clocks, strict=True)] == [
        latency + beats - 1 + is_late for is_late in lateness
    ]


def test_a_failed_first_half_ends_the_node() -> None:
    bed = Bed(faults={0x2FF8: Fault.ERROR})

    async def bench(ctx: Any) -> None:
        assert (await bed.fetch(ctx, 0x2FF8))["outcome"] is BUS_ERROR
        assert (await bed.fetch(ctx, 0x2FF0))["outcome"] is BUS_ERROR
        assert (await bed.fetch(ctx, 0x3000))["outcome"] is OK

    bed.run(bench)
    assert [read[2] for read in bed.port.log] == [0x2FF8, 0x2FF0, 0x3000]


def test_each_read_of_a_node_has_a_timeout_of_its_own() -> None:
    """Two reads of 8 clocks each under a timeout of 10."""
    bed = Bed(latency=7)

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 10)
        assert (await bed.fetch(ctx, 0x2FF0))["outcome"] is OK
        bed.port.faults = {0x3000: Fault.SILENCE}
        assert (await bed.fetch(ctx, 0x2FF0))["outcome"] is TIMEOUT

    bed.run(bench)
    assert [clock - bed.port.offer_clocks[-1] for clock in bed.port.abandon_clocks] == [10]


@pytest.mark.parametrize("latency", [1, 4, 10])
def test_timeout_after_a_failed_beat_is_a_bus_error(latency: int) -> None:
    """The first beat failed, at the latest in the clock of the timeout, and no other follows; a good one: TIMEOUT."""
    limit = 1

    def after_limit() -> Iterator[bool]:
        while True:
            yield len(bed.port.beat_log) >= limit

    bed = Bed(latency=latency, beat_stalls=after_limit(), faults={0x1000: Fault.ERROR, 0x3008: Fault.ERROR})

    async def bench(ctx: Any) -> None:
        nonlocal limit
        ctx.set(bed.dut.timeout, 10)
        assert (await bed.fetch(ctx, 0x1000))["outcome"] is BUS_ERROR
        ctx.set(bed.dut.timeout, 30)
        limit = 4
        assert (await bed.fetch(ctx, 0x2000))["outcome"] is OK
        limit = 5
        assert (await bed.fetch(ctx, 0x3000))["outcome"] is TIMEOUT

    bed.run(bench)
    offers = bed.port.offer_clocks
    assert bed.port.abandon_clocks == [offers[0] + 10, offers[2] + 30]
    assert [word for _, word in bed.port.beat_log] == [0x1000, 0x2000, 0x2008, 0x2010, 0x3000]


@pytest.mark.parametrize("timeout", [1, 2, 3, 9])
def test_timeout_while_the_address_waits(timeout: int) -> None:
    """The next node waits as long behind the held read, without one of its own; after that all is well again."""
    bed = Bed(is_address_blocked=True)

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, timeout)
        for address in (0x1000, 0x2000):
            assert (await bed.fetch(ctx, address))["outcome"] is TIMEOUT
        bed.port.is_address_blocked = False
        await ctx.tick().repeat(10)
        ctx.set(bed.dut.timeout, 9)
        assert await bed.fetch(ctx, 0x3000) == read_in_python(bed.memory, 0x3000, X64)

    bed.run(bench)
    assert bed.port.abandon_clocks == [bed.port.offer_clocks[0] + timeout]
    assert [read[2] for read in bed.port.log] == [0x1000, 0x3000]


@pytest.mark.parametrize("clock_count", range(1, 9))
def test_address_accepted_around_the_timeout(clock_count: int) -> None:
    """Before, in and after the clock of the abandon: the read is answered to nobody, and the next node is good."""
    bed = Bed(is_address_blocked=True, latency=4)

    async def accept(ctx: Any) -> None:
        await ctx.tick().repeat(clock_count)
        bed.port.is_address_blocked = False

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 6)
        assert (await bed.fetch(ctx, 0x1000))["outcome"] is TIMEOUT
        ctx.set(bed.dut.timeout, 20)
        assert (await bed.fetch(ctx, 0x2000))["outcome"] is OK

    bed.run(bench, accept)
    assert [read[2] for read in bed.port.log] == [0x1000, 0x2000]
    assert bed.port.abandon_clocks == [bed.port.offer_clocks[0] + 6]


def test_no_id_is_left() -> None:
    bed = Bed(faults={0x1000: Fault.SILENCE})

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 5)
        for _ in range(4):
            assert (await bed.fetch(ctx, 0x1000))["outcome"] is TIMEOUT
        # Also without a timeout: there is nothing to wait for.
        ctx.set(bed.dut.timeout, 0)
        assert (await bed.fetch(ctx, 0x2000))["outcome"] is TIMEOUT
        bed.port.release()
        await ctx.tick().repeat(30)
        assert (await bed.fetch(ctx, 0x2000))["outcome"] is OK

    bed.run(bench)
    assert len(bed.port.log) == 5


@pytest.mark.parametrize("id_width", [1, 3])
def test_the_last_id_is_found(id_width: int) -> None:
    """With one ID left every node still comes, also across 4 KB, whatever the timeout."""
    bed = Bed(config=replace(CONFIG, id_width=id_width), faults={0x1000: Fault.SILENCE})

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 6)
        for _ in range(2**id_width - 1):
            assert (await bed.fetch(ctx, 0x1000))["outcome"] is TIMEOUT
        for address in (0x2000, 0x2FF8, 0x2FF0, 0x3008):
            assert (await bed.fetch(ctx, address))["outcome"] is OK

    bed.run(bench)


@pytest.mark.parametrize("clock_count", range(1, 15))
def test_cancel_in_every_clock(clock_count: int) -> None:
    """What is on offer or under way is ended, nothing begins after it: a node across 4 KB, then another."""
    bed = Bed(latency=2)

    async def cancel(ctx: Any) -> None:
        await ctx.tick().repeat(clock_count)
        ctx.set(bed.dut.is_cancelled, 1)

    async def bench(ctx: Any) -> None:
        await ctx.tick().repeat(2)
        for _ in range(2):
            await bed.fetch(ctx, 0x2FF0)

    bed.run(bench, cancel)
    assert len(bed.nodes.transfers) == 2
    assert all(clock < clock_count for clock in bed.port.offer_clocks)
    assert len(bed.port.beat_log) == sum(read[3] for read in bed.port.log)
    for node in bed.nodes.payloads:
        assert node["outcome"] in {OK, TIMEOUT}


# The parts


@pytest.mark.parametrize("clock_count", [0, 1, 2, 3, 7])
def test_timer(clock_count: int) -> None:
    dut = Timer()
    expired = Probe(dut.is_expired)

    async def bench(ctx: Any) -> None:
        for length in (clock_count, 3, clock_count):
            ctx.set(dut.clock_count, length)
            ctx.set(dut.do_start, 1)
            await ctx.tick()
            ctx.set(dut.do_start, 0)
            ctx.set(dut.clock_count, 5)
            await ctx.tick().repeat(11)

    simulate(dut, bench, monitors=[expired], drain=1)
    for start, length in ((0, clock_count), (12, 3), (24, clock_count)):
        clocks = [clock - start for clock in expired.high_clocks if start < clock < start + 12]
        assert clocks == (list(range(length, 12)) if length else [])


@pytest.mark.parametrize("busy", [(), (1,), (0, 1, 2), (3,), (0, 2), (1, 2, 3), (0, 1, 2, 3)])
def test_ids_in_use_are_left_out(busy: Iterable[int]) -> None:
    """A taken ID is busy from the next clock on; here it is free again 3 clocks later."""
    busy = tuple(busy)
    dut = IdPicker(CONFIG)
    taken: list[int] = []
    free = [number for number in range(4) if number not in busy]

    async def bench(ctx: Any) -> None:
        always = sum(1 << number for number in busy)
        ctx.set(dut.busy_ids, always)
        await ctx.tick()
        # The ID offered since reset was free then; nothing is known of it later.
        for _ in range(12):
            for _ in range(8):
                if ctx.get(dut.is_free):
                    break
                await ctx.tick()
            else:
                assert not free
                return
            taken.append(ctx.get(dut.id))
            ctx.set(dut.do_take, 1)
            await ctx.tick()
            ctx.set(dut.do_take, 0)
            ctx.set(dut.busy_ids, always | 1 << taken[-1])
            await ctx.tick().repeat(3)
            ctx.set(dut.busy_ids, always)

    simulate(dut, bench)
    assert taken[0] == 0
    assert set(taken[1:]) == set(free)
    if free:
        start = free.index(taken[1])
        assert taken[1:] == [free[(start + number) % len(free)] for number in range(len(taken) - 1)]
