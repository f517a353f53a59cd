"""`saoffload bench`: what the hardware takes, measured on the RTL. One file per measurement."""

from types import ModuleType

import typer

from . import walk

MEASUREMENTS: tuple[ModuleType, ...] = (walk,)
"""Each with an ``add_to``."""


def add_to(app: typer.Typer) -> None:
    """Makes these commands of ``app``."""
    bench = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")
    for measurement in MEASUREMENTS:
        measurement.add_to(bench)
    app.add_typer(bench, name="bench", help="Measure the RTL: clocks per add and lookup, clocks per node.")
