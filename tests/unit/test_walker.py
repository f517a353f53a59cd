"""The list logic alone, against stubs that answer at will: loops, deletes and their answers, results, aborts."""

from collections import deque
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest
from tests.unit.streams import (
    STALL_PATTERNS,
    Monitor,
    Probe,
    StallPattern,
    Stalls,
    never,
    receive,
    seeds,
    send,
    simulate,
)
from tests.unit.walk_bench import X64, X86, Abi, DeletePort

from saoffload.hdl.config import preset
from saoffload.hdl.layouts import FetchOutcome, Opcode, Status
from saoffload.hdl.walk import budget
from saoffload.hdl.walk.loop import LoopDetector
from saoffload.hdl.walk.walker import Walker

CONFIG = replace(preset("small"), contexts=1)
OFFSET = 0x7000_0000
ABIS = pytest.mark.parametrize("abi", [X64, X86], ids=["x64", "x86"])


@dataclass
class Surroundings:
    """A window check that knows one forbidden range, and a fetch whose nodes are a dict by list address."""

    dut: Any
    nodes: dict[int, dict[str, Any]] = field(default_factory=dict)
    forbidden: range = range(0)
    latency: int = 3
    stalls: Stalls = field(default_factory=never)
    asked: list[int] = field(default_factory=list)

    async def check(self, ctx: Any) -> None:
        check = self.dut.check
        while True:
            _, _, address = await ctx.tick().sample(check.address)
            ctx.set(check.is_allowed, address not in self.forbidden)
            ctx.set(check.bus_address, (address + OFFSET) % 2**64)

    async def fetch(self, ctx: Any) -> None:
        while True:
            request = await receive(ctx, self.dut.node_requests, stalls=self.stalls)
            address = (request["address"] - OFFSET) % 2**64
            self.asked.append(address)
            await ctx.tick().repeat(self.latency)
            await send(ctx, self.dut.nodes, self.nodes[address])


def node(next_address: int, handle: int, **fields: Any) -> dict[str, Any]:
    return {"outcome": FetchOutcome.OK, "next": next_address, "handle": handle, **fields}


class Bed:
    def __init__(self) -> None:
        self.dut = Walker(CONFIG)
        self.around = Surroundings(self.dut)
        self.table = DeletePort(self.dut, set())
        self.results = Monitor(self.dut.results, "results")
        self.deletes = Monitor(self.dut.deletes, "deletes")
        self.requests = Monitor(self.dut.node_requests, "node_requests")
        self.commands = Monitor(self.dut.commands, "commands")
        self.active = Probe(self.dut.is_active)

    def run(self, *benches: Any, deadline: int = 30_000) -> None:
        simulate(
            self.dut,
            *benches,
            monitors=[self.results, self.deletes, self.requests, self.commands, self.active],
            background=[self.around.check, self.around.fetch, self.table.run],
            deadline=deadline,
        )

    async def submit(
        self, ctx: Any, head: int, *, abi: Abi = X64, tag: int = 1, budget: int = 0, **fields: Any
    ) -> None:
        command = {"opcode": Opcode.WALK, "abi": abi.code, "tag": tag, "head": head, "budget": budget}
        await send(ctx, self.dut.commands, {**command, **fields})

    async def walk(self, ctx: Any, head: int, **fields: Any) -> dict[str, Any]:
        await self.submit(ctx, head, **fields)
        return await receive(ctx, self.dut.results)


@ABIS
@pytest.mark.parametrize("pattern", STALL_PATTERNS, ids=str)
@pytest.mark.parametrize("seed", seeds(1))
def test_every_handle_is_deleted_once_in_order(seed: int, pattern: StallPattern, abi: Abi) -> None:
    """Replay with SAOFFLOAD_SEED."""
    random = Random(f"walker {seed}")
    bed = Bed()
    bed.around.latency = random.choice([1, 2, 5])
    bed.around.stalls = pattern.sink(f"{seed} requests")
    bed.table.stalls = pattern.sink(f"{seed} deletes")
    bed.table.latency = random.choice([1, 4, 60])
    bed.table.live = {handle for handle in range(64) if random.random() < 0.5}
    live = set(bed.table.live)
    expected = []
    results = []

    async def commands(ctx: Any) -> None:
        source = pattern.source(f"{seed} commands")
        for tag in range(7):
            addresses = random.sample(range(0x1000, 0x4000, abi.alignment), random.randint(1, 9))
            handles = [random.randrange(64) for _ in addresses]
            for address, next_address, handle in zip(addresses, [*addresses[1:], 0], handles, strict=True):
                bed.around.nodes[address] = node(next_address, handle)
            founds = []
            for handle in handles:
                founds.append(handle in live)
                live.discard(handle)
            expected.append((tag, list(zip(handles, founds, strict=True))))
            while next(source):
                await ctx.tick()
            await bed.submit(ctx, addresses[0], abi=abi, tag=tag)
            # A list stays until it is walked.
            while len(results) <= tag:
                await ctx.tick()

    async def take(ctx: Any) -> None:
        sink = pattern.sink(f"{seed} results")
        while len(results) < 7:
            results.append(await receive(ctx, bed.dut.results, stalls=sink))

    bed.run(commands, take)
    assert bed.table.log == [delete for _, deletes in expected for delete in deletes]
    assert results == [
        {
            "tag": tag,
            "status": Status.OK,
            "visited": len(deletes),
            "deleted": sum(found for _, found in deletes),
            "not_found": sum(not found for _, found in deletes),
            "fault_address": 0,
        }
        for tag, deletes in expected
    ]


@pytest.mark.parametrize("outcome", [FetchOutcome.BUS_ERROR, FetchOutcome.TIMEOUT, FetchOutcome.BAD_HEADER])
def test_what_a_failed_fetch_says_is_not_used(outcome: FetchOutcome) -> None:
    """Not even a handle that lives."""
    bed = Bed()
    bed.table.live = {7}
    bed.around.nodes[0x1000] = node(0x2000, 7, outcome=outcome)

    async def bench(ctx: Any) -> None:
        result = await bed.walk(ctx, 0x1000)
        assert (result["status"], result["visited"], result["fault_address"]) == (Status[outcome.name], 0, 0x1000)

    bed.run(bench)
    assert bed.table.log == []
    assert bed.around.asked == [0x1000]


@ABIS
def test_addresses_are_judged_whole(abi: Abi) -> None:
    """One bit of a head or of a Next decides: NULL is 64 zeros, alignment is the ABI's."""
    bed = Bed()
    width = 32 if abi is X86 else 64
    before = 0x18

    async def bench(ctx: Any) -> None:
        for bit in range(width):
            address = 1 << bit
            is_aligned = address % abi.alignment == 0
            bed.around.nodes[address] = node(0, 0)
            bed.around.nodes[before] = node(address, 0)
            for head in (address, before):
                result = await bed.walk(ctx, head, abi=abi)
                assert result["status"] is (Status.OK if is_aligned else Status.MISALIGNED), f"{head:#x} bit {bit}"
                assert result["fault_address"] == (0 if is_aligned else address)

    bed.run(bench)


def test_no_read_follows_a_forbidden_address() -> None:
    bed = Bed()
    bed.around.forbidden = range(0x2000, 0x3000)
    bed.around.nodes[0x1000] = node(0x2FF8, 0)

    async def bench(ctx: Any) -> None:
        result = await bed.walk(ctx, 0x1000)
        assert (result["status"], result["fault_address"]) == (Status.OUT_OF_WINDOW, 0x2FF8)

    bed.run(bench)
    assert bed.around.asked == [0x1000]


@pytest.mark.parametrize("budget", [1, 3, 0x8000_0000, 0xFFFF_FFFF, 0])
def test_budget_is_taken_whole(budget: int) -> None:
    bed = Bed()
    addresses = [0x1000, 0x2000, 0x3000, 0x4000, 0x5000]
    for address, next_address in zip(addresses, [*addresses[1:], 0], strict=True):
        bed.around.nodes[address] = node(next_address, 0)

    async def bench(ctx: Any) -> None:
        for _ in range(2):
            result = await bed.walk(ctx, addresses[0], budget=budget)
            is_short = 0 < budget < 5
            assert result["status"] is (Status.TOO_LONG if is_short else Status.OK)
            assert result["visited"] == (budget if is_short else 5)

    bed.run(bench)


def test_budget_0_is_the_largest_number_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shown with budgets of 3 bits, where it is 7 nodes."""
    monkeypatch.setattr(budget, "COUNT_BITS", 3)
    bed = Bed()
    addresses = [0x1000 + 0x20 * number for number in range(12)]
    for address, next_address in zip(addresses, [*addresses[1:], 0], strict=True):
        bed.around.nodes[address] = node(next_address, 0)

    async def bench(ctx: Any) -> None:
        for count in (0, 7, 6, 4, 3, 2, 1, 0):
            result = await bed.walk(ctx, addresses[0], budget=count)
            assert (result["status"], result["visited"]) == (Status.TOO_LONG, count or 7)

    bed.run(bench)


def test_result_is_held_until_taken_and_nothing_begins_before() -> None:
    bed = Bed()
    bed.around.nodes[0x1000] = node(0, 0)

    async def commands(ctx: Any) -> None:
        for tag in (1, 2):
            await bed.submit(ctx, 0x1000, tag=tag)

    async def take(ctx: Any) -> None:
        await ctx.tick().repeat(60)
        assert [(await receive(ctx, bed.dut.results))["tag"] for _ in range(2)] == [1, 2]

    bed.run(commands, take)
    assert bed.commands.clocks[1] == bed.results.clocks[0] + 1
    expected = [
        clock
        for taken, given in zip(bed.commands.clocks, bed.results.clocks, strict=True)
        for clock in range(taken + 1, given + 1)
    ]
    assert bed.active.high_clocks == expected


@pytest.mark.parametrize("opcode", [Opcode.WALK, Opcode.DELETE])
@pytest.mark.parametrize("head", [0, 0x1000])
def test_abort_of_the_shortest_commands_in_every_clock(opcode: Opcode, head: int) -> None:
    """Exactly one result; ABORTED only with counts of 0 and just when the walker said that the abort is meant."""
    bed = Bed()
    bed.around.nodes[0x1000] = node(0, 0x1000)
    seen = []

    async def bench(ctx: Any) -> None:
        for clock_count in range(1, 20):
            done = []

            async def abort(clock_count: int = clock_count, done: list = done) -> None:
                for clock in range(24):
                    ctx.set(bed.dut.do_abort, clock == clock_count)
                    ctx.set(bed.dut.abort_tag, 5 if clock == clock_count else 6)
                    ctx.set(bed.dut.commands.valid, clock == 1)
                    ctx.set(bed.dut.results.ready, 1)
                    _, _, matches, is_done, result = await ctx.tick().sample(
                        bed.dut.abort_matches, bed.dut.results.valid, bed.dut.results.payload
                    )
                    if clock == clock_count + 1:
                        done.append(matches)
                    if is_done:
                        done.append(result)

            ctx.set(bed.dut.commands.payload, {"opcode": opcode, "tag": 5, "head": head})
            await abort()
            results = [item for item in done if not isinstance(item, int)]
            matches = next(item for item in done if isinstance(item, int))
            assert len(results) == 1
            (result,) = results
            is_nothing = head == 0 and opcode is Opcode.WALK
            if result.status == Status.ABORTED:
                assert (result.visited, result.deleted, result.not_found) == (0, 0, 0)
                assert result.fault_address == (0 if opcode is Opcode.DELETE else head)
                # In the clock of acceptance the queue finds the tag.
                assert matches == (clock_count != 1)
            else:
                assert not matches
                assert (result.status, result.visited) == (Status.OK, 0 if is_nothing else 1)
                assert result.fault_address == 0
            seen.append(Status(result.status.value) is Status.ABORTED)

    bed.run(bench)
    # In the clock of acceptance, while the head is judged and, where there is a node, until it is taken.
    counts = {(Opcode.DELETE, 0): 1, (Opcode.DELETE, 0x1000): 1, (Opcode.WALK, 0): 2}
    count = counts.get((opcode, head), 2 + 1 + bed.around.latency)
    assert seen == [number < count for number in range(19)]


# Loops


class BrentInPython:
    """The saved address, by the definition."""

    def __init__(self) -> None:
        self.count = 0
        self.saved: int | None = None

    def save(self, address: int) -> None:
        self.count += 1
        if self.count.bit_count() == 1:
            self.saved = address


@pytest.mark.parametrize(("windows", "address_width"), [(4, 64), (2, 32), (1, 32)])
@pytest.mark.parametrize("seed", seeds(2))
def test_loop_detector(seed: int, windows: int, address_width: int) -> None:
    """Saves, starts and judged addresses at random, inside one window where there is one; SAOFFLOAD_SEED replays."""
    random = Random(f"loop {seed}")
    dut = LoopDetector(replace(CONFIG, windows=windows, address_width=address_width))
    width = 64 if windows > 1 else address_width
    pool = [random.randrange(2**width) & -4 for _ in range(3)] + [0]
    pool += [pool[0] ^ 1 << width - 1, pool[0] ^ 4]
    met = deque()

    async def bench(ctx: Any) -> None:
        brent = BrentInPython()
        for _ in range(400):
            address = random.choice(pool)
            is_start = random.random() < 0.03
            ctx.set(dut.node_address, address)
            ctx.set(dut.do_save, not is_start)
            ctx.set(dut.do_start, is_start)
            await ctx.tick()
            ctx.set(dut.do_save, 0)
            ctx.set(dut.do_start, 0)
            ctx.set(dut.node_address, random.choice(pool))
            brent = BrentInPython() if is_start else brent
            if not is_start:
                brent.save(address)
            ctx.set(dut.visited_count, brent.count)
            for candidate in random.sample(pool, 2):
                ctx.set(dut.next_address, candidate)
                await ctx.tick()
                assert ctx.get(dut.is_met) == (candidate == brent.saved), f"after {brent.count} nodes"
                met.append(candidate == brent.saved)

    simulate(dut, bench)
    assert any(met)
