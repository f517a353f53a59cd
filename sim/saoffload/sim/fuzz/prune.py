"""Takes away from a scenario whatever it can do without: the last step of shrinking."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from .scenario import Name, NodeList, Scenario, Step

COMMANDS = ("walk", "delete", "flush")
NO_COMMAND = 1 << 16
"""The number of a command that is not there."""


def prune(scenario: Scenario, fails: Callable[[Scenario], bool]) -> Scenario:
    """A scenario that ``fails`` like this one, and no longer does if any one step or fault is taken away."""
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for candidate in _smaller(scenario):
            if fails(candidate):
                scenario = candidate
                is_smaller = True
                break
    return scenario


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Large parts first."""
    count = len(scenario.steps)
    size = count // 2
    while size:
        for start in range(0, count, size):
            yield without_steps(scenario, range(start, min(start + size, count)))
        size //= 2
    used = {step.list for step in scenario.steps}
    for number, one in enumerate(scenario.lists):
        if number not in used and one.nodes:
            yield _with_nodes(scenario, number, 0)
        elif len(one.nodes) > 1:
            yield _with_nodes(scenario, number, len(one.nodes) // 2)
            yield _with_nodes(scenario, number, len(one.nodes) - 1)
    for place in range(len(scenario.faults)):
        yield replace(scenario, faults=scenario.faults[:place] + scenario.faults[place + 1 :])


def without_steps(scenario: Scenario, removed: range) -> Scenario:
    """The scenario without these steps. Whatever names an add or a command by its number follows the new numbers; what
    is gone is nothing.
    """
    adds: dict[int, int] = {}
    commands: dict[int, int] = {}
    kept: list[Step] = []
    add_count = command_count = 0
    for place, step in enumerate(scenario.steps):
        is_kept = place not in removed
        if step.do == "add":
            if is_kept:
                adds[add_count] = len(adds)
            add_count += 1
        if step.do in COMMANDS:
            if is_kept:
                commands[command_count] = len(commands)
            command_count += 1
        if is_kept:
            kept.append(step)

    def renamed(name: Name) -> Name:
        return name if name.add is None else replace(name, add=adds.get(name.add))

    steps = tuple(
        replace(step, name=renamed(step.name), command=commands.get(step.command, NO_COMMAND))
        if step.do in ("delete", "abort")
        else step
        for step in kept
    )
    lists = tuple(
        NodeList(abi=one.abi, nodes=tuple(replace(node, handle=renamed(node.handle)) for node in one.nodes))
        for one in scenario.lists
    )
    return replace(scenario, steps=steps, lists=lists)


def _with_nodes(scenario: Scenario, number: int, count: int) -> Scenario:
    """List ``number`` has only its first ``count`` nodes."""
    one = scenario.lists[number]
    shorter = NodeList(abi=one.abi, nodes=one.nodes[:count])
    return replace(scenario, lists=(*scenario.lists[:number], shorter, *scenario.lists[number + 1 :]))
