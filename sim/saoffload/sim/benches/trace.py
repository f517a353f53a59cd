"""What the engine's trace ports tell: commands taken, nodes visited, deletes answered, completions."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cocotb

from .strobes import number, strobes


@dataclass
class Command:
    """One command as the walker ran it, in one of its contexts. ``taken``, ``ended`` and ``posted`` are clocks; the
    latter are None until its result was taken, and until its completion entered the completion queue. ``found`` holds
    the table's answers to ``nodes``, in order.
    """

    tag: int
    taken: int
    context: int
    nodes: list[tuple[int, int]] = field(default_factory=list)
    found: list[bool] = field(default_factory=list)
    ended: int | None = None
    posted: int | None = None


class Trace:
    """Follows the trace ports of ``dut`` from now on. Commands are in the order in which the walker took them; they may
    walk at the same time and end in any order.
    """

    def __init__(self, dut: Any, clock: Any) -> None:
        self.commands: list[Command] = []
        #: Clocks in which completions were posted, of flushes too.
        self.posted: list[int] = []
        #: Called at each answer of the table, once it stands in ``found`` of its command.
        self.did_delete: Callable[[Command, bool], None] | None = None
        self._dut = dut
        self._clock = clock
        #: What each context walks.
        self._contexts: dict[int, Command] = {}
        #: Results taken and not yet posted; None for a flush.
        self._results: deque[Command | None] = deque()
        for watch in (
            self._watch_commands,
            self._watch_nodes,
            self._watch_deletes,
            self._watch_results,
            self._watch_completions,
        ):
            cocotb.start_soon(watch())

    @property
    def visited_count(self) -> int:
        """Nodes visited by all commands."""
        return sum(len(command.nodes) for command in self.commands)

    def clear(self) -> None:
        """Forgets everything, as a reset of the engine does."""
        self.commands.clear()
        self.posted.clear()
        self._contexts.clear()
        self._results.clear()

    async def _watch_commands(self) -> None:
        dut = self._dut
        async for clock in strobes(self._clock, dut.trace_command_valid):
            command = Command(number(dut.trace_command_tag), clock, number(dut.trace_command_context))
            self.commands.append(command)
            self._contexts[command.context] = command

    async def _watch_nodes(self) -> None:
        dut = self._dut
        async for _ in strobes(self._clock, dut.trace_node_valid):
            command = self._contexts[number(dut.trace_node_context)]
            command.nodes.append((number(dut.trace_node_address), number(dut.trace_node_handle)))

    async def _watch_deletes(self) -> None:
        dut = self._dut
        async for _ in strobes(self._clock, dut.trace_delete_valid):
            # Answers come in the order of the nodes, and a command ends only when its last one is in.
            command = self._contexts[number(dut.trace_delete_context)]
            found = bool(dut.trace_delete_found.value == 1)
            command.found.append(found)
            if self.did_delete:
                self.did_delete(command, found)

    async def _watch_results(self) -> None:
        dut = self._dut
        async for clock in strobes(self._clock, dut.trace_result_valid):
            is_flush = bool(dut.trace_result_is_flush.value == 1)
            command = None if is_flush else self._contexts[number(dut.trace_result_context)]
            if command is not None:
                command.ended = clock
            self._results.append(command)

    async def _watch_completions(self) -> None:
        async for clock in strobes(self._clock, self._dut.trace_completion_valid):
            self.posted.append(clock)
            command = self._results.popleft()
            if command is not None:
                command.posted = clock
