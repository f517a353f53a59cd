"""What all runs together covered, by file of the RTL's source.

A line is a statement of the source that stands in a branch (``m.If``, ``m.Switch``, ``m.FSM``). What stands in none runs
in every clock, and would only flatter the figures. A line is covered when a branch with it was taken in any run of any
design, in any copy of the component.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .records import Design
from .source import has_branches

WAIVERS = Path(__file__).with_name("waivers.toml")
LIMIT = 95.0
"""Per cent of a file's lines."""


class CoverageError(ValueError):
    """The waivers or the records cannot be used. The message says which and why."""


@dataclass(frozen=True)
class Waiver:
    """Why a line cannot be covered. ``text`` is the whole line without its indent, in any place of ``file``."""

    file: str
    text: str
    reason: str


@dataclass(frozen=True)
class Missed:
    """A line that no run took. ``reason`` is that of its waiver, None without one."""

    line: int
    text: str
    reason: str | None


@dataclass(frozen=True)
class FileCoverage:
    """``lines`` in all and ``covered`` ones, and what is left. ``branches`` and ``taken`` count the branches with these
    lines in the Verilog of each design, copies and sizes for themselves. A file in no design has neither.
    """

    file: str
    lines: int
    covered: int
    missed: tuple[Missed, ...]
    branches: int
    taken: int

    @property
    def waived(self) -> int:
        """Lines that are left for a reason."""
        return sum(missed.reason is not None for missed in self.missed)

    @property
    def percent(self) -> float:
        """Of the lines that can be covered. 0 for a file whose branches are in no design."""
        possible = self.lines - self.waived
        if possible:
            return 100 * self.covered / possible
        return 100.0 if self.lines else 0.0


@dataclass(frozen=True)
class Coverage:
    """Of all files whose source has branches, in order. ``unused``: waivers of lines that are covered or not there."""

    files: tuple[FileCoverage, ...]
    unused: tuple[Waiver, ...]

    def below(self, limit: float) -> list[FileCoverage]:
        """The files that miss the limit, in per cent."""
        return [file for file in self.files if file.percent < limit]


def read_waivers(path: Path = WAIVERS) -> list[Waiver]:
    """All waivers of a file. Raises ``CoverageError`` for one that is not whole, or stands twice."""
    waivers = []
    for entry in tomllib.loads(path.read_text()).get("waiver", []):
        if set(entry) != {"file", "text", "reason"} or not all(isinstance(value, str) and value for value in entry.values()):
            raise CoverageError(f"{path.name}: a waiver has file, text and reason, got {entry}")
        waivers.append(Waiver(**entry))
    named = [(waiver.file, waiver.text) for waiver in waivers]
    for name in named:
        if named.count(name) > 1:
            raise CoverageError(f"{path.name}: a waiver of {name[1]!r} in {name[0]} stands twice")
    return waivers


def measure(designs: Iterable[Design], sources: Mapping[str, str], waivers: Iterable[Waiver]) -> Coverage:
    """What the runs of these designs covered. ``sources``: the text of each file of the RTL, by its name."""
    lines: dict[str, dict[int, bool]] = {file: {} for file in sources}
    branches = dict.fromkeys(sources, 0)
    taken = dict.fromkeys(sources, 0)
    for design in designs:
        for mark, count in zip(design.marks, design.counts, strict=True):
            for file, line in mark:
                lines[file][line] = lines[file].get(line, False) or count > 0
            for file in {location.file for location in mark}:
                branches[file] += 1
                taken[file] += count > 0
    reasons = {(waiver.file, waiver.text): waiver for waiver in waivers}
    used = set()
    files = []
    for file, text in sources.items():
        if not lines[file] and not has_branches(text):
            continue
        rows = text.splitlines()
        missed = []
        for line in sorted(line for line, is_covered in lines[file].items() if not is_covered):
            row = rows[line - 1].strip()
            waiver = reasons.get((file, row))
            used.add(waiver)
            missed.append(Missed(line, row, None if waiver is None else waiver.reason))
        covered = len(lines[file]) - len(missed)
        files.append(FileCoverage(file, len(lines[file]), covered, tuple(missed), branches[file], taken[file]))
    # A file that was in no design says nothing about its waivers.
    seen = {file for file, found in lines.items() if found} | (set(reasons_of(reasons)) - set(sources))
    unused = tuple(waiver for waiver in reasons.values() if waiver not in used and waiver.file in seen)
    return Coverage(tuple(files), unused)


def reasons_of(reasons: Mapping[tuple[str, str], Any]) -> set[str]:
    """The files that waivers name."""
    return {file for file, _ in reasons}
