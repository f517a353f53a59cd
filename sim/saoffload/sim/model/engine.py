"""The engine as its driver and its packet path see it: commands and completions around one table."""

import enum
from typing import NamedTuple

from .events import Completion, Deleted, DisagreementError, Event, NotFound, Status
from .memory import Memory
from .nodes import Abi
from .table import SaTable
from .walk import ADDRESS_END, BUDGET_END, NodeResult, Walker, node_results
from .windows import Window, WindowTable

_TAG_END = 1 << 32


class Opcode(enum.Enum):
    """What a command asks for."""

    #: Follow the list at ``head`` and delete the handle of every node.
    WALK = 0
    #: Delete the one handle in ``head``: a walk of one node that is not in memory.
    DELETE = 1
    #: Remove every bundle.
    FLUSH = 2


class Refusal(enum.Enum):
    """Why a command was refused at the doorbell; it gets no completion."""

    NOT_READY = 1
    FULL = 2


class Command(NamedTuple):
    """What a driver submits. Tags are opaque and may repeat."""

    tag: int
    head: int = 0
    opcode: Opcode = Opcode.WALK
    abi: Abi = Abi.X64
    budget: int = 0


class JobState(enum.Enum):
    """Where an accepted command is. QUEUED, ACTIVE: it can be aborted. DONE: it waits for its grace period."""

    QUEUED = 0
    ACTIVE = 1
    DONE = 2
    DELIVERED = 3


class Job:
    """One accepted command: its state, the events so far, and in the end its one completion."""

    def __init__(self, command: Command, walker: Walker | None) -> None:
        self.command = command
        self.state = JobState.QUEUED
        self.events: list[Event] = walker.events if walker else []
        self.completion: Completion | None = None
        #: The walk behind a WALK command.
        self.walker = walker
        #: Begin of the grace period, once the command is done.
        self.mark = 0

    @property
    def nodes(self) -> list[NodeResult]:
        """The nodes visited so far, each with its result. A DELETE has visited none in memory: its result stands in
        ``events``.
        """
        return node_results(self.events) if self.walker else []

    @property
    def is_decided(self) -> bool:
        """Whether an abort would come too late. A flush cannot be aborted."""
        if self.state in (JobState.DONE, JobState.DELIVERED) or self.command.opcode is Opcode.FLUSH:
            return True
        return self.walker is not None and self.walker.is_decided


class Engine:
    """Takes commands, runs them in whatever order and interleaving it is told, and allows each completion exactly
    once and not before its grace period is over.

    To follow hardware: ``submit`` what its doorbell accepted, ``step`` a job at each answer to one of its deletes,
    ``abort`` when its completion says ABORTED, ``deliver`` when its completion is seen. To predict: ``submit``,
    then ``run`` and ``pop``.

    Parameters: ``memory``, ``windows`` and ``table``; ``id_count``, the bus IDs of the read master (None: never
    short of them); ``command_depth``, the commands that may be queued (None: any number).
    """

    def __init__(
        self,
        *,
        memory: Memory,
        windows: WindowTable,
        table: SaTable,
        id_count: int | None = None,
        command_depth: int | None = None,
    ) -> None:
        self.memory = memory
        self.windows = windows
        self.table = table
        self.id_count = id_count
        self.command_depth = command_depth
        #: The sticky bit: the table was lost, and with it the meaning of every tag used before.
        self.is_table_lost = True
        self.lost_id_count = 0
        self.refused_command_count = 0
        self.refused_window_count = 0
        self.unknown_abort_count = 0
        self._jobs: list[Job] = []

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Every accepted command whose completion is not delivered, oldest first."""
        return tuple(self._jobs)

    @property
    def is_quiesced(self) -> bool:
        """Whether host memory may be unmapped: no command is under way and no read is outstanding."""
        return not self._jobs and not self.lost_id_count

    def set_window(self, number: int, window: Window) -> bool:
        """Sets a window. False: refused and counted, because of its values or because the engine is not quiesced."""
        if self.is_quiesced and self.windows.set(number, window):
            return True
        self.refused_window_count += 1
        return False

    def submit(self, command: Command) -> Job | Refusal:
        """The doorbell. A flush takes effect here, before the walks that are queued; one at a time is taken.

        Raises ``ValueError`` when a field does not fit.
        """
        for name, value, end in (
            ("tag", command.tag, _TAG_END),
            ("head", command.head, ADDRESS_END),
            ("budget", command.budget, BUDGET_END),
        ):
            if not 0 <= value < end:
                raise ValueError(f"{name} of a command must be below {end:#x}, got {value:#x}")
        refusal = self._refusal(command)
        if refusal is not None:
            self.refused_command_count += 1
            return refusal
        job = Job(command, self._walker(command) if command.opcode is Opcode.WALK else None)
        if command.opcode is Opcode.FLUSH:
            job.mark = self.table.drain.mark()
            job.state = JobState.ACTIVE
            self.table.begin_flush()
        self._jobs.append(job)
        return job

    def step(self, job: Job, *, found: bool | None = None) -> Completion | None:
        """Goes on with one job by one node, or ends it; returns the completion once there is one.

        ``found`` is the hardware's answer to the delete in this step. Raises ``DisagreementError`` as the table does.
        """
        if job.completion is not None:
            return job.completion
        job.state = JobState.ACTIVE
        walker = job.walker
        if walker is None:
            return self._end(job, self._act(job, found=found))
        visited = walker.visited
        walker.can_read = self.id_count is None or self.lost_id_count < self.id_count
        completion = walker.step(found=found)
        if walker.visited > visited or not walker.visited:
            job.mark = self.table.drain.mark()
        return self._end(job, completion) if completion is not None else None

    def run(self, job: Job) -> Completion:
        """Goes on with one job to its end."""
        while (completion := self.step(job)) is None:
            pass
        return completion

    def abort(self, tag: int) -> list[Job]:
        """Aborts every queued and active command of that tag whose last node is not decided, and returns them.
        With none, the abort is counted as unknown and changes nothing.
        """
        jobs = [job for job in self._jobs if job.command.tag == tag and not job.is_decided]
        for job in jobs:
            self.abort_job(job)
        if not jobs:
            self.unknown_abort_count += 1
        return jobs

    def abort_all(self) -> list[Job]:
        """Aborts every queued and active command whose last node is not decided, and returns them."""
        jobs = [job for job in self._jobs if not job.is_decided]
        for job in jobs:
            self.abort_job(job)
        return jobs

    def abort_job(self, job: Job) -> Completion | None:
        """Aborts one command, whatever others carry its tag. None: too late, the real status stands."""
        if job.is_decided:
            return None
        if job.walker is None:
            return self._end(job, Completion(job.command.tag, Status.ABORTED, 0, 0, 0, 0))
        job.walker.abort()
        return self.step(job)

    def may_deliver(self, job: Job) -> bool:
        """Whether the job is done and its grace period is over."""
        return job.state is JobState.DONE and self.table.drain.is_over(job.mark)

    def deliver(self, job: Job) -> Completion:
        """The completion is seen by the host. Raises ``DisagreementError`` when it comes too early, or again."""
        completion = job.completion
        if completion is None:
            raise DisagreementError(f"command {job.command.tag:#x} was completed before it was done (rule 18)")
        if job not in self._jobs:
            raise DisagreementError(f"command {job.command.tag:#x} was completed again, or after a reset (rule 23)")
        if not self.may_deliver(job):
            count = self.table.drain.waiting_for(job.mark)
            raise DisagreementError(
                f"command {job.command.tag:#x} was completed while {count} lookups answered before its last node "
                "were not retired (rule 12)"
            )
        job.state = JobState.DELIVERED
        self._jobs.remove(job)
        return completion

    def pop(self) -> Completion | None:
        """The oldest completion that may be delivered, or None."""
        for job in self._jobs:
            if self.may_deliver(job):
                return self.deliver(job)
        return None

    def answer_lost_read(self) -> None:
        """The bus has answered a read that had timed out: its ID can be used again."""
        if not self.lost_id_count:
            raise ValueError("no bus ID is lost")
        self.lost_id_count -= 1

    def reset(self, *, is_scrubbed: bool = True) -> None:
        """Loses the table, the windows and every command; no completion of before comes any more."""
        self.table.reset(is_scrubbed=is_scrubbed)
        self.windows.clear()
        self._jobs.clear()
        self.lost_id_count = 0
        self.is_table_lost = True

    def clear_table_lost(self) -> None:
        """The host has taken note of the loss."""
        self.is_table_lost = False

    def _refusal(self, command: Command) -> Refusal | None:
        if not self.table.is_ready:
            return Refusal.NOT_READY
        if command.opcode is Opcode.FLUSH:
            return Refusal.FULL if self.table.is_flushing else None
        queued = sum(job.state is JobState.QUEUED for job in self._jobs)
        return Refusal.FULL if queued == self.command_depth else None

    def _walker(self, command: Command) -> Walker:
        return Walker(
            memory=self.memory,
            windows=self.windows,
            table=self.table,
            head=command.head,
            abi=command.abi,
            budget=command.budget,
            tag=command.tag,
        )

    def _act(self, job: Job, *, found: bool | None) -> Completion:
        """Does what a command without a list asks for."""
        tag, handle = job.command.tag, job.command.head
        if job.command.opcode is Opcode.FLUSH:
            count = self.table.end_flush()
            return Completion(tag, Status.OK, count, count, 0, None)
        is_deleted = self.table.delete(handle, found=found)
        job.mark = self.table.drain.mark()
        job.events.append(Deleted(handle) if is_deleted else NotFound(handle))
        return Completion(tag, Status.OK, 1, int(is_deleted), int(not is_deleted), None)

    def _end(self, job: Job, completion: Completion) -> Completion:
        if job.walker is None:
            job.events.append(completion)
        elif job.walker.is_id_lost:
            self.lost_id_count += 1
        job.completion = completion
        job.state = JobState.DONE
        return completion
