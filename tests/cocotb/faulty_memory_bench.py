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
HEARING_CLOCKS = 10
WALK_MS = 0.1
HANDLES = [0x8000_0000 + index for index in range(NODES)]


@cocotb.test()
async def faulty_memory(dut: Any) -> None:
    """Answers the job of this process."""
    await answer_job(lambda job: run_job(dut, job))


async def run_job(dut: Any, job: dict[str, Any]) -> list[dict[str, Any]]:
    """``cases``: each with ``faults`` ([node, beat, fields of a ``Fault``]), ``timeout`` in clocks, ``walks`` to run
    one after the other, ``deaf_walks``: during so many of them no address is taken, and then until some clocks after
    the next was submitted. The result says of each case how every walk ended and what state it left, the deaf ones too.
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
    deaf: dict[str, Any] = {}
    bench.dut.m_axi_arready.value = int(case["deaf_walks"] == 0)
    for number in range(case["walks"]):
        tag = await driver.commands.submit_walk(placed.head)
        if number == case["deaf_walks"] > 0:
            await ClockCycles(bench.dut.aclk, HEARING_CLOCKS)
            bench.dut.m_axi_arready.value = 1
        completion = await driver.completions.wait(tag, timeout_ms=WALK_MS)
        fault = completion.fault_address
        failed = None if fault is None else (fault - BASE) // SLOT_BYTES
        ends.append([completion.status.name, completion.visited, completion.deleted, failed])
        if number + 1 == case["deaf_walks"]:
            deaf = await state(bench)
            assert (bench.dut.m_axi_arvalid.value, memory.bursts) == (1, []), "an address was withdrawn, or taken"
    left = await state(bench)
    reads = len(memory.bursts)
    memory.answer_withheld()
    await ClockCycles(bench.dut.aclk, DRAIN_CLOCKS)
    assert flaws(memory.bursts, [(BASE, IMAGE_BYTES)]) == []
    assert len(memory.bursts) == reads, "a read after the last walk had ended"
    assert driver.completions.strays == ()
    return {"ends": ends, "left": left, "after": await state(bench), "deaf": deaf, "reads": reads}


async def state(bench: EngineBench) -> dict[str, Any]:
    """What a driver sees of reads that went wrong."""
    return {
        "lost": await bench.driver.lost_ids(),
        "quiesced": (await bench.driver.status()).is_quiesced,
        "unknown": (await bench.driver.counters.read()).unknown_beats,
    }
