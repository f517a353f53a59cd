"""The command line as users and scripts call it."""

import json
import subprocess
import sys
from typing import Any


def run_command(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs `saoffload` with these arguments."""
    command = [sys.executable, "-c", "from saoffload.sim.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def run_json(*arguments: str) -> dict[str, Any]:
    """Runs `saoffload` with these arguments and ``--json``: the object it prints. It must succeed."""
    ran = run_command(*arguments, "--json")
    assert ran.returncode == 0, f"exit code {ran.returncode}: {ran.stderr}"
    return json.loads(ran.stdout)
