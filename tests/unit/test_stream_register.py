"""The register between rooms: order, pace, what a reset forgets, and that nothing leads through it."""

from random import Random
from typing import Any

import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.sim import Simulator
from tests.unit.streams import (
    CLOCK_PERIOD,
    STALL_PATTERNS,
    Monitor,
    StallPattern,
    receive_all,
    seeds,
    send_all,
    simulate,
)

from saoffload.hdl.stream_register import StreamRegister

WIDTH = 9


@pytest.mark.parametrize("pattern", STALL_PATTERNS, ids=str)
@pytest.mark.parametrize("seed", seeds(2))
def test_every_payload_once_and_in_order(pattern: StallPattern, seed: int) -> None:
    random = Random(f"stream register {seed}")
    payloads = [random.getrandbits(WIDTH) for _ in range(100)]
    dut = StreamRegister(WIDTH)
    sent, received = Monitor(dut.i, name="i"), Monitor(dut.o, name="o")

    async def source(ctx: Any) -> None:
        await send_all(ctx, dut.i, payloads, stalls=pattern.source(f"{seed} i"))

    async def sink(ctx: Any) -> None:
        await receive_all(ctx, dut.o, len(payloads), stalls=pattern.sink(f"{seed} o"))
        ctx.set(dut.o.ready, 1)

    simulate(dut, source, sink, monitors=[sent, received])
    assert sent.payloads == received.payloads == payloads
    assert [clock + 1 for clock in sent.offer_clocks] == received.offer_clocks
    assert [clock - 1 for clock in sent.clocks] == received.clocks
    if pattern.name == "none":
        assert {later - earlier for earlier, later in zip(received.clocks, received.clocks[1:], strict=False)} == {3}


@pytest.mark.parametrize("clock", range(6))
def test_a_reset_forgets_what_is_on_its_way(clock: int) -> None:
    """The source is reset as well. What was offered before the reset never shows after it."""
    do_reset = Signal()
    dut = StreamRegister(WIDTH)
    m = Module()
    m.submodules.dut = ResetInserter(do_reset)(dut)
    taken: list[int] = []

    async def sink(ctx: Any) -> None:
        ctx.set(dut.o.ready, 1)
        async for _, _, is_valid, payload, resets in ctx.tick().sample(dut.o.valid, dut.o.payload, do_reset):
            if is_valid and not resets:
                taken.append(payload)

    async def bench(ctx: Any) -> None:
        await ctx.tick().repeat(3)
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.i.payload, 1)
        for step in range(8):
            is_told = ctx.get(dut.i.ready)
            ctx.set(do_reset, step == clock)
            await ctx.tick()
            if is_told or step == clock:
                ctx.set(dut.i.valid, 0)
        assert taken in ([], [1])
        assert taken == ([1] if clock > 1 else [])
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.i.payload, 2)
        await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)
        await ctx.tick().repeat(4)

    simulate(m, bench, background=[sink])
    assert taken == ([1, 2] if clock > 1 else [2])


def test_nothing_leads_through() -> None:
    """Within a clock no input changes an output."""
    dut = StreamRegister(WIDTH)
    simulator = Simulator(dut)
    simulator.add_clock(CLOCK_PERIOD)

    async def bench(ctx: Any) -> None:
        random = Random("nothing leads through")
        outputs = (dut.o.valid, dut.o.payload, dut.i.ready)
        for _ in range(200):
            before = [ctx.get(output) for output in outputs]
            for value in (dut.i.valid, dut.i.payload, dut.o.ready):
                ctx.set(value, random.getrandbits(len(value)))
                assert [ctx.get(output) for output in outputs] == before
            await ctx.tick()

    simulator.add_testbench(bench)
    simulator.run()
