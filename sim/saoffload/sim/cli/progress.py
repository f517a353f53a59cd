"""What a user sees on stderr while something takes long: a bar that goes when it is done, or a line per compilation."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from saoffload.sim.runner import COMPILING
from saoffload.sim.runner import Progress as Report


@contextmanager
def shown_progress() -> Iterator[Report]:
    """Gives a function to call with what is done now, how much of it, and of how much (0: unknown)."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    told: set[str] = set()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("begin", total=None)

        def report(text: str, done: int, total: int) -> None:
            bar.update(task, description=text, completed=done, total=total or None)
            # Where no bar is shown, what may take minutes must not be silent.
            if not console.is_terminal and text.startswith(COMPILING) and text not in told:
                told.add(text)
                typer.echo(f"{text}: a minute or two, minutes for a large preset; kept for the next run", err=True)

        yield report
