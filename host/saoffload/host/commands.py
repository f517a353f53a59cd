"""Commands: asking the engine to walk a list, delete a handle, flush the table, or abort what was asked."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from .errors import (
    BadOpcodeError,
    CommandsOutstandingError,
    FlushBusyError,
    HostError,
    NotReadyError,
    QueueFullError,
    RefusedError,
    StagingLostError,
)
from .register_map import Abi, DoorbellFields, DoorbellResult, DoorbellResultFields, Opcode, Register
from .registers import Registers, require_bits, words
from .tags import TAG_BITS, TagAccount
from .transport import TransportError

REFUSALS: dict[DoorbellResult, tuple[type[RefusedError], str]] = {
    DoorbellResult.NOT_READY: (NotReadyError, "the table is not ready"),
    DoorbellResult.BAD_OPCODE: (BadOpcodeError, "the engine does not know this opcode"),
    DoorbellResult.INCOMPLETE: (StagingLostError, "words of the command are missing: somebody else rings the doorbell"),
    DoorbellResult.QUEUE_FULL: (QueueFullError, "the command queue is full"),
    DoorbellResult.FLUSH_BUSY: (FlushBusyError, "a flush is under way, or its completion has no place"),
}
UNLIMITED = 0
"""The budget that means 2^32-1 nodes."""


class Commands:
    """Submits commands one at a time; each accepted one gets exactly one completion, see ``Completions``.

    Every ``submit_...`` returns the command's tag: the one given, or else one that no outstanding command carries. They
    raise a ``RefusedError`` that names the reason when the engine refuses: then nothing was submitted. They raise
    ``TagInUseError`` for a tag that an outstanding command carries, unless ``shares_tag`` says that this is meant.
    After a ``TransportError`` without a response it is unknown whether the command was accepted: it counts as
    outstanding.
    """

    def __init__(self, registers: Registers, account: TagAccount) -> None:
        self._registers = registers
        self._account = account
        self._lock = registers.transport.make_lock()

    async def submit_walk(
        self,
        head: int,
        *,
        abi: Abi = Abi.X64,
        budget: int = UNLIMITED,
        tag: int | None = None,
        shares_tag: bool = False,
    ) -> int:
        """Walk the list whose first node is at list address ``head`` and delete the handle of every node, visiting at
        most ``budget`` nodes.
        """
        require_bits("budget", budget, 32)
        staging = (*self._head(head), (Register.COMMAND_BUDGET, budget))
        return await self._submit(Opcode.WALK, staging, abi=abi, tag=tag, shares_tag=shares_tag)

    async def submit_delete(self, handle: int, *, tag: int | None = None, shares_tag: bool = False) -> int:
        """Delete one handle: a walk of one node that is not in memory."""
        return await self._submit(Opcode.DELETE_ONE, self._head(handle), tag=tag, shares_tag=shares_tag)

    async def submit_flush(self, *, tag: int | None = None, shares_tag: bool = False) -> int:
        """Remove every bundle and enter restore mode. Cannot be aborted."""
        return await self._submit(Opcode.FLUSH, (), tag=tag, shares_tag=shares_tag)

    @asynccontextmanager
    async def flushing(self) -> AsyncIterator[Callable[[], Awaitable[int]]]:
        """Let no command in but a flush until the block is left: whoever submits one waits for his turn. Gives what
        submits the flush and returns its tag. Raises ``CommandsOutstandingError`` while a command of before has no
        completion yet.
        """

        async def submit() -> int:
            return await self._submit_in_turn(Opcode.FLUSH, (), abi=Abi.X64, tag=None, shares_tag=False)

        async with self._lock:
            if self._account.outstanding:
                raise CommandsOutstandingError(self._account.outstanding)
            yield submit

    async def abort(self, tag: int) -> None:
        """Abort every walk and delete that carries ``tag``. Their completions still come, ABORTED or with the status
        that they had reached. The engine counts a tag that nothing carries and changes nothing.
        """
        require_bits("tag", tag, TAG_BITS)
        await self._registers.write(Register.ABORT, tag)

    async def abort_all(self) -> None:
        """Abort every walk and delete, queued or active, whoever submitted it. Their completions still come."""
        await self._registers.write(Register.ABORT_ALL, 1)

    @staticmethod
    def _head(value: int) -> tuple[tuple[Register, int], ...]:
        require_bits("head", value, 64)
        return tuple(zip((Register.COMMAND_HEAD_LOW, Register.COMMAND_HEAD_HIGH), words(value, 2), strict=True))

    async def _submit(
        self,
        opcode: Opcode,
        staging: tuple[tuple[Register, int], ...],
        *,
        abi: Abi = Abi.X64,
        tag: int | None,
        shares_tag: bool,
    ) -> int:
        async with self._lock:
            return await self._submit_in_turn(opcode, staging, abi=abi, tag=tag, shares_tag=shares_tag)

    async def _submit_in_turn(
        self, opcode: Opcode, staging: tuple[tuple[Register, int], ...], *, abi: Abi, tag: int | None, shares_tag: bool
    ) -> int:
        # Outstanding before the doorbell rings: its completion may be collected before we have read the result.
        tag = self._account.reserve(tag, is_shared=shares_tag)
        try:
            await self._registers.write_all(((Register.COMMAND_TAG, tag), *staging))
        except BaseException:
            self._account.settle(tag)
            raise
        try:
            doorbell = DoorbellFields.OPCODE.put(opcode) | DoorbellFields.ABI.put(abi)
            await self._registers.write(Register.DOORBELL, doorbell)
        except TransportError as error:
            if error.response is not None:
                self._account.settle(tag)
            raise
        result = DoorbellResultFields.RESULT.get(await self._registers.read(Register.DOORBELL_RESULT))
        if result == DoorbellResult.ACCEPTED:
            return tag
        self._account.settle(tag)
        refusal, reason = REFUSALS.get(DoorbellResult(result), (HostError, "the doorbell had no effect"))
        raise refusal(reason)
