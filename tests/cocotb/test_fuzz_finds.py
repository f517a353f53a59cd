"""Engines broken on purpose: fuzzing finds each, makes it small, and the file it writes fails again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Const, Signal

from saoffload.hdl.export import to_verilog
from saoffload.hdl.table import drain
from saoffload.hdl.table.parallel import delete_pipe
from saoffload.hdl.walk import windows
from saoffload.hdl.walk.contexts import line_tags
from saoffload.sim.bench_hdl import fuzz_top
from saoffload.sim.cli.app import run
from saoffload.sim.fuzz import runner
from saoffload.sim.fuzz.engines import ENGINES
from saoffload.sim.fuzz.report import write_failure
from saoffload.sim.runner import build

SEED = 1
SCENARIOS = 400
MOST_STEPS = 16
"""Of a scenario of fifty, what is left at most."""

pytestmark = [pytest.mark.rtl, pytest.mark.nightly]


def answer_deletes_a_clock_early(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(delete_pipe, "LIVE_TO_ANSWER", delete_pipe.LIVE_TO_ANSWER - 1)


def let_no_transmit_lookup_hold_a_completion(patch: pytest.MonkeyPatch) -> None:
    elaborate: Callable[..., Any] = drain.EpochDrain._elaborate_counts

    def counts(self: Any, m: Any, kind: int) -> Any:
        is_empty = elaborate(self, m, kind)
        return is_empty if kind == 0 else Const(~0, len(is_empty))

    patch.setattr(drain.EpochDrain, "_elaborate_counts", counts)


def let_a_node_end_a_word_behind_its_window(patch: pytest.MonkeyPatch) -> None:
    is_inside: Callable[..., Any] = windows.WindowTable._is_inside
    patch.setattr(
        windows.WindowTable,
        "_is_inside",
        lambda self, m, number, word, _, window: is_inside(self, m, number, word, Const(1), window),
    )


def keep_lines_for_the_next_command(patch: pytest.MonkeyPatch) -> None:
    elaborate: Callable[..., Any] = line_tags.LineTags.elaborate

    def deaf(self: Any, platform: object) -> Any:
        self.do_clear = Signal()
        return elaborate(self, platform)

    patch.setattr(line_tags.LineTags, "elaborate", deaf)


BROKEN = {
    "rule 10": ("serial", answer_deletes_a_clock_early, "lookup of"),
    "rule 12": ("serial", let_no_transmit_lookup_hold_a_completion, "(rule 12)"),
    "rule 19": ("lines", keep_lines_for_the_next_command, "command"),
    "rule 20": ("serial", let_a_node_end_a_word_behind_its_window, "OUT_OF_WINDOW"),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_engine_is_found_shrunk_and_replayed(
    rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine, break_engine, expected = BROKEN[rule]
    # Nothing of a broken engine may come to the cache of sound ones.
    with monkeypatch.context() as patch:
        break_engine(patch)
        patch.setattr(fuzz_top, "engine_verilog", to_verilog)
        broken = build(fuzz_top.fuzzed_verilog(ENGINES[engine]), top=fuzz_top.TOP)
    monkeypatch.setattr(runner, "simulation", lambda _engine, **_: broken)

    outcome = runner.run_batch(runner.Batch(engine=engine, seed=SEED, first=0, count=SCENARIOS))
    failure = outcome.failure
    assert failure is not None, f"not found in {outcome.counts['nodes']} nodes"
    with capsys.disabled():
        print(f"\n{rule}: found after {outcome.counts['nodes']} nodes, seed {failure.seed}: {failure.text}")
    assert expected in failure.text

    shrunk = runner.shrink(failure)
    assert shrunk is not None
    scenario, text = shrunk
    with capsys.disabled():
        print(f"{len(scenario.steps)} steps left: {text}")
    assert len(scenario.steps) <= MOST_STEPS
    file = write_failure(tmp_path, failure, scenario, text)
    assert run(["fuzz", "--replay", str(file), "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "agree": False,
        "engine": engine,
        "failure": text,
    }
    monkeypatch.undo()
    assert run(["fuzz", "--replay", str(file)]) == 0
