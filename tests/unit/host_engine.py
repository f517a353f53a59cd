"""A small engine behind a register file, in plain Python: what the host driver's tests drive.

It keeps the register protocol (staging, doorbell, completion queue, adds, windows, interrupts, latched counters) and
knows nothing of lists or tables: a test says how long commands and adds take and what comes of them. Time is counted in
clocks; every access takes some, and what is due happens at its clock, between any two accesses.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from saoffload.host.driver import Driver
from saoffload.host.register_map import Memory, Register
from saoffload.host.transport import AxiResponse, Transport, TransportError, run

CLOCK_HZ = 100e6
ACCESS_CLOCKS = 6
MS = 1000 / CLOCK_HZ
"""Milliseconds of one clock."""
OK, TIMEOUT = 0, 6
FLUSH = 2
COMPLETION, ADD_DONE, READY, TABLE_LOST, REFUSED = (1 << bit for bit in range(5))
HEAD_WORDS = {
    "tag": Register.COMPLETION_TAG,
    "visited": Register.COMPLETION_VISITED,
    "deleted": Register.COMPLETION_DELETED,
    "not_found": Register.COMPLETION_NOT_FOUND,
}
MASK = 0xFFFF_FFFF


@dataclass(frozen=True)
class Outcome:
    """What comes of a command: its completion but for the tag."""

    status: int = OK
    visited: int = 1
    deleted: int = 1
    not_found: int = 0
    fault: int = 0


@dataclass(frozen=True)
class Submitted:
    opcode: int
    abi: int
    tag: int
    head: int
    budget: int


@dataclass
class FakeEngine:
    """The engine. Its dials are the first fields; what it saw are the last."""

    words: dict[int, int] = field(default_factory=dict)
    scrub_clocks: int = 40
    command_clocks: Callable[[], int] = lambda: 20
    outcome: Callable[[Submitted], Outcome] = lambda _command: Outcome()
    add_clocks: int = 0
    add_result: Callable[[dict[int, int]], tuple[int, int]] = lambda _staged: (0, 0x8000_0000)
    window_clocks: int = 3
    refuses_window: bool = False
    refuses_doorbell: int | None = None
    is_restore_stuck: bool = False
    has_seed: bool = False
    lost_reads: int = 0

    clock: int = 0
    submitted: list[Submitted] = field(default_factory=list)
    windows: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    added: list[dict[int, int]] = field(default_factory=list)
    #: Tags; None: all.
    aborted: list[int | None] = field(default_factory=list)
    writes: list[tuple[int, int]] = field(default_factory=list)
    popped: int = 0

    def __post_init__(self) -> None:
        self.words = {
            Register.ID: 0x53414F46,
            Register.VERSION: 1 << 16 | 3,
            Register.CAPACITY_BUNDLES: 64,
            Register.CAPACITY_KEYS: 96,
            Register.TABLE_FEATURES: 6 | 1 << 8 | self.has_seed << 9 | 2 << 12,
            Register.CONTEXT_WIDTH: 40,
            Register.UNRETIRED_LIMIT: 4096,
            Register.BUS_FEATURES: 64 | 48 << 16 | 2 << 24,
            Register.QUEUE_DEPTHS: 16 | 8 << 16,
            Register.WINDOW_COUNT: 4,
            Register.COUNTER_WIDTH: 64,
            **self.words,
        }
        self.counters: dict[int, int] = {}
        self.counts_while_read: Callable[[], None] = lambda: None
        self.reset()

    def reset(self) -> None:
        self.events: list[tuple[int, int, Callable[[], None]]] = []
        self.serial = 0
        self.staging: dict[int, int] = {}
        self.command_words: dict[int, int] = {}
        self.queue: deque[tuple[int, Outcome]] = deque()
        self.active = 0
        self.pending = TABLE_LOST
        self.enabled = 0
        self.is_ready = False
        self.is_restoring = True
        self.end_restore_is_busy = False
        self.seed_is_open = self.has_seed
        self.add_word = 0
        self.add_handle = 0
        self.window_word = 0
        self.doorbell_result = 0
        self.latch = 0
        self.at(self.scrub_clocks, self._become_ready)

    def at(self, clocks: int, action: Callable[[], None]) -> None:
        """Do ``action`` in so many clocks."""
        self.serial += 1
        heapq.heappush(self.events, (self.clock + clocks, self.serial, action))

    def advance(self, clocks: int) -> None:
        end = self.clock + clocks
        while self.events and self.events[0][0] <= end:
            self.clock, _, action = heapq.heappop(self.events)
            action()
        self.clock = end

    @property
    def irq(self) -> bool:
        return bool(self.pending & self.enabled)

    def complete(self, tag: int, outcome: Outcome) -> None:
        """Put a completion into the queue."""
        self.queue.append((tag, outcome))
        self.pending |= COMPLETION

    # Reads.

    def read(self, address: int) -> int:
        if address in self.words:
            return self.words[address]
        match address:
            case Register.STATUS:
                return self._status()
            case Register.INTERRUPT_STATUS:
                return self.pending
            case Register.WINDOW_STATUS:
                return self.window_word
            case Register.DOORBELL_RESULT:
                return self.doorbell_result
            case Register.ADD_STATUS:
                return self.add_word
            case Register.ADD_ANSWER_HANDLE:
                return self.add_handle
            case Register.LOST_IDS:
                return self.lost_reads
        if Register.COMPLETION_STATUS <= address <= Register.COMPLETION_FAULT_HIGH:
            return self._head(address)
        if Register.KEY_LOOKUPS_LOW <= address <= Register.BAD_RETIRES_HIGH:
            return self._counter(address)
        raise TransportError("read", address, AxiResponse.SLVERR)

    def _status(self) -> int:
        bits = (
            self.is_ready,
            not self.active and not self.lost_reads,
            self.is_restoring,
            self.pending & TABLE_LOST,
            False,
            self.queue,
            False,
            self.add_word & 1,
            self.add_word & 2,
            self.window_word & 1,
            self.end_restore_is_busy,
            self.active,
            self.seed_is_open,
        )
        return sum(bool(bit) << place for place, bit in enumerate(bits))

    def _head(self, address: int) -> int:
        if not self.queue:
            return 0
        tag, outcome = self.queue[0]
        words = {HEAD_WORDS[name]: getattr(outcome, name) for name in ("visited", "deleted", "not_found")}
        words |= {
            Register.COMPLETION_TAG: tag,
            Register.COMPLETION_STATUS: 1 << 8 | outcome.status,
            Register.COMPLETION_FAULT_LOW: outcome.fault & MASK,
            Register.COMPLETION_FAULT_HIGH: outcome.fault >> 32,
        }
        return words[Register(address)]

    def _counter(self, address: int) -> int:
        if address % 8:
            return self.latch
        value = self.counters.get(address, 0)
        self.latch = value >> 32
        self.counts_while_read()
        return value & MASK

    # Writes.

    def write(self, address: int, data: int) -> None:
        self.writes.append((address, data))
        match address:
            case Register.INTERRUPT_STATUS:
                self.pending &= ~data
            case Register.INTERRUPT_ENABLE:
                self.enabled = data
            case Register.COMPLETION_POP:
                if self.queue:
                    self.queue.popleft()
                    self.popped += 1
            case Register.ABORT:
                self.aborted.append(data)
            case Register.ABORT_ALL:
                self.aborted.append(None)
            case Register.RESET:
                if data & 1:
                    self.reset()
            case Register.DOORBELL:
                self._ring(data)
            case Register.WINDOW_COMMIT:
                self._commit(data)
            case Register.ADD_GO:
                self._add()
            case Register.END_RESTORE:
                self.end_restore_is_busy = self.is_restore_stuck
                self.is_restoring = self.is_restore_stuck
            case Register.TIMEOUT:
                self.words[address] = data
            case Register.SEED_LOW | Register.SEED_HIGH:
                pass
            case _ if Register.COMMAND_TAG <= address <= Register.COMMAND_BUDGET:
                self.command_words[address] = data
            case _ if Register.ADD_HANDLE_LOW <= address < Register.ADD_SA_1_FLAGS + 4:
                self.staging[address] = data
            case _ if Memory.ADD_CONTEXT <= address < Memory.ADD_CONTEXT + 512:
                self.staging[address] = data
            case _ if Register.WINDOW_BASE_LOW <= address <= Register.WINDOW_BUS_HIGH:
                self.words[address] = data
            case _:
                raise TransportError("write", address, AxiResponse.SLVERR)

    def _ring(self, data: int) -> None:
        opcode, abi = data & 0xF, data >> 8
        needed = (
            (Register.COMMAND_TAG, Register.COMMAND_HEAD_LOW, Register.COMMAND_HEAD_HIGH, Register.COMMAND_BUDGET),
            (Register.COMMAND_TAG, Register.COMMAND_HEAD_LOW, Register.COMMAND_HEAD_HIGH),
            (Register.COMMAND_TAG,),
        )
        self.doorbell_result = 1
        if self.refuses_doorbell is not None:
            self.doorbell_result = self.refuses_doorbell
        elif not self.is_ready:
            self.doorbell_result = 2
        elif not all(word in self.command_words for word in needed[opcode]):
            self.doorbell_result = 4
        if self.doorbell_result != 1:
            self.pending |= REFUSED
            return
        word = self.command_words.get
        head = word(Register.COMMAND_HEAD_HIGH, 0) << 32 | word(Register.COMMAND_HEAD_LOW, 0)
        tag, budget = self.command_words[Register.COMMAND_TAG], word(Register.COMMAND_BUDGET, 0)
        command = Submitted(opcode, abi, tag, head, budget)
        self.command_words.clear()
        self.submitted.append(command)
        self.active += 1
        self.at(self.command_clocks(), lambda: self._finish(command))

    def _finish(self, command: Submitted) -> None:
        self.active -= 1
        if command.opcode == FLUSH:
            self.is_restoring, self.seed_is_open = True, self.has_seed
        self.complete(command.tag, self.outcome(command))

    def _commit(self, index: int) -> None:
        names = ("BASE", "SIZE", "BUS")
        values = tuple(
            self.words[Register[f"WINDOW_{name}_HIGH"]] << 32 | self.words[Register[f"WINDOW_{name}_LOW"]]
            for name in names
        )
        refused = self.refuses_window or index >= self.words[Register.WINDOW_COUNT] or self.active > 0
        self.window_word = 1

        def end() -> None:
            self.window_word = refused << 1
            if not refused:
                self.windows[index] = values

        self.at(self.window_clocks, end)

    def _add(self) -> None:
        if self.add_word & 1:
            self.add_word |= 8
            return
        self.add_word = 0b1_0000_0001
        self.at(self.add_clocks, self._answer_add)

    def _answer_add(self) -> None:
        result, handle = self.add_result(self.staging)
        self.added.append(self.staging)
        self.seed_is_open = False
        self.staging = {}
        self.add_handle = handle
        self.add_word = result << 4 | 1 << 2
        self.pending |= ADD_DONE

    def _become_ready(self) -> None:
        self.is_ready = True
        self.pending |= READY


class FakeTransport(Transport):
    """Blocking accesses to a ``FakeEngine``. ``before`` is called before each access with its number, its kind and its
    address; it may do anything to the engine, or raise."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.access_count = 0
        self.before: Callable[[int, str, int], None] = lambda _number, _kind, _address: None
        #: Raises after the access took effect: an answer that got lost.
        self.after: Callable[[int, str, int], None] = lambda _number, _kind, _address: None
        self.poll_interval = 16 / CLOCK_HZ

    async def read32(self, address: int) -> int:
        await self._begin("read", address)
        value = self.engine.read(address)
        self.after(self.access_count, "read", address)
        return value

    async def write32(self, address: int, data: int) -> None:
        await self._begin("write", address)
        self.engine.write(address, data)
        self.after(self.access_count, "write", address)

    def now(self) -> float:
        return self.engine.clock / CLOCK_HZ

    async def pause(self, seconds: float) -> None:
        self.engine.advance(max(1, round(seconds * CLOCK_HZ)))

    async def _begin(self, kind: str, address: int) -> None:
        self.engine.advance(ACCESS_CLOCKS)
        self.access_count += 1
        self.before(self.access_count, kind, address)


class InterruptTransport(FakeTransport):
    """A ``FakeTransport`` with an interrupt line."""

    def __init__(self, engine: FakeEngine) -> None:
        super().__init__(engine)
        self.has_interrupt = True

    async def wait_for_interrupt(self, seconds: float) -> None:
        end = self.engine.clock + round(seconds * CLOCK_HZ)
        while not self.engine.irq and self.engine.clock < end:
            self.engine.advance(1)


class AsyncTransport(InterruptTransport):
    """An ``InterruptTransport`` under asyncio that lets other coroutines run at every access, in random order."""

    def __init__(self, engine: FakeEngine, seed: int) -> None:
        super().__init__(engine)
        self.random = Random(seed)

    async def pause(self, seconds: float) -> None:
        await self._yield()
        await super().pause(seconds)

    async def wait_for_interrupt(self, seconds: float) -> None:
        end = self.engine.clock + round(seconds * CLOCK_HZ)
        while not self.engine.irq and self.engine.clock < end:
            self.engine.advance(1)
            await asyncio.sleep(0)

    def make_lock(self) -> AbstractAsyncContextManager[Any]:
        return asyncio.Lock()

    async def _begin(self, kind: str, address: int) -> None:
        await self._yield()
        await super()._begin(kind, address)

    async def _yield(self) -> None:
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)


def started(**dials: Any) -> tuple[FakeEngine, Driver]:
    """An engine and its driver after ``start``, the writes of that forgotten."""
    engine = FakeEngine(**dials)
    driver = Driver(FakeTransport(engine), clock_hz=CLOCK_HZ)
    run(driver.start())
    engine.writes.clear()
    return engine, driver
