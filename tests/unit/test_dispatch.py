"""Which context a command gets: one that is free in every respect."""

from itertools import pairwise
from random import Random
from typing import Any

import pytest
from tests.cocotb.deliberate import patch
from tests.unit.many_walks_bench import WINDOW, Bed, contexts
from tests.unit.streams import never, simulate
from tests.unit.walk_bench import X64, Memory
from tests.unit.walk_in_python import Command, walk_in_python

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.walk.contexts.decision import Decision
from saoffload.hdl.walk.contexts.dispatch import Dispatch
from saoffload.hdl.walk.contexts.offers import Offers

CONTEXTS = 3
CONFIG = EngineConfig(name="test", bundles=4, keys=4, contexts=CONTEXTS, id_width=2)
PATIENCE = 12
"""Clocks in which a command that can start does."""
KNOWN_LATE = 3
"""Clocks after which it is known that an ID is not lost any more."""


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


@pytest.mark.parametrize("clocks", range(KNOWN_LATE, 12))
@pytest.mark.parametrize("back", range(CONTEXTS))
def test_no_lost_context_starts_once_an_id_is_back(back: int, clocks: int) -> None:
    """A context that was found while all were lost does not wait for a command as the only choice."""
    dut = Dispatch(CONFIG)
    started = []

    async def main(ctx: Any) -> None:
        ctx.set(dut.busy_ids, (1 << CONTEXTS) - 1)
        await ctx.tick().repeat(PATIENCE)
        ctx.set(dut.busy_ids, ((1 << CONTEXTS) - 1) & ~(1 << back))
        await ctx.tick().repeat(clocks)
        ctx.set(dut.commands.valid, 1)
        for _ in range(PATIENCE):
            await ctx.tick()
            if ctx.get(dut.do_start):
                started.append(ctx.get(dut.context))
                break

    simulate(dut, main, deadline=100)
    assert started == [back]


@pytest.mark.parametrize("seed", range(2))
def test_an_address_that_waits_is_not_taken_for_a_head(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a walker that asks for every address once more as it is decided, and lets what it asks for wait long: what is
    rare there is the rule here.
    """
    print(f"seed {seed}")
    once = "is_put_off | self.starts[number]"
    twice = f"{once} | (self.do_settle & (context == number))"
    patch(monkeypatch, Decision, "elaborate", once, twice)
    patch(monkeypatch, Offers, "elaborate", "has_one_q & is_free & ~self.lane_offers | is_urgent_q", "is_urgent_q")
    random = Random(seed)
    memory = Memory(seed)
    commands = []
    for number in range(40):
        base = WINDOW[0] + 0x1000 * number
        nodes = [base + 24 * place for place in range(random.randrange(3))]
        for address, following in pairwise([*nodes, 0]):
            memory.write(address, X64.node(following, 0x8000_0000 + number))
        commands.append(Command(head=nodes[0] if nodes else 0, abi=X64, windows=(WINDOW,)))
    bed = Bed(contexts(3), memory=memory, live={0x8000_0000 + number for number in range(40)}, latency=1)

    async def submit(ctx: Any) -> None:
        await bed.set_windows(ctx, [WINDOW])
        for tag, command in enumerate(commands):
            await bed.submit(ctx, tag, command, walk_in_python(command, memory, set()))

    async def collect(ctx: Any) -> None:
        await bed.collect(ctx, len(commands), never())

    bed.run(submit, collect)
    bed.check()
