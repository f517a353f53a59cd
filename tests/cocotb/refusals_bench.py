"""What registers refuse, and adds of a table that is not ready. A cocotb module; ``test_refusals`` has the answers."""

from typing import Any

import cocotb

from saoffload.host.bundles import Bundle, Sa
from saoffload.host.register_map import AddResult, Register, StatusFields
from saoffload.host.windows import WINDOW_OFF, WindowRefusedError
from saoffload.sim.faults.rig import ADDRESS, FIRST_HANDLE, Rig, bundle_of
from saoffload.sim.jobs import answer_job

RESERVED_FLAG = 1 << 2
"""The lowest bit of an SA's flags that means nothing."""
MOST_ADDS = 2000
"""Far more than a reset lasts."""
FIRST_SPI = 0x2000
FLAGS = (Register.ADD_SA_0_FLAGS, Register.ADD_SA_1_FLAGS)


@cocotb.test()
async def refusals(dut: Any) -> None:
    """Answers the job of this process, which says nothing: what came of each of ``CASES``."""
    await answer_job(lambda _job: run_job(dut))


async def run_job(dut: Any) -> dict[str, Any]:
    """Each case begins with a reset."""
    rig = Rig(dut)
    return {case.__name__: await case(rig) for case in CASES}


async def reserved_flags(rig: Rig) -> list[str]:
    """Bundles of one SA, then of two, with a reserved flag of the first SA, then of the second; each followed by one
    without, since what is staged must be gone with its add.
    """
    await rig.begin()
    results = []
    for sa_count in (1, 2):
        for flags in FLAGS:
            index = len(results)
            bundle = Bundle(
                sas=tuple(Sa(spi=FIRST_SPI + 2 * index + number, destination=ADDRESS) for number in range(sa_count)),
                handle=FIRST_HANDLE + index,
            )
            await rig.driver.registers.write(flags, RESERVED_FLAG)
            staging = [(address, word) for address, word in rig.driver.table._staging(bundle) if address != flags]
            await rig.driver.registers.write_all(staging)
            results.append((await _answer(rig)).name)
            await rig.driver.registers.write_all(rig.driver.table._staging(bundle_of(index + 1)))
            results.append((await _answer(rig)).name)
    return results


async def windows_that_are_not_there(rig: Rig) -> dict[str, Any]:
    """A commit to each number behind the last window, a bit at a time, and to the last one."""
    await rig.begin()
    windows = rig.driver.windows
    count = rig.driver.capabilities.window_count
    refused = []
    for number in [count, *(1 << bit for bit in range(count.bit_length(), 32))]:
        try:
            await windows.set(number, WINDOW_OFF)
        except WindowRefusedError as error:
            refused.append(str(error))
    await windows.set(count - 1, WINDOW_OFF)
    return {"refused": refused, "counted": (await rig.driver.counters.read()).refused_windows, "count": count}


async def adds_while_not_ready(rig: Rig) -> list[dict[str, Any]]:
    """Empty adds one after the other from a reset on, the first without a look at the engine, which takes its time;
    the last two when the table is ready.
    """
    dut = rig.dut
    dut.aresetn.value = 0
    await rig.clocks(5)
    dut.aresetn.value = 1
    await rig.clocks(1)
    answers: list[dict[str, Any]] = []
    while sum(answer["was_ready"] for answer in answers) < 2:
        was_ready = bool(answers) and await _is_ready(rig)
        result = await _answer(rig)
        assert len(answers) < MOST_ADDS, "the table never gets ready"
        answers.append({"was_ready": was_ready, "result": result.name, "is_ready": await _is_ready(rig)})
    return answers


async def _answer(rig: Rig) -> AddResult:
    """Submits what is staged."""
    await rig.driver.registers.write(Register.ADD_GO, 1)
    return await rig.answer_to_add()


async def _is_ready(rig: Rig) -> bool:
    return bool(StatusFields.READY.get(await rig.driver.registers.read(Register.STATUS)))


CASES = (reserved_flags, windows_that_are_not_there, adds_while_not_ready)
