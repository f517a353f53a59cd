"""What runs of simulations left in a folder: for each design its marks, for each run how often each was met.

Every run writes a file of its own, so that any number of tests, at once or one after the other, add to the same folder.
"""

import json
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .marking import marks_of
from .source import Location, source_digest

COVERAGE_VARIABLE = "SAOFFLOAD_COVERAGE"
"""Names the folder; unset or empty: nothing is measured."""

_DESIGN, _RUN = ".design.json", ".run.json"
_POINT = re.compile(r"^C '(.*)' (\d+)$", re.MULTILINE)


@dataclass
class Design:
    """A design that was simulated: the statements of each of its marks, how often each mark was met in all, and which
    marks each test met, by their place in ``marks``.
    """

    marks: list[tuple[Location, ...]]
    counts: list[int]
    met_by: dict[str, set[int]] = field(default_factory=dict)

    @property
    def tests(self) -> set[str]:
        """Those that ran it; a bench that no test ran is named itself."""
        return set(self.met_by)


def coverage_folder() -> Path | None:
    """Where runs leave what they covered, if they shall."""
    chosen = os.environ.get(COVERAGE_VARIABLE)
    return Path(chosen).expanduser().resolve() if chosen else None


def counts_by_line(data: str) -> dict[int, int]:
    """How often each line of the Verilog was run, from what Verilator writes at the end of a simulation. Only the
    lines of processes are counted.
    """
    counts: dict[int, int] = {}
    for key, count in _POINT.findall(data):
        fields = dict(part.partition("\x02")[::2] for part in key.split("\x01")[1:])
        for line in _numbers(fields.get("S", "")):
            counts[line] = counts.get(line, 0) + int(count)
    return counts


def record_run(folder: Path, verilog: Path, data: str, *, bench: str) -> None:
    """Adds one run of the simulation that was built from ``verilog``."""
    folder.mkdir(parents=True, exist_ok=True)
    marks = marks_of(verilog.read_text())
    source = source_digest()
    # Sources that differ somewhere else make the same Verilog, so its folder alone does not say which runs go together.
    name = f"{verilog.parent.name}-{source}"
    counts = counts_by_line(data)
    design = {"source": source, "marks": list(marks.values())}
    run = {
        "bench": bench,
        "test": os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0],
        "counts": [counts.get(line, 0) for line in marks],
    }
    if not (folder / f"{name}{_DESIGN}").is_file():
        _write(folder / f"{name}{_DESIGN}", design)
    _write(folder / f"{name}.{uuid.uuid4().hex}{_RUN}", run)


def read_records(folder: Path) -> tuple[dict[str, Design], int]:
    """All designs with the sums of their runs, and how many runs were left out: they are of RTL that has changed."""
    current = source_digest()
    designs: dict[str, Design] = {}
    left_out = 0
    for name, content in _read(folder, _DESIGN):
        if content["source"] == current:
            marks = [tuple(Location(*place) for place in mark) for mark in content["marks"]]
            designs[name] = Design(marks, [0] * len(marks))
    for name, content in _read(folder, _RUN):
        design = designs.get(name.partition(".")[0])
        if design is None:
            left_out += 1
            continue
        design.counts = [sum(pair) for pair in zip(design.counts, content["counts"], strict=True)]
        met = design.met_by.setdefault(content["test"] or content["bench"], set())
        met.update(number for number, count in enumerate(content["counts"]) if count)
    return designs, left_out


def _read(folder: Path, suffix: str) -> Iterator[tuple[str, Any]]:
    for path in sorted(folder.glob(f"*{suffix}")):
        yield path.name.removesuffix(suffix), json.loads(path.read_text())


def _write(path: Path, content: Any) -> None:
    """In one step, so that nobody reads half of it."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(content))
    part.rename(path)


def _numbers(ranges: str) -> Iterator[int]:
    """Of ``3,5-7``: 3, 5, 6 and 7."""
    for text in filter(None, ranges.split(",")):
        first, _, last = text.partition("-")
        yield from range(int(first), int(last or first) + 1)
