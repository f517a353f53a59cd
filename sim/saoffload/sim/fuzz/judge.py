"""Holds what a scenario showed against the reference model, event by event, in the order of the clocks.

Checked of every run: the nodes visited, their order and the result of every delete; every status, count and fault
address; one completion per command, and none before its grace period is over; every answer to a lookup; every read
inside a window and inside 4 KB, and, of walks by demand, exactly the beats of their nodes; results of adds, and that no
index is issued too early; that an aborted command visits nothing more; what the engine's counters say in the end.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from saoffload.sim.model import DisagreementError

from .case import Case
from .judge_end import check_end
from .judge_lookups import LookupJudge
from .judge_reads import ReadJudge
from .judge_table import TableJudge
from .judge_walks import WalkJudge
from .observation import HostEvent, Observation
from .records import KINDS, Record, read_records
from .scenario import Scenario


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """``failure``: the first thing in which RTL and model differ, None when they agree. ``counts``: what happened."""

    failure: str | None
    counts: Counter[str] = field(default_factory=Counter)


def judge(scenario: Scenario, seen: Observation) -> Verdict:
    """The verdict on one run."""
    case = Case(scenario, seen)
    try:
        _hear(case)
    except DisagreementError as error:
        return Verdict(failure=f"clock {case.clock - seen.begin_clock}: {error}")
    return Verdict(failure=None, counts=case.counts)


def _hear(case: Case) -> None:
    table = TableJudge(case)
    reads = ReadJudge(case)
    lookups = LookupJudge(case, table)
    walks = WalkJudge(case, table, reads)
    judges: dict[str, Callable[[Record], None]] = {
        "DELETE": walks.delete,
        "KEY_RETIRE": lookups.key_retire,
        "HANDLE_RETIRE": lookups.handle_retire,
        "KEY_ANSWER": lookups.key_answer,
        "HANDLE_ANSWER": lookups.handle_answer,
        "READ": reads.read,
        "RESULT": walks.result,
        "COMMAND": walks.command,
        "NODE": walks.node,
        "COMPLETION": walks.completion,
        "HELD": reads.held,
        "OVER": reads.over,
        "ALIEN": reads.alien,
        "DOUBLED": reads.doubled,
    }
    by_kind = [judges[kind] for kind in KINDS]
    host = iter(case.seen.host)
    pending = next(host, None)
    for record in read_records(case.seen.log):
        while pending is not None and pending.clock <= record.clock:
            _hear_host(case, pending, table, walks)
            pending = next(host, None)
        case.clock = record.clock
        by_kind[record.kind](record)
    while pending is not None:
        _hear_host(case, pending, table, walks)
        pending = next(host, None)
    check_end(case, walks, lookups)


def _hear_host(case: Case, event: HostEvent, table: TableJudge, walks: WalkJudge) -> None:
    case.clock = event.clock
    match event.kind:
        case "write":
            for address, data in event.detail:
                case.memory.write(address, data)
        case "submit":
            walks.submit(event.number, event.detail)
        case "flushed":
            table.did_flush()
        case "add":
            table.offer(event.detail)
        case "added":
            table.answer(*event.detail)
        case "end_restore":
            case.table.end_restore()
            table.did_change()
        case "abort":
            walks.abort(event.number)
