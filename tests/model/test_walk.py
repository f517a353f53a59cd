"""Rules 14 to 19: one list, from its head to its end."""

import pytest

from saoffload.sim.model import (
    LAYOUTS,
    Abi,
    Completion,
    Deleted,
    Memory,
    NotFound,
    Read,
    Status,
    Visited,
    Walker,
    Window,
    WindowTable,
    write_node,
)

from .lists import BASE, LIVE, SIZE, ends, go, memory_of, scattered, table_of, whole_window

ABIS = pytest.mark.parametrize("abi", list(Abi))
END = BASE + SIZE


@ABIS
def test_rule_18_events_of_a_whole_walk_in_order(abi: Abi) -> None:
    size = LAYOUTS[abi].size
    nodes = [BASE + 0x100, BASE + 0x40]
    result = go(memory_of(nodes, abi=abi, handles=[LIVE + 1, 0]), nodes[0], abi=abi, tag=0xFFFFFFFF)
    assert result.events == [
        Read(nodes[0], size),
        Visited(nodes[0], LIVE + 1),
        Deleted(LIVE + 1),
        Read(nodes[1], size),
        Visited(nodes[1], 0),
        NotFound(0),
        Completion(0xFFFFFFFF, Status.OK, 2, 1, 1, None),
    ]
    assert result.nodes == [(nodes[0], LIVE + 1, True), (nodes[1], 0, False)]
    assert result.reads == [Read(nodes[0], size), Read(nodes[1], size)]


@ABIS
def test_rule_15_null_ends_the_walk(abi: Abi) -> None:
    result = go(Memory(), 0, abi=abi, windows=WindowTable())
    assert result.events == [Completion(0, Status.OK, 0, 0, 0, None)]


@pytest.mark.parametrize(("abi", "offset"), [(Abi.X64, 1), (Abi.X64, 4), (Abi.X86, 1), (Abi.X86, 2)])
def test_rule_15_misaligned(abi: Abi, offset: int) -> None:
    assert ends(go(memory_of([]), BASE + offset, abi=abi), Status.MISALIGNED, 0, BASE + offset)
    nodes = scattered(3)
    memory = memory_of(nodes, abi=abi, last_next=BASE + 0x80 + offset)
    assert ends(go(memory, nodes[0], abi=abi), Status.MISALIGNED, 3, BASE + 0x80 + offset)


def test_rule_15_x86_nodes_are_aligned_to_4() -> None:
    nodes = [BASE + 4, BASE + 0x24]
    assert ends(go(memory_of(nodes, abi=Abi.X86), nodes[0], abi=Abi.X86), Status.OK, 2, None)


def test_rule_15_misaligned_before_out_of_window() -> None:
    assert ends(go(Memory(), 0x13, windows=WindowTable()), Status.MISALIGNED, 0, 0x13)
    assert ends(go(Memory(), 1 << 32 | 2, abi=Abi.X86), Status.MISALIGNED, 0, 1 << 32 | 2)


@ABIS
def test_rule_15_out_of_window(abi: Abi) -> None:
    last = END - LAYOUTS[abi].size
    step = LAYOUTS[abi].alignment
    assert ends(go(memory_of([last], abi=abi), last, abi=abi), Status.OK, 1, None)
    for address in (BASE - step, last + step, END, step):
        result = go(memory_of([BASE], abi=abi, last_next=address), BASE, abi=abi)
        assert ends(result, Status.OUT_OF_WINDOW, 1, address)
        assert len(result.reads) == 1


@pytest.mark.parametrize("head", [1 << 32 | BASE, 1 << 63 | BASE, 1 << 32])
def test_rule_14_an_x86_head_with_upper_bits(head: int) -> None:
    everything = WindowTable.of(Window(0, (1 << 64) - 8, 0))
    result = go(memory_of([BASE], abi=Abi.X86), head, abi=Abi.X86, windows=everything)
    assert ends(result, Status.OUT_OF_WINDOW, 0, head)


def test_rule_14_an_x86_node_above_2_to_32() -> None:
    end = 1 << 32
    memory = Memory()
    memory.add(end - 0x1000, bytes(0x2000))
    memory.write(end - 12, write_node(abi=Abi.X86, next_address=end - 8))
    windows = WindowTable.of(Window(end - 0x1000, 0x2000, end - 0x1000))
    assert ends(go(memory, end - 12, abi=Abi.X86, windows=windows), Status.OUT_OF_WINDOW, 1, end - 8)


def test_rule_14_x64_addresses_use_all_64_bits() -> None:
    base = (1 << 64) - 0x1000
    memory = Memory()
    memory.add(0x2000, bytes(0xFE8) + write_node(handle=LIVE))
    result = go(memory, base + 0xFE8, windows=WindowTable.of(Window(base, 0x1000, 0x2000)))
    assert ends(result, Status.OK, 1, None)
    assert result.events[:2] == [Read(0x2FE8, 24), Visited(base + 0xFE8, LIVE)]
    assert ends(
        go(memory, base + 0xFF0, windows=WindowTable.of(Window(base, 0x1000, 0x2000))), Status(2), 0, base + 0xFF0
    )


@pytest.mark.parametrize("budget", [1, 2, 3, 4])
def test_rule_15_too_long(budget: int) -> None:
    nodes = scattered(4)
    result = go(memory_of(nodes), nodes[0], budget=budget)
    if budget < 4:
        assert ends(result, Status.TOO_LONG, budget, nodes[budget])
        assert len(result.reads) == budget
    else:
        assert ends(result, Status.OK, 4, None)


def test_rule_15_order_null_misaligned_window_loop_before_too_long() -> None:
    for last_next, status in [(0, Status.OK), (BASE + 1, Status.MISALIGNED), (8, Status.OUT_OF_WINDOW)]:
        result = go(memory_of([BASE], last_next=last_next), BASE, budget=1)
        assert ends(result, status, 1, last_next or None)
    assert ends(go(memory_of([BASE], last_next=BASE), BASE, budget=1), Status.LOOP, 1, BASE)


def test_rule_15_too_long_before_the_read() -> None:
    memory = memory_of([BASE], last_next=BASE + 0x40)
    memory.fail(BASE + 0x40)
    assert ends(go(memory, BASE, budget=1), Status.TOO_LONG, 1, BASE + 0x40)
    assert ends(go(memory, BASE, budget=2), Status.BUS_ERROR, 1, BASE + 0x40)


def test_rule_16_budget_0_is_2_to_32_minus_1() -> None:
    nodes = scattered(9)
    assert ends(go(memory_of(nodes), nodes[0], budget=0), Status.OK, 9, None)
    walker = Walker(memory=Memory(), windows=whole_window(), table=table_of(0), head=BASE, budget=0)
    assert walker._budget == (1 << 32) - 1


@ABIS
@pytest.mark.parametrize("status", [Status.BUS_ERROR, Status.TIMEOUT])
@pytest.mark.parametrize("beat", [0, 8, 16])
def test_rule_15_bus_error_and_timeout(abi: Abi, status: Status, beat: int) -> None:
    nodes = scattered(3)
    memory = memory_of(nodes, abi=abi)
    memory.fail(nodes[1] + beat, status)
    result = go(memory, nodes[0], abi=abi)
    if beat < LAYOUTS[abi].size:
        assert ends(result, status, 1, nodes[1])
        assert len(result.reads) == 2
    else:
        assert ends(result, Status.OK, 3, None)


def test_rule_19_a_fault_in_the_other_half_of_a_beat_of_an_x86_node_counts() -> None:
    memory = memory_of([BASE + 4], abi=Abi.X86)
    memory.fail(BASE)
    assert ends(go(memory, BASE + 4, abi=Abi.X86), Status.BUS_ERROR, 0, BASE + 4)
    memory.heal(BASE)
    memory.fail(BASE + 16)
    assert ends(go(memory, BASE + 4, abi=Abi.X86), Status.OK, 1, None)


def test_rule_15_a_hole_in_memory_is_a_bus_error() -> None:
    memory = memory_of([BASE], last_next=END + 0x100)
    windows = WindowTable.of(Window(BASE, SIZE + 0x1000, BASE))
    assert ends(go(memory, BASE, windows=windows), Status.BUS_ERROR, 1, END + 0x100)
    memory.add(END + 0x100, bytes(16))
    assert ends(go(memory, BASE, windows=windows), Status.BUS_ERROR, 1, END + 0x100)


@pytest.mark.parametrize("bit", range(32))
@ABIS
def test_rule_15_bad_header_in_any_bit(abi: Abi, bit: int) -> None:
    nodes = scattered(2)
    memory = memory_of(nodes, abi=abi, headers={1: LAYOUTS[abi].header ^ 1 << bit})
    result = go(memory, nodes[0], abi=abi)
    assert ends(result, Status.BAD_HEADER, 1, nodes[1])
    assert len(result.reads) == 2


def test_rule_15_the_other_abi_is_a_bad_header() -> None:
    assert ends(go(memory_of([BASE], abi=Abi.X86), BASE, abi=Abi.X64), Status.BAD_HEADER, 0, BASE)
    assert ends(go(memory_of([BASE], abi=Abi.X64), BASE, abi=Abi.X86), Status.BAD_HEADER, 0, BASE)


def test_rule_18_a_bad_node_stops_the_walk_and_what_was_deleted_stays_deleted() -> None:
    nodes = scattered(4)
    table = table_of(4)
    result = go(memory_of(nodes, headers={2: 0}), nodes[0], table=table)
    assert ends(result, Status.BAD_HEADER, 2, nodes[2])
    assert set(table) == {LIVE + 2, LIVE + 3}


def test_rule_9_every_kind_of_bad_handle_is_not_found_and_the_walk_goes_on() -> None:
    handles = [0, 1, LIVE, LIVE, LIVE | 64, LIVE | 1 << 32, (1 << 64) - 1, LIVE + 1]
    nodes = scattered(len(handles))
    result = go(memory_of(nodes, handles=handles), nodes[0])
    assert ends(result, Status.OK, 8, None)
    assert [node.is_deleted for node in result.nodes] == [False, False, True, False, False, False, False, True]


@pytest.mark.parametrize("after", range(5))
def test_rule_18_aborted_between_nodes(after: int) -> None:
    nodes = scattered(4)
    table = table_of(8)
    result = go(memory_of(nodes), nodes[0], abort_after=after, table=table)
    if after < 4:
        assert ends(result, Status.ABORTED, after, nodes[after])
        assert len(result.reads) == after
    else:
        assert ends(result, Status.OK, 4, None)
    assert len(table) == 8 - after


def test_rule_15_an_abort_comes_before_every_check_but_null() -> None:
    for last_next in (BASE + 1, 8, BASE):
        result = go(memory_of([BASE], last_next=last_next), BASE, abort_after=1)
        assert ends(result, Status.ABORTED, 1, last_next)
    assert ends(go(memory_of([BASE]), BASE, abort_after=1), Status.OK, 1, None)


def test_rule_24_a_command_aborted_in_the_queue() -> None:
    assert ends(go(memory_of([BASE]), BASE, abort_after=0), Status.ABORTED, 0, BASE)
    assert ends(go(memory_of([]), 0, abort_after=0), Status.ABORTED, 0, 0)


def test_rule_15_after_the_end_the_real_status_stands() -> None:
    result = go(memory_of([BASE], headers={0: 0}), BASE, abort_after=5)
    assert ends(result, Status.BAD_HEADER, 0, BASE)
