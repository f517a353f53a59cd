"""A bench for `test_sim_runner`: adds, fails, or ends early, as its job says. A cocotb module."""

import os
from typing import Any

import cocotb
from cocotb.triggers import Timer

from saoffload.sim.jobs import answer_job, report_progress


@cocotb.test()
async def add(dut: Any) -> None:
    """Answers the job of this process."""

    async def work(job: dict[str, Any]) -> int:
        report_progress("add", 1, 2)
        if job["how"] == "raise":
            raise ValueError("as the job says")
        if job["how"] == "exit":
            os._exit(3)
        dut.a.value = job["a"]
        await Timer(1, "ns")
        return dut.sum.value.to_unsigned()

    await answer_job(work)
