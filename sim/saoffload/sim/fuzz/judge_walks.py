"""Commands from the doorbell to the completion: nodes, deletes, statuses, grace periods, aborts."""

from collections import Counter, deque

from saoffload.host.completions import Completion as HostCompletion
from saoffload.sim.model import (
    Abi,
    Command,
    Completion,
    Deleted,
    Job,
    NotFound,
    Opcode,
    Read,
    Status,
    Visited,
)

from .case import Case
from .judge_reads import ReadJudge
from .judge_table import TableJudge
from .records import Record
from .scenario import Step

ABORT_CLOCKS = 64
"""From an abort's register to the walker, at most."""
OPCODES = {"walk": Opcode.WALK, "delete": Opcode.DELETE, "flush": Opcode.FLUSH}


class WalkJudge:
    """Follows every command."""

    def __init__(self, case: Case, table: TableJudge, reads: ReadJudge) -> None:
        self._case = case
        self._table = table
        self._reads = reads
        self.jobs: dict[int, Job] = {}
        #: When a command was aborted first.
        self.aborted: dict[int, int] = {}
        self.unknown_abort_count = 0
        self.doubtful_abort_count = 0
        self._collected: dict[int, HostCompletion] = {one.tag: one for one in case.seen.completions}
        self._contexts: dict[int, Job] = {}
        self._taken: dict[int, int] = {}
        #: Where the grace period of a command begins at the earliest: before its head is looked at.
        self._marks: dict[int, int] = {}
        self._nodes: dict[int, deque[tuple[int, int]]] = {}
        self._results: deque[Job] = deque()
        self._flush: Job | None = None
        self.delivered: set[int] = set()

    def submit(self, tag: int, step: Step) -> None:
        """The doorbell begins to be written."""
        opcode = OPCODES[step.do]
        head = self._case.seen.delete_handles[tag] if opcode is Opcode.DELETE else step.head
        if opcode is Opcode.FLUSH:
            self._table.begin_flush()
        command = Command(tag, head=head, opcode=opcode, abi=Abi(step.abi), budget=step.budget)
        job = self._case.engine.submit(command)
        if not isinstance(job, Job):
            self._case.fail(f"command {tag} was accepted, the model refuses it: {job}")
        self.jobs[tag] = job
        if opcode is Opcode.FLUSH:
            self._flush = job
            self._table.did_change()

    def abort(self, tag: int) -> None:
        """An abort begins to be written."""
        job = self.jobs.get(tag)
        if job is None or tag in self.delivered or job.command.opcode is Opcode.FLUSH:
            self.unknown_abort_count += 1
            return
        if (
            self._collected.get(tag) is None
            or self._collected[tag].status.name != Status.ABORTED.name
            or tag in self.aborted
            or job.completion is not None
        ):
            self.doubtful_abort_count += 1
        self.aborted.setdefault(tag, self._case.clock)

    def command(self, record: Record) -> None:
        """The walker took a command into a context."""
        context, tag = record.small, record.x
        job = self.jobs.get(tag)
        if job is None or tag in self._taken or context in self._contexts:
            self._case.fail(f"context {context} took command {tag}: unknown, taken before, or the context is not free")
        self._contexts[context] = job
        self._taken[tag] = record.clock
        self._marks[tag] = self._case.table.drain.mark()
        self._nodes[tag] = deque()
        self._reads.begin(context)

    def node(self, record: Record) -> None:
        """A node was visited."""
        job = self._job_in(record.small)
        tag = job.command.tag
        self._nodes[tag].append((record.x, record.y))
        aborted = self.aborted.get(tag)
        if aborted is not None and record.clock > aborted + ABORT_CLOCKS:
            self._case.fail(f"command {tag} visited a node {record.clock - aborted} clocks after it was aborted")
        if job.walker is not None:
            self._reads.visited(job.command.abi, record.x, self._taken[tag])

    def delete(self, record: Record) -> None:
        """The table answered the oldest node of a context."""
        case, job = self._case, self._job_in(record.small)
        tag, found = job.command.tag, bool(record.x)
        if not self._nodes[tag]:
            case.fail(f"command {tag}: a delete was answered that nobody asked for")
        address, handle = self._nodes[tag].popleft()
        if found and handle not in case.table and not case.table.is_flushing:
            self._table.appears(handle)
        known = len(job.events)
        case.bad_reads.is_forgiving = bool(case.config.line_buffers)
        case.engine.step(job, found=found)
        case.bad_reads.is_forgiving = False
        expected: list[object] = [] if job.walker is None else [Visited(address, handle)]
        expected.append(Deleted(handle) if found else NotFound(handle))
        events = [event for event in job.events[known:] if not isinstance(event, Read | Completion)]
        if events != expected:
            case.fail(f"command {tag}: the model has {events}, the engine {expected}")
        self._table.did_change()

    def result(self, record: Record) -> None:
        """The completion queue took the result of a context, or of the flush."""
        if record.x:
            job, self._flush = self._flush, None
            if job is None:
                self._case.fail("a flush ended that nobody asked for")
        else:
            job = self._job_in(record.small)
            del self._contexts[record.small]
        tag = job.command.tag
        if self._nodes.get(tag):
            self._case.fail(f"command {tag} ended with {len(self._nodes[tag])} deletes unanswered")
        seen = self._collected.get(tag)
        if seen is None:
            self._case.fail(f"command {tag} has a result, the host no completion")
        self._end(record.small, job, seen)
        if record.x:
            self._table.end_flush()
        else:
            self._reads.end(record.small, job)
        self._results.append(job)

    def completion(self, _record: Record) -> None:
        """The oldest result became visible to the host."""
        if not self._results:
            self._case.fail("a completion without a result")
        job = self._results.popleft()
        self._case.engine.deliver(job)
        self.delivered.add(job.command.tag)

    def count(self) -> Counter[str]:
        """Commands by status, and their nodes."""
        counts: Counter[str] = Counter()
        for tag in self.delivered:
            completion = self.jobs[tag].completion
            if completion is not None:
                counts[completion.status.name] += 1
                if self.jobs[tag].command.opcode is not Opcode.FLUSH:
                    counts["nodes"] += completion.visited
                    counts["deleted"] += completion.deleted
        return counts

    def _end(self, context: int, job: Job, seen: HostCompletion) -> None:
        engine, tag = self._case.engine, job.command.tag
        if seen.status.name == Status.ABORTED.name:
            if tag not in self.aborted:
                self._case.fail(f"command {tag} ended ABORTED, nobody aborted it")
            completion = engine.abort_job(job) or job.completion
        else:
            if seen.status.name == Status.TIMEOUT.name and self._reads.had_none_left(self._taken.get(tag, 0)):
                # The one thing that the model cannot know: with every ID lost a walk ends without a read.
                engine.id_count = 0 if self._reads.has_not_read(context, job) else None
            completion = engine.step(job)
            engine.id_count = None
        if job.walker is not None and not job.walker.visited:
            job.mark = self._marks.get(tag, 0)
        fields = (seen.status.name, seen.visited, seen.deleted, seen.not_found, seen.fault_address)
        if completion is None:
            self._case.fail(f"command {tag} ended with {fields}, the model goes on")
        expected = (completion.status.name, *completion[2:6])
        if fields != expected:
            self._case.fail(f"command {tag}: the model ends with {expected}, the engine with {fields}")

    def _job_in(self, context: int) -> Job:
        job = self._contexts.get(context)
        if job is None:
            self._case.fail(f"context {context} has no command")
        return job
