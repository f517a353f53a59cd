"""Walks of random lists with every fault there is, against an account written in another way."""

import random
import struct
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saoffload.sim.model import (
    Abi,
    Deleted,
    Memory,
    Read,
    Status,
    Walk,
    Walker,
    Window,
    WindowTable,
    walk,
)

from .lists import LIVE, PROPERTY, table_of

# A small world in which everything meets: two pages of list addresses, one window over most of them, another behind.
WORLD = 0x4000
WINDOWS = (Window(WORLD, 0x1400, 0x2_0000), Window(WORLD + 0x1000, 0x1000, 0x8_1000))
HEAD = WORLD
SPOTS = {
    Abi.X64: [WORLD + offset for offset in (0, 0x18, 0x30, 0x48, 0xFF0, 0x1008, 0x13D8, 0x13F0, 0x1410, 0x1FE8)],
    Abi.X86: [WORLD + offset for offset in (0, 0xC, 0x18, 0x24, 0x64, 0xFF8, 0x1008, 0x13F0, 0x13FC, 0x1FF4)],
}
STRAYS = [0, 0, 4, WORLD + 2, WORLD - 8, WORLD + 0x1FF0, WORLD + 0x3000, 1 << 32, (1 << 64) - 8]

handles = st.one_of(st.integers(LIVE, LIVE + 9), st.sampled_from([0, 1, LIVE | 64, LIVE | 1 << 40]))
spoils = st.sampled_from([0] * 20 + [1, 1 << 31])


def worlds_of(abi: Abi) -> st.SearchStrategy[dict]:
    """A node at every spot, most of which lead to another spot."""
    spots = SPOTS[abi]
    targets = st.sampled_from(spots * 4 + STRAYS)
    faults = st.dictionaries(st.sampled_from(spots), st.sampled_from([Status.BUS_ERROR, Status.TIMEOUT]), max_size=1)
    return st.fixed_dictionaries(
        {
            "content": st.tuples(*(st.tuples(st.just(spot), targets, handles, spoils) for spot in spots)),
            "abi": st.just(abi),
            "faults": st.one_of(st.just({}), st.just({}), faults),
            "budget": st.sampled_from([99, 99, 1, 2, 5]),
        }
    )


worlds = st.sampled_from(Abi).flatmap(worlds_of)


def build(content: Sequence[tuple[int, int, int, int]], abi: Abi, faults: dict[int, Status]) -> Memory:
    """Puts the nodes, which may overlap, into one image of the world that both windows show a copy of."""
    world = bytearray(0x2000)
    for address, following, handle, spoil in content:
        if abi is Abi.X64:
            data = struct.pack("<IIQQ", 0x00180180 ^ spoil, 0xFFFFFFFF, following, handle)
        else:
            data = struct.pack("<III", 0x000C0180 ^ spoil, following & 0xFFFFFFFF, handle & 0xFFFFFFFF)
        world[address - WORLD : address - WORLD + len(data)] = data[: 0x2000 - (address - WORLD)]
    memory = Memory()
    for window in WINDOWS:
        offset = window.base - WORLD
        memory.add(window.bus_base, world[offset : offset + window.size])
        for address, status in faults.items():
            if window.base <= address < window.base + window.size:
                memory.fail(address - window.base + window.bus_base, status)
    return memory


def account(memory: Memory, abi: Abi, budget: int, handles: set[int]) -> tuple[Status, list[tuple[int, int]], int]:
    """The walk in another way: byte by byte, with the whole history at hand."""
    size, alignment = (24, 8) if abi is Abi.X64 else (12, 4)
    marks = memory._marks
    visits: list[tuple[int, int]] = []
    deleted = 0
    address = HEAD
    while address:
        if address % alignment:
            return Status.MISALIGNED, visits, deleted
        homes = [w for w in WINDOWS if w.base <= address and address + size <= w.base + w.size]
        if not homes:
            return Status.OUT_OF_WINDOW, visits, deleted
        powers = [2**k for k in range(20) if 2**k <= len(visits)]
        if powers and visits[powers[-1] - 1][0] == address:
            return Status.LOOP, visits, deleted
        if len(visits) == budget:
            return Status.TOO_LONG, visits, deleted
        bus = address - homes[0].base + homes[0].bus_base
        met = [marks[beat] for beat in range(bus - bus % 8, bus + size, 8) if beat in marks]
        if met:
            return met[0], visits, deleted
        data = memory.read(bus, size)
        assert data is not None
        if data[:4] != (b"\x80\x01\x18\x00" if abi is Abi.X64 else b"\x80\x01\x0c\x00"):
            return Status.BAD_HEADER, visits, deleted
        width = 8 if abi is Abi.X64 else 4
        handle = int.from_bytes(data[2 * width : 3 * width], "little")
        visits.append((address, handle))
        deleted += handle in handles
        handles.discard(handle)
        address = int.from_bytes(data[width : 2 * width], "little")
    return Status.OK, visits, deleted


def walk_world(world: dict) -> Walk:
    memory = build(world["content"], world["abi"], world["faults"])
    return walk(
        memory=memory,
        windows=WindowTable.of(*WINDOWS),
        table=table_of(8),
        head=HEAD,
        abi=world["abi"],
        budget=world["budget"],
    )


@PROPERTY
@given(world=worlds)
def test_rules_19_and_20_every_read_is_inside_a_window_and_a_page(world: dict) -> None:
    for read in walk_world(world).reads:
        last = read.address + read.length - 1
        assert read.address // 4096 == last // 4096
        assert any(window.bus_base <= read.address and last < window.bus_base + window.size for window in WINDOWS)
        assert read.beats()[0] <= read.address
        assert read.beats()[-1] + 8 > last


@PROPERTY
@given(world=worlds, pieces=st.lists(st.integers(0, 3), max_size=10))
def test_a_walk_in_pieces_is_the_same_walk(world: dict, pieces: list[int]) -> None:
    whole = walk_world(world)
    walker = Walker(
        memory=build(world["content"], world["abi"], world["faults"]),
        windows=WindowTable.of(*WINDOWS),
        table=table_of(8),
        head=HEAD,
        abi=world["abi"],
        budget=world["budget"],
    )
    for piece in pieces:
        walker.run(piece)
    walker.finish()
    assert walker.events == whole.events


@PROPERTY
@given(world=worlds, after=st.integers(0, 8))
def test_rule_24_an_aborted_walk_is_the_beginning_of_the_whole_one(world: dict, after: int) -> None:
    whole = walk_world(world)
    memory = build(world["content"], world["abi"], world["faults"])
    table = table_of(8)
    cut = walk(
        memory=memory,
        windows=WindowTable.of(*WINDOWS),
        table=table,
        head=HEAD,
        abi=world["abi"],
        budget=world["budget"],
        abort_after=after,
    )
    if cut.completion.status is Status.ABORTED:
        assert cut.nodes == whole.nodes[:after]
        expected = whole.nodes[after].address if after < len(whole.nodes) else whole.completion.fault_address
        assert cut.completion.fault_address == expected
        assert len(table) == 8 - sum(isinstance(event, Deleted) for event in cut.events)
    else:
        assert cut.events == whole.events


def random_world(source: random.Random) -> dict:
    """A world drawn evenly: hypothesis shrinks well, but prefers small values, and with them short walks."""
    abi = source.choice(list(Abi))
    spots = SPOTS[abi]

    def handle() -> int:
        return source.choice([LIVE + source.randrange(10), 0, 1, LIVE | 64, LIVE | 1 << 40])

    following = spots[1:] + STRAYS[: source.randrange(len(STRAYS))]
    return {
        "content": [(spot, source.choice(following), handle(), source.random() < 0.05) for spot in spots],
        "abi": abi,
        "faults": {source.choice(spots): source.choice([Status.BUS_ERROR, Status.TIMEOUT])}
        if source.random() < 0.3
        else {},
        "budget": source.choice([99, 99, 99, 1, 2, 5]),
    }


def agrees(world: dict) -> Walk:
    """Checks one world against the second account."""
    result = walk_world(world)
    memory = build(world["content"], world["abi"], world["faults"])
    status, visits, deleted = account(memory, world["abi"], world["budget"], set(table_of(8)))
    assert result.completion.status is status, world
    assert [(node.address, node.handle) for node in result.nodes] == visits, world
    assert result.completion.deleted == deleted, world
    assert (result.completion.fault_address is None) == (status is Status.OK), world
    return result


@PROPERTY
@given(world=worlds)
def test_rules_14_to_21_agree_with_a_second_account(world: dict) -> None:
    agrees(world)


@pytest.mark.parametrize("seed", range(5))
def test_rules_14_to_21_agree_with_a_second_account_in_random_worlds(seed: int) -> None:
    source = random.Random(seed)
    reached = dict.fromkeys(Status, 0)
    crossings = 0
    for _ in range(400):
        result = agrees(random_world(source))
        reached[result.completion.status] += 1
        crossings += any(
            isinstance(first, Read) and isinstance(second, Read) for first, second in pairwise(result.events)
        )
    # Random worlds prove little if all of them end alike.
    missing = [status.name for status, number in reached.items() if number < 5 and status is not Status.ABORTED]
    assert not missing
    assert crossings > 20
