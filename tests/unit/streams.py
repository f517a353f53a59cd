"""What every unit test needs to talk to a component: stall patterns, stream ends, monitors and one way to simulate.

A test names its benches, crosses them with ``STALL_PATTERNS`` and ``seeds()``, and runs them with ``simulate``, which
gives up at a deadline. A ``Monitor`` on each stream records what was transferred in which clock, and fails the test
when the stream breaks its protocol: an offered payload neither changes nor disappears before it is taken.

    @pytest.mark.parametrize("pattern", STALL_PATTERNS, ids=str)
    @pytest.mark.parametrize("seed", seeds(2))
    def test_adder(pattern, seed):
        dut = Adder()
        sums = Monitor(dut.sums)

        async def source(ctx):
            for pair in PAIRS:
                await send(ctx, dut.pairs, pair, stalls=pattern.source(seed))  # or send_all, to keep one pattern going

        async def sink(ctx):
            await receive_all(ctx, dut.sums, len(PAIRS), stalls=pattern.sink(seed))

        simulate(dut, source, sink, monitors=[sums])
        assert sums.payloads == [a + b for a, b in PAIRS]

All clocks are counted from 0, the first rising edge: a transfer in clock n is one that edge n takes. Values are those
that stood just before the edge. A monitor's clocks compare with those of any other monitor of the same simulation.
"""

import os
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import EnumMeta
from random import Random
from typing import Any, Protocol

from amaranth.hdl import Const, Elaboratable, Shape, Value, ValueCastable, ValueLike
from amaranth.lib import data
from amaranth.sim import Simulator

Bench = Callable[[Any], Awaitable[None]]
Stalls = Iterator[bool]
"""One statement per clock: True when this end of a stream does nothing in it."""

CLOCK_PERIOD = 1e-8


class StreamLike(Protocol):
    """What the functions here need of a stream: a ``stream.Interface``, or a ``Channel``."""

    payload: Any
    valid: Any
    ready: Any


@dataclass(frozen=True, kw_only=True)
class Channel:
    """Three bare signals seen as a stream, for the channels of AXI. ``payload`` may be a concatenation."""

    payload: ValueLike
    valid: ValueLike
    ready: ValueLike


# Stall patterns


def never() -> Stalls:
    """No stall at all."""
    while True:
        yield False


def randomly(seed: int | str, *, probability: float = 0.5) -> Stalls:
    """Every clock on its own with the same probability; the seed alone decides the pattern."""
    random = Random(seed)
    while True:
        yield random.random() < probability


def in_bursts(seed: int | str, *, longest: int = 12) -> Stalls:
    """Runs of stalled and of free clocks, each 1 to ``longest`` clocks: fills and drains whatever buffers there are."""
    random = Random(seed)
    is_stalled = random.choice((True, False))
    while True:
        for _ in range(random.randint(1, longest)):
            yield is_stalled
        is_stalled = not is_stalled


@dataclass(frozen=True, kw_only=True)
class StallPattern:
    """Which ends of the streams stall. ``name`` is what pytest prints."""

    name: str
    source_is_idle: bool
    sink_stalls: bool

    def source(self, seed: int | str) -> Stalls:
        """Stalls of one sending end; give every stream a seed of its own, such as ``f"{seed} requests"``."""
        return self._stalls(seed, stalls=self.source_is_idle, end="source")

    def sink(self, seed: int | str) -> Stalls:
        """Stalls of one receiving end."""
        return self._stalls(seed, stalls=self.sink_stalls, end="sink")

    @staticmethod
    def _stalls(seed: int | str, *, stalls: bool, end: str) -> Stalls:
        if not stalls:
            return never()
        style = Random(f"{seed} {end} style").choice((randomly, in_bursts))
        return style(f"{seed} {end}")

    def __str__(self) -> str:
        return self.name


STALL_PATTERNS = (
    StallPattern(name="none", source_is_idle=False, sink_stalls=False),
    StallPattern(name="source-idle", source_is_idle=True, sink_stalls=False),
    StallPattern(name="sink-stalls", source_is_idle=False, sink_stalls=True),
    StallPattern(name="both", source_is_idle=True, sink_stalls=True),
)
"""The four patterns that every stream test is crossed with."""


def seeds(count: int) -> list[int]:
    """Seeds to parametrise a test with: 1 to ``count``, or the one of ``SAOFFLOAD_SEED`` to replay or to explore."""
    chosen = os.environ.get("SAOFFLOAD_SEED")
    return [int(chosen, 0)] if chosen else list(range(1, count + 1))


# The two ends of a stream


async def send(ctx: Any, stream: StreamLike, payload: Any, *, stalls: Stalls | None = None) -> None:
    """Offers one payload after the idle clocks that ``stalls`` asks for, and returns once it is taken.

    Between payloads the stream carries all ones without ``valid``, so that a component which looks at a payload that
    is not offered is found out.
    """
    stalls = stalls if stalls is not None else never()
    while next(stalls):
        await ctx.tick()
    ctx.set(stream.payload, payload)
    ctx.set(stream.valid, 1)
    is_taken = False
    while not is_taken:
        _, _, is_taken = await ctx.tick().sample(stream.ready)
    ctx.set(stream.valid, 0)
    _set_to_ones(ctx, stream.payload)


async def receive(ctx: Any, stream: StreamLike, *, stalls: Stalls | None = None) -> Any:
    """Takes one payload and returns it as ``plain`` values; ``ready`` follows ``stalls`` clock by clock.

    ``ready`` is 0 on return, and rises and falls without looking at ``valid``. A stream that is always ready is only
    watched.
    """
    stalls = stalls if stalls is not None else never()
    is_always_ready = isinstance(stream.ready, Const)
    while True:
        is_ready = is_always_ready or not next(stalls)
        if not is_always_ready:
            ctx.set(stream.ready, is_ready)
        _, _, is_valid, bits = await ctx.tick().sample(stream.valid, Value.cast(stream.payload))
        if is_ready and is_valid:
            break
    if not is_always_ready:
        ctx.set(stream.ready, 0)
    return _decode(_shape(stream.payload), bits)


async def send_all(ctx: Any, stream: StreamLike, payloads: Iterable[Any], *, stalls: Stalls | None = None) -> None:
    """``send`` for each payload, one a clock when nothing stalls."""
    stalls = stalls if stalls is not None else never()
    for payload in payloads:
        await send(ctx, stream, payload, stalls=stalls)


async def receive_all(ctx: Any, stream: StreamLike, count: int, *, stalls: Stalls | None = None) -> list[Any]:
    """``receive`` for ``count`` payloads, one a clock when nothing stalls."""
    stalls = stalls if stalls is not None else never()
    return [await receive(ctx, stream, stalls=stalls) for _ in range(count)]


def plain(payload: Any) -> Any:
    """A sampled payload as Python values that compare and print well: dict, list, member of an enumeration, or int."""
    return _decode(payload.shape(), payload.as_bits()) if isinstance(payload, data.Const) else payload


def _decode(shape: Any, bits: int) -> Any:
    """The value that ``bits`` mean in ``shape``. Bits that no member of an enumeration has stay an int."""
    if isinstance(shape, data.StructLayout | data.ArrayLayout):
        fields = {key: _decode(item.shape, bits >> item.offset & (1 << item.width) - 1) for key, item in shape}
        return fields if isinstance(shape, data.StructLayout) else list(fields.values())
    if isinstance(shape, EnumMeta):
        return shape(bits) if bits in (member.value for member in shape) else bits
    return Const(bits, Shape.cast(shape)).value


def _shape(payload: Any) -> Any:
    return payload.shape() if isinstance(payload, ValueCastable) else Value.cast(payload).shape()


def _set_to_ones(ctx: Any, payload: Any) -> None:
    bits = Value.cast(payload)
    ctx.set(bits, Const(-1, len(bits)).value)


# Watching


@dataclass
class Monitor:
    """Records the transfers of one stream and checks its protocol in every clock."""

    stream: StreamLike
    name: str = ""
    #: One pair for each transfer: the clock, and the payload as ``plain`` values.
    transfers: list[tuple[int, Any]] = field(default_factory=list)
    #: For each transfer the clock in which it was first offered.
    offer_clocks: list[int] = field(default_factory=list)

    @property
    def payloads(self) -> list[Any]:
        return [payload for _, payload in self.transfers]

    @property
    def clocks(self) -> list[int]:
        return [clock for clock, _ in self.transfers]

    async def watch(self, ctx: Any) -> None:
        clock = 0
        first_clock: int | None = None
        offered = 0
        name = self.name or f"{self.stream.payload!r}"
        ticks = ctx.tick().sample(self.stream.valid, self.stream.ready, Value.cast(self.stream.payload))
        async for _, is_in_reset, is_valid, is_ready, bits in ticks:
            if is_in_reset:
                first_clock = None
            elif first_clock is not None:
                assert is_valid, f"clock {clock}: {name} took back {offered:#x} before it was taken"
                assert bits == offered, f"clock {clock}: {name} changed {offered:#x} to {bits:#x} before it was taken"
            elif is_valid:
                first_clock, offered = clock, bits
            if first_clock is not None and is_ready:
                self.transfers.append((clock, _decode(_shape(self.stream.payload), bits)))
                self.offer_clocks.append(first_clock)
                first_clock = None
            clock += 1


@dataclass
class Probe:
    """Records the value of any expression in every clock: ``values[n]`` stood before edge n."""

    expression: ValueLike
    values: list[Any] = field(default_factory=list)

    @property
    def high_clocks(self) -> list[int]:
        """The clocks in which a strobe was 1."""
        return [clock for clock, value in enumerate(self.values) if value]

    async def watch(self, ctx: Any) -> None:
        async for _, _, value in ctx.tick().sample(self.expression):
            self.values.append(plain(value))


def simulate(
    dut: Elaboratable,
    *benches: Bench,
    monitors: Iterable[Monitor | Probe] = (),
    background: Iterable[Bench] = (),
    deadline: int = 20_000,
    drain: int = 16,
    waves: str | None = None,
) -> None:
    """Runs all benches to their end and ``drain`` clocks on, so that what comes too often is seen too.

    ``background`` benches may run for ever. Raises ``AssertionError`` when the benches need more than ``deadline``
    clocks. ``waves`` names a VCD file to write.
    """
    simulator = Simulator(dut)
    simulator.add_clock(CLOCK_PERIOD)
    remaining_count = len(benches)

    def counted(bench: Bench) -> Bench:
        async def run(ctx: Any) -> None:
            nonlocal remaining_count
            await bench(ctx)
            remaining_count -= 1

        return run

    async def end(ctx: Any) -> None:
        clock = 0
        while remaining_count:
            assert clock < deadline, f"{remaining_count} of {len(benches)} benches not done after {deadline} clocks"
            await ctx.tick()
            clock += 1
        await ctx.tick().repeat(drain)

    for monitor in monitors:
        simulator.add_process(monitor.watch)
    for bench in background:
        simulator.add_testbench(bench, background=True)
    for bench in benches:
        simulator.add_testbench(counted(bench))
    simulator.add_testbench(end)
    if waves is None:
        simulator.run()
    else:
        with simulator.write_vcd(waves):
            simulator.run()
