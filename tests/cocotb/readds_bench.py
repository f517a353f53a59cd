"""A key is added again while its bundle is deleted. A cocotb module; ``test_readds`` says what must come of it."""

from dataclasses import replace
from typing import Any

import cocotb

from saoffload.host.bundles import Bundle, Destination, Sa
from saoffload.host.register_map import DoorbellFields, Family, Opcode, Protocol, Register
from saoffload.sim.faults.rig import ADD_CLOCKS, FIRST_HANDLE, Rig
from saoffload.sim.jobs import answer_job

MOVING_CLOCKS = 3000
"""Longer than keys move that find no row: 300 times, 8 clocks each."""


@cocotb.test()
async def readds(dut: Any) -> None:
    """Answers the job of this process."""
    await answer_job(lambda job: run_job(dut, job))


async def run_job(dut: Any, job: dict[str, Any]) -> list[dict[str, Any]]:
    """``keys``: of the bundles that live, each as SPI, destination, family and protocol. Each is deleted and added
    again, the add being each of ``delays`` clocks behind the delete.
    """
    rig = Rig(dut, seed=job["seed"])
    keys = [tuple(key) for key in job["keys"]]
    ends = []
    for number in range(len(keys)):
        for delay in job["delays"]:
            async with rig.described(f"key {number}, added {delay} clocks behind its delete"):
                ends.append(await _run_case(rig, keys, number, delay))
    return ends


async def _run_case(rig: Rig, keys: list[tuple[int, int, int, int]], number: int, delay: int) -> dict[str, Any]:
    driver, registers = rig.driver, rig.driver.registers
    bundles = [_bundle_of(key, FIRST_HANDLE + place) for place, key in enumerate(keys)]
    await rig.begin()
    await rig.restore(*bundles)
    await rig.clocks(MOVING_CLOCKS)
    again = replace(bundles[number], handle=FIRST_HANDLE + len(keys))
    # All is staged, so that nothing stands between the two writes that count.
    tag = driver.commands._account.reserve(None, is_shared=False)
    head = driver.commands._head(bundles[number].handle)
    await registers.write_all([*driver.table._staging(again), (Register.COMMAND_TAG, tag), *head])
    writes = [(Register.DOORBELL, DoorbellFields.OPCODE.put(Opcode.DELETE_ONE)), (Register.ADD_GO, 1)]
    first, second = writes if delay >= 0 else reversed(writes)
    await registers.write(*first)
    await rig.clocks(abs(delay))
    await registers.write(*second)
    completion = await driver.completions.wait(tag, timeout_ms=rig.milliseconds(ADD_CLOCKS))
    result = await rig.answer_to_add()
    answers = await rig.ask("key", keys)
    await rig.end([])
    return {
        "key": number,
        "delay": delay,
        "result": result.name,
        "deleted": completion.deleted,
        "owners": [answer["handle"] - FIRST_HANDLE if answer["hit"] else None for answer in answers],
        "live": [await driver.table.live_bundles(), await driver.table.live_keys()],
    }


def _bundle_of(key: tuple[int, int, int, int], handle: int) -> Bundle:
    spi, destination, family, protocol = key
    sa = Sa(spi=spi, destination=Destination(destination, Family(family)), protocol=Protocol(protocol))
    return Bundle(sas=(sa,), handle=handle)
