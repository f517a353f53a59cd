"""One walk at a time with its surroundings, in each of the kinds of walkers."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.streams import Monitor, Probe, receive, send, simulate
from tests.unit.walk_bench import X64, X86, DeletePort, Memory, ReadPort
from tests.unit.walk_in_python import Command, Outcome, walk_in_python

from saoffload.hdl.config import preset
from saoffload.hdl.layouts import Opcode
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


ABIS = pytest.mark.parametrize("abi", [X64, X86], ids=["x64", "x86"])


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
            # The lock of a walker of many lists ends two clocks after the last walk.
            await ctx.tick().repeat(2)
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
