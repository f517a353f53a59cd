"""Lines read ahead: they change how long a walk takes, and nothing else that it does."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from tests.unit.many_walks_bench import SERIAL, WINDOW, Bed, lists_in_one_window
from tests.unit.streams import STALL_PATTERNS, seeds
from tests.unit.walk_bench import X64, X86, Abi, Fault, Memory
from tests.unit.walk_in_python import Command, Outcome, lay_list, walk_in_python

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import Status
from saoffload.hdl.walk.contexts import benefit, line_fetch
from saoffload.sim.walk_speed.lists import LISTS, MEMORY_BYTES

HARDEST_BY_DAY = [*(pytest.param(one, marks=pytest.mark.nightly) for one in STALL_PATTERNS[:-1]), STALL_PATTERNS[-1]]
"""All stall patterns; by day the last alone, in which both sides stall."""

ABIS = pytest.mark.parametrize("abi", [X64, X86], ids=["x64", "x86"])


def with_lines(*, contexts: int = 2, buffers: int = 1, lines: int = 8, **sizes: Any) -> EngineConfig:
    id_width = 1 + max(1, (contexts - 1).bit_length(), (buffers * lines - 1).bit_length())
    return replace(SERIAL, contexts=contexts, line_buffers=buffers, lines=lines, id_width=id_width, **sizes)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines from the second node of a page on, and ahead from the first step on: short lists meet everything."""
    monkeypatch.setattr(benefit, "ENOUGH", 1)
    monkeypatch.setattr(benefit, "PLENTY", 1)
    monkeypatch.setattr(line_fetch, "BELIEF", 1)


def contiguous(start: int, count: int, abi: Abi, *, slot: int = 0, is_down: bool = False) -> list[int]:
    addresses = [start + (slot or abi.size) * number for number in range(count)]
    return addresses[::-1] if is_down else addresses


def walk_one(
    bed: Bed, command: Command, windows: Sequence[tuple[int, int, int]] = (WINDOW,), *, timeout: int = 0
) -> Any:
    """Runs one command to its end and until no read is outstanding."""
    command = replace(command, windows=tuple(windows))

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, timeout)
        await bed.set_windows(ctx, windows)
        await bed.submit(ctx, 1, command, walk_in_python(command, bed.memory, set()))
        await bed.collect(ctx, 1)
        bed.reads.release()
        while bed.reads.busy_ids:
            await ctx.tick()

    bed.run(bench, deadline=100_000, drain=200)
    bed.check()
    return bed.ran[1]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("is_shuffled", [False, True], ids=["in-order", "out-of-order"])
@pytest.mark.parametrize("pattern", HARDEST_BY_DAY, ids=str)
@pytest.mark.parametrize("buffers", [pytest.param(1, marks=pytest.mark.nightly), 2])
@pytest.mark.parametrize("seed", seeds(1))
def test_random_mixes(seed: int, buffers: int, pattern: Any, is_shuffled: bool) -> None:
    """Lists of every kind at once, good, broken and endless, with errors; one silence takes one ID with it. Replay with
    SAOFFLOAD_SEED.
    """
    name = f"{seed} {buffers} {pattern} {is_shuffled}"
    random = Random(f"lines {name}")
    memory = Memory(seed)
    bed = Bed(
        with_lines(contexts=random.choice([3, 5]), buffers=buffers, windows=4),
        memory=memory,
        live=set(range(0x8000_0000, 0x8000_0040, 2)),
        is_shuffled=is_shuffled,
        latency=random.choice([1, 3, 13]),
        address_stalls=pattern.sink(f"{name} addresses"),
        beat_stalls=pattern.source(f"{name} beats"),
    )
    bed.reads.random = Random(f"{name} order")
    bed.table.stalls = pattern.sink(f"{name} deletes")
    commands = lists_in_one_window(random, memory, 9)
    for command in commands:
        bed.reads.faults.update(command.faults)

    async def submit(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 4000)
        await bed.set_windows(ctx, [WINDOW])
        for tag, command in enumerate(commands):
            await bed.submit(ctx, tag, command, walk_in_python(command, memory, set()))

    async def collect(ctx: Any) -> None:
        await bed.collect(ctx, len(commands), pattern.sink(f"{name} results"))
        bed.reads.release()
        while bed.reads.busy_ids:
            await ctx.tick()

    bed.run(submit, collect, deadline=200_000, drain=200)
    bed.check()
    assert Counter(handle for handle, _ in bed.table.log) == Counter(
        handle for ran in bed.ran.values() for _, handle in ran.nodes
    )


@ABIS
@pytest.mark.parametrize("is_down", [False, True], ids=["up", "down"])
@pytest.mark.parametrize("slot", [0, 40])
@pytest.mark.usefixtures("eager")
def test_nodes_across_lines_and_pages(abi: Abi, slot: int, is_down: bool) -> None:
    """Every place of a node in its line, through two pages and more lines than the buffer has."""
    memory = Memory()
    bed = Bed(with_lines(), memory=memory, live=set(), latency=5)
    count = 9000 // (slot or abi.size) // (3 if abi is X86 else 1)
    addresses = contiguous(0x2_0000 + abi.alignment, count, abi, slot=slot, is_down=is_down)
    ran = walk_one(bed, Command(head=lay_list(memory, addresses, abi), abi=abi))
    assert ran.result["status"] is Status.OK
    assert sum(count == 64 for *_, count in bed.reads.log) >= 5


@pytest.mark.parametrize("is_down", [False, True], ids=["up", "down"])
def test_pace_of_contiguous_nodes(is_down: bool) -> None:
    """Once the walk's way is known a node takes 3 clocks, and its bytes are read once."""
    memory = Memory()
    bed = Bed(with_lines(lines=16), memory=memory, live=set(), latency=60)
    addresses = contiguous(0x2_0000, 700, X64, is_down=is_down)
    ran = walk_one(bed, Command(head=lay_list(memory, addresses)))
    late = ran.visit_clocks[350:]
    assert (late[-1] - late[0]) / (len(late) - 1) <= 3.3


def test_pace_of_slots() -> None:
    """In slots of 32 bytes the bus is what there is to wait for: four words for each node."""
    memory = Memory()
    bed = Bed(with_lines(lines=16), memory=memory, live=set(), latency=13)
    ran = walk_one(bed, Command(head=lay_list(memory, contiguous(0x2_0000, 260, X64, slot=32))))
    late = ran.visit_clocks[130:]
    assert (late[-1] - late[0]) / (len(late) - 1) <= 4.3


def test_random_list_reads_no_line() -> None:
    memory = Memory()
    bed = Bed(with_lines(), memory=memory, live=set(), latency=3)
    addresses = [0x10_0000 + 32 * place for place in Random(5).sample(range(1 << 20), 60)]
    ran = walk_one(bed, Command(head=lay_list(memory, addresses)))
    assert {count for *_, count in bed.reads.log} <= {1, 2, 3}
    assert ran.visit_clocks[-1] - ran.visit_clocks[0] == 59 * (3 + 4)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("size", [8, 24, 512, 1024, 1536 + 8, 3000, 4096 + 520])
def test_lines_stay_inside_a_window(size: int) -> None:
    """Whatever the window's size and place, no word outside is read; nodes in cut lines are read by demand."""
    for shift in (0, 8, 0x1F8, 0x208, 0xE00):
        memory = Memory()
        bed = Bed(with_lines(), memory=memory, live=set(), latency=2)
        base = 0x2_0000 + shift
        count = size // 24
        addresses = contiguous(base, count, X64) or [base]
        windows = [(base, size, base + 0x7000_0000)]
        for number, address in enumerate(addresses):
            next_address = addresses[number + 1] if number + 1 < count else base + size
            memory.write(address + 0x7000_0000, X64.node(next_address, number + 1))
        ran = walk_one(bed, Command(head=addresses[0]), windows)
        assert ran.result["status"] is Status.OUT_OF_WINDOW
        assert ran.result["visited"] == count


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(("start", "size"), [(0x2_0300, 0x500), (0x2_0660, 0x90)], ids=["across", "within"])
def test_windows_that_meet_in_a_line(start: int, size: int) -> None:
    """Nodes belong to the lowest window that holds them, also where another one holds the whole line."""
    memory = Memory()
    windows = [(start, size, start + 0x3_0000), (0x2_0000, 0x2000, 0x9_0000)]
    addresses = contiguous(0x2_0000, 300, X64)
    for number, (address, next_address) in enumerate(zip(addresses, [*addresses[1:], 0], strict=True)):
        is_first = start <= address and address + 24 <= start + size
        memory.write(address + (0x3_0000 if is_first else 0x7_0000), X64.node(next_address, number + 1))
    bed = Bed(with_lines(windows=2), memory=memory, live=set(), latency=2)
    ran = walk_one(bed, Command(head=addresses[0]), windows)
    assert ran.result["status"] is Status.OK
    assert ran.result["visited"] == 300


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name)
def test_a_fault_in_a_word_of_a_line(fault: Fault) -> None:
    """A word that no node holds does not matter. One that a node holds is read once more, by demand, and decides. A
    burst that does not end is a fault of its last word alone, be it that of a line or of a node.
    """
    cases = [(0x2_0000, 0x2_0218, False), (0x2_0000, 0x2_0208, True), (0x2_0000, 0x2_03F0, True)]
    if fault is Fault.NO_END:
        cases = [(0x2_0000, 0x2_0218, False), (0x2_0000, 0x2_03F0, False), (0x2_0008, 0x2_03F8, True)]
    for base, faulty, is_used in cases:
        addresses = contiguous(base, 60, X64, slot=32)
        for is_cured in (False, True) if is_used else (False,):
            memory = Memory()
            bed = Bed(with_lines(), memory=memory, live=set(), latency=4)
            lay_list(memory, addresses)
            bed.reads.faults = {faulty: fault}
            if is_cured:
                _cure_demand(bed)
            faults = {} if is_cured or not is_used else bed.reads.faults
            ran = walk_one(bed, Command(head=addresses[0], faults=faults), timeout=900)
            reads = [count for _, _, start, count in bed.reads.log if start <= faulty < start + 8 * count]
            if not is_used or is_cured:
                assert ran.result["status"] is Status.OK
                assert ran.result["visited"] == 60
            else:
                assert ran.result["status"] is (Status.TIMEOUT if fault is Fault.SILENCE else ran.expected.status)
            assert sum(count < 64 for count in reads) <= 1


def _cure_demand(bed: Bed) -> None:
    """The faults hit lines only: what is read by demand is good."""
    port, faults = bed.reads, bed.reads.faults
    accept = port._accept

    def accept_line(read_id: int, address: int, beat_count: int, *, is_lost: bool) -> None:
        port.faults = faults if beat_count == 64 else {}
        accept(read_id, address, beat_count, is_lost=is_lost)

    port._accept = accept_line


@pytest.mark.usefixtures("eager")
def test_a_list_changed_under_the_walker_ends() -> None:
    """What a walk meets is each node as it was at some time after its command was taken: never a hang, never a read
    outside, and every count agrees.
    """
    random = Random(9)
    for number in range(12):
        memory = Memory(number)
        bed = Bed(with_lines(), memory=memory, live=set(), latency=random.choice([1, 9]))
        addresses = contiguous(0x2_0000, 120, X64, slot=random.choice([24, 32]))
        lay_list(memory, addresses)

        async def bench(ctx: Any, bed: Bed = bed, head: int = addresses[0]) -> None:
            await bed.set_windows(ctx, [WINDOW])
            await bed.submit(ctx, 1, Command(head=head, budget=400), Outcome(Status.OK, 0, ()))
            await bed.collect(ctx, 1)

        async def change(ctx: Any, memory: Memory = memory, addresses: list[int] = addresses) -> None:
            for _ in range(60):
                await ctx.tick().repeat(random.randint(1, 30))
                target = random.choice([0, *addresses, 0x3_0001])
                memory.write(random.choice(addresses) + 8, target.to_bytes(8, "little"))

        bed.run(bench, change, deadline=60_000, drain=200)
        result = bed.ran[1].result
        assert result["visited"] == len(bed.ran[1].nodes) == len(bed.table.log) <= 400
        assert result["status"] in {Status.OK, Status.MISALIGNED, Status.LOOP, Status.TOO_LONG}


@pytest.mark.parametrize("is_down", [False, True], ids=["up", "down"])
@pytest.mark.parametrize("length", [1, 8, 40, 300, pytest.param(900, marks=pytest.mark.nightly)])
def test_reads_past_the_end_of_a_list_are_bounded(length: int, is_down: bool) -> None:
    """None at all for a list too short to pay; no more than the lines that a buffer runs ahead for any other."""
    memory = Memory()
    lines = 16
    bed = Bed(with_lines(lines=lines), memory=memory, live=set(), latency=100)
    addresses = contiguous(0x8_0000, length, X64, is_down=is_down)
    ran = walk_one(bed, Command(head=lay_list(memory, addresses)))
    assert ran.result["visited"] == length
    used = {word for address in addresses for word in range(address // 8, address // 8 + 3)}
    words = [start // 8 + number for _, _, start, count in bed.reads.log for number in range(count)]
    beyond = {word for word in words if word not in used}
    if length <= benefit.ENOUGH:
        assert not beyond
        assert len(words) == 3 * length
    else:
        # The line of the last node and that of the first are not all nodes.
        ahead = lines - 1 - line_fetch.KEPT_BEHIND
        assert len(beyond) <= 64 * (ahead + 2)
        # What was read by demand before its line came was read twice.
        assert len(words) <= 3 * length + 64 * (ahead + 2) + 3 * 3 * benefit.ENOUGH


@pytest.mark.parametrize("is_shuffled", [False, pytest.param(True, marks=pytest.mark.nightly)])
@pytest.mark.parametrize(
    "pattern", [STALL_PATTERNS[0], *(pytest.param(p, marks=pytest.mark.nightly) for p in STALL_PATTERNS[1:])], ids=str
)
@pytest.mark.parametrize(
    "name",
    [name if name in ("page_random", "swapped20") else pytest.param(name, marks=pytest.mark.nightly) for name in LISTS],
)
def test_lists_of_the_benchmark(name: str, pattern: Any, is_shuffled: bool) -> None:
    """Node by node, against the walk in Python."""
    made = LISTS[name](320, 1)
    config = with_lines(contexts=16 if len(made) > 1 else 3, buffers=2, lines=16, windows=4)
    memory = Memory()
    base = 0x1000_0000
    heads = [
        lay_list(memory, [base + offset for offset in offsets], handles=range(1000 * number + 1, 1000 * number + 999))
        for number, offsets in enumerate(made)
    ]
    windows = [(base, MEMORY_BYTES, base)]
    bed = Bed(
        config,
        memory=memory,
        live=set(range(1, 16_000, 3)),
        is_shuffled=is_shuffled,
        latency=13,
        address_stalls=pattern.sink(f"{name} addresses"),
        beat_stalls=pattern.source(f"{name} beats"),
    )
    bed.table.stalls = pattern.sink(f"{name} deletes")

    async def submit(ctx: Any) -> None:
        await bed.set_windows(ctx, windows)
        for tag, head in enumerate(heads):
            command = Command(head=head, windows=tuple(windows))
            await bed.submit(ctx, tag, command, walk_in_python(command, memory, set()))

    async def collect(ctx: Any) -> None:
        await bed.collect(ctx, len(heads), pattern.sink(f"{name} results"))

    bed.run(submit, collect, deadline=100_000, drain=400)
    bed.check()
    assert sum(len(ran.nodes) for ran in bed.ran.values()) == 320


@pytest.mark.usefixtures("eager")
def test_lists_that_share_nodes_in_lines() -> None:
    """Two lists with one tail, both read ahead: each visits all its nodes, each handle is found once."""
    memory = Memory()
    bed = Bed(with_lines(contexts=2, buffers=2), memory=memory, live=set(range(1, 400)), latency=9)
    tail = contiguous(0x4_0000, 100, X64)
    lay_list(memory, tail, handles=range(1, 101))
    commands = []
    for number in range(2):
        start = contiguous(0x2_0000 + 0x1_0000 * number, 30 + number, X64)
        lay_list(memory, [*start, tail[0]], handles=range(101 + 100 * number, 199 + 100 * number))
        # The last of these is the tail's first node: it is written again.
        memory.write(tail[0], X64.node(tail[1], 1))
        commands.append(Command(head=start[0], windows=(WINDOW,)))

    async def bench(ctx: Any) -> None:
        await bed.set_windows(ctx, [WINDOW])
        for tag, command in enumerate(commands):
            await bed.submit(ctx, tag, command, walk_in_python(command, memory, set()))
        await bed.collect(ctx, 2)

    bed.run(bench, deadline=20_000, drain=300)
    bed.check()
    assert sorted(ran.result["visited"] for ran in bed.ran.values()) == [130, 131]
    assert sum(ran.result["deleted"] for ran in bed.ran.values()) == 100 + 30 + 31
    assert any(count == 64 for *_, count in bed.reads.log)


@pytest.mark.usefixtures("eager")
def test_lines_die_with_their_command() -> None:
    """A list that is written anew between two walks is read anew, whatever the first walk had read ahead."""
    memory = Memory()
    bed = Bed(with_lines(contexts=1), memory=memory, live=set(), latency=20)
    addresses = contiguous(0x2_0000, 40, X64)
    results = []

    async def bench(ctx: Any) -> None:
        await bed.set_windows(ctx, [WINDOW])
        for tag in range(6):
            lay_list(memory, addresses[: 40 - 3 * tag], handles=range(100 * tag + 1, 100 * tag + 99))
            # Nodes that the list no longer has would lead elsewhere.
            command = Command(head=addresses[0], windows=(WINDOW,))
            await bed.submit(ctx, tag, command, walk_in_python(command, memory, set()))
            await bed.collect(ctx, 1)
            results.append(bed.ran[tag].result["visited"])

    bed.run(bench, deadline=50_000, drain=400)
    bed.check()
    assert results == [40, 37, 34, 31, 28, 25]


@pytest.mark.usefixtures("eager")
def test_abort_in_many_clocks_of_a_walk_from_lines() -> None:
    """Also while a line is late: aborted walks end, and with what they visited."""
    addresses = contiguous(0x2_0000, 90, X64)
    statuses: Counter[Status] = Counter()
    for clock_count in range(20, 700, 23):
        memory = Memory()
        bed = Bed(with_lines(contexts=2), memory=memory, live=set(), latency=30)
        lay_list(memory, addresses)
        command = Command(head=addresses[0], windows=(WINDOW,))

        async def bench(ctx: Any, bed: Bed = bed, command: Command = command) -> None:
            await bed.set_windows(ctx, [WINDOW])
            await bed.submit(ctx, 7, command, walk_in_python(command, bed.memory, set()))
            await bed.collect(ctx, 1)

        async def abort(ctx: Any, bed: Bed = bed, clock_count: int = clock_count) -> None:
            await ctx.tick().repeat(clock_count)
            ctx.set(bed.dut.abort_tag, 7)
            ctx.set(bed.dut.do_abort, 1)
            await ctx.tick()
            ctx.set(bed.dut.do_abort, 0)
            ctx.set(bed.dut.abort_tag, 0)

        bed.run(bench, abort, drain=300)
        ran = bed.ran[7]
        visited = ran.result["visited"]
        assert ran.nodes == [node[:2] for node in ran.expected.nodes[:visited]]
        if ran.result["status"] is Status.ABORTED:
            assert ran.result["fault_address"] == addresses[visited]
        else:
            assert (ran.result["status"], visited) == (Status.OK, 90)
        statuses[ran.result["status"]] += 1
    assert statuses[Status.ABORTED] > 5
