"""Says in one sentence where two accounts of the same walk part."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest

from .events import Completion, Event
from .walk import NodeResult, Walk


def first_difference(expected: Iterable[Event], observed: Iterable[Event]) -> str | None:
    """The first event in which two lists differ, in words; None when they are equal."""
    for number, (mine, yours) in enumerate(zip_longest(expected, observed)):
        if mine != yours:
            return f"event {number}: expected {_event(mine)}, got {_event(yours)}"
    return None


def difference(walk: Walk, nodes: Sequence[NodeResult], completion: Completion) -> str | None:
    """Compares a walk of the model with what hardware reported: the nodes it visited, in order, with the result of
    each delete, and its completion. Reads are left out, since a fetch may read ahead. None when they agree.
    """
    for number, (mine, yours) in enumerate(zip_longest(walk.nodes, nodes)):
        if mine != yours:
            return f"node {number}: expected {_node(mine)}, got {_node(yours)}"
    for name in Completion._fields:
        mine, yours = getattr(walk.completion, name), getattr(completion, name)
        if mine != yours:
            return f"completion: expected {name} {_value(mine)}, got {_value(yours)}"
    return None


def _event(event: Event | None) -> str:
    if event is None:
        return "the end"
    fields = ", ".join(f"{name} {_value(value)}" for name, value in event._asdict().items() if name != "kind")
    return f"{event.kind} ({fields})"


def _node(node: NodeResult | None) -> str:
    if node is None:
        return "the end"
    result = "deleted" if node.is_deleted else "not found"
    return f"{node.handle:#x} at {node.address:#x} {result}"


def _value(value: object) -> str:
    if isinstance(value, int):
        return hex(value)
    return str(getattr(value, "name", value))
