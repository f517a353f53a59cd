"""Measuring designs without a board, around tools that are scripts here; and the harness itself."""

import os
import re
import time
from random import Random
from threading import Event

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tests.unit.boards_workshop import Workshop
from tests.unit.streams import simulate

from saoffload.boards import tools
from saoffload.boards.bare_chip import bare_chip
from saoffload.boards.bus_walk import BusWalk
from saoffload.boards.flow import FEWEST_ENABLED, WIRE_PICOSECONDS
from saoffload.boards.harness import Harness
from saoffload.boards.refinement import Refinement
from saoffload.boards.synth import synthesize
from saoffload.boards.tools import BuildError
from saoffload.hdl.config import preset
from saoffload.hdl.engine import RESET_ROOMS
from saoffload.hdl.table.choice import sa_table

WORD = 5
BUILD = ["yosys", "nextpnr", "nextpnr1", "nextpnr1"]
"""What is called for one seed: synthesis; then cells are packed, placed, and routed."""


class Design(wiring.Component):
    """Inverts a word, and takes a stream that is always ready."""

    def __init__(self):
        super().__init__(
            {
                "word": In(WORD),
                "inverted": Out(WORD),
                "taken": In(stream.Signature(3, always_ready=True)),
                "total": Out(1),
            }
        )

    def elaborate(self, _platform):
        m = Module()
        m.d.comb += [self.inverted.eq(~self.word), self.total.eq(self.taken.payload.xor() & self.taken.valid)]
        return m


def test_the_harness_drives_every_input_and_shows_every_output():
    design = Design()
    harness = Harness(design)
    inputs = [design.word[bit] for bit in range(WORD)] + [*design.taken.payload, design.taken.valid]
    outputs = [*design.inverted, design.total]
    assert harness.ff == len(inputs) + 2 * len(outputs)
    assert harness.lut == len(outputs)
    random = Random(1)
    shown = []

    async def main(ctx):
        # Bits that were shifted in stand at the inputs, the last one first.
        bits = [random.getrandbits(1) for _ in range(len(inputs))]
        for bit in bits:
            ctx.set(harness.scan_in, bit)
            await ctx.tick()
        assert sorted(ctx.get(signal) for signal in inputs) == sorted(bits)
        for _ in range(200):
            ctx.set(harness.scan_in, random.getrandbits(1))
            await ctx.tick()
            shown.append(ctx.get(harness.scan_out))

    simulate(harness, main)
    assert set(shown) == {0, 1}


def test_each_output_alone_reaches_the_pin():
    """A one that one output holds for a clock comes out once, each output in a clock of its own."""
    arrivals = {}
    for number in range(WORD):
        seen = []

        class One(wiring.Component):
            def __init__(self):
                super().__init__({"word": In(1), "outputs": Out(WORD)})

            def elaborate(self, _platform, number=number):
                m = Module()
                count = Signal(range(8), init=1)
                with m.If(count != 0):
                    m.d.sync += count.eq(count + 1)
                m.d.comb += self.outputs[number].eq(count == 2)
                return m

        harness = Harness(One())

        async def main(ctx, harness=harness, seen=seen):
            for _ in range(3 * WORD):
                seen.append(ctx.get(harness.scan_out))
                await ctx.tick()

        simulate(harness, main)
        assert sum(seen) == 1
        arrivals[number] = seen.index(1)
    assert len(set(arrivals.values())) == WORD


@pytest.fixture
def workshop(tmp_path, monkeypatch):
    shop = Workshop(tmp_path)
    shop.install(monkeypatch)
    shop.plan(fmax={"1": 151.0}, constraint=150.0)
    return shop


def measure(workshop, subject="table", **options):
    return synthesize(subject, out_dir=workshop.home / "out", **{"preset": "tiny"} | options)


def test_a_report_is_the_routed_design_without_the_harness(workshop):
    report = measure(workshop)
    harness = Harness(sa_table(preset("tiny")))
    assert report.to_json() == {
        "subject": "table",
        "preset": "tiny",
        "bundles": 8,
        "keys": 8,
        "context_width": 0,
        "contexts": 1,
        "line_buffers": 0,
        "device": "LFE5U-85F",
        "lut": 3000 - harness.lut,
        "ff": 4000 - harness.ff,
        "bram": 7,
        "fmax_mhz": 151.0,
        "clock_mhz": 150.0,
        "seed": 1,
        "fmax_by_seed": {1: 151.0},
    }
    assert workshop.calls() == BUILD


def test_every_seed_is_tried_and_the_fastest_reported(workshop):
    workshop.plan(fmax={"3": 99.0, "4": 120.5, "5": 101.0}, constraint=150.0)
    report = measure(workshop, seed=3, seeds=3, jobs=2)
    assert (report.seed, report.fmax_mhz) == (4, 120.5)
    assert report.fmax_by_seed == {3: 99.0, 4: 120.5, 5: 101.0}
    assert sorted(workshop.calls()) == ["nextpnr", *(f"nextpnr{seed}" for seed in (3, 3, 4, 4, 5, 5)), "yosys"]


def test_a_seed_that_fails_is_left_out_and_only_all_are_an_error(workshop):
    workshop.plan(fmax={"2": 88.0}, constraint=150.0)
    assert measure(workshop, seeds=2).fmax_by_seed == {2: 88.0}
    workshop.plan(fmax={}, constraint=150.0)
    with pytest.raises(BuildError, match="take a smaller preset"):
        measure(workshop, seed=7)


def test_what_was_done_is_not_done_again_and_other_sizes_are_other_designs(workshop):
    first = measure(workshop)
    workshop.calls()
    assert measure(workshop) == first
    assert workshop.calls() == []
    wider = measure(workshop, context_width=16)
    assert (wider.context_width, wider.preset) == (16, "tiny")
    assert workshop.calls() == BUILD
    assert measure(workshop, bundles=16).keys == 16
    assert workshop.calls() == BUILD
    measure(workshop, device="LFE5U-25F")
    assert workshop.calls() == BUILD


@pytest.mark.parametrize("subject", ["walk", "engine"])
def test_walk_and_engine_aim_for_a_clock_of_their_own(workshop, subject):
    workshop.plan(fmax={"1": 130.0}, constraint=125.0)
    assert measure(workshop, subject).clock_mhz == 125.0
    workshop.plan(fmax={"1": 130.0}, constraint=100.0)
    assert measure(workshop, subject, clock_mhz=100.0).clock_mhz == 100.0


def test_a_walk_is_measured_with_its_read_master(workshop):
    """What passes between the two is no output of the design; what leaves the read master is."""
    workshop.plan(fmax={"1": 130.0}, constraint=125.0)
    report = measure(workshop, "walk", preset="medium")
    assert (report.subject, report.contexts, report.line_buffers) == ("walk", 4, 1)
    walk = BusWalk(preset("medium"))
    assert report.lut == 3000 - Harness(walk).lut
    assert {"commands", "results", "axi", "lost_id_count"} < set(walk.signature.members)
    assert not {"reads", "beats", "abandons"} & set(walk.signature.members)


def test_the_steps_end_at_their_count(workshop):
    workshop.plan(fmax={"1": 99.0, "2": 120.5}, constraint=150.0)
    steps = []
    measure(workshop, seeds=2, progress=steps.append)
    assert [step.number for step in steps] == [1, 2, 3, 4, 5]
    assert {step.count for step in steps} == {5}


@pytest.mark.parametrize(
    ("subject", "options", "named"),
    [
        ("walker", {}, "unknown design 'walker': choose one of table, walk, engine"),
        ("table", {"preset": "enormous"}, "unknown preset 'enormous'"),
        ("table", {"device": "iCE40UP5K"}, "unknown device 'iCE40UP5K': choose one of LFE5U-25F, LFE5U-85F"),
        ("table", {"seeds": 0}, "seeds must be"),
        ("table", {"jobs": 0}, "jobs must be"),
        ("table", {"clock_mhz": 0.5}, "at least 1 MHz"),
        ("table", {"bundles": 1}, "bundles must be"),
    ],
)
def test_impossible_wishes_are_refused(workshop, subject, options, named):
    with pytest.raises(ValueError, match=named):
        measure(workshop, subject, **options)
    assert workshop.calls() == []


def test_a_bare_chip_is_the_slowest_that_is_sold():
    chip = bare_chip("LFE5U-25F", clock_hz=100_000_000)
    assert (chip.device, chip.speed) == ("LFE5U-25F", "6")


def test_an_interrupted_measurement_leaves_nothing_running(tmp_path, monkeypatch):
    shop = Workshop(tmp_path)
    shop.install(monkeypatch)
    shop.plan(fmax={}, nextpnr_hangs=True)
    pid = tmp_path / "pid"

    def interrupt(step):
        if step.text.startswith("place and route"):
            while not pid.exists() or not pid.read_text():
                time.sleep(0.01)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesize("walk", preset="tiny", seeds=3, out_dir=tmp_path, progress=interrupt)
    assert shop.calls() == BUILD[:3]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_an_interrupt_between_two_tools_starts_none(tmp_path, monkeypatch):
    """While logic moves no tool runs that could be killed."""
    shop = Workshop(tmp_path)
    shop.install(monkeypatch)
    shop.plan(fmax={"1": 130.0}, constraint=125.0)
    moves, is_interrupted = Event(), Event()

    def run(_refinement):
        moves.set()
        assert is_interrupted.wait(10)
        return 0

    def interrupt(step):
        if step.text.startswith("place and route"):
            assert moves.wait(60)
            stop = tools.stop_tools
            monkeypatch.setattr("saoffload.boards.synth.stop_tools", lambda: (stop(), is_interrupted.set()))
            raise KeyboardInterrupt

    monkeypatch.setattr(Refinement, "run", run)
    with pytest.raises(KeyboardInterrupt):
        synthesize("walk", preset="tiny", out_dir=tmp_path, progress=interrupt)
    assert shop.calls() == BUILD[:3]
    monkeypatch.undo()
    shop.install(monkeypatch)
    # And the next build is one as ever.
    assert synthesize("walk", preset="tiny", out_dir=tmp_path).fmax_mhz == 130.0


def test_synthesis_does_not_make_the_copies_of_the_reset_one(workshop):
    workshop.plan(fmax={"1": 130.0}, constraint=125.0)
    measure(workshop, "engine")
    (script,) = workshop.home.glob("out/*/*/top.ys")
    before, folded, mapped, after = script.read_text().split("synth_ecp5")
    assert f" -mince {FEWEST_ENABLED} -minsrst {FEWEST_ENABLED} * A:keep_hierarchy=1 %d\n" in folded
    assert f"\nabc9 -W {WIRE_PICOSECONDS} -maxlut 4\n" in mapped
    design = script.with_name("top.il").read_text()
    for room in RESET_ROOMS:
        name = f"top.harness.design.{room}_reset"
        assert f"module \\{name}\n" in design
        assert re.search(rf"^setattr -mod -set keep_hierarchy 1 .*\b{name}\b", before, re.MULTILINE)
        assert re.search(rf"^setattr -mod -unset keep_hierarchy .*\b{name}\b[^#]*\nflatten\n", after, re.MULTILINE)
