"""The source of the RTL, whose lines are counted."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import saoffload.hdl
from saoffload.sim.cache import digest

_BRANCHES = frozenset(("If", "Elif", "Else", "Case", "Default", "State"))


class Location(NamedTuple):
    """A line of the RTL's source. ``file`` is its path below ``saoffload/hdl``."""

    file: str
    line: int


def hdl_files() -> dict[str, Path]:
    """All files of the RTL, by their path below ``saoffload/hdl``, in order."""
    found = {
        path.relative_to(folder).as_posix(): path
        for folder in map(Path, saoffload.hdl.__path__)
        for path in folder.rglob("*.py")
    }
    return dict(sorted(found.items()))


def hdl_sources() -> Iterator[str | bytes]:
    """Everything in those files: what Verilog of the RTL depends on."""
    for path in hdl_files().values():
        yield path.name
        yield path.read_bytes()


def source_digest() -> str:
    """A short name for the RTL as it stands: line numbers mean something under the same name only."""
    return digest(*hdl_sources())


def location_of(file: str, line: int) -> Location | None:
    """Where that is in the RTL; None for a file of somebody else."""
    for folder in map(Path, saoffload.hdl.__path__):
        if Path(file).is_relative_to(folder):
            return Location(Path(file).relative_to(folder).as_posix(), line)
    return None


def has_branches(text: str) -> bool:
    """Whether this source describes hardware that decides: any ``m.If``, ``m.Case`` or ``m.State``."""
    return any(
        isinstance(item.context_expr, ast.Call)
        and isinstance(item.context_expr.func, ast.Attribute | ast.Name)
        and (getattr(item.context_expr.func, "attr", None) in _BRANCHES)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.With)
        for item in node.items
    )
