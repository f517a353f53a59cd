"""The event counters against plain sums: exact at every read, whenever it comes."""

from random import Random
from typing import Any

import pytest
from tests.unit.control_bench import WildMemory, make_memories_wild
from tests.unit.streams import seeds, simulate

from saoffload.hdl.control.counters import EventCounters

COUNT = 16
#: Clocks from one access of the registers to the next.
SPACING = 5


@pytest.fixture(autouse=True)
def wild_memories(monkeypatch: pytest.MonkeyPatch) -> None:
    make_memories_wild(monkeypatch)


@pytest.mark.parametrize("width", [32, 64])
@pytest.mark.parametrize("seed", seeds(3))
def test_counts_are_exact(seed: int, width: int) -> None:
    """Events in any clocks, reads and pauses as close as every fifth clock, on one counter or on all."""
    twice = (5, 15)
    dut = EventCounters(count=COUNT, width=width, twice=twice)
    random = Random(f"{seed} {width}")
    totals = [0] * COUNT

    async def bench(ctx: Any) -> None:
        last_access = 0
        paused = False
        index = asked = 0
        for clock in range(2000):
            period = clock // 100 % 5
            events = [random.random() < (1.0, 0.5, 0.02, 1.0, 1.0)[period] for _ in range(COUNT)]
            again = random.getrandbits(COUNT) if period < 3 else (1 << COUNT) - 1
            index, asked = random.randrange(COUNT) if period != 3 else 5, index
            # The first clocks count events, too, but reads give 0 until the memory is filled.
            may_access = clock - last_access >= SPACING
            # A read needs a pause before it; not every pause is one before a read.
            reads = paused and random.random() < (0.1, 0.9, 0.5, 1.0, 1.0)[period]
            is_high = random.random() < 0.3
            ctx.set(dut.events, sum(event << number for number, event in enumerate(events)))
            ctx.set(dut.events_again, again)
            ctx.set(dut.index, index)
            ctx.set(dut.is_high, is_high)
            paused = may_access and random.random() < (0.5, 1.0, 0.9, 1.0, 1.0)[period]
            last_access = clock if paused else last_access
            ctx.set(dut.do_read, reads)
            ctx.set(dut.do_pause, paused)
            expected = totals[asked]
            for number, event in enumerate(events):
                totals[number] += event + (number in twice and again >> number & 1)
            await ctx.tick()
            got = ctx.get(dut.read_data)
            if reads and not is_high:
                # While the memory is filled, 0 is right, too.
                assert got == expected or (clock < 50 and got == 0), f"seed {seed}: clock {clock}, counter {asked}"
            else:
                assert got == 0, f"seed {seed}: clock {clock}: no counter has a high word yet"

    simulate(dut, bench)


def test_all_counters_at_full_rate_with_a_read_in_every_fifth_clock() -> None:
    dut = EventCounters(count=COUNT, width=32, twice=(3,))

    async def bench(ctx: Any) -> None:
        ctx.set(dut.events, (1 << COUNT) - 1)
        ctx.set(dut.events_again, (1 << COUNT) - 1)
        for clock in range(2000):
            reads = clock % SPACING == 1
            ctx.set(dut.do_pause, clock % SPACING == 0)
            ctx.set(dut.do_read, reads)
            index = 3 if clock < 1000 else clock // SPACING % COUNT
            ctx.set(dut.index, index)
            await ctx.tick()
            if clock > 50 and reads:
                assert ctx.get(dut.read_data) == clock * (2 if index == 3 else 1)

    simulate(dut, bench)


def test_carry_into_the_high_word_and_its_latch() -> None:
    """The high word stands as it was latched, whatever is counted until it is read."""
    dut = EventCounters(count=4, width=64)

    async def read(ctx: Any, *, is_high: bool) -> int:
        ctx.set(dut.do_pause, 1)
        await ctx.tick()
        ctx.set(dut.do_pause, 0)
        ctx.set(dut.is_high, is_high)
        ctx.set(dut.do_read, 1)
        await ctx.tick()
        ctx.set(dut.do_read, 0)
        word = ctx.get(dut.read_data)
        await ctx.tick().repeat(3)
        return word

    async def bench(ctx: Any) -> None:
        ctx.set(dut.index, 2)
        # Not in the clocks of the counter's own turn, which would write over it.
        await ctx.tick().repeat(22)
        low, high = WildMemory.built[-2:]
        ctx.set(low.contents[2], 0xFFFF_FFFF)
        ctx.set(high.contents[2], 7)
        await ctx.tick().repeat(20)
        assert await read(ctx, is_high=False) == 0xFFFF_FFFF
        ctx.set(dut.events, 0b0100)
        await ctx.tick()
        ctx.set(dut.events, 0)
        assert await read(ctx, is_high=True) == 7
        assert await read(ctx, is_high=False) == 0
        assert await read(ctx, is_high=True) == 8

    simulate(dut, bench)


def test_what_comes_twice_must_be_a_counter() -> None:
    with pytest.raises(ValueError, match="4"):
        EventCounters(count=4, width=32, twice=(0, 4))


@pytest.mark.parametrize(("count", "width"), [(3, 32), (12, 32), (16, 48)])
def test_sizes_that_cannot_be_built(count: int, width: int) -> None:
    with pytest.raises(ValueError, match=str(width if width == 48 else count)):
        EventCounters(count=count, width=width)
