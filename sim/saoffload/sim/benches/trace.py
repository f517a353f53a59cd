"""What the engine's trace ports tell: commands taken, nodes visited, deletes answered, completions."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cocotb

from .strobes import number, strobes


@dataclass
class Command:
    """One command as the walker ran it. ``taken`` and ``posted`` are clocks; ``posted`` is None until its completion
    entered the completion queue. ``found`` holds the table's answers to ``nodes``, in order.
    """

    tag: int
    taken: int
    nodes: list[tuple[int, int]] = field(default_factory=list)
    found: list[bool] = field(default_factory=list)
    posted: int | None = None


class Trace:
    """Follows the trace ports of ``dut`` from now on. Commands are in the order in which the walker took them."""

    def __init__(self, dut: Any, clock: Any) -> None:
        self.commands: list[Command] = []
        #: Clocks in which completions were posted, of flushes too.
        self.posted: list[int] = []
        #: Called at each answer of the table, once it stands in ``found`` of its command.
        self.did_delete: Callable[[Command, bool], None] | None = None
        self._dut = dut
        self._clock = clock
        for watch in (self._watch_commands, self._watch_nodes, self._watch_deletes, self._watch_completions):
            cocotb.start_soon(watch())

    @property
    def visited_count(self) -> int:
        """Nodes visited by all commands."""
        return sum(len(command.nodes) for command in self.commands)

    async def _watch_commands(self) -> None:
        async for clock in strobes(self._clock, self._dut.trace_command_valid):
            self.commands.append(Command(number(self._dut.trace_command_tag), clock))

    async def _watch_nodes(self) -> None:
        dut = self._dut
        async for _ in strobes(self._clock, dut.trace_node_valid):
            self.commands[-1].nodes.append((number(dut.trace_node_address), number(dut.trace_node_handle)))

    async def _watch_deletes(self) -> None:
        dut = self._dut
        async for _ in strobes(self._clock, dut.trace_delete_valid):
            # Answers come in the order of the nodes, and a command ends only when its last one is in.
            command, found = self.commands[-1], bool(dut.trace_delete_found.value == 1)
            command.found.append(found)
            if self.did_delete:
                self.did_delete(command, found)

    async def _watch_completions(self) -> None:
        async for clock in strobes(self._clock, self._dut.trace_completion_valid):
            self.posted.append(clock)
            if self.commands and self.commands[-1].posted is None:
                self.commands[-1].posted = clock
