"""How fast the model is, against a loop that only unpacks the same nodes in the same run."""

import json
import subprocess
import sys

from saoffload.sim.model.speed import TARGET, measure

MOST_TIMES_SLOWER = 40
"""Measured: 7 to 12. A mistake that costs a call or an object per event more doubles that."""
SLOWEST = 40_000
"""A floor that also a small machine under load holds; ``python -m saoffload.sim.model.speed`` measures the target."""


def test_speed_against_a_bare_loop() -> None:
    speed = measure(node_count=20_000)
    assert speed.ratio < MOST_TIMES_SLOWER, speed
    assert speed.nodes_per_second > SLOWEST, speed


def test_command_prints_one_json_object() -> None:
    command = [sys.executable, "-m", "saoffload.sim.model.speed", "--json", "--nodes", "2000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    result = json.loads(done.stdout)
    assert result["nodes"] == 2000
    assert result["target"] == TARGET
    assert result["met"] == (done.returncode == 0) == (result["nodes_per_second"] >= TARGET)


def test_command_prints_a_sentence() -> None:
    command = [sys.executable, "-m", "saoffload.sim.model.speed", "--nodes", "2000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "nodes per second (target 200,000)" in done.stdout
