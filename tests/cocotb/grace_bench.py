"""A lookup whose answer is still in use holds every completion back. A cocotb module; `test_grace` has the cases."""

from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from saoffload.host.bundles import Bundle, Destination, Sa
from saoffload.host.lists import ListBuilder
from saoffload.host.register_map import Direction, Protocol
from saoffload.sim.benches.engine_bench import EngineBench
from saoffload.sim.benches.memory import HostMemory
from saoffload.sim.benches.strobes import number
from saoffload.sim.jobs import answer_job

BASE = 0x10_0000
IMAGE_BYTES = 4096
ADDRESS = Destination.parse("192.0.2.1")
RECEIVE, TRANSMIT = 0x8000_0000, 0x8000_0001
FIRST_SPI = 0x1000
HELD_CLOCKS = 400
ANSWER_CLOCKS = 40
FREED_CLOCKS = 100


@cocotb.test()
async def grace(dut: Any) -> None:
    """Answers the job of this process."""
    await answer_job(lambda job: run_job(dut, job))


async def run_job(dut: Any, job: dict[str, Any]) -> list[dict[str, Any]]:
    """``cases``: each a ``command`` and the ``kind`` of lookup that is not retired. See ``GraceBench.run_case``."""
    bench = GraceBench(dut)
    return [await bench.run_case(case["command"], case["kind"]) for case in job["cases"]]


class GraceBench(EngineBench):
    """The engine with a packet path that can be told when to be done with an answer."""

    def __init__(self, dut: Any) -> None:
        super().__init__(dut)
        self.memory = HostMemory(dut, clock=dut.aclk, latency=5)

    async def run_case(self, command: str, kind: str) -> dict[str, Any]:
        """A lookup is answered; then the command runs; later another lookup is answered; then the first is retired.
        Says whether both hit, and whether the completion was there before the retire, and after it.
        """
        builder = ListBuilder(base=BASE, size=IMAGE_BYTES, seed=1)
        placed = builder.scattered([RECEIVE, TRANSMIT])
        self.memory.clear()
        self.memory.add(BASE, builder.image())
        await self.reset()
        driver = self.driver
        await driver.windows.set(0, builder.window)
        for index, direction in enumerate((Direction.INBOUND, Direction.OUTBOUND)):
            sa = Sa(spi=FIRST_SPI + index, destination=ADDRESS, protocol=Protocol.ESP)
            (await driver.table.add(Bundle(sas=(sa,), handle=RECEIVE + index, direction=direction))).expect_handle()
        first = await self.look_up(kind)
        match command:
            case "walk":
                await driver.commands.submit_walk(placed.head)
            case "empty walk":
                await driver.commands.submit_walk(0)
            case "refused walk":
                await driver.commands.submit_walk(BASE - 8)
            case "delete":
                await driver.commands.submit_delete(RECEIVE if kind == "key" else TRANSMIT)
            case "delete of nothing":
                await driver.commands.submit_delete(0)
            case "flush":
                await driver.commands.submit_flush()
        await ClockCycles(self.dut.aclk, HELD_CLOCKS)
        early = await driver.completions.collect(count=1)
        second = await self.look_up(kind)
        await self.retire(kind, first["epoch"])
        await ClockCycles(self.dut.aclk, FREED_CLOCKS)
        late = await driver.completions.collect(count=1)
        await self.retire(kind, second["epoch"])
        return {
            "hits": [first["hit"], second["hit"]],
            "early": len(early),
            "late": [completion.status.name for completion in late],
        }

    async def look_up(self, kind: str) -> dict[str, int]:
        """One lookup of the bundle of this kind; its answer, not retired."""
        dut, edge = self.dut, RisingEdge(self.dut.aclk)
        if kind == "key":
            dut.key_request_spi.value = FIRST_SPI
            dut.key_request_destination.value = ADDRESS.value
            dut.key_request_family.value = 0
            dut.key_request_protocol.value = 0
        else:
            dut.handle_request_handle.value = TRANSMIT
        valid = getattr(dut, f"{kind}_request_valid")
        await edge
        valid.value = 1
        await edge
        valid.value = 0
        for _ in range(ANSWER_CLOCKS):
            if getattr(dut, f"{kind}_answer_valid").value == 1:
                return {name: number(getattr(dut, f"{kind}_answer_{name}")) for name in ("hit", "epoch")}
            await edge
        raise AssertionError(f"no answer to a {kind} lookup")

    async def retire(self, kind: str, epoch: int) -> None:
        """The packet path is done with an answer of this epoch."""
        dut, edge = self.dut, RisingEdge(self.dut.aclk)
        await edge
        getattr(dut, f"{kind}_retire_epoch").value = epoch
        getattr(dut, f"{kind}_retire_valid").value = 1
        await edge
        getattr(dut, f"{kind}_retire_valid").value = 0
