"""Rules 19, 21 and 25: what a walk reads, and walks that stop and go on."""

import pytest

from saoffload.sim.model import (
    Abi,
    Completion,
    Deleted,
    Memory,
    Read,
    SaTable,
    Status,
    Visited,
    Walker,
    Window,
    WindowTable,
    walk,
    write_node,
)

from .lists import BASE, LIVE, ends, go, memory_of, scattered, table_of, whole_window


@pytest.mark.parametrize(
    ("abi", "in_page", "lengths"),
    [
        (Abi.X64, 4072, [24]),
        (Abi.X64, 4080, [16, 8]),
        (Abi.X64, 4088, [8, 16]),
        (Abi.X64, 0, [24]),
        (Abi.X86, 4084, [12]),
        (Abi.X86, 4088, [8, 4]),
        (Abi.X86, 4092, [4, 8]),
    ],
)
def test_rule_21_no_read_crosses_4_kb_of_bus_address(abi: Abi, in_page: int, lengths: list[int]) -> None:
    address = BASE + 0x3000 + in_page
    result = go(memory_of([address], abi=abi), address, abi=abi)
    assert ends(result, Status.OK, 1, None)
    assert [read.length for read in result.reads] == lengths
    assert result.reads[0].address == address
    assert result.reads[-1].address in (address, BASE + 0x4000)


@pytest.mark.parametrize(("offset", "read_count"), [(4080, 1), (4088, 1), (4096, 2)])
def test_rule_21_a_failed_first_read_has_no_second(offset: int, read_count: int) -> None:
    memory = memory_of([BASE + 4080])
    memory.fail(BASE + offset)
    result = go(memory, BASE + 4080)
    assert ends(result, Status.BUS_ERROR, 0, BASE + 4080)
    assert len(result.reads) == read_count


def test_rule_19_and_21_a_fault_behind_the_page_border_belongs_to_the_second_read() -> None:
    def fault(address: int, _length: int) -> Status | None:
        return Status.TIMEOUT if address == BASE + 4096 else None

    memory = Memory(fault=fault)
    memory.add(BASE, bytes(0x2000))
    memory.write(BASE + 4088, write_node())
    result = go(memory, BASE + 4088)
    assert ends(result, Status.TIMEOUT, 0, BASE + 4088)
    assert result.reads == [Read(BASE + 4088, 8), Read(BASE + 4096, 16)]


def test_rule_21_list_addresses_are_checked_and_bus_addresses_are_read() -> None:
    memory = Memory()
    memory.add(0x5000, write_node(next_address=0x7F00_0000_0020, handle=LIVE) + bytes(8) + write_node(handle=LIVE + 1))
    windows = WindowTable.of(Window(0x7F00_0000_0000, 0x1000, 0x5000))
    result = go(memory, 0x7F00_0000_0000, windows=windows)
    assert result.reads == [Read(0x5000, 24), Read(0x5020, 24)]
    assert result.nodes == [(0x7F00_0000_0000, LIVE, True), (0x7F00_0000_0020, LIVE + 1, True)]


def test_rule_21_the_same_node_through_two_windows_is_two_list_addresses() -> None:
    memory = Memory()
    memory.add(0x5000, write_node(next_address=0x2000, handle=LIVE))
    windows = WindowTable.of(Window(0x1000, 0x1000, 0x5000), Window(0x2000, 0x1000, 0x5000))
    result = go(memory, 0x1000, windows=windows, budget=99)
    assert ends(result, Status.LOOP, 2, 0x2000)
    assert [node.is_deleted for node in result.nodes] == [True, False]


def test_rule_25_without_a_bus_id_a_walk_times_out_without_a_read() -> None:
    walker = Walker(memory=memory_of([BASE]), windows=whole_window(), table=table_of(1), head=BASE, can_read=False)
    assert walker.run() == Completion(0, Status.TIMEOUT, 0, 0, 0, BASE)
    assert len(walker.events) == 1
    assert not walker.is_id_lost


@pytest.mark.parametrize("status", [Status.BUS_ERROR, Status.TIMEOUT])
def test_rule_25_a_read_that_times_out_loses_its_id(status: Status) -> None:
    memory = memory_of([BASE])
    memory.fail(BASE, status)
    walker = Walker(memory=memory, windows=whole_window(), table=table_of(1), head=BASE)
    assert walker.finish().status is status
    assert walker.is_id_lost == (status is Status.TIMEOUT)


def test_walker_goes_on_where_it_stopped() -> None:
    nodes = scattered(10)
    memory = memory_of(nodes, last_next=nodes[4])
    whole = go(memory, nodes[0], budget=99)
    walker = Walker(memory=memory, windows=whole_window(), table=table_of(8), head=nodes[0], budget=99)
    assert walker.run(0) is None
    assert walker.run(3) is None
    assert (walker.visited, walker.address) == (3, nodes[3])
    assert walker.step() is None
    completion = walker.finish()
    assert completion == whole.completion
    assert walker.step() is completion
    assert walker.events == whole.events


def test_walker_reads_a_node_when_it_comes_to_it() -> None:
    memory = memory_of([BASE, BASE + 0x20])
    walker = Walker(memory=memory, windows=whole_window(), table=table_of(8), head=BASE)
    walker.step()
    memory.write(BASE + 0x20, write_node(next_address=BASE + 0x40, handle=LIVE + 5))
    memory.write(BASE + 0x40, write_node())
    walker.finish()
    assert [event.address for event in walker.events if isinstance(event, Visited)] == [BASE, BASE + 0x20, BASE + 0x40]
    assert Deleted(LIVE + 5) in walker.events


@pytest.mark.parametrize("options", [{"head": -1}, {"head": 1 << 64}, {"budget": -1}, {"budget": 1 << 32}])
def test_values_that_do_not_fit_are_errors_of_the_caller(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="bits, got"):
        walk(**{"memory": Memory(), "windows": WindowTable(), "table": SaTable(bundles=2), "head": 0} | options)
