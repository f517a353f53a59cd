"""The order between the jobs of a hash table's management, whatever comes in between them."""

from typing import Any

import pytest
from tests.unit.streams import simulate

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.table.hashed.keeper import Keeper

CONFIG = EngineConfig(name="test", bundles=4, keys=4)
STEP_CLOCKS = 3
STEPS_PER_PASS = 2


@pytest.mark.parametrize("delay", range(1, 4 * (STEP_CLOCKS + 3)))
def test_no_pass_begins_before_the_one_before_has_freed_its_dead(delay: int) -> None:
    """The walk that frees tells the dead of a pass by the pass's parity, so that holds still from the end of the grace
    period, in whatever clock it comes, to the end of the walk.
    """
    dut = Keeper(CONFIG)

    async def steps(ctx: Any) -> None:
        """A sweep, and a walk over the indices, that take a few clocks each."""
        step = 0
        while True:
            _, _, does_step, does_walk = await ctx.tick().sample(dut.step_start, dut.walk_start)
            if does_step or does_walk:
                idle = dut.step_is_idle if does_step else dut.walk_is_idle
                ctx.set(idle, 0)
                await ctx.tick().repeat(STEP_CLOCKS)
                step += bool(does_step)
                end = dut.walk_is_done if does_walk else dut.pass_is_done
                ctx.set(end, bool(does_walk) or step % STEPS_PER_PASS == 0)
                await ctx.tick()
                ctx.set(end, 0)
                ctx.set(idle, 1)

    async def main(ctx: Any) -> None:
        for idle in (dut.step_is_idle, dut.walk_is_idle, dut.mover_is_idle, dut.has_dead):
            ctx.set(idle, 1)
        # What was answered before a reset by register is waited for first.
        await ctx.tick().until(dut.graces.valid)
        for strobe in (dut.grace_answers.valid, dut.wipe_is_done):
            ctx.set(strobe, 1)
            await ctx.tick()
            ctx.set(strobe, 0)
        for _ in range(3):
            await ctx.tick().until(dut.graces.valid)
            await ctx.tick().repeat(delay)
            ctx.set(dut.grace_answers.valid, 1)
            await ctx.tick()
            ctx.set(dut.grace_answers.valid, 0)
            parity = ctx.get(dut.sweep_parity)
            is_done = False
            while not is_done:
                _, _, is_done, now = await ctx.tick().sample(dut.walk_is_done, dut.sweep_parity)
                assert now == parity, "a pass began before the dead of the last were free"

    simulate(dut, main, background=[steps])
