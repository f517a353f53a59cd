"""The completion queue: nothing before its grace period, nothing lost, and a head that stands still."""

from collections import deque
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

import pytest
from tests.unit.control_bench import make_memories_wild
from tests.unit.streams import STALL_PATTERNS, Probe, StallPattern, seeds, send, simulate

from saoffload.hdl.config import preset
from saoffload.hdl.control.completions import Completions
from saoffload.hdl.layouts import COMPLETION, Status

LATENCY = 10
VALID = 1 << 8


@pytest.fixture(autouse=True)
def wild_memories(monkeypatch: pytest.MonkeyPatch) -> None:
    make_memories_wild(monkeypatch)


def result_of(random: Random, tag: int) -> dict[str, Any]:
    values = {name: random.getrandbits(32) for name in ("visited", "deleted", "not_found")}
    return {"tag": tag, "status": random.choice(list(Status)), **values, "fault_address": random.getrandbits(64)}


def flush_result_of(random: Random, tag: int) -> dict[str, Any]:
    deleted = random.randrange(preset("tiny").bundles + 1)
    counts = {"visited": deleted, "deleted": deleted, "not_found": 0}
    return {"tag": tag, "status": Status.OK, **counts, "fault_address": 0}


def words_of(result: dict[str, Any]) -> list[int]:
    fault = result["fault_address"]
    counts = [result[name] for name in ("tag", "visited", "deleted", "not_found")]
    return [result["status"].value | VALID, *counts, fault & 0xFFFF_FFFF, fault >> 32]


class Bed:
    """Reserves places, sends results of both kinds, answers graces, reads and pops as a host would."""

    def __init__(self, depth: int, *, base: str = "tiny"):
        self.depth = depth
        self.dut = Completions(replace(preset(base), completion_depth=depth))
        self.posts = Probe(self.dut.do_post)
        self.graces = Probe(self.dut.graces.valid)
        #: Tags whose commands hold a place but have no result yet, per kind.
        self.walks: deque[dict[str, Any]] = deque()
        self.flushes: deque[dict[str, Any]] = deque()
        self.popped: list[list[int]] = []
        self.held_count = 0
        self.most_held = 0

    async def read(self, ctx: Any) -> list[int]:
        dut = self.dut
        words = []
        for word in range(7):
            ctx.set(dut.word, word)
            await ctx.tick()
            ctx.set(dut.do_read, 1)
            await ctx.tick()
            ctx.set(dut.do_read, 0)
            ctx.set(dut.word, 6 - word)
            words.append(ctx.get(dut.read_data))
            await ctx.tick()
            assert ctx.get(dut.read_data) == 0, "data outside the clock after a read"
        return words

    async def pop(self, ctx: Any) -> None:
        ctx.set(self.dut.do_pop, 1)
        await ctx.tick()
        ctx.set(self.dut.do_pop, 0)

    async def reserve(self, ctx: Any) -> None:
        """Waits for a place and takes it."""
        while not ctx.get(self.dut.may_reserve):
            await ctx.tick()
        assert self.held_count < self.depth, "more places than there are"
        self.held_count += 1
        self.most_held = max(self.most_held, self.held_count)
        ctx.set(self.dut.do_reserve, 1)
        await ctx.tick()
        ctx.set(self.dut.do_reserve, 0)


@pytest.mark.parametrize("base", ["tiny", "small"])
@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("pattern", STALL_PATTERNS, ids=str)
@pytest.mark.parametrize("seed", seeds(2))
def test_every_result_becomes_one_completion(seed: int, pattern: StallPattern, depth: int, base: str) -> None:
    bed, count = Bed(depth, base=base), 20
    dut, random = bed.dut, Random(f"{seed} {pattern} {depth}")
    flush_tags = {tag for tag in range(count) if random.random() < 0.3}
    results = [flush_result_of(random, tag) if tag in flush_tags else result_of(random, tag) for tag in range(count)]
    granted: list[int] = []
    asked: deque[int] = deque()

    async def reserving(ctx: Any) -> None:
        for result in results:
            await bed.reserve(ctx)
            if result["tag"] in flush_tags:
                bed.flushes.append({name: result[name] for name in ("tag", "deleted")})
            else:
                bed.walks.append(result)

    async def sending(ctx: Any, stream: Any, queue: deque[dict[str, Any]], name: str) -> None:
        stalls = pattern.source(f"{seed} {name}")
        while True:
            while not queue:
                await ctx.tick()
            await send(ctx, stream, queue.popleft(), stalls=stalls)

    async def granting(ctx: Any) -> None:
        stalls = pattern.sink(f"{seed} graces")
        clock = 0
        while True:
            answers = bool(asked) and not next(stalls)
            if answers:
                asked.popleft()
                granted.append(clock)
            ctx.set(dut.grace_answers.valid, answers)
            _, _, is_asked = await ctx.tick().sample(dut.graces.valid)
            if is_asked:
                asked.append(clock)
            clock += 1

    async def hosting(ctx: Any) -> None:
        stalls = pattern.sink(f"{seed} host")
        for number in range(count):
            while not ctx.get(dut.is_valid):
                if random.random() < 0.2:
                    words = await bed.read(ctx)
                    assert words == [0] * 7 or ctx.get(dut.is_valid)
                else:
                    await ctx.tick()
            assert len(granted) > number, f"seed {seed}: completion {number} came before its grace period"
            words = await bed.read(ctx)
            while next(stalls):
                assert await bed.read(ctx) == words, f"seed {seed}: the head moved"
            bed.popped.append(words)
            bed.held_count -= 1
            await bed.pop(ctx)

    simulate(
        dut,
        reserving,
        hosting,
        monitors=[bed.posts, bed.graces],
        background=[
            granting,
            partial(sending, stream=dut.walk_results, queue=bed.walks, name="walks"),
            partial(sending, stream=dut.flush_results, queue=bed.flushes, name="flushes"),
        ],
    )
    assert sorted(bed.popped) == sorted(words_of(result) for result in results)
    assert len(bed.posts.high_clocks) == len(bed.graces.high_clocks) == count
    assert bed.most_held == depth


def test_pop_of_nothing_changes_nothing() -> None:
    bed = Bed(2)

    async def bench(ctx: Any) -> None:
        for _ in range(5):
            await bed.pop(ctx)
        assert ctx.get(bed.dut.is_idle)
        assert not ctx.get(bed.dut.is_valid)
        await bed.reserve(ctx)
        assert not ctx.get(bed.dut.is_idle)
        result = result_of(Random("pop"), 7)
        ctx.set(bed.dut.grace_answers.valid, 0)
        await send(ctx, bed.dut.walk_results, result)
        for _ in range(3):
            await bed.pop(ctx)  # while the grace period lasts there is nothing to pop
        assert await bed.read(ctx) == [0] * 7
        assert not ctx.get(bed.dut.is_idle)
        ctx.set(bed.dut.grace_answers.valid, 1)
        await ctx.tick()
        ctx.set(bed.dut.grace_answers.valid, 0)
        await ctx.tick()
        assert await bed.read(ctx) == words_of(result)
        assert ctx.get(bed.dut.is_idle), "what stands in the queue is active no more"
        await bed.pop(ctx)
        await bed.pop(ctx)
        assert await bed.read(ctx) == [0] * 7
        assert ctx.get(bed.dut.may_reserve)

    simulate(bed.dut, bench, monitors=[bed.posts])
    assert len(bed.posts.high_clocks) == 1


def test_latency_with_a_grace_period_that_ends_at_once() -> None:
    bed = Bed(4)
    valids = Probe(bed.dut.is_valid)
    offers = Probe(bed.dut.walk_results.valid)

    async def grant(ctx: Any) -> None:
        while True:
            _, _, is_asked = await ctx.tick().sample(bed.dut.graces.valid)
            ctx.set(bed.dut.grace_answers.valid, is_asked)

    async def bench(ctx: Any) -> None:
        await bed.reserve(ctx)
        await send(ctx, bed.dut.walk_results, COMPLETION.const({"tag": 1}))

    simulate(bed.dut, bench, monitors=[valids, offers], background=[grant])
    assert valids.high_clocks[0] - offers.high_clocks[0] == LATENCY - 1
