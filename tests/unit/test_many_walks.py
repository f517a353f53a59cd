"""Many commands at once on the walker of contexts: each is compared with a walk in Python that knows nothing of the
others."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from tests.unit.many_walks_bench import WINDOW, Bed, Ran, contexts, lists_in_one_window
from tests.unit.streams import STALL_PATTERNS, receive, seeds, send
from tests.unit.walk_bench import X64, X86, Fault, Memory
from tests.unit.walk_in_python import Command, Outcome, lay_list, walk_in_python

from saoffload.hdl.layouts import Opcode, Status


@pytest.mark.parametrize("is_shuffled", [False, True], ids=["in-order", "out-of-order"])
@pytest.mark.parametrize("pattern", STALL_PATTERNS, ids=str)
@pytest.mark.parametrize("count", [2, 5, pytest.param(16, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("seed", seeds(1))
def test_random_mixes(seed: int, count: int, pattern: Any, is_shuffled: bool) -> None:
    """Good, broken and endless lists, faults and silence at once. Replay with SAOFFLOAD_SEED."""
    name = f"{seed} {count} {pattern} {is_shuffled}"
    random = Random(f"many {name}")
    config = contexts(count, windows=4)
    memory = Memory(seed)
    live = set(range(0x8000_0000, 0x8000_0040, 2))
    bed = Bed(
        config,
        memory=memory,
        live=live,
        is_shuffled=is_shuffled,
        latency=random.choice([1, 3, 13, 40]),
        address_stalls=pattern.sink(f"{name} addresses"),
        beat_stalls=pattern.source(f"{name} beats"),
    )
    bed.reads.random = Random(f"{name} order")
    bed.table.stalls = pattern.sink(f"{name} deletes")
    bed.table.latency = random.choice([1, 4, 11])
    commands = lists_in_one_window(random, memory, 3 * count)
    for command in commands:
        bed.reads.faults.update(command.faults)
    silent = sum(Fault.SILENCE in command.faults.values() for command in commands)

    async def submit(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 600)
        await bed.set_windows(ctx, [WINDOW])
        source = pattern.source(f"{name} commands")
        for tag, command in enumerate(commands):
            while next(source):
                await ctx.tick()
            await bed.submit(ctx, tag, command, walk_in_python(command, memory, set()))

    async def collect(ctx: Any) -> None:
        await bed.collect(ctx, len(commands), pattern.sink(f"{name} results"))
        bed.reads.release()
        while bed.reads.busy_ids:
            await ctx.tick()

    bed.run(submit, collect, deadline=200_000)
    bed.check()
    assert len(bed.reads.abandon_clocks) == min(silent, count) or silent > count
    deleted = [handle for handle, found in bed.table.log if found]
    assert len(deleted) == len(set(deleted)), "found twice"
    assert sum(ran.result["deleted"] for ran in bed.ran.values()) == len(deleted)
    assert Counter(handle for handle, _ in bed.table.log) == Counter(
        handle for ran in bed.ran.values() for _, handle in ran.nodes
    )


def test_lists_walk_at_the_same_time() -> None:
    """16 lists of one length end together: each takes about as long as one alone, not 16 times as long."""
    memory = Memory()
    bed = Bed(contexts(16), memory=memory, live=set(), latency=100)
    for number in range(16):
        lay_list(
            memory, [0x10_0000 + 0x1_0000 * number + 40 * place for place in Random(number).sample(range(999), 20)]
        )
    commands = [Command(head=0x10_0000 + 0x1_0000 * n + 40 * Random(n).sample(range(999), 20)[0]) for n in range(16)]

    async def submit(ctx: Any) -> None:
        await bed.set_windows(ctx, [WINDOW])
        for tag, command in enumerate(commands):
            await bed.submit(ctx, tag, command, walk_in_python(replace(command, windows=(WINDOW,)), memory, set()))

    async def collect(ctx: Any) -> None:
        await bed.collect(ctx, 16)

    bed.run(submit, collect)
    bed.check()
    first = min(ran.taken_clock for ran in bed.ran.values())
    last = max(ran.result_clock for ran in bed.ran.values())
    assert last - first < 20 * 112 + 200


@pytest.mark.parametrize("latency", [1, 13, 100, 400])
def test_a_list_alone_takes_latency_plus_four(latency: int) -> None:
    memory = Memory()
    addresses = [0x2_0000 + 32 * place for place in (5, 0, 9, 3, 7, 1, 2, 40)]
    bed = Bed(contexts(16), memory=memory, live=set(), latency=latency)
    command = Command(head=lay_list(memory, addresses))

    async def bench(ctx: Any) -> None:
        await bed.set_windows(ctx, [WINDOW])
        await bed.submit(ctx, 1, command, walk_in_python(command, memory, set()))
        await bed.collect(ctx, 1)

    bed.run(bench)
    bed.check()
    clocks = [clock for clock, *_ in bed.reads.log]
    assert {after - before for before, after in pairwise(clocks)} == {latency + 4}


@pytest.mark.parametrize(
    ("latency", "most"), [(13, 4.2), (100, 7.0), pytest.param(400, 27.0, marks=pytest.mark.nightly)]
)
def test_sixteen_random_lists(latency: int, most: float) -> None:
    """Clocks per node of all lists together, once all of them walk."""
    memory = Memory()
    bed = Bed(contexts(16, windows=4), memory=memory, live=set(), latency=latency)
    length = 40
    random = Random(latency)
    commands = []
    for number in range(16):
        addresses = [0x10_0000 + 0x1_0000 * number + 32 * place for place in random.sample(range(0x7FF), length)]
        commands.append(Command(head=lay_list(memory, addresses), windows=(WINDOW,)))

    async def submit(ctx: Any) -> None:
        await bed.set_windows(ctx, [WINDOW])
        for tag, command in enumerate(commands):
            await bed.submit(ctx, tag, command, walk_in_python(command, memory, set()))

    async def collect(ctx: Any) -> None:
        await bed.collect(ctx, 16)

    bed.run(submit, collect)
    bed.check()
    # From the start of the last list to the end of the first: all walk.
    start = max(ran.visit_clocks[0] for ran in bed.ran.values())
    end = min(ran.visit_clocks[-1] for ran in bed.ran.values())
    nodes = sum(start < clock <= end for ran in bed.ran.values() for clock in ran.visit_clocks)
    assert (end - start) / nodes <= most, f"{(end - start) / nodes:.2f} clocks per node"


def test_one_list_with_a_fault_holds_up_no_other() -> None:
    """A silent read, a ring and an error beside a good list: that one keeps its pace."""
    memory = Memory()
    bed = Bed(contexts(4), memory=memory, live=set(), latency=20)
    good = [0x10_0000 + 64 * place for place in Random(3).sample(range(900), 60)]
    ring = [0x20_0000 + 64 * place for place in range(40)]
    lay_list(memory, good)
    lay_list(memory, ring, end=ring[7])
    lay_list(memory, [0x30_0000, 0x30_0040])
    lay_list(memory, [0x40_0000, 0x40_0040])
    bed.reads.faults = {0x30_0048: Fault.SILENCE, 0x40_0050: Fault.ERROR}
    commands = [
        Command(head=head, windows=(WINDOW,), faults=bed.reads.faults)
        for head in (0x30_0000, 0x40_0000, ring[0], good[0])
    ]

    async def submit(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 5000)
        await bed.set_windows(ctx, [WINDOW])
        for tag, command in enumerate(commands):
            await bed.submit(ctx, tag, command, walk_in_python(command, memory, set()))

    async def collect(ctx: Any) -> None:
        await bed.collect(ctx, 4)
        bed.reads.release()
        await ctx.tick().repeat(50)

    bed.run(submit, collect)
    bed.check()
    ran = bed.ran[3]
    assert ran.visit_clocks[-1] - ran.visit_clocks[0] <= 59 * (24 + 4)
    assert bed.ran[0].result["status"] is Status.TIMEOUT
    assert 5000 <= bed.ran[0].result_clock - bed.ran[0].taken_clock < 5200


@pytest.mark.parametrize("count", [1, 2, 3, 16])
def test_timeouts_take_the_ids_of_their_contexts_with_them(count: int) -> None:
    """With none left commands end in TIMEOUT without a read; after the answers all is well."""
    memory = Memory()
    config = contexts(count) if count > 1 else replace(contexts(1), line_buffers=1, id_width=5)
    bed = Bed(config, memory=memory, live=set(), latency=3)
    lay_list(memory, [0x2_0000])
    lay_list(memory, [0x3_0000])
    bed.reads.faults = {0x2_0008: Fault.SILENCE}
    silent = Command(head=0x2_0000, windows=(WINDOW,), faults=bed.reads.faults)
    good = Command(head=0x3_0000, windows=(WINDOW,))
    tags = iter(range(1000))

    async def walk(ctx: Any, command: Command, expected: Outcome | None = None) -> None:
        tag = next(tags)
        await bed.submit(ctx, tag, command, expected or walk_in_python(command, memory, set()))
        await bed.collect(ctx, 1)

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 40)
        await bed.set_windows(ctx, [WINDOW])
        for lost in range(count):
            await walk(ctx, good)
            await walk(ctx, silent)
            assert bed.reads.busy_ids.bit_count() == lost + 1
        reads = len(bed.reads.log)
        await walk(ctx, good, Outcome(Status.TIMEOUT, 0x3_0000, ()))
        assert len(bed.reads.log) == reads
        bed.reads.release()
        while bed.reads.busy_ids:
            await ctx.tick()
        for _ in range(count + 1):
            await walk(ctx, good)

    bed.run(bench)
    bed.check()
    assert len(bed.reads.abandon_clocks) == count


@pytest.mark.parametrize("address_stalls", [False, True])
@pytest.mark.parametrize("latency", [1, pytest.param(4, marks=pytest.mark.nightly)])
def test_abort_in_every_clock_of_many_short_walks(latency: int, address_stalls: bool) -> None:
    """The abort reaches every command of its tag and no other; what it comes too late for keeps its real status."""
    memory = Memory()
    config = contexts(3)
    lists = [[0x2_0000 + 0x1_0000 * number + 0xFF8 + 0x40 * place for place in range(3)] for number in range(5)]
    for number, addresses in enumerate(lists):
        lay_list(memory, addresses, handles=range(16 * number + 1, 16 * number + 9))
    statuses: Counter[Status] = Counter()
    for clock_count in range(0, 75, 1 if latency == 4 else 3):
        bed = Bed(config, memory=memory, live=set(), latency=latency)
        if address_stalls:
            bed.reads.address_stalls = STALL_PATTERNS[3].sink(f"{clock_count}")
        matches = []

        async def submit(ctx: Any, bed: Bed = bed) -> None:
            await bed.set_windows(ctx, [WINDOW])
            for number, addresses in enumerate(lists):
                command = Command(head=addresses[0], windows=(WINDOW,))
                await bed.submit(ctx, 100 + number, command, walk_in_python(command, memory, set()))

        async def abort(ctx: Any, bed: Bed = bed, clock_count: int = clock_count, matches: list[int] = matches) -> None:
            await ctx.tick().repeat(5 + clock_count)
            ctx.set(bed.dut.abort_tag, 101)
            ctx.set(bed.dut.do_abort, 1)
            await ctx.tick()
            ctx.set(bed.dut.do_abort, 0)
            ctx.set(bed.dut.abort_tag, 0)
            while not ctx.get(bed.dut.abort_is_done):
                await ctx.tick()
            matches.append(ctx.get(bed.dut.abort_matches))

        async def collect(ctx: Any, bed: Bed = bed) -> None:
            await bed.collect(ctx, 5)

        bed.run(submit, abort, collect)
        for tag, ran in bed.ran.items():
            result, path = ran.result, [*(node[0] for node in ran.expected.nodes), ran.expected.fault_address]
            visited = result["visited"]
            assert result["fault_address"] == path[visited]
            assert ran.nodes == [node[:2] for node in ran.expected.nodes[:visited]]
            if result["status"] is Status.ABORTED:
                assert tag == 101
                # Taken in the abort's own clock, it was still the queue's to find.
                assert matches[0] or ran.taken_clock > 5 + clock_count - 1
            else:
                assert (result["status"], visited) == (ran.expected.status, len(ran.expected.nodes))
                assert tag != 101 or not matches[0]
        statuses[bed.ran[101].result["status"]] += 1
        assert bed.reads.busy_ids == 0
    assert statuses[Status.ABORTED] > 5
    assert statuses[Status.OK] > 5


def test_abort_reaches_all_commands_of_its_tag() -> None:
    memory = Memory()
    bed = Bed(contexts(7), memory=memory, live=set(), latency=30)
    results = []
    for number in range(7):
        lay_list(memory, [0x10_0000 * (number + 1) + 64 * place for place in range(50)])

    async def bench(ctx: Any) -> None:
        await bed.set_windows(ctx, [WINDOW])
        for number in range(7):
            command = {
                "opcode": Opcode.WALK,
                "abi": 0,
                "tag": number % 2,
                "head": 0x10_0000 * (number + 1),
                "budget": 0,
            }
            bed.ran[number % 2] = Ran(number % 2, Command(head=0), Outcome(Status.OK, 0, ()))
            await send(ctx, bed.dut.commands, command)
        await ctx.tick().repeat(100)
        ctx.set(bed.dut.abort_tag, 1)
        ctx.set(bed.dut.do_abort, 1)
        await ctx.tick()
        ctx.set(bed.dut.do_abort, 0)
        ctx.set(bed.dut.abort_tag, 0)
        results.extend([await receive(ctx, bed.dut.results) for _ in range(7)])

    bed.run(bench)
    assert (
        sorted((result["tag"], result["status"], result["visited"]) for result in results[3:])
        == [(0, Status.OK, 50)] * 4
    )
    assert [(result["tag"], result["status"]) for result in results[:3]] == [(1, Status.ABORTED)] * 3


def test_lists_that_share_nodes() -> None:
    """Two lists with one tail: each visits all its nodes, each handle is found once, by whoever came first."""
    memory = Memory()
    bed = Bed(contexts(2), memory=memory, live=set(range(1, 100)), latency=7)
    tail = [0x5_0000 + 32 * place for place in range(10)]
    heads = []
    for number in range(2):
        start = [0x2_0000 + 0x1_0000 * number + 32 * place for place in range(4 + number)]
        lay_list(memory, [*start, tail[0]], handles=range(50 + 10 * number, 60 + 10 * number))
        heads.append(start[0])
    lay_list(memory, tail, handles=range(1, 11))
    commands = [Command(head=head, windows=(WINDOW,)) for head in heads]

    async def bench(ctx: Any) -> None:
        await bed.set_windows(ctx, [WINDOW])
        for tag, command in enumerate(commands):
            await bed.submit(ctx, tag, command, walk_in_python(command, memory, set()))
        await bed.collect(ctx, 2)

    bed.run(bench)
    bed.check()
    assert sum(ran.result["deleted"] for ran in bed.ran.values()) == 10 + 4 + 5
    assert sum(ran.result["not_found"] for ran in bed.ran.values()) == 10


def test_list_that_is_appended_while_it_is_walked() -> None:
    """What is linked before the walk reads the tail is visited; a walk that read NULL has ended."""
    memory = Memory()
    bed = Bed(contexts(2), memory=memory, live=set(), latency=10)
    addresses = [0x2_0000 + 0x40 * place for place in range(8)]
    lay_list(memory, addresses[:4])
    lay_list(memory, addresses[4:])
    command = Command(head=addresses[0], windows=(WINDOW,))

    async def bench(ctx: Any) -> None:
        await bed.set_windows(ctx, [WINDOW])
        for clock_count in range(10, 90, 2):
            memory.write(addresses[3] + 8, bytes(8))
            await bed.submit(ctx, clock_count, command, Outcome(Status.OK, 0, ()))
            await ctx.tick().repeat(clock_count)
            memory.write(addresses[3] + 8, addresses[4].to_bytes(8, "little"))
            await bed.collect(ctx, 1)

    bed.run(bench)
    lengths = [ran.result["visited"] for ran in bed.ran.values()]
    assert lengths == sorted(lengths, reverse=True)
    assert set(lengths) == {4, 8}
    assert all(ran.result["status"] is Status.OK for ran in bed.ran.values())


def test_deletes_by_register_among_walks() -> None:
    memory = Memory()
    bed = Bed(contexts(3), memory=memory, live={7, 9}, latency=5)
    lay_list(memory, [0x2_0000 + 64 * place for place in range(20)])

    async def submit(ctx: Any) -> None:
        await bed.set_windows(ctx, [WINDOW])
        walk = Command(head=0x2_0000, windows=(WINDOW,))
        await bed.submit(ctx, 1, walk, walk_in_python(walk, memory, set()))
        for tag, handle in enumerate((7, 8, 7, 0, 1 << 63, 9), 2):
            outcome = Outcome(Status.OK, 0, ((0, handle, False),))
            await bed.submit(ctx, tag, Command(head=handle), outcome, opcode=Opcode.DELETE)

    async def collect(ctx: Any) -> None:
        await bed.collect(ctx, 7)

    bed.run(submit, collect)
    bed.check()
    assert [bed.ran[tag].result["deleted"] for tag in range(2, 8)] == [1, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("abi", "crossing", "latency"),
    [(X64, 0x2_0FF8, latency) for latency in range(19, 25)] + [(X86, 0x2_0FFC, latency) for latency in range(21, 27)],
)
def test_a_node_that_comes_as_its_time_is_up(abi: Any, crossing: int, latency: int) -> None:
    """Its second part comes when the wait for it has expired and is being decided: the walk goes on behind it, or ends
    there. The address by which the node was found is not taken for the one behind it.
    """
    memory = Memory()
    bed = Bed(contexts(2), memory=memory, live=set(), latency=latency)
    addresses = [0x2_0000, crossing, 0x2_2000, 0x2_2040]
    command = Command(head=lay_list(memory, addresses, abi), abi=abi, windows=(WINDOW,))

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 20)
        await bed.set_windows(ctx, [WINDOW])
        await bed.submit(ctx, 1, command, walk_in_python(command, memory, set()))
        await bed.collect(ctx, 1)
        while bed.reads.busy_ids:
            await ctx.tick()

    bed.run(bench)
    ran = bed.ran[1]
    visited = [address for address, _ in ran.nodes]
    assert visited == addresses[: len(visited)]
    status = Status.OK if visited == addresses else Status.TIMEOUT
    fault_address = [*addresses, 0][len(visited)]
    result = ran.result
    assert (result["status"], result["visited"], result["fault_address"]) == (status, len(visited), fault_address)
