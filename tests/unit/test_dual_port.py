"""Dual port memories: what is read is what was written, two clocks later, wherever the contract says so."""

from random import Random
from typing import Any

import pytest
from tests.unit.streams import seeds, simulate

from saoffload.hdl.dual_port import DualPortMemory, WriteCollision

LATENCY = 2
CLOCKS = 1000


@pytest.mark.parametrize("seed", seeds(2))
@pytest.mark.parametrize(("width", "depth"), [(1, 2), (7, 5), (18, 64)])
def test_random_traffic(width: int, depth: int, seed: int) -> None:
    random = Random(f"{seed} {width} {depth}")
    dut = DualPortMemory(width=width, depth=depth)
    words: dict[int, int] = {}
    due: list[tuple[int | None, int | None]] = []
    compared = [0, 0]

    async def main(ctx: Any) -> None:
        for clock in range(CLOCKS):
            if len(due) == LATENCY:
                for port, (output, word) in enumerate(zip((dut.a_data, dut.b_data), due.pop(0), strict=True)):
                    if word is not None:
                        compared[port] += 1
                        assert ctx.get(output) == word, f"seed {seed}, clock {clock}, port {'ab'[port]}"
            a_address, b_address = random.randrange(depth), random.randrange(depth)
            do_write, data = random.random() < 0.5, random.getrandbits(width)
            ctx.set(dut.a_address, a_address)
            ctx.set(dut.b_address, b_address)
            ctx.set(dut.b_do_write, do_write)
            ctx.set(dut.b_write_data, data)
            collides = do_write and a_address == b_address
            due.append((None if collides else words.get(a_address), None if do_write else words.get(b_address)))
            if do_write:
                words[b_address] = data
            await ctx.tick()

    simulate(dut, main)
    assert min(compared) > CLOCKS // 8, f"seed {seed} tests little"


@pytest.mark.parametrize("seed", seeds(2))
@pytest.mark.parametrize("depth", [2, 5, 1000])
def test_a_collision_is_told_with_the_word(depth: int, seed: int) -> None:
    random = Random(f"{seed} {depth}")
    dut = WriteCollision(depth=depth)
    due: list[bool] = []

    async def main(ctx: Any) -> None:
        for clock in range(CLOCKS):
            if len(due) == LATENCY:
                assert ctx.get(dut.collided) == due.pop(0), f"seed {seed}, clock {clock}"
            read = random.randrange(depth)
            # One bit apart is what a comparison may miss.
            write = random.choice((read, read ^ 1 << random.randrange((depth - 1).bit_length())))
            write = write if write < depth else read
            do_write = random.random() < 0.7
            ctx.set(dut.read_address, read)
            ctx.set(dut.write_address, write)
            ctx.set(dut.do_write, do_write)
            due.append(do_write and read == write)
            await ctx.tick()

    simulate(dut, main)


@pytest.mark.parametrize(
    ("width", "depth", "blocks"),
    [
        (1, 2, 1),
        (18, 512, 1),
        (36, 512, 2),
        (18, 1024, 1),
        (19, 1024, 2),
        (9, 1025, 1),
        (177, 2048, 20),
        (4, 4096, 1),
        (20, 4096, 5),
        (3, 8192, 2),
        (2, 16384, 2),
        (18, 16384, 18),
        (5, 16384 + 1024, 6),
        (3, 2 * 16384 + 8192, 8),
    ],
)
def test_blocks_on_ecp5(width: int, depth: int, blocks: int) -> None:
    assert DualPortMemory.blocks(width, depth) == blocks


@pytest.mark.parametrize(("width", "depth", "named"), [(0, 4, "width"), (1, 1, "depth")])
def test_sizes_that_cannot_be_built(width: int, depth: int, named: str) -> None:
    with pytest.raises(ValueError, match=f"{named} must be at least"):
        DualPortMemory(width=width, depth=depth)
