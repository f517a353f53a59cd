"""Which context a command gets: one that is free in every respect."""

from random import Random
from typing import Any

import pytest
from tests.unit.streams import simulate

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.walk.contexts.dispatch import Dispatch

CONTEXTS = 3
CONFIG = EngineConfig(name="test", bundles=4, keys=4, contexts=CONTEXTS, id_width=2)
PATIENCE = 12
"""Clocks in which a command that can start does."""


@pytest.mark.parametrize("seed", range(2))
def test_nothing_is_left_of_the_command_before(seed: int) -> None:
    """A context whose ID is busy, or of which an address is still on its way to be judged, gets no command; the others
    do. Seen from outside, that address would be taken for the head of the new command.
    """
    print(f"seed {seed}")
    random = Random(seed)
    dut = Dispatch(CONFIG)

    async def main(ctx: Any) -> None:
        ctx.set(dut.commands.valid, 1)
        running: set[int] = set()
        started = waited = 0
        for _ in range(400):
            # Both last on when a context becomes free, and neither begins while it is.
            left = {number for number in running if random.random() < 0.5}
            busy = {number for number in running if random.random() < 0.3}
            ctx.set(dut.is_looked_for, sum(1 << number for number in left))
            ctx.set(dut.busy_ids, sum(1 << number for number in busy))
            for number in sorted(running):
                ctx.set(dut.do_free, 1)
                ctx.set(dut.freed_context, number)
                await ctx.tick()
            ctx.set(dut.do_free, 0)
            running.clear()
            # If all are lost, a lost one is better than none.
            possible = set(range(CONTEXTS)) - left - (busy if len(busy) < CONTEXTS else set())
            for _ in range(PATIENCE * CONTEXTS):
                if ctx.get(dut.do_start):
                    context = ctx.get(dut.context)
                    assert context in possible - running, f"{context} of {possible}, while {running} run"
                    running.add(context)
                await ctx.tick()
            assert running >= possible or len(busy) == CONTEXTS, f"only {running} of {possible} started"
            started += len(running)
            waited += len(left)
        assert min(started, waited) > 100

    simulate(dut, main, deadline=200_000)
