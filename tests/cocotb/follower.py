"""Compares an engine with the model while it works, one delete and one completion at a time."""

from saoffload.host.completions import Completion as HostCompletion
from saoffload.sim.benches.bursts import BEAT_BYTES, Burst
from saoffload.sim.benches.trace import Command as TracedCommand
from saoffload.sim.model import Command, Completion, Deleted, Engine, Job, NotFound, Opcode, Read, Status, Visited

MOST_BEATS_OF_A_NODE = 3


class Follower:
    """Tells the model what the engine did, in the engine's order, and remembers the first thing that must not be."""

    def __init__(self, model: Engine) -> None:
        self.model = model
        self.jobs: dict[int, Job] = {}
        self.aborted: set[int] = set()
        self.failure: str | None = None

    def submit(self, command: Command) -> None:
        """Call just before the doorbell: a flush may take effect from there on."""
        job = self.model.submit(command)
        assert isinstance(job, Job), f"the model refuses {command}: {job}"
        self.jobs[command.tag] = job

    def did_delete(self, traced: TracedCommand, *, found: bool) -> None:
        """The table answered the oldest unanswered node of this command."""
        job = self.jobs[traced.tag]
        address, handle = traced.nodes[len(traced.found) - 1]
        known = len(job.events)
        try:
            self.model.step(job, found=found)
        except AssertionError as error:
            self._fail(job, str(error))
            return
        expected: list[object] = [] if job.walker is None else [Visited(address, handle)]
        expected.append(Deleted(handle) if found else NotFound(handle))
        events = [event for event in job.events[known:] if not isinstance(event, Read | Completion)]
        if events != expected:
            self._fail(job, f"node {len(traced.found) - 1}: the model has {events}, the engine {expected}")

    def did_complete(self, seen: HostCompletion) -> None:
        """The host collected this completion."""
        job = self.jobs[seen.tag]
        if seen.status.name == Status.ABORTED.name:
            if seen.tag not in self.aborted:
                self._fail(job, "ABORTED, but nobody aborted it")
            completion = self.model.abort_job(job)
        else:
            completion = self.model.step(job)
        if completion is None:
            self._fail(job, f"the engine ended with {seen}, the model goes on")
            return
        fields = (seen.status.name, seen.visited, seen.deleted, seen.not_found, seen.fault_address)
        expected = (
            completion.status.name,
            completion.visited,
            completion.deleted,
            completion.not_found,
            completion.fault_address,
        )
        if fields != expected:
            self._fail(job, f"completion: the model has {expected}, the engine {fields}")
            return
        try:
            self.model.deliver(job)
        except AssertionError as error:
            self._fail(job, str(error))

    def check_reads(self, traced: TracedCommand, bursts: list[Burst]) -> None:
        """The reads of one ended command: each byte of a node once per visit, and no others. An aborted walk may have
        been reading its next node.
        """
        job = self.jobs[traced.tag]
        expected = [beat for event in job.events if isinstance(event, Read) for beat in event.beats(BEAT_BYTES)]
        beats = [burst.address + BEAT_BYTES * beat for burst in bursts for beat in range(burst.beat_count)]
        more = len(beats) - len(expected)
        is_aborted = job.completion is not None and job.completion.status is Status.ABORTED
        if beats[: len(expected)] != expected or not 0 <= more <= (MOST_BEATS_OF_A_NODE if is_aborted else 0):
            self._fail(job, f"beats read: the model has {_hex(expected)}, the engine {_hex(beats)}")

    def _fail(self, job: Job, text: str) -> None:
        kind = job.command.opcode.name if job.command.opcode is not Opcode.WALK else job.command.abi.name
        self.failure = self.failure or f"command {job.command.tag} ({kind}): {text}"


def _hex(values: list[int]) -> str:
    return " ".join(f"{value:#x}" for value in values)
