"""A bench for any SA table: drives every port of ``TableSignature`` and judges every answer against plain Python.

The judge knows the contract, not the table: a set of live bundles, what is being added, and which answers are not
retired. It sees all ports in every clock, so it holds the table to the clock of each answer.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from amaranth.hdl import Value
from tests.unit.streams import plain

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import AddResult

KINDS = ("key", "handle")


@dataclass(frozen=True)
class Key:
    """What a receive lookup asks for, and what an inbound SA is found by."""

    spi: int
    destination: int = 0xC0000201
    family: int = 0
    protocol: int = 0

    def bits(self) -> dict[str, Any]:
        return {
            "spi": self.spi,
            "destination": self.destination,
            "family": layouts.Family(self.family),
            "protocol": layouts.Protocol(self.protocol),
        }


@dataclass(frozen=True)
class Bundle:
    """A bundle to add; ``handle`` is what a restore names."""

    keys: tuple[Key, ...]
    is_outbound: bool = False
    context: int = 0
    handle: int = 0
    sa_count: int | None = None

    def bits(self) -> dict[str, Any]:
        keys = [*self.keys, Key(0, 0)][:2]
        return {
            "handle": self.handle,
            "direction": layouts.Direction(int(self.is_outbound)),
            "sa_count": len(self.keys) if self.sa_count is None else self.sa_count,
            "keys": [key.bits() for key in keys],
            "context": self.context,
        }


@dataclass
class Answered:
    """A lookup answer that is not retired yet."""

    clock: int
    epoch: int


@dataclass
class Judge:
    """What must be true at the ports of a table, kept clock by clock."""

    config: EngineConfig
    flush_patience: int
    clock: int = 0
    live: dict[int, Bundle] = field(default_factory=dict)
    #: The bundle whose add is offered and not answered, and the handle that lookups have seen it under.
    adding: Bundle | None = None
    seen_handle: int | None = None
    is_restoring: bool = True
    #: From the clock after a flush is offered, and from the clock after it is taken, to its answer.
    gate_is_closed: bool = False
    is_flushing: bool = False
    flush_wait_clocks: int = 0
    #: Of the next owner of each index that has had one.
    generations: dict[int, int] = field(default_factory=dict)
    asked: dict[str, deque[Any]] = field(default_factory=lambda: {kind: deque() for kind in KINDS})
    unretired: dict[str, list[Answered]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    deletes: deque[int] = field(default_factory=deque)
    graces: deque[int] = field(default_factory=deque)
    death_clock: dict[int, int] = field(default_factory=dict)
    added_count: int = 0
    deleted_count: int = 0
    flushed_count: int = 0
    answer_count: int = 0
    hit_count: int = 0

    def expect_key(self, key: Key) -> list[dict[str, Any] | None]:
        """The answers to a key lookup that are right now: one, or two while a bundle is being added."""
        candidates: list[dict[int, Bundle]] = [dict(self.live)]
        if self.gate_is_closed:
            return [None]
        if self.adding is not None and not self.adding.is_outbound:
            candidates.append({**self.live, -1: self.adding})
            if self.seen_handle is not None:
                candidates = candidates[1:]
        return [self._find(bundles, key) for bundles in candidates]

    def _find(self, bundles: dict[int, Bundle], key: Key) -> dict[str, Any] | None:
        for wanted in (key, replace(key, destination=0)):
            for handle, bundle in bundles.items():
                if not bundle.is_outbound and wanted in bundle.keys:
                    return {"handle": handle, "sa_number": bundle.keys.index(wanted), "context": bundle.context}
        return None

    def answer_key(self, key: Key, answer: dict[str, Any]) -> None:
        expected = self.expect_key(key)
        found = None
        if answer["hit"]:
            found = {name: answer[name] for name in ("handle", "sa_number", "context")}
            assert answer["direction"] == layouts.Direction.INBOUND
            if any(
                one is not None and one["handle"] == -1 and {**one, "handle": found["handle"]} == found
                for one in expected
            ):
                if found["handle"] not in self.live:
                    assert self.seen_handle in (None, found["handle"])
                    self.seen_handle = found["handle"]
                    return
        assert found in expected, f"clock {self.clock}: {key} answered {found}, expected one of {expected}"

    def answer_handle(self, handle: int, answer: dict[str, Any]) -> None:
        bundle = self.live.get(handle)
        expected = None
        if bundle is not None and bundle.is_outbound and not self.gate_is_closed:
            expected = {"handle": handle, "sa_number": 0, "context": bundle.context}
        found = {name: answer[name] for name in ("handle", "sa_number", "context")} if answer["hit"] else None
        if self.adding is not None and self.adding.is_outbound and found is not None and expected is None:
            return
        assert found == expected, f"clock {self.clock}: {handle:#x} answered {found}, expected {expected}"

    def answer_add(self, answer: dict[str, Any]) -> None:
        assert self.adding is not None
        assert not self.is_flushing, f"clock {self.clock}: an add is answered while a flush is under way"
        result, handle, named = answer["result"], answer["handle"], self.adding.handle
        if self.is_restoring:
            assert named or result in (AddResult.NOT_READY, AddResult.UNSUPPORTED, AddResult.RESTORE_MODE)
            assert handle in (0, named), f"{named:#x} was restored as {handle:#x}"
        else:
            assert result not in (AddResult.RESTORE_MODE, AddResult.BAD_HANDLE, AddResult.HANDLE_IN_USE)
        if result == AddResult.OK:
            self._issue(handle)
            assert self.seen_handle in (None, handle)
            self.live[handle] = self.adding
            self.added_count += 1
        else:
            assert handle == 0
            assert self.seen_handle is None, "a bundle that was not added was seen"
        self.adding = None
        self.seen_handle = None

    def _issue(self, handle: int) -> None:
        index = handle & (1 << self.config.index_bits) - 1
        generation = (handle & 0x7FFF_FFFF) >> self.config.index_bits
        assert handle >> 31 == 1
        assert index < self.config.bundles
        assert all(other & (1 << self.config.index_bits) - 1 != index for other in self.live), "index given twice"
        death = self.death_clock.get(index)
        if death is not None:
            late = [one for kind in KINDS for one in self.unretired[kind] if one.clock < death]
            assert not late, f"clock {self.clock}: index {index} issued again with {late} unretired"
        if not self.is_restoring:
            expected = self.generations.get(index, 0)
            assert generation == expected, f"clock {self.clock}: {handle:#x} is not of generation {expected}"
        self.generations[index] = (generation + 1) % (1 << self.config.generation_bits)

    def answer_delete(self, found: int) -> None:
        handle = self.deletes.popleft()
        if self.is_flushing:  # the flush and the delete may come in either order
            assert not found or handle in self.live, f"clock {self.clock}: nothing to delete under {handle:#x}"
        else:
            assert found == (handle in self.live), f"clock {self.clock}: delete of {handle:#x} answered {found}"
        if found:
            del self.live[handle]
            self.deleted_count += 1
            self.death_clock[handle & (1 << self.config.index_bits) - 1] = self.clock

    def answer_flush(self, deleted: int) -> None:
        assert deleted == len(self.live), f"clock {self.clock}: a flush of {len(self.live)} bundles counted {deleted}"
        self.flushed_count += deleted
        self.live.clear()
        self.gate_is_closed = self.is_flushing = False
        self.is_restoring = True

    def see_flush(self, *, is_taken: bool) -> None:
        """A flush is on offer to a table that is ready."""
        if self.is_flushing:
            return
        if not is_taken:
            self.flush_wait_clocks += 1
            assert self.flush_wait_clocks <= self.flush_patience, f"clock {self.clock}: a flush waits"
        self.gate_is_closed = True
        if is_taken:
            self.is_flushing = True
            self.flush_wait_clocks = 0

    def see_end_restore(self, *, is_taken: bool, is_void: bool, waits_for_flush: bool) -> None:
        """An end of restore mode is on offer; void: before the table is ready, or in the clock of a flush."""
        may_be_taken = self.adding is None and not waits_for_flush
        assert is_taken == (may_be_taken or is_void), f"clock {self.clock}: the end of restore came too early or late"
        if is_taken and not is_void:
            self.is_restoring = False

    def answer_grace(self) -> None:
        taken = self.graces.popleft()
        late = [one for kind in KINDS for one in self.unretired[kind] if one.clock < taken]
        assert not late, f"clock {self.clock}: grace of clock {taken} answered with {late} unretired"


class TableBench:
    """Drives one table. ``watch`` is a process that judges; the other coroutines are for testbenches."""

    def __init__(self, dut: Any, config: EngineConfig):
        self.dut = dut
        self.config = config
        self.judge = Judge(config, flush_patience=dut.delete_latency)
        self.add_results: list[dict[str, Any]] = []
        self.answers: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
        self.answer_clocks: dict[str, list[int]] = {kind: [] for kind in KINDS}
        self.delete_clocks: list[int] = []
        self.graces_answered = 0
        self.bad_retire_count = 0
        #: The answer to an add was offered, and judged, and not taken.
        self.answer_stands = False

    async def watch(self, ctx: Any) -> None:
        """Sample every port in every clock; what ends in a clock is judged before what is answered in it.

        An add that was taken is no longer offered: nobody needs to wait for that.
        """
        dut, judge = self.dut, self.judge
        streams = [
            dut.flushes, dut.flush_answers, dut.delete_answers, dut.add_answers, dut.grace_answers, dut.graces,
            dut.deletes, dut.adds, dut.key_answers, dut.handle_answers, dut.key_requests, dut.handle_requests,
            dut.key_retires, dut.handle_retires, dut.end_restores,
        ]  # fmt: skip
        samples = [item for one in streams for item in (one.valid, one.ready, Value.cast(one.payload))]
        state = (dut.bad_retire, dut.is_ready, dut.is_restoring)
        async for values in ctx.tick().sample(*state, *samples):
            (bad_retire, is_ready, is_restoring), flat = values[2:5], values[5:]
            self.bad_retire_count += bad_retire.bit_count()
            assert judge.is_flushing or is_restoring == judge.is_restoring, f"clock {judge.clock}: restore mode"
            seen = {
                id(one): plain(one.payload.shape().from_bits(flat[3 * number + 2])) if flat[3 * number] else None
                for number, one in enumerate(streams)
            }
            taken = {id(one): bool(flat[3 * n] and flat[3 * n + 1]) for n, one in enumerate(streams)}
            gate_was_closed = judge.gate_is_closed
            self._judge_ends(seen, taken)
            self._judge_lookups(seen, taken)
            self._judge_modes(seen, taken, is_ready=bool(is_ready), gate_was_closed=gate_was_closed)
            judge.clock += 1
            if taken[id(dut.adds)]:
                ctx.set(dut.adds.valid, 0)

    def _judge_ends(self, seen: dict[int, Any], taken: dict[int, bool]) -> None:
        dut, judge = self.dut, self.judge
        if (answer := seen[id(dut.delete_answers)]) is not None:
            judge.answer_delete(answer["found"])
            self.delete_clocks.append(judge.clock)
        if (answer := seen[id(dut.add_answers)]) is not None:
            if not self.answer_stands:
                judge.answer_add(answer)
            self.answer_stands = not taken[id(dut.add_answers)]
            if not self.answer_stands:
                self.add_results.append(answer)
        if (answer := seen[id(dut.flush_answers)]) is not None:
            judge.answer_flush(answer["deleted"])
        if seen[id(dut.grace_answers)] is not None:
            judge.answer_grace()
            self.graces_answered += 1

    def _judge_lookups(self, seen: dict[int, Any], taken: dict[int, bool]) -> None:
        dut, judge = self.dut, self.judge
        for kind in KINDS:
            if (answer := seen[id(getattr(dut, f"{kind}_answers"))]) is not None:
                asked = judge.asked[kind].popleft()
                (judge.answer_key if kind == "key" else judge.answer_handle)(asked, answer)
                judge.unretired[kind].append(Answered(judge.clock, answer["epoch"]))
                judge.answer_count += 1
                judge.hit_count += answer["hit"]
                self.answers[kind].append(answer)
                self.answer_clocks[kind].append(judge.clock)
            if (retire := seen[id(getattr(dut, f"{kind}_retires"))]) is not None:
                first = next((one for one in judge.unretired[kind] if one.epoch == retire["epoch"]), None)
                if first is not None:
                    judge.unretired[kind].remove(first)
            if taken[id(getattr(dut, f"{kind}_requests"))]:
                payload = seen[id(getattr(dut, f"{kind}_requests"))]
                if kind == "key":
                    asked = Key(
                        payload["spi"], payload["destination"], payload["family"].value, payload["protocol"].value
                    )
                else:
                    asked = payload["handle"]
                judge.asked[kind].append(asked)
        if seen[id(dut.graces)] is not None:
            judge.graces.append(judge.clock)
        if seen[id(dut.deletes)] is not None:
            judge.deletes.append(seen[id(dut.deletes)]["handle"])

    def _judge_modes(
        self, seen: dict[int, Any], taken: dict[int, bool], *, is_ready: bool, gate_was_closed: bool
    ) -> None:
        dut, judge = self.dut, self.judge
        if seen[id(dut.end_restores)] is not None:
            is_void = not is_ready or taken[id(dut.flushes)]
            is_taken = taken[id(dut.end_restores)]
            judge.see_end_restore(is_taken=is_taken, is_void=is_void, waits_for_flush=gate_was_closed)
        if is_ready and seen[id(dut.flushes)] is not None:
            judge.see_flush(is_taken=taken[id(dut.flushes)])

    # What testbenches do

    async def wait_ready(self, ctx: Any) -> None:
        while not ctx.get(self.dut.is_ready):
            await ctx.tick()

    async def start(self, ctx: Any, *, leaves_restore: bool = True) -> None:
        """Wait for the reset scrub and leave restore mode."""
        ctx.set(self.dut.add_answers.ready, 1)
        await self.wait_ready(ctx)
        if leaves_restore:
            await self.handshake(ctx, self.dut.end_restores)

    async def handshake(self, ctx: Any, stream: Any) -> None:
        ctx.set(stream.valid, 1)
        is_ready = False
        while not is_ready:
            _, _, is_ready = await ctx.tick().sample(stream.ready)
        ctx.set(stream.valid, 0)

    async def add(self, ctx: Any, bundle: Bundle) -> tuple[AddResult, int]:
        """Offer one bundle and return its answer."""
        return await self.answer_of_add(ctx, self.offer_add(ctx, bundle))

    def offer_add(self, ctx: Any, bundle: Bundle) -> int:
        """Offer one bundle until it is answered; returns the number of its answer."""
        assert self.judge.adding is None
        self.judge.adding = bundle
        ctx.set(self.dut.adds.payload, bundle.bits())
        ctx.set(self.dut.adds.valid, 1)
        return len(self.add_results)

    async def answer_of_add(self, ctx: Any, number: int) -> tuple[AddResult, int]:
        """Wait for the answer of this number."""
        while len(self.add_results) <= number:
            await ctx.tick()
        answer = self.add_results[number]
        return answer["result"], answer["handle"]

    async def lookup(self, ctx: Any, kind: str, asked: Key | int, *, retires: bool = True) -> dict[str, Any]:
        """One lookup, its answer, and unless told otherwise its retire."""
        requests = getattr(self.dut, f"{kind}_requests")
        ctx.set(requests.payload, asked.bits() if isinstance(asked, Key) else {"handle": asked})
        before = len(self.answers[kind])
        await self.handshake(ctx, requests)
        while len(self.answers[kind]) == before:
            await ctx.tick()
        answer = self.answers[kind][before]
        if retires:
            await self.retire(ctx, kind, answer["epoch"])
        return answer

    async def retire(self, ctx: Any, kind: str, epoch: int) -> None:
        retires = getattr(self.dut, f"{kind}_retires")
        ctx.set(retires.payload, {"epoch": epoch})
        ctx.set(retires.valid, 1)
        await ctx.tick()
        ctx.set(retires.valid, 0)

    async def delete(self, ctx: Any, *handles: int) -> None:
        """Deletes, one per clock; returns when all are answered."""
        before = len(self.delete_clocks)
        for handle in handles:
            ctx.set(self.dut.deletes.payload, {"handle": handle})
            ctx.set(self.dut.deletes.valid, 1)
            await ctx.tick()
        ctx.set(self.dut.deletes.valid, 0)
        while len(self.delete_clocks) < before + len(handles):
            await ctx.tick()

    async def grace(self, ctx: Any) -> None:
        """Ask for a grace period; does not wait for its end."""
        ctx.set(self.dut.graces.valid, 1)
        await ctx.tick()
        ctx.set(self.dut.graces.valid, 0)

    async def flush(self, ctx: Any) -> None:
        """Flush and wait for the answer."""
        await self.handshake(ctx, self.dut.flushes)
        await self.end_of_flush(ctx)

    async def end_of_flush(self, ctx: Any) -> None:
        """Wait until no flush is under way."""
        while self.judge.is_flushing:
            await ctx.tick()

    async def ask_for_ever(self, ctx: Any, kind: str, questions: Iterator[Key | int]) -> None:
        """A lookup in every clock (background)."""
        requests = getattr(self.dut, f"{kind}_requests")
        ctx.set(requests.valid, 1)
        while True:
            asked = next(questions)
            ctx.set(requests.payload, asked.bits() if isinstance(asked, Key) else {"handle": asked})
            is_ready = False
            while not is_ready:
                _, _, is_ready = await ctx.tick().sample(requests.ready)

    async def retire_for_ever(self, ctx: Any, kind: str, random: Random, *, longest: int) -> None:
        """Retire every answer after a random while, in random order (background)."""
        retires = getattr(self.dut, f"{kind}_retires")
        held: list[tuple[int, int]] = []
        seen_count = 0
        clock = 0
        while True:
            while seen_count < len(self.answers[kind]):
                held.append((clock + random.randrange(longest), self.answers[kind][seen_count]["epoch"]))
                seen_count += 1
            due = [one for one in held if one[0] <= clock]
            ctx.set(retires.valid, bool(due))
            if due:
                one = random.choice(due)
                held.remove(one)
                ctx.set(retires.payload, {"epoch": one[1]})
            await ctx.tick()
            clock += 1
