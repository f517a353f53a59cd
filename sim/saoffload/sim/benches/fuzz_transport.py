"""The driver's way to registers through ``bench_hdl.lite_master``: Python wakes once per access."""

from typing import Any

from cocotb.triggers import ValueChange

from saoffload.host.register_map import Register
from saoffload.host.transport import AxiResponse, TransportError, UncontendedLock, check_access
from saoffload.sim.bench_hdl.lite_master import NO_ANSWER, OUTCOME, access_layout
from saoffload.sim.transport import SimulatedTransport

from .strobes import CLOCK_PS, clock_number

_ADDRESS = access_layout(1)["address"].offset
_RESPONSE = OUTCOME["response"].offset

WATCHED = (Register.DOORBELL, Register.ADD_GO, Register.END_RESTORE, Register.ABORT)


class PortTransport(SimulatedTransport):
    """Registers through the ports ``access`` and ``outcome`` of ``dut``, for one coroutine at a time.

    Members: ``spans``: for each of ``WATCHED`` the clocks in which its latest write began and ended.
    """

    def __init__(self, dut: Any, *, address_width: int) -> None:
        super().__init__(clock_period_ns=CLOCK_PS / 1000, irq=dut.irq)
        self._access, self._outcome = dut.access, dut.outcome
        self._has_ended = ValueChange(dut.outcome)
        self._write_bit, self._turn_bit = 1 << _ADDRESS + address_width, 1 << _ADDRESS + address_width + 1
        self._turn = 0
        self.spans: dict[int, tuple[int, int]] = {}
        self._access.value = 0

    async def read32(self, address: int) -> int:
        """The register at byte ``address``."""
        check_access(address)
        return await self._do("read", address, address << _ADDRESS)

    async def write32(self, address: int, data: int) -> None:
        """Write the register at byte ``address``, all four bytes."""
        check_access(address, data)
        begin = clock_number()
        await self._do("write", address, data | address << _ADDRESS | self._write_bit)
        if address in WATCHED:
            self.spans[address] = (begin, clock_number())

    def make_lock(self) -> UncontendedLock:
        """The host of a scenario is one coroutine: a lock of the scheduler would only cost its wake-ups."""
        return UncontendedLock()

    async def _do(self, operation: str, address: int, access: int) -> int:
        self._turn ^= self._turn_bit
        self._access.value = access | self._turn
        await self._has_ended
        outcome = self._outcome.value.to_unsigned()
        response = outcome >> _RESPONSE & 7
        if response:
            raise TransportError(operation, address, None if response == NO_ANSWER else AxiResponse(response))
        return outcome & 0xFFFF_FFFF
