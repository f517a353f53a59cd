"""The plain walker: the clocks of every node, or what ours is compared with means nothing."""

from random import Random
from typing import Any

import pytest
from amaranth.hdl import Elaboratable, Module
from amaranth.lib.wiring import connect
from tests.unit.speed_memory import BASE, SIZE, WordMemory
from tests.unit.streams import Probe, seeds, simulate

from saoffload.host.register_map import Abi
from saoffload.host.structures import NODE_LAYOUTS
from saoffload.sim.bench_hdl.serial_walker import SerialWalker
from saoffload.sim.bench_hdl.stopwatch import Stopwatch

LAYOUT = NODE_LAYOUTS[Abi.X64]


class Measured(Elaboratable):
    """A plain walker on a memory that holds these nodes, with its stopwatch."""

    def __init__(self, nodes: dict[int, bytes], data_width: int) -> None:
        words = {
            address - BASE + at: int.from_bytes(node[at : at + 8], "little")
            for address, node in nodes.items()
            for at in range(0, LAYOUT.size, 8)
        }
        self.memory = WordMemory(data_width=data_width, id_width=1, given=words)
        self.walker = SerialWalker(data_width=data_width)
        self.stopwatch = Stopwatch()

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.memory = self.memory
        m.submodules.walker = self.walker
        m.submodules.stopwatch = self.stopwatch
        connect(m, self.walker.axi, self.memory.reads.axi)
        m.d.comb += [
            self.stopwatch.do_start.eq(self.walker.do_start),
            self.stopwatch.do_stop.eq(self.walker.is_done),
        ]
        return m


def linked(addresses: list[int]) -> dict[int, bytes]:
    successors = [*addresses[1:], 0]
    return {
        address: LAYOUT.pack(next_address=successor, handle=number)
        for number, (address, successor) in enumerate(zip(addresses, successors, strict=True))
    }


def walk(nodes: dict[int, bytes], heads: list[int], *, latency: int, data_width: int = 64) -> dict[str, int]:
    """Walks these lists, one after the other, and returns what is counted in the end."""
    dut = Measured(nodes, data_width)
    done = Probe(dut.walker.is_done)
    found: dict[str, int] = {}

    async def bench(ctx: Any) -> None:
        ctx.set(dut.memory.reads.latency, latency)
        for head in heads:
            ctx.set(dut.walker.head, head)
            ctx.set(dut.walker.do_start, 1)
            await ctx.tick()
            ctx.set(dut.walker.do_start, 0)
            await ctx.tick().until(dut.walker.is_done)
        await ctx.tick()
        for part, name in (
            (dut.walker, "visited_count"),
            (dut.walker, "has_failed"),
            (dut.stopwatch, "cycles"),
            (dut.stopwatch, "start_count"),
            (dut.stopwatch, "stop_count"),
            (dut.memory.reads, "byte_count"),
            (dut.memory.reads, "refused_count"),
        ):
            found[name] = ctx.get(getattr(part, name))

    simulate(dut, bench, monitors=[done])
    assert len(done.high_clocks) == len(heads)
    return found


def clocks_of(addresses: list[int], latency: int, data_width: int) -> int:
    """What a list takes: L + 4 or L + 3 for each node, L more for one across 4 KB, and 1 for the end to show."""
    beat_bytes = data_width // 8
    beats = 24 // beat_bytes + (24 % beat_bytes > 0)
    split_count = sum(address % 4096 > 4096 - 24 for address in addresses)
    return len(addresses) * (latency + beats + 1) + split_count * latency + 1


@pytest.mark.parametrize("data_width", [64, 128])
@pytest.mark.parametrize("latency", [1, 13, 100])
@pytest.mark.parametrize("seed", seeds(2))
def test_every_node_takes_a_round_trip(seed: int, latency: int, data_width: int) -> None:
    random = Random(f"nodes {seed}")
    # Whole nodes in every place of a word, some of them across 4 KB.
    places = [*random.sample(range(SIZE // 24 - 1), 40), 170, 340]
    addresses = [BASE + 8 + 24 * place for place in dict.fromkeys(places)]
    found = walk(linked(addresses), [addresses[0]], latency=latency, data_width=data_width)
    assert any(address % 4096 > 4096 - 24 for address in addresses)
    beats = 24 // (data_width // 8) + (data_width == 128)
    assert found == {
        "visited_count": len(addresses),
        "has_failed": 0,
        "cycles": clocks_of(addresses, latency, data_width),
        "start_count": 1,
        "stop_count": 1,
        "byte_count": len(addresses) * beats * (data_width // 8),
        "refused_count": 0,
    }


def test_lists_one_after_the_other_and_an_empty_one() -> None:
    lists = [[BASE + 24 * (3 * number + which) for number in range(5)] for which in range(2)]
    nodes = linked(lists[0]) | linked(lists[1])
    found = walk(nodes, [lists[0][0], 0, lists[1][0]], latency=13)
    assert (found["visited_count"], found["has_failed"], found["start_count"], found["stop_count"]) == (10, 0, 3, 3)
    # From the first start to the last end: a start may follow in the clock after an end.
    assert found["cycles"] == 2 * clocks_of(lists[0], 13, 64) + 1 + 2


def test_a_wrong_header_ends_the_walk() -> None:
    addresses = [BASE + 32 * number for number in range(4)]
    nodes = linked(addresses)
    nodes[addresses[2]] = LAYOUT.pack(next_address=addresses[3], handle=2, header=0x0018_0280)
    found = walk(nodes, [addresses[0]], latency=2)
    assert (found["visited_count"], found["has_failed"]) == (2, 1)


def test_a_failed_read_ends_the_walk() -> None:
    addresses = [BASE, BASE + 32, BASE + SIZE]
    found = walk(
        linked(addresses[:2]) | {addresses[1]: LAYOUT.pack(next_address=addresses[2], handle=1)}, [BASE], latency=2
    )
    assert (found["visited_count"], found["has_failed"], found["refused_count"]) == (2, 1, 1)


def test_widths() -> None:
    with pytest.raises(ValueError, match="64 or 128, got 32"):
        SerialWalker(data_width=32)
