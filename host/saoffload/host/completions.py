"""Completions: what became of the commands, each exactly once."""

from collections import Counter
from dataclasses import dataclass

from .capabilities import Capabilities
from .errors import HostError, TableLostError, UnknownTagError
from .interrupts import COLLECTED, Event, Interrupts
from .register_map import CompletionStatus, CompletionStatusFields, Register, StatusFields
from .registers import Registers
from .tags import TagAccount
from .waiting import DEFAULT_TIMEOUT_MS, Deadline


@dataclass(frozen=True, kw_only=True)
class Completion:
    """What became of one command. ``fault_address`` is None exactly when ``status`` is OK."""

    tag: int
    status: CompletionStatus
    visited: int
    deleted: int
    not_found: int
    fault_address: int | None


class Completions:
    """Collects completions from the engine's queue. However many coroutines wait, and however interrupts, waits and
    completions interleave, each completion is handed out exactly once: the completion event is cleared *first* and the
    queue popped until it is empty *then*, so that whatever comes during or after that sets the event anew.

    With ``Event.COMPLETION`` and ``Event.TABLE_LOST`` enabled and a transport that watches the interrupt line, waits
    sleep on the line; else they poll.

    Every waiting call raises ``TableLostError`` once the engine has lost its table, and never returns a completion that
    was read after the loss.
    """

    def __init__(self, registers: Registers, account: TagAccount, interrupts: Interrupts) -> None:
        self._registers = registers
        self._account = account
        self._interrupts = interrupts
        self._lock = registers.transport.make_lock()
        self._depth = 0
        self._arrived: list[Completion] = []
        self._awaited: Counter[int] = Counter()
        self._strays: list[Completion] = []
        # A completion read whose pop failed on the way: it may still stand at the head, or be gone.
        self._in_doubt: Completion | None = None

    @property
    def strays(self) -> tuple[Completion, ...]:
        """Completions whose tag no outstanding command carried, in order of arrival: commands of an earlier driver on
        the same engine, or an engine at fault.
        """
        return tuple(self._strays)

    @property
    def outstanding(self) -> tuple[int, ...]:
        """The tag of every command whose completion has not been read yet, once per command."""
        return self._account.outstanding

    def attach(self, capabilities: Capabilities) -> None:
        """Serve the engine just identified."""
        self._depth = capabilities.completion_depth

    async def collect(self, *, count: int = 1, timeout_ms: float = 0) -> list[Completion]:
        """All completions that are there, in order of arrival, without those that ``wait`` is called for. Waits until
        there are at least ``count``, at most ``timeout_ms``; what has come by then is returned, be it nothing.
        """
        deadline = Deadline(self._registers.transport, timeout_ms)
        while True:
            is_last_look = deadline.seconds_left == 0
            table_was_lost = await self._drain()
            ready = [completion for completion in self._arrived if not self._awaited[completion.tag]]
            if len(ready) >= count or is_last_look or table_was_lost:
                if table_was_lost and not ready:
                    raise TableLostError(self._account.outstanding)
                self._arrived = [completion for completion in self._arrived if self._awaited[completion.tag]]
                return ready
            await self._interrupts.wait(COLLECTED, deadline.seconds_left)

    async def wait(self, tag: int, *, timeout_ms: float = DEFAULT_TIMEOUT_MS) -> Completion:
        """The completion of the command with this tag. Raises ``WaitTimeoutError`` when it has not come within
        ``timeout_ms`` (it stays outstanding), and ``UnknownTagError`` when no command carries the tag.
        """
        deadline = Deadline(self._registers.transport, timeout_ms)
        self._awaited[tag] += 1
        try:
            while True:
                is_last_look = deadline.seconds_left == 0
                completion = self._take(tag)
                if completion is not None:
                    return completion
                table_was_lost = await self._drain()
                completion = self._take(tag)
                if completion is not None:
                    return completion
                if table_was_lost:
                    raise TableLostError(self._account.outstanding)
                if not self._account.is_outstanding(tag):
                    raise UnknownTagError(tag)
                if is_last_look:
                    raise deadline.error(f"completion of tag {tag:#x}")
                await self._interrupts.wait(COLLECTED, deadline.seconds_left)
        finally:
            self._awaited -= Counter((tag,))

    async def wait_all(self, *, timeout_ms: float = DEFAULT_TIMEOUT_MS) -> list[Completion]:
        """The completions of all outstanding commands, with those that came before, in order of arrival. Raises
        ``WaitTimeoutError`` when some have not come within ``timeout_ms``; nothing is taken then.
        """
        deadline = Deadline(self._registers.transport, timeout_ms)
        while True:
            is_last_look = deadline.seconds_left == 0
            table_was_lost = await self._drain()
            if not self._account.outstanding:
                return await self.collect(count=0)
            if table_was_lost:
                raise TableLostError(self._account.outstanding)
            if is_last_look:
                raise deadline.error(f"completions of {len(self._account.outstanding)} commands")
            await self._interrupts.wait(COLLECTED, deadline.seconds_left)

    async def discard_all(self) -> tuple[int, ...]:
        """Pop whatever stands in the queue and forget all outstanding commands; returns their tags. For an engine that
        lost its table, whose queue means nothing any more. Completions read before the loss are kept for ``collect``.
        """
        async with self._lock:
            for _ in range(self._depth + 1):
                if await self._read_head() is None:
                    break
                await self._registers.write(Register.COMPLETION_POP, 1)
            else:
                raise HostError("the completion queue never becomes empty: popping has no effect")
            self._in_doubt = None
            return self._account.void()

    def _take(self, tag: int) -> Completion | None:
        for place, completion in enumerate(self._arrived):
            if completion.tag == tag:
                return self._arrived.pop(place)
        return None

    async def _drain(self) -> bool:
        """Clear the event, then pop until the queue is empty. True when the engine has lost its table: then nothing
        was taken that was read after the loss.
        """
        async with self._lock:
            await self._interrupts.clear(Event.COMPLETION)
            stray_limit = len(self._strays) + self._depth
            while True:
                head = await self._read_head()
                # Read after the words of the head: a reset in between leaves a mixture of old words and zeros.
                if StatusFields.TABLE_LOST.get(await self._registers.read(Register.STATUS)):
                    return True
                if self._in_doubt is not None and self._in_doubt != head:
                    self._deliver(self._in_doubt)
                self._in_doubt = head
                if head is None:
                    return False
                await self._registers.write(Register.COMPLETION_POP, 1)
                self._in_doubt = None
                self._deliver(head)
                if len(self._strays) > stray_limit:
                    raise HostError("the completion queue never becomes empty: popping has no effect")

    def _deliver(self, completion: Completion) -> None:
        if self._account.settle(completion.tag):
            self._arrived.append(completion)
        else:
            self._strays.append(completion)

    async def _read_head(self) -> Completion | None:
        word = await self._registers.read(Register.COMPLETION_STATUS)
        if not CompletionStatusFields.VALID.get(word):
            return None
        number = CompletionStatusFields.STATUS.get(word)
        try:
            status = CompletionStatus(number)
        except ValueError:
            raise HostError(f"a completion carries status {number}, which the contract does not know") from None
        is_ok = status is CompletionStatus.OK
        return Completion(
            tag=await self._registers.read(Register.COMPLETION_TAG),
            status=status,
            visited=await self._registers.read(Register.COMPLETION_VISITED),
            deleted=await self._registers.read(Register.COMPLETION_DELETED),
            not_found=await self._registers.read(Register.COMPLETION_NOT_FOUND),
            fault_address=None
            if is_ok
            else await self._registers.read_wide(Register.COMPLETION_FAULT_LOW, Register.COMPLETION_FAULT_HIGH),
        )
