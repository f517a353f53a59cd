"""A scenario that fails made smaller, in one run of the simulator. A cocotb module."""

from typing import Any

import cocotb
from cocotb.task import bridge, resume

from saoffload.sim.fuzz.choices import Choices
from saoffload.sim.fuzz.judge import Verdict
from saoffload.sim.fuzz.maker import make_scenario
from saoffload.sim.fuzz.scenario import Scenario
from saoffload.sim.fuzz.shrink import shrink
from saoffload.sim.jobs import answer_job, report_progress

from .fuzz_bench import FuzzBench


@cocotb.test()
async def fuzz_shrink(dut: Any) -> None:
    """Answers the job of this process."""
    await answer_job(lambda job: run_job(dut, job))


async def run_job(dut: Any, job: dict[str, Any]) -> dict[str, Any] | None:
    """``engine`` and the ``seed`` of what failed. The result: the smallest ``scenario`` that fails, as JSON, and its
    ``failure``; None when it does not fail again.
    """
    bench = FuzzBench(dut)
    await bench.begin()
    choices = Choices.of_seed(job["seed"])
    make_scenario(choices, job["engine"])
    tried = 0

    @resume
    async def verdict_on(scenario: Scenario) -> Verdict:
        return await bench.run(scenario)

    def fails(scenario: Scenario) -> bool:
        nonlocal tried
        tried += 1
        report_progress("shrink the failure", tried, 0)
        return verdict_on(scenario).failure is not None

    # hypothesis knows nothing of the simulator's scheduler: it has a thread of its own.
    smallest = await bridge(shrink)(choices.drawn, job["engine"], fails)
    if smallest is None:
        return None
    return {"scenario": smallest.to_json(), "failure": (await bench.run(smallest)).failure}
