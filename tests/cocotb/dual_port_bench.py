"""Random traffic on pairs of dual port memories, one of DP16KD and one of anything. A cocotb module."""

from random import Random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from saoffload.sim.jobs import answer_job

LATENCY = 2
OUTPUTS = tuple(f"{kind}_{port}_data" for kind in ("ecp5", "generic") for port in "ab")


@cocotb.test()
async def compare(dut: Any) -> None:
    """Answers the job of this process."""
    await answer_job(lambda job: run_job(dut, job))


async def run_job(dut: Any, job: dict[str, Any]) -> dict[str, Any]:
    """``sizes``: width and depth of each pair; ``seed``; ``clocks``. Says how many words were compared, and the first
    differences: what output of which pair gave what instead of what.
    """
    pairs = [
        Pair(dut, number, width, depth, Random(f"{job['seed']} {number}"))
        for number, (width, depth) in enumerate(job["sizes"])
    ]
    dut.clk.value = 0
    Clock(dut.clk, 10, "ns").start(start_high=False)
    for _ in range(job["clocks"]):
        await FallingEdge(dut.clk)
        for pair in pairs:
            pair.step()
    differences = [difference for pair in pairs for difference in pair.differences]
    return {"compared": [pair.compared_count for pair in pairs], "differences": differences[:10]}


class Pair:
    """Two memories with the same inputs, and a dictionary of what was written. Addresses are few, but such that every
    address bit tells two of them apart.
    """

    def __init__(self, dut: Any, number: int, width: int, depth: int, random: Random) -> None:
        self._name = f"{width} x {depth}"
        self._width = width
        self._random = random
        self._inputs = {
            name: getattr(dut, f"pair{number}_{name}")
            for name in ("a_address", "b_address", "b_do_write", "b_write_data")
        }
        self._outputs = {name: getattr(dut, f"pair{number}_{name}") for name in OUTPUTS}
        near = [1 << bit for bit in range((depth - 1).bit_length())]
        self._addresses = [0, depth - 1, *near, *(address ^ depth - 1 for address in near)]
        self._addresses = [address for address in self._addresses if address < depth]
        self._addresses += [random.randrange(depth) for _ in range(4)]
        self._words: dict[int, int] = {}
        self._due: list[tuple[int | None, int | None]] = []
        self.compared_count = 0
        self.differences: list[str] = []

    def step(self) -> None:
        """Check what was read two clocks ago, and begin one access of each port."""
        if len(self._due) == LATENCY:
            a_due, b_due = self._due.pop(0)
            for name, handle in self._outputs.items():
                due = a_due if "_a_" in name else b_due
                if due is None:
                    continue
                self.compared_count += 1
                got = int(handle.value)
                if got != due:
                    self.differences.append(f"{self._name}: {name} is {got:#x} instead of {due:#x}")
        a_address = self._random.choice(self._addresses)
        b_address = self._random.choice((a_address, self._random.choice(self._addresses)))
        do_write = self._random.random() < 0.5
        data = self._random.getrandbits(self._width)
        for name, value in (
            ("a_address", a_address),
            ("b_address", b_address),
            ("b_do_write", int(do_write)),
            ("b_write_data", data),
        ):
            self._inputs[name].value = value
        collides = do_write and a_address == b_address
        self._due.append(
            (
                None if collides else self._words.get(a_address),
                None if do_write else self._words.get(b_address),
            )
        )
        if do_write:
            self._words[b_address] = data
