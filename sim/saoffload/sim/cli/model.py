"""`saoffload model`: the walk as the contract has it, without hardware."""

import typer

from .inputs import JsonOption
from .walk_arguments import WalkArguments, takes_walk


def add_to(app: typer.Typer) -> None:
    """Makes this a command of ``app``."""
    app.command("model")(model)


@takes_walk
def model(arguments: WalkArguments, as_json: JsonOption = False) -> None:
    """Walk a list in a memory image on the reference model alone: the same input as `walk`, no simulator.

    Needs neither compiler nor simulator and takes no time: to check an image and a table file, or to compare one's own
    hardware or driver with the contract.
    """
    from .output import model_json, print_completion, print_json, print_nodes
    from .request import read_request

    result = read_request(arguments).walk_model()
    if as_json:
        print_json(model_json(result))
        return
    print_nodes(result.walk.nodes, "Nodes in the order visited")
    print_completion(result.walk.completion, result.live)
