"""The driver of one engine, the same over a simulation and over silicon.

    driver = Driver(transport, clock_hz=125e6)
    await driver.start()                                            # identify, wait until ready
    await driver.set_read_timeout(10)                               # milliseconds
    await driver.windows.set(0, builder.window)
    await driver.table.end_restore()                                # nothing to restore after a cold start
    handle = (await driver.table.add(bundle)).expect_handle()
    tag = await driver.commands.submit_walk(head)
    completion = await driver.completions.wait(tag)
    await driver.wait_quiesced()                                    # only now may the list's memory be unmapped

The parts of the driver are its attributes: ``windows``, ``table``, ``commands``, ``completions``, ``counters`` and
``interrupts``. Every wait is bounded, every refusal is an exception that names the reason, and several coroutines may
use one driver at once where the transport offers locks. One driver owns one engine.
"""

import secrets
from collections.abc import Iterable
from math import ceil, isfinite

from .bundles import Bundle
from .capabilities import Capabilities, EngineStatus
from .commands import Commands
from .completions import Completions
from .counters import Counters
from .interrupts import COLLECTED, Event, Interrupts
from .register_map import Register, ResetFields
from .registers import Registers, require_bits
from .reseed import reseed
from .table import SEED_BITS, Table
from .tags import TagAccount
from .transport import Transport
from .waiting import DEFAULT_TIMEOUT_MS, wait_until
from .windows import Windows

WAIT_FOR_EVER = 0.0
"""The read timeout that never ends a read."""
TIMEOUT_LIMIT = 1 << 32


class Driver:
    """Drives the engine behind ``transport``. ``clock_hz`` is the engine's clock: what turns a timeout in milliseconds
    into clocks. ``seed`` is that of the table's hash, for runs that must be alike; None draws a new one whenever the
    table begins anew, so that nobody can choose keys that collide. Raises ``ValueError`` for a frequency that is none
    and a seed beyond 64 bits.
    """

    def __init__(self, transport: Transport, *, clock_hz: float, seed: int | None = None) -> None:
        if not (isfinite(clock_hz) and clock_hz > 0):
            raise ValueError(f"clock_hz must be a frequency above 0, got {clock_hz}")
        if seed is not None:
            require_bits("a seed", seed, SEED_BITS)
        self.transport = transport
        self.clock_hz = clock_hz
        self._seed = seed
        self.registers = Registers(transport)
        account = TagAccount()
        self.interrupts = Interrupts(self.registers)
        self.windows = Windows(self.registers)
        self.table = Table(self.registers, account)
        self.commands = Commands(self.registers, account)
        self.completions = Completions(self.registers, account, self.interrupts)
        self.counters = Counters(self.registers)
        self._capabilities: Capabilities | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What the engine is. Raises ``RuntimeError`` before ``identify`` or ``start``."""
        if self._capabilities is None:
            raise RuntimeError("start the driver first")
        return self._capabilities

    async def identify(self) -> Capabilities:
        """Check that the engine is one this driver knows, and learn what it is. Changes nothing in the engine. Raises
        ``WrongEngineError``.
        """
        capabilities = await Capabilities.read(self.registers)
        self._attach(capabilities)
        return capabilities

    async def start(self, *, timeout_ms: float = DEFAULT_TIMEOUT_MS) -> Capabilities:
        """Take over the engine: identify it, wait until it is ready, set the seed of its table, clear what its reset
        reported, and let completions and the loss of the table raise the interrupt line. After a reset the engine is in
        restore mode: restore bundles, then call ``table.end_restore``.
        """
        capabilities = await self.identify()
        await self.wait_ready(timeout_ms=timeout_ms)
        await self._set_seed()
        await self.interrupts.clear(Event.TABLE_LOST | Event.READY | Event.REFUSED | Event.ADD_DONE)
        await self.interrupts.enable(COLLECTED)
        return capabilities

    async def status(self) -> EngineStatus:
        """What the engine does now."""
        return await EngineStatus.read(self.registers)

    async def wait_ready(self, *, timeout_ms: float = DEFAULT_TIMEOUT_MS) -> None:
        """Wait until commands and adds are taken. Raises ``WaitTimeoutError``."""

        async def is_ready() -> bool:
            return (await self.status()).is_ready

        await wait_until(self.transport, is_ready, what="the engine ready", timeout_ms=timeout_ms)

    async def wait_quiesced(self, *, timeout_ms: float = DEFAULT_TIMEOUT_MS) -> None:
        """Wait until no command is active and no read is outstanding: only then may the memory of windows be unmapped.
        Raises ``WaitTimeoutError``, also while a read that timed out has not been answered: its memory stays in use.
        """

        async def is_quiesced() -> bool:
            return (await self.status()).is_quiesced

        await wait_until(self.transport, is_quiesced, what="the engine quiesced", timeout_ms=timeout_ms)

    async def lost_ids(self) -> int:
        """Read IDs out of use because their read timed out and its answer is not complete."""
        return await self.registers.read(Register.LOST_IDS)

    async def unretired_age(self) -> int:
        """Clocks for which the packet path has kept the oldest answer that a completion or an index waits for; 0 while
        nothing waits, and where the engine does not count it (``capabilities.has_retire_watch``). A number that grows
        and grows is a packet path that never retires: completions stay away until it does, nothing else.
        """
        return await self.registers.read(Register.UNRETIRED_AGE)

    async def set_read_timeout(self, milliseconds: float) -> int:
        """End a walk in TIMEOUT when a read of host memory is not answered within ``milliseconds``; ``WAIT_FOR_EVER``
        turns that off. Returns the clocks set: never fewer than asked for. Raises ``ValueError`` for a time that does
        not fit the register.
        """
        if not (isfinite(milliseconds) and milliseconds >= 0):
            raise ValueError(f"a read timeout is a number of milliseconds from 0 up, got {milliseconds}")
        clocks = ceil(milliseconds * self.clock_hz / 1000)
        if clocks >= TIMEOUT_LIMIT:
            raise ValueError(f"a read timeout of {milliseconds:g} ms is {clocks} clocks, the engine counts 32 bits")
        await self.registers.write(Register.TIMEOUT, clocks)
        return clocks

    async def recover(self, *, timeout_ms: float = DEFAULT_TIMEOUT_MS) -> tuple[int, ...]:
        """Begin anew after ``TableLostError``: wait until the engine is ready and quiesced, drop the completions in its
        queue, and forget all outstanding commands. Returns their tags: void, nobody knows what they deleted. Interrupts
        are enabled as before, and the seed is set as by ``start``. After a reset the table is empty and in restore
        mode, windows and the read timeout are off; windows, the read timeout and the bundles that are to live on are
        the caller's to bring back.
        """
        enabled = self.interrupts.enabled
        capabilities = await self.identify()
        await self.wait_ready(timeout_ms=timeout_ms)
        await self.wait_quiesced(timeout_ms=timeout_ms)
        # Cleared before the queue is emptied: a further loss from here on is reported again.
        await self.interrupts.clear(Event.TABLE_LOST | Event.READY | Event.COMPLETION)
        void_tags = await self.completions.discard_all()
        await self._set_seed()
        await self.interrupts.enable(enabled)
        self._attach(capabilities)
        return void_tags

    async def reset(self, *, timeout_ms: float = DEFAULT_TIMEOUT_MS) -> tuple[int, ...]:
        """Reset the engine by register, once all reads of host memory under way were answered or timed out, and begin
        anew as ``recover`` does. Returns the tags that are void. Raises ``WaitTimeoutError`` while a read is neither
        answered nor timed out, and while one that timed out before still may be answered: its memory stays in use.
        Answers that the packet path got before are still to be retired: a flush whose completion has come tells that
        no packet uses a bundle of before.
        """
        await self.registers.write(Register.RESET, ResetFields.DO_RESET.mask)
        return await self.recover(timeout_ms=timeout_ms)

    async def reseed(
        self, bundles: Iterable[Bundle], *, seed: int | None = None, timeout_ms: float = DEFAULT_TIMEOUT_MS
    ) -> None:
        """Give the table in use another seed: flush it, restore ``bundles``, each under the handle that it names, and
        end restore mode. For a table that answers FULL long before its capacity, or a seed that others may know.
        ``seed``: None draws one, whatever the driver was given.

        From the flush on every lookup misses, and each bundle is found again once it is restored: meanwhile software
        handles what is received, and packets to send must wait or fail. Commands that are submitted meanwhile wait for
        their turn, so that nothing deleted is brought back. ``bundles`` must be all that live: what it lacks is gone.

        ``timeout_ms`` is for each step. Raises, with nothing flushed: ``NoSeedError``; ``CommandsOutstandingError``;
        ``AddBusyError``; ``ValueError`` for a bundle without a handle or two of one handle, or a seed beyond 64 bits;
        ``RefusedError`` when the flush was refused (the new seed counts from the next flush on all the same). After
        the flush: ``ReseedError`` with the handles that name nothing, ``TableLostError`` when nothing does.
        """
        chosen = secrets.randbits(SEED_BITS) if seed is None else seed
        await reseed(self.table, self.commands, self.completions, bundles, seed=chosen, timeout_ms=timeout_ms)

    async def _set_seed(self) -> None:
        if self.capabilities.has_seed:
            await self.table.set_seed(secrets.randbits(SEED_BITS) if self._seed is None else self._seed)

    def _attach(self, capabilities: Capabilities) -> None:
        self._capabilities = capabilities
        for part in (self.windows, self.table, self.completions, self.counters):
            part.attach(capabilities)
