"""`saoffload walk`: one's own list, walked by the RTL, compared with the model."""

from pathlib import Path

import typer

from .failures import AGREED, DIFFERENT
from .inputs import JsonOption, SimulatorOption, WavesOption, simulator_name, waves_path
from .walk_arguments import WalkArguments, takes_walk


def add_to(app: typer.Typer) -> None:
    """Makes this a command of ``app``."""
    app.command("walk")(walk)


@takes_walk
def walk(
    arguments: WalkArguments,
    waves: WavesOption = None,
    simulator: SimulatorOption = "verilator",
    as_json: JsonOption = False,
) -> int:
    """Walk a list in a memory image on the real RTL and delete what it names.

    The engine's Verilog runs in a simulator; the bundles of the table file are restored under their handles, the image
    stands in host memory, and the walk is compared with the reference model, event by event. How a walk ends, be it
    LOOP or BUS_ERROR, is a result: the exit code says only whether RTL and model agree.

    Example: a heap dumped from address 0x7f0000000000, seen by the bus at 0x1000000:

      saoffload walk --image heap.bin --base 0x7f0000000000 --head 0x7f0000000f40 --table sas.json
      --bundles 1024 --window 0x7f0000000000:0x100000:0x1000000
    """
    from saoffload.sim.compare import first_disagreement, walk_rtl

    from .output import print_completion, print_cycles, print_json, print_nodes, walk_json
    from .progress import shown_progress
    from .request import read_request

    request = read_request(arguments)
    waves_file: Path | None = waves_path(waves)
    expected = request.walk_model()
    with shown_progress() as progress:
        result = walk_rtl(
            request.given,
            expected.walk,
            simulator=simulator_name(simulator),
            waves_file=waves_file,
            progress=progress,
        )
    disagreement = first_disagreement(request.given, expected, result)
    if as_json:
        print_json(walk_json(result, is_agreed=disagreement is None, latency=request.given.latency))
    else:
        print_nodes(result.nodes, "Nodes in the order visited")
        print_completion(result.completion, result.live)
        print_cycles(result, request.given.latency)
    return conclude(disagreement, is_quiet=as_json)


def conclude(disagreement: str | None, *, is_quiet: bool) -> int:
    """Says whether RTL and model agree; returns the exit code."""
    if disagreement is not None:
        typer.echo(f"RTL and model differ: {disagreement}", err=True)
        return DIFFERENT
    if not is_quiet:
        typer.echo("RTL and model agree")
    return AGREED
