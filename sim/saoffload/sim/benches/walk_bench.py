"""One walk on the engine: what `saoffload walk` runs in the simulator. See ``run_job`` for job and result."""

import base64
from typing import Any

import cocotb
from cocotb.triggers import Timer

from saoffload.host.errors import WaitTimeoutError
from saoffload.host.register_map import Abi, Register
from saoffload.host.windows import Window
from saoffload.sim.jobs import answer_job, report_progress

from .bursts import to_json
from .engine_bench import EngineBench, bundle_from_json
from .memory import STALLS, HostMemory
from .strobes import CLOCK_PS

PROGRESS_CLOCKS = 20_000
TAG = 1


@cocotb.test()
async def one_walk(dut: Any) -> None:
    """Answers the job of this process."""
    await answer_job(lambda job: run_job(dut, job))


async def run_job(dut: Any, job: dict[str, Any]) -> dict[str, Any]:
    """Restores ``bundles`` (see ``bundle_from_json``), opens ``windows`` ([base, size, bus]) on ``memory`` ([bus
    address, base64]) of ``latency`` and ``stall`` pattern, and walks ``head`` with ``abi``, ``budget`` and ``timeout``
    in clocks. ``expected_nodes`` is for the progress shown; after ``clock_limit`` clocks the walk is given up.

    The result: ``completion`` (None when given up), ``nodes`` ([address, handle, found]), ``bursts``, ``cycles`` from
    the clock in which the walker takes the command to the one in which its completion enters the queue, and ``live``.
    """
    bench = EngineBench(dut)
    memory = HostMemory(
        dut, clock=dut.aclk, latency=job["latency"], stall=STALLS[job.get("stall", "none")], seed=job.get("seed", 0)
    )
    for address, data in job["memory"]:
        memory.add(address, base64.b64decode(data))
    await bench.reset()
    driver = bench.driver
    await driver.registers.write(Register.TIMEOUT, job["timeout"])
    for number, (base, size, bus_base) in enumerate(job["windows"]):
        if size:
            await driver.windows.set(number, Window(base=base, size=size, bus_base=bus_base))
    for number, entry in enumerate(job["bundles"]):
        (await driver.table.add(bundle_from_json(entry))).expect_handle()
        if number % 16 == 0:
            report_progress("load the table", number, len(job["bundles"]))
    cocotb.start_soon(_show_progress(bench, job["expected_nodes"]))
    await driver.commands.submit_walk(job["head"], abi=Abi[job["abi"].upper()], budget=job["budget"], tag=TAG)
    completion = await _completion(bench, job["clock_limit"])
    command = bench.trace.commands[-1] if bench.trace.commands else None
    nodes = (
        [
            [address, handle, command.found[number] if number < len(command.found) else None]
            for number, (address, handle) in enumerate(command.nodes)
        ]
        if command
        else []
    )
    return {
        "completion": completion,
        "nodes": nodes,
        "bursts": to_json(memory.bursts),
        "cycles": command.posted - command.taken if command and command.posted is not None else None,
        "live": await driver.table.live_bundles(),
    }


async def _completion(bench: EngineBench, clock_limit: int) -> dict[str, Any] | None:
    try:
        completion = await bench.driver.completions.wait(TAG, timeout_ms=bench.milliseconds(clock_limit))
    except WaitTimeoutError:
        return None
    return {
        "tag": completion.tag,
        "status": completion.status.name,
        "visited": completion.visited,
        "deleted": completion.deleted,
        "not_found": completion.not_found,
        "fault_address": completion.fault_address,
    }


async def _show_progress(bench: EngineBench, expected: int) -> None:
    while True:
        report_progress("walk the list", min(bench.trace.visited_count, expected), expected)
        await Timer(PROGRESS_CLOCKS * CLOCK_PS, "ps")
