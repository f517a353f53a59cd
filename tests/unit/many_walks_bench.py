"""Many commands at once with their surroundings, each followed by its context's number; and lists for them."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from tests.unit.streams import Monitor, Probe, Stalls, never, receive, send, simulate
from tests.unit.walk_bench import X64, X86, DeletePort, Fault, Memory, ReadPort
from tests.unit.walk_in_python import Command, Outcome, random_command

from saoffload.hdl.config import EngineConfig, preset
from saoffload.hdl.layouts import Opcode
from saoffload.hdl.walk.walk import Walk

SERIAL = replace(preset("small"), contexts=1, line_buffers=0)


def contexts(count: int, **sizes: Any) -> EngineConfig:
    return replace(SERIAL, contexts=count, id_width=max(1, (count - 1).bit_length()), **sizes)


WINDOW = (0x0001_0000, 0x4000_0000, 0x0001_0000)


@dataclass
class Ran:
    """What became of one command."""

    tag: int
    command: Command
    expected: Outcome
    nodes: list[tuple[int, int]] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)
    taken_clock: int = -1
    result_clock: int = -1
    visit_clocks: list[int] = field(default_factory=list)


class Shuffled(ReadPort):
    """A memory that answers the reads of different IDs in any order, their words mixed; those of one ID in order."""

    random: Random = Random(0)

    def _take_beat(self) -> Any:
        if next(self.beat_stalls):
            return None
        ready = [read for read in self._reads if not read.is_silent and read.beats and read.beats[0][0] <= self.clock]
        if not ready:
            return None
        read = self.random.choice(ready)
        return read, read.beats.popleft()


class Bed:
    """A walk with its surroundings; follows which node belongs to which command by the context's number."""

    def __init__(self, config: EngineConfig, *, memory: Memory, live: set[int], is_shuffled: bool = False, **port: Any):
        self.config = config
        self.dut = Walk(config)
        self.memory = memory
        self.reads = (Shuffled if is_shuffled else ReadPort)(self.dut, memory, **port)
        self.table = DeletePort(self.dut, set(live))
        self.ran: dict[int, Ran] = {}
        self.active: dict[int, Ran] = {}
        self.answered: list[tuple[int, bool]] = []
        self.clock = 0
        self.windows: Sequence[tuple[int, int, int]] = ()
        self.monitors = [
            Monitor(self.dut.results, "results"),
            Monitor(self.dut.reads, "reads"),
            Monitor(self.dut.deletes, "deletes"),
        ]
        self.activity = Probe(self.dut.is_active)

    async def follow(self, ctx: Any) -> None:
        dut = self.dut
        names = ("visited_node", "visited_context", "visited_address", "visited_handle")
        visit = [getattr(dut, name) for name in names]
        taken = (dut.commands.valid, dut.commands.ready, dut.command_context, dut.commands.payload.tag)
        ended = (dut.results.valid, dut.results.ready, dut.result_context, dut.results.payload.tag)
        answers = (dut.delete_answers.valid, dut.answered_context, dut.delete_answers.payload.found)
        owed: dict[int, deque[Ran]] = {}
        async for sample in ctx.tick().sample(*visit, *taken, *ended, *answers):
            visited, context, address, handle = sample[2:6]
            valid, ready, started, tag = sample[6:10]
            is_done, is_taken, ender, ended_tag = sample[10:14]
            is_answered, answered, _ = sample[14:17]
            if visited:
                ran = self.active[context]
                ran.nodes.append((address, handle))
                ran.visit_clocks.append(self.clock)
                owed.setdefault(context, deque()).append(ran)
            if is_answered:
                owed[answered].popleft()
            if is_done and is_taken:
                assert not owed.get(ender), "a result before the last answer"
                ran = self.active.pop(ender)
                assert ran.tag == ended_tag
                ran.result_clock = self.clock
            if valid and ready:
                assert started not in self.active, "a context for two commands"
                self.active[started] = self.ran[tag]
                self.ran[tag].taken_clock = self.clock
            self.clock += 1

    def run(self, *benches: Any, deadline: int = 60_000, drain: int = 16) -> None:
        simulate(
            self.dut,
            *benches,
            monitors=[*self.monitors, self.activity],
            background=[self.reads.run, self.table.run, self.follow],
            deadline=deadline,
            drain=drain,
        )
        assert not self.active
        assert not self.activity.values[-1]
        for _, _, address, count in self.reads.log:
            assert any(bus <= address and address + 8 * count <= bus + size for _, size, bus in self.windows), (
                f"{count} words at {address:#x} are outside the windows"
            )

    async def set_windows(self, ctx: Any, windows: Sequence[tuple[int, int, int]]) -> None:
        self.windows = windows
        for index, (base, size, bus_base) in enumerate(windows):
            payload = {"index": index, "base": base, "size": size, "bus_base": bus_base}
            await send(ctx, self.dut.window_writes, payload)
            assert not (await receive(ctx, self.dut.window_write_answers))["refused"]

    async def submit(self, ctx: Any, tag: int, command: Command, expected: Outcome, **fields: Any) -> None:
        self.ran[tag] = Ran(tag, command, expected)
        payload = {
            "opcode": Opcode.WALK,
            "abi": command.abi.code,
            "tag": tag,
            "head": command.head,
            "budget": command.budget,
        }
        await send(ctx, self.dut.commands, payload | fields)

    async def collect(self, ctx: Any, count: int, stalls: Stalls | None = None) -> None:
        for _ in range(count):
            result = await receive(ctx, self.dut.results, stalls=stalls or never())
            self.ran[result["tag"]].result = result

    def check(self) -> None:
        """Every command ended as the walk in Python says, with its nodes in order, whatever the others did."""
        for ran in self.ran.values():
            expected = ran.expected
            assert ran.nodes == [node[:2] for node in expected.nodes], f"{ran.command}"
            got = (ran.result["status"], ran.result["visited"], ran.result["fault_address"])
            assert got == (expected.status, len(expected.nodes), expected.fault_address), f"{ran.command}"
            assert ran.result["visited"] == ran.result["deleted"] + ran.result["not_found"]


def mixed_commands(random: Random, memory: Memory, config: EngineConfig, count: int) -> list[Command]:
    """Lists of every kind in windows of 1 MB, each in a place of its own: two faults never meet in one word."""
    commands = []
    for number in range(count):
        command = random_command(random, memory, number, replace(config, windows=1))
        commands.append(command)
    return commands


def lists_in_one_window(random: Random, memory: Memory, count: int, *, can_be_silent: bool = True) -> list[Command]:
    """Lists in order, or broken in one of the ways there are, each in 64 KB of its own."""
    commands = []
    kinds = ["ok", "ok", "ok", "ring", "wild", "header", "budget", "error", "outside"]
    silences = 1
    for number in range(count):
        abi = random.choice([X64, X64, X86])
        base = 0x10_0000 + 0x1_0000 * number
        slot = random.choice([24, 32, 40, 64])
        length = random.randint(1, 30)
        shift = random.randrange(0, 8, abi.alignment)
        places = random.sample(range(0xF000 // slot), length)
        if random.random() < 0.5:
            places = list(range(length)) if random.random() < 0.5 else list(range(length))[::-1]
        start = base + random.randrange(0, 0x800, 8) + shift
        addresses = [start + slot * place for place in places]
        kind = random.choice(kinds)
        if silences and can_be_silent and number == count // 2:
            kind, silences = "silence", 0
        end = {
            "ring": random.choice(addresses),
            "wild": random.randrange(2**32 if abi is X86 else 2**64) | 1,
            "outside": WINDOW[0] + WINDOW[1] - random.randrange(0, abi.size, abi.alignment),
        }.get(kind, 0)
        for place, (address, next_address) in enumerate(zip(addresses, [*addresses[1:], end], strict=True)):
            header = abi.header ^ (1 << random.randrange(32) if kind == "header" and place == length // 2 else 0)
            handle = random.choice([0, random.randrange(0x8000_0000, 0x8000_0040)])
            memory.write(address, abi.node(next_address, handle, header=header))
        faults = {}
        if kind in ("error", "silence"):
            faults[random.choice(addresses) // 8 * 8] = Fault.ERROR if kind == "error" else Fault.SILENCE
        budget = random.randint(1, 12) if kind == "budget" else 0
        commands.append(Command(head=addresses[0], abi=abi, windows=(WINDOW,), faults=faults, budget=budget))
    return commands
