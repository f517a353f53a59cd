"""The commands together, and what happens when one fails: one line on stderr, and an exit code that means something."""

import importlib.metadata
import os
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from . import bench, build, demo, fuzz, model, synth, verilog, walk
from .failures import BAD_INPUT, Failure, failure_of

INTERRUPTED = 130
NO_READER = 141
TERMINATED = 143

_HELP = """IPsec SA offload in hardware: walk delete lists on the real RTL, compare with the model, build bitstreams.

Begin with **saoffload demo**. Then give **saoffload walk** a memory image, a table file and the address of a list.

Exit codes: 0 all is well; 1 RTL and model differ, a measured walk goes wrong, or a bitstream misses its clock; 2 bad
input or a missing tool, explained in one line on stderr.
"""

app = typer.Typer(
    name="saoffload",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=_HELP,
)
for command in (demo, walk, model, fuzz, verilog, build, synth, bench):
    command.add_to(app)


def _show_version(*, is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"saoffload {importlib.metadata.version('saoffload')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=lambda value: _show_version(is_wanted=value),
            help="Say which, and end.",
        ),
    ] = False,
) -> None:
    del version


def main() -> None:
    """Runs the command that the arguments name. Never returns. Terminated, it takes its simulations with it."""
    signal.signal(signal.SIGTERM, _leave)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs a command and returns its exit code. Everything a user can put right ends as one line on stderr."""
    try:
        code = app(arguments, standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        typer.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough of it. Nothing may be written any more, not even on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            return BAD_INPUT
        failure = _usage_failure(error) or failure_of(error)
        if failure is None:
            raise
        return _fail(failure)
    return code if isinstance(code, int) else 0


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(TERMINATED)


def _fail(failure: Failure) -> int:
    typer.echo(f"error: {' '.join(failure.text.split())}", err=True)
    return failure.code


def _usage_failure(error: Exception) -> Failure | None:
    """Arguments that the command line itself refuses. Told by what they can do: typer keeps their class to itself."""
    describe = getattr(error, "format_message", None)
    if describe is None:
        return None
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "saoffload"
    return Failure(f"{describe().rstrip('.')}; see {path} --help")
