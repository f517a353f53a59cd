"""`saoffload fuzz` as its users see it."""

import json
from pathlib import Path

import pytest
from tests.end_to_end.command import run_command, run_json

from saoffload.sim.cli.app import run
from saoffload.sim.fuzz.choices import Choices
from saoffload.sim.fuzz.maker import make_scenario
from saoffload.sim.fuzz.report import write_failure
from saoffload.sim.fuzz.runner import Failure

FIELDS = (
    "agree engines seed scenarios commands nodes lookups",
    "statuses held_reads alien_beats seconds nodes_per_second failure",
)


@pytest.mark.rtl
def test_a_run_as_json() -> None:
    result = run_json("fuzz", "--engine", "serial", "--nodes", "1000", "--seed", "7", "--jobs", "1")
    assert list(result) == " ".join(FIELDS).split()
    assert (result["agree"], result["engines"], result["seed"], result["failure"]) == (True, ["serial"], 7, None)
    assert result["nodes"] >= 1000
    assert sum(result["statuses"].values()) == result["commands"]
    assert result["nodes_per_second"] > 0


@pytest.mark.rtl
def test_a_file_that_agrees(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = make_scenario(Choices.of_seed("7/1"), "serial")
    file = write_failure(tmp_path, Failure(engine="serial", seed="7/1", text="long"), scenario, "short")
    assert file == tmp_path / "fuzz-serial-7-1.json"
    written = json.loads(file.read_text())
    assert (written["seed"], written["failure"], written["failure_before_shrinking"]) == ("7/1", "short", "long")
    assert run(["fuzz", "--replay", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"agree": True, "engine": "serial", "failure": None}
    assert run(["fuzz", "--replay", str(file)]) == 0
    assert capsys.readouterr().out == "RTL and model agree\n"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "no JSON: "),
        ("{}", '"format" is not "saoffload-fuzz-1"'),
        ('{"format": "saoffload-fuzz-1"}', "scenario: is no object with fields engine, "),
        ('{"format": "saoffload-fuzz-1", "scenario": {}}', "scenario: "),
        ('{"format": "saoffload-fuzz-1", "scenario": {"engine": "huge"}}', "scenario.engine: 'huge' is unknown"),
        (
            '{"format": "saoffload-fuzz-1", "scenario": {"engine": "serial", "steps": [{"do": "dance"}]}}',
            "scenario.steps[0].do: 'dance' is unknown",
        ),
        (
            '{"format": "saoffload-fuzz-1", "scenario": {"engine": "serial", "windows": [[1, 2, 3]]}}',
            "scenario.windows[0]: base 0x1 is not a multiple of 8",
        ),
        (
            '{"format": "saoffload-fuzz-1", "scenario": {"engine": "serial", "steps": [{"do": "walk", "head": "0"}]}}',
            "scenario.steps[0].head: '0' is no int",
        ),
    ],
)
def test_a_file_that_is_none(content: str, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad.json"
    file.write_text(content)
    assert run(["fuzz", "--replay", str(file)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"error: --replay {file}: {problem}")
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--engine", "fast"], "--engine: 'fast' is unknown; choose one of serial, contexts, lines"),
        (["--jobs", "0"], "--jobs: 0 simulators get nothing done"),
        (["--minutes", "soon"], "--minutes: 'soon' is not a number"),
        (["--output", "nowhere/at/all"], "--output nowhere/at/all: there is no such folder"),
        (["--replay", "nothing.json"], "nothing.json: No such file or directory"),
    ],
)
def test_bad_options(options: list[str], problem: str) -> None:
    ran = run_command("fuzz", *options)
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr.startswith(f"error: {problem}")
    assert ran.stderr.count("\n") == 1
