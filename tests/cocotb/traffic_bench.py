"""Random traffic on one table, judged against a dict. A cocotb module; ``test_table_traffic`` has the tests."""

import struct
from random import Random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, Timer
from tests.harness.traffic import FRAME, HELD, KEYS, LANE, ONCE
from tests.harness.traffic_judge import TrafficJudge, TrafficKey
from tests.harness.traffic_program import Program

from saoffload.sim.benches.strobes import CLOCK_PS, number
from saoffload.sim.jobs import answer_job, report_progress
from saoffload.sim.permutation import SEED_BITS, key_bits

RESET_CLOCKS = 8
REPORT_FRAMES = 2000
_WORDS = struct.Struct(f"<{3 * FRAME}Q")


@cocotb.test()
async def traffic(dut: Any) -> None:
    """Answers the job of this process."""
    await answer_job(lambda job: run_job(dut, job))


async def run_job(dut: Any, job: dict[str, Any]) -> dict[str, Any]:
    """So many ``operations`` under this ``seed`` on the table of ``config``. The result: what was counted."""
    random = Random(job["seed"])
    keys = make_keys(random)
    config = Program.config_of(job["config"])
    judge = TrafficJudge(config, keys, key_latency=job["key_latency"], handle_latency=job["handle_latency"])
    program = Program(judge, random)
    cocotb.start_soon(Clock(dut.clk, CLOCK_PS, "ps").start())
    await _reset(dut, keys, random)
    frame = 0
    try:
        while judge.counts["adds"] + judge.counts["deletes"] < job["operations"]:
            plan = program.next_frame()
            stimulus = _WORDS.pack(*plan.words)
            dut.stimulus.value = int.from_bytes(stimulus, "little")
            for name in ONCE:
                begin = plan.once.get(name)
                getattr(dut, f"do_{name}").value = begin is not None
                if begin is not None:
                    getattr(dut, f"{name}_at").value = begin
            if plan.request is not None:
                dut.request.value = plan.request
            await Timer(FRAME * CLOCK_PS, "ps")
            trace = number(dut.history).to_bytes(3 * FRAME * LANE // 8, "little")
            judge.frame(_WORDS.unpack(trace), plan.keys, plan.handles, plan.deleted)
            frame += 1
            if frame % REPORT_FRAMES == 0:
                report_progress("traffic", judge.counts["adds"] + judge.counts["deletes"], job["operations"])
    except AssertionError as error:
        raise AssertionError(f"seed {job['seed']}, frame {frame}: {error}") from error
    return judge.summary()


def make_keys(random: Random) -> list[TrafficKey]:
    """Few SPIs and destinations, so that wildcards, families and protocols meet."""
    spis = [0, *random.sample(range(1, 1 << 32), 3)]
    names = [(spi, number % 2, protocol) for number, spi in enumerate(spis) for protocol in (0, 1)]
    keys: list[TrafficKey] = []
    for spi, family, protocol in names:
        wild = len(keys)
        for place in range(KEYS // len(names)):
            destination = random.getrandbits(31) + 1 if place else 0
            bits = key_bits(spi=spi, destination=destination, family=family, protocol=protocol)
            keys.append(TrafficKey(len(keys), bits, wild, is_wildcard=not place))
    return keys


async def _reset(dut: Any, keys: list[TrafficKey], random: Random) -> None:
    falling = FallingEdge(dut.clk)
    for name in ("load", "run", "stimulus", "request", *(f"do_{name}" for name in ONCE)):
        getattr(dut, name).value = 0
    dut.held.value = random.choice((0, 1, HELD // 2))
    dut.seed.value = random.getrandbits(SEED_BITS)
    dut.rst.value = 1
    await ClockCycles(dut.clk, RESET_CLOCKS)
    dut.rst.value = 0
    dut.load.value = 1
    for key in keys:
        await falling
        dut.load_number.value = key.number
        dut.load_key.value = key.bits
    await falling
    dut.load.value = 0
    while dut.is_ready.value != 1:
        await falling
    dut.run.value = 1
