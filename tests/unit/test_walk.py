"""The whole walk against memory and a table's delete port; a walk in plain Python says what must come out."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random
from struct import unpack
from typing import Any

import pytest
from tests.unit.streams import STALL_PATTERNS, Monitor, Probe, receive, seeds, send, simulate
from tests.unit.walk_bench import PAGE, X64, X86, Abi, DeletePort, Fault, Memory, ReadPort

from saoffload.hdl.config import preset
from saoffload.hdl.layouts import Opcode, Status
from saoffload.hdl.walk.walk import Walk

SERIAL = replace(preset("small"), contexts=1, line_buffers=0, id_width=2)
KINDS = {
    "serial": SERIAL,
    "early": replace(SERIAL, windows=1, asks_early=True),
    "contexts": replace(SERIAL, contexts=3),
}
"""What these tests run with: one list at a time is what all can do."""
CONFIG = SERIAL
SERIAL_ONLY = pytest.mark.parametrize("kind", ["serial"], indirect=True)
"""For figures of the serial walker."""
EARLY_ONLY = pytest.mark.parametrize("kind", ["early"], indirect=True)
MANY_WINDOWS = pytest.mark.parametrize("kind", ["serial", "contexts"], indirect=True)
"""For what one window cannot show."""


@pytest.fixture(autouse=True, params=KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The configuration that a bed has if it is given none."""
    monkeypatch.setattr(__name__ + ".CONFIG", KINDS[request.param])
    return str(request.param)


TOP = 1 << 64
ABIS = pytest.mark.parametrize("abi", [X64, X86], ids=["x64", "x86"])
WHOLE = ((0x0001_0000, 0x0010_0000, 0x0001_0000),)
"""One window that moves nothing: base, size, bus base."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """One walk to try, and the world it meets."""

    head: int
    abi: Abi = X64
    budget: int = 0
    windows: Sequence[tuple[int, int, int]] = WHOLE
    faults: dict[int, Fault] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a walk ends, and the nodes it visits as (list address, handle, whether it named something)."""

    status: Status
    fault_address: int
    nodes: tuple[tuple[int, int, bool], ...]


def walk_in_python(command: Command, memory: Memory, live: set[int]) -> Outcome:
    """The contract's walk, on bytes; takes what it deletes out of ``live``."""
    abi = command.abi
    address, nodes, saved = command.head, [], None

    def end(status: Status) -> Outcome:
        return Outcome(status, address, tuple(nodes))

    while address != 0:
        if address % abi.alignment:
            return end(Status.MISALIGNED)
        places = [
            address - base + bus
            for base, size, bus in command.windows
            if base <= address and address + abi.size <= base + size
        ]
        if not places or (abi is X86 and address + abi.size > 2**32):
            return end(Status.OUT_OF_WINDOW)
        if address == saved:
            return end(Status.LOOP)
        if len(nodes) == (command.budget or 2**32 - 1):
            return end(Status.TOO_LONG)
        place = places[0]
        page_end = (place // PAGE + 1) * PAGE
        for first, last in ((place, min(place + abi.size, page_end)), (page_end, place + abi.size)):
            kinds = {command.faults.get(word) for word in range(first // 8 * 8, last, 8)} - {None}
            if Fault.SILENCE in kinds:
                return end(Status.TIMEOUT)
            if kinds - {Fault.NO_END, Fault.EARLY_END} or _ends_wrong(command.faults, first, last):
                return end(Status.BUS_ERROR)
        content = memory.read(place, abi.size)
        header, next_address, handle = unpack("<III" if abi is X86 else "<I4xQQ", content)
        if header != abi.header:
            return end(Status.BAD_HEADER)
        nodes.append((address, handle, handle in live))
        live.discard(handle)
        if len(nodes) & (len(nodes) - 1) == 0:
            saved = address
        address = next_address
    return end(Status.OK)


def _ends_wrong(faults: dict[int, Fault], first: int, last: int) -> bool:
    """Whether the read of these bytes ends early, or not at its last word."""
    words = list(range(first // 8 * 8, last, 8))
    return any(faults.get(word) is Fault.EARLY_END for word in words[:-1]) or (
        bool(words) and faults.get(words[-1]) is Fault.NO_END
    )


def lay_list(
    memory: Memory, addresses: Sequence[int], abi: Abi = X64, *, end: int = 0, handles: Iterable[int] | None = None
) -> int:
    """Links nodes at ``addresses`` in this order, the last one to ``end``; returns the head."""
    handles = iter(handles) if handles is not None else iter(range(0x8000_0000, 0x8100_0000))
    for address, next_address in zip(addresses, [*addresses[1:], end], strict=True):
        memory.write(address, abi.node(next_address, next(handles)))
    return addresses[0]


class Bed:
    """A walk with its surroundings; every command is compared with the walk in Python."""

    def __init__(self, *, memory: Memory | None = None, live: Iterable[int] = (), config: Any = None, **port: Any):
        self.config = config = config or CONFIG
        self.dut = Walk(config)
        self.memory = memory or Memory()
        self.reads = ReadPort(self.dut, self.memory, **port)
        self.table = DeletePort(self.dut, set(live))
        self.live = set(live)
        self.tag = 0x7A60_0000
        self.windows: list[tuple[int, int, int]] = []
        self.visits = Probe(self.dut.visited_node)
        self.visited_addresses = Probe(self.dut.visited_address)
        self.activity = Probe(self.dut.is_active)
        self.monitors = [
            Monitor(self.dut.results, "results"),
            Monitor(self.dut.reads, "reads"),
            Monitor(self.dut.deletes, "deletes"),
            Monitor(self.dut.window_write_answers, "window_write_answers"),
        ]
        #: What the walk in Python visited, over all commands.
        self.expected_nodes: list[tuple[int, int, bool]] = []

    def run(self, bench: Callable[[Any], Awaitable[None]], *, deadline: int = 50_000, drain: int = 16) -> None:
        simulate(
            self.dut,
            bench,
            monitors=[*self.monitors, self.visits, self.visited_addresses, self.activity],
            background=[self.reads.run, self.table.run],
            deadline=deadline,
            drain=drain,
        )
        assert self.table.log == [node[1:] for node in self.expected_nodes]
        assert [self.visited_addresses.values[clock] for clock in self.visits.high_clocks] == [
            node[0] for node in self.expected_nodes
        ]

    async def set_windows(self, ctx: Any, windows: Sequence[tuple[int, int, int]]) -> None:
        """The windows in order, all others off."""
        rows = [*windows, *[(0, 0, 0)] * (self.config.windows - len(windows))]
        if rows != self.windows:
            self.windows = rows
            # The lock of a walker of many lists ends a clock after the last walk.
            await ctx.tick()
            for index, row in enumerate(rows):
                assert not await self.write_window(ctx, index, *row)

    async def write_window(self, ctx: Any, index: int, base: int, size: int, bus_base: int) -> bool:
        """Whether the write was refused."""
        payload = {"index": index, "base": base, "size": size, "bus_base": bus_base}
        await send(ctx, self.dut.window_writes, payload)
        answer = await receive(ctx, self.dut.window_write_answers)
        return bool(answer["refused"])

    async def submit(
        self, ctx: Any, command: Command, *, opcode: Opcode = Opcode.WALK, is_aborted: bool = False
    ) -> None:
        self.tag += 1
        ctx.set(self.dut.command_is_aborted, is_aborted)
        payload = {
            "opcode": opcode,
            "abi": command.abi.code,
            "tag": self.tag,
            "head": command.head,
            "budget": command.budget,
        }
        await send(ctx, self.dut.commands, payload)
        ctx.set(self.dut.command_is_aborted, 1)

    async def check(self, ctx: Any, command: Command, expected: Outcome) -> None:
        """Takes the result and compares it."""
        result = await receive(ctx, self.dut.results)
        self.expected_nodes += expected.nodes
        deleted = sum(found for *_, found in expected.nodes)
        assert result == {
            "tag": self.tag,
            "status": expected.status,
            "visited": len(expected.nodes),
            "deleted": deleted,
            "not_found": len(expected.nodes) - deleted,
            "fault_address": expected.fault_address,
        }, f"{command}"

    async def walk(self, ctx: Any, command: Command) -> Outcome:
        """One command from submission to result."""
        await self.set_windows(ctx, command.windows)
        self.reads.faults = command.faults
        expected = walk_in_python(command, self.memory, self.live)
        await self.submit(ctx, command)
        await self.check(ctx, command, expected)
        return expected


def handles(count: int) -> list[int]:
    return [0x8000_0000 + number for number in range(count)]


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


# Timeouts


@SERIAL_ONLY
def test_lost_ids_stay_out_of_use_until_all_are_lost() -> None:
    """Four reads time out and take their IDs with them; the fifth walk reads nothing; all is well after the answers."""
    bed = Bed(live=handles(1), latency=3)
    lay_list(bed.memory, [0x2_0000])
    silent = Command(head=0x2_0000, faults={0x2_0008: Fault.SILENCE})

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 25)
        for lost_count in range(1, 7):
            assert (await bed.walk(ctx, silent)).status is Status.TIMEOUT
            assert bed.reads.busy_ids.bit_count() == min(lost_count, 4)
        assert len(bed.reads.log) == 4
        bed.reads.release()
        await ctx.tick().repeat(30)
        assert (await bed.walk(ctx, replace(silent, faults={}))).status is Status.OK

    bed.run(bench)
    assert [
        abandon - offer for abandon, offer in zip(bed.reads.abandon_clocks, bed.reads.offer_clocks, strict=False)
    ] == [25] * 4


def test_one_id_is_enough() -> None:
    # A context has one ID, its own; a serial walker takes any.
    id_count = 2**CONFIG.id_width if CONFIG.is_serial else CONFIG.contexts
    bed = Bed(live=handles(40), latency=3)
    lay_list(bed.memory, [0x2_0FF8 + 0x1000 * number for number in range(6)])
    silent = Command(head=0x2_0FF8, faults={0x2_0FF8: Fault.SILENCE})

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 20)
        for _ in range(id_count - 1):
            assert (await bed.walk(ctx, silent)).status is Status.TIMEOUT
        outcome = await bed.walk(ctx, replace(silent, faults={}))
        assert outcome.status is Status.OK
        assert len(outcome.nodes) == 6

    bed.run(bench)


def test_address_that_is_never_accepted() -> None:
    """The read stays on offer, walks end in TIMEOUT without another, and its answer reaches nobody once it comes."""
    bed = Bed(live=handles(3), latency=3)
    lay_list(bed.memory, [0x2_0000])
    lay_list(bed.memory, [0x3_0000], handles=[0x8000_0001])

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 20)
        await bed.set_windows(ctx, WHOLE)
        bed.reads.is_address_blocked = True
        for head in (0x2_0000, 0x3_0000, 0x3_0000):
            await bed.submit(ctx, Command(head=head))
            await bed.check(ctx, Command(head=head), Outcome(Status.TIMEOUT, head, ()))
        assert bed.reads.log == []
        # A walk that waits behind the held read goes on when the bus accepts it.
        command = Command(head=0x3_0000)
        expected = walk_in_python(command, bed.memory, bed.live)
        await bed.submit(ctx, command)
        await ctx.tick().repeat(15)
        bed.reads.is_address_blocked = False
        await bed.check(ctx, command, expected)

    bed.run(bench)
    assert [address for _, _, address, _ in bed.reads.log] == [0x2_0000, 0x3_0000]
    assert len(bed.reads.abandon_clocks) == 1


def test_abort_ends_a_walk_that_waits_behind_a_held_read_without_a_timeout() -> None:
    bed = Bed(live=handles(1))
    lay_list(bed.memory, [0x2_0000])
    command = Command(head=0x2_0000)

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 10)
        await bed.set_windows(ctx, WHOLE)
        bed.reads.is_address_blocked = True
        await bed.submit(ctx, command)
        await bed.check(ctx, command, Outcome(Status.TIMEOUT, 0x2_0000, ()))
        ctx.set(bed.dut.timeout, 0)
        await bed.submit(ctx, command)
        await ctx.tick().repeat(100)
        ctx.set(bed.dut.abort_tag, bed.tag)
        ctx.set(bed.dut.do_abort, 1)
        await ctx.tick()
        ctx.set(bed.dut.do_abort, 0)
        await bed.check(ctx, command, Outcome(Status.ABORTED, 0x2_0000, ()))
        bed.reads.is_address_blocked = False

    bed.run(bench)
    assert len(bed.reads.log) == 1


@SERIAL_ONLY
@pytest.mark.parametrize("timeout", [4, 5, 6, 7])
def test_timeout_counts_from_arvalid(timeout: int) -> None:
    """At latency 3 the last of 3 beats comes 5 clocks after ARVALID: in time if the timeout is 5 or more."""
    bed = Bed(live=handles(1), latency=3)
    lay_list(bed.memory, [0x2_0000])
    command = Command(head=0x2_0000)
    expected = (
        Outcome(Status.OK, 0, ((0x2_0000, 0x8000_0000, True),))
        if timeout >= 5
        else Outcome(Status.TIMEOUT, 0x2_0000, ())
    )

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, timeout)
        await bed.set_windows(ctx, WHOLE)
        await bed.submit(ctx, command)
        await bed.check(ctx, command, expected)

    bed.run(bench)
    clocks = [abandon - bed.reads.offer_clocks[0] for abandon in bed.reads.abandon_clocks]
    assert clocks == ([] if timeout >= 5 else [timeout])


# Aborts


async def abort_after(ctx: Any, bed: Bed, clock_count: int, tag: int) -> bool:
    """Aborts ``clock_count`` clocks from now; whether the active walk said that it is meant."""
    if clock_count:
        await ctx.tick().repeat(clock_count)
    ctx.set(bed.dut.abort_tag, tag)
    ctx.set(bed.dut.do_abort, 1)
    await ctx.tick()
    ctx.set(bed.dut.do_abort, 0)
    ctx.set(bed.dut.abort_tag, 0)
    while not ctx.get(bed.dut.abort_is_done):
        await ctx.tick()
    return bool(ctx.get(bed.dut.abort_matches))


@ABIS
@pytest.mark.parametrize("ending", [Status.OK, Status.LOOP, Status.BAD_HEADER, Status.BUS_ERROR])
def test_abort_in_every_clock(abi: Abi, ending: Status) -> None:
    """ABORTED names the next node, as long as a node is left; the real status afterwards; never a read too many."""
    bed = Bed(latency=3)
    addresses = [0x2_0000, 0x2_0FFC if abi is X86 else 0x2_0FF8, 0x3_0000]
    bad = 0x5_0000
    end = {Status.OK: 0, Status.LOOP: addresses[1], Status.BAD_HEADER: bad, Status.BUS_ERROR: bad}[ending]
    lay_list(bed.memory, addresses, abi, end=end)
    bed.memory.write(bad, abi.node(0, 0x8000_0009, header=abi.header ^ (ending is Status.BAD_HEADER)))
    faults = {bad: Fault.ERROR} if ending is Status.BUS_ERROR else {}
    command = Command(head=addresses[0], abi=abi, faults=faults)
    statuses = []

    async def bench(ctx: Any) -> None:
        await bed.set_windows(ctx, WHOLE)
        bed.reads.faults = faults
        whole = walk_in_python(command, bed.memory, set())
        path = [*(node[0] for node in whole.nodes), whole.fault_address]
        for clock_count in range(48):
            reads_before = len(bed.reads.log)
            await bed.submit(ctx, command)
            abort_clock = bed.reads.clock + clock_count
            matches = await abort_after(ctx, bed, clock_count, bed.tag)
            result = await receive(ctx, bed.dut.results)
            visited = result["visited"]
            bed.expected_nodes += whole.nodes[:visited]
            statuses.append(result["status"])
            assert result["tag"] == bed.tag
            assert visited == result["deleted"] + result["not_found"]
            assert result["fault_address"] == path[visited], f"abort after {clock_count}"
            if result["status"] is Status.ABORTED:
                assert matches
                # No read is offered once the abort is known, but a read under way is taken to its end.
                known = abort_clock + (0 if CONFIG.is_serial else 3)
                assert all(clock <= known for clock in bed.reads.offer_clocks)
                assert len(bed.reads.log) - reads_before <= visited + 2
            else:
                assert not matches, f"abort after {clock_count}"
                assert (result["status"], visited) == (whole.status, len(whole.nodes))
            assert bed.reads.busy_ids == 0

    bed.run(bench)
    assert statuses == sorted(statuses, key=lambda status: status is not Status.ABORTED)
    assert statuses.count(Status.ABORTED) > 15
    assert statuses[-1] is ending


@pytest.mark.parametrize("is_delete", [False, True], ids=["walk", "delete"])
@pytest.mark.parametrize("way", ["queued", "now"])
def test_abort_before_acceptance(way: str, is_delete: bool) -> None:
    """The queue's mark, or the abort itself in the clock in which the command is taken: nothing is done."""
    bed = Bed(live=handles(1))
    lay_list(bed.memory, [0x2_0000])
    opcode = Opcode.DELETE if is_delete else Opcode.WALK

    async def bench(ctx: Any) -> None:
        await bed.set_windows(ctx, WHOLE)
        for head in (0x2_0000, 0, 3):
            command = Command(head=head)
            ctx.set(bed.dut.do_abort, way == "now")
            ctx.set(bed.dut.abort_tag, bed.tag + 1)
            await bed.submit(ctx, command, opcode=opcode, is_aborted=way == "queued")
            ctx.set(bed.dut.do_abort, 0)
            ctx.set(bed.dut.abort_tag, 0)
            await bed.check(ctx, command, Outcome(Status.ABORTED, 0 if is_delete else head, ()))

    bed.run(bench)
    assert bed.reads.log == []


def test_abort_of_another_tag_changes_nothing() -> None:
    bed = Bed(live=handles(9))
    addresses = [0x2_0000 + 0x40 * number for number in range(9)]
    lay_list(bed.memory, addresses)
    command = Command(head=addresses[0])

    async def bench(ctx: Any) -> None:
        await bed.set_windows(ctx, WHOLE)
        expected = walk_in_python(command, bed.memory, bed.live)
        ctx.set(bed.dut.do_abort, 1)
        ctx.set(bed.dut.abort_tag, 0x7A60_0001 ^ 1 << 31)
        await bed.submit(ctx, command)
        await bed.check(ctx, command, expected)

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


def random_command(random: Random, memory: Memory, number: int, config: Any) -> Command:
    """A short list in a region of its own, in order or broken in one of the ways there are."""
    abi = random.choice([X64, X86])
    base = 0x10_0000 * (number + 1)
    bus = random.choice([base, base + 0x7000_0000, random.randrange(2**50) * PAGE])
    if config.address_width == 32:
        bus %= 1 << 31
        base = base if abi is X86 else random.choice([base, (random.randrange(1, 9) << 32) - 0x4000])
    windows = [(base, 0x8000, bus)]
    if config.windows > 1 and random.random() < 0.3:
        windows.append((base + 0x8000, 0x100, bus + 0x9_0000))
    if random.random() < 0.3:
        random.shuffle(windows)
    slot = random.choice([24, 32, 40, 64])
    count = random.randint(1, 24)
    shift = random.randrange(0, 8, abi.alignment)
    addresses = [base + slot * place + shift for place in random.sample(range(0x7F00 // slot), count)]
    kind = random.choice(["ok", "ok", "ring", "wild", "header", "budget", "fault", "outside"])
    end = {
        "ring": random.choice(addresses),
        "wild": random.randrange(2**32 if abi is X86 else TOP),
        "outside": base + 0x8000 - random.randrange(0, abi.size, abi.alignment),
    }.get(kind, 0)
    for place, (address, next_address) in enumerate(zip(addresses, [*addresses[1:], end], strict=True)):
        header = abi.header ^ (1 << random.randrange(32) if kind == "header" and place == count // 2 else 0)
        handle = random.choice([0, random.randrange(0x8000_0000, 0x8000_0040)])
        memory.write(address - base + bus, abi.node(next_address, handle, header=header))
    faults = {}
    if kind == "fault":
        faults[(random.choice(addresses) - base + bus) // 8 * 8] = random.choice([Fault.ERROR, Fault.SILENCE])
    budget = random.randint(1, 12) if kind == "budget" else 0
    return Command(head=addresses[0], abi=abi, windows=tuple(windows), faults=faults, budget=budget)


@pytest.mark.parametrize("pattern", STALL_PATTERNS, ids=str)
@pytest.mark.parametrize("name", ["small", "tiny"])
@pytest.mark.parametrize("seed", seeds(1))
def test_random_lists(seed: int, name: str, pattern: Any) -> None:
    """Replay with SAOFFLOAD_SEED."""
    random = Random(f"lists {seed} {name} {pattern}")
    config = CONFIG
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


# Pace


@SERIAL_ONLY
@pytest.mark.parametrize("latency", [1, 5, 13, 100])
def test_period_of_x64_nodes_is_latency_plus_three(latency: int) -> None:
    assert periods(X64, latency, [0x2_0000 + 32 * place for place in (5, 0, 9, 3, 7, 1, 2, 40)]) == {latency + 3}


@SERIAL_ONLY
@pytest.mark.parametrize("latency", [1, 13])
def test_period_of_x86_nodes(latency: int) -> None:
    assert periods(X86, latency, [0x2_0000 + 32 * place for place in (5, 0, 9, 3)]) == {latency + 2}
    assert periods(X86, latency, [0x2_0004 + 32 * place for place in (5, 0, 9, 3)]) == {latency + 3}


@SERIAL_ONLY
@pytest.mark.parametrize("latency", [1, 13])
def test_period_of_x64_nodes_across_pages(latency: int) -> None:
    """Two reads of 3 beats in all: the second in the clock after the last beat of the first."""
    assert periods(X64, latency, [0x2_0FF0 + PAGE * place for place in (5, 0, 9, 3)], reads=2) == {2 * latency + 3}


@EARLY_ONLY
@pytest.mark.parametrize("latency", [1, 2, 13, 100])
def test_early_walks_take_a_clock_less(latency: int) -> None:
    """Unless ``Next`` comes in a node's last word only."""
    places = (5, 0, 9, 3, 7, 1, 2, 40)
    assert periods(X64, latency, [0x2_0000 + 32 * place for place in places]) == {latency + 2}
    assert periods(X86, latency, [0x2_0000 + 32 * place for place in places]) == {latency + 1}
    assert periods(X86, latency, [0x2_0004 + 32 * place for place in places]) == {latency + 3}
    assert periods(X64, latency, [0x2_0FF0 + PAGE * place for place in places], reads=2) == {2 * latency + 2}


def periods(abi: Abi, latency: int, addresses: Sequence[int], *, reads: int = 1) -> set[int]:
    """Clocks from one node's first read to the next one's, all that occur; the command's own clocks are checked too."""
    bed = Bed(live=handles(100), latency=latency)
    lay_list(bed.memory, addresses, abi)
    commands = Monitor(bed.dut.commands, "commands")
    bed.monitors.append(commands)

    async def bench(ctx: Any) -> None:
        await bed.walk(ctx, Command(head=addresses[0], abi=abi))

    bed.run(bench)
    clocks = [clock for clock, *_ in bed.reads.log][::reads]
    assert clocks[0] == commands.clocks[0] + 2
    # A visit shows as its delete is handed over, which is answered 3 clocks later; NULL is decided by then.
    assert bed.monitors[0].offer_clocks[0] == bed.visits.high_clocks[-1] + 3 + 1
    return {after - before for before, after in pairwise(clocks)}
