"""What all runs together covered, by file of the RTL's source.

A line is a statement of the source that stands in a branch (``m.If``, ``m.Switch``, ``m.FSM``). What stands in none
runs in every clock, and would only flatter the figures. A line is covered when a branch with it was taken in any run of
any design, in any copy of the component.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .records import Design
from .source import has_branches

WAIVERS = Path(__file__).with_name("waivers.toml")
LIMIT = 95.0
"""Per cent of a file's lines."""

_FIELDS = {"file", "text", "reason"}


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
    waivers: dict[tuple[str, str], Waiver] = {}
    for entry in tomllib.loads(path.read_text()).get("waiver", []):
        if set(entry) != _FIELDS or not all(isinstance(value, str) and value for value in entry.values()):
            raise CoverageError(f"{path.name}: a waiver has {', '.join(sorted(_FIELDS))}, all text; got {entry}")
        waiver = Waiver(**entry)
        if (waiver.file, waiver.text) in waivers:
            raise CoverageError(f"{path.name}: {waiver.text!r} of {waiver.file} stands there twice")
        waivers[waiver.file, waiver.text] = waiver
    return list(waivers.values())


def measure(designs: Iterable[Design], sources: Mapping[str, str], waivers: Iterable[Waiver]) -> Coverage:
    """What the runs of these designs covered. ``sources``: the text of each file of the RTL, by its name."""
    found = {file: _Found() for file in sources}
    for design in designs:
        for mark, count in zip(design.marks, design.counts, strict=True):
            for file, line in mark:
                found[file].lines[line] = found[file].lines.get(line, False) or count > 0
            for file in {location.file for location in mark}:
                found[file].branches += 1
                found[file].taken += count > 0
    reasons = {(waiver.file, waiver.text): waiver.reason for waiver in waivers}
    files = tuple(
        _file_coverage(file, text, found[file], reasons)
        for file, text in sources.items()
        if found[file].lines or has_branches(text)
    )
    used = {(file.file, missed.text) for file in files for missed in file.missed}
    # Of a file that was in no design nothing is known, not even that a waiver of it is needless.
    unknown = {file for file in sources if not found[file].lines}
    return Coverage(
        files,
        tuple(Waiver(*name, reason) for name, reason in reasons.items() if name not in used and name[0] not in unknown),
    )


@dataclass
class _Found:
    """Of one file: which lines stand in branches, and whether one of those was taken; and the branches in all."""

    lines: dict[int, bool] = field(default_factory=dict)
    branches: int = 0
    taken: int = 0


def _file_coverage(file: str, text: str, found: _Found, reasons: Mapping[tuple[str, str], str]) -> FileCoverage:
    rows = text.splitlines()
    left = {line: rows[line - 1].strip() for line, is_covered in sorted(found.lines.items()) if not is_covered}
    missed = tuple(Missed(line, row, reasons.get((file, row))) for line, row in left.items())
    return FileCoverage(file, len(found.lines), len(found.lines) - len(missed), missed, found.branches, found.taken)
