"""The host of a scenario: does its steps, one after the other, and notes what it did and saw."""

from collections.abc import Iterable, Iterator
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles

from saoffload.host.bundles import Bundle, Destination, Sa
from saoffload.host.driver import Driver
from saoffload.host.errors import FlushBusyError, HostError, QueueFullError
from saoffload.host.register_map import Abi, Direction, Family, Protocol, Register
from saoffload.host.windows import Window
from saoffload.sim.fuzz.image import asked_handles, pieces, resolve
from saoffload.sim.fuzz.observation import HostEvent, Observation
from saoffload.sim.fuzz.scenario import Scenario, Step
from saoffload.sim.model import Window as ModelWindow
from saoffload.sim.model import WindowTable

from .fuzz_surroundings import Surroundings
from .fuzz_transport import PortTransport
from .strobes import CLOCK_PS

STEP_MS = 200_000 * CLOCK_PS * 1e-9
"""Nothing that the host waits for takes longer: 200,000 clocks."""
TAG_OF_NOBODY = 0xFFFF_0000
COMMANDS = ("walk", "delete", "flush")


class Host:
    """Does ``scenario`` with a driver of its own. ``seen`` is what came of it."""

    def __init__(self, dut: Any, transport: PortTransport, around: Surroundings, scenario: Scenario) -> None:
        self.seen = Observation()
        self._dut = dut
        self._transport = transport
        self._around = around
        self._scenario = scenario
        self._driver = Driver(transport, clock_hz=1e12 / CLOCK_PS, seed=scenario.surroundings.seed)
        self._windows = WindowTable.of(*(ModelWindow(*window) for window in scenario.windows))
        #: Of adds, by number: what a restore names, or what the engine chose.
        self._handles = {number: step.handle for number, step in enumerate(scenario.adds)}
        self._add_count = 0
        self._command_count = 0
        self._is_round_written = False
        self._hold: Any = None
        self._is_flushing = False

    async def run(self) -> Observation:
        """From the reset to the drained engine."""
        self.seen.begin_clock = self._around.now()
        try:
            await self._begin()
            for steps in self._rounds():
                for step in steps:
                    if step.do in COMMANDS and not self._is_round_written:
                        await self._write(steps)
                    await self._do(step)
                self._is_round_written = False
            await self._end()
        except HostError as error:
            self.seen.failure = f"{type(error).__name__}: {error}"
        if self._hold is not None:
            self._hold.cancel()
        self.seen.clock_count = self._around.now() - self.seen.begin_clock
        self.seen.log = await self._around.read_log()
        return self.seen

    async def _begin(self) -> None:
        driver, scenario = self._driver, self._scenario
        await driver.start(timeout_ms=STEP_MS)
        await driver.registers.write(Register.TIMEOUT, scenario.surroundings.timeout)
        for number, (base, size, bus_base) in enumerate(scenario.windows):
            if size:
                await driver.windows.set(number, Window(base=base, size=size, bus_base=bus_base))
        await self._around.ask_handles(asked_handles(scenario, self._handles))
        self._around.start_packets(scenario)

    async def _do(self, step: Step) -> None:
        match step.do:
            case "add":
                await self._add(step)
            case "end_restore":
                # What an end of restore mode means while a flush is under way is not settled by the contract.
                await self._settle(is_needed=self._is_flushing)
                await self._driver.table.end_restore(timeout_ms=STEP_MS)
                self._note("end_restore", self._end_of(Register.END_RESTORE))
            case "abort":
                tag = step.command if step.command < self._command_count else TAG_OF_NOBODY
                await self._driver.commands.abort(tag)
                self._note("abort", self._begin_of(Register.ABORT), tag)
            case "pause":
                await ClockCycles(self._dut.aclk, step.clocks + 1)
            case "hold":
                self._thaw()
                self._hold = cocotb.start_soon(self._freeze(step.clocks))
            case "settle":
                await self._settle()
            case _:
                await self._submit(step)

    def _rounds(self) -> Iterator[list[Step]]:
        """The steps up to each settling: between two rounds no command is under way."""
        steps: list[Step] = []
        for step in self._scenario.steps:
            steps.append(step)
            if step.do == "settle":
                yield steps
                steps = []
        yield steps

    async def _write(self, steps: Iterable[Step]) -> None:
        """Writes the lists of a round, before its first command: what is being walked is never changed."""
        self._is_round_written = True
        numbers = sorted({step.list for step in steps if step.list is not None})
        written = [
            piece for number in numbers for piece in pieces(self._scenario.lists[number], self._windows, self._handles)
        ]
        await self._around.write(written)
        self._note("write", self._around.now(), detail=written)

    async def _add(self, step: Step) -> None:
        number = self._add_count
        self._add_count += 1
        try:
            answer = await self._driver.table.add(_bundle(step), timeout_ms=STEP_MS)
        finally:
            self._note("add", self._begin_of(Register.ADD_GO), number, step)
        self._note("added", self._around.now(), number, (answer.result.name, answer.handle))
        if answer.is_ok and not step.handle:
            self._handles[number] = answer.handle
            await self._around.ask_handles(asked_handles(self._scenario, self._handles))

    async def _submit(self, step: Step) -> None:
        number = self._command_count
        self._command_count += 1
        if step.do == "delete":
            self.seen.delete_handles[number] = resolve(step.name, self._handles)
        while not await self._ring(step, number):
            # Whoever reads completions makes room.
            self.seen.refused_count += 1
            self.seen.completions += await self._driver.completions.collect(timeout_ms=STEP_MS)
        self._note("submit", self._begin_of(Register.DOORBELL), number, step)
        if step.do == "flush":
            self._is_flushing = True
            self._note("flushed", self._end_of(Register.DOORBELL), number)

    async def _ring(self, step: Step, tag: int) -> bool:
        """False: the doorbell refused."""
        commands = self._driver.commands
        try:
            if step.do == "flush":
                await commands.submit_flush(tag=tag)
            elif step.do == "delete":
                await commands.submit_delete(self.seen.delete_handles[tag], tag=tag)
            else:
                await commands.submit_walk(step.head, abi=Abi[step.abi.upper()], budget=step.budget, tag=tag)
        except (QueueFullError, FlushBusyError):
            return False
        return True

    async def _settle(self, *, is_needed: bool = True) -> None:
        if is_needed:
            self.seen.completions += await self._driver.completions.wait_all(timeout_ms=STEP_MS)
            self._is_flushing = False

    async def _end(self) -> None:
        driver, seen = self._driver, self.seen
        await self._settle()
        self._thaw()
        self._around.release()
        await driver.wait_quiesced(timeout_ms=STEP_MS)
        if not await self._around.drain():
            raise HostError("lookups without an answer")
        seen.stray_count = len(driver.completions.strays)
        seen.lost_ids = await driver.lost_ids()
        seen.counters = await driver.counters.read()
        seen.live = (await driver.table.live_bundles(), await driver.table.live_keys())

    async def _freeze(self, clocks: int) -> None:
        self._around.freeze(is_frozen=True)
        await ClockCycles(self._dut.aclk, clocks + 1)
        self._around.freeze(is_frozen=False)

    def _thaw(self) -> None:
        if self._hold is not None:
            self._hold.cancel()
        self._around.freeze(is_frozen=False)

    def _begin_of(self, register: Register) -> int:
        return self._around.of_bench(self._transport.spans[register][0])

    def _end_of(self, register: Register) -> int:
        return self._around.of_bench(self._transport.spans[register][1])

    def _note(self, kind: str, clock: int, number: int = 0, detail: Any = None) -> None:
        self.seen.host.append(HostEvent(clock, kind, number, detail))


def _bundle(step: Step) -> Bundle:
    sas = tuple(
        Sa(spi=spi, destination=Destination(destination, Family(family)), protocol=Protocol(protocol))
        for spi, destination, family, protocol in step.sas
    )
    direction = Direction.OUTBOUND if step.is_outbound else Direction.INBOUND
    return Bundle(sas=sas, handle=step.handle, direction=direction, context=step.context)
