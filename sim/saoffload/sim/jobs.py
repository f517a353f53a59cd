"""What a bench, in the simulator's process, is told by whoever started it, and tells in return. Plain files, JSON."""

import json
import os
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

JOB_VARIABLE = "SAOFFLOAD_JOB"
RESULT_VARIABLE = "SAOFFLOAD_RESULT"
PROGRESS_VARIABLE = "SAOFFLOAD_PROGRESS"


async def answer_job(work: Callable[[Any], Awaitable[Any]]) -> None:
    """Reads the job, does ``work`` on it, and hands its result, or the exception that it raised, back."""
    try:
        answer = {"result": await work(_job())}
    except Exception as error:
        answer = {"error": {"kind": type(error).__name__, "message": str(error), "trace": traceback.format_exc()}}
        _write(RESULT_VARIABLE, answer)
        raise
    _write(RESULT_VARIABLE, answer)


def report_progress(text: str, done: int, total: int) -> None:
    """Tells how much of ``total`` is done; call it a few hundred times at most."""
    _write(PROGRESS_VARIABLE, (text, done, total))


def _job() -> Any:
    return json.loads(Path(os.environ[JOB_VARIABLE]).read_text())


def _write(variable: str, value: Any) -> None:
    """In one step, so that the reader never sees half of it."""
    path = Path(os.environ[variable])
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps(value))
    unfinished.rename(path)
