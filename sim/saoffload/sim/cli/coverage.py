"""`saoffload coverage`: which lines of the RTL the simulations ran."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .failures import AGREED, DIFFERENT, UsageError
from .inputs import JsonOption

if TYPE_CHECKING:
    from rich.console import Console

    from saoffload.sim.coverage.report import Contribution, Coverage, FileCoverage

MOST = 100
FolderArgument = Annotated[
    Path,
    typer.Argument(metavar="FOLDER", help="What SAOFFLOAD_COVERAGE named while the tests ran.", show_default=True),
]
LimitOption = Annotated[
    float, typer.Option("--limit", metavar="PERCENT", help="Of the lines of each file, so many must be covered.")
]
TestsOption = Annotated[
    bool, typer.Option("--tests", help="Show what each test adds to those above it, instead of the files.")
]


def add_to(app: typer.Typer) -> None:
    """Makes this a command of ``app``."""
    app.command("coverage")(coverage)


def coverage(
    folder: FolderArgument = Path("build/coverage"),
    limit: LimitOption = 95.0,
    by_test: TestsOption = False,
    as_json: JsonOption = False,
) -> int:
    """Report which lines of the RTL's source the simulations ran, by file, and name what is left.

    Simulations that run while SAOFFLOAD_COVERAGE names a folder leave there what they covered: `make coverage` does
    that with the cocotb tests. Exit code 1: a file is below the limit, or a waiver is of no use any more.
    """
    from saoffload.sim.coverage.records import read_records
    from saoffload.sim.coverage.report import contributions, measure
    from saoffload.sim.coverage.source import hdl_files
    from saoffload.sim.coverage.waivers import read_waivers

    from .output import print_json

    if not 0 <= limit <= MOST:
        raise UsageError(f"--limit {limit:g}: must be 0 to {MOST}")
    designs, left_out = read_records(folder)
    if not designs:
        old = f" ({left_out} runs are of RTL that has changed)" if left_out else ""
        raise UsageError(f"{folder}: nothing was measured there{old}; run make coverage, or name another folder")
    sources = {file: path.read_text() for file, path in hdl_files().items()}
    result = measure(designs.values(), sources, read_waivers())
    is_good = not result.below(limit) and not result.unused
    if as_json:
        tests = sorted({test.partition("::")[0] for design in designs.values() for test in design.tests})
        print_json(
            {"good": is_good, "limit": limit, "designs": len(designs), "runs_left_out": left_out, "tests": tests}
            | _json(result, contributions(designs.values()))
        )
    else:
        if by_test:
            _print_tests(contributions(designs.values()))
        else:
            _print(result, limit)
        typer.echo(f"{len(designs)} designs; {left_out} runs left out, whose RTL has changed since")
    return AGREED if is_good else DIFFERENT


def _json(result: "Coverage", added: "list[Contribution]") -> dict[str, Any]:
    def figures(file: "FileCoverage") -> dict[str, Any]:
        return {
            "lines": file.lines,
            "covered": file.covered,
            "waived": file.waived,
            "percent": round(file.percent, 2),
            "branches": file.branches,
            "branches_taken": file.taken,
        }

    return {
        "total": figures(result.total),
        "files": [
            {
                "file": file.file,
                **figures(file),
                "missed": [asdict(one) for one in file.missed],
            }
            for file in result.files
        ],
        "contributions": [asdict(one) for one in added],
        "unused_waivers": [{"file": waiver.file, "text": waiver.text} for waiver in result.unused],
    }


def _print(result: "Coverage", limit: float) -> None:
    """The figures of each file, then the lines that are left: those without a reason last, where they are seen."""
    from rich.table import Table

    shown = Table(
        title="Lines of the RTL in branches, and branches of the Verilog that were taken",
        title_justify="left",
        show_edge=False,
        pad_edge=False,
    )
    shown.add_column("file", no_wrap=True)
    for name in ("lines", "covered", "waived", "%", "branches"):
        shown.add_column(name, justify="right")
    for file in result.files:
        shown.add_row(*_cells(file), style="red" if file.percent < limit else None)
    shown.add_section()
    shown.add_row(*_cells(result.total))
    _console().print(shown)
    for file in result.files:
        for one in file.missed:
            if one.reason is not None:
                typer.echo(f"waived: {file.file}:{one.line}: {one.text}\n    {one.reason}")
    for file in result.files:
        for one in file.missed:
            if one.reason is None:
                why = "missed" if one.is_in_design else "in no design"
                typer.echo(f"{why}: {file.file}:{one.line}: {one.text}")
    for waiver in result.unused:
        typer.echo(f"needless waiver: {waiver.file}: {waiver.text}")
    below = result.below(limit)
    if below:
        typer.echo(f"below {limit:g} %: {', '.join(file.file for file in below)}")


def _cells(file: "FileCoverage") -> list[str]:
    figures = (file.lines, file.covered, file.waived, f"{file.percent:.1f}", f"{file.taken}/{file.branches}")
    return [file.file, *map(str, figures)]


def _print_tests(added: "list[Contribution]") -> None:
    from rich.table import Table

    shown = Table(title="Lines that each test covers", title_justify="left")
    shown.add_column("test", overflow="fold")
    for name in ("lines", "new", "alone"):
        shown.add_column(name, justify="right")
    for one in added:
        shown.add_row(one.test, str(one.lines), str(one.new), str(one.alone))
    _console().print(shown)


def _console() -> "Console":
    from rich.console import Console

    # Without emoji: "file.py:100: " is a place.
    return Console(emoji=False, highlight=False)
