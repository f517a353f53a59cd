"""How the driver reaches an engine's registers, whatever lies between them.

The driver is written once, with ``async`` methods over the abstract ``Transport``. In a simulation its coroutines run
under the simulator's scheduler; under asyncio they run in its loop; over a link whose calls simply block (a serial
port, a socket, mapped memory) nothing ever suspends, and ``run`` drives a coroutine to its end like a plain call:

    handle = run(driver.add_bundle(bundle)).expect_handle()
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from enum import IntEnum
from types import TracebackType
from typing import Any, TypeVar

from .errors import HostError

WORD_BYTES = 4
WORD_LIMIT = 1 << 32

ResultT = TypeVar("ResultT")


class AxiResponse(IntEnum):
    """How an AXI transfer ended."""

    OKAY = 0
    EXOKAY = 1
    SLVERR = 2
    DECERR = 3


class TransportError(HostError):
    """A register access did not succeed. ``response`` is the AXI response, None when no answer came at all.

    After a failed read nothing has changed. After a write without an answer (``response`` is None) it is unknown
    whether the write took effect.
    """

    def __init__(self, operation: str, address: int, response: AxiResponse | None, reason: str = "") -> None:
        answer = response.name if response is not None else "no answer"
        super().__init__(f"{operation} of register address {address:#05x}: {answer}{reason and f' ({reason})'}")
        self.operation = operation
        self.address = address
        self.response = response


class UncontendedLock(AbstractAsyncContextManager[None]):
    """The lock of transports that never suspend: nobody can be found waiting. Raises ``RuntimeError`` when entered
    twice, which means that a transport suspends and should have offered a real lock.
    """

    def __init__(self) -> None:
        self._is_held = False

    async def __aenter__(self) -> None:
        if self._is_held:
            raise RuntimeError("two coroutines use the driver at once over a transport without locks")
        self._is_held = True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_held = False


class Transport(ABC):
    """Reads and writes 32-bit registers by byte address, and knows the time and the interrupt line of its engine.

    A subclass implements ``read32`` and ``write32``; both raise ``TransportError`` unless the engine answered OKAY.
    The other members have defaults for a blocking link without an interrupt line; a transport under a scheduler
    overrides ``now``, ``pause`` and ``make_lock``, one with an interrupt line ``has_interrupt`` and
    ``wait_for_interrupt``.
    """

    #: Seconds between two looks at a register that is polled.
    poll_interval: float = 0.001
    #: Whether ``wait_for_interrupt`` really watches an interrupt line.
    has_interrupt: bool = False

    @abstractmethod
    async def read32(self, address: int) -> int:
        """The register at byte ``address``, a multiple of 4."""

    @abstractmethod
    async def write32(self, address: int, data: int) -> None:
        """Write all four bytes of the register at byte ``address``."""

    def now(self) -> float:
        """Seconds on a clock that only goes forward; in a simulation, simulated time."""
        return time.monotonic()

    async def pause(self, seconds: float) -> None:
        """Let ``seconds`` of that clock pass."""
        block(seconds)

    async def wait_for_interrupt(self, seconds: float) -> None:
        """Return as soon as the interrupt line is high (at once when it is high already) and after ``seconds`` at the
        latest. It may return early for no reason: the caller looks at the registers.
        """
        await self.pause(min(seconds, self.poll_interval))

    def make_lock(self) -> AbstractAsyncContextManager[Any]:
        """A mutual exclusion lock of the scheduler that runs this transport."""
        return UncontendedLock()


def block(seconds: float) -> None:
    """Sleep in this thread: all that a link without a scheduler can do while it waits."""
    time.sleep(seconds)


def check_access(address: int, data: int = 0) -> None:
    """Raises ``ValueError`` for what no register access can be: a misaligned address, or data beyond 32 bits."""
    if address < 0 or address % WORD_BYTES:
        raise ValueError(f"a register address must be a multiple of {WORD_BYTES}, got {address:#x}")
    if not 0 <= data < WORD_LIMIT:
        raise ValueError(f"a register holds 32 bits, got {data:#x}")


def run(coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run ``coroutine`` to its end in this thread and return its result: the way to call the driver over a transport
    whose operations block. Raises ``RuntimeError`` if the coroutine suspends, since nobody could ever resume it.
    """
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    coroutine.close()
    raise RuntimeError("the coroutine suspended: this transport needs its own scheduler, not run()")
