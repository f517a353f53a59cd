"""Marks in Verilog that tell which statements of the source stand in each branch.

Amaranth keeps the line of every statement until it writes RTLIL, where only the line of the assigned signal is left. So
each branch gets an assignment to a wire that nothing reads, and the name of that wire lists the statements. Verilator
counts the branch before it drops the wire: the mark costs no time.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import _dsl
from amaranth.lib import data, enum

from .source import Location, location_of

_MARK = re.compile(r"^\s*\\@\d+@(\S+)\s*= 1'h1;$")


@contextmanager
def marked() -> Iterator[None]:
    """While this lasts, amaranth marks all branches of the RTL that it converts.

    Raises ``RuntimeError`` when amaranth does not write a branch as this was written for.
    """
    replaced = (
        (rtlil, "ModuleEmitter", _MarkingEmitter),
        (_dsl, "FSMNextStatement", _LocatedNext),
        (data.View, "eq", _located_eq),
        (enum.EnumView, "eq", _located_eq),
    )
    plain = [getattr(owner, name) for owner, name, _ in replaced]
    for owner, name, ours in replaced:
        setattr(owner, name, ours)
    try:
        yield
    finally:
        for (owner, name, _), theirs in zip(replaced, plain, strict=True):
            setattr(owner, name, theirs)


def marks_of(verilog: str) -> dict[int, tuple[Location, ...]]:
    """The statements that a line of the Verilog stands for, by the number of that line; lines without are left out."""
    found = {}
    for number, line in enumerate(verilog.splitlines(), start=1):
        mark = _MARK.match(line)
        if mark is not None:
            found[number] = tuple(_locations(mark[1]))
    return found


def _name(locations: tuple[Location, ...]) -> str:
    return "+".join(f"{location.file}:{location.line}" for location in locations)


def _locations(name: str) -> Iterator[Location]:
    for text in name.split("+"):
        file, _, line = text.rpartition(":")
        yield Location(file, int(line))


def _located_eq(self: Any, other: Any) -> Any:
    """The assignment to a view, with the line that asks for it: amaranth's own has a line of amaranth."""
    return self.as_value().eq(other, src_loc_at=1)


class _LocatedNext(_dsl.FSMNextStatement):
    """``m.next = ...`` whose assignment keeps its line, for the same reason."""

    def resolve(self) -> Any:
        assignment = super().resolve()
        assignment.src_loc = self.src_loc
        return assignment


class _MarkingEmitter(rtlil.ModuleEmitter):
    """Writes a module as amaranth does, with marks."""

    def emit_assignment_list(self, cell_idx: Any, cell: Any) -> None:
        super().emit_assignment_list(cell_idx, cell)
        process = next(item for item in reversed(self.builder.contents.values()) if isinstance(item, rtlil.Process))
        # What has the line of the signal itself is its reset, or the choice in an expression: no statement.
        own = cell.src_loc
        sources = [None, *(None if item.src_loc == own else item.src_loc for item in cell.assignments)]
        if _count(process.contents) != len(sources):
            raise RuntimeError(f"amaranth left out branches of what is assigned at {own}: they cannot be marked")
        self._mark(process, process.contents, iter(sources), is_branch=False)
        # RTLIL wants wires before their use.
        self.builder.contents[process.name] = self.builder.contents.pop(process.name)

    def _mark(self, process: Any, contents: list[Any], sources: Iterator[Any], *, is_branch: bool) -> None:
        """Marks the branch that consists of these assignments and switches, and those within. Assignments stand in
        the order of their sources.
        """
        found = []
        for item in list(contents):
            if isinstance(item, rtlil.Assignment):
                found.append(next(sources))
                continue
            for case in item.cases:
                self._mark(process, case.contents, sources, is_branch=True)
        places = {location_of(*source) for source in found if source is not None}
        locations = tuple(sorted(place for place in places if place is not None))
        if is_branch and locations:
            wire = self.builder.wire(1, name=f"@{len(self.builder.contents)}@{_name(locations)}")
            process.contents.insert(0, rtlil.Assignment(wire.name, "1'0"))
            contents.insert(0, rtlil.Assignment(wire.name, "1'1"))


def _count(contents: list[Any]) -> int:
    return sum(
        1 if isinstance(item, rtlil.Assignment) else sum(_count(case.contents) for case in item.cases)
        for item in contents
    )
