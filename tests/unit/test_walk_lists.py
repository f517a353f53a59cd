"""The lists of `bench walk`: every node once, inside the memory, in the order that the list's name promises."""

from collections import Counter
from itertools import pairwise

import pytest
from tests.unit.streams import seeds

from saoffload.hdl.config import preset
from saoffload.host.register_map import Abi
from saoffload.host.structures import NODE_LAYOUTS
from saoffload.sim.bench_hdl.tops import MEMORY_BASE, MEMORY_BYTES
from saoffload.sim.walk_speed import lists
from saoffload.sim.walk_speed.lists import LISTS, NODE_BYTES, NODE_LIMITS
from saoffload.sim.walk_speed.measure import LIVE_BUNDLES, make_image, memory_text

STRIDES = {
    "contiguous24": 24,
    "contiguous24_down": -24,
    "slots32": 32,
    "slots32_down": -32,
    "slots64": 64,
    "slots64_down": -64,
}
RANDOM = ("page_random", "random", "random_16_lists", "swapped20", "malloc")
COUNT = 1000


def test_the_memory_is_as_large_as_the_lists_think() -> None:
    assert lists.MEMORY_BYTES == MEMORY_BYTES


@pytest.mark.parametrize("count", [NODE_LIMITS[0], COUNT, 1001, 20_000])
@pytest.mark.parametrize("seed", seeds(1))
@pytest.mark.parametrize("name", LISTS)
def test_every_node_has_a_place_of_its_own_inside_the_memory(name: str, seed: int, count: int) -> None:
    made = LISTS[name](count, seed)
    places = sorted(offset for offsets in made for offset in offsets)
    assert len(places) == count
    assert all(upper - lower >= NODE_BYTES for lower, upper in pairwise(places))
    assert not any(offset % 8 for offset in places)
    assert places[0] >= 0
    assert places[-1] + NODE_BYTES <= MEMORY_BYTES


@pytest.mark.parametrize("name", STRIDES)
def test_strides(name: str) -> None:
    (offsets,) = LISTS[name](COUNT, 1)
    assert {after - before for before, after in pairwise(offsets)} == {STRIDES[name]}
    assert min(offsets) == 0


@pytest.mark.parametrize("name", RANDOM)
def test_a_seed_replays_its_list_and_another_gives_another(name: str) -> None:
    assert LISTS[name](COUNT, 5) == LISTS[name](COUNT, 5)
    assert LISTS[name](COUNT, 5) != LISTS[name](COUNT, 6)


@pytest.mark.parametrize("seed", seeds(2))
def test_pages_are_left_when_all_their_128_slots_are_used(seed: int) -> None:
    (offsets,) = LISTS["page_random"](10 * 128 + 5, seed)
    pages = [offset // 4096 for offset in offsets]
    visits = [page for number, page in enumerate(pages) if number == 0 or pages[number - 1] != page]
    assert sorted(visits) == list(range(11))
    assert visits != sorted(visits)
    counts = Counter(pages)
    assert [counts[page] for page in visits] == [128] * 10 + [5]
    first = [offset % 4096 for offset in offsets[:128]]
    assert sorted(first) == list(range(0, 4096, 32))
    assert first != sorted(first)


@pytest.mark.parametrize("seed", seeds(2))
def test_random_nodes_are_anywhere_in_64_mib(seed: int) -> None:
    (offsets,) = LISTS["random"](20_000, seed)
    assert not any(offset % 32 for offset in offsets)
    # 64 parts of 1 MiB with 312 nodes each on average: 5 standard deviations are 88.
    parts = Counter(offset >> 20 for offset in offsets)
    assert set(parts) == set(range(64))
    assert all(abs(count - 312.5) < 88 for count in parts.values())
    assert sum(before < after for before, after in pairwise(offsets)) == pytest.approx(10_000, rel=0.05)


@pytest.mark.parametrize("count", [16, 1000, 1007])
def test_16_lists_are_as_long_as_each_other_or_one_node_shorter(count: int) -> None:
    made = LISTS["random_16_lists"](count, 1)
    lengths = [len(offsets) for offsets in made]
    assert len(lengths) == 16
    assert max(lengths) - min(lengths) <= 1
    assert min(lengths) == count // 16


@pytest.mark.parametrize("seed", seeds(2))
def test_a_fifth_of_the_neighbours_is_swapped(seed: int) -> None:
    (offsets,) = LISTS["swapped20"](COUNT, seed)
    assert sorted(offsets) == LISTS["contiguous24"](COUNT, 1)[0]
    moved = [number for number, offset in enumerate(offsets) if offset != number * NODE_BYTES]
    assert len(moved) == COUNT // 5
    assert all(offsets[number ^ 1] == number * NODE_BYTES for number in moved)


def test_a_heap_has_nodes_that_never_moved_and_nodes_in_places_of_others() -> None:
    (offsets,) = LISTS["malloc"](COUNT * 10, 1)
    rising = sum(before < after for before, after in pairwise(offsets)) / len(offsets)
    # Random alone would be a half; a list of which nothing was freed rises almost always.
    assert 0.55 < rising < 0.9
    assert max(offsets) < COUNT * 10 * 1024


@pytest.mark.parametrize("name", ["random_16_lists", "contiguous24_down"])
def test_the_image_holds_the_linked_nodes(name: str) -> None:
    config = preset("small")
    made = LISTS[name](100, 3)
    image = make_image(made, config)
    memory: dict[int, int] = {}
    at = 0
    for line in image.text.splitlines():
        if line.startswith("@"):
            at = int(line[1:], 16)
        else:
            memory[at] = int(line, 16)
            at += 1
    layout = NODE_LAYOUTS[Abi.X64]
    handles = []
    for head, offsets in zip(image.heads, made, strict=True):
        address = head
        for offset in offsets:
            assert address == MEMORY_BASE + offset
            header, address, handle = (memory[offset // 8 + word] for word in range(3))
            assert header & 0xFFFF_FFFF == layout.header
            handles.append(handle)
        assert address == 0
    assert len(image.live) == LIVE_BUNDLES
    assert [handle for handle in handles if handle in image.live] == image.live
    assert all(handle & 0xFFFF_FFFF_8000_0000 == 0x8000_0000 for handle in handles)
    others = [handle & 0x7FFF_FFFF for handle in handles if handle not in image.live]
    assert {handle >> config.index_bits for handle in others} == {1}


def test_the_text_of_a_memory_at_both_widths() -> None:
    words = {0: 1, 1: 2, 5: 3}
    assert memory_text(words.items(), 64) == "@0\n1\n2\n@5\n3\n"
    assert memory_text(words.items(), 128) == f"@0\n{2 << 64 | 1:x}\n@2\n{3 << 64:x}\n"
