"""`saoffload model`: the walk as the contract has it, without hardware."""

import typer

from .inputs import (
    DEFAULT_LATENCY,
    AbiOption,
    BaseOption,
    BudgetOption,
    BundlesOption,
    HeadOption,
    ImageOption,
    JsonOption,
    LatencyOption,
    PresetOption,
    TableOption,
    TimeoutOption,
    WindowOption,
)


def add_to(app: typer.Typer) -> None:
    """Makes this a command of ``app``."""
    app.command("model")(model)


def model(
    image: ImageOption,
    base: BaseOption,
    head: HeadOption,
    table: TableOption,
    abi: AbiOption = "x64",
    preset: PresetOption = "small",
    bundles: BundlesOption = None,
    budget: BudgetOption = "0",
    latency: LatencyOption = DEFAULT_LATENCY,
    timeout: TimeoutOption = "0",
    window: WindowOption = None,
    as_json: JsonOption = False,
) -> None:
    """Walk a list in a memory image on the reference model alone: the same input as `walk`, no simulator.

    Needs neither compiler nor simulator and takes no time: to check an image and a table file, or to compare one's own
    hardware or driver with the contract.
    """
    from .output import model_json, print_completion, print_json, print_nodes
    from .request import read_request

    result = read_request(
        image=image, base=base, head=head, table=table, abi=abi, preset=preset, bundles=bundles,
        budget=budget, latency=latency, timeout=timeout, window=window,
    ).walk_model()  # fmt: skip
    if as_json:
        print_json(model_json(result))
        return
    print_nodes(result.walk.nodes, "Nodes in the order visited")
    print_completion(result.walk.completion, result.live)
