"""`saoffload build`: from a board's name to its bitstream."""

from pathlib import Path
from typing import Annotated

import typer

from .failures import AGREED, DIFFERENT, UsageError
from .inputs import JsonOption

BoardArgument = Annotated[str, typer.Argument(metavar="BOARD", help="ulx3s-85f or icebreaker.", show_default=False)]
PresetOption = Annotated[
    str | None, typer.Option("--preset", metavar="PRESET", help="Engine, else the board's own.", show_default=False)
]
SeedOption = Annotated[str, typer.Option("--seed", metavar="N", help="First seed of place and route.")]
SeedsOption = Annotated[str, typer.Option("--seeds", metavar="N", help="Seeds to try until one meets the clock.")]
FolderOption = Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where the bitstream goes.")]


def add_to(app: typer.Typer) -> None:
    """Makes this a command of ``app``."""
    app.command("build")(build)


def build(
    board: BoardArgument,
    preset: PresetOption = None,
    seed: SeedOption = "1",
    seeds: SeedsOption = "1",
    output: FolderOption = Path("build"),
    as_json: JsonOption = False,
) -> int:
    """Build the bitstream of a board, with tools that pip installs, and say what it takes and how fast it is.

    Boards: ulx3s-85f (ECP5, preset small) and icebreaker (iCE40, preset tiny). Takes minutes; what was built before and
    did not change is not built again. Exit code 1: no seed met the board's clock.
    """
    from saoffload.boards.build import Step, build_board
    from saoffload.sim.inputs import parse_number

    from .output import print_json
    from .progress import shown_progress

    first, count = (parse_number(text, name, bits=31) for text, name in ((seed, "--seed"), (seeds, "--seeds")))
    with shown_progress() as progress:

        def report_step(step: Step) -> None:
            progress(step.text, step.number - 1, step.count)

        try:
            report = build_board(board, preset=preset, seed=first, seeds=count, out_dir=output, progress=report_step)
        except ValueError as error:
            raise UsageError(str(error)) from None
    if as_json:
        print_json(report.to_json())
    else:
        verdict = "met" if report.met else "NOT met"
        typer.echo(f"{report.board}, preset {report.preset}: {report.lut} LUT, {report.ff} FF, {report.bram} block RAM")
        typer.echo(f"{report.fmax_mhz:.1f} MHz, clock {report.clock_mhz:.1f} MHz: {verdict} (seed {report.seed})")
        typer.echo(f"bitstream: {report.bitstream}")
    return AGREED if report.met else DIFFERENT
