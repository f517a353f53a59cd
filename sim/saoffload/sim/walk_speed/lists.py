"""The lists that walkers are measured on: where each node stands in a memory of 64 MiB.

Every list is repeatable from its seed. Addresses are offsets into the memory, in list order.
"""

from collections.abc import Callable
from random import Random

from . import heap

MEMORY_BYTES = 64 << 20
NODE_BYTES = 24
SLOT_BYTES = 32
PAGE_BYTES = 4096
LISTS_AT_ONCE = 16
SWAPPED_PERCENT = 20
NODE_LIMITS = (LISTS_AT_ONCE, 100_000)
"""The fewest and the most nodes: each of the lists at once has one, and all fit the memory."""

Offsets = list[int]
Generator = Callable[[int, int], list[Offsets]]
"""From the number of nodes and a seed to one or more lists with so many nodes together."""


def in_slots(count: int, size: int) -> Offsets:
    """Nodes one after the other, ``size`` bytes apart."""
    return [number * size for number in range(count)]


def page_random(count: int, seed: int) -> list[Offsets]:
    """4 KB pages in random order, each with 128 nodes in 32-byte slots, in random order. The last page visited may have
    fewer.
    """
    random = Random(seed)
    per_page = PAGE_BYTES // SLOT_BYTES
    page_count = -(-count // per_page)
    offsets = []
    for page in random.sample(range(page_count), page_count):
        offsets += [page * PAGE_BYTES + slot * SLOT_BYTES for slot in random.sample(range(per_page), per_page)]
    return [offsets[:count]]


def scattered(count: int, seed: int) -> list[Offsets]:
    """32-byte slots, anywhere in the memory with equal chances."""
    slots = Random(seed).sample(range(MEMORY_BYTES // SLOT_BYTES), count)
    return [[slot * SLOT_BYTES for slot in slots]]


def scattered_16_lists(count: int, seed: int) -> list[Offsets]:
    """As ``scattered``, but 16 lists, as long as each other or one node shorter."""
    offsets = scattered(count, seed)[0]
    return [offsets[number::LISTS_AT_ONCE] for number in range(LISTS_AT_ONCE)]


def swapped_20(count: int, seed: int) -> list[Offsets]:
    """Contiguous nodes, taken in pairs of neighbours, of which 20 % are swapped."""
    offsets = in_slots(count, NODE_BYTES)
    pairs = range(count // 2)
    for pair in Random(seed).sample(pairs, round(len(pairs) * SWAPPED_PERCENT / 100)):
        first = 2 * pair
        offsets[first : first + 2] = offsets[first + 1], offsets[first]
    return [offsets]


def in_heap(count: int, seed: int) -> list[Offsets]:
    """Where the C library's allocator puts nodes while blocks are freed and reused in random order: see ``heap``."""
    return [heap.offsets(count, seed)]


def _up(size: int) -> Generator:
    return lambda count, _seed: [in_slots(count, size)]


def _down(size: int) -> Generator:
    return lambda count, _seed: [in_slots(count, size)[::-1]]


LISTS: dict[str, Generator] = {
    "contiguous24": _up(NODE_BYTES),
    "contiguous24_down": _down(NODE_BYTES),
    "slots32": _up(32),
    "slots32_down": _down(32),
    "slots64": _up(64),
    "slots64_down": _down(64),
    "page_random": page_random,
    "random": scattered,
    "random_16_lists": scattered_16_lists,
    "swapped20": swapped_20,
    "malloc": in_heap,
}
"""Every list of the benchmark, by name."""
