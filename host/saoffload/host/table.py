"""Adds: bringing bundles into the engine's table, under handles it chooses or under those they had before."""

from dataclasses import dataclass

from .bundles import Bundle
from .capabilities import Capabilities
from .errors import AddBusyError, AddRefusedError, NoSeedError, NotRestoredError, TableLostError
from .register_map import (
    AddControlFields,
    AddResult,
    AddSaFlagsFields,
    AddStatusFields,
    Memory,
    Register,
    StatusFields,
)
from .registers import Registers, consecutive, require_bits, words
from .tags import TagAccount
from .waiting import DEFAULT_TIMEOUT_MS, wait_until

SA_REGISTERS = (
    (Register.ADD_SA_0_SPI, Register.ADD_SA_0_DESTINATION_0, Register.ADD_SA_0_FLAGS),
    (Register.ADD_SA_1_SPI, Register.ADD_SA_1_DESTINATION_0, Register.ADD_SA_1_FLAGS),
)
WORD_BITS = 32
SEED_BITS = 64


@dataclass(frozen=True)
class AddAnswer:
    """What the table made of an add. ``handle`` is 0 unless ``result`` is OK."""

    result: AddResult
    handle: int

    @property
    def is_ok(self) -> bool:
        """Whether the bundle lives."""
        return self.result is AddResult.OK

    def expect_handle(self) -> int:
        """The handle of the bundle. Raises ``AddRefusedError`` with the result when the bundle does not live."""
        if not self.is_ok:
            raise AddRefusedError(self.result.name)
        return self.handle


class Table:
    """Adds bundles one at a time. Callers that come meanwhile wait for their turn."""

    def __init__(self, registers: Registers, account: TagAccount) -> None:
        self._registers = registers
        self._account = account
        self._lock = registers.transport.make_lock()
        self._capabilities: Capabilities | None = None
        self._has_unanswered_add = False
        self._named_handle = 0
        # The engine clears its staging with every add it takes, so that words that are 0 need no write from then on.
        self._staging_is_clear = False

    def attach(self, capabilities: Capabilities) -> None:
        """Start anew on an engine just identified, or on one that lost its table: no add is under way."""
        self._capabilities = capabilities
        self._has_unanswered_add = False
        self._staging_is_clear = False

    async def add(self, bundle: Bundle, *, timeout_ms: float = DEFAULT_TIMEOUT_MS) -> AddAnswer:
        """Add ``bundle`` and return the answer, OK or not. A full table answers FULL at once; one whose room is still
        being scrubbed or drained lets the add wait.

        Raises ``WaitTimeoutError`` when the answer has not come within ``timeout_ms``: the add stays under way and may
        succeed later, so ``finish_add`` must collect its answer. ``AddBusyError``: that was not done.
        ``TableLostError``: the engine was reset meanwhile. ``NotRestoredError``: ``bundle`` names a handle, the engine
        was not in restore mode, and the bundle lives under another one. ``ValueError``: more than 3 SAs (the engine can
        be told of 3 and refuses them), or a context wider than the engine keeps.
        """
        writes = self._staging(bundle)
        async with self._lock:
            if self._has_unanswered_add:
                raise AddBusyError("the answer of the add before was not collected: call finish_add first")
            if self._staging_is_clear:
                writes = [(address, value) for address, value in writes if value]
            self._staging_is_clear = False
            await self._registers.write_all(writes)
            # Set before the write: should its answer get lost, the add may be under way all the same.
            self._has_unanswered_add = True
            self._named_handle = bundle.handle
            await self._registers.write(Register.ADD_GO, 1)
            return await self._answer(timeout_ms)

    async def finish_add(self, *, timeout_ms: float = DEFAULT_TIMEOUT_MS) -> AddAnswer | None:
        """The answer of an add that ended in ``WaitTimeoutError``; None when there is no such add."""
        async with self._lock:
            return await self._answer(timeout_ms) if self._has_unanswered_add else None

    async def end_restore(self, *, timeout_ms: float = DEFAULT_TIMEOUT_MS) -> None:
        """Leave restore mode: from now on the engine chooses the handles. Raises ``WaitTimeoutError`` when it has not
        happened within ``timeout_ms``, for example behind an add that waits.
        """

        async def is_over() -> bool:
            return not StatusFields.END_RESTORE_BUSY.get(await self._registers.read(Register.STATUS))

        async with self._lock:
            await self._registers.write(Register.END_RESTORE, 1)
            await wait_until(self._registers.transport, is_over, what="end of restore mode", timeout_ms=timeout_ms)

    @property
    def has_unanswered_add(self) -> bool:
        """Whether an add is under way, or ended without its answer."""
        return self._has_unanswered_add

    async def set_seed(self, seed: int) -> bool:
        """Set the seed of the table's hash: a secret, best drawn at random. True when the table follows it at once,
        which it does from a reset or a flush to the first add; False when it will from the next flush on. Until then
        nothing changes. Raises ``NoSeedError`` for a table without, and ``ValueError`` for more than 64 bits.
        """
        require_bits("a seed", seed, SEED_BITS)
        if not self._known.has_seed:
            raise NoSeedError("the engine's table has no seed")
        async with self._lock:
            await self._registers.write_wide(Register.SEED_LOW, Register.SEED_HIGH, seed)
            return bool(StatusFields.SEED_OPEN.get(await self._registers.read(Register.STATUS)))

    async def live_bundles(self) -> int:
        """Bundles that live now."""
        return await self._registers.read(Register.LIVE_BUNDLES)

    async def live_keys(self) -> int:
        """Keys that live now."""
        return await self._registers.read(Register.LIVE_KEYS)

    @property
    def _known(self) -> Capabilities:
        if self._capabilities is None:
            raise RuntimeError("start the driver before using its table")
        return self._capabilities

    def _staging(self, bundle: Bundle) -> list[tuple[int, int]]:
        """Every word of the add and its address."""
        context_width = self._known.context_width
        require_bits("the context", bundle.context, context_width)
        handle_low, handle_high = words(bundle.handle, 2)
        control = AddControlFields.DIRECTION.put(bundle.direction) | AddControlFields.SA_COUNT.put(len(bundle.sas))
        writes: list[tuple[int, int]] = [
            (Register.ADD_HANDLE_LOW, handle_low),
            (Register.ADD_HANDLE_HIGH, handle_high),
            (Register.ADD_CONTROL, control),
        ]
        for sa, (spi, destination, flags) in zip(bundle.sas, SA_REGISTERS, strict=False):
            writes.append((spi, sa.spi))
            writes += consecutive(destination, sa.destination.words)
            kind = AddSaFlagsFields.FAMILY.put(sa.destination.family) | AddSaFlagsFields.PROTOCOL.put(sa.protocol)
            writes.append((flags, kind))
        context_word_count = -(-context_width // WORD_BITS)
        return writes + consecutive(Memory.ADD_CONTEXT, words(bundle.context, context_word_count))

    async def _answer(self, timeout_ms: float) -> AddAnswer:
        word = 0

        async def is_answered() -> bool:
            nonlocal word
            word = await self._registers.read(Register.ADD_STATUS)
            if AddStatusFields.GO_REFUSED.get(word):
                self._has_unanswered_add = False
                raise AddBusyError("an add that this driver does not know of is under way")
            is_done = bool(AddStatusFields.DONE.get(word))
            if not is_done and not AddStatusFields.BUSY.get(word):
                self._has_unanswered_add = False
                raise TableLostError(self._account.outstanding)
            return is_done

        await wait_until(self._registers.transport, is_answered, what="answer to an add", timeout_ms=timeout_ms)
        result = AddResult(AddStatusFields.RESULT.get(word))
        handle = await self._registers.read(Register.ADD_ANSWER_HANDLE) if result is AddResult.OK else 0
        self._has_unanswered_add = False
        self._staging_is_clear = True
        if result is AddResult.OK and self._named_handle not in (0, handle):
            raise NotRestoredError(self._named_handle, handle)
        return AddAnswer(result, handle)
