"""The driver's way to registers through ``bench_hdl.lite_master``: Python wakes once per access."""

from typing import Any

from cocotb.triggers import ValueChange

from saoffload.host.register_map import Register
from saoffload.host.transport import AxiResponse, TransportError, check_access
from saoffload.sim.bench_hdl.lite_master import NO_ANSWER, OUTCOME
from saoffload.sim.transport import SimulatedTransport

from .strobes import CLOCK_PS, clock_number, number

WATCHED = (Register.DOORBELL, Register.ADD_GO, Register.END_RESTORE, Register.ABORT)


class PortTransport(SimulatedTransport):
    """Registers through the ports ``access`` and ``outcome`` of ``dut``, one access at a time.

    Members: ``spans``: for each of ``WATCHED`` the clocks in which its latest write began and ended.
    """

    def __init__(self, dut: Any, *, address_width: int) -> None:
        super().__init__(clock_period_ns=CLOCK_PS / 1000, irq=dut.irq)
        self._access, self._outcome = dut.access, dut.outcome
        self._address_width = address_width
        self._turn = 0
        self._port_lock = self.make_lock()
        self.spans: dict[int, tuple[int, int]] = {}
        self._access.value = 0

    async def read32(self, address: int) -> int:
        """The register at byte ``address``."""
        check_access(address)
        return await self._do("read", address)

    async def write32(self, address: int, data: int) -> None:
        """Write the register at byte ``address``, all four bytes."""
        check_access(address, data)
        begin = clock_number()
        await self._do("write", address, data, does_write=1)
        if address in WATCHED:
            self.spans[address] = (begin, clock_number())

    async def _do(self, operation: str, address: int, data: int = 0, *, does_write: int = 0) -> int:
        async with self._port_lock:
            self._turn ^= 1
            width = self._address_width
            self._access.value = data | address << 32 | does_write << 32 + width | self._turn << 33 + width
            await ValueChange(self._outcome)
            outcome = OUTCOME.from_bits(number(self._outcome))
        if outcome.response == NO_ANSWER:
            raise TransportError(operation, address, None)
        if outcome.response != AxiResponse.OKAY:
            raise TransportError(operation, address, AxiResponse(outcome.response))
        return outcome.data
