"""The engine in its surroundings: clock, reset, host driver, host memory, trace."""

from collections.abc import Mapping
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from saoffload.host.bundles import Bundle, Destination, Sa
from saoffload.host.driver import Driver
from saoffload.host.register_map import Direction, Family, Protocol
from saoffload.sim.transport import CocotbTransport

from .strobes import CLOCK_PS
from .trace import Trace

CLOCK_NS = CLOCK_PS / 1000
RESET_CLOCKS = 8
PACKET_PATH_INPUTS = (
    "key_request_valid",
    "handle_request_valid",
    "key_retire_valid",
    "handle_retire_valid",
)


class DrivenEngine:
    """The ``dut`` under a clock of 10 ns, with a ``driver`` on its registers. The packet path is silent. Nothing here
    wakes while the driver waits.
    """

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        cocotb.start_soon(Clock(dut.aclk, CLOCK_PS, "ps").start())
        dut.aresetn.value = 0
        for name in PACKET_PATH_INPUTS:
            getattr(dut, name).value = 0
        bus = AxiLiteBus.from_prefix(dut, "s_axil")
        master = AxiLiteMaster(bus, dut.aclk, dut.aresetn, reset_active_level=False)
        transport = CocotbTransport(master, clock_period_ns=CLOCK_NS, irq=dut.irq)
        self.driver = Driver(transport, clock_hz=1e9 / CLOCK_NS)

    async def reset(self) -> None:
        """Resets the engine and waits until it is ready, in restore mode."""
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, RESET_CLOCKS)
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.aclk, RESET_CLOCKS)
        await self.driver.start()

    @staticmethod
    def milliseconds(clocks: float) -> float:
        """How long so many clocks last."""
        return clocks * CLOCK_PS * 1e-9


class EngineBench(DrivenEngine):
    """A driven engine with a ``trace`` of its walks. Without a memory: a bench brings the one it needs."""

    def __init__(self, dut: Any) -> None:
        super().__init__(dut)
        self.trace = Trace(dut, dut.aclk)


def bundle_from_json(entry: Mapping[str, Any]) -> Bundle:
    """A bundle as jobs describe it: handle, direction, context, and of each SA the numbers that make its key."""
    sas = (
        Sa(
            spi=sa["spi"],
            destination=Destination(sa["destination"], Family(sa["family"])),
            protocol=Protocol(sa["protocol"]),
        )
        for sa in entry["sas"]
    )
    return Bundle(
        sas=tuple(sas),
        handle=entry["handle"],
        direction=Direction.OUTBOUND if entry["direction"] == "out" else Direction.INBOUND,
        context=entry.get("context", 0),
    )
