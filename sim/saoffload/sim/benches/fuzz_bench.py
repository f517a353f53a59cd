"""Scenarios on an engine among misbehaving surroundings, each judged when it has ended. A cocotb module.

Python wakes once per register access and per wait of the host; all else is hardware, and stands in the log.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import cocotb

from saoffload.hdl.control.bank import ADDRESS_WIDTH
from saoffload.sim.fuzz.choices import Choices
from saoffload.sim.fuzz.judge import Verdict, judge
from saoffload.sim.fuzz.maker import make_scenario
from saoffload.sim.fuzz.scenario import Scenario, from_json
from saoffload.sim.jobs import answer_job

from .fuzz_host import Host
from .fuzz_surroundings import Surroundings
from .fuzz_transport import PortTransport


@cocotb.test()
async def fuzz(dut: Any) -> None:
    """Answers the job of this process."""
    await answer_job(lambda job: run_job(dut, job))


async def run_job(dut: Any, job: dict[str, Any]) -> dict[str, Any]:
    """``engine``, and ``seeds``, each a scenario to make, or ``scenarios`` as JSON.

    The result: ``done``, how many were run; ``failure``, None or what was wrong with the last of them; ``counts`` of
    statuses, nodes, faults and lookups over all that went well.
    """
    bench = FuzzBench(dut)
    await bench.begin()
    if "scenarios" in job:
        return await bench.run_all(map(from_json, job["scenarios"]))
    return await bench.run_all(make_scenario(Choices.of_seed(seed), job["engine"]) for seed in job["seeds"])


class FuzzBench:
    """The design of ``bench_hdl.fuzz_top``, with a new host for each scenario."""

    def __init__(self, dut: Any) -> None:
        self._dut = dut
        self._around = Surroundings(dut)
        self._transport = PortTransport(dut, address_width=ADDRESS_WIDTH)

    async def begin(self) -> None:
        """Call once."""
        await self._around.begin()

    async def run(self, scenario: Scenario) -> Verdict:
        """One scenario, from a reset to a drained engine."""
        await self._around.prepare(scenario)
        return judge(scenario, await Host(self._dut, self._transport, self._around, scenario).run())

    async def run_all(self, scenarios: Iterable[Scenario]) -> dict[str, Any]:
        """Up to the first that fails."""
        counts: Counter[str] = Counter()
        done = 0
        for done, scenario in enumerate(scenarios, 1):
            verdict = await self.run(scenario)
            if verdict.failure is not None:
                return {"done": done, "failure": verdict.failure, "counts": counts}
            counts += verdict.counts
            counts["scenarios"] += 1
        return {"done": done, "failure": None, "counts": counts}
