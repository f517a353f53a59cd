"""The engine on the rig: a memory that can be told to misbehave, a packet path, and what watches the read port."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from saoffload.host.bundles import Bundle, Destination, Sa
from saoffload.host.register_map import AddResult, AddStatusFields, Direction, Protocol, Register
from saoffload.host.waiting import wait_until
from saoffload.sim.benches.bursts import flaws
from saoffload.sim.benches.engine_bench import EngineBench
from saoffload.sim.benches.memory import HostMemory, Stall
from saoffload.sim.benches.strobes import clock_number, number, strobes

ADDRESS = Destination.parse("192.0.2.1")
FIRST_HANDLE = 0x8000_0000
ANSWER_CLOCKS = 60
"""No lookup takes longer."""
ADD_CLOCKS = 5000
"""No add takes longer, and no flush that it waits for."""
Question = int | tuple[int, int, int, int]
"""A handle, or the SPI of a key with ``ADDRESS``, or a whole key: SPI, destination, family, protocol."""
PAYLOAD = ("arid", "araddr", "arlen", "arsize", "arburst")


def bundle_of(index: int, *, is_outbound: bool = False, context: int = 0, generation: int = 0) -> Bundle:
    """The bundle that stands at ``index`` in a case: one key, and the handle of the index."""
    sa = Sa(spi=0x1000 + index, destination=ADDRESS, protocol=Protocol.ESP)
    direction = Direction.OUTBOUND if is_outbound else Direction.INBOUND
    return Bundle(sas=(sa,), handle=FIRST_HANDLE + index + generation, direction=direction, context=context)


class Rig(EngineBench):
    """The ``dut`` with ``memory`` of ``latency``, and rules of AXI4 that hold in every clock: an address that is on
    offer stays as it is until it is taken (``check_bus``).
    """

    def __init__(self, dut: Any, *, latency: int = 7, stall: Stall | None = None, seed: int = 0) -> None:
        super().__init__(dut, seed=seed)
        self.memory = HostMemory(dut, clock=dut.aclk, latency=latency, stall=stall or Stall())
        self.edge = RisingEdge(dut.aclk)
        self._flaws: list[str] = []
        self._offered: tuple[int, ...] | None = None
        self._offered_clock = 0
        cocotb.start_soon(self._watch_addresses())

    async def begin(self, windows: Sequence[Any] = (), *, read_timeout: int = 0) -> None:
        """A hard reset, from which everything begins; no fault, no read and no memory of before is left."""
        self.memory.drop()
        self.memory.clear()
        self._offered = None
        await self.reset()
        self.trace.clear()
        for place, window in enumerate(windows):
            await self.driver.windows.set(place, window)
        await self.driver.set_read_timeout(self.milliseconds(read_timeout))

    async def restore(self, *bundles: Bundle) -> None:
        """Adds each bundle under its handle."""
        for bundle in bundles:
            answer = await self.driver.table.add(bundle)
            assert answer.expect_handle() == bundle.handle

    async def answer_to_add(self) -> AddResult:
        """What became of the add that was submitted last, by hand."""
        word = 0

        async def is_done() -> bool:
            nonlocal word
            word = await self.driver.registers.read(Register.ADD_STATUS)
            return bool(AddStatusFields.DONE.get(word))

        limit = self.milliseconds(ADD_CLOCKS)
        await wait_until(self.driver.registers.transport, is_done, what="answer to an add", timeout_ms=limit)
        return AddResult(AddStatusFields.RESULT.get(word))

    async def clocks(self, count: int) -> None:
        """Lets time pass."""
        if count > 0:
            await ClockCycles(self.dut.aclk, count)

    async def ask(self, kind: str, questions: Sequence[Question], *, retires: bool = True) -> list[dict[str, int]]:
        """Looks up each key or handle, one per clock, and retires the answers. What each answer says."""
        dut, edge = self.dut, self.edge
        valid = getattr(dut, f"{kind}_request_valid")
        retire, epoch = getattr(dut, f"{kind}_retire_valid"), getattr(dut, f"{kind}_retire_epoch")
        answers: list[dict[str, int]] = []
        waiting = list(questions)
        await edge
        for _ in range(len(questions) + ANSWER_CLOCKS):
            valid.value = int(bool(waiting))
            if waiting:
                self._put(kind, waiting.pop(0))
            await edge
            retire.value = 0
            if getattr(dut, f"{kind}_answer_valid").value == 1:
                answers.append(self._answer(kind))
                if retires:
                    epoch.value = answers[-1]["epoch"]
                    retire.value = 1
            if len(answers) == len(questions):
                break
        valid.value = 0
        await edge
        retire.value = 0
        assert len(answers) == len(questions), f"{len(answers)} answers to {len(questions)} {kind} lookups"
        return answers

    def _put(self, kind: str, question: Question) -> None:
        dut = self.dut
        if kind == "handle":
            dut.handle_request_handle.value = question
            return
        spi, destination, family, protocol = (
            question if isinstance(question, tuple) else (question, ADDRESS.value, 0, 0)
        )
        dut.key_request_spi.value = spi
        dut.key_request_destination.value = destination
        dut.key_request_family.value = family
        dut.key_request_protocol.value = protocol

    def _answer(self, kind: str) -> dict[str, int]:
        names = ["hit", "handle", "epoch"]
        if hasattr(self.dut, f"{kind}_answer_context"):
            names.append("context")
        return {name: number(getattr(self.dut, f"{kind}_answer_{name}")) for name in names}

    async def retire(self, kind: str, epoch: int) -> None:
        """The packet path is done with an answer of this epoch."""
        await self.edge
        getattr(self.dut, f"{kind}_retire_epoch").value = epoch
        getattr(self.dut, f"{kind}_retire_valid").value = 1
        await self.edge
        getattr(self.dut, f"{kind}_retire_valid").value = 0

    async def quiesce(self, *, clocks: int = 2000) -> None:
        """Waits until host memory may be unmapped."""
        await self.driver.wait_quiesced(timeout_ms=self.milliseconds(clocks))

    async def end(self, spans: Sequence[tuple[int, int]]) -> None:
        """What holds at the end of every case: every completion was one of a command, every read was inside."""
        assert self.driver.completions.strays == (), "a completion of no command"
        assert await self.driver.completions.collect(count=0) == [], "a completion too many"
        self.check_bus(spans)

    def check_bus(self, spans: Sequence[tuple[int, int]]) -> None:
        """Raises when a read left the windows (bus address, size), or the read port broke a rule."""
        assert flaws(self.memory.bursts, spans) == []
        if self._offered is not None and clock_number() > self._offered_clock + 1:
            self._flaws.append(f"clock {self._offered_clock}: an address was withdrawn")
        assert self._flaws == []

    @asynccontextmanager
    async def described(self, text: str) -> AsyncIterator[None]:
        """Names the case in whatever goes wrong in it."""
        try:
            yield
        except Exception as error:
            error.args = (f"{text}: {error}",)
            raise

    async def _watch_addresses(self) -> None:
        dut = self.dut
        signals = [getattr(dut, f"m_axi_{name}") for name in PAYLOAD]
        async for clock in strobes(dut.aclk, dut.m_axi_arvalid):
            if dut.aresetn.value != 1:
                self._offered = None
                continue
            offer = tuple(number(signal) for signal in signals)
            if self._offered is not None and (offer != self._offered or clock != self._offered_clock + 1):
                self._flaws.append(f"clock {clock}: an address changed, or came and went, before it was taken")
            self._offered = None if dut.m_axi_arready.value == 1 else offer
            self._offered_clock = clock
