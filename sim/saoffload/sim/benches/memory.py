"""A host memory on AXI4: answers with a chosen latency, makes the faults it is told to, remembers every read."""

import random
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import cocotb
from cocotb.triggers import Event, RisingEdge, Timer

from .bursts import BEAT_BYTES, Burst
from .strobes import CLOCK_PS, clock_number, number, strobes


class Response(IntEnum):
    """AXI's RRESP."""

    OKAY = 0
    EXOKAY = 1
    SLVERR = 2
    DECERR = 3


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with a read that holds the beat to which this belongs.

    ``response``: RRESP of that beat. ``last``: RLAST is ``early`` (stands on that beat, which is then the final one),
    ``missing`` (never stands) or ``late`` (stands on a further beat). ``delay``: clocks added to the latency; -1: no
    answer at all. ``alien_id``: a beat with this ID, which nobody asked for, comes before the answer; -1: with the ID
    after the read's own.
    """

    response: Response = Response.OKAY
    last: str = "right"
    delay: int = 0
    alien_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class _Beat:
    id: int
    is_last: bool
    data: int = 0
    response: Response = Response.OKAY
    #: In which it is on the bus, once that is known.
    clock: int = 0


@dataclass(frozen=True, kw_only=True)
class Stall:
    """How often the memory is not ready, per thousand clocks: to take an address, to give a beat."""

    address: int = 0
    beat: int = 0


STALLS = {
    "none": Stall(),
    "address": Stall(address=500),
    "beats": Stall(beat=500),
    "both": Stall(address=500, beat=500),
}
"""The four patterns that every bench goes through."""


class HostMemory:
    """Answers the reads of ``prefix`` on ``dut``: in order, one beat per clock, the first ``latency`` clocks after the
    clock of its address, so that with 1 it comes in the next clock. Every beat answers SLVERR that is not wholly
    inside the memory added.

    Parameters: ``dut``; ``prefix`` of the port names; ``clock``; ``latency``, at least 1; ``stall``; ``seed`` of the
    stalls. Wakes a few times per read and not at every clock, unless it stalls.
    """

    def __init__(
        self,
        dut: Any,
        *,
        prefix: str = "m_axi",
        clock: Any,
        latency: int = 1,
        stall: Stall = STALLS["none"],
        seed: int = 0,
    ) -> None:
        if latency < 1:
            raise ValueError(f"latency must be at least 1, got {latency}")
        self.latency = latency
        #: By the address of a beat, a multiple of 8.
        self.faults: dict[int, Fault] = {}
        #: Every read, in the order of the addresses.
        self.bursts: list[Burst] = []
        #: Answers that were withheld, until ``answer_withheld`` gives them.
        self.withheld: list[list[_Beat]] = []
        self._stall = stall
        self._random = random.Random(seed)
        self._clock = clock
        self._port = {
            name: getattr(dut, f"{prefix}_{name}")
            for name in (
                "arid", "araddr", "arlen", "arsize", "arburst", "arvalid", "arready",
                "rid", "rdata", "rresp", "rlast", "rvalid", "rready",
            )
        }  # fmt: skip
        self._bus_bytes = len(self._port["rdata"]) // 8
        self._starts: list[int] = []
        self._regions: list[bytes] = []
        self._beats: deque[_Beat] = deque()
        self._has_beats = Event()
        self._next_clock = 0
        self._port["rvalid"].value = 0
        self._port["rlast"].value = 0
        self._port["arready"].value = 1
        self._tasks = [cocotb.start_soon(self._take_addresses()), cocotb.start_soon(self._give_beats())]
        self._giver = self._tasks[-1]
        if stall.address:
            self._tasks.append(cocotb.start_soon(self._stall_addresses()))

    def add(self, address: int, data: bytes) -> None:
        """Puts ``data`` at bus ``address``. Raises ``ValueError`` where there is memory already."""
        at = bisect_right(self._starts, address)
        before = at > 0 and self._starts[at - 1] + len(self._regions[at - 1]) > address
        if before or (at < len(self._starts) and address + len(data) > self._starts[at]):
            raise ValueError(f"{len(data)} bytes at {address:#x} overlap memory that was added before")
        self._starts.insert(at, address)
        self._regions.insert(at, bytes(data))

    def answer_withheld(self) -> None:
        """Gives the answers of all reads that got none, from the next clock on."""
        for beats in self.withheld:
            self._schedule(beats, clock_number() + 1)
        self.withheld = []

    @property
    def is_idle(self) -> bool:
        """Every read is answered whose answer is not withheld."""
        return not self._beats and self._port["rvalid"].value != 1

    def drop(self) -> None:
        """Forgets what is still to be answered, as a reset of the whole system does."""
        self.withheld = []
        self._beats.clear()
        self._port["rvalid"].value = 0
        # It may hold a beat already.
        self._giver.cancel()
        self._tasks.remove(self._giver)
        self._giver = cocotb.start_soon(self._give_beats())
        self._tasks.append(self._giver)

    def clear(self) -> None:
        """Forgets memory, faults and reads, for a new job. Answers that are under way still come."""
        self._starts, self._regions, self.bursts = [], [], []
        self.faults.clear()

    def stop(self) -> None:
        """Leaves the bus alone."""
        for task in self._tasks:
            task.cancel()

    def _read(self, address: int) -> bytes | None:
        at = bisect_right(self._starts, address) - 1
        if at < 0:
            return None
        offset = address - self._starts[at]
        data = self._regions[at][offset : offset + BEAT_BYTES]
        return data if len(data) == BEAT_BYTES else None

    async def _take_addresses(self) -> None:
        port = self._port
        async for clock in strobes(self._clock, port["arvalid"]):
            if port["arready"].value != 1:
                continue
            burst = Burst(
                clock,
                number(port["arid"]),
                number(port["araddr"]),
                number(port["arlen"]) + 1,
                number(port["arsize"]),
                number(port["arburst"]),
            )
            self.bursts.append(burst)
            self._answer(burst)

    def _answer(self, burst: Burst) -> None:
        addresses = [burst.address + BEAT_BYTES * beat for beat in range(burst.beat_count)]
        faults = [self.faults.get(address, _NO_FAULT) for address in addresses]
        next_id = (burst.id + 1) % (1 << len(self._port["arid"]))
        aliens = [next_id if fault.alien_id < 0 else fault.alien_id for fault in faults if fault.alien_id is not None]
        beats = [_Beat(id=alien, is_last=True) for alien in aliens]
        is_last_withheld = any(fault.last in ("late", "missing") for fault in faults)
        for address, fault in zip(addresses, faults, strict=True):
            data = self._read(address)
            beat = _Beat(
                id=burst.id,
                # On a wider bus a beat of 8 bytes stands where its address says.
                data=int.from_bytes(data or b"", "little") << 8 * (address % self._bus_bytes),
                response=Response.SLVERR if data is None else fault.response,
                is_last=(address == addresses[-1] and not is_last_withheld) or fault.last == "early",
            )
            beats.append(beat)
            if fault.last == "early":
                break
        if any(fault.last == "late" for fault in faults):
            beats.append(_Beat(id=burst.id, is_last=True))
        delay = next((fault.delay for fault in faults if fault.delay), 0)
        if delay < 0:
            self.withheld.append(beats)
        else:
            self._schedule(beats, burst.clock + self.latency + delay)

    def _schedule(self, beats: Iterable[_Beat], clock: int) -> None:
        """``clock``: in which the first beat is on the bus, if the bus is free then."""
        for beat in beats:
            self._next_clock = max(self._next_clock, clock)
            self._beats.append(replace(beat, clock=self._next_clock))
            self._next_clock += 1
        self._has_beats.set()

    async def _give_beats(self) -> None:
        port, edge = self._port, RisingEdge(self._clock)
        while True:
            if not self._beats:
                self._has_beats.clear()
                await self._has_beats.wait()
            beat = self._beats.popleft()
            # A beat of clock n is driven from the edge that ends clock n - 1.
            ahead = beat.clock - 1 - clock_number()
            if ahead > 0:
                port["rvalid"].value = 0
                if ahead > 1:
                    # To the middle of a clock: at its edge it would be open which of both comes first.
                    await Timer(ahead * CLOCK_PS - CLOCK_PS // 2, "ps")
                await edge
            while self._random.randrange(1000) < self._stall.beat:
                port["rvalid"].value = 0
                await edge
            port["rvalid"].value = 1
            port["rid"].value = beat.id
            port["rdata"].value = beat.data
            port["rresp"].value = beat.response
            port["rlast"].value = int(beat.is_last)
            await edge
            while port["rready"].value != 1:
                await edge
            if not self._beats:
                port["rvalid"].value = 0

    async def _stall_addresses(self) -> None:
        while True:
            await RisingEdge(self._clock)
            self._port["arready"].value = int(self._random.randrange(1000) >= self._stall.address)


_NO_FAULT = Fault()
