"""Builds simulations of Verilog designs, once per design, and runs cocotb benches on them.

    simulation = build(engine_verilog(config), top="saoffload")
    result = run(simulation, bench="saoffload.sim.benches.walk_bench", job={"latency": 13, ...})

A bench is a cocotb module whose test reads its job with ``jobs.read_job`` and ends with ``jobs.write_result``. Job and
result are whatever JSON can hold.

With ``SAOFFLOAD_COVERAGE=FOLDER`` in the environment, simulations of Verilog with marks (see ``coverage.marking``)
count which of its branches run, and every run that ends well leaves its counts in that folder.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb_tools.config as cocotb_config
import find_libpython

from .cache import cached, digest
from .coverage.marking import marks_of
from .coverage.records import COVERAGE_VARIABLE, coverage_folder, record_run
from .jobs import JOB_VARIABLE, PROGRESS_VARIABLE, RESULT_VARIABLE
from .toolchain import Icarus, SimulatorError, Verilator, find_icarus, find_verilator, plain_environment

SIMULATORS = ("verilator", "icarus")
WAVE_FORMATS = ("vcd", "fst")

# Measured on preset small, CPU time to build and clocks per second: -O0 25 s, 16 k; -O1 33 s, 107 k; -O2 41 s, 127 k.
# Without -fno-expand -O1 takes 36 s and runs 221 k, but the C++ is 1.8 times as long: 24 MB for 1,024 bundles.
_VERILATOR_OPTIONS = (
    "--cc", "--exe", "--vpi", "--prefix", "Vtop", "-fno-expand", "--output-split", "5000", "-Wno-lint",
)  # fmt: skip
_MAKE_VARIABLES = ("OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O1")
_BINARY = "simulation"
_DESIGN = "design.v"
_COVERAGE_DATA = "coverage.dat"
_POLL_SECONDS = 0.1
_SHOWN_LOG = 4000

COMPILING = "compile"
"""How the text of every step begins that compiles something."""

Progress = Callable[[str, int, int], None]
"""Called with what is going on, how much of it is done, and of how much (0: unknown)."""


class BenchError(SimulatorError):
    """The bench ended with an exception instead of a result. ``kind`` is the exception's name, ``trace`` its text."""

    def __init__(self, kind: str, message: str, trace: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.trace = trace
        self.add_note(trace)


@dataclass(frozen=True)
class Simulation:
    """A design that is ready to be simulated. ``waves``: the format it can record, if any; ``counts_lines``: it counts
    which branches run.
    """

    folder: Path
    top: str
    simulator: str
    waves: str | None
    counts_lines: bool = False


def check_tools(simulator: str = "verilator") -> None:
    """Raises ``SimulatorError`` when something that ``build`` needs is missing: before work that would be in vain."""
    if simulator == "icarus":
        find_icarus()
    else:
        find_verilator()


def build(
    verilog: str,
    *,
    top: str,
    simulator: str = "verilator",
    waves: str | None = None,
    shows_memories: bool = False,
    progress: Progress | None = None,
) -> Simulation:
    """The simulation of this Verilog, built now unless the cache has it. Only the ports of ``top`` can be seen by
    benches: that lets the simulator optimise all the rest. With ``shows_memories`` every memory can be read and
    written, too.

    Raises ``SimulatorError`` when a tool is missing or fails, ``ValueError`` for a simulator or format unknown to us.
    """
    if simulator not in SIMULATORS:
        raise ValueError(f"simulator must be one of {', '.join(SIMULATORS)}, got {simulator!r}")
    if waves is not None and waves not in WAVE_FORMATS:
        raise ValueError(f"waves must be one of {', '.join(WAVE_FORMATS)}, got {waves!r}")
    report = progress or _ignore
    if shows_memories:
        verilog = _MEMORY.sub(r"\1 /* verilator public_flat_rw */;", verilog)
    counts_lines = coverage_folder() is not None and bool(marks_of(verilog))
    if simulator == "icarus":
        if counts_lines:
            raise SimulatorError(f"Icarus counts no lines: unset {COVERAGE_VARIABLE}, or leave the simulator's choice")
        return _build_icarus(verilog, top, waves, find_icarus(), report)
    return _build_verilator(verilog, top, waves, find_verilator(), report, counts_lines=counts_lines)


def run(
    simulation: Simulation,
    *,
    bench: str,
    job: Mapping[str, Any],
    waves_file: Path | None = None,
    progress: Progress | None = None,
    timeout_seconds: float = 3600,
) -> Any:
    """Runs the cocotb module ``bench`` in a process of its own and returns its result.

    Raises ``BenchError`` when the bench raised, ``SimulatorError`` when it ended without a result. A run that raises
    covers nothing.
    """
    if waves_file is not None and simulation.waves is None:
        raise ValueError("waves_file given for a simulation that was built without waves")
    with tempfile.TemporaryDirectory(prefix="saoffload-") as name:
        folder = Path(name)
        (folder / "job.json").write_text(json.dumps(job))
        environment = _environment(simulation, bench, folder)
        command = _command(simulation, waves_file.resolve() if waves_file else None)
        code = _wait(command, environment, folder, progress or _ignore, timeout_seconds)
        result = folder / "result.json"
        if not result.is_file():
            log = (folder / "log.txt").read_text(errors="replace")
            error = SimulatorError(f"the simulation ended without a result (exit code {code}): {_cause(log)}")
            error.add_note(log[-_SHOWN_LOG:])
            raise error
        answer = json.loads(result.read_text())
        if "error" in answer:
            raise BenchError(**answer["error"])
        covered = coverage_folder() if simulation.counts_lines else None
        if covered is not None:
            record_run(covered, simulation.folder / _DESIGN, (folder / _COVERAGE_DATA).read_text(), bench=bench)
    return answer["result"]


def _build_verilator(
    verilog: str, top: str, waves: str | None, tools: Verilator, report: Progress, *, counts_lines: bool
) -> Simulation:
    trace = (f"--trace-{waves}",) if waves else ()
    link = f"-Wl,-rpath,{_libraries()} -L{_libraries()} -lcocotbvpi_verilator"
    main = Path(cocotb_config.share_dir) / "lib" / "verilator" / "verilator.cpp"
    coverage = ("--coverage-line",) if counts_lines else ()
    kept = (_BINARY, _DESIGN) if counts_lines else (_BINARY,)
    options = (*_VERILATOR_OPTIONS, *trace, *coverage, "--top-module", top, "-o", _BINARY, "-LDFLAGS", link)
    identity = (*options, *_MAKE_VARIABLES, *tools.make_variables, tools.version, str(tools.program), tools.compiler)

    def compile_design(folder: Path, text: str, runtime: Path | None) -> None:
        (folder / _DESIGN).write_text(text)
        (folder / "ports.vlt").write_text(_visible_ports(text, top))
        verilate = [str(tools.program), *options, "-Mdir", ".", "ports.vlt", str(main), _DESIGN]
        _execute(verilate, folder, tools.environment, "Verilator")
        # After verilating: make takes objects for new when they are newer than its makefile.
        for shared in runtime.glob("*.o") if runtime else ():
            shutil.copyfile(shared, folder / shared.name)
        jobs = str(len(os.sched_getaffinity(0)))
        make = [tools.make, "-j", jobs, "-f", "Vtop.mk", *_MAKE_VARIABLES, *tools.make_variables]
        _execute(make, folder, tools.environment, "the C++ compiler")

    def build_runtime(folder: Path) -> None:
        report(f"{COMPILING} the simulator's library", 0, 0)
        compile_design(folder, f"module {top}(a);\n  input a;\nendmodule\n", None)
        _keep(folder, "verilated*.o")

    def build_design(folder: Path) -> None:
        # What comes from the simulator alone is half of the work for a small design, and the same for all.
        runtime = cached("runtime", digest(*identity), build_runtime)
        report(f"{COMPILING} the design", 0, 0)
        compile_design(folder, verilog, runtime)
        _keep(folder, *kept)

    folder = cached("verilator", digest(verilog, *identity), build_design)
    return Simulation(folder, top, "verilator", waves, counts_lines)


def _build_icarus(verilog: str, top: str, waves: str | None, tools: Icarus, report: Progress) -> Simulation:
    # Without a time scale Icarus counts in seconds.
    source = f"`timescale 1ps / 1ps\n{verilog}"

    def build_design(folder: Path) -> None:
        report(f"{COMPILING} the design", 0, 0)
        (folder / "design.v").write_text(source)
        (folder / "dump.v").write_text(_ICARUS_DUMP.replace("TOP", top))
        # With a newer standard, `always @*` does not run at time 0 and values stay unknown.
        command = [tools.compiler, "-g2005", "-o", f"{_BINARY}.vvp", "-s", top, "design.v"]
        _execute([*command, "-s", "dump", "dump.v"] if waves else command, folder, plain_environment(), "Icarus")

    key = digest(source, top, tools.version, waves or "")
    return Simulation(cached("icarus", key, build_design), top, "icarus", waves)


# Verilog has no way to ask for the file on the command line but a plus argument into a register.
_ICARUS_DUMP = """module dump();
  reg [8191:0] file;
  initial if ($value$plusargs("waves=%s", file)) begin
    $dumpfile(file);
    $dumpvars(0, TOP);
  end
endmodule
"""


def _visible_ports(verilog: str, top: str) -> str:
    """Makes the ports of ``top`` visible to benches, and nothing else."""
    start = re.search(rf"^module \\?{re.escape(top)}\s*\(", verilog, re.MULTILINE)
    if start is None:
        raise ValueError(f"the Verilog has no module {top}")
    body = verilog[start.start() : verilog.index("endmodule", start.start())]
    ports = re.findall(r"^\s*(?:input|output)\s+(?:wire\s+|reg\s+)?(?:\[\d+:\d+\]\s*)?(\w+)\s*;", body, re.MULTILINE)
    lines = (f'public_flat_rw -module "{top}" -var "{port}"\n' for port in ports)
    return "`verilator_config\n" + "".join(lines)


# A register of the Verilog that is an array of words.
_MEMORY = re.compile(r"^(  reg (?:\[\d+:0\] )?\w+ \[\d+:0\]);", re.MULTILINE)


def _execute(command: list[str], folder: Path, environment: dict[str, str], name: str) -> None:
    answer = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if answer.returncode == 0:
        return
    if "lz4.h" in answer.stdout:
        raise SimulatorError("FST waves need liblz4: install it (apt install liblz4-dev), or name the file .vcd")
    log = Path(tempfile.mkstemp(prefix="saoffload-build-", suffix=".log")[1])
    log.write_text(answer.stdout)
    raise SimulatorError(f"{name} failed: {_cause(answer.stdout)}; all of its output is in {log}")


def _cause(log: str) -> str:
    """The line of a log that is most likely to say what went wrong."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"error:|error-|fatal|No space|Killed", line, re.IGNORECASE)]
    return (telling or lines or ["no output"])[0][:300]


def _keep(folder: Path, *patterns: str) -> None:
    """Removes all files but those: the C++ of a large design takes much room."""
    kept = {path for pattern in patterns for path in folder.glob(pattern)}
    for path in folder.iterdir():
        if path not in kept:
            path.unlink()


def _libraries() -> str:
    return str(cocotb_config.libs_dir)


def _command(simulation: Simulation, waves_file: Path | None) -> list[str]:
    if simulation.simulator == "verilator":
        waves = ["--trace", "--trace-file", str(waves_file)] if waves_file else []
        return [str(simulation.folder / _BINARY), *waves]
    dump = [f"+waves={waves_file}", *(["-fst"] if simulation.waves == "fst" else [])] if waves_file else []
    return [
        find_icarus().simulator, "-m", str(cocotb_config.lib_name_path("vpi", "icarus")),
        str(simulation.folder / f"{_BINARY}.vvp"), *dump,
    ]  # fmt: skip


def _environment(simulation: Simulation, bench: str, folder: Path) -> dict[str, str]:
    library = find_libpython.find_libpython()
    if library is None:
        raise SimulatorError(
            f"{sys.executable} has no shared libpython, which the simulator loads: install it (Debian, Ubuntu: "
            "apt install python3-dev), or use a Python built with --enable-shared"
        )
    environment = plain_environment()
    return environment | {
        "PATH": f"{environment.get('PATH', '')}{os.pathsep}{_libraries()}",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYGPI_PYTHON_BIN": sys.executable,
        "GPI_USERS": f"{library};{cocotb_config.pygpi_entry_point()}",
        "COCOTB_TOPLEVEL": simulation.top,
        "COCOTB_TEST_MODULES": bench,
        "COCOTB_RESULTS_FILE": str(folder / "results.xml"),
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        "COCOTB_LOG_LEVEL": environment.get("COCOTB_LOG_LEVEL", "WARNING"),
        "COCOTB_ANSI_OUTPUT": "0",
        "TOPLEVEL_LANG": "verilog",
        JOB_VARIABLE: str(folder / "job.json"),
        RESULT_VARIABLE: str(folder / "result.json"),
        PROGRESS_VARIABLE: str(folder / "progress.json"),
    }


def _wait(
    command: list[str], environment: dict[str, str], folder: Path, report: Progress, timeout_seconds: float
) -> int:
    """Runs the simulation to its end, telling how far it is."""
    deadline = time.monotonic() + timeout_seconds
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    return process.wait(_POLL_SECONDS)
                with suppress(OSError, ValueError):
                    report(*json.loads((folder / "progress.json").read_text()))
                if time.monotonic() > deadline:
                    raise SimulatorError(f"the simulation did not end within {timeout_seconds:.0f} s")
        finally:
            process.kill()
            process.wait()


def _ignore(_text: str, _done: int, _total: int) -> None:
    pass
