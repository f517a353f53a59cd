"""The whole walk against memory and a table's delete port; a walk in plain Python says what must come out."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from tests.unit import one_walk_bench
from tests.unit.one_walk_bench import ABIS, MANY_WINDOWS, Bed
from tests.unit.streams import STALL_PATTERNS, seeds
from tests.unit.walk_bench import PAGE, X64, X86, Abi, Fault, Memory
from tests.unit.walk_in_python import TOP, WHOLE, Command, Outcome, handles, lay_list, random_command, walk_in_python

from saoffload.hdl.layouts import Opcode, Status

pytestmark = pytest.mark.usefixtures("kind")


# Statuses and their order

BAD_NODE = 0x0002_0000
LAST_NODE = 0x0001_FF00


def competing(first: Status, second: Status) -> Command | None:
    """A list whose second node both statuses would name, or None if no list can do that.

    Statuses found before the read compete with those found by it through what stands at the address.
    """
    address, windows, faults, budget, node = BAD_NODE, WHOLE, {}, 0, X64.node(0, 0x8000_0001)
    pair = {first, second}
    if Status.LOOP in pair:
        address, node = LAST_NODE, None
        if Status.MISALIGNED in pair or Status.OUT_OF_WINDOW in pair or pair & AFTER_READ:
            return None  # an address that was visited is aligned, inside, and was good
    if Status.MISALIGNED in pair:
        address += 4
    if Status.OUT_OF_WINDOW in pair:
        windows = ((0x0001_0000, 0x0001_0008, 0x0001_0000),)
    if Status.TOO_LONG in pair:
        budget = 1
    if Status.BAD_HEADER in pair and node:
        node = X64.node(0, 0x8000_0001, header=0x0018_0280)
    if Status.BUS_ERROR in pair:
        faults = {BAD_NODE + 8: Fault.ERROR}
    if Status.TIMEOUT in pair:
        if Status.BUS_ERROR in pair:
            return None  # which comes first is in time, not in order: see the tests of nodes across 4 KB
        faults = {BAD_NODE: Fault.SILENCE, BAD_NODE + 8: Fault.SILENCE}
    memory_of_competing[first, second] = (address, node)
    return Command(head=LAST_NODE, windows=windows, faults=faults, budget=budget)


AFTER_READ = {Status.BUS_ERROR, Status.TIMEOUT, Status.BAD_HEADER}
IN_ORDER = [status for status in Status if status not in {Status.OK, Status.ABORTED}]
memory_of_competing: dict[tuple[Status, Status], tuple[int, bytes | None]] = {}


def test_first_status_in_order_wins() -> None:
    """Each status alone, then every pair of statuses that one address can earn."""
    bed = Bed(live=handles(2), latency=2)
    seen = []

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 40)
        for number, first in enumerate(IN_ORDER):
            for second in IN_ORDER[number:]:
                command = competing(first, second)
                if command is None:
                    continue
                address, node = memory_of_competing[first, second]
                if node:
                    bed.memory.write(address, node)
                bed.memory.write(LAST_NODE, X64.node(address, 0x8000_0000))
                outcome = await bed.walk(ctx, command)
                assert outcome.status is first, f"{first} and {second}"
                assert outcome.fault_address == address
                bed.reads.release()
                await ctx.tick().repeat(12)
                seen.append((first, second))

    bed.run(bench)
    assert len(seen) == 7 + 15
    assert {first for first, _ in seen} == set(IN_ORDER)


def test_null_head_is_ok_without_windows_and_nothing_is_read() -> None:
    bed = Bed()

    async def bench(ctx: Any) -> None:
        for abi in (X64, X86):
            assert await bed.walk(ctx, Command(head=0, abi=abi, windows=())) == Outcome(Status.OK, 0, ())
        assert (await bed.walk(ctx, Command(head=0x1_0000, windows=()))).status is Status.OUT_OF_WINDOW
        assert (await bed.walk(ctx, Command(head=0x1_0001, windows=()))).status is Status.MISALIGNED

    bed.run(bench)
    assert bed.reads.log == []


@ABIS
def test_every_bit_of_the_header_counts(abi: Abi) -> None:
    bed = Bed(live=handles(1))

    async def bench(ctx: Any) -> None:
        for bit in range(32):
            bed.memory.write(0x2_0000, abi.node(0, 0x8000_0000, header=abi.header ^ 1 << bit))
            outcome = await bed.walk(ctx, Command(head=0x2_0000, abi=abi))
            assert outcome == Outcome(Status.BAD_HEADER, 0x2_0000, ())
        other = X86 if abi is X64 else X64
        bed.memory.write(0x2_0000, other.node(0, 0x8000_0000))
        assert (await bed.walk(ctx, Command(head=0x2_0000, abi=abi))).status is Status.BAD_HEADER

    bed.run(bench)


# Nodes and pages


@ABIS
def test_nodes_at_every_phase_of_a_page(abi: Abi) -> None:
    """Nodes at each place near the ends of 4 KB, also across them, and at some between; each bus page another one."""
    bed = Bed(live=range(0x8000_0000, 0x8000_0400, 2))
    phases = [p for p in range(0, PAGE, abi.alignment) if p < 64 or p >= PAGE - 64 or p // abi.alignment % 13 == 0]
    addresses = [0x2_0000 + 3 * PAGE * number + phase for number, phase in enumerate(phases)]
    command = Command(
        head=lay_list(bed.memory, [a + 0x4000_0000 for a in addresses], abi),
        abi=abi,
        windows=((0x4000_0000, 0x1000_0000, 0x7000_0000_0000_0000),),
    )
    # The list is laid out at its list addresses; what the bus sees lies elsewhere.
    for address in addresses:
        content = bed.memory.read(address + 0x4000_0000, abi.size)
        bed.memory.write(address + 0x7000_0000_0000_0000, content)
        bed.memory.write(address + 0x4000_0000, bytes(abi.size))

    async def bench(ctx: Any) -> None:
        outcome = await bed.walk(ctx, command)
        assert outcome.status is Status.OK
        assert len(outcome.nodes) == len(phases)

    bed.run(bench)
    crossing = sum(phase + abi.size > PAGE for phase in phases)
    assert crossing == {8: 2, 4: 2}[abi.alignment]
    assert len(bed.reads.log) == len(phases) + crossing
    # Each word of a node exactly once.
    words = [word for _, word in bed.reads.beat_log]
    expected = [
        word
        for address in addresses
        for word in range((address + 0x7000_0000_0000_0000) // 8 * 8, address + 0x7000_0000_0000_0000 + abi.size, 8)
    ]
    assert words == expected


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name)
@ABIS
def test_a_fault_in_each_word_of_a_node(abi: Abi, fault: Fault) -> None:
    """Also across 4 KB: BUS_ERROR or TIMEOUT exactly when a word of the node failed, and no second read after that."""
    bed = Bed(live=handles(1), latency=2)

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 30)
        for start in range(0x2_1000 - 32, 0x2_1000 + 8, abi.alignment):
            bed.memory.write(start, abi.node(0, 0x8000_0000))
            for word in range((start - 8) // 8 * 8, start + abi.size + 8, 8):
                await bed.walk(ctx, Command(head=start, abi=abi, faults={word: fault}))
                bed.reads.release()
                await ctx.tick().repeat(8)

    bed.run(bench)
    statuses = {transfer["status"] for transfer in bed.monitors[0].payloads}
    assert statuses == {Status.OK, Status.TIMEOUT if fault is Fault.SILENCE else Status.BUS_ERROR}


# Budget and loops


@ABIS
def test_budget(abi: Abi) -> None:
    bed = Bed(live=handles(10))
    addresses = [0x3_0000 + 0x40 * number for number in range(6)]
    lay_list(bed.memory, addresses, abi)

    async def bench(ctx: Any) -> None:
        for budget in (0, 1, 2, 5, 6, 7, 0xFFFF_FFFF):
            outcome = await bed.walk(ctx, Command(head=addresses[0], abi=abi, budget=budget))
            is_enough = budget in (0, 6, 7, 0xFFFF_FFFF)
            assert outcome.status is (Status.OK if is_enough else Status.TOO_LONG)
            assert len(outcome.nodes) == (6 if is_enough else budget)

    bed.run(bench)


@pytest.mark.parametrize("tail_length", [0, 1, 3, 7, 8])
def test_rings_with_tails_are_found_where_brent_finds_them(tail_length: int) -> None:
    bed = Bed(live=handles(5))
    visited = {}

    async def bench(ctx: Any) -> None:
        for ring_length in (1, 2, 3, 4, 5, 8, 13):
            addresses = [0x4_0000 + 0x18 * number for number in range(tail_length + ring_length)]
            lay_list(bed.memory, addresses, end=addresses[tail_length])
            outcome = await bed.walk(ctx, Command(head=addresses[0]))
            assert outcome.status is Status.LOOP
            assert len(outcome.nodes) <= 3 * len(addresses)
            visited[ring_length] = len(outcome.nodes)

    bed.run(bench)
    # By hand: saved are nodes 1, 2, 4, 8, 16; the first of them on the ring that the ring fits behind is met again.
    for ring_length, count in visited.items():
        saved = next(2**k for k in range(10) if 2**k > tail_length and 2**k >= ring_length)
        assert count == saved + ring_length - 1, f"ring of {ring_length} behind {tail_length}"


def test_self_loop_is_met_after_one_visit() -> None:
    bed = Bed(live=handles(1))
    lay_list(bed.memory, [0x4_0000], end=0x4_0000)

    async def bench(ctx: Any) -> None:
        outcome = await bed.walk(ctx, Command(head=0x4_0000))
        assert outcome == Outcome(Status.LOOP, 0x4_0000, ((0x4_0000, 0x8000_0000, True),))
        # A saved address does not outlive its walk.
        bed.memory.write(0x4_0000, X64.node(0, 0x8000_0000))
        assert (await bed.walk(ctx, Command(head=0x4_0000))).status is Status.OK

    bed.run(bench)


# Windows


@ABIS
def test_window_edges(abi: Abi) -> None:
    """The first and the last node of a window, and those one step outside, also at the top of all addresses."""
    bed = Bed(live=handles(1))
    top = 2**32 if abi is X86 else TOP
    places = [
        ((0x2_0008, 0x40, 0x9_0008),),
        ((0x2_0000, abi.size // 8 * 8 + (abi.size % 8 and 8), 0x9_0000),),
        ((top - 0x1000, 0x1000, 0x9_0000),),
        ((top - 0x1000, 0x1000, TOP - 0x1000),),
        ((0, 0x1000, 0x9_0000),),
    ]

    async def bench(ctx: Any) -> None:
        for windows in places:
            (base, size, bus) = windows[0]
            step = abi.alignment
            for start in (base - step, base, base + step, *(base + size - abi.size + k * step for k in (-1, 0, 1, 2))):
                if 0 < start < TOP:
                    if base <= start <= base + size - abi.size:
                        bed.memory.write(start - base + bus, abi.node(0, 0x8000_0000))
                    outcome = await bed.walk(ctx, Command(head=start, abi=abi, windows=windows))
                    is_inside = base <= start <= base + size - abi.size
                    assert outcome.status is (Status.OK if is_inside else Status.OUT_OF_WINDOW), f"{start:#x} {windows}"

    bed.run(bench)
    for _, _, address, beat_count in bed.reads.log:
        assert any(bus <= address and address + 8 * beat_count <= bus + size for ((_, size, bus),) in places)


def test_x86_lists_end_below_four_gigabytes() -> None:
    bed = Bed(live=handles(1))
    windows = ((2**32 - 0x1000, 0x2000, 0x9_0000),)

    async def bench(ctx: Any) -> None:
        for head in (2**32 - 16, 2**32 - 12, 2**32 - 8, 2**32 - 4, 2**32, 2**32 + 4, 2**33 - 0x1000):
            place = head - windows[0][0] + windows[0][2]
            bed.memory.write(place, X86.node(0, 0x8000_0000))
            outcome = await bed.walk(ctx, Command(head=head, abi=X86, windows=windows))
            assert outcome.status is (Status.OK if head <= 2**32 - 12 else Status.OUT_OF_WINDOW)
        bed.memory.write(0xA_0000 - 24, X64.node(0, 0x8000_0000))
        bed.memory.write(0x9_0FF0, X64.node(2**32 + 0x800, 0x8000_0000))
        bed.memory.write(0x9_1800, X64.node(0, 0x8000_0000))
        assert (await bed.walk(ctx, Command(head=2**32 - 16, windows=windows))).status is Status.OK

    bed.run(bench)


@MANY_WINDOWS
def test_lowest_window_that_holds_the_whole_node_wins() -> None:
    bed = Bed(live=handles(9))
    windows = ((0x5_0000, 0x20, 0xA_0000), (0x5_0000, 0x1000, 0xB_0000), (0x5_0008, 0x1000, 0xC_0008))
    for number, (base, size, bus) in enumerate(windows):
        for offset in range(0, size - 24 + 8, 24):
            bed.memory.write(bus + offset, X64.node(0, 0x8000_0000 + number))
        assert base % PAGE == bus % PAGE

    async def bench(ctx: Any) -> None:
        for head, window in ((0x5_0000, 0), (0x5_0008, 0), (0x5_0018, 1), (0x5_0FE8, 1), (0x5_0FF0, 2)):
            base, _, bus = windows[window]
            bed.memory.write(head - base + bus, X64.node(0, 0x8000_0000 + window))
            outcome = await bed.walk(ctx, Command(head=head, windows=windows))
            assert [node[1] for node in outcome.nodes] == [0x8000_0000 + window]

    bed.run(bench)


def test_windows_are_locked_while_a_list_is_walked_or_a_read_outstanding() -> None:
    bed = Bed(live=handles(1), latency=30)
    lay_list(bed.memory, [0x2_0000])
    command = Command(head=0x2_0000)

    async def bench(ctx: Any) -> None:
        await bed.set_windows(ctx, WHOLE)
        expected = walk_in_python(command, bed.memory, bed.live)
        await bed.submit(ctx, command)
        assert await bed.write_window(ctx, 0, 0x2_0000, 0x1000, 0x3_0000)
        await bed.check(ctx, command, expected)
        bed.reads.faults = {0x2_0000: Fault.SILENCE}
        ctx.set(bed.dut.timeout, 10)
        await bed.submit(ctx, command)
        await bed.check(ctx, command, Outcome(Status.TIMEOUT, 0x2_0000, ()))
        assert await bed.write_window(ctx, 0, 0x2_0000, 0x1000, 0x3_0000)
        bed.reads.release()
        await ctx.tick().repeat(40)
        assert not await bed.write_window(ctx, 0, 0x2_0000, 0x1000, 0x3_0000)
        ctx.set(bed.dut.window_is_locked, 1)
        assert await bed.write_window(ctx, 0, 0x2_0000, 0x1000, 0x2_0000)

    bed.run(bench)


# Deletes by register, and the table's pace


def test_delete_by_register() -> None:
    bed = Bed(live=[0x8000_0000, 0x1_8000_0001])

    async def bench(ctx: Any) -> None:
        for handle, found in ((0x8000_0000, True), (0x8000_0000, False), (0, False), (0x1_8000_0001, True), (3, False)):
            command = Command(head=handle)
            await bed.submit(ctx, command, opcode=Opcode.DELETE)
            await bed.check(ctx, command, Outcome(Status.OK, 0, ((0, handle, found),)))

    bed.run(bench)
    assert bed.reads.log == []


@pytest.mark.parametrize("latency", [1, 3, 200])
@pytest.mark.parametrize("pattern", STALL_PATTERNS, ids=str)
def test_result_waits_for_every_answer(latency: int, pattern: Any) -> None:
    """A table that is slow to take or to answer slows the walk down, and loses nothing."""
    bed = Bed(live=handles(18))
    bed.table.latency = latency
    bed.table.stalls = pattern.sink(7)
    addresses = [0x2_0000 + 0x18 * number for number in range(24)]
    lay_list(bed.memory, addresses)

    async def bench(ctx: Any) -> None:
        assert len((await bed.walk(ctx, Command(head=addresses[0]))).nodes) == 24

    bed.run(bench)
    assert bed.monitors[0].clocks[0] > bed.table.clocks[-1] + latency


# Random lists


@pytest.mark.parametrize("pattern", STALL_PATTERNS, ids=str)
@pytest.mark.parametrize("name", ["small", "tiny"])
@pytest.mark.parametrize("seed", seeds(1))
def test_random_lists(seed: int, name: str, pattern: Any) -> None:
    """Replay with SAOFFLOAD_SEED."""
    random = Random(f"lists {seed} {name} {pattern}")
    config = one_walk_bench.CONFIG
    if name == "tiny":
        config = replace(config, windows=1, address_width=32)
    memory = Memory(seed)
    bed = Bed(
        memory=memory,
        config=config,
        live=range(0x8000_0000, 0x8000_0040, 2),
        latency=random.choice([1, 2, 5, 13]),
        address_stalls=pattern.sink(f"{seed} addresses"),
        beat_stalls=pattern.source(f"{seed} beats"),
    )
    bed.table.stalls = pattern.sink(f"{seed} deletes")
    commands = [random_command(random, memory, number, config) for number in range(14)]

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 400)
        for command in commands:
            await bed.walk(ctx, command)
            bed.reads.release()
            while bed.reads.busy_ids:
                await ctx.tick()

    bed.run(bench, deadline=200_000)
