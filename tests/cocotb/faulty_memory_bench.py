"""The engine on a memory that misbehaves as it is told. A cocotb module; ``test_faulty_memory`` has the cases."""

from typing import Any

import cocotb
from cocotb.triggers import ClockCycles

from saoffload.host.bundles import Bundle, Destination, Sa
from saoffload.host.lists import ListBuilder
from saoffload.host.register_map import Protocol, Register
from saoffload.sim.benches.bursts import flaws
from saoffload.sim.benches.engine_bench import EngineBench
from saoffload.sim.benches.memory import Fault, HostMemory, Response
from saoffload.sim.jobs import answer_job

BASE = 0x10_0000
IMAGE_BYTES = 4096
SLOT_BYTES = 32
LATENCY = 7
NODES = 6
DRAIN_CLOCKS = 200
WALK_MS = 0.1
HANDLES = [0x8000_0000 + index for index in range(NODES)]


@cocotb.test()
async def faulty_memory(dut: Any) -> None:
    """Answers the job of this process."""
    await answer_job(lambda job: run_job(dut, job))


async def run_job(dut: Any, job: dict[str, Any]) -> list[dict[str, Any]]:
    """``cases``: each with ``faults`` ([node, beat, fields of a ``Fault``]), ``timeout`` in clocks, ``walks`` to run
    one after the other. The result says of each case how every walk ended and what state it left.
    """
    bench = EngineBench(dut)
    memory = HostMemory(dut, clock=dut.aclk, latency=LATENCY)
    return [await run_case(bench, memory, case) for case in job["cases"]]


async def run_case(bench: EngineBench, memory: HostMemory, case: dict[str, Any]) -> dict[str, Any]:
    """One case, from a reset on."""
    builder = ListBuilder(base=BASE, size=IMAGE_BYTES, seed=5)
    placed = builder.contiguous(HANDLES, stride=SLOT_BYTES)
    memory.clear()
    memory.add(BASE, builder.image())
    for node, beat, fields in case["faults"]:
        response = Response[fields.pop("response", "OKAY")]
        memory.faults[placed.addresses[node] + 8 * beat] = Fault(response=response, **fields)
    await bench.reset()
    driver = bench.driver
    await driver.windows.set(0, builder.window)
    await driver.registers.write(Register.TIMEOUT, case["timeout"])
    for index, handle in enumerate(HANDLES):
        sa = Sa(spi=index, destination=Destination.parse("192.0.2.1"), protocol=Protocol.ESP)
        (await driver.table.add(Bundle(sas=(sa,), handle=handle))).expect_handle()
    ends = []
    for _ in range(case["walks"]):
        tag = await driver.commands.submit_walk(placed.head)
        completion = await driver.completions.wait(tag, timeout_ms=WALK_MS)
        fault = completion.fault_address
        failed = None if fault is None else (fault - BASE) // SLOT_BYTES
        ends.append([completion.status.name, completion.visited, completion.deleted, failed])
    left = await state(bench)
    reads = len(memory.bursts)
    memory.answer_withheld()
    await ClockCycles(bench.dut.aclk, DRAIN_CLOCKS)
    assert flaws(memory.bursts, [(BASE, IMAGE_BYTES)]) == []
    assert len(memory.bursts) == reads, "a read after the last walk had ended"
    assert driver.completions.strays == ()
    return {"ends": ends, "left": left, "after": await state(bench), "reads": reads}


async def state(bench: EngineBench) -> dict[str, Any]:
    """What a driver sees of reads that went wrong."""
    return {
        "lost": await bench.driver.lost_ids(),
        "quiesced": (await bench.driver.status()).is_quiesced,
        "unknown": (await bench.driver.counters.read()).unknown_beats,
    }
