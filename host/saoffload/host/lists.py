"""Linked lists of delete nodes, placed in a memory image among other data.

A ``ListBuilder`` owns one contiguous piece of host memory, filled with seeded random bytes that stand for everything
else a heap holds and serve as guard bytes. It writes nodes into it and says where they are:

    builder = ListBuilder(base=0x7F00_0000_0000, size=1 << 20, bus_base=0x10_0000, seed=1)
    placed = builder.scattered([0x8000_0001, 0x8000_0002, 0x8000_0003])
    memory[builder.bus_base:] = builder.image()      # what the bus sees
    await driver.windows.set(0, builder.window)       # how list addresses become bus addresses
    await driver.commands.submit_walk(placed.head)

All addresses taken and returned are list addresses: what ``Next`` holds. ``bus_address`` translates.
"""

import random
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .register_map import Abi
from .structures import NODE_LAYOUTS
from .windows import Window

PAGE_BYTES = 4096
ADDRESS_LIMIT = 1 << 64
PADDING_BYTES = 4


@dataclass(frozen=True)
class PlacedList:
    """One list in memory. ``addresses`` and ``handles`` are in list order; ``head`` is 0 (NULL) for an empty list."""

    addresses: tuple[int, ...]
    handles: tuple[int, ...]

    @property
    def head(self) -> int:
        """The address of the first node."""
        return self.addresses[0] if self.addresses else 0


class ListBuilder:
    """Builds lists in a memory image of ``size`` bytes that stands at list address ``base`` and at bus address
    ``bus_base`` (the same unless given). Nodes never overlap; every placement is repeatable from ``seed``.

    Raises ``ValueError`` for a placement that leaves the image, overlaps a node or has no room; nothing is written
    then.
    """

    def __init__(self, *, base: int, size: int, abi: Abi = Abi.X64, bus_base: int | None = None, seed: int = 0) -> None:
        bus_base = base if bus_base is None else bus_base
        for name, start in (("base", base), ("bus_base", bus_base)):
            if not 0 <= start <= ADDRESS_LIMIT - size:
                raise ValueError(f"{name} {start:#x} with {size:#x} bytes leaves the 64-bit address space")
        self.base = base
        self.size = size
        self.abi = abi
        self.bus_base = bus_base
        self.seed = seed
        self.layout = NODE_LAYOUTS[abi]
        self._random = random.Random(seed)
        self._memory = bytearray(self._random.randbytes(size))
        self._starts: list[int] = []

    @property
    def window(self) -> Window:
        """The window that makes exactly this image readable."""
        return Window(base=self.base, size=self.size, bus_base=self.bus_base)

    def image(self) -> bytes:
        """The memory as it is now, from ``base`` on."""
        return bytes(self._memory)

    def bus_address(self, address: int) -> int:
        """Where the bus sees the byte at list ``address``."""
        return address - self.base + self.bus_base

    def differences(self, memory: bytes | bytearray) -> list[int]:
        """List addresses of the bytes in which ``memory`` differs from the image: empty unless someone wrote to it."""
        if len(memory) != self.size:
            raise ValueError(f"memory must be the whole image of {self.size} bytes, got {len(memory)}")
        if memory == self._memory:
            return []
        return [self.base + at for at, (was, now) in enumerate(zip(self._memory, memory, strict=True)) if was != now]

    # Placement: where nodes go.

    def contiguous(
        self, handles: Sequence[int], *, start: int | None = None, stride: int | None = None, tail: int = 0
    ) -> PlacedList:
        """Nodes one after the other, upwards from ``start``, ``stride`` bytes apart (default: without a gap)."""
        return self.in_slots(handles, range(len(handles)), slot_size=stride, start=start, tail=tail)

    def descending(
        self, handles: Sequence[int], *, start: int | None = None, stride: int | None = None, tail: int = 0
    ) -> PlacedList:
        """As ``contiguous``, but the head is the highest node and the last node stands at ``start``."""
        return self.in_slots(handles, range(len(handles))[::-1], slot_size=stride, start=start, tail=tail)

    def scattered(
        self, handles: Sequence[int], *, slot_size: int | None = None, start: int | None = None, tail: int = 0
    ) -> PlacedList:
        """Nodes in random order over all free slots of the image."""
        slot_size, start, slot_count = self._slots(slot_size, start)
        if not self._starts:
            free: Sequence[int] = range(slot_count)
        else:
            free = [slot for slot in range(slot_count) if self._is_free(start + slot * slot_size)]
        if len(free) < len(handles):
            raise ValueError(f"{len(handles)} nodes do not fit: the image has {len(free)} free slots")
        slots = self._random.sample(free, len(handles))
        return self.in_slots(handles, slots, slot_size=slot_size, start=start, tail=tail)

    def paged(self, handles: Sequence[int], *, slot_size: int | None = None, tail: int = 0) -> PlacedList:
        """Nodes in random order inside 4 KB pages, one page after the other, the pages in random order: what a slab
        allocator leaves behind. Every page but the last one visited is used up.
        """
        slot_size, _, _ = self._slots(slot_size, None)
        first_page = self.base + -self.base % PAGE_BYTES
        page_count = (self.base + self.size - first_page) // PAGE_BYTES
        per_page = PAGE_BYTES // slot_size
        needed = -(-len(handles) // per_page)
        if page_count < needed:
            raise ValueError(f"{len(handles)} nodes need {needed} whole pages, the image has {max(page_count, 0)}")
        addresses: list[int] = []
        for page in self._random.sample(range(page_count), needed):
            slots = self._random.sample(range(per_page), per_page)
            addresses += (first_page + page * PAGE_BYTES + slot * slot_size for slot in slots)
        return self.at_addresses(handles, addresses[: len(handles)], tail=tail)

    def in_slots(
        self,
        handles: Sequence[int],
        slots: Sequence[int],
        *,
        slot_size: int | None = None,
        start: int | None = None,
        tail: int = 0,
    ) -> PlacedList:
        """Node k in slot ``slots[k]``, slots being ``slot_size`` bytes wide and counted from ``start``."""
        slot_size, start, _ = self._slots(slot_size, start)
        return self.at_addresses(handles, [start + slot * slot_size for slot in slots], tail=tail)

    def at_addresses(self, handles: Sequence[int], addresses: Sequence[int], *, tail: int = 0) -> PlacedList:
        """Node k at ``addresses[k]``, aligned or not. ``tail`` is the Next of the last node: NULL unless given, the
        address of a node of the list to close a loop.
        """
        if len(handles) != len(addresses):
            raise ValueError(f"{len(handles)} handles for {len(addresses)} addresses")
        successors = [*addresses[1:], tail]
        nodes = [
            self.layout.pack(next_address=successor, handle=handle, padding=self._random.randbytes(PADDING_BYTES))
            for handle, successor in zip(handles, successors, strict=False)
        ]
        self._reserve(addresses)
        for address, node in zip(addresses, nodes, strict=True):
            offset = address - self.base
            self._memory[offset : offset + len(node)] = node
        return PlacedList(tuple(addresses), tuple(handles))

    # Damage: lists as they should not be.

    def set_header(self, address: int, header: int) -> None:
        """Overwrite the first word of the node at ``address``."""
        self._poke(address, 0, header, 32)

    def set_next(self, address: int, next_address: int) -> None:
        """Overwrite Next of the node at ``address``."""
        self._poke(address, self.layout.next_offset, next_address, self.layout.pointer_bits)

    def set_handle(self, address: int, handle: int) -> None:
        """Overwrite OffloadHandle of the node at ``address``."""
        self._poke(address, self.layout.handle_offset, handle, self.layout.pointer_bits)

    def _poke(self, address: int, field_offset: int, value: int, bits: int) -> None:
        if not 0 <= value < 1 << bits:
            raise ValueError(f"value must fit {bits} bits, got {value:#x}")
        if not self._is_inside(address):
            raise ValueError(f"no node at {address:#x}: it leaves the image")
        offset = address - self.base + field_offset
        self._memory[offset : offset + bits // 8] = value.to_bytes(bits // 8, "little")

    def _slots(self, slot_size: int | None, start: int | None) -> tuple[int, int, int]:
        """Slot size, first slot's address and number of whole slots that fit the image."""
        slot_size = self.layout.size if slot_size is None else slot_size
        if slot_size < self.layout.size:
            raise ValueError(f"a slot must hold a node of {self.layout.size} bytes, got {slot_size}")
        start = self.base + -self.base % self.layout.alignment if start is None else start
        return slot_size, start, max(0, (self.base + self.size - start) // slot_size)

    def _is_inside(self, address: int) -> bool:
        return self.base <= address <= self.base + self.size - self.layout.size

    def _is_free(self, address: int) -> bool:
        at = bisect_left(self._starts, address)
        return all(abs(start - address) >= self.layout.size for start in self._starts[max(at - 1, 0) : at + 1])

    def _reserve(self, addresses: Iterable[int]) -> None:
        wanted = sorted(addresses)
        for address in wanted:
            if not self._is_inside(address):
                raise ValueError(f"a node at {address:#x} leaves the image")
            if not self._is_free(address):
                raise ValueError(f"a node at {address:#x} overlaps a node placed before")
        for lower, upper in pairwise(wanted):
            if upper - lower < self.layout.size:
                raise ValueError(f"nodes at {lower:#x} and {upper:#x} overlap")
        for address in wanted:
            insort(self._starts, address)
