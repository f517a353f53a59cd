"""The live store: all readers see what was written, from the promised clock on; no flipped bit revives a bundle."""

from collections import deque
from random import Random
from typing import Any

import pytest
from amaranth.hdl import Value
from tests.unit.memory_bench import dual_port_contents
from tests.unit.streams import seeds, simulate

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.table.hashed.live import LiveStore
from saoffload.hdl.table.hashed.states import BundleState
from saoffload.hdl.table.hashed.timing import (
    DELETE_WRITE_DELAY,
    MEMORY_LATENCY,
    STATE_LATENCY,
    STATE_WRITE_DELAY,
)

CLOCKS = 1500
FREE = BundleState.FREE.value
INBOUND = {BundleState.INBOUND_1.value, BundleState.INBOUND_2.value}
OUTBOUND = {BundleState.OUTBOUND.value}
CODES = {state.value for state in BundleState}
#: Each reader, and the states that it calls live.
READERS = {"exact_key": INBOUND, "wildcard_key": INBOUND, "handle": OUTBOUND, "deletes": INBOUND | OUTBOUND}


def config_of(bundles: int) -> EngineConfig:
    return EngineConfig(name="test", bundles=bundles, keys=bundles)


class Model:
    """What the store holds and owes, from its contract alone."""

    def __init__(self, bundles: int) -> None:
        self._bundles = bundles
        self._clock = 0
        #: Index and state of each write, by the clock in which the memories are written; and what stood there before.
        self._arriving: dict[int, tuple[int, int]] = {}
        self._states: dict[int, int] = {}

    def read(self, index: int) -> int:
        is_colliding = self._arriving.get(self._clock, (None,))[0] == index
        return FREE if index >= self._bundles or is_colliding else self._states.get(index, FREE)

    def manage_read(self, index: int) -> int:
        """The state, with all writes taken in earlier clocks."""
        states = dict(self._states)
        states.update(write for _, write in sorted(self._arriving.items()))
        return states.get(index, FREE)

    def end_clock(self, deleted: tuple[int, int] | None, managed: tuple[int, int] | None) -> None:
        for write, delay in ((deleted, DELETE_WRITE_DELAY), (managed, STATE_WRITE_DELAY)):
            if write is not None:
                assert self._clock + delay not in self._arriving
                self._arriving[self._clock + delay] = write
        arrived = self._arriving.pop(self._clock, None)
        if arrived is not None:
            self._states[arrived[0]] = arrived[1]
        self._clock += 1


@pytest.mark.parametrize("seed", seeds(2))
@pytest.mark.parametrize("bundles", [2, 5, 16])
def test_random_traffic(bundles: int, seed: int) -> None:
    random = Random(f"{seed} {bundles}")
    config = config_of(bundles)
    indices = 1 << config.index_bits
    dut = LiveStore(config)
    model = Model(bundles)
    seen = dict.fromkeys(("live", "taken", "waited", "delayed read", "error"), 0)

    def random_state() -> int:
        return random.choice([*CODES, *CODES, random.getrandbits(4)])

    async def main(ctx: Any) -> None:
        reads: deque[dict[str, int | None]] = deque([{}] * MEMORY_LATENCY)
        manage_reads: deque[int | None] = deque([None] * STATE_LATENCY)
        errors = deque([False] * (STATE_LATENCY + 3))
        did_delete = False
        for clock in range(CLOCKS):
            where = f"seed {seed}, clock {clock}"
            due = reads.popleft()
            for name, live in READERS.items():
                state = due.get(name)
                is_live = state in live
                seen["live"] += is_live
                assert ctx.get(getattr(dut, name).is_live) == is_live, f"{where}: {name}"
            if due:
                assert ctx.get(Value.cast(dut.deletes.state)) == (due["deletes"] or FREE), where
            managed = manage_reads.popleft()
            if managed is not None:
                assert ctx.get(Value.cast(dut.manage.state)) == managed, where
            is_error = errors.popleft()
            seen["error"] += is_error
            assert ctx.get(dut.has_error) == is_error, where

            asked: dict[str, int | None] = {}
            base = random.randrange(indices)
            for name in READERS:
                index = random.choice((base, random.randrange(indices)))
                do_read = random.random() < 0.9
                ctx.set(getattr(dut, name).address, index)
                ctx.set(getattr(dut, name).do_read, do_read)
                asked[name] = model.read(index) if do_read else None

            writes = {}
            for name, port, probability in (
                ("delete_write", dut.delete_write, 0.2),
                ("manage_write", dut.manage.write, 0.3),
            ):
                write = (random.choice((base, random.randrange(indices))), random_state())
                do_write = random.random() < probability
                ctx.set(port.do, do_write)
                ctx.set(port.index, write[0])
                ctx.set(Value.cast(port.state), write[1])
                writes[name] = write if do_write else None
            is_done = writes["manage_write"] is not None and not did_delete
            seen["waited"] += writes["manage_write"] is not None and not is_done
            assert ctx.get(dut.manage.write_is_ready) == (not did_delete), where

            # Never together with a write of the management.
            index, do_read = random.randrange(indices), random.random() < 0.9 and writes["manage_write"] is None
            ctx.set(dut.manage.read.do, do_read)
            ctx.set(dut.manage.read.index, index)
            is_free = not did_delete
            answer = model.manage_read(index) if do_read and is_free else None
            seen["taken"] += answer is not None
            seen["delayed read"] += do_read and answer is None
            assert ctx.get(dut.manage.read_is_ready) == is_free, where
            reads.append(asked)
            manage_reads.append(answer)
            for state, latency in ((asked["deletes"], MEMORY_LATENCY), (answer, STATE_LATENCY)):
                errors[latency + 1] |= state is not None and state not in CODES
            errors.append(False)
            did_delete = writes["delete_write"] is not None
            model.end_clock(writes["delete_write"], writes["manage_write"] if is_done else None)
            await ctx.tick()

    simulate(dut, main)
    assert min(seen.values()) > CLOCKS // 50, f"seed {seed} tests little: {seen}"


async def write(ctx: Any, dut: LiveStore, index: int, state: BundleState) -> None:
    """Writes a state and waits until all readers see it."""
    ctx.set(dut.manage.write.do, 1)
    ctx.set(dut.manage.write.index, index)
    ctx.set(dut.manage.write.state, state)
    await ctx.tick()
    ctx.set(dut.manage.write.do, 0)
    await ctx.tick().repeat(STATE_WRITE_DELAY)


def test_a_write_is_seen_from_the_promised_clock_on() -> None:
    """Reads of the clocks before the memories are written see the bundle, those of that clock nothing, later ones that
    it is dead.
    """
    dut = LiveStore(config_of(16))
    index = 11

    async def main(ctx: Any) -> None:
        await write(ctx, dut, index, BundleState.INBOUND_1)
        ctx.set(dut.deletes.address, index)
        ctx.set(dut.exact_key.address, index)
        await ctx.tick()
        ctx.set(dut.delete_write.do, 1)
        ctx.set(dut.delete_write.index, index)
        ctx.set(dut.delete_write.state, BundleState.DEAD_1)
        states = []
        live = []
        for _ in range(MEMORY_LATENCY + DELETE_WRITE_DELAY + 2):
            await ctx.tick()
            ctx.set(dut.delete_write.do, 0)
            states.append(ctx.get(dut.deletes.state))
            live.append(ctx.get(dut.exact_key.is_live))
        # The first is the answer to the clock before the delete.
        before = MEMORY_LATENCY - 1 + DELETE_WRITE_DELAY
        assert states == [BundleState.INBOUND_1] * before + [BundleState.FREE] + [BundleState.DEAD_1] * 2
        assert live == [1] * before + [0] * 3

    simulate(dut, main)


def test_unconnected_do_read_reads_in_every_clock() -> None:
    dut = LiveStore(config_of(4))
    for name in READERS:
        assert getattr(dut, name).do_read.init == 1


@pytest.mark.parametrize("state", BundleState)
def test_no_flipped_bit_makes_an_index_live(state: BundleState) -> None:
    """Every bit of every copy, one at a time: the reader of that copy says not live, and the error is told."""
    dut = LiveStore(config_of(4))
    index = 2

    async def look(ctx: Any) -> dict[str, int]:
        await ctx.tick().repeat(MEMORY_LATENCY + 2)
        return {name: ctx.get(getattr(dut, name).is_live) for name in READERS}

    with dual_port_contents() as contents:

        async def main(ctx: Any) -> None:
            assert len(contents) == len(READERS)
            await write(ctx, dut, index, state)
            for name in READERS:
                ctx.set(getattr(dut, name).address, index)
            right = {name: int(state.value in live) for name, live in READERS.items()}
            assert await look(ctx) == right
            assert not ctx.get(dut.has_error)
            for name, words in zip(READERS, contents, strict=True):
                bits = Value.cast(words[index])
                for bit in range(len(bits)):
                    ctx.set(bits[bit], ~ctx.get(bits[bit]) & 1)
                    assert await look(ctx) == right | {name: 0}, (name, bit)
                    assert ctx.get(dut.has_error), (name, bit)
                    ctx.set(bits[bit], ~ctx.get(bits[bit]) & 1)
                assert await look(ctx) == right
            assert not ctx.get(dut.has_error)

        simulate(dut, main)
