"""A count that knows in every clock whether it stands at its watched number."""

from random import Random
from typing import Any

import pytest
from tests.unit.streams import seeds, simulate

from saoffload.hdl.table.watched_count import WatchedCount

CLOCKS = 2000


@pytest.mark.parametrize("seed", seeds(2))
@pytest.mark.parametrize("is_small", [False, True])
@pytest.mark.parametrize(("high", "watched"), [(1, 0), (1, 1), (2, 1), (5, 0), (5, 4), (5, 5), (16, 0), (16, 15)])
def test_the_watched_number_is_known_in_every_clock(high: int, watched: int, seed: int, *, is_small: bool) -> None:
    random = Random(f"{seed} {high} {watched}")
    dut = WatchedCount(high=high, watched=watched, is_small=is_small)
    seen = {"there": 0, "elsewhere": 0, "both": 0}

    async def main(ctx: Any) -> None:
        count = 0
        direction = 1
        for clock in range(CLOCKS):
            assert ctx.get(dut.is_watched) == (count == watched), f"seed {seed}, clock {clock}: {count}"
            seen["there" if count == watched else "elsewhere"] += 1
            # Up and down in turns, so that both ends are met; and about the watched number in between.
            if random.random() < 0.05:
                direction = random.choice((-1, 0, 1))
            does_add = random.random() < 0.5 + 0.4 * direction
            does_remove = random.random() < 0.5 - 0.4 * direction
            does_remove &= count + does_add > 0
            does_add &= count - does_remove < high
            seen["both"] += does_add and does_remove
            ctx.set(dut.does_add, does_add)
            ctx.set(dut.does_remove, does_remove)
            count += does_add - does_remove
            await ctx.tick()

    simulate(dut, main)
    assert min(seen.values()) > CLOCKS // 100, f"seed {seed} tests little: {seen}"


@pytest.mark.parametrize("watched", [-1, 6])
def test_what_cannot_be_reached_is_refused(watched: int) -> None:
    with pytest.raises(ValueError, match=f"got {watched}"):
        WatchedCount(high=5, watched=watched)
