"""The command queue in lockstep with a list: every clock, every output."""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest
from tests.unit.control_bench import make_memories_wild
from tests.unit.streams import Monitor, plain, seeds, simulate

from saoffload.hdl.config import preset
from saoffload.hdl.control.commands import CommandQueue, DoorbellResult
from saoffload.hdl.layouts import Abi, Opcode

CONFIG = preset("tiny")
WORDS = ("tag", "head_low", "head_high", "budget")
WALK, DELETE, FLUSH, X86 = Opcode.WALK.value, Opcode.DELETE.value, Opcode.FLUSH.value, 0x100
#: Clocks from one action of the driver to the next, and from an abort to its effect.
SPACING, MARK_DELAY = 5, 3
NEEDED = {WALK: set(WORDS), DELETE: {"tag", "head_low", "head_high"}, FLUSH: {"tag"}}


@pytest.fixture(autouse=True)
def wild_memories(monkeypatch: pytest.MonkeyPatch) -> None:
    make_memories_wild(monkeypatch)


@dataclass
class Model:
    """The queue as a list. Refused doorbells keep what is staged, accepted ones use it up."""

    depth: int
    staged: dict[str, int] = field(default_factory=dict)
    queue: list[dict[str, Any]] = field(default_factory=list)
    is_reading: bool = False
    is_offered: bool = False
    result: Any = DoorbellResult.NONE

    def judge(self, doorbell: int, *, is_ready: int, may_flush: int) -> Any:
        opcode = doorbell & 0xFF
        if not is_ready:
            return DoorbellResult.NOT_READY
        if doorbell & ~0x1FF or opcode not in NEEDED:
            return DoorbellResult.BAD_OPCODE
        if NEEDED[opcode] - self.staged.keys():
            return DoorbellResult.INCOMPLETE
        if opcode != FLUSH and len(self.queue) == self.depth:
            return DoorbellResult.QUEUE_FULL
        if opcode == FLUSH and not may_flush:
            return DoorbellResult.FLUSH_BUSY
        return DoorbellResult.ACCEPTED


class Bed:
    """Sets the inputs of one clock, compares all outputs of it, and moves the model on."""

    def __init__(self, depth: int = 4):
        self.dut = CommandQueue(replace(CONFIG, command_depth=depth))
        self.model = Model(depth)
        self.monitor = Monitor(self.dut.commands)
        self.taken: list[tuple[int, int]] = []
        self.clock_count = 0
        self.last_action = 1 - SPACING
        self.last_value = 0
        self.mark_clock = -1

    async def clock(
        self,
        ctx: Any,
        action: str = "",
        value: int = 0,
        *,
        is_ready: int = 1,
        may_flush: int = 1,
        may_offer: int = 1,
        takes: int = 0,
    ) -> None:
        """One clock. The word of an action stands from the clock before it, where it is given as well, until the next
        one's, which is to come ``SPACING`` clocks later.
        """
        dut, model = self.dut, self.model
        if action:
            assert self.clock_count - self.last_action >= SPACING, "the driver is not as fast"
            self.last_action, self.last_value = self.clock_count, value
        if action == "abort":
            self.mark_clock = self.clock_count + MARK_DELAY
        is_quiet = not action and self.clock_count - self.last_action >= SPACING - 1
        does_mark = self.clock_count == self.mark_clock
        self.clock_count += 1
        ctx.set(dut.write_data, value if action or is_quiet else self.last_value)
        for word in WORDS:
            ctx.set(getattr(dut, f"do_stage_{word}"), action == word)
        ctx.set(dut.do_ring, action == "ring")
        ctx.set(dut.do_abort, action == "abort")
        ctx.set(dut.is_ready, is_ready)
        ctx.set(dut.may_flush, may_flush)
        ctx.set(dut.may_offer, may_offer)
        ctx.set(dut.commands.ready, takes)
        names = (
            "do_flush",
            "do_refuse",
            "do_mark",
            "do_find",
            "is_full",
            "is_empty",
            "do_reserve",
            "result",
            "command_is_aborted",
        )
        signals = [getattr(dut, name) for name in names]
        _, _, valid, payload, flush_tag, *values = await ctx.tick().sample(
            dut.commands.valid, dut.commands.payload, dut.flush_tag, *signals
        )
        got = dict(zip(names, values, strict=True))

        verdict = model.judge(value, is_ready=is_ready, may_flush=may_flush) if action == "ring" else None
        is_flush = verdict is DoorbellResult.ACCEPTED and value & 0xFF == FLUSH
        does_reserve = bool(model.queue) and not model.is_offered and not model.is_reading and bool(may_offer)
        expected = {
            "do_flush": is_flush,
            "do_refuse": verdict not in {None, DoorbellResult.ACCEPTED},
            "do_mark": does_mark,
            "do_find": does_mark and any(command["tag"] == self.last_value for command in model.queue),
            "is_full": len(model.queue) == model.depth,
            "is_empty": not model.queue,
            "do_reserve": does_reserve,
            "result": model.result,
        }
        assert {name: got[name] for name in expected} == expected
        assert valid == model.is_offered
        if valid:
            self.compare(plain(payload), got["command_is_aborted"])
        if is_flush:
            assert flush_tag == model.staged["tag"]

        if does_mark:
            for command in model.queue:
                command["is_aborted"] |= command["tag"] == self.last_value
        self.advance(action, value, verdict, does_reserve=does_reserve, takes=bool(valid and takes))

    def compare(self, payload: dict[str, Any], is_aborted: int) -> None:
        head = self.model.queue[0]
        used = {"tag", "opcode", "abi", "head"} | ({"budget"} if head["opcode"] is Opcode.WALK else set())
        assert {name: payload[name] for name in used} == {name: head[name] for name in used}
        assert is_aborted == head["is_aborted"]

    def advance(self, action: str, value: int, verdict: Any, *, does_reserve: bool, takes: bool) -> None:
        model = self.model
        if takes:
            command = model.queue.pop(0)
            self.taken.append((command["tag"], command["is_aborted"]))
            model.is_offered = False
        model.is_offered |= model.is_reading
        model.is_reading = does_reserve
        if action in WORDS:
            model.staged[action] = value
        if verdict is not None:
            model.result = verdict
        if verdict is DoorbellResult.ACCEPTED:
            staged, opcode = model.staged, value & 0xFF
            if opcode == FLUSH:
                del staged["tag"]
                return
            model.queue.append(
                {
                    "opcode": Opcode(opcode),
                    "abi": Abi(value >> 8),
                    "tag": staged["tag"],
                    "head": staged["head_low"] | staged["head_high"] << 32,
                    "budget": staged.get("budget"),
                    "is_aborted": False,
                }
            )
            model.staged = {}

    async def act(self, ctx: Any, action: str, value: int, **settings: int) -> None:
        """Clocks that nothing is done in, as many as there must be, and the action."""
        while self.clock_count - self.last_action < SPACING:
            await self.clock(ctx, value=value, **settings)
        await self.clock(ctx, action, value, **settings)

    async def submit(self, ctx: Any, tag: int, doorbell: int = WALK, **settings: int) -> None:
        for word, value in zip(WORDS, (tag, tag ^ 0x1111, tag ^ 0x2222, tag ^ 0x3333), strict=True):
            await self.act(ctx, word, value, **settings)
        await self.act(ctx, "ring", doorbell, **settings)


@pytest.mark.parametrize("depth", [2, 3, 4, 16])
@pytest.mark.parametrize("seed", seeds(3))
def test_random(seed: int, depth: int) -> None:
    """Whatever is staged, rung, aborted and taken, in any clock: the queue is the list."""
    bed = Bed(depth)
    random = Random(f"{seed} {depth}")
    tags = [random.getrandbits(32) for _ in range(3)]
    doorbells = [WALK, WALK | X86, DELETE, FLUSH, FLUSH, 3, 4, WALK | 1 << 9, DELETE | 1 << 31]

    async def bench(ctx: Any) -> None:
        for period in range(12):
            # Some periods fill the queue, some empty it.
            may_offer, takes = random.random(), random.random() * (period % 3) / 2
            missing = list(WORDS)
            for _ in range(60):
                action = random.choice([*missing, *missing, "ring", "ring", "ring", "abort", ""])
                if action in missing and random.random() < 0.9:
                    missing.remove(action)
                if action == "ring":
                    missing = list(WORDS)
                values = {"ring": random.choice(doorbells), "tag": random.choice(tags), "abort": random.choice(tags)}
                value = values.get(action, random.getrandbits(32))
                for _ in range(SPACING - 1):
                    await bed.clock(
                        ctx, value=value, may_offer=random.random() < may_offer, takes=random.random() < takes
                    )
                await bed.clock(
                    ctx,
                    action,
                    value,
                    is_ready=random.random() < 0.95,
                    may_flush=random.random() < 0.7,
                    may_offer=random.random() < may_offer,
                    takes=random.random() < takes,
                )

    simulate(bed.dut, bench, monitors=[bed.monitor])
    assert len(bed.taken) > 5, f"seed {seed} tests little"


def test_commands_come_in_order_and_unchanged() -> None:
    bed = Bed()

    async def bench(ctx: Any) -> None:
        for tag in (5, 6, 7, 8):
            await bed.submit(ctx, tag, DELETE | X86 if tag == 6 else WALK)
        for tag in (9, 10):
            await bed.submit(ctx, tag)  # refused: the queue is full, and nothing that waits is touched
        for _ in range(10):
            await bed.clock(ctx, takes=1)
        await bed.act(ctx, "ring", WALK)  # what was staged last still stands
        for _ in range(3):
            await bed.clock(ctx, takes=1)

    simulate(bed.dut, bench, monitors=[bed.monitor])
    assert [tag for tag, _ in bed.taken] == [5, 6, 7, 8, 10]


def test_staged_words_serve_one_command() -> None:
    bed = Bed()

    async def bench(ctx: Any) -> None:
        await bed.submit(ctx, 1)
        await bed.act(ctx, "ring", WALK)
        assert bed.model.result is DoorbellResult.INCOMPLETE
        for word in WORDS[:3]:
            await bed.act(ctx, word, 2)
        await bed.act(ctx, "ring", WALK)
        assert bed.model.result is DoorbellResult.INCOMPLETE
        await bed.act(ctx, "ring", DELETE)
        assert bed.model.result is DoorbellResult.ACCEPTED
        await bed.clock(ctx)

    simulate(bed.dut, bench)


def test_three_clocks_from_doorbell_to_offer() -> None:
    bed = Bed()

    async def bench(ctx: Any) -> None:
        await bed.submit(ctx, 1)
        await bed.clock(ctx)
        assert not ctx.get(bed.dut.commands.valid)
        await bed.clock(ctx)
        assert ctx.get(bed.dut.commands.valid)

    simulate(bed.dut, bench)


@pytest.mark.parametrize("abort_clock", range(5))
def test_abort_around_the_clock_of_taking(abort_clock: int) -> None:
    """The mark is there from the clock after the abort's effect; one in the clock of taking is found, and the taker's.

    ``abort_clock`` is that of the effect.
    """
    bed = Bed()

    async def bench(ctx: Any) -> None:
        await bed.submit(ctx, 1, may_offer=0)
        await bed.submit(ctx, 2, may_offer=0)
        await bed.submit(ctx, 1, may_offer=0)
        for _ in range(SPACING):
            await bed.clock(ctx, may_offer=0)
        for clock in range(-MARK_DELAY, 12):
            does_abort = clock == abort_clock - MARK_DELAY
            may_offer = clock >= 0
            await bed.clock(ctx, "abort" if does_abort else "", 1, may_offer=may_offer, takes=clock >= 3)
        await bed.submit(ctx, 1, takes=1)  # a later command of the same tag is not aborted
        for _ in range(3):
            await bed.clock(ctx, takes=1)

    simulate(bed.dut, bench, monitors=[bed.monitor])
    assert bed.taken[1:] == [(2, False), (1, True), (1, False)]
    assert bed.taken[0] == (1, abort_clock < 3) or (abort_clock == 3 and bed.taken[0] == (1, True))
