"""The sentence that says where hardware and model part."""

from saoffload.sim.model import Completion, Deleted, NotFound, Read, Status, Visited, difference, first_difference, walk

from .lists import BASE, LIVE, memory_of, table_of, whole_window

RESULT = walk(
    memory=memory_of([BASE, BASE + 0x40], handles=[LIVE, 5]), windows=whole_window(), table=table_of(2), head=BASE
)


def test_events_of_different_kinds_are_never_equal() -> None:
    events = {Read(1, 2), Visited(1, 2), Deleted(1), NotFound(1)}
    assert len(events) == 4


def test_equal_lists_have_no_difference() -> None:
    assert first_difference(RESULT.events, list(RESULT.events)) is None
    assert difference(RESULT, RESULT.nodes, RESULT.completion) is None


def test_the_first_difference_of_events() -> None:
    changed = [*RESULT.events]
    changed[2] = NotFound(LIVE)
    changed[3] = Read(0, 0)
    message = first_difference(RESULT.events, changed)
    assert message == "event 2: expected deleted (handle 0x80000000), got not_found (handle 0x80000000)"


def test_a_list_that_ends_early_differs() -> None:
    assert (
        first_difference(RESULT.events[:1], []) == "event 0: expected read (address 0x100000, length 0x18), got the end"
    )
    last = first_difference(RESULT.events[:-1], RESULT.events)
    assert last == (
        "event 6: expected the end, got completion (tag 0x0, status OK, visited 0x2, deleted 0x1, not_found 0x1, "
        "fault_address None)"
    )


def test_the_first_difference_of_nodes() -> None:
    nodes = [RESULT.nodes[0], RESULT.nodes[1]._replace(is_deleted=True)]
    expected = "node 1: expected 0x5 at 0x100040 not found, got 0x5 at 0x100040 deleted"
    assert difference(RESULT, nodes, RESULT.completion) == expected
    assert difference(RESULT, nodes[:1], RESULT.completion) == "node 1: expected 0x5 at 0x100040 not found, got the end"


def test_the_first_difference_of_a_completion() -> None:
    other = Completion(0, Status.LOOP, 3, 1, 1, 0x40)
    assert difference(RESULT, RESULT.nodes, other) == "completion: expected status OK, got LOOP"
