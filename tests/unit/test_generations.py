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
from saoffload.hdl.table.hashed.timing import MEMORY_LATENCY, WORD_LATENCY

CLOCKS = 1000
#: Each member, the copy that it reads, its name of what it has read, and after how many clocks.
MEMBERS = {
    "key": (0, "generation", MEMORY_LATENCY),
    "link": (0, "data", WORD_LATENCY),
    "handle": (1, "generation", MEMORY_LATENCY),
    "delete": (1, "generation", WORD_LATENCY),
    "manage": (1, "data", WORD_LATENCY),
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
        # What is read, in the order of the clocks in which it is due.
        reads: deque[dict[str, int]] = deque({} for _ in range(WORD_LATENCY + 1))
        arriving: list[tuple[int, int] | None] = [None, None]
        due: dict[str, int] = {}
        for clock in range(CLOCKS):
            where = f"seed {seed}, clock {clock}"
            for name in ("key", "handle", "delete"):
                assert ctx.get(getattr(dut, name).was_good) == (name in due), f"{where}: {name}"
            due = reads.popleft()
            reads.append({})
            for name, (_, data, _) in MEMBERS.items():
                if name in due:
                    seen[name] += 1
                    assert ctx.get(getattr(getattr(dut, name), data)) == due[name], f"{where}: {name}"
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
                assert ctx.get(port.is_ready) == (not is_waiting), f"{where}: {name}"
                if is_waiting:
                    seen["refused"] += do_write
                    asked[name] = None
                writes.append(write if is_taken and do_write else None)

            # In this clock the memories take what was written in the clock before. Who reads with a clock of delay
            # comes after that.
            for name, index in asked.items():
                copy, _, latency = MEMBERS[name]
                if index is None:
                    continue
                write = arriving[copy]
                word = copies[copy].get(index, 0)
                if write is not None and write[0] == index:
                    if latency == MEMORY_LATENCY:
                        seen["collision"] += 1
                        continue
                    word = write[1]
                reads[latency - 1][name] = word
            for words, write in zip(copies, arriving, strict=True):
                if write is not None:
                    words[write[0]] = write[1]
            arriving = writes
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

    async def look(ctx: Any, name: str) -> tuple[int | None, int, int]:
        """Read once; whether it was good, what was read, and the error two clocks later."""
        _, data_name, latency = MEMBERS[name]
        ctx.set(ports[name].do_read, 1)
        await ctx.tick()
        ctx.set(ports[name].do_read, 0)
        await ctx.tick().repeat(latency - 1)
        data = ctx.get(getattr(ports[name], data_name))
        await ctx.tick()
        was_good = ctx.get(ports[name].was_good) if data_name == "generation" else None
        assert not ctx.get(dut.has_error)
        await ctx.tick()
        return was_good, data, ctx.get(dut.has_error)

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
            await ctx.tick()
            for name, (copy, data, _) in MEMBERS.items():
                good, bad = (1, 0) if data == "generation" else (None, None)
                assert await look(ctx, name) == (good, word, 0), name
                bits = Value.cast(contents[copy][index])
                assert len(bits) == config.generation_bits + 1
                for bit in range(len(bits)):
                    ctx.set(bits[bit], ~ctx.get(bits[bit]) & 1)
                    was_good, _, has_error = await look(ctx, name)
                    assert (was_good, has_error) == (bad, 1), (name, bit)
                    ctx.set(bits[bit], ~ctx.get(bits[bit]) & 1)

        simulate(dut, main)
