"""Lists walked for time: what `saoffload bench walk` runs in the simulator, on ``saoffload.sim.bench_hdl.tops``.

See ``run_job`` for job and result.
"""

import time
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, First, RisingEdge, Timer

from saoffload.host.bundles import Bundle, Destination, Sa
from saoffload.host.completions import Completion
from saoffload.host.driver import WAIT_FOR_EVER
from saoffload.host.errors import QueueFullError
from saoffload.host.register_map import Protocol
from saoffload.host.windows import Window
from saoffload.sim.jobs import answer_job, report_progress

from .engine_bench import RESET_CLOCKS, DrivenEngine
from .strobes import CLOCK_PS, clock_number, number

COUNTS = ("cycles", "start_count", "stop_count", "beat_count", "byte_count", "burst_count", "refused_count")
FIRST_SPI = 0x1000


@cocotb.test()
async def walks(dut: Any) -> None:
    """Answers the job of this process."""
    await answer_job(lambda job: run_job(dut, job))


async def run_job(dut: Any, job: dict[str, Any]) -> list[dict[str, Any]]:
    """Puts ``memory`` (text for $readmemh) into the memory, and walks the lists at ``heads`` all at once with the
    ``engine`` ("saoffload" or "serial"), after a reset for each of ``latencies``. ``live`` handles are restored before,
    ``window`` ([base, size]) is opened; both are for our engine. After ``clock_limits``, one per latency, a walk is
    given up.

    The result, for each latency: ``walks`` ({"status", "visited", "deleted"} in order of completion, fewer than heads
    when given up), the ``COUNTS`` of stopwatch and memory, and ``seconds`` of real time that the walks took.
    """
    dut.do_load.value = 0
    dut.latency.value = 1
    _write_memory(job["memory"])
    await Timer(CLOCK_PS, "ps")
    dut.do_load.value = 1
    await Timer(CLOCK_PS, "ps")
    walker = Engine(dut, job) if job["engine"] == "saoffload" else Serial(dut)
    results = []
    for done, (latency, limit) in enumerate(zip(job["latencies"], job["clock_limits"], strict=True)):
        report_progress(f"L = {latency}", done, len(job["latencies"]))
        dut.latency.value = latency
        await walker.reset()
        began = time.perf_counter()
        walked = await walker.walk(job["heads"], limit)
        seconds = time.perf_counter() - began
        # For the stopwatch, which shows a stop one clock later.
        await ClockCycles(dut.aclk, 2)
        counts = {name: number(getattr(dut, name)) for name in COUNTS}
        results.append({"walks": walked, **counts, "seconds": seconds})
    return results


class Engine:
    """Our engine, under its driver."""

    def __init__(self, dut: Any, job: dict[str, Any]) -> None:
        self._engine = DrivenEngine(dut)
        self._live: list[int] = job["live"]
        base, size = job["window"]
        self._window = Window(base=base, size=size, bus_base=base)

    async def reset(self) -> None:
        """Makes the engine ready, with its live bundles and the window."""
        await self._engine.reset()
        driver = self._engine.driver
        await driver.set_read_timeout(WAIT_FOR_EVER)
        await driver.windows.set(0, self._window)
        for index, handle in enumerate(self._live):
            sa = Sa(spi=FIRST_SPI + index, destination=Destination.parse("192.0.2.1"), protocol=Protocol.ESP)
            (await driver.table.add(Bundle(sas=(sa,), handle=handle))).expect_handle()

    async def walk(self, heads: list[int], clock_limit: int) -> list[dict[str, Any]]:
        """Submits all lists as fast as the queue takes them, and waits for them all."""
        commands = self._engine.driver.commands
        last_clock = clock_number() + clock_limit
        completions: list[Completion] = []
        for head in heads:
            while True:
                try:
                    await commands.submit_walk(head)
                    break
                except QueueFullError:
                    if not await self._collect(completions, last_clock):
                        return _walks(completions)
        while len(completions) < len(heads):
            if not await self._collect(completions, last_clock):
                break
        return _walks(completions)

    async def _collect(self, completions: list[Completion], last_clock: int) -> bool:
        """Waits for completions on the interrupt line. False when ``last_clock`` came first.

        The driver's own wait looks at the registers now and then; asleep, the simulation is faster.
        """
        irq = self._engine.dut.irq
        if irq.value != 1 and not await _rises(irq, last_clock):
            return False
        completions += await self._engine.driver.completions.collect()
        return True


class Serial:
    """The plain state machine, which takes one list after the other."""

    def __init__(self, dut: Any) -> None:
        self._dut = dut
        cocotb.start_soon(Clock(dut.aclk, CLOCK_PS, "ps").start())

    async def reset(self) -> None:
        """Makes it ready."""
        dut = self._dut
        dut.aresetn.value = 0
        dut.do_start.value = 0
        await ClockCycles(dut.aclk, RESET_CLOCKS)
        dut.aresetn.value = 1
        await ClockCycles(dut.aclk, RESET_CLOCKS)

    async def walk(self, heads: list[int], clock_limit: int) -> list[dict[str, Any]]:
        """Walks the lists, each as soon as the one before has ended."""
        dut = self._dut
        last_clock = clock_number() + clock_limit
        visited, walked = 0, []
        for head in heads:
            dut.head.value = head
            dut.do_start.value = 1
            await RisingEdge(dut.aclk)
            dut.do_start.value = 0
            if not await _rises(dut.is_done, last_clock):
                break
            await RisingEdge(dut.aclk)
            before, visited = visited, number(dut.visited_count)
            status = "FAILED" if dut.has_failed.value == 1 else "OK"
            walked.append({"status": status, "visited": visited - before, "deleted": 0})
        return walked


async def _rises(signal: Any, last_clock: int) -> bool:
    """Waits until ``signal`` rises. False when it has not by the end of ``last_clock``."""
    end = Timer(max(last_clock - clock_number(), 1) * CLOCK_PS, "ps")
    return await First(RisingEdge(signal), end) is not end


def _write_memory(text: str) -> None:
    Path("memory.hex").write_text(text)


def _walks(completions: list[Completion]) -> list[dict[str, Any]]:
    return [
        {"status": completion.status.name, "visited": completion.visited, "deleted": completion.deleted}
        for completion in completions
    ]
