"""Host memory as a bus sees it: bytes at bus addresses, holes between them, and faults that a test puts there."""

from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

from .events import Status

Fault = Callable[[int, int], Status | None]
"""Called with bus address and length before each read; may answer BUS_ERROR or TIMEOUT for that read."""

_FAULTS = (Status.BUS_ERROR, Status.TIMEOUT)


class Fetch(NamedTuple):
    """What one read brought: ``data``, or the ``status`` that it ends the walk with.

    ``is_unanswered``: beats of this read never came, so its bus ID is lost.
    """

    data: bytes
    status: Status | None = None
    is_unanswered: bool = False


class Region(NamedTuple):
    """A run of bytes without holes, cut to whole beats: ``start`` and ``end`` are multiples of the beat size."""

    start: int
    end: int
    data: memoryview


class Memory:
    """Answers reads of bus addresses from the bytes that were put there. Memory answers in beats: a beat that is not
    wholly inside what was added is answered with an error, like one that a test has marked.

    Parameters: ``beat_bytes``, the width of the bus (a power of two); ``fault``, asked before every read, for
    faults that depend on more than the address. Bytes may be changed while a walk is under way.
    """

    def __init__(self, *, beat_bytes: int = 8, fault: Fault | None = None) -> None:
        if beat_bytes < 1 or beat_bytes & (beat_bytes - 1):
            raise ValueError(f"beat_bytes must be a power of two, got {beat_bytes}")
        self.beat_bytes = beat_bytes
        self.fault = fault
        self._starts: list[int] = []
        self._blocks: list[bytearray] = []
        self._marks: dict[int, Status] = {}

    @property
    def regions(self) -> list[tuple[int, bytes]]:
        """Everything that was added: start address and bytes, ascending, neighbours joined."""
        return [(start, bytes(block)) for start, block in zip(self._starts, self._blocks, strict=True)]

    @property
    def has_faults(self) -> bool:
        """Whether reads may fail for another reason than a hole."""
        return self.fault is not None or bool(self._marks)

    def add(self, address: int, data: bytes | bytearray) -> None:
        """Puts ``data`` at ``address``. Bytes that are there already may be given again, if they are the same.

        Raises ``ValueError`` when other bytes stand there or the range leaves the 64-bit address space.
        """
        end = address + len(data)
        if address < 0 or end > 1 << 64:
            raise ValueError(f"memory ends at 2**64: cannot add {len(data)} bytes at {address:#x}")
        if not data:
            return
        first = bisect_right(self._starts, address)
        if first and self._end(first - 1) >= address:
            first -= 1
        last = bisect_right(self._starts, end)
        touched = range(first, last)
        start = min([address, *(self._starts[number] for number in touched)])
        joined = bytearray(max([end, *(self._end(number) for number in touched)]) - start)
        joined[address - start : end - start] = data
        for number in touched:
            other, block = self._starts[number], self._blocks[number]
            low, high = max(address, other), min(end, other + len(block))
            if low < high and data[low - address : high - address] != block[low - other : high - other]:
                raise ValueError(f"other bytes stand between {low:#x} and {high:#x} already")
            joined[other - start : other - start + len(block)] = block
        self._starts[first:last] = [start]
        self._blocks[first:last] = [joined]

    def write(self, address: int, data: bytes | bytearray) -> None:
        """Changes bytes that were added before. Raises ``ValueError`` when any of them was not."""
        number = bisect_right(self._starts, address) - 1
        if number < 0 or address + len(data) > self._end(number):
            raise ValueError(f"no memory holds all {len(data)} bytes at {address:#x}")
        offset = address - self._starts[number]
        self._blocks[number][offset : offset + len(data)] = data

    def read(self, address: int, length: int) -> bytes | None:
        """The bytes as they stand there, without faults and beats; None when one is missing."""
        number = bisect_right(self._starts, address) - 1
        if number < 0 or address + length > self._end(number):
            return None
        offset = address - self._starts[number]
        return bytes(self._blocks[number][offset : offset + length])

    def fail(self, address: int, status: Status = Status.BUS_ERROR) -> None:
        """From now on the beat that holds ``address`` is answered with an error, or never (TIMEOUT)."""
        if status not in _FAULTS:
            raise ValueError(f"a beat can end in BUS_ERROR or TIMEOUT, not in {status.name}")
        self._marks[address & -self.beat_bytes] = status

    def heal(self, address: int) -> None:
        """Takes the mark of ``fail`` away."""
        self._marks.pop(address & -self.beat_bytes, None)

    def fetch(self, address: int, length: int) -> Fetch:
        """Reads as the bus does, beat by beat. The first fault met decides the status; a beat that never comes
        takes those after it along.
        """
        asked = self.fault(address, length) if self.fault is not None else None
        if asked is not None:
            if asked not in _FAULTS:
                raise ValueError(f"a read can end in BUS_ERROR or TIMEOUT, not in {asked.name}")
            return Fetch(b"", asked, asked is Status.TIMEOUT)
        status = None
        for beat in range(address & -self.beat_bytes, address + length, self.beat_bytes):
            mark = self._marks.get(beat)
            if mark is Status.TIMEOUT:
                return Fetch(b"", status or mark, is_unanswered=True)
            if mark is not None or self.read(beat, self.beat_bytes) is None:
                status = Status.BUS_ERROR
        data = self.read(address, length)
        if status is not None or data is None:
            return Fetch(b"", Status.BUS_ERROR)
        return Fetch(data)

    def region(self, address: int) -> Region | None:
        """The whole beats around ``address``, for reading many nodes without a call each; None in a hole."""
        number = bisect_right(self._starts, address) - 1
        if number < 0:
            return None
        start, end = self._starts[number], self._end(number)
        whole_start = -(-start // self.beat_bytes) * self.beat_bytes
        whole_end = end & -self.beat_bytes
        if not whole_start <= address < whole_end:
            return None
        return Region(whole_start, whole_end, memoryview(self._blocks[number])[whole_start - start : whole_end - start])

    def _end(self, number: int) -> int:
        return self._starts[number] + len(self._blocks[number])
