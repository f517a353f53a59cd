"""`saoffload bench walk`: clocks and bytes per node, of the engine and of a plain state machine."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saoffload.sim.cli.failures import AGREED, DIFFERENT, UsageError
from saoffload.sim.cli.inputs import JsonOption, PresetOption, engine_config

if TYPE_CHECKING:
    from saoffload.hdl.config import EngineConfig
    from saoffload.sim.walk_speed.measure import Measurement, Row

DEFAULT_LATENCIES = (1, 13, 40, 100, 400)
LATENCY_LIMIT = 1 << 12
DEFAULT_NODES = "20000"
PLOT_FORMATS = (".png", ".svg")

ListOption = Annotated[
    list[str] | None,
    typer.Option(
        "--list",
        metavar="NAME",
        help="Walk this list only; repeat for more. One of contiguous24, slots32, slots64, each also with _down, "
        "page_random, random, random_16_lists, swapped20, malloc.",
        show_default=False,
    ),
]
LatencyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--latency",
        metavar="CLOCKS",
        help="Of host memory, from a read's address to its first beat; repeat for more. Default: 1, 13, 40, 100, 400.",
        show_default=False,
    ),
]
NodesOption = Annotated[str, typer.Option("--nodes", metavar="N", help="Nodes of each list.")]
SeedOption = Annotated[str, typer.Option("--seed", metavar="S", help="Of the random lists.")]
WindowsOption = Annotated[
    str | None,
    typer.Option(
        "--windows",
        metavar="N",
        help="Windows of the engine, else the preset's. With 1 an engine that walks one list at a time asks a clock "
        "earlier.",
        show_default=False,
    ),
]
PlotOption = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE", help="Draw the clocks, as .png or .svg by the name.", show_default=False),
]


def add_to(app: typer.Typer) -> None:
    """Makes this a command of ``app``."""
    app.command("walk")(walk)


def walk(
    list_names: ListOption = None,
    latency: LatencyOption = None,
    nodes: NodesOption = DEFAULT_NODES,
    seed: SeedOption = "1",
    preset: PresetOption = "huge",
    windows: WindowsOption = None,
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> int:
    """Measure clocks and bytes per node on the real RTL, for lists as they stand in real memories.

    Each list is walked by the engine and by the state machine that everybody would write first, in a memory of exact
    latency, in order, one beat per clock. Every walk is checked; one that goes wrong is exit code 1. Clocks count from
    the engine taking the command to its completion.
    """
    from saoffload.sim.cli.output import print_json
    from saoffload.sim.cli.progress import shown_progress
    from saoffload.sim.inputs import parse_number
    from saoffload.sim.walk_speed.lists import LISTS, NODE_LIMITS
    from saoffload.sim.walk_speed.measure import WrongWalkError, measure

    config = _with_windows(engine_config(preset, None), windows)
    lists = _chosen_lists(list_names, tuple(LISTS))
    latencies = _chosen_latencies(latency)
    node_count = parse_number(nodes, "--nodes", bits=32)
    if not NODE_LIMITS[0] <= node_count <= NODE_LIMITS[1]:
        raise UsageError(f"--nodes: {node_count} is outside {NODE_LIMITS[0]} to {NODE_LIMITS[1]}")
    seed_number = parse_number(seed, "--seed", bits=32)
    _check_plot(plot)
    try:
        with shown_progress() as progress:
            measured = measure(
                config, lists=lists, latencies=latencies, nodes=node_count, seed=seed_number, progress=progress
            )
    except WrongWalkError as error:
        typer.echo(f"wrong walk: {error}", err=True)
        return DIFFERENT
    if plot is not None:
        from saoffload.sim.walk_speed.plot import draw

        draw(measured.rows, plot, title=f"preset {config.name}, {node_count:,} nodes per list")
    if as_json:
        print_json(_json(measured, config, node_count, seed_number))
    else:
        from .walk_table import print_walks

        print_walks(measured, config)
    return AGREED


def _with_windows(config: "EngineConfig", text: str | None) -> "EngineConfig":
    from saoffload.sim.inputs import parse_number

    if text is None:
        return config
    count = parse_number(text, "--windows", bits=32)
    try:
        return replace(config, windows=count, asks_early=config.is_serial and count == 1)
    except ValueError as error:
        raise UsageError(f"--windows: {error}") from None


def _chosen_lists(names: list[str] | None, known: tuple[str, ...]) -> list[str]:
    for name in names or ():
        if name not in known:
            raise UsageError(f"--list: {name!r} is unknown; choose one of {', '.join(known)}")
    return [name for name in known if name in names] if names else list(known)


def _chosen_latencies(texts: list[str] | None) -> list[int]:
    from saoffload.sim.inputs import parse_number

    latencies = [parse_number(text, "--latency", bits=32) for text in texts or ()]
    for latency in latencies:
        if not 1 <= latency < LATENCY_LIMIT:
            raise UsageError(f"--latency: {latency} clocks are outside 1 to {LATENCY_LIMIT - 1}")
    return sorted(set(latencies)) or list(DEFAULT_LATENCIES)


def _check_plot(path: Path | None) -> None:
    """Before anything is measured: a plot that cannot be drawn would come late."""
    if path is None:
        return
    if path.suffix not in PLOT_FORMATS:
        raise UsageError(f"--plot {path}: the name must end in .png or .svg")
    if not path.parent.is_dir():
        raise UsageError(f"--plot {path}: there is no folder {path.parent}; make it, or name another")
    import matplotlib as mpl

    del mpl


def _json(measured: "Measurement", config: "EngineConfig", nodes: int, seed: int) -> dict[str, Any]:
    return {
        "preset": config.name,
        "windows": config.windows,
        "data_width": config.data_width,
        "nodes": nodes,
        "seed": seed,
        "rows": [asdict(row) for row in measured.rows],
        "targets": _targets(measured.rows, config),
        "simulated_nodes_per_second": measured.simulated_nodes_per_second,
    }


def _targets(rows: "list[Row]", config: "EngineConfig") -> list[dict[str, Any]]:
    from saoffload.sim.walk_speed.targets import target_of

    found = []
    for row in rows:
        target = target_of(config, row.list, row.latency) if row.engine == "saoffload" else None
        if target is not None:
            found.append({"list": row.list, "latency": row.latency, **target._asdict(), "met": target.is_met(row)})
    return found
