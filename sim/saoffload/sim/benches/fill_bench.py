"""Fills of a table on its RTL: what `saoffload bench table` runs in the simulator. See ``run_job``."""

import time
from random import Random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, Timer

from saoffload.sim.fill_study import FAMILIES
from saoffload.sim.jobs import answer_job, report_progress
from saoffload.sim.permutation import SEED_BITS, key_bits

from .strobes import CLOCK_PS, clock_number, number

RESET_CLOCKS = 8
POLL_CLOCKS = 4000
ERROR_KINDS = ("key lookup", "handle lookup", "delete", "flush", "latency")
COUNTS = (
    "lookup_clocks", "key_requests", "handle_requests", "key_hits", "handle_hits", "delete_count", "delete_clocks",
    "delete_latency", "flush_clocks",
)  # fmt: skip


class WrongAnswerError(AssertionError):
    """The table answered something that is not true."""


@cocotb.test()
async def fills(dut: Any) -> None:
    """Answers the job of this process."""
    await answer_job(lambda job: run_job(dut, job))


async def run_job(dut: Any, job: dict[str, Any]) -> dict[str, Any]:
    """Fills the table once for each of ``fills``: its ``family``, one of ``fill_study`` or the name of its ``keys``;
    its ``seed``, and ``table_seed`` unless that follows from it. The table has ``key_count`` keys; a fill that takes
    more than ``clock_limit`` clocks is given up.

    The result: ``fills``, each with ``adds`` ([clocks, moves, result] of each, the last one refused), the counts of
    ``EventCounts``, and ``key_latency`` and ``handle_latency``; ``clocks`` simulated in ``seconds``.
    """
    cocotb.start_soon(Clock(dut.clk, CLOCK_PS, "ps").start())
    started, seconds = clock_number(), time.process_time()
    fills = []
    for done, fill in enumerate(job["fills"]):
        random = Random(f"{fill['seed']} fill")
        keys = fill["keys"] if "keys" in fill else FAMILIES[fill["family"]](random, job["key_count"])
        label = f"{fill['family']}, seed {fill['seed']}"
        progress = (label, done, len(job["fills"]))
        table_seed = fill.get("table_seed", random.getrandbits(SEED_BITS))
        fills.append(await _fill(dut, keys, table_seed, random, clock_limit=job["clock_limit"], progress=progress))
    clocks, seconds = clock_number() - started, time.process_time() - seconds
    return {"fills": fills, "clocks": clocks, "seconds": seconds}


async def _fill(
    dut: Any, keys: list[int], seed: int, random: Random, *, clock_limit: int, progress: tuple[str, int, int]
) -> dict[str, Any]:
    label, done, total = progress
    falling = FallingEdge(dut.clk)
    dut.rst.value = 1
    dut.load.value = 0
    dut.do_start.value = 0
    dut.record__number.value = 0
    dut.seed.value = seed
    await ClockCycles(dut.clk, RESET_CLOCKS)
    dut.rst.value = 0
    # One more than the table has room for.
    refused = _another(keys, random)
    dut.load.value = 1
    for place, key in enumerate([*keys, refused]):
        await falling
        dut.load_number.value = place
        dut.load_key.value = key
    await falling
    dut.load.value = 0
    dut.do_start.value = 1
    begun = clock_number()
    while dut.is_done.value != 1:
        if clock_number() - begun > clock_limit:
            raise WrongAnswerError(f"{label}: not done after {clock_limit} clocks, {number(dut.added)} adds answered")
        report_progress(f"{label}: adds", number(dut.added) + done * len(keys), total * len(keys))
        await Timer(POLL_CLOCKS * CLOCK_PS, "ps")
    _check(dut, label)
    adds = []
    for add in range(number(dut.added)):
        await falling
        dut.record__number.value = add
        await Timer(1, "ps")
        adds.append([number(getattr(dut, f"record__{name}")) for name in ("clocks", "moves", "result")])
    return {
        "adds": adds,
        **{name: number(getattr(dut, f"counts__{name}")) for name in COUNTS},
        "key_latency": number(dut.key_latency),
        "handle_latency": number(dut.handle_latency),
    }


def _another(keys: list[int], random: Random) -> int:
    """A key that is not among them, and one for IPv4."""
    known = set(keys)
    while True:
        key = key_bits(spi=random.getrandbits(32), destination=1 + random.getrandbits(31))
        if key not in known:
            return key


def _check(dut: Any, label: str) -> None:
    count = number(dut.counts__error_count)
    if count:
        bits = number(dut.counts__error_kinds)
        kinds = ", ".join(kind for bit, kind in enumerate(ERROR_KINDS) if bits >> bit & 1)
        raise WrongAnswerError(
            f"{label}: {count} wrong answers, the first in clock {number(dut.counts__error_clock)} to a {kinds} of the "
            f"bundle of add {number(dut.counts__error_number)}"
        )
