"""What commands print: JSON for scripts, text for people. The JSON fields are listed in docs/json.md and stay."""

import json
from collections.abc import Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from saoffload.sim.compare import ModelWalk, RtlWalk
from saoffload.sim.model import Completion, NodeResult, Status

SHOWN_NODES = 100


def print_json(value: dict[str, Any]) -> None:
    """One object, on stdout."""
    typer.echo(json.dumps(value, indent=2))


def model_json(result: ModelWalk) -> dict[str, Any]:
    """What `saoffload model --json` prints."""
    return {**_completion_json(result.walk.completion), "nodes": _nodes_json(result.walk.nodes), "live": result.live}


def walk_json(result: RtlWalk, *, is_agreed: bool, latency: int) -> dict[str, Any]:
    """What `saoffload walk --json` prints: what the RTL did."""
    visited = result.completion.visited if result.completion else 0
    return {
        "agree": is_agreed,
        **_completion_json(result.completion),
        "cycles": result.cycles,
        "cycles_per_node": result.cycles / visited if result.cycles is not None and visited else None,
        "latency": latency,
        "nodes": _nodes_json(result.nodes),
        "live": result.live,
    }


def print_nodes(nodes: Sequence[NodeResult], heading: str) -> None:
    """A table of the visited nodes; of a long list its beginning."""
    if not nodes:
        return
    table = Table(title=heading, title_justify="left")
    for name in ("#", "address", "handle"):
        table.add_column(name, justify="right")
    table.add_column("result")
    for number, node in enumerate(nodes[:SHOWN_NODES]):
        result = "[green]deleted[/green]" if node.is_deleted else "[yellow]not found[/yellow]"
        table.add_row(str(number), f"{node.address:#x}", f"{node.handle:#x}", result)
    console = Console()
    console.print(table)
    if len(nodes) > SHOWN_NODES:
        console.print(f"... and {len(nodes) - SHOWN_NODES} more (all of them with --json)")


def print_completion(completion: Completion | None, live: int) -> None:
    """How the walk ended."""
    if completion is None:
        typer.echo("No completion.")
        return
    fault = "" if completion.fault_address is None else f" at {completion.fault_address:#x}"
    typer.echo(
        f"{completion.status.name}{fault}: {completion.visited} visited, {completion.deleted} deleted, "
        f"{completion.not_found} not found; {live} bundles left"
    )
    if completion.status is Status.OUT_OF_WINDOW:
        typer.echo(
            "No window holds a whole node there: see --base and --window (without one, the image is the window)."
        )


def print_cycles(result: RtlWalk, latency: int) -> None:
    """How long the walk took."""
    if result.completion is None or result.cycles is None:
        return
    visited = result.completion.visited
    per_node = f", {result.cycles / visited:.2f} per node" if visited else ""
    typer.echo(f"{result.cycles} clocks{per_node}, in a memory of latency {latency}")


def _completion_json(completion: Completion | None) -> dict[str, Any]:
    if completion is None:
        return dict.fromkeys(("status", "visited", "deleted", "not_found", "fault_address"))
    fault = completion.fault_address
    return {
        "status": completion.status.name,
        "visited": completion.visited,
        "deleted": completion.deleted,
        "not_found": completion.not_found,
        "fault_address": None if fault is None else f"{fault:#x}",
    }


def _nodes_json(nodes: Sequence[NodeResult]) -> list[dict[str, str]]:
    return [
        {
            "address": f"{node.address:#x}",
            "handle": f"{node.handle:#x}",
            "result": "deleted" if node.is_deleted else "not_found",
        }
        for node in nodes
    ]
