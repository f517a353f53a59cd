"""`saoffload fuzz`: random work under faults on the RTL, compared with the model; and what failed, again."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .failures import AGREED, DIFFERENT, UsageError
from .inputs import JsonOption

if TYPE_CHECKING:
    from saoffload.sim.fuzz.runner import Failure
    from saoffload.sim.fuzz.session import Summary
    from saoffload.sim.runner import Progress

MinutesOption = Annotated[str, typer.Option("--minutes", metavar="N", help="How long, at most.")]
NodesOption = Annotated[
    str | None,
    typer.Option("--nodes", metavar="N", help="Stop when so many nodes were visited.", show_default=False),
]
SeedOption = Annotated[str, typer.Option("--seed", metavar="S", help="The same seed makes the same scenarios.")]
JobsOption = Annotated[
    str | None,
    typer.Option("--jobs", metavar="J", help="Simulators at a time. Default: one per core.", show_default=False),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Run on the workers of this Dask scheduler, as tcp://host:8786, not on this machine.",
        show_default=False,
    ),
]
EngineOption = Annotated[
    list[str] | None,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="Fuzz this engine only: serial, contexts or lines, by how it walks; repeat for more.",
        show_default=False,
    ),
]
ReplayOption = Annotated[
    Path | None, typer.Option("--replay", metavar="FILE", help="Run this failure again.", show_default=False)
]
FolderOption = Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where a failure is written.")]


def add_to(app: typer.Typer) -> None:
    """Makes this a command of ``app``."""
    app.command("fuzz")(fuzz)


def fuzz(
    minutes: MinutesOption = "1",
    nodes: NodesOption = None,
    seed: SeedOption = "1",
    jobs: JobsOption = None,
    scheduler: SchedulerOption = None,
    engine: EngineOption = None,
    replay: ReplayOption = None,
    output: FolderOption = Path(),
    as_json: JsonOption = False,
) -> int:
    """Fuzz the real RTL: random tables, lists, commands, memory faults and packets, compared with the model.

    Every read, node, delete, lookup, status and count is checked, and that no completion comes before its grace period
    is over. The first failure ends the run, exit code 1: it is shrunk and written to a file, which --replay runs again.
    """
    from saoffload.sim.inputs import parse_number
    from saoffload.sim.runner import check_tools

    if replay is not None:
        return _replay(replay, as_json=as_json)
    if not output.is_dir():
        raise UsageError(f"--output {output}: there is no such folder; make it, or name another")
    engines = _chosen(engine)
    seed_number = parse_number(seed, "--seed")
    job_count = _jobs(jobs)
    minute_count = parse_number(minutes, "--minutes", bits=16)
    node_count = None if nodes is None else parse_number(nodes, "--nodes", bits=48)
    check_tools()

    from saoffload.sim.fuzz.session import fuzz as fuzz_engines

    from .output import print_json
    from .progress import shown_progress

    with shown_progress() as progress:
        summary = fuzz_engines(
            engines,
            seed=seed_number,
            jobs=job_count,
            scheduler=scheduler,
            seconds=60 * minute_count,
            nodes=node_count,
            progress=progress,
        )
        file, text = (None, None) if summary.failure is None else _write(summary.failure, output, progress)
    if as_json:
        print_json(_json(summary, engines, seed_number, file, text))
    else:
        _show(summary)
    return AGREED if summary.failure is None else _tell(summary.failure, file, text)


def _write(failure: "Failure", folder: Path, progress: "Progress") -> tuple[Path | None, str | None]:
    """The file of the failure, shrunk, and how it fails then; both None when it does not fail again."""
    from saoffload.sim.fuzz.report import write_failure
    from saoffload.sim.fuzz.runner import shrink

    found = shrink(failure, progress=progress)
    if found is None:
        return None, None
    scenario, text = found
    return write_failure(folder, failure, scenario, text), text


def _tell(failure: "Failure", file: Path | None, text: str | None) -> int:
    where = f"engine {failure.engine}, seed {failure.seed}"
    typer.echo(f"RTL and model differ: {where}: {failure.text}", err=True)
    if file is None:
        typer.echo("it does not fail again when it runs alone", err=True)
    else:
        typer.echo(f"shrunk: {text}\nrun it again: saoffload fuzz --replay {file}", err=True)
    return DIFFERENT


def _show(summary: "Summary") -> None:
    """For people."""
    counts = summary.counts
    typer.echo(
        f"{counts['nodes']:,} nodes of {counts['commands']:,} commands in {counts['scenarios']:,} scenarios, "
        f"{counts['lookups']:,} lookups; {summary.nodes_per_second:,.0f} nodes per second"
    )
    typer.echo(", ".join(f"{number:,} {name}" for name, number in _statuses(summary).items()))
    if summary.failure is None:
        typer.echo("RTL and model agree")


def _json(summary: "Summary", engines: list[str], seed: int, file: Path | None, text: str | None) -> dict[str, Any]:
    """What `--json` prints."""
    counts, failure = summary.counts, summary.failure
    return {
        "agree": failure is None,
        "engines": engines,
        "seed": seed,
        **{name: counts[name] for name in ("scenarios", "commands", "nodes", "lookups")},
        "statuses": _statuses(summary),
        "held_reads": counts["held reads"],
        "alien_beats": counts["alien beats"],
        "seconds": round(summary.seconds, 1),
        "nodes_per_second": round(summary.nodes_per_second, 1),
        "failure": None
        if failure is None
        else {
            "engine": failure.engine,
            "seed": failure.seed,
            "text": failure.text,
            "shrunk_text": text,
            "file": None if file is None else str(file),
        },
    }


def _statuses(summary: "Summary") -> dict[str, int]:
    from saoffload.sim.model import Status

    return {status.name: summary.counts[status.name] for status in Status}


def _replay(path: Path, *, as_json: bool) -> int:
    from saoffload.sim.fuzz.report import read_failure
    from saoffload.sim.fuzz.runner import replay

    from .walk import conclude

    try:
        scenario = read_failure(path.read_bytes())
    except ValueError as error:
        raise UsageError(f"--replay {path}: {error}; give a file that saoffload fuzz wrote") from None
    text = replay(scenario)
    if as_json:
        from .output import print_json

        print_json({"agree": text is None, "engine": scenario.engine, "failure": text})
    return conclude(text, is_quiet=as_json)


def _chosen(names: list[str] | None) -> list[str]:
    from saoffload.sim.fuzz.engines import ENGINES

    for name in names or ():
        if name not in ENGINES:
            raise UsageError(f"--engine: {name!r} is unknown; choose one of {', '.join(ENGINES)}")
    return [name for name in ENGINES if not names or name in names]


def _jobs(text: str | None) -> int:
    from saoffload.sim.inputs import parse_number

    if text is None:
        return len(os.sched_getaffinity(0))
    jobs = parse_number(text, "--jobs", bits=10)
    if jobs < 1:
        raise UsageError("--jobs: 0 simulators get nothing done; give 1 or more")
    return jobs
