"""How long a walk takes for a node, to the clock."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from tests.unit.one_walk_bench import EARLY_ONLY, SERIAL_ONLY, Bed
from tests.unit.streams import Monitor
from tests.unit.walk_bench import PAGE, X64, X86, Abi
from tests.unit.walk_in_python import Command, handles, lay_list

pytestmark = pytest.mark.usefixtures("kind")


@SERIAL_ONLY
@pytest.mark.parametrize("latency", [1, 5, 13, 100])
def test_period_of_x64_nodes_is_latency_plus_three(latency: int) -> None:
    assert periods(X64, latency, [0x2_0000 + 32 * place for place in (5, 0, 9, 3, 7, 1, 2, 40)]) == {latency + 3}


@SERIAL_ONLY
@pytest.mark.parametrize("latency", [1, 13])
def test_period_of_x86_nodes(latency: int) -> None:
    assert periods(X86, latency, [0x2_0000 + 32 * place for place in (5, 0, 9, 3)]) == {latency + 2}
    assert periods(X86, latency, [0x2_0004 + 32 * place for place in (5, 0, 9, 3)]) == {latency + 3}


@SERIAL_ONLY
@pytest.mark.parametrize("latency", [1, 13])
def test_period_of_x64_nodes_across_pages(latency: int) -> None:
    """Two reads of 3 beats in all: the second in the clock after the last beat of the first."""
    assert periods(X64, latency, [0x2_0FF0 + PAGE * place for place in (5, 0, 9, 3)], reads=2) == {2 * latency + 3}


@EARLY_ONLY
@pytest.mark.parametrize("latency", [1, 2, 13, 100])
def test_early_walks_take_a_clock_less(latency: int) -> None:
    """Unless ``Next`` comes in a node's last word only."""
    places = (5, 0, 9, 3, 7, 1, 2, 40)
    assert periods(X64, latency, [0x2_0000 + 32 * place for place in places]) == {latency + 2}
    assert periods(X86, latency, [0x2_0000 + 32 * place for place in places]) == {latency + 1}
    assert periods(X86, latency, [0x2_0004 + 32 * place for place in places]) == {latency + 3}
    assert periods(X64, latency, [0x2_0FF0 + PAGE * place for place in places], reads=2) == {2 * latency + 2}


def periods(abi: Abi, latency: int, addresses: Sequence[int], *, reads: int = 1) -> set[int]:
    """Clocks from one node's first read to the next one's, all that occur; the command's own clocks are checked too."""
    bed = Bed(live=handles(100), latency=latency)
    lay_list(bed.memory, addresses, abi)
    commands = Monitor(bed.dut.commands, "commands")
    bed.monitors.append(commands)

    async def bench(ctx: Any) -> None:
        await bed.walk(ctx, Command(head=addresses[0], abi=abi))

    bed.run(bench)
    clocks = [clock for clock, *_ in bed.reads.log][::reads]
    assert clocks[0] == commands.clocks[0] + 2
    # A visit shows as its delete is handed over, which is answered 3 clocks later; NULL is decided by then.
    assert bed.monitors[0].offer_clocks[0] == bed.visits.high_clocks[-1] + 3 + 1
    return {after - before for before, after in pairwise(clocks)}
