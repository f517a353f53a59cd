"""`saoffload bench table`: what adds, deletes, flushes and lookups of a table take."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saoffload.sim.cli.failures import AGREED, DIFFERENT, UsageError
from saoffload.sim.cli.inputs import JsonOption, PresetOption, engine_config

if TYPE_CHECKING:
    from saoffload.sim.table_speed import Fills

MOST_SEEDS = 1000
PLOT_FORMATS = (".png", ".svg")
FamiliesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--keys",
        metavar="FAMILY",
        help="Which keys to add: random, sequential-spis, swapped-sequential-spis, sequential-ipv4, sequential-ipv6 or "
        "spread-bits. Repeat for more. Default: random, or what the preset can store.",
        show_default=False,
    ),
]
SeedsOption = Annotated[
    str, typer.Option("--seeds", metavar="N", help="Fills of each family, each under its own seed.")
]
PlotOption = Annotated[
    Path | None,
    typer.Option(
        "--plot", metavar="FILE", help="Draw clocks per add against load, as .png or .svg.", show_default=False
    ),
]


def add_to(app: typer.Typer) -> None:
    """Makes this a command of ``app``."""
    app.command("table")(table)


def table(
    preset: PresetOption = "large",
    keys: FamiliesOption = None,
    seeds: SeedsOption = "1",
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> int:
    """Fill a table on its RTL to the first refusal, delete half of it, and flush the rest.

    Measures clocks and moves per add at several loads, clocks per delete and flush, and latency and throughput of
    lookups while adds and deletes go on. A key and a handle are looked up in every clock, and every answer is checked;
    exit code 1: one was wrong. A fill of `huge` takes ten seconds, and a minute once to compile it.
    """
    from saoffload.sim.cli.output import print_json
    from saoffload.sim.cli.progress import shown_progress
    from saoffload.sim.inputs import parse_number
    from saoffload.sim.runner import BenchError, check_tools
    from saoffload.sim.table_speed import figures_of, fill_tables

    config = engine_config(preset, None)
    families = _families(config, keys)
    count = parse_number(seeds, "--seeds", bits=31)
    if not 1 <= count <= MOST_SEEDS:
        raise UsageError(f"--seeds: must be 1 to {MOST_SEEDS}, got {count}")
    path = _plot_path(plot)
    check_tools()
    with shown_progress() as progress:
        try:
            fills = fill_tables(config, families=families, seeds=range(1, count + 1), progress=progress)
        except BenchError as error:
            if error.kind != "WrongAnswerError":
                raise
            typer.echo(f"error: {error}", err=True)
            return DIFFERENT
    figures = figures_of(config, fills)
    if path is not None:
        from saoffload.sim.plots import plot_adds

        plot_adds(config, fills.fills, path)
    if as_json:
        print_json(figures)
    else:
        _print(figures, fills)
    return AGREED


def _families(config: Any, chosen: list[str] | None) -> list[str]:
    from saoffload.sim.table_speed import families_for

    known = {family.lower().replace(" ", "-"): family for family in families_for(config)}
    names = chosen or ["random" if "random" in known else next(iter(known))]
    for name in names:
        if name not in known:
            raise UsageError(f"--keys: {name!r} is no family of preset {config.name}; choose {', '.join(known)}")
    return list(dict.fromkeys(known[name] for name in names))


def _plot_path(path: Path | None) -> Path | None:
    if path is None:
        return None
    if path.suffix not in PLOT_FORMATS:
        raise UsageError(f"--plot {path}: the name must end in .png or .svg")
    if not path.parent.is_dir():
        raise UsageError(f"--plot {path}: there is no folder {path.parent}; make it, or name another")
    return path


def _print(figures: dict[str, Any], fills: "Fills") -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=f"Adds to {figures['preset']}, {figures['capacity']:,} keys", title_justify="left")
    for name in ("load", "clocks: mean", "99 %", "most", "moves: mean", "99 %", "most"):
        shown.add_column(name, justify="right")
    for load, clocks in figures["clocks_per_add"].items():
        moves = figures["moves_per_add"][load]
        cells = ["refused before"]
        if clocks is not None:
            cells = [
                f"{one['mean']:.1f}" if name == "mean" else f"{one[name]:,}"
                for one in (clocks, moves)
                for name in ("mean", "p99", "max")
            ]
        shown.add_row(f"{load} %", *cells)
    Console().print(shown)
    typer.echo(
        f"first refusal at {100 * figures['load_at_first_refusal']:.2f} % of the keys, the worst of "
        f"{len(fills.fills)} fills: {', '.join(figures['families'])}"
    )
    typer.echo(
        f"{figures['lookups_per_clock']:g} key and {figures['handle_lookups_per_clock']:g} handle lookups per clock "
        f"during adds and deletes, answered in {figures['lookup_latency']} and {figures['handle_lookup_latency']} "
        f"clocks; all of {figures['lookups_checked']:,} answers were right"
    )
    typer.echo(
        f"{figures['clocks_per_delete']:g} clocks per delete, answered in {figures['delete_latency']}; "
        f"{figures['clocks_per_flush']:,} clocks for a flush"
    )
    typer.echo(
        f"simulated {figures['simulated_clocks_per_second']:,} clocks per second; the reference model does "
        f"{figures['model_operations_per_second']:,} adds, lookups and deletes per second"
    )
