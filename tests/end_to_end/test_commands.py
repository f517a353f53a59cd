"""The commands as their users see them: what they print, which files they write, which exit code they end with."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.end_to_end.command import run_command, run_json
from tests.end_to_end.inputs import HANDLES, Inputs

from saoffload.boards.reports import BuildReport
from saoffload.sim.cli.app import run


@pytest.mark.rtl
def test_demo() -> None:
    ran = run_command("demo")
    assert ran.returncode == 0, ran.stderr
    assert len(re.findall(r"0xffff8000\w+ .*deleted", ran.stdout)) == 61
    assert ran.stdout.endswith("RTL and model agree\n")
    result = run_json("demo")
    assert (result["agree"], result["status"], result["visited"]) == (True, "OK", 64)
    assert (result["deleted"], result["not_found"], result["live"]) == (61, 3, 3)
    assert result["cycles_per_node"] <= result["latency"] + 4


@pytest.mark.rtl
def test_walk_prints_what_people_read(tmp_path: Path) -> None:
    waves = tmp_path / "walk.vcd"
    ran = run_command("walk", *Inputs(tmp_path).arguments("--waves", str(waves)))
    assert ran.returncode == 0, ran.stderr
    assert "OK: 8 visited, 8 deleted, 0 not found; 0 bundles left" in ran.stdout
    assert ran.stdout.endswith("RTL and model agree\n")
    assert "m_axi_araddr" in waves.read_text()


@pytest.mark.rtl
@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs iverilog, which no Python package brings")
@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_icarus_knows_unknown_values_and_meets_none(tmp_path: Path, preset: str) -> None:
    waves = tmp_path / "waves.fst"
    arguments = Inputs(tmp_path).arguments("--preset", preset, "--simulator", "icarus", "--waves", str(waves))
    ran = run_command("walk", *arguments)
    assert ran.returncode == 0, ran.stderr
    assert "RTL and model agree" in ran.stdout
    assert waves.stat().st_size > 0


@pytest.mark.rtl
def test_walk_prints_the_documented_fields(tmp_path: Path) -> None:
    result = run_json("walk", *Inputs(tmp_path).arguments())
    fields = "agree status visited deleted not_found fault_address cycles cycles_per_node latency nodes live"
    assert list(result) == fields.split()
    assert result["nodes"][0].keys() == {"address", "handle", "result"}
    assert {node["handle"] for node in result["nodes"]} == {f"{handle:#x}" for handle in HANDLES}
    assert isinstance(result["cycles"], int)


@pytest.mark.rtl
def test_a_difference_is_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("saoffload.sim.compare.first_disagreement", lambda *_: "node 3: expected this, got that")
    assert run(["walk", *Inputs(tmp_path).arguments("--json")]) == 1
    shown = capsys.readouterr()
    assert json.loads(shown.out)["agree"] is False
    assert shown.err == "RTL and model differ: node 3: expected this, got that\n"


def test_model_needs_no_tools(tmp_path: Path) -> None:
    environment = os.environ | {"PATH": "", "SAOFFLOAD_CACHE": str(tmp_path / "cache")}
    ran = run_command("model", *Inputs(tmp_path).arguments(), environment=environment)
    assert ran.returncode == 0, ran.stderr
    assert "OK: 8 visited, 8 deleted, 0 not found; 0 bundles left" in ran.stdout
    assert not (tmp_path / "cache").exists()


def test_verilog_is_the_same_everywhere(tmp_path: Path) -> None:
    texts = []
    for name in ("here", "there"):
        folder = tmp_path / name
        folder.mkdir()
        environment = os.environ | {"SAOFFLOAD_CACHE": str(folder / "cache"), "PYTHONHASHSEED": str(len(name))}
        arguments = ["verilog", "--preset", "tiny", "-o", str(folder / "engine.v")]
        ran = run_command(*arguments, environment=environment)
        assert ran.returncode == 0, ran.stderr
        texts.append((folder / "engine.v").read_text())
    assert texts[0] == texts[1]
    assert str(Path.cwd()) not in texts[0]
    assert "/" not in re.sub(r"/\*.*?\*/|//.*", "", texts[0])


def test_verilog_has_the_ports_that_it_describes(tmp_path: Path) -> None:
    target = tmp_path / "engine.v"
    answer = run_json("verilog", "--preset", "tiny", "-o", str(target))
    assert answer == {
        "verilog": str(target),
        "description": str(tmp_path / "engine.json"),
        "module": "saoffload",
        "preset": "tiny",
    }
    description = json.loads((tmp_path / "engine.json").read_text())
    ports = {port["name"]: (port["direction"], port["width"]) for port in description["ports"]}
    text = target.read_text()
    module = text[text.index("module saoffload(") :]
    pattern = r"^\s*(input|output)\s+(?:\[(\d+):0\]\s*)?(\w+)\s*;"
    declared = re.findall(pattern, module[: module.index("endmodule")], re.MULTILINE)
    assert {name: (direction, int(high or 0) + 1) for direction, high, name in declared} == ports
    for name in ("aclk", "aresetn", "irq", "s_axil_awaddr", "s_axil_rdata", "m_axi_araddr", "m_axi_rlast"):
        assert name in ports


def test_build_prints_the_report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    report = BuildReport(
        board="icebreaker", preset="tiny", lut=1, ff=2, bram=3, fmax_mhz=11.5, clock_mhz=12.0, met=False, seed=1,
        bitstream="build/icebreaker.bin",
    )  # fmt: skip
    monkeypatch.setattr("saoffload.boards.build.build_board", lambda *_, **__: report)
    assert run(["build", "icebreaker", "--json"]) == 1
    fields = "board preset lut ff bram fmax_mhz clock_mhz met seed bitstream"
    assert list(json.loads(capsys.readouterr().out)) == fields.split()
    assert run(["build", "icebreaker"]) == 1
    assert "11.5 MHz, clock 12.0 MHz: NOT met" in capsys.readouterr().out


def test_what_is_terminated_tidies_up() -> None:
    code = """
import time
from saoffload.sim.cli import app

def work(arguments):
    try:
        print("works", flush=True)
        time.sleep(60)
    finally:
        print("tidies up", flush=True)

app.run = work
app.main()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "works\n"
        command.send_signal(signal.SIGTERM)
        assert command.communicate(timeout=30)[0] == "tidies up\n"
    assert command.returncode == 143


def test_help_teaches_without_loading_anything() -> None:
    for command in ([], ["demo"], ["walk"], ["model"], ["verilog"], ["build"]):
        ran = run_command(*command, "--help", environment=os.environ | {"PATH": ""})
        assert ran.returncode == 0, ran.stderr
        assert "Usage: saoffload" in ran.stdout.replace("-c ", "saoffload ")
