"""Every read of host memory: where it may be, and for walks by demand, that it was needed."""

from collections.abc import Iterator

from saoffload.sim.benches.bursts import BEAT_BYTES, INCR, SIZE_8, Burst, flaws
from saoffload.sim.model import LAYOUTS, Abi, Job, Read, Status

from .case import Case
from .records import Record

PAGE = 4096
MOST_BEATS_OF_A_NODE = 3
KNOWN_LATE = 4
"""Clocks after its answer in which a command may still begin as if an ID were lost: 1 in the read master, and 3."""


class ReadJudge:
    """Follows the reads, and which IDs are lost: held back by memory."""

    def __init__(self, case: Case) -> None:
        self._case = case
        config = case.config
        self._spans = [(bus_base, bus_base + size) for _, size, bus_base in case.scenario.windows]
        self._reads_lines = bool(config.line_buffers)
        self._is_serial = config.is_serial
        self._beats: list[list[int]] = [[] for _ in range(max(2, config.contexts))]
        #: When each beat was read last.
        self._read_at: dict[int, int] = {}
        self._walker_ids = range(2**config.id_width if config.is_serial else config.contexts)
        self._held: set[int] = set()
        #: The latest clock in which no ID was left to read with.
        self.none_left_at = -1

    def read(self, record: Record) -> None:
        """A read went out."""
        case = self._case
        case.counts["reads"] += 1
        identity, count, address = record.small & 0xFF, (record.small >> 8) + 1, record.x
        end = address + count * BEAT_BYTES
        is_plain = record.y == SIZE_8 | INCR << 3 and not address % BEAT_BYTES and address >> 12 == (end - 1) >> 12
        if not is_plain or not any(start <= address and end <= stop for start, stop in self._spans):
            burst = Burst(record.clock, identity, address, count, record.y & 7, record.y >> 3)
            case.fail(flaws([burst], [(start, stop - start) for start, stop in self._spans])[0])
        if self._reads_lines:
            self._read_at.update(dict.fromkeys(range(address, end, BEAT_BYTES), record.clock))
        else:
            self._beats[0 if self._is_serial else identity].extend(range(address, end, BEAT_BYTES))

    def doubled(self, record: Record) -> None:
        """A read of an ID that has one already."""
        self._case.fail(f"read at {record.x:#x}: ID {record.small} has a read already")

    def held(self, record: Record) -> None:
        """Memory holds this read back."""
        self._case.counts["held reads"] += 1
        self._held.add(record.small)
        self._note_none_left()

    def over(self, record: Record) -> None:
        """Memory has answered it after all."""
        self._note_none_left()
        self._held.discard(record.small)

    def alien(self, _record: Record) -> None:
        """An answer under an ID that nobody reads with."""
        self._case.counts["alien beats"] += 1

    def begin(self, context: int) -> None:
        """A command begins in this context."""
        self._beats[context].clear()

    def had_none_left(self, since: int) -> bool:
        """Whether, since then, there was a clock in which every ID was lost, as far as the engine could know."""
        self._note_none_left()
        return self.none_left_at >= since - KNOWN_LATE

    def has_not_read(self, context: int, job: Job) -> bool:
        """Whether the walk in this context did not read its next node, be it that this cannot be known: then, whether
        reading it would have brought an answer.
        """
        walker = job.walker
        if walker is None or job.completion is not None:
            return False
        if not self._reads_lines:
            return len(self._beats[context]) == sum(1 for _ in _demanded(job))
        bus_address = self._case.windows.translate(walker.address, job.command.abi)
        length = LAYOUTS[job.command.abi].size
        return bus_address is not None and self._case.memory.fetch(bus_address, length).status is not Status.TIMEOUT

    def visited(self, abi: Abi, address: int, taken: int) -> None:
        """A node was visited by a command that was taken then: all its beats must have been read since."""
        bus_address = self._case.windows.translate(address, abi)
        if not self._reads_lines or bus_address is None:
            return
        for beat in Read(bus_address, LAYOUTS[abi].size).beats(BEAT_BYTES):
            if self._read_at.get(beat, -1) < taken:
                self._case.fail(
                    f"node at {address:#x} was visited, beat {beat:#x} not read since its command was taken"
                )

    def end(self, context: int, job: Job) -> None:
        """The walk in this context has ended. Without lines it read each byte of a node once per visit, and nothing
        else; an aborted one may have been reading its next node.
        """
        if self._reads_lines or job.walker is None:
            return
        observed = self._beats[context]
        expected = list(_demanded(job))
        more = len(observed) - len(expected)
        is_aborted = job.completion is not None and job.completion.status is Status.ABORTED
        if observed[: len(expected)] != expected or not 0 <= more <= (MOST_BEATS_OF_A_NODE if is_aborted else 0):
            at = next(
                (n for n, (a, b) in enumerate(zip(expected, observed, strict=False)) if a != b),
                min(len(expected), len(observed)),
            )
            self._case.fail(
                f"command {job.command.tag}: beat {at} read: the model has {_hex(expected[at : at + 3])}, "
                f"the engine {_hex(observed[at : at + 3])}"
            )

    def _note_none_left(self) -> None:
        if all(identity in self._held for identity in self._walker_ids):
            self.none_left_at = self._case.clock


def _demanded(job: Job) -> Iterator[int]:
    """The beats that the model has read for this walk."""
    return (beat for event in job.events if isinstance(event, Read) for beat in event.beats(BEAT_BYTES))


def _hex(values: list[int]) -> str:
    return " ".join(f"{value:#x}" for value in values) or "none"
