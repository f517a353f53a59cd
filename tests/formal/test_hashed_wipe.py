"""The wipe of the hash table reaches everything, and waits for who read before."""

from pathlib import Path

from amaranth.asserts import AnyConst
from amaranth.hdl import Module, Signal, Value
from tests.formal.hashed import BUNDLES, CONFIG
from tests.formal.prover import Proof, Run, Spec, broken, mutant

from saoffload.hdl.table.hashed.entry import sizes_of
from saoffload.hdl.table.hashed.timing import (
    LIVE_TO_ANSWER,
    STATE_WRITE_DELAY,
)
from saoffload.hdl.table.hashed.wipe import Wipe

WIPES_ALL = "a wipe has written every row, wildcard and state when it is done"
LETS_PASS = "what lookups read before it was wiped is answered when a wipe is done"


class WipeContract(Spec):
    """One position, any, is watched."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        progress = dut.progress
        position = AnyConst(len(progress.position))
        sizes = sizes_of(CONFIG)
        is_idle = Signal(init=1)
        with m.If(dut.do_start):
            m.d.sync += is_idle.eq(0)
        with m.Elif(dut.is_done):
            m.d.sync += is_idle.eq(1)
        self.assume(m, is_idle, given=dut.do_start)
        since = Signal(range(dut.TAIL + 1))
        with m.If(progress.is_running):
            m.d.sync += since.eq(0)
        with m.Elif(since != dut.TAIL):
            m.d.sync += since.eq(since + 1)
        # The last write of the management is in the memory so many clocks later.
        self.promise(m, LETS_PASS, since >= STATE_WRITE_DELAY + LIVE_TO_ANSWER, given=dut.is_done)
        for name, count in (("row", sizes.way_depth), ("index", BUNDLES), ("wildcard", sizes.wildcards)):
            is_written = Signal(name=f"{name}_is_written")
            writes = getattr(progress, f"has_{name}") & (progress.position == position) & ~dut.must_hold
            with m.If(dut.do_start):
                m.d.sync += is_written.eq(0)
            with m.Elif(writes):
                m.d.sync += is_written.eq(1)
            self.promise(m, WIPES_ALL, is_written | (position >= count), given=dut.is_done)
            has_passed = ~is_idle & (~progress.is_running | (progress.position > position)) & (position < count)
            self.lemma(m, "it wipes in order", is_written, given=has_passed)
        self.reach(m, "it waits and ends", dut.is_done & self._had(m, dut.must_hold & progress.is_running))
        left, is_last = self.inside("clocks_left"), self.inside("is_last")
        last = max(sizes.way_depth, BUNDLES, sizes.wildcards) - 1
        self.lemma(m, "it knows the last", is_last == (progress.position == last), given=progress.is_running)
        self.lemma(m, "it runs first", left == 0, given=progress.is_running)
        self.lemma(m, "it is at work", ~is_idle, given=progress.is_running | (left != 0) | dut.is_done)
        self.lemma(m, "it ends once", progress.is_running + (left != 0) + dut.is_done == 1, given=~is_idle)
        self.lemma(m, "the tail is counted", since + left == dut.TAIL - 1, given=left != 0)

    def _had(self, m: Module, condition: Value) -> Signal:
        had = Signal()
        with m.If(condition):
            m.d.sync += had.eq(1)
        return had


def wipe(old: str = "", new: str = "") -> WipeContract:
    """The contract around the wipe, or around one of which a piece is replaced."""
    return WipeContract((mutant(Wipe, old, new) if old else Wipe)(CONFIG))


PROOFS = [
    Proof(
        name="wipe",
        spec=wipe,
        depth=3,
        reach_depth=24,
        broken_depth=24,
        is_nightly=True,
        broken=(
            broken(
                wipe,
                "passes-what-it-did-not-write",
                WIPES_ALL,
                "with m.Elif(progress.is_running & ~self.must_hold):\n            m.d.sync += [progress.position",
                "with m.Elif(progress.is_running):\n            m.d.sync += [progress.position",
            ),
            broken(wipe, "ends-early", LETS_PASS, "clocks_left.eq(self.TAIL - 1)", "clocks_left.eq(self.TAIL - 3)"),
        ),
    ),
]


def test_hashed_wipe(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
