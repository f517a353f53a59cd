"""Writes what the tests covered of each file of the RTL into docs/coverage.md, between its marks.

python tools/coverage_table.py [FOLDER]    FOLDER: what SAOFFLOAD_COVERAGE named, build/coverage unless given
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from saoffload.sim.coverage.records import read_records
from saoffload.sim.coverage.report import Coverage, measure
from saoffload.sim.coverage.source import hdl_files
from saoffload.sim.coverage.waivers import read_waivers

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "coverage.md"
BEGIN, END = "<!-- coverage:begin -->", "<!-- coverage:end -->"


def rows_of(coverage: Coverage) -> Iterator[str]:
    """The lines of the table."""
    yield "| file | lines | covered | waived | % of the others |"
    yield "|---|---|---|---|---|"
    for file in (*coverage.files, coverage.total):
        # Rounded down: 99.97 % is not all.
        percent = int(10 * file.percent) / 10
        yield f"| {file.file} | {file.lines:,} | {file.covered:,} | {file.waived} | {percent:g} |"


def main() -> None:
    """Rewrites the table and nothing else of the page."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "coverage"
    designs, _ = read_records(folder)
    if not designs:
        sys.exit(f"error: {folder}: nothing was measured there of the RTL as it stands; run make coverage")
    sources = {file: path.read_text() for file, path in hdl_files().items()}
    rows = rows_of(measure(designs.values(), sources, read_waivers()))
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text("\n".join((f"{before}{BEGIN}", *rows, f"{END}{after}")))


if __name__ == "__main__":
    main()
