"""The parallel table's indices: one live bit decides, and an index is free again neither too early nor twice."""

from pathlib import Path

from amaranth.asserts import AnyConst
from amaranth.hdl import Module, Signal, Value
from tests.formal.prover import Broken, Proof, Run, Spec, mutant

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.table.parallel.lifecycle import BundleLifecycle

NEVER_TOO_EARLY = "an index is free again only after a scrub that began after its death, and a grace period after that"
ONE_CLOCK = "a bundle lives from the clock after its commit to the clock of its delete or of the flush"
COUNTED = "live bundles are counted"
STILL_FREE = "what is offered as free is free, and stays so until it is committed"


class LifecycleContract(Spec):
    """One index, any, is watched through its life."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        index = AnyConst(len(dut.query_index))
        self.assume(m, index < dut._config.bundles)
        live = dut.live.bit_select(index, 1)
        taken = self.inside("taken")
        committed = dut.do_commit & (dut.commit_index == index)
        deleted = dut.do_delete & (dut.delete_index == index)
        self.assume(m, ~taken.bit_select(dut.commit_index, 1) & ~dut.do_flush, given=dut.do_commit)
        self.assume(m, dut.commit_index < dut._config.bundles, given=dut.do_commit)
        self.assume(m, dut.live.bit_select(dut.delete_index, 1), given=dut.do_delete)
        self.assume(m, dut.delete_index < dut._config.bundles, given=dut.do_delete)
        is_scrubbing = Signal()
        with m.If(dut.do_begin_scrub):
            m.d.sync += is_scrubbing.eq(1)
        with m.Elif(dut.do_end_scrub):
            m.d.sync += is_scrubbing.eq(0)
        self.assume(m, ~is_scrubbing, given=dut.do_begin_scrub)
        self.assume(m, is_scrubbing, given=dut.do_end_scrub)
        is_asked = Signal()
        with m.If(dut.graces.valid):
            m.d.sync += is_asked.eq(1)
        with m.Elif(dut.grace_answers.valid):
            m.d.sync += is_asked.eq(0)
        self.assume(m, is_asked, given=dut.grace_answers.valid)

        # 0 free, 1 live, 2 dead, 3 being scrubbed, 4 scrubbed, 5 in a grace period.
        # A reset may leave the packet path alone: so nothing is free before a grace period.
        phase = Signal(range(6), init=4)
        with m.Switch(phase):
            with m.Case(0), m.If(committed):
                m.d.sync += phase.eq(1)
            with m.Case(1), m.If(deleted | dut.do_flush):
                m.d.sync += phase.eq(2)
            with m.Case(2), m.If(dut.do_begin_scrub):
                m.d.sync += phase.eq(3)
            with m.Case(3), m.If(dut.do_end_scrub):
                m.d.sync += phase.eq(4)
            with m.Case(4), m.If(dut.graces.valid):
                m.d.sync += phase.eq(5)
            with m.Case(5), m.If(dut.grace_answers.valid):
                m.d.sync += phase.eq(0)
        self.promise(m, ONE_CLOCK, live == (phase == 1))
        self.promise(m, NEVER_TOO_EARLY, dut.is_taken == (phase != 0), given=dut.query_index == index)
        self.promise(m, NEVER_TOO_EARLY, dut.scrubbing.bit_select(index, 1) == (phase == 3))
        self.promise(m, STILL_FREE, phase == 0, given=dut.free_is_known & (dut.free_index == index))
        self.promise(m, COUNTED, dut.live_bundles == sum(dut.live))
        self.reach(m, "the index comes round", committed & self._had(m, phase == 5))

        is_dead, is_next, is_draining = (
            self.inside(name).bit_select(index, 1) for name in ("dead", "drain_next", "draining")
        )
        self.lemma(m, "the phases are six", phase < 6)
        self.lemma(m, "the dead are known", is_dead == (phase == 2))
        self.lemma(m, "the scrubbed are known", is_next == (phase == 4))
        self.lemma(m, "the drained are known", is_draining == (phase == 5))
        self.lemma(m, "one grace period at a time", self.inside("is_draining") == is_asked)
        self.lemma(m, "nobody drains without one", (phase != 5) | is_asked)
        self.lemma(m, "nobody is scrubbed without a scrub", (phase != 3) | is_scrubbing)
        self.lemma(m, "the offer is an index", dut.free_index < dut._config.bundles)

    def _had(self, m: Module, condition: Value) -> Signal:
        had = Signal()
        with m.If(condition):
            m.d.sync += had.eq(1)
        return had


LIFE = EngineConfig(name="life", bundles=3, keys=3)


def lifecycle(old: str = "", new: str = "") -> LifecycleContract:
    """The contract around the life cycle, or around one of which a piece is replaced."""
    return LifecycleContract((mutant(BundleLifecycle, old, new) if old else BundleLifecycle)(LIFE))


def broken_life(name: str, breaks: str, old: str, new: str) -> Broken:
    return Broken(name=name, spec=lambda: lifecycle(old, new), breaks=breaks)


PROOFS = [
    Proof(
        name="parallel-lifecycle",
        spec=lifecycle,
        depth=4,
        reach_depth=12,
        broken_depth=14,
        broken=(
            broken_life(
                "free-after-the-scrub",
                NEVER_TOO_EARLY,
                "drain_next.eq(drain_next | scrubbed)",
                "drain_next.eq(drain_next)",
            ),
            broken_life(
                "shares-a-running-grace",
                NEVER_TOO_EARLY,
                "does_start = ~is_draining & drain_next.any()",
                "does_start = drain_next.any()",
            ),
            broken_life(
                "the-newly-dead-are-lost",
                NEVER_TOO_EARLY,
                "Mux(self.do_begin_scrub, 0, dead) | dying",
                "Mux(self.do_begin_scrub, 0, dead | dying)",
            ),
            broken_life(
                "a-flush-spares",
                ONE_CLOCK,
                "Mux(self.do_flush, 0, (self.live | born) & ~died)",
                "(self.live | born) & ~died",
            ),
            broken_life(
                "does-not-count-deletes",
                COUNTED,
                "self.live_bundles + self.do_commit - self.do_delete",
                "self.live_bundles + self.do_commit",
            ),
            broken_life(
                "offers-what-is-taken",
                STILL_FREE,
                "with m.If(taken.bit_select(self.free_index, 1)):",
                "with m.If(self.live.bit_select(self.free_index, 1)):",
            ),
        ),
    ),
]


def test_parallel_table(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
