"""The host driver's way into a simulation, under cocotb's scheduler: AXI4-Lite through cocotbext-axi, or what a bench
brings itself.
"""

import logging
from contextlib import AbstractAsyncContextManager
from typing import Any

from cocotb.handle import LogicObject
from cocotb.simtime import get_sim_time
from cocotb.triggers import First, Lock, RisingEdge, SimTimeoutError, Timer, with_timeout
from cocotbext.axi import AxiLiteMaster

from saoffload.host.transport import WORD_BYTES, AxiResponse, Transport, TransportError, check_access

POLL_CLOCKS = 16
ACCESS_CLOCKS = 10_000
"""Clocks after which an access without an answer is an error: far beyond what the engine promises."""


class SimulatedTransport(Transport):
    """Everything of a transport in a simulation but the accesses. ``irq`` is the engine's interrupt line, None when the
    bench has none; ``clock_period_ns`` is the period of the engine's clock. Time is simulated time.
    """

    def __init__(self, *, clock_period_ns: float, irq: LogicObject | None = None) -> None:
        if clock_period_ns <= 0:
            raise ValueError(f"clock_period_ns must be above 0, got {clock_period_ns}")
        self._irq = irq
        self.poll_interval = POLL_CLOCKS * clock_period_ns * 1e-9
        self.has_interrupt = irq is not None

    def now(self) -> float:
        """Simulated seconds."""
        return get_sim_time("ns") * 1e-9

    async def pause(self, seconds: float) -> None:
        """Let simulated time pass, at least one step of it."""
        await self._timer(seconds)

    async def wait_for_interrupt(self, seconds: float) -> None:
        """Return once the interrupt line is high, after ``seconds`` at the latest."""
        if self._irq is None:
            await self.pause(min(seconds, self.poll_interval))
        elif self._irq.value != 1 and seconds > 0:
            await First(RisingEdge(self._irq), self._timer(seconds))

    def make_lock(self) -> AbstractAsyncContextManager[Any]:
        """A lock of cocotb's scheduler."""
        return Lock()

    @staticmethod
    def _timer(seconds: float) -> Timer:
        # A timer of nothing is an error to the simulator; a femtosecond rounds up to one step of any precision.
        return Timer(max(round(seconds * 1e15), 1), "fs", round_mode="ceil")


class CocotbTransport(SimulatedTransport):
    """Registers through ``master``, one access after the other or several coroutines at once. ``irq`` and
    ``clock_period_ns``: see ``SimulatedTransport``.

    Raises ``TransportError`` for every response but OKAY, and, without a response, when none came within
    ``ACCESS_CLOCKS`` or the bus was reset meanwhile.
    """

    def __init__(self, master: AxiLiteMaster, *, clock_period_ns: float, irq: LogicObject | None = None) -> None:
        super().__init__(clock_period_ns=clock_period_ns, irq=irq)
        self._master = master
        self._access_ns = ACCESS_CLOCKS * clock_period_ns
        # One line of log per access would take longer than the access.
        for port in (master.read_if, master.write_if):
            if port is not None:
                port.log.setLevel(logging.WARNING)

    async def read32(self, address: int) -> int:
        """The register at byte ``address``."""
        check_access(address)
        answer = await self._within_bounds("read", address, self._master.read(address, WORD_BYTES))
        return int.from_bytes(answer.data, "little")

    async def write32(self, address: int, data: int) -> None:
        """Write the register at byte ``address``, all four bytes."""
        check_access(address, data)
        await self._within_bounds("write", address, self._master.write(address, data.to_bytes(WORD_BYTES, "little")))

    async def _within_bounds(self, operation: str, address: int, access: Any) -> Any:
        try:
            answer = await with_timeout(access, self._access_ns, "ns")
        except SimTimeoutError:
            raise TransportError(operation, address, None, f"{ACCESS_CLOCKS} clocks") from None
        if answer is None:
            raise TransportError(operation, address, None, "the bus was reset")
        if answer.resp != AxiResponse.OKAY:
            raise TransportError(operation, address, AxiResponse(answer.resp))
        return answer
