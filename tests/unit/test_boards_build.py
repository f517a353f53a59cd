"""The build around its tools, which are scripts here: seeds, cache, failures and their messages."""

import sys
from pathlib import Path

import pytest
from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib import io
from tests.unit.boards_workshop import Workshop

from saoffload.boards import build
from saoffload.boards.build import BuildError, build_board


class Blinker(Elaboratable):
    """In place of the real top, which takes seconds to describe."""

    def __init__(self, *, board, config):
        self.period = board.memory_bytes + config.bundles

    def elaborate(self, platform):
        m = Module()
        count = Signal(range(self.period))
        m.d.sync += count.eq(count + 1)
        m.submodules.led = led = io.Buffer("o", platform.request("led", 0, dir="-"))
        m.d.comb += led.o.eq(count[-1])
        return m


class BoardWorkshop(Workshop):
    """Builds a bitstream for iCE40."""

    def build(self, **options):
        return build_board("icebreaker", out_dir=self.home / "out", **options)


@pytest.fixture
def workshop(tmp_path, monkeypatch):
    shop = BoardWorkshop(tmp_path)
    shop.install(monkeypatch)
    monkeypatch.setattr(build, "BoardTop", Blinker)
    return shop


def test_a_build_reports_what_was_routed_and_leaves_the_bitstream(workshop):
    report = workshop.build()
    assert report.to_json() == {
        "board": "icebreaker",
        "preset": "tiny",
        "lut": 10,
        "ff": 3,
        "bram": 4,
        "fmax_mhz": 20.0,
        "clock_mhz": 12.0,
        "met": True,
        "seed": 1,
        "bitstream": str(workshop.home / "out" / "icebreaker-tiny.bin"),
    }
    assert Path(report.bitstream).read_text() == "bits of seed 1"
    assert workshop.calls() == ["yosys", "nextpnr1", "icepack"]


def test_seeds_are_tried_in_turn_until_one_meets_the_clock(workshop):
    workshop.plan(fmax={"5": 9.0, "6": 11.99, "7": 12.0, "8": 50.0})
    report = workshop.build(seed=5, seeds=4)
    assert (report.seed, report.fmax_mhz, report.met) == (7, 12.0, True)
    assert workshop.calls() == ["yosys", "nextpnr5", "nextpnr6", "nextpnr7", "icepack"]
    assert Path(report.bitstream).read_text() == "bits of seed 7"


def test_a_clock_that_no_seed_meets_is_reported_not_hidden(workshop):
    workshop.plan(fmax={"1": 9.0, "2": 11.5, "3": 10.0})
    report = workshop.build(seeds=3)
    assert (report.seed, report.fmax_mhz, report.met) == (2, 11.5, False)
    assert Path(report.bitstream).read_text() == "bits of seed 2"


def test_a_figure_just_below_the_clock_is_not_rounded_into_meeting_it(workshop):
    workshop.plan(fmax={"1": 11.9999})
    report = workshop.build()
    assert not report.met


def test_a_seed_that_does_not_route_gives_way_to_the_next(workshop):
    workshop.plan(fmax={"2": 13.0})
    assert workshop.build(seeds=2).seed == 2


def test_what_was_built_is_not_built_again_and_figures_stay(workshop):
    first = workshop.build()
    workshop.calls()
    assert workshop.build() == first
    assert workshop.calls() == ["icepack"]


def test_another_seed_uses_the_same_netlist(workshop):
    workshop.plan(fmax={"1": 20.0, "2": 21.0})
    workshop.build()
    workshop.calls()
    assert workshop.build(seed=2).fmax_mhz == 21.0
    assert workshop.calls() == ["nextpnr2", "icepack"]


def test_another_version_of_a_tool_builds_anew(workshop):
    workshop.build()
    workshop.calls()
    workshop.plan(fmax={"1": 30.0}, version=2)
    assert workshop.build().fmax_mhz == 30.0
    assert workshop.calls() == ["yosys", "nextpnr1", "icepack"]


def test_another_preset_is_another_design_with_a_bitstream_of_its_own(workshop):
    first, second = workshop.build(), workshop.build(preset="small")
    assert workshop.calls() == ["yosys", "nextpnr1", "icepack"] * 2
    assert second.preset == "small"
    assert first.bitstream != second.bitstream


def test_a_build_that_was_cut_off_is_done_again(workshop):
    workshop.plan(fmax={})
    with pytest.raises(BuildError):
        workshop.build()
    workshop.calls()
    workshop.plan(fmax={"1": 20.0})
    assert workshop.build().met
    assert workshop.calls() == ["nextpnr1", "icepack"]


def test_the_steps_are_told_and_end_at_their_count(workshop):
    workshop.plan(fmax={"1": 9.0, "2": 13.0})
    steps = []
    workshop.build(seeds=3, progress=steps.append)
    assert [(step.text, step.number) for step in steps] == [
        ("describing the hardware", 1),
        ("synthesis", 2),
        ("place and route, seed 1", 3),
        ("place and route, seed 2", 4),
        ("packing the bitstream", 6),
    ]
    assert {step.count for step in steps} == {6}


def error_of(call):
    with pytest.raises(BuildError) as raised:
        call()
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_a_failed_place_and_route_names_reason_log_and_cure(workshop):
    workshop.plan(fmax={})
    message = error_of(workshop.build)
    assert message.startswith(
        "place and route failed: Unable to place cell 'x', no BELs remaining to implement it (log: "
    )
    assert "smaller preset" in message
    assert Path(message.split("(log: ")[1].split(")")[0]).is_file()


def test_a_failed_synthesis_names_reason_and_log(workshop):
    workshop.plan(fmax={"1": 20.0}, yosys_fails=True)
    message = error_of(workshop.build)
    assert message.startswith("synthesis failed: Module top is empty (log: ")
    assert workshop.calls() == ["yosys"]


@pytest.mark.parametrize("variable", ["YOSYS", "NEXTPNR_ICE40", "ICEPACK"])
def test_a_missing_tool_is_found_out_before_anything_is_built(workshop, monkeypatch, variable):
    monkeypatch.setenv(variable, "no-such-program")
    message = error_of(workshop.build)
    assert "no-such-program" in message
    assert variable in message
    assert "pip install 'saoffload[boards]'" in message
    assert workshop.calls() == []


def test_missing_boards_extra_names_its_cure(workshop, monkeypatch):
    monkeypatch.setitem(sys.modules, "amaranth_boards.icebreaker", None)
    assert "pip install 'saoffload[boards]'" in error_of(workshop.build)


def test_a_report_that_lacks_a_figure_is_an_error(workshop):
    script = Path(workshop.tools["NEXTPNR_ICE40"])
    script.write_text(script.read_text().replace('"ICESTORM_RAM"', '"OTHER_RAM"'))
    assert "ICESTORM_RAM" in error_of(workshop.build)


def test_an_output_folder_that_cannot_be_made_is_one_line(workshop):
    (workshop.home / "out").write_text("a file stands here")
    assert "out" in error_of(workshop.build)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"preset": "enormous"}, "unknown preset 'enormous': choose one of tiny"),
        ({"seed": 0}, "got 0"),
        ({"seed": -4}, "got -4"),
        ({"seeds": 0}, "got 0"),
    ],
)
def test_impossible_wishes_are_refused(workshop, options, named):
    with pytest.raises(ValueError, match=named):
        workshop.build(**options)


def test_unknown_board_names_the_boards():
    with pytest.raises(ValueError, match="unknown board 'de10': choose one of ulx3s-85f, icebreaker"):
        build_board("de10")
