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

CLOCKS = 1000
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
        #: Index and state of the writes of the clock before this one, and those that all reads see.
        self._arriving: tuple[int, int] | None = None
        self._states: dict[int, int] = {}

    def read(self, index: int) -> int:
        is_colliding = self._arriving is not None and self._arriving[0] == index
        return FREE if index >= self._bundles or is_colliding else self._states.get(index, FREE)

    def manage_read(self, index: int) -> int | None:
        """The state, or nothing in a clock in which reads are not taken."""
        return self._states.get(index, FREE) if self._arriving is None else None

    def end_clock(self, write: tuple[int, int] | None) -> None:
        if self._arriving is not None:
            self._states[self._arriving[0]] = self._arriving[1]
        self._arriving = write


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
        reads: deque[dict[str, int | None]] = deque([{}] * 2)
        errors = deque([False] * 3)
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
            if due.get("manage") is not None:
                assert ctx.get(Value.cast(dut.manage_state)) == due["manage"], where
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
            for name, probability in (("delete_write", 0.2), ("manage_write", 0.3)):
                port = getattr(dut, name)
                write = (random.choice((base, random.randrange(indices))), random_state())
                do_write = random.random() < probability
                ctx.set(port.do, do_write)
                ctx.set(port.index, write[0])
                ctx.set(Value.cast(port.state), write[1])
                writes[name] = write if do_write else None
            is_done = writes["manage_write"] is not None and writes["delete_write"] is None
            seen["waited"] += writes["manage_write"] is not None and not is_done
            assert ctx.get(dut.manage_is_done) == is_done, where

            index, do_read = random.randrange(indices), random.random() < 0.6
            ctx.set(dut.manage_read.do, do_read)
            ctx.set(dut.manage_read.index, index)
            answer = model.manage_read(index) if do_read else None
            seen["taken"] += answer is not None
            seen["delayed read"] += do_read and answer is None
            assert ctx.get(dut.manage_read_is_taken) == (answer is not None), where
            asked["manage"] = answer

            reads.append(asked)
            errors.append(
                any(state is not None and state not in CODES for state in (asked["deletes"], asked["manage"]))
            )
            model.end_clock(writes["delete_write"] or (writes["manage_write"] if is_done else None))
            await ctx.tick()

    simulate(dut, main)
    assert min(seen.values()) > CLOCKS // 50, f"seed {seed} tests little: {seen}"


async def write(ctx: Any, dut: LiveStore, index: int, state: BundleState) -> None:
    """Writes a state and waits until all readers see it."""
    ctx.set(dut.manage_write.do, 1)
    ctx.set(dut.manage_write.index, index)
    ctx.set(dut.manage_write.state, state)
    await ctx.tick()
    ctx.set(dut.manage_write.do, 0)
    await ctx.tick()


def test_a_write_is_seen_from_the_promised_clock_on() -> None:
    """Reads of the write's clock and before see the bundle, those of the next nothing, those after that it is dead."""
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
        for _ in range(6):
            await ctx.tick()
            ctx.set(dut.delete_write.do, 0)
            states.append(ctx.get(dut.deletes.state))
            live.append(ctx.get(dut.exact_key.is_live))
        # The first is the answer to the clock before the write, and the second to that of the write.
        assert states == [BundleState.INBOUND_1] * 2 + [BundleState.FREE] + [BundleState.DEAD_1] * 3
        assert live == [1, 1, 0, 0, 0, 0]

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
        await ctx.tick().repeat(3)
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
