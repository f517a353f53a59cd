"""Handles: which index belongs to whom, which generation comes next, and which index may be issued again."""

import heapq
from collections import deque
from dataclasses import dataclass

from .drain import Drain

LIVE_BIT = 1 << 31
"""Set in every handle, so that none is 0."""


@dataclass(frozen=True, slots=True)
class Slot:
    """What a well-formed handle says."""

    index: int
    generation: int


class Slots:
    """Gives out handles, and an index again only when every lookup answered before its release is retired.

    Parameters: ``bundles``, the capacity; ``drain``, which knows the unretired lookups.
    Scrubbing takes time in hardware and none here.
    """

    def __init__(self, *, bundles: int, drain: Drain) -> None:
        if not 2 <= bundles <= LIVE_BIT:
            raise ValueError(f"bundles must be 2 to 2**31, got {bundles}")
        self.bundles = bundles
        self.index_bits = (bundles - 1).bit_length()
        self._drain = drain
        self._generation_mask = (LIVE_BIT >> self.index_bits) - 1
        self._taken: set[int] = set()
        self._next_generation: dict[int, int] = {}
        self._draining: deque[tuple[int, int]] = deque()
        self._draining_indices: set[int] = set()
        # Indices from here on were never used; below it, the free ones stand in the heap, with stale entries.
        self._fresh = 0
        self._heap: list[int] = []

    def split(self, handle: int) -> Slot | None:
        """What the handle says; None when it is malformed or its index is at or above the capacity."""
        if handle >> 31 != 1:
            return None
        index = handle & ((1 << self.index_bits) - 1)
        if index >= self.bundles:
            return None
        return Slot(index, (handle ^ LIVE_BIT) >> self.index_bits)

    def handle(self, slot: Slot) -> int:
        """The handle that says this."""
        return LIVE_BIT | slot.generation << self.index_bits | slot.index

    def next_handle(self, index: int) -> int:
        """The handle that the next owner of an index gets, unless it is restored under another."""
        return self.handle(Slot(index, self._next_generation.get(index, 0)))

    def is_taken(self, index: int) -> bool:
        """Whether the index has a living owner."""
        return index in self._taken

    def is_free(self, index: int) -> bool:
        """Whether the index may be issued now."""
        self._collect()
        return index not in self._taken and index not in self._draining_indices

    def lowest_free(self) -> int | None:
        """The smallest index that may be issued now; None while only drains keep room from being free."""
        self._collect()
        while self._heap:
            if self._heap[0] not in self._taken and self._heap[0] not in self._draining_indices:
                return self._heap[0]
            heapq.heappop(self._heap)
        while self._fresh in self._taken or self._fresh in self._draining_indices:
            self._fresh += 1
        return self._fresh if self._fresh < self.bundles else None

    def free_indices(self) -> set[int]:
        """Every index that may be issued now."""
        return {index for index in range(self.bundles) if self.is_free(index)}

    def occupy(self, slot: Slot) -> int:
        """Gives an index to an owner and returns the owner's handle."""
        self._taken.add(slot.index)
        self._next_generation[slot.index] = (slot.generation + 1) & self._generation_mask
        return self.handle(slot)

    def release(self, index: int) -> None:
        """The owner is gone; the index drains from now on."""
        self._taken.remove(index)
        self._draining.append((self._drain.mark(), index))
        self._draining_indices.add(index)

    def reset(self) -> None:
        """Everything is free and every generation starts at 0 again."""
        self._taken.clear()
        self._next_generation.clear()
        self._draining.clear()
        self._draining_indices.clear()
        self._fresh = 0
        self._heap.clear()

    def _collect(self) -> None:
        # Marks never fall, so the first one that is not over ends the search.
        while self._draining and self._drain.is_over(self._draining[0][0]):
            _, index = self._draining.popleft()
            self._draining_indices.remove(index)
            heapq.heappush(self._heap, index)
