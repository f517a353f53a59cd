"""The file of a failure: what `saoffload fuzz --replay` runs again."""

import json
from pathlib import Path

from .runner import Failure
from .scenario import FORMAT, Scenario, from_json


def write_failure(folder: Path, failure: Failure, scenario: Scenario, text: str) -> Path:
    """Writes the scenario, and how it fails: ``text``. ``failure`` is the one that it came from."""
    path = folder / f"fuzz-{failure.engine}-{failure.seed.replace('/', '-')}.json"
    content = {
        "format": FORMAT,
        "engine": failure.engine,
        "seed": failure.seed,
        "failure": text,
        "failure_before_shrinking": failure.text,
        "scenario": scenario.to_json(),
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def read_failure(text: bytes) -> Scenario:
    """The scenario of such a file. Raises ``ValueError`` saying what is wrong with it."""
    try:
        content = json.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f'"format" is not "{FORMAT}"')
    return from_json(content.get("scenario"))
