"""What all runs together covered, by file of the RTL's source.

A line is a statement of the source that stands in a branch (``m.If``, ``m.Switch``, ``m.FSM``). What stands in none
runs in every clock, and would only flatter the figures. A line is covered when a branch with it was taken in any run of
any design, in any copy of the component. One that no design has is missed as well: its configuration was not simulated.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .records import Design
from .source import Location, statements
from .waivers import Branches, Waiver

LIMIT = 95.0
"""Per cent of a file's lines."""


@dataclass(frozen=True)
class Missed:
    """A line that no run took. ``reason``: of its waiver, None without one. ``is_in_design``: some design has it."""

    line: int
    text: str
    reason: str | None
    is_in_design: bool


@dataclass(frozen=True)
class FileCoverage:
    """``lines`` in all and ``covered`` ones, and what is left. ``branches`` and ``taken`` count the branches with these
    lines in the Verilog of each design, copies and sizes for themselves.
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
        """Of the lines that can be covered."""
        possible = self.lines - self.waived
        return 100 * self.covered / possible if possible else 100.0


@dataclass(frozen=True)
class Coverage:
    """Of all files whose source has branches, in order. ``unused``: waivers of lines that are covered or not there."""

    files: tuple[FileCoverage, ...]
    unused: tuple[Waiver, ...]

    @property
    def total(self) -> FileCoverage:
        """All files as if they were one. Each of its missed lines is a line of one of them."""
        lines, covered, branches, taken = (
            sum(getattr(file, name) for file in self.files) for name in ("lines", "covered", "branches", "taken")
        )
        missed = tuple(missed for file in self.files for missed in file.missed)
        return FileCoverage("all", lines, covered, missed, branches, taken)

    def below(self, limit: float) -> list[FileCoverage]:
        """The files that miss the limit, in per cent."""
        return [file for file in self.files if file.percent < limit]


@dataclass(frozen=True)
class Contribution:
    """What a test covers, in all its cases together: ``lines`` in all, ``new`` ones that none before it in the list
    covers, and ``alone``: those that no other test covers.
    """

    test: str
    lines: int
    new: int
    alone: int


def measure(designs: Iterable[Design], sources: Mapping[str, str], waivers: Sequence[Waiver]) -> Coverage:
    """What the runs of these designs covered. ``sources``: the text of each file of the RTL, by its name."""
    found = {file: _Found(dict.fromkeys(statements(text), False)) for file, text in sources.items()}
    for design in designs:
        for mark, count in zip(design.marks, design.counts, strict=True):
            for file, line in mark:
                found[file].lines[line] = found[file].lines.get(line, False) or count > 0
                found[file].in_designs.add(line)
            for file in {location.file for location in mark}:
                found[file].branches += 1
                found[file].taken += count > 0
    by_file = {file: [waiver for waiver in waivers if waiver.file == file] for file in sources}
    files = tuple(
        _file_coverage(file, text, found[file], by_file[file]) for file, text in sources.items() if found[file].lines
    )
    return Coverage(files, tuple(waiver for waiver in waivers if _is_needless(waiver, sources, found)))


def contributions(designs: Iterable[Design]) -> list[Contribution]:
    """What each test adds. First comes the test that covers most, then always the one that adds most: the first ones
    with ``new`` lines cover everything.
    """
    covered: dict[str, set[Location]] = {}
    for design in designs:
        for name, met in design.met_by.items():
            lines = covered.setdefault(name.partition("[")[0], set())
            lines.update(location for number in met for location in design.marks[number])
    times = Counter(location for lines in covered.values() for location in lines)
    found: list[Contribution] = []
    before: set[Location] = set()
    left = sorted(covered)
    while left:
        test = max(left, key=lambda name: len(covered[name] - before))
        left.remove(test)
        lines = covered[test]
        alone = sum(times[location] == 1 for location in lines)
        found.append(Contribution(test, len(lines), len(lines - before), alone))
        before |= lines
    return found


@dataclass
class _Found:
    """Of one file: which lines stand in branches, and whether one of those was taken; which of them some design has;
    and the branches in all.
    """

    lines: dict[int, bool]
    in_designs: set[int] = field(default_factory=set)
    branches: int = 0
    taken: int = 0


def _file_coverage(file: str, text: str, found: _Found, waivers: Sequence[Waiver]) -> FileCoverage:
    branches = Branches(text)
    left = [line for line, is_covered in sorted(found.lines.items()) if not is_covered]
    missed = tuple(
        Missed(
            line,
            branches.text(line),
            next((waiver.reason for waiver in waivers if branches.is_meant(line, waiver)), None),
            line in found.in_designs,
        )
        for line in left
    )
    return FileCoverage(file, len(found.lines), len(found.lines) - len(missed), missed, found.branches, found.taken)


def _is_needless(waiver: Waiver, sources: Mapping[str, str], found: Mapping[str, _Found]) -> bool:
    """It names nothing, or something that is covered."""
    if waiver.file not in sources:
        return True
    lines = found[waiver.file].lines
    branches = Branches(sources[waiver.file])
    meant = [is_covered for line, is_covered in lines.items() if branches.is_meant(line, waiver)]
    return not meant or any(meant)
