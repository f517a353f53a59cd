"""A flush at every clock of an add. A cocotb module; ``test_flush_races`` says what must come of it."""

from dataclasses import replace
from typing import Any

import cocotb

from saoffload.host.bundles import Bundle
from saoffload.host.register_map import AddStatusFields, DoorbellFields, Opcode, Register
from saoffload.sim.benches.strobes import clock_number
from saoffload.sim.faults.rig import ADD_CLOCKS, FIRST_HANDLE, Rig, bundle_of
from saoffload.sim.jobs import answer_job

LIVING = 2
"""Bundles of before the add, which the flush removes in any case."""
SURE_FLUSHES = 2
"""So many come after the add's answer; one that came later still would be no race."""
MOST_CLOCKS = 300
"""Far more than an add takes that waits for nothing."""
READ_CLOCKS = 12
"""No register takes longer to read."""


@cocotb.test()
async def flush_races(dut: Any) -> None:
    """Answers the job of this process."""
    await answer_job(lambda job: run_job(dut, job["variant"], step=job["step"]))


async def run_job(dut: Any, variant: str, *, step: int) -> list[dict[str, Any]]:
    """What came of each case, the flush being ``step`` clocks later each time, until it no longer meets the add."""
    rig = Rig(dut)
    ends: list[dict[str, Any]] = []
    delay = 0
    while sum(end["was_answered"] for end in ends) < SURE_FLUSHES:
        assert delay < MOST_CLOCKS, "no flush comes after the answer"
        async with rig.described(f"{variant}, a flush {delay} clocks behind the add"):
            end = await _run_case(rig, _added(variant), delay, is_free=variant == "free")
        ends.append({"delay": delay, **end})
        delay += step
    return ends


def _added(variant: str) -> Bundle:
    """``named``: under a handle of its own. ``twin``: the same, with a key that lives. ``free``: under any handle."""
    bundle = bundle_of(LIVING)
    return {
        "named": bundle,
        "twin": replace(bundle, sas=bundle_of(0).sas),
        "free": replace(bundle, handle=0),
    }[variant]


async def _run_case(rig: Rig, added: Bundle, delay: int, *, is_free: bool) -> dict[str, Any]:
    driver = rig.driver
    await rig.begin()
    await rig.restore(*(bundle_of(index) for index in range(LIVING)))
    if is_free:
        await driver.table.end_restore()
    # What the driver does for an add and for a flush, but that nothing stands between the two: parallel adds are fast.
    registers, tag = driver.registers, driver.commands._account.reserve(None, is_shared=False)
    await registers.write_all([*driver.table._staging(added), (Register.COMMAND_TAG, tag)])
    await registers.write(Register.ADD_GO, 1)
    began, was_answered = clock_number(), False
    if delay >= READ_CLOCKS:
        await rig.clocks(delay - READ_CLOCKS)
        was_answered = bool(AddStatusFields.DONE.get(await registers.read(Register.ADD_STATUS)))
    await rig.clocks(began + delay - clock_number())
    await registers.write(Register.DOORBELL, DoorbellFields.OPCODE.put(Opcode.FLUSH))
    completion = await driver.completions.wait(tag, timeout_ms=rig.milliseconds(ADD_CLOCKS))
    result = await rig.answer_to_add()
    assert (await driver.status()).is_restoring
    asked = [bundle_of(index).sas[0].spi for index in range(LIVING + 1)]
    answers = await rig.ask("key", asked)
    handle = await registers.read(Register.ADD_ANSWER_HANDLE)
    assert all(answer["handle"] == handle == FIRST_HANDLE + LIVING for answer in answers if answer["hit"])
    await rig.end([])
    return {
        "was_answered": was_answered,
        "status": completion.status.name,
        "deleted": completion.deleted,
        "result": result.name,
        "live": [await driver.table.live_bundles(), await driver.table.live_keys()],
        "hits": [number for number, answer in enumerate(answers) if answer["hit"]],
    }
