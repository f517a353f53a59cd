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


def statements(text: str) -> set[int]:
    """The lines of this source that assign something, or name a next state, below an ``m.If``, ``m.Case``, ``m.State``
    and so on, whatever the configuration. Not those of functions that are called there.
    """
    found: set[int] = set()
    for block in ast.walk(ast.parse(text)):
        if isinstance(block, ast.With) and any(_is_branch(item.context_expr) for item in block.items):
            nodes = (node for node in ast.walk(block) if isinstance(node, ast.Call | ast.Assign))
            found.update(node.lineno for node in nodes if _is_statement(node))
    return found


def _is_branch(opened: ast.expr) -> bool:
    return isinstance(opened, ast.Call) and isinstance(opened.func, ast.Attribute) and opened.func.attr in _BRANCHES


def _is_statement(node: ast.Call | ast.Assign) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr == "eq"
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "m.next"
