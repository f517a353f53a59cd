"""The campaign's end in the simulator: runs one part on one engine. A cocotb module."""

from collections.abc import Awaitable, Callable
from typing import Any

import cocotb

from saoffload.sim.jobs import answer_job

from . import aborts, flips, lists, reads, resets, stuck

PARTS: dict[str, Callable[..., Awaitable[dict[str, int]]]] = {
    "reads": reads.run,
    "aborts": aborts.run,
    "resets": resets.run,
    "flips": flips.run,
    "lists": lists.run,
    "stuck": stuck.run,
}


@cocotb.test()
async def campaign(dut: Any) -> None:
    """Answers the job of this process: ``part``, ``chosen`` cases by number, ``options`` of the part."""
    await answer_job(lambda job: PARTS[job["part"]](dut, job["chosen"], **job["options"]))
