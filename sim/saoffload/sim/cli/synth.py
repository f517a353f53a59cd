"""`saoffload synth`: what the table, the walker or the engine takes on a bare FPGA, and how fast it is there."""

from pathlib import Path
from typing import Annotated

import typer

from .failures import AGREED, UsageError
from .inputs import BundlesOption, JsonOption

SubjectArgument = Annotated[
    str, typer.Argument(metavar="table|walk|engine", help="What to measure.", show_default=False)
]
PresetOption = Annotated[str, typer.Option("--preset", metavar="PRESET", help="Sizes of it.")]
DeviceOption = Annotated[str, typer.Option("--device", metavar="DEVICE", help="LFE5U-25F or LFE5U-85F.")]
ContextOption = Annotated[
    str | None,
    typer.Option("--context", metavar="BITS", help="Width of the context, else the preset's.", show_default=False),
]
ClockOption = Annotated[
    str | None,
    typer.Option("--clock", metavar="MHZ", help="What to aim for: 150 for a table, else 125.", show_default=False),
]
SeedOption = Annotated[str, typer.Option("--seed", metavar="N", help="First seed of place and route.")]
SeedsOption = Annotated[str, typer.Option("--seeds", metavar="N", help="Seeds to try; the fastest is reported.")]
JobsOption = Annotated[str, typer.Option("--jobs", metavar="N", help="Seeds at a time: a core and up to 3 GB each.")]
FolderOption = Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where what was done is kept.")]


def add_to(app: typer.Typer) -> None:
    """Makes this a command of ``app``."""
    app.command("synth")(synth)


def synth(
    subject: SubjectArgument,
    preset: PresetOption = "huge",
    device: DeviceOption = "LFE5U-85F",
    bundles: BundlesOption = None,
    context: ContextOption = None,
    clock: ClockOption = None,
    seed: SeedOption = "1",
    seeds: SeedsOption = "1",
    jobs: JobsOption = "1",
    output: FolderOption = Path("build"),
    as_json: JsonOption = False,
) -> int:
    """Place and route the SA table alone, the walker alone, or a whole engine, on an ECP5, and say what it takes and
    how fast it is.

    The walker has its read master with it. The design stands between registers, without a board around it. Speed grade
    6; the figures are those of the routed design. A table of 16,384 SAs takes from ten minutes to half an hour per
    seed, the whole engine of huge about twenty, the walker of huge two; what was done before and did not change is not
    done again.
    """
    from saoffload.boards.flow import Step
    from saoffload.boards.synth import synthesize
    from saoffload.sim.inputs import parse_number

    from .output import print_json
    from .progress import shown_progress

    numbers = {
        name: parse_number(text, name, bits=31)
        for name, text in (("--seed", seed), ("--seeds", seeds), ("--jobs", jobs))
    }
    with shown_progress() as progress:

        def report_step(step: Step) -> None:
            progress(step.text, step.number - 1, step.count)

        try:
            report = synthesize(
                subject,
                preset=preset,
                bundles=None if bundles is None else parse_number(bundles, "--bundles", bits=31),
                context_width=None if context is None else parse_number(context, "--context", bits=31),
                device=device,
                clock_mhz=None if clock is None else _megahertz(clock),
                seed=numbers["--seed"],
                seeds=numbers["--seeds"],
                jobs=numbers["--jobs"],
                out_dir=output,
                progress=report_step,
            )
        except ValueError as error:
            raise UsageError(str(error)) from None
    if as_json:
        print_json(report.to_json())
    else:
        typer.echo(f"{report.subject}, preset {report.preset}, {report.bundles} bundles, {report.keys} keys,")
        typer.echo(f"context of {report.context_width} bits, {report.contexts} walks at a time, on {report.device}:")
        typer.echo(f"{report.lut} LUT, {report.ff} FF, {report.bram} block RAM, {report.fmax_mhz:.1f} MHz")
        for tried, fmax in report.fmax_by_seed.items():
            typer.echo(f"  seed {tried}: {fmax:.1f} MHz{' (best)' if tried == report.seed else ''}")
    return AGREED


def _megahertz(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--clock: {text!r} is no number of MHz") from None
