"""Host memory: regions, holes, beats and faults."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saoffload.sim.model import Memory, Status

from .lists import PROPERTY


def test_neighbours_are_joined_in_any_order() -> None:
    memory = Memory()
    for address in (0x10, 0x20, 0x18, 0x08):
        memory.add(address, bytes([address]) * 8)
    expected = b"\x08" * 8 + b"\x10" * 8 + b"\x18" * 8 + b"\x20" * 8
    assert memory.regions == [(0x08, expected)]


def test_the_same_bytes_may_be_added_twice_and_others_may_not() -> None:
    memory = Memory()
    memory.add(0x10, b"abcdefgh")
    memory.add(0x14, b"efghIJKL")
    assert memory.regions == [(0x10, b"abcdefghIJKL")]
    with pytest.raises(ValueError, match="between 0x12 and 0x14"):
        memory.add(0x12, b"xx")
    assert memory.regions == [(0x10, b"abcdefghIJKL")]


def test_memory_ends_at_2_to_64() -> None:
    memory = Memory()
    memory.add((1 << 64) - 8, bytes(8))
    assert memory.fetch((1 << 64) - 8, 8).data == bytes(8)
    with pytest.raises(ValueError, match=r"ends at 2\*\*64"):
        memory.add((1 << 64) - 8, bytes(9))


def test_write_changes_only_what_was_added() -> None:
    memory = Memory()
    memory.add(0, bytes(8))
    memory.write(4, b"abcd")
    assert memory.read(0, 8) == b"\0\0\0\0abcd"
    with pytest.raises(ValueError, match="no memory holds"):
        memory.write(5, b"abcd")


def test_rule_19_a_beat_that_is_not_whole_is_a_bus_error() -> None:
    memory = Memory()
    memory.add(0, bytes(12))
    assert memory.fetch(0, 8).status is None
    assert memory.fetch(8, 4).status is Status.BUS_ERROR
    assert Memory(beat_bytes=4).region(0) is None
    narrow = Memory(beat_bytes=4)
    narrow.add(0, bytes(12))
    assert narrow.fetch(8, 4).status is None


@pytest.mark.parametrize("status", [Status.BUS_ERROR, Status.TIMEOUT])
def test_rule_19_only_beats_that_hold_asked_bytes_count(status: Status) -> None:
    memory = Memory()
    memory.add(0, bytes(64))
    memory.fail(19, status)
    assert memory.has_faults
    assert memory.fetch(0, 16).status is None
    assert memory.fetch(24, 24).status is None
    assert memory.fetch(20, 12).status is status
    assert memory.fetch(4, 13).status is status
    memory.heal(16)
    assert memory.fetch(0, 24).status is None
    assert not memory.has_faults


def test_rule_15_bus_error_before_timeout_in_one_read() -> None:
    memory = Memory()
    memory.add(0, bytes(24))
    memory.fail(0, Status.BUS_ERROR)
    memory.fail(8, Status.TIMEOUT)
    assert memory.fetch(0, 24)[1:] == (Status.BUS_ERROR, True)
    memory.fail(16, Status.BUS_ERROR)
    memory.heal(0)
    assert memory.fetch(0, 24)[1:] == (Status.TIMEOUT, True)


def test_fault_is_asked_for_every_read() -> None:
    asked = []

    def fault(address: int, length: int) -> Status | None:
        asked.append((address, length))
        return Status.TIMEOUT if len(asked) == 2 else None

    memory = Memory(fault=fault)
    memory.add(0, bytes(64))
    assert [memory.fetch(0, 8).status for _ in range(3)] == [None, Status.TIMEOUT, None]
    assert asked == [(0, 8)] * 3


def test_faults_are_bus_error_or_timeout() -> None:
    memory = Memory(fault=lambda _address, _length: Status.LOOP)
    with pytest.raises(ValueError, match="not in LOOP"):
        memory.fetch(0, 8)
    with pytest.raises(ValueError, match="not in OK"):
        memory.fail(0, Status.OK)
    with pytest.raises(ValueError, match="power of two, got 12"):
        Memory(beat_bytes=12)


@PROPERTY
@given(
    pieces=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 40)), max_size=8),
    reads=st.lists(st.tuples(st.integers(0, 150), st.integers(1, 24)), min_size=1, max_size=20),
)
def test_memory_agrees_with_a_dict_of_bytes(pieces: list[tuple[int, int]], reads: list[tuple[int, int]]) -> None:
    content = {}
    memory = Memory()
    for address, length in pieces:
        memory.add(address, bytes(range(address, address + length)))
        content |= {byte: byte for byte in range(address, address + length)}
    assert sorted(content) == [start + offset for start, data in memory.regions for offset in range(len(data))]
    for address, length in reads:
        beats = range(address & -8, -(-(address + length) // 8) * 8)
        expected = bytes(range(address, address + length)) if all(byte in content for byte in beats) else None
        fetch = memory.fetch(address, length)
        assert (fetch.data if fetch.status is None else None) == expected
        region = memory.region(address)
        if region is not None and address + length <= region.end:
            assert bytes(region.data[address - region.start : address - region.start + length]) == expected
        elif expected is not None:
            pytest.fail(f"whole beats at {address} are in no region")
