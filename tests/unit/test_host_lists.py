"""List and node builders, read back by a reader of their own."""

import random
import struct
from itertools import pairwise

import pytest
from tests.unit.streams import seeds

from saoffload.host.lists import ListBuilder
from saoffload.host.register_map import Abi
from saoffload.host.structures import NODE_LAYOUTS
from saoffload.host.windows import Window

BOTH_ABIS = pytest.mark.parametrize("abi", list(Abi), ids=lambda abi: abi.name)
SIZE = {Abi.X64: 24, Abi.X86: 12}
ALIGNMENT = {Abi.X64: 8, Abi.X86: 4}
HEADER = {Abi.X64: 0x00180180, Abi.X86: 0x000C0180}
BASE = 0x7FF0_0000


def read_node(image: bytes, offset: int, abi: Abi) -> tuple[int, int, int]:
    """First word, Next and OffloadHandle, by the contract's table of offsets."""
    (header,) = struct.unpack_from("<I", image, offset)
    if abi is Abi.X64:
        return header, *struct.unpack_from("<QQ", image, offset + 8)
    return header, *struct.unpack_from("<II", image, offset + 4)


def follow(builder: ListBuilder, head: int) -> tuple[list[int], list[int]]:
    """Addresses and handles of a list, as the image really holds it."""
    image, addresses, handles = builder.image(), [], []
    while head:
        header, following, handle = read_node(image, head - builder.base, builder.abi)
        assert header == HEADER[builder.abi]
        addresses.append(head)
        handles.append(handle)
        head = following
    return addresses, handles


def some_handles(count: int, seed: int = 0) -> list[int]:
    generator = random.Random(seed)
    return [0x8000_0000 | generator.getrandbits(31) for _ in range(count)]


# Nodes.


def test_a_node_of_each_abi_byte_by_byte():
    x64 = NODE_LAYOUTS[Abi.X64].pack(
        next_address=0x1122334455667788, handle=0x99AABBCCDDEEFF00, padding=b"\x01\x02\x03\x04"
    )
    assert x64.hex() == "8001180001020304887766554433221100ffeeddccbbaa99"
    x86 = NODE_LAYOUTS[Abi.X86].pack(next_address=0x11223344, handle=0x80000001)
    assert x86.hex() == "80010c004433221101000080"


@BOTH_ABIS
def test_layouts_agree_with_the_contract(abi):
    layout = NODE_LAYOUTS[abi]
    assert (layout.size, layout.alignment, layout.header) == (SIZE[abi], ALIGNMENT[abi], HEADER[abi])


@BOTH_ABIS
def test_a_wrong_header_is_written_as_asked(abi):
    node = NODE_LAYOUTS[abi].pack(next_address=0, handle=0, header=0xDEAD_BEEF)
    assert read_node(node, 0, abi) == (0xDEAD_BEEF, 0, 0)


@pytest.mark.parametrize(
    ("abi", "fields", "complaint"),
    [
        (Abi.X86, {"next_address": 1 << 32, "handle": 0}, "next_address must fit 32 bits"),
        (Abi.X86, {"next_address": 0, "handle": 1 << 32}, "handle must fit 32 bits"),
        (Abi.X64, {"next_address": 1 << 64, "handle": 0}, "next_address must fit 64 bits"),
        (Abi.X64, {"next_address": 0, "handle": -1}, "handle must fit 64 bits"),
        (Abi.X64, {"next_address": 0, "handle": 0, "header": 1 << 32}, "header must fit 32 bits"),
        (Abi.X64, {"next_address": 0, "handle": 0, "padding": b"abc"}, "padding must be at least 4 bytes"),
    ],
)
def test_values_that_do_not_fit_a_field_are_refused(abi, fields, complaint):
    with pytest.raises(ValueError, match=complaint):
        NODE_LAYOUTS[abi].pack(**fields)


# Placement.


@BOTH_ABIS
@pytest.mark.parametrize("placement", ["contiguous", "descending", "scattered", "paged"])
@pytest.mark.parametrize("seed", seeds(3))
def test_every_placement_makes_the_list_that_was_asked_for(abi, placement, seed):
    builder = ListBuilder(base=BASE, size=1 << 16, abi=abi, seed=seed)
    handles = some_handles(500, seed)
    placed = getattr(builder, placement)(handles)
    addresses, found = follow(builder, placed.head)
    assert found == handles == list(placed.handles)
    assert addresses == list(placed.addresses)
    assert all(address % ALIGNMENT[abi] == 0 for address in addresses)
    assert all(upper - lower >= SIZE[abi] for lower, upper in pairwise(sorted(addresses)))
    assert min(addresses) >= BASE
    assert max(addresses) + SIZE[abi] <= BASE + builder.size


def test_contiguous_nodes_stand_side_by_side_and_upwards():
    builder = ListBuilder(base=BASE, size=4096)
    assert builder.contiguous([1, 2, 3]).addresses == (BASE, BASE + 24, BASE + 48)
    assert builder.contiguous([1, 2], start=BASE + 512, stride=64).addresses == (BASE + 512, BASE + 576)


def test_descending_nodes_end_at_the_start():
    builder = ListBuilder(base=BASE, size=4096)
    assert builder.descending([1, 2, 3], start=BASE + 8).addresses == (BASE + 56, BASE + 32, BASE + 8)


def test_slots_and_addresses_are_taken_as_given():
    builder = ListBuilder(base=BASE, size=4096)
    assert builder.in_slots([1, 2], [9, 4], slot_size=32).addresses == (BASE + 288, BASE + 128)
    assert builder.at_addresses([3, 4], [BASE + 4001, BASE + 1]).addresses == (BASE + 4001, BASE + 1)
    assert follow(builder, BASE + 4001)[1] == [3, 4]


def test_scattering_a_full_image_uses_every_slot():
    builder = ListBuilder(base=BASE, size=24 * 100)
    placed = builder.scattered(some_handles(100))
    assert sorted(placed.addresses) == [BASE + 24 * slot for slot in range(100)]
    assert list(placed.addresses) != sorted(placed.addresses)


def test_pages_are_used_up_one_after_the_other():
    builder = ListBuilder(base=BASE + 8, size=20 * 4096, seed=5)
    placed = builder.paged(some_handles(128 * 10), slot_size=32)
    pages = [address >> 12 for address in placed.addresses]
    assert [pages[at] for at in range(0, len(pages), 128)] == list(dict.fromkeys(pages))
    assert len(set(pages)) == 10
    assert sorted(set(pages)) != list(dict.fromkeys(pages))
    assert all(address % 4096 % 32 == 0 for address in placed.addresses)
    assert min(placed.addresses) >= builder.base


def test_an_unaligned_base_still_gives_aligned_nodes():
    assert ListBuilder(base=BASE + 3, size=4096).contiguous([1]).head == BASE + 8
    assert ListBuilder(base=BASE + 3, size=4096, abi=Abi.X86).scattered([1]).head % 4 == 0


def test_an_empty_list_has_a_null_head():
    builder = ListBuilder(base=BASE, size=4096)
    image = builder.image()
    for placed in (builder.contiguous([]), builder.scattered([]), builder.paged([]), builder.at_addresses([], [])):
        assert placed.head == 0
    assert builder.image() == image


def test_the_same_seed_gives_the_same_image_and_another_seed_another():
    def build(seed):
        builder = ListBuilder(base=BASE, size=4096, seed=seed)
        placed = builder.scattered(some_handles(20))
        return placed.addresses, builder.image()

    assert build(1) == build(1)
    assert build(1) != build(2)


@pytest.mark.parametrize("seed", seeds(5))
def test_lists_in_one_image_leave_each_other_alone(seed):
    builder = ListBuilder(base=BASE, size=1 << 14, seed=seed)
    lists = [builder.scattered(some_handles(50, seed + at)) for at in range(4)]
    lists.append(builder.scattered(some_handles(20, seed), slot_size=40, start=BASE + 16))
    for placed in lists:
        assert follow(builder, placed.head) == (list(placed.addresses), list(placed.handles))


def test_everything_around_the_nodes_is_other_data_that_stays():
    builder = ListBuilder(base=BASE, size=1 << 14, seed=3)
    before = builder.image()
    placed = builder.scattered(some_handles(100), slot_size=32)
    inside = {address - BASE + at for address in placed.addresses for at in range(24)}
    after = builder.image()
    assert all(before[at] == after[at] for at in range(len(before)) if at not in inside)
    padding = {after[address - BASE + 4 : address - BASE + 8] for address in placed.addresses}
    assert len(padding) > 90


def test_a_tail_closes_a_loop():
    builder = ListBuilder(base=BASE, size=4096)
    builder.contiguous([1, 2, 3], tail=BASE + 24)
    assert read_node(builder.image(), 48, Abi.X64)[1] == BASE + 24


# Translation and damage.


def test_list_addresses_and_bus_addresses():
    builder = ListBuilder(base=0xFFFF_8000_0000_0000, size=4096, bus_base=0x10_0000)
    placed = builder.contiguous([1, 2], start=0xFFFF_8000_0000_0100)
    assert builder.bus_address(placed.head) == 0x10_0100
    assert follow(builder, placed.head)[0] == [0xFFFF_8000_0000_0100, 0xFFFF_8000_0000_0118]
    assert builder.window == Window(base=0xFFFF_8000_0000_0000, size=4096, bus_base=0x10_0000)
    assert ListBuilder(base=BASE, size=64).bus_base == BASE


def test_an_image_may_end_where_addresses_end():
    builder = ListBuilder(base=(1 << 64) - 48, size=48)
    assert builder.contiguous([1, 2]).addresses[1] + 24 == 1 << 64


@BOTH_ABIS
def test_damage_changes_one_field_only(abi):
    builder = ListBuilder(base=BASE, size=4096, abi=abi)
    first, second = builder.contiguous([7, 8]).addresses
    builder.set_header(first, 0x1234_5678)
    assert read_node(builder.image(), first - BASE, abi) == (0x1234_5678, second, 7)
    builder.set_next(first, 0xABC)
    assert read_node(builder.image(), first - BASE, abi) == (0x1234_5678, 0xABC, 7)
    builder.set_handle(first, 99)
    assert read_node(builder.image(), first - BASE, abi) == (0x1234_5678, 0xABC, 99)
    assert read_node(builder.image(), second - BASE, abi) == (HEADER[abi], 0, 8)


def test_a_write_by_somebody_else_is_found():
    builder = ListBuilder(base=BASE, size=4096)
    builder.scattered(some_handles(10))
    memory = bytearray(builder.image())
    assert builder.differences(memory) == []
    memory[77] ^= 1
    memory[4095] ^= 0x80
    assert builder.differences(memory) == [BASE + 77, BASE + 4095]
    with pytest.raises(ValueError, match="4096 bytes"):
        builder.differences(memory[:-1])


@pytest.mark.parametrize(
    ("place", "complaint"),
    [
        (lambda builder: builder.contiguous([1] * 200, start=BASE + 64), "leaves the image"),
        (lambda builder: builder.at_addresses([1], [BASE - 1]), "leaves the image"),
        (lambda builder: builder.at_addresses([1], [BASE + 4096 - 23]), "leaves the image"),
        (lambda builder: builder.at_addresses([1], [BASE + 23]), "overlaps a node"),
        (lambda builder: builder.at_addresses([1, 2], [BASE + 100, BASE + 110]), "overlap"),
        (lambda builder: builder.at_addresses([1, 2], [BASE + 100]), "2 handles for 1 addresses"),
        (lambda builder: builder.scattered([1] * 200), "169 free slots"),
        (lambda builder: builder.paged([1] * 200), "need 2 whole pages, the image has 1"),
        (lambda builder: builder.contiguous([1], start=BASE + 64, stride=23), "a slot must hold a node"),
        (lambda builder: builder.contiguous([1 << 64], start=BASE + 64), "handle must fit 64 bits"),
        (lambda builder: builder.set_next(BASE + 4080, 0), "leaves the image"),
        (lambda builder: builder.set_header(BASE, 1 << 32), "must fit 32 bits"),
    ],
)
def test_impossible_placements_are_refused_and_write_nothing(place, complaint):
    builder = ListBuilder(base=BASE, size=4096)
    builder.contiguous([1])
    image = builder.image()
    with pytest.raises(ValueError, match=complaint):
        place(builder)
    assert builder.image() == image


@pytest.mark.parametrize("base", [-8, (1 << 64) - 4088])
def test_an_image_outside_the_address_space_is_refused(base):
    with pytest.raises(ValueError, match="64-bit address space"):
        ListBuilder(base=base, size=4096)
    with pytest.raises(ValueError, match="bus_base"):
        ListBuilder(base=0, size=4096, bus_base=base)


def test_x86_lists_above_4_gb_cannot_be_written():
    builder = ListBuilder(base=1 << 32, size=4096, abi=Abi.X86)
    with pytest.raises(ValueError, match="next_address must fit 32 bits"):
        builder.contiguous([1, 2])


def test_twenty_thousand_nodes_take_seconds_at_most():
    builder = ListBuilder(base=0, size=1 << 22, seed=1)
    handles = some_handles(20_000)
    placed = builder.scattered(handles, slot_size=32, start=32)
    assert follow(builder, placed.head)[1] == handles
