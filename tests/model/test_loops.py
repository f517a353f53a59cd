"""Rule 17: loops of all shapes, counted exactly. Every walk has a budget, so that a loop not found fails and ends."""

from collections import Counter

import pytest

from saoffload.sim.model import LAYOUTS, Abi, Status, walk

from .lists import memory_of, scattered, table_of, whole_window

BUDGET = 1000


def brent(tail: int, ring: int) -> tuple[int, int]:
    """Visits until the loop is found, and the number of the node met again, from the arithmetic of Brent's algorithm.

    Accepted node number v (from 1) is list node v - 1 up to the ring, then round. The saved one is the last power of
    two. It is met again one round after it was saved, once it is on the ring and the round fits before the next
    power of two is saved: node 2**k is saved when 2**k nodes are visited, met after 2**k + ring - 1 further accepts.
    """
    power = 1
    while power <= tail or ring > power:
        power *= 2
    return power + ring - 1, tail + (power - 1 - tail) % ring


@pytest.mark.parametrize("tail", range(21))
def test_rule_17_rho_shaped_lists(tail: int) -> None:
    for ring in range(1, 21):
        for abi in Abi:
            nodes = scattered(tail + ring, seed=tail * 100 + ring)
            table = table_of(64)
            result = walk(
                memory=memory_of(nodes, abi=abi, last_next=nodes[tail]),
                windows=whole_window(),
                table=table,
                head=nodes[0],
                abi=abi,
                budget=BUDGET,
            )
            completion = result.completion
            visited, met = brent(tail, ring)
            assert completion.status is Status.LOOP, (tail, ring)
            assert completion.visited == visited, (tail, ring)
            assert completion.fault_address == nodes[met], (tail, ring)
            assert completion.deleted == tail + ring, "every node is taken at least once"
            assert completion.not_found == visited - tail - ring, "revisits find nothing"
            assert visited <= 3 * (tail + ring), "within three times the distinct nodes"
            reads = Counter(read.address for read in result.reads for _ in range(read.length))
            assert sum(reads.values()) == visited * LAYOUTS[abi].size, "no extra reads"


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 64])
def test_rule_17_a_list_without_a_loop_is_never_one(length: int) -> None:
    nodes = scattered(length)
    result = walk(memory=memory_of(nodes), windows=whole_window(), table=table_of(0), head=nodes[0])
    assert (result.completion.status, result.completion.visited) == (Status.OK, length)


def test_rule_17_saved_addresses_are_those_of_nodes_1_2_4_8() -> None:
    nodes = scattered(10)
    for back in range(10):
        result = walk(
            memory=memory_of(nodes, last_next=nodes[back]),
            windows=whole_window(),
            table=table_of(0),
            head=nodes[0],
            budget=BUDGET,
        )
        met_at_once = result.completion.visited == 10
        assert met_at_once == (back == 7), "after 10 nodes the saved one is the 8th"


def test_rule_17_a_node_that_names_itself() -> None:
    nodes = scattered(1)
    memory = memory_of(nodes, last_next=nodes[0])
    result = walk(memory=memory, windows=whole_window(), table=table_of(1), head=nodes[0], budget=BUDGET)
    assert result.completion == (0, Status.LOOP, 1, 1, 0, nodes[0], "completion")
    assert len(result.reads) == 1


def test_rule_17_and_15_a_loop_is_found_before_its_budget_only_if_it_is_met_before() -> None:
    nodes = scattered(3)
    memory = memory_of(nodes, last_next=nodes[0])
    visited, met = brent(0, 3)
    statuses = [
        walk(memory=memory, windows=whole_window(), table=table_of(0), head=nodes[0], budget=budget).completion
        for budget in (visited - 1, visited, visited + 1)
    ]
    assert [completion.status for completion in statuses] == [Status.TOO_LONG, Status.LOOP, Status.LOOP]
    assert statuses[1].fault_address == nodes[met]
