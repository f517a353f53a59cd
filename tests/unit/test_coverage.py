"""Coverage: marks in the Verilog, counts of runs, and the report over all of them."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module
from amaranth.lib import enum
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import Component, In, Out

from saoffload.hdl.config import preset
from saoffload.hdl.control import flush
from saoffload.hdl.export import branching
from saoffload.sim import designs
from saoffload.sim.cli.app import run as run_command
from saoffload.sim.coverage import marking, waivers
from saoffload.sim.coverage.marking import marked, marks_of
from saoffload.sim.coverage.records import COVERAGE_VARIABLE, Design, counts_by_line, read_records, record_run
from saoffload.sim.coverage.report import Contribution, contributions, measure
from saoffload.sim.coverage.source import Location, hdl_files, location_of, statements
from saoffload.sim.coverage.waivers import Branches, CoverageError, Waiver, read_waivers
from saoffload.sim.runner import BenchError, build, run
from saoffload.sim.toolchain import SimulatorError

HERE = "test_coverage.py"
BENCH = "tests.unit.sim_small_bench"
VERILOG = """module top(a);
  always_comb begin
    \\@3@bus/one.py:7+bus/two.py:9  = 1'h0;
    if (a) begin
      \\@3@bus/one.py:7+bus/two.py:9  = 1'h1;
    end else begin
      \\@4@bus/one.py:8  = 1'h1;
    end
  end
endmodule
"""
SOURCES = {
    "bus/one.py": "m = Module()\nwith m.If(a):\n    first\n    second\nwith m.Else():\n    third\n",
    "bus/two.py": "with m.FSM():\n    with m.State('IDLE'):\n        m.next = 'BUSY'\n",
    "bus/none.py": "m.d.comb += a.eq(b)\n",
}
ONE, TWO = Location("bus/one.py", 3), Location("bus/one.py", 6)


class Adder(Component):
    """Adds 1, and to 3 another number."""

    def __init__(self) -> None:
        super().__init__({"a": In(8), "sum": Out(9)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.d.comb += self.sum.eq(self.a + 1)
        with m.If(self.a == 3):
            m.d.comb += self.sum.eq(77)
        with m.Elif(self.a[0]):
            m.d.comb += self.sum.eq(self.a + 2)
        return m


class Kind(enum.Enum, shape=1):
    """A signal with this shape is a view."""

    PLAIN = 0
    OTHER = 1


class Views(Component):
    """Assigns to views: of an enumeration and of a structure."""

    def __init__(self) -> None:
        super().__init__({"a": In(1), "kind": Out(Kind), "pair": Out(StructLayout({"low": 1, "high": 1}))})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        with m.If(self.a):
            m.d.comb += self.kind.eq(Kind.OTHER)
        with m.Else():
            m.d.comb += self.pair.eq(3)
        return m


def point(lines: str, count: int) -> str:
    fields = {"f": "design.v", "l": "3", "n": "5", "page": "v_branch/top", "o": "if", "S": lines, "h": "top"}
    key = "".join(f"\x01{name}\x02{value}" for name, value in fields.items())
    return f"C '{key}' {count}\n"


def here(file: str, line: int) -> Location | None:
    """The place in this file, as if it were RTL."""
    return Location(HERE, line) if file == __file__ else None


def flush_rtlil() -> str:
    design = flush.Flush(preset("tiny"))
    answers, results = design.flush_answers, design.results
    ports = [
        design.do_flush, design.tag, design.is_active, design.flushes.ready, design.flushes.valid,
        answers.valid, answers.payload.as_value(), results.ready, results.valid, results.payload.as_value(),
    ]  # fmt: skip
    return rtlil.convert(design, name="top", ports=ports, emit_src=False)


def statements_in(path: Path) -> set[int]:
    """Lines with an assignment or a next state below any ``with`` of the file: another way to find them."""
    found = set()
    for block in ast.walk(ast.parse(path.read_text())):
        if isinstance(block, ast.With):
            for node in ast.walk(block):
                is_assignment = isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".eq")
                if is_assignment or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "m.next"):
                    found.add(node.lineno)
    return found


def test_every_statement_in_a_branch_is_marked() -> None:
    with marked():
        text = branching(flush_rtlil())
    marks = marks_of(text)
    assert {location.line for mark in marks.values() for location in mark} == statements_in(Path(flush.__file__))
    assert {location.file for mark in marks.values() for location in mark} == {"control/flush.py"}
    assert "always_comb" in text


def test_assignments_to_views_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marking, "location_of", here)
    with marked():
        text = branching(rtlil.convert(Views(), name="top", emit_src=False))
    rows = Path(__file__).read_text().splitlines()
    found = [rows[location.line - 1].strip() for mark in marks_of(text).values() for location in mark]
    assert sorted(found) == ["m.d.comb += self.kind.eq(Kind.OTHER)", "m.d.comb += self.pair.eq(3)"]


def test_nothing_is_marked_afterwards() -> None:
    with pytest.raises(ZeroDivisionError), marked():
        _ = 1 / 0
    assert "\\@" not in flush_rtlil()


def test_marks_are_read_where_they_are_set() -> None:
    assert marks_of(VERILOG) == {
        5: (Location("bus/one.py", 7), Location("bus/two.py", 9)),
        7: (Location("bus/one.py", 8),),
    }


def test_counts_of_lines() -> None:
    data = "# SystemC::Coverage-3\n" + point("2,4-6", 3) + point("6", 2) + point("", 9) + point("8", 0)
    assert counts_by_line(data) == {2: 3, 4: 3, 5: 3, 6: 5, 8: 0}


def test_files_of_others_have_no_place() -> None:
    files = hdl_files()
    assert location_of(str(files["bus/axi4.py"]), 5) == Location("bus/axi4.py", 5)
    assert location_of(rtlil.__file__, 5) is None
    assert statements(files["control/flush.py"].read_text()) == statements_in(files["control/flush.py"])
    assert not statements(files["layouts.py"].read_text())


def test_runs_add_up_and_never_overwrite(tmp_path: Path) -> None:
    design = tmp_path / "verilator-1" / "design.v"
    design.parent.mkdir()
    design.write_text(VERILOG)
    folder = tmp_path / "coverage"
    for data in (point("4-5", 2), point("4-5", 1) + point("7", 0), point("6-7", 0)):
        record_run(folder, design, data, bench="some.bench")
    found, left_out = read_records(folder)
    assert left_out == 0
    (design_found,) = found.values()
    assert design_found.counts == [3, 0]
    assert design_found.tests == {"tests/unit/test_coverage.py::test_runs_add_up_and_never_overwrite"}


def test_runs_of_other_rtl_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    design = tmp_path / "verilator-1" / "design.v"
    design.parent.mkdir()
    design.write_text(VERILOG)
    record_run(tmp_path / "coverage", design, point("4-5", 2), bench="some.bench")
    monkeypatch.setattr("saoffload.sim.coverage.records.source_digest", lambda: "changed")
    assert read_records(tmp_path / "coverage") == ({}, 1)
    # The change was somewhere else: the design is the same.
    record_run(tmp_path / "coverage", design, point("7", 1), bench="some.bench")
    found, left_out = read_records(tmp_path / "coverage")
    assert ([one.counts for one in found.values()], left_out) == ([[0, 1]], 1)


def test_a_line_is_covered_by_any_design_and_any_copy() -> None:
    ran = [Design([(ONE,), (ONE,), (TWO,)], [0, 4, 0]), Design([(TWO,), (ONE,)], [0, 0])]
    result = measure(ran, SOURCES, [])
    one, two = result.files
    assert (one.file, one.lines, one.covered, one.branches, one.taken) == ("bus/one.py", 2, 1, 5, 1)
    assert [(missed.line, missed.text, missed.reason) for missed in one.missed] == [(6, "third", None)]
    assert one.percent == 50
    # It has branches, and no design has them: nothing of it is covered. A file without branches is not there at all.
    assert (two.file, two.lines, two.percent, two.branches) == ("bus/two.py", 1, 0, 0)
    assert [missed.is_in_design for missed in (*one.missed, *two.missed)] == [True, False]
    assert result.below(95) == [one, two]
    assert measure([Design([(ONE,), (TWO,)], [1, 1])], SOURCES, []).below(95) == [two]


def test_the_total_adds_up_all_files() -> None:
    result = measure([Design([(ONE,), (TWO,)], [1, 0])], SOURCES | {"bus/six.py": SOURCES["bus/one.py"]}, [])
    total = result.total
    assert (total.lines, total.covered, total.branches, total.taken) == (3, 1, 2, 1)
    assert [missed.text for missed in total.missed] == ["third", "m.next = 'BUSY'"]
    waived = measure([Design([(ONE,), (TWO,)], [1, 0])], SOURCES, [Waiver("bus/one.py", "third", "never")])
    assert (waived.total.waived, waived.total.percent) == (1, 50)


def test_what_each_test_adds() -> None:
    """Cases of one test are one; a line counts once, however many designs have it."""
    three = Location("bus/two.py", 3)
    small, large = Design([(ONE,), (TWO,)], [9, 9]), Design([(TWO,), (three, ONE)], [9, 9])
    small.met_by = {"t.py::one[a]": {0}, "t.py::none": set()}
    large.met_by = {"t.py::one[b]": {0}, "t.py::two": {1}, "t.py::three": {0, 1}}
    assert contributions([small, large]) == [
        Contribution("t.py::three", 3, 3, 0),
        Contribution("t.py::none", 0, 0, 0),
        Contribution("t.py::one", 2, 0, 0),
        Contribution("t.py::two", 2, 0, 0),
    ]
    del large.met_by["t.py::two"]
    large.met_by["t.py::three"] = {1}
    assert contributions([small, large])[:2] == [
        Contribution("t.py::one", 2, 2, 1),
        Contribution("t.py::three", 2, 1, 1),
    ]


def test_waivers_name_what_is_left_and_are_needed() -> None:
    ran = [Design([(ONE,), (TWO,)], [1, 0])]
    needed = Waiver("bus/one.py", "third", "never")
    result = measure(ran, SOURCES, [needed])
    assert (result.files[0].percent, result.files[0].missed[0].reason, result.unused) == (100, "never", ())
    # Covered, not in the file, and of no file.
    needless = [Waiver("bus/one.py", "first", "x"), Waiver("bus/one.py", "fourth", "x"), Waiver("bus/six.py", "x", "x")]
    unbuilt = Waiver("bus/two.py", "m.next = 'BUSY'", "x")
    result = measure(ran, SOURCES, [needed, *needless, unbuilt])
    assert (result.unused, result.files[1].waived) == (tuple(needless), 1)


def test_a_waiver_of_a_branch_is_of_all_its_lines() -> None:
    """And of no others; one that names a line of two places may say which."""
    source = "with m.If(a):\n    same\n    with m.If(b):\n        same\n        more\nwith m.If(c):\n    same\n"
    sources = {"bus/one.py": source}

    def missed(waiver: Waiver, *covered: int) -> tuple[list[int], bool]:
        lines = (2, 4, 5, 7)
        ran = [Design([(Location("bus/one.py", line),) for line in lines], [int(line in covered) for line in lines])]
        result = measure(ran, sources, [waiver])
        return [one.line for one in result.files[0].missed if one.reason], bool(result.unused)

    inner = Waiver("bus/one.py", "with m.If(b):", "never")
    assert missed(inner) == ([4, 5], False)
    assert missed(inner, 2, 7) == ([4, 5], False)
    assert missed(inner, 4) == ([5], True), "a line of the branch is covered"
    assert missed(Waiver("bus/one.py", "with m.If(a):", "never")) == ([2, 4, 5], False)
    assert missed(Waiver("bus/one.py", "same", "never")) == ([2, 4, 7], False)
    assert missed(Waiver("bus/one.py", "same", "never", below="with m.If(b):")) == ([4], False)
    assert missed(Waiver("bus/one.py", "same", "never", below="with m.If(b):"), 4) == ([], True)
    assert missed(Waiver("bus/one.py", "more", "never", below="with m.If(c):")) == ([], True)


@pytest.mark.parametrize(
    "text",
    [
        '[[waiver]]\nfile = "a.py"\ntext = "b"\n',
        '[[waiver]]\nfile = "a.py"\ntext = "b"\nreason = ""\n',
        '[[waiver]]\nfile = "a.py"\ntext = "b"\nreason = "c"\nline = 3\n',
        '[[waiver]]\nfile = "a.py"\ntext = "b"\nreason = "c"\nbelow = ""\n',
        2 * '[[waiver]]\nfile = "a.py"\ntext = "b"\nreason = "c"\n',
    ],
)
def test_waivers_that_are_not_whole_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "waivers.toml").write_text(text)
    with pytest.raises(CoverageError, match=r"waivers\.toml"):
        read_waivers(tmp_path / "waivers.toml")


def test_waivers_are_of_lines_that_there_are() -> None:
    """Each names a line, or a branch, of one place."""
    files = hdl_files()
    for waiver in read_waivers():
        assert waiver.file in files, waiver
        source = files[waiver.file].read_text()
        branches = Branches(source)
        named = [number for number in range(1, len(source.splitlines()) + 1) if branches.text(number) == waiver.text]
        assert len([number for number in named if branches.is_meant(number, waiver)]) == 1, waiver


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("saoffload.sim.coverage.source.hdl_files", lambda: {"bus/one.py": tmp_path / "one.py"})
    monkeypatch.setattr("saoffload.sim.coverage.records.source_digest", lambda: "same")
    monkeypatch.setattr(waivers, "read_waivers", list)
    (tmp_path / "one.py").write_text(SOURCES["bus/one.py"])
    design = tmp_path / "verilator-1" / "design.v"
    design.parent.mkdir()
    design.write_text("\\@1@bus/one.py:3  = 1'h1;\n\\@2@bus/one.py:6  = 1'h1;\n")
    folder = tmp_path / "coverage"

    assert run_command(["coverage", str(folder)]) == 2
    assert "nothing was measured there" in capsys.readouterr().err
    record_run(folder, design, point("1", 1), bench="some.bench")
    assert run_command(["coverage", str(folder), "--json"]) == 1
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (answer["good"], answer["limit"], answer["designs"], answer["runs_left_out"]) == (False, 95, 1, 0)
    total = {"lines": 2, "covered": 1, "waived": 0, "percent": 50.0, "branches": 2, "branches_taken": 1}
    assert answer["total"] == total
    missed = [{"line": 6, "text": "third", "reason": None, "is_in_design": True}]
    assert answer["files"] == [{"file": "bus/one.py", **total, "missed": missed}]
    test = "tests/unit/test_coverage.py::test_the_command"
    assert answer["contributions"] == [{"test": test, "lines": 1, "new": 1, "alone": 1}]
    assert run_command(["coverage", str(folder)]) == 1
    shown = capsys.readouterr().out
    assert "missed: bus/one.py:6: third" in shown
    assert "below 95 %: bus/one.py" in shown
    assert run_command(["coverage", str(folder), "--limit", "50"]) == 0
    monkeypatch.setattr(waivers, "read_waivers", lambda: [Waiver("bus/one.py", "third", "It never comes.")])
    assert run_command(["coverage", str(folder)]) == 0
    assert "waived: bus/one.py:6: third\n    It never comes.\n" in capsys.readouterr().out
    monkeypatch.setattr(waivers, "read_waivers", list)
    assert run_command(["coverage", str(folder), "--tests"]) == 1
    assert "test_the_command" in capsys.readouterr().out
    record_run(folder, design, point("2", 1), bench="some.bench")
    assert run_command(["coverage", str(folder)]) == 0
    assert run_command(["coverage", str(folder), "--limit", "101"]) == 2


def test_what_is_given_away_is_never_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAOFFLOAD_CACHE", str(tmp_path))
    monkeypatch.setattr(designs, "to_verilog", lambda _config: "given away")
    monkeypatch.setattr(designs, "to_rtlil", lambda _config: flush_rtlil())
    monkeypatch.delenv(COVERAGE_VARIABLE, raising=False)
    tiny = preset("tiny")
    assert designs.engine_verilog(tiny) == designs.exported_verilog(tiny) == "given away"
    monkeypatch.setenv(COVERAGE_VARIABLE, str(tmp_path))
    assert designs.exported_verilog(tiny) == "given away"
    assert marks_of(designs.engine_verilog(tiny))


def test_only_verilator_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COVERAGE_VARIABLE, str(tmp_path))
    with pytest.raises(SimulatorError, match="Icarus counts no lines: unset SAOFFLOAD_COVERAGE"):
        build(VERILOG, top="top", simulator="icarus")


@pytest.mark.rtl
@pytest.mark.nightly
def test_a_branch_that_never_ran_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a simulation, from the marks to the report. Nightly: the simulator's library is compiled once more."""
    monkeypatch.setattr(marking, "location_of", here)
    monkeypatch.setenv(COVERAGE_VARIABLE, str(tmp_path))
    with marked():
        text = branching(rtlil.convert(Adder(), name="adder", emit_src=False))
    simulation = build(text, top="adder")
    source = {HERE: Path(__file__).read_text()}

    def missed() -> list[str]:
        found, _ = read_records(tmp_path)
        return [one.text for one in measure(found.values(), source, []).files[0].missed if one.is_in_design]

    assert run(simulation, bench=BENCH, job={"how": "add", "a": 40}) == 41
    assert missed() == ["m.d.comb += self.sum.eq(77)", "m.d.comb += self.sum.eq(self.a + 2)"]
    with pytest.raises(BenchError):
        run(simulation, bench=BENCH, job={"how": "raise"})
    assert run(simulation, bench=BENCH, job={"how": "add", "a": 3}) == 77
    assert missed() == ["m.d.comb += self.sum.eq(self.a + 2)"]
    assert run(simulation, bench=BENCH, job={"how": "add", "a": 41}) == 43
    assert missed() == []

    monkeypatch.delenv(COVERAGE_VARIABLE)
    plain = build(text, top="adder")
    assert plain.folder != simulation.folder
    assert not plain.counts_lines
