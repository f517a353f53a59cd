"""What wires take in routed designs, by how far they lead: where the figures in boards/timing.py come from.

Place and route tells it with ``--report FILE --detailed-timing-report --write FILE``.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from saoffload.boards.netlist import FLIP_FLOP, cells_of
from saoffload.boards.timing import ALONG_COLUMN, ALONG_ROW, CLOCK_TO_Q, LENGTHS, tile_of

Reals = NDArray[np.floating[Any]]

ROUNDS, FINEST = 30, 0.03
"""Of a fit by the least absolute differences: wires that lead a detour are to count like others."""

RANGES = ((0, 1), (1, 4), (4, 12), (12, 30), (30, 200))
"""Tiles along row and column together, of which the differences are told."""


def measured(report: Path, netlist: Path) -> list[tuple[int, int, float]]:
    """Of each wire between two flip-flops that leads through no table: columns, rows, and nanoseconds."""
    cells = cells_of(json.loads(netlist.read_text()))
    tiles = {name: tile_of(cell) for name, cell in cells.items() if cell["type"] == FLIP_FLOP}
    nets: list[dict[str, Any]] = json.loads(report.read_text())["detailed_net_timings"]
    found = []
    for net in nets:
        for end in net["endpoints"]:
            if net["driver"] in tiles and end["cell"] in tiles and end["port"] == "M":
                (x, y), (other_x, other_y) = tiles[net["driver"]], tiles[end["cell"]]
                found.append((abs(x - other_x), abs(y - other_y), max(end["delay"]) - CLOCK_TO_Q))
    return found


def weights(lengths: Reals) -> Reals:
    """How much each of ``LENGTHS`` counts for a wire, between two of which it is."""
    return np.array([np.interp(lengths, LENGTHS, one) for one in np.eye(len(LENGTHS))], np.float64).T


def fit(wires: Reals) -> tuple[Reals, Reals]:
    """Along a row and along a column, at ``LENGTHS``; the second begins with nothing.

    Not a number where no wire has about that length.
    """
    matrix = np.hstack([weights(wires[:, 0]), weights(wires[:, 1])[:, 1:]])
    delays = wires[:, 2]
    trust = np.ones(len(delays))
    found: Reals = np.zeros(matrix.shape[1])
    for _ in range(ROUNDS):
        found = np.linalg.lstsq(matrix * trust[:, None], delays * trust, rcond=None)[0]
        trust = 1 / np.sqrt(np.maximum(np.abs(delays - matrix @ found), FINEST))
    found = np.where(matrix.any(axis=0), found, np.nan)
    return found[: len(LENGTHS)], np.concatenate([[0.0], found[len(LENGTHS) :]])


def main(
    routed: Annotated[list[Path], typer.Argument(help="Pairs of a detailed report and the routed netlist, both JSON.")],
) -> None:
    """Print what fits the routed designs best, and how far wires are from what boards/timing.py says."""
    if len(routed) % 2:
        raise typer.BadParameter("to each report belongs a netlist", param_hint="ROUTED...")
    wires = np.array([wire for pair in zip(routed[::2], routed[1::2], strict=True) for wire in measured(*pair)])
    if not len(wires):
        raise typer.BadParameter("no wire leads from a flip-flop to another", param_hint="ROUTED...")
    row, column = fit(wires)
    print(f"{len(wires)} wires")
    for name, values, now in (("ALONG_ROW", row, ALONG_ROW), ("ALONG_COLUMN", column, ALONG_COLUMN)):
        print(f"{name:12}", *(f"{value:5.2f}" for value in values))
        print(f"{'  is':12}", *(f"{value:5.2f}" for value in now))
    said = weights(wires[:, 0]) @ np.array(ALONG_ROW) + weights(wires[:, 1]) @ np.array(ALONG_COLUMN)
    length = wires[:, 0] + wires[:, 1]
    for first, last in RANGES:
        off = (wires[:, 2] - said)[(length >= first) & (length < last)]
        if len(off):
            low, middle, high = np.percentile(off, (10, 50, 90))
            count = f"{first:3} to {last - 1:3} tiles: {len(off):6} wires"
            print(f"{count}, off by {low:+.2f} {middle:+.2f} {high:+.2f} ns (10th, 50th, 90th of 100)")


if __name__ == "__main__":
    typer.run(main)
