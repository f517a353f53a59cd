"""Random walks on the engine in a memory that is not ours, each step compared with the model. A cocotb module."""

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiRamRead, AxiReadBus
from tests.cocotb.follower import Follower
from tests.cocotb.scenarios import MEMORY_BYTES, Command, Maker, Scenario

from saoffload.host.bundles import Bundle as HostBundle
from saoffload.host.bundles import Destination, Sa
from saoffload.host.register_map import Abi as HostAbi
from saoffload.host.register_map import Direction as HostDirection
from saoffload.host.register_map import Family, Protocol
from saoffload.host.windows import Window as HostWindow
from saoffload.sim.benches.bursts import Burst, flaws
from saoffload.sim.benches.engine_bench import EngineBench
from saoffload.sim.benches.strobes import number, strobes
from saoffload.sim.benches.trace import Command as TracedCommand
from saoffload.sim.jobs import answer_job, report_progress
from saoffload.sim.model import AddResult, Bundle, Engine, Memory, Opcode, SaTable, WindowTable
from saoffload.sim.model import Command as ModelCommand
from saoffload.sim.model import Direction as ModelDirection

ROUND_CLOCKS = 400_000
"""No round takes longer."""
MOST_COMMANDS = 4
PAUSE = {
    "none": (False, False),
    "address": (True, False),
    "beats": (False, True),
    "both": (True, True),
}
"""Stall patterns: whether the memory takes addresses, and gives beats, with pauses."""


class Ram(AxiRamRead):
    """cocotbext's memory, with beats that answer an error."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.failing: set[int] = set()

    async def _read(self, address: int, length: int) -> Any:
        if address in self.failing:
            raise ValueError(f"beat {address:#x} fails")
        return await super()._read(address, length)


class RandomBench(EngineBench):
    """The engine, a memory of cocotbext-axi, and what watches the reads between them."""

    def __init__(self, dut: Any, job: dict[str, Any]) -> None:
        super().__init__(dut)
        self.ram = Ram(
            AxiReadBus.from_prefix(dut, "m_axi"), dut.aclk, dut.aresetn, reset_active_level=False, size=MEMORY_BYTES
        )
        for logged in (self.ram, self.ram.ar_channel, self.ram.r_channel):
            logged.log.setLevel("ERROR")
        stalls = Random(job["seed"])
        for is_stalled, channel in zip(PAUSE[job["stall"]], (self.ram.ar_channel, self.ram.r_channel), strict=True):
            if is_stalled:
                channel.set_pause_generator(_pauses(stalls))
        #: "serial", "contexts" or "lines": how this engine reads.
        self.reads_by: str = job["reads_by"]
        self.bursts: list[Burst] = []
        cocotb.start_soon(self._watch_reads())

    async def _watch_reads(self) -> None:
        dut = self.dut
        async for clock in strobes(dut.aclk, dut.m_axi_arvalid):
            if dut.m_axi_arready.value == 1:
                names = ("arid", "araddr", "arlen", "arsize", "arburst")
                identity, address, length, size, kind = (number(getattr(dut, f"m_axi_{name}")) for name in names)
                self.bursts.append(Burst(clock, identity, address, length + 1, size, kind))

    async def run_round(self, scenario: Scenario) -> Counter[str]:
        """From reset to quiesced. Raises ``AssertionError`` at the first difference from the model."""
        self.trace.clear()
        self.bursts.clear()
        self.ram.write(0, bytes(scenario.memory))
        await self.reset()
        has = self.driver.capabilities
        # This memory fails whole words of the bus: on a wide one, two beats at a time.
        per_word = has.data_width // 64
        failing = {
            beat // (8 * per_word) * 8 * per_word + 8 * half
            for beat in scenario.failing_beats
            for half in range(per_word)
        }
        self.ram.failing = failing
        table = SaTable(bundles=has.bundles, keys=has.keys, ipv6=has.has_ipv6, context_width=has.context_width)
        memory = Memory()
        memory.add(0, scenario.memory)
        for beat in failing:
            memory.fail(beat)
        model = Engine(
            memory=memory, windows=WindowTable(count=has.window_count, address_width=has.address_width), table=table
        )
        follower = Follower(model)
        self.trace.did_delete = lambda traced, found: follower.did_delete(traced, found=found)
        for place, window in enumerate(scenario.windows):
            await self.driver.windows.set(
                place, HostWindow(base=window.base, size=window.size, bus_base=window.bus_base)
            )
            assert model.set_window(place, window), f"the model refuses {window}"
        await self._fill(scenario, table)
        await self._run_commands(scenario.commands, follower)
        return await self._check_end(scenario, follower)

    async def _fill(self, scenario: Scenario, table: SaTable) -> None:
        for handle, bundle in scenario.restored:
            await self._add(table, bundle, handle)
        if scenario.added:
            await self.driver.table.end_restore()
            table.end_restore()
        for bundle in scenario.added:
            await self._add(table, bundle, 0)

    async def _add(self, table: SaTable, bundle: Bundle, handle: int) -> None:
        answer = await self.driver.table.add(_for_host(bundle, handle))
        chosen = answer.handle if answer.is_ok else None
        expected = table.add(bundle, requested=handle, chosen=None if handle else chosen)
        assert expected is not None, f"{bundle} was added, the model says it must wait"
        assert (answer.result.name, answer.handle) == (expected.result.name, expected.handle), (
            f"add of {bundle} as {handle:#x}: the model has {expected}, the engine {answer}"
        )
        assert expected.result is not AddResult.NOT_READY

    def _is_of(self, burst: Burst, traced: TracedCommand) -> bool:
        """Whether this read was made for that command. A context reads with the ID of its number; without contexts the
        commands walk one after the other.
        """
        assert traced.ended is not None, f"command {traced.tag} has no result"
        is_mine = self.reads_by == "serial" or burst.id == traced.context
        return is_mine and traced.taken <= burst.clock <= traced.ended

    async def _run_commands(self, commands: list[Command], follower: Follower) -> None:
        driver = self.driver.commands
        aborts = []
        for tag, command in enumerate(commands, 1):
            follower.submit(
                ModelCommand(tag, head=command.head, opcode=command.opcode, abi=command.abi, budget=command.budget)
            )
            if command.abort_after is not None:
                follower.aborted.add(tag)
            if command.opcode is Opcode.FLUSH:
                await driver.submit_flush(tag=tag)
            elif command.opcode is Opcode.DELETE:
                await driver.submit_delete(command.head, tag=tag)
            else:
                abi = HostAbi[command.abi.name]
                await driver.submit_walk(command.head, abi=abi, budget=command.budget, tag=tag)
            if command.abort_after is not None:
                aborts.append(cocotb.start_soon(self._abort(tag, command.abort_after)))
        completions = await self.driver.completions.wait_all(timeout_ms=self.milliseconds(ROUND_CLOCKS))
        for abort in aborts:
            await abort
        assert sorted(completion.tag for completion in completions) == list(range(1, len(commands) + 1))
        for completion in completions:
            follower.did_complete(completion)
        await self.driver.wait_quiesced()

    async def _abort(self, tag: int, clocks: int) -> None:
        await ClockCycles(self.dut.aclk, clocks + 1)
        await self.driver.commands.abort(tag)

    async def _check_end(self, scenario: Scenario, follower: Follower) -> Counter[str]:
        jobs, table = follower.jobs, follower.model.table
        for traced in self.trace.commands if self.reads_by != "lines" else ():
            follower.check_reads(traced, [burst for burst in self.bursts if self._is_of(burst, traced)])
        assert follower.failure is None, follower.failure
        found = flaws(self.bursts, [(window.bus_base, window.size) for window in scenario.windows])
        assert not found, found[0]
        assert self.driver.completions.strays == ()
        counts = await self.driver.counters.read()
        visited = sum(job.completion.visited for job in jobs.values() if job.command.opcode is not Opcode.FLUSH)
        deleted = sum(job.completion.deleted for job in jobs.values() if job.command.opcode is not Opcode.FLUSH)
        assert (counts.visited_nodes, counts.deleted_handles) == (visited, deleted)
        assert counts.not_found_handles == visited - deleted
        assert counts.completions == len(jobs)
        left = (await self.driver.table.live_bundles(), await self.driver.table.live_keys())
        assert left == (len(table), table.live_key_count)
        return Counter(job.completion.status.name for job in jobs.values()) + Counter(
            nodes=visited, deleted=deleted, split=sum(burst.beat_count < 3 for burst in self.bursts)
        )


@cocotb.test()
async def random_walks(dut: Any) -> None:
    """Rounds of random work until so many nodes are visited."""
    await answer_job(lambda job: run_job(dut, job))


async def run_job(dut: Any, job: dict[str, Any]) -> dict[str, int]:
    """``reads_by`` (see ``RandomBench``), ``seed``, ``first_round``, and either ``nodes`` to reach or, with ``rounds``,
    how many. The result counts statuses, nodes and rounds. An error names its round.
    """
    bench = RandomBench(dut, job)
    total: Counter[str] = Counter()
    await bench.reset()
    has = bench.driver.capabilities
    round_number = job["first_round"]
    while total["rounds"] < job.get("rounds", 1 << 32) and total["nodes"] < job["nodes"]:
        random = Random(f"{job['seed']} {job['stall']} {round_number}")
        maker = Maker(
            random,
            bundles=has.bundles,
            ipv6=has.has_ipv6,
            windows=has.window_count,
            commands=min(MOST_COMMANDS, has.command_depth),
        )
        try:
            total += await bench.run_round(maker.make())
        except Exception as error:
            error.add_note(f"seed {job['seed']}, round {round_number}, stall pattern {job['stall']}")
            raise
        round_number += 1
        total["rounds"] += 1
        report_progress("random walks", total["nodes"], job["nodes"])
    return dict(total)


def _for_host(bundle: Bundle, handle: int) -> HostBundle:
    sas = tuple(
        Sa(
            spi=key.spi,
            destination=Destination(key.destination, Family(key.family)),
            protocol=Protocol(key.protocol),
        )
        for key in bundle.sas
    )
    is_outbound = bundle.direction is ModelDirection.OUTBOUND
    direction = HostDirection.OUTBOUND if is_outbound else HostDirection.INBOUND
    return HostBundle(sas=sas, handle=handle, direction=direction)


def _pauses(random: Random) -> Iterator[bool]:
    """Runs of pauses and of none, of random length."""
    while True:
        for is_paused in (True, False):
            for _ in range(random.choice((1, 1, 2, 3, 8))):
                yield is_paused
