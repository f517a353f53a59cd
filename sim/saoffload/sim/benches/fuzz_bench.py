"""Scenarios on an engine among misbehaving surroundings, each judged when it has ended. A cocotb module.

Python wakes once per register access and per wait of the host; all else is hardware, and stands in the log.
"""

import time
from collections import Counter
from typing import Any

import cocotb

from saoffload.hdl.control.bank import ADDRESS_WIDTH
from saoffload.sim.fuzz.choices import Choices
from saoffload.sim.fuzz.judge import judge
from saoffload.sim.fuzz.maker import make_scenario
from saoffload.sim.fuzz.scenario import from_json
from saoffload.sim.jobs import answer_job, report_progress

from .fuzz_host import Host
from .fuzz_surroundings import Surroundings
from .fuzz_transport import PortTransport

REPORTED_SCENARIOS = 4


@cocotb.test()
async def fuzz(dut: Any) -> None:
    """Answers the job of this process."""
    await answer_job(lambda job: run_job(dut, job))


async def run_job(dut: Any, job: dict[str, Any]) -> dict[str, Any]:
    """``engine``, and either ``seeds``, each a scenario to make, or ``scenarios`` as JSON. With ``seconds`` none is
    begun after so many of real time.

    The result: ``done``, how many were run; ``failure``, None or what was wrong with the last of them; ``counts`` of
    statuses, nodes, faults and lookups over all that went well.
    """
    around, transport = Surroundings(dut), PortTransport(dut, address_width=ADDRESS_WIDTH)
    await around.begin()
    given = job.get("scenarios")
    total = len(job["seeds"] if given is None else given)
    counts: Counter[str] = Counter()
    began = time.monotonic()
    for place in range(total):
        if time.monotonic() - began > job.get("seconds", float("inf")):
            return {"done": place, "failure": None, "counts": counts}
        if given is None:
            scenario = make_scenario(Choices.of_seed(job["seeds"][place]), job["engine"])
        else:
            scenario = from_json(given[place])
        await around.prepare(scenario)
        verdict = judge(scenario, await Host(dut, transport, around, scenario).run())
        if verdict.failure is not None:
            return {"done": place + 1, "failure": verdict.failure, "counts": counts}
        counts += verdict.counts
        if place % REPORTED_SCENARIOS == 0:
            report_progress(f"fuzz {job['engine']}", counts["nodes"], 0)
    return {"done": total, "failure": None, "counts": counts}
