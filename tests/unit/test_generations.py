"""The generation store: two copies, each reader sees what was written to its own, and a flipped bit is never good."""

from collections import deque
from random import Random
from typing import Any

import pytest
from amaranth.hdl import Value
from tests.unit.memory_bench import dual_port_contents
from tests.unit.streams import seeds, simulate

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.table.hashed.generations import GenerationStore

CLOCKS = 1000
#: Each member, the copy that it reads, and its name of what it has read.
MEMBERS = {
    "key": (0, "generation"),
    "link": (0, "data"),
    "handle": (1, "generation"),
    "delete": (1, "generation"),
    "manage": (1, "data"),
}


def config_of(bundles: int) -> EngineConfig:
    return EngineConfig(name="test", bundles=bundles, keys=bundles)


@pytest.mark.parametrize("seed", seeds(2))
@pytest.mark.parametrize("bundles", [2, 5, 16])
def test_random_traffic(bundles: int, seed: int) -> None:
    random = Random(f"{seed} {bundles}")
    config = config_of(bundles)
    dut = GenerationStore(config)
    copies: tuple[dict[int, int], dict[int, int]] = ({}, {})
    seen = dict.fromkeys((*MEMBERS, "collision", "refused"), 0)

    async def main(ctx: Any) -> None:
        reads: deque[dict[str, int]] = deque([{}] * 2)
        due: dict[str, int] = {}
        for clock in range(CLOCKS):
            where = f"seed {seed}, clock {clock}"
            for name in ("key", "handle", "delete"):
                assert ctx.get(getattr(dut, name).was_good) == (name in due), f"{where}: {name}"
            due = reads.popleft()
            for name, (_, data) in MEMBERS.items():
                port = getattr(dut, name)
                assert ctx.get(port.is_good) == (name in due), f"{where}: {name}"
                if name in due:
                    seen[name] += 1
                    assert ctx.get(getattr(port, data)) == due[name], f"{where}: {name}"
            assert not ctx.get(dut.has_error), where

            base = random.randrange(bundles)
            asked: dict[str, int | None] = {}
            for name in MEMBERS:
                port = getattr(dut, name)
                index = random.choice((base, random.randrange(bundles)))
                do_read = random.random() < (0.9 if name in {"key", "handle"} else 0.4)
                ctx.set(port.index, index)
                ctx.set(port.do_read, do_read)
                asked[name] = index if do_read else None

            writes: list[tuple[int, int] | None] = []
            for copy, name in enumerate(("link", "manage")):
                port = getattr(dut, name)
                write = (ctx.get(port.index), random.getrandbits(config.generation_bits))
                do_write = asked[name] is None and random.random() < 0.5
                ctx.set(port.do_write, do_write)
                ctx.set(port.write_data, write[1])
                is_waiting = copy == 1 and asked["delete"] is not None
                is_taken = not is_waiting and (do_write or asked[name] is not None)
                assert ctx.get(port.is_taken) == is_taken, f"{where}: {name}"
                if is_waiting:
                    seen["refused"] += do_write
                    asked[name] = None
                writes.append(write if is_taken and do_write else None)

            answers = {}
            for name, index in asked.items():
                copy = MEMBERS[name][0]
                if index is None:
                    continue
                write = writes[copy]
                if write is not None and write[0] == index:
                    seen["collision"] += 1
                    continue
                answers[name] = copies[copy].get(index, 0)
            reads.append(answers)
            for words, write in zip(copies, writes, strict=True):
                if write is not None:
                    words[write[0]] = write[1]
            await ctx.tick()

    simulate(dut, main)
    assert min(seen.values()) > CLOCKS // 50, f"seed {seed} tests little: {seen}"


def test_which_reads_need_no_do_read() -> None:
    dut = GenerationStore(config_of(4))
    assert (dut.key.do_read.init, dut.handle.do_read.init, dut.delete.do_read.init) == (1, 1, 0)


@pytest.mark.parametrize("word", [0, 0x1234567, (1 << 29) - 1])
def test_a_flipped_bit_is_told_and_not_good(word: int) -> None:
    """Every bit of both copies, one at a time, in each of the ways to read it."""
    config = config_of(4)
    dut = GenerationStore(config)
    index = 3
    ports = {name: getattr(dut, name) for name in MEMBERS}

    async def look(ctx: Any, name: str) -> tuple[int, int, int]:
        """Read once; what is good, what was read, and the error two clocks later."""
        ctx.set(ports[name].do_read, 1)
        await ctx.tick()
        ctx.set(ports[name].do_read, 0)
        await ctx.tick()
        is_good, data = ctx.get(ports[name].is_good), ctx.get(getattr(ports[name], MEMBERS[name][1]))
        await ctx.tick()
        if MEMBERS[name][1] == "generation":
            assert ctx.get(ports[name].was_good) == is_good
        assert not ctx.get(dut.has_error)
        await ctx.tick()
        return is_good, data, ctx.get(dut.has_error)

    with dual_port_contents() as contents:

        async def main(ctx: Any) -> None:
            for port in ports.values():
                ctx.set(port.index, index)
                ctx.set(port.do_read, 0)
            for port in (dut.link, dut.manage):
                ctx.set(port.write_data, word)
                ctx.set(port.do_write, 1)
            await ctx.tick()
            for port in (dut.link, dut.manage):
                ctx.set(port.do_write, 0)
            for name, (copy, _) in MEMBERS.items():
                assert await look(ctx, name) == (1, word, 0), name
                bits = Value.cast(contents[copy][index])
                assert len(bits) == config.generation_bits + 1
                for bit in range(len(bits)):
                    ctx.set(bits[bit], ~ctx.get(bits[bit]) & 1)
                    is_good, _, has_error = await look(ctx, name)
                    assert (is_good, has_error) == (0, 1), (name, bit)
                    ctx.set(bits[bit], ~ctx.get(bits[bit]) & 1)

        simulate(dut, main)
