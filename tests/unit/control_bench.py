"""What the tests of the control room share: a memory as wild as hardware may be, and a driver of its registers."""

from collections.abc import Iterable
from random import Random
from typing import Any, ClassVar

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.memory import Memory
from tests.unit import lite_master
from tests.unit.streams import Monitor, Probe, receive, send, simulate

from saoffload.hdl.config import EngineConfig, preset
from saoffload.hdl.control import commands, completions, counters
from saoffload.hdl.control.control import Control
from saoffload.hdl.layouts import Status
from saoffload.hdl.memory import BlockMemory
from saoffload.host.register_map import CompletionStatusFields, DoorbellResult, Register, StatusFields

OKAY, SLVERR = 0b00, 0b10

TINY, SMALL = preset("tiny"), preset("small")
WALK, DELETE, FLUSH = 0, 1, 2
ACCEPTED = DoorbellResult.ACCEPTED
LATENCY = 4

COMPLETION_REGISTERS = (
    Register.COMPLETION_TAG,
    Register.COMPLETION_VISITED,
    Register.COMPLETION_DELETED,
    Register.COMPLETION_NOT_FOUND,
    Register.COMPLETION_FAULT_LOW,
    Register.COMPLETION_FAULT_HIGH,
)


class WildMemory(BlockMemory):
    """A block memory that holds noise before it is written, and gives noise when a word is read while it is written."""

    built: ClassVar[list["WildMemory"]] = []

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        random = Random("what block RAM holds")
        width, depth = len(self.read_data), 1 << len(self.read_address)
        init = [random.getrandbits(width) for _ in range(depth)]
        m.submodules.memory = memory = Memory(shape=width, depth=depth, init=init)
        #: For tests that set a word.
        self.contents = memory.data
        self.built.append(self)
        write_port, read_port = memory.write_port(), memory.read_port(domain="comb")
        m.d.comb += [
            write_port.addr.eq(self.write_address),
            write_port.data.eq(self.write_data),
            write_port.en.eq(self.do_write),
            read_port.addr.eq(self.read_address),
        ]
        collides = self.do_write & (self.write_address == self.read_address)
        word_q = Signal(width, init=random.getrandbits(width), reset_less=True)
        m.d.comb += self.read_data.eq(word_q)
        with m.If(self.do_read):
            m.d.sync += word_q.eq(Mux(collides, ~read_port.data, read_port.data))
        return m


def make_memories_wild(monkeypatch: Any) -> None:
    """From now on the room is built with ``WildMemory``."""
    for module in (commands, completions, counters):
        monkeypatch.setattr(module, "BlockMemory", WildMemory)


class Registers:
    """A driver's view of a ``Control``: reads and writes by AXI4-Lite, one at a time."""

    def __init__(self, config: EngineConfig):
        self.dut = Control(config)
        #: Clocks that each access took from address to answer.
        self.latencies: list[int] = []
        streams = ("commands", "window_writes", "adds", "flushes", "end_restores", "graces")
        self.monitors = {name: Monitor(getattr(self.dut, name), name) for name in streams}

    async def try_write(self, ctx: Any, address: int, value: int, *, strobe: int = 0b1111) -> int:
        """Writes and returns the response."""
        response, clock_count = await lite_master.write(ctx, self.dut.axi, address, value, strobe=strobe)
        self.latencies.append(clock_count)
        return response

    async def try_read(self, ctx: Any, address: int) -> tuple[int, int]:
        """Reads and returns the response and the word."""
        response, word, clock_count = await lite_master.read(ctx, self.dut.axi, address)
        self.latencies.append(clock_count)
        return response, word

    async def write(self, ctx: Any, address: int, value: int) -> None:
        assert await self.try_write(ctx, address, value) == OKAY, f"write to {address:#x} refused"

    async def read(self, ctx: Any, address: int) -> int:
        response, word = await self.try_read(ctx, address)
        assert response == OKAY, f"read of {address:#x} refused"
        return word

    async def stage(self, ctx: Any, *, tag: int, head: int = 0x1000, budget: int = 0) -> None:
        await self.write(ctx, Register.COMMAND_TAG, tag)
        await self.write(ctx, Register.COMMAND_HEAD_LOW, head & 0xFFFF_FFFF)
        await self.write(ctx, Register.COMMAND_HEAD_HIGH, head >> 32)
        await self.write(ctx, Register.COMMAND_BUDGET, budget)

    async def write_at_full_speed(self, ctx: Any, writes: Iterable[tuple[Register, int]]) -> None:
        """Writes, each as soon as the bus takes it, and waits for no answer: BREADY is 1 meanwhile, and stays so."""
        axi = self.dut.axi
        ctx.set(axi.bready, 1)
        ctx.set(axi.wstrb, 0b1111)
        for register, value in writes:
            ctx.set(axi.awaddr, int(register))
            ctx.set(axi.wdata, value)
            ctx.set(axi.awvalid, 1)
            ctx.set(axi.wvalid, 1)
            await ctx.tick().until(axi.awready & axi.wready)
        ctx.set(axi.awvalid, 0)
        ctx.set(axi.wvalid, 0)

    async def ring(self, ctx: Any, doorbell: int) -> int:
        """Rings and returns the doorbell's result."""
        await self.write(ctx, Register.DOORBELL, doorbell)
        return await self.read(ctx, Register.DOORBELL_RESULT)

    async def counter(self, ctx: Any, low: Register) -> int:
        """A counter, its low word read first."""
        word = await self.read(ctx, low)
        return word | await self.read(ctx, low + 4) << 32

    async def status(self, ctx: Any) -> set[str]:
        """The names of the status bits that are 1."""
        word = await self.read(ctx, Register.STATUS)
        fields = {name: value for name, value in vars(StatusFields).items() if name.isupper()}
        return {name for name, field in fields.items() if field.get(word)}

    async def completion(self, ctx: Any) -> tuple[int, ...] | None:
        """The completion at the head, status first, or None."""
        word = await self.read(ctx, Register.COMPLETION_STATUS)
        if not CompletionStatusFields.VALID.get(word):
            assert word == 0, "an empty queue shows something"
            return None
        words = [await self.read(ctx, register) for register in COMPLETION_REGISTERS]
        return (CompletionStatusFields.STATUS.get(word), *words[:4], words[4] | words[5] << 32)

    async def pop(self, ctx: Any) -> None:
        await self.write(ctx, Register.COMPLETION_POP, 1)


class Bed(Registers):
    """A control room with a table that answers graces after ``grace_clocks``, or when the test says so."""

    def __init__(self, config: EngineConfig = TINY):
        super().__init__(config)
        self.config = config
        self.irq = Probe(self.dut.irq)
        self.grace_clocks: int | None = 1

    async def grant(self, ctx: Any) -> None:
        due: list[int] = []
        clock = 0
        while True:
            is_due = bool(due) and self.grace_clocks is not None and clock - due[0] >= self.grace_clocks
            if is_due:
                due.pop(0)
            ctx.set(self.dut.grace_answers.valid, is_due)
            _, _, is_asked = await ctx.tick().sample(self.dut.graces.valid)
            if is_asked:
                due.append(clock)
            clock += 1

    async def finish(self, ctx: Any, tag: int, status: Status = Status.OK, **values: int) -> None:
        """The walker's result."""
        payload = {"tag": tag, "status": status, "visited": 0, "deleted": 0, "not_found": 0, "fault_address": 0}
        await send(ctx, self.dut.results, {**payload, **values})

    def run(self, *benches: Any, is_ready: int = 1, **settings: Any) -> None:
        async def prepare(ctx: Any) -> None:
            ctx.set(self.dut.is_ready, is_ready)

        monitors = [*self.monitors.values(), self.irq, *settings.pop("monitors", [])]
        simulate(self.dut, prepare, *benches, monitors=monitors, background=[self.grant], **settings)
        # With one access at a time every answer takes the same number of clocks.
        assert set(self.latencies) <= {LATENCY}

    async def take_and_finish(self, ctx: Any) -> None:
        """A walker that takes every command and finds all of its nodes."""
        while True:
            command = await receive(ctx, self.dut.commands)
            await self.finish(ctx, command["tag"], visited=command["budget"], deleted=command["budget"])
