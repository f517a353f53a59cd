"""What must be true when all is over: nothing lost, nothing twice, and the engine's own counts."""

from .case import Case
from .judge_lookups import LookupJudge
from .judge_walks import WalkJudge


def check_end(case: Case, walks: WalkJudge, lookups: LookupJudge) -> None:
    """Raises ``DisagreementError`` at the first that is not."""
    seen, counts = case.seen, case.counts
    if seen.failure is not None:
        case.fail(seen.failure)
    tags = sorted(completion.tag for completion in seen.completions)
    if tags != sorted(walks.jobs) or walks.delivered != set(tags) or seen.stray_count:
        case.fail(f"commands {sorted(walks.jobs)}, completions of {tags}, {seen.stray_count} of nobody's")
    counts += walks.count()
    counts["commands"] += len(tags)
    counts["clocks"] += seen.clock_count
    counts["lookups"] += sum(lookups.answer_counts)
    counts["lookup hits"] += sum(lookups.hit_counts)
    counted = seen.counters
    if counted is None or seen.live is None:
        case.fail("no counters")
    expected = {
        "visited_nodes": counts["nodes"],
        "deleted_handles": counts["deleted"],
        "not_found_handles": counts["nodes"] - counts["deleted"],
        "completions": len(tags),
        "handle_lookups": lookups.answer_counts[0],
        "key_lookups": lookups.answer_counts[1],
        "handle_hits": lookups.hit_counts[0],
        "key_hits": lookups.hit_counts[1],
        "bad_retires": 0,
        "unknown_beats": counts["alien beats"],
        "refused_doorbells": seen.refused_count,
        "refused_windows": 0,
        # Those are adds that nobody looked at: the host never rings twice.
        "refused_adds": 0,
    }
    for name, value in expected.items():
        if getattr(counted, name) != value:
            case.fail(f"counter {name} is {getattr(counted, name)}, not {value}")
    unknown = range(walks.unknown_abort_count, walks.unknown_abort_count + walks.doubtful_abort_count + 1)
    if counted.unknown_aborts not in unknown:
        case.fail(f"counter unknown_aborts is {counted.unknown_aborts}, not {unknown[0]} to {unknown[-1]}")
    left = (len(case.table), case.table.live_key_count)
    if seen.live != left:
        case.fail(f"bundles and keys left: the model has {left}, the engine {seen.live}")
    if seen.lost_ids or lookups.unretired_count:
        case.fail(f"{seen.lost_ids} IDs lost, {lookups.unretired_count} answers unretired in the end")
