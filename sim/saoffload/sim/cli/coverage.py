"""`saoffload coverage`: which lines of the RTL the simulations ran."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .failures import AGREED, DIFFERENT, UsageError
from .inputs import JsonOption

if TYPE_CHECKING:
    from saoffload.sim.coverage.report import Coverage

MOST = 100
FolderArgument = Annotated[
    Path,
    typer.Argument(metavar="FOLDER", help="What SAOFFLOAD_COVERAGE named while the tests ran.", show_default=True),
]
LimitOption = Annotated[
    float, typer.Option("--limit", metavar="PERCENT", help="Of the lines of each file, so many must be covered.")
]


def add_to(app: typer.Typer) -> None:
    """Makes this a command of ``app``."""
    app.command("coverage")(coverage)


def coverage(
    folder: FolderArgument = Path("build/coverage"), limit: LimitOption = 95.0, as_json: JsonOption = False
) -> int:
    """Report which lines of the RTL's source the simulations ran, by file, and name what is left.

    Simulations that run while SAOFFLOAD_COVERAGE names a folder leave there what they covered: `make coverage` does
    that with the cocotb tests. Exit code 1: a file is below the limit, or a waiver is of no use any more.
    """
    from saoffload.sim.coverage.records import read_records
    from saoffload.sim.coverage.report import measure, read_waivers
    from saoffload.sim.coverage.source import hdl_files

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
            | _json(result)
        )
    else:
        _print(result, limit)
        typer.echo(f"{len(designs)} designs; {left_out} runs left out, whose RTL has changed since")
    return AGREED if is_good else DIFFERENT


def _json(result: "Coverage") -> dict[str, Any]:
    return {
        "files": [
            {
                "file": file.file,
                "lines": file.lines,
                "covered": file.covered,
                "waived": file.waived,
                "percent": round(file.percent, 2),
                "branches": file.branches,
                "branches_taken": file.taken,
                "missed": [{"line": one.line, "text": one.text, "reason": one.reason} for one in file.missed],
            }
            for file in result.files
        ],
        "unused_waivers": [{"file": waiver.file, "text": waiver.text} for waiver in result.unused],
    }


def _print(result: "Coverage", limit: float) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    # Without emoji: "file.py:100: " is a place.
    console = Console(emoji=False, highlight=False)
    shown = Table(
        title="Lines of the RTL in branches, and branches of the Verilog that were taken", title_justify="left"
    )
    shown.add_column("file", no_wrap=True)
    for name in ("lines", "covered", "waived", "%", "branches"):
        shown.add_column(name, justify="right")
    for file in result.files:
        style = "red" if file.percent < limit else None
        branches = f"{file.taken}/{file.branches}"
        figures = (file.lines, file.covered, file.waived, f"{file.percent:.1f}", branches)
        shown.add_row(file.file, *map(str, figures), style=style)
    console.print(shown)
    for file in result.files:
        if not file.lines:
            console.print(f"{file.file}: in no design that was simulated")
        for one in file.missed:
            console.print(f"{file.file}:{one.line}: {escape(one.text)}", soft_wrap=True)
            console.print(f"    {escape(one.reason or 'no reason is known')}", soft_wrap=True)
    for waiver in result.unused:
        console.print(f"needless waiver: {waiver.file}: {escape(waiver.text)}", soft_wrap=True)
    below = result.below(limit)
    if below:
        console.print(f"below {limit:g} %: {', '.join(file.file for file in below)}", soft_wrap=True)
