"""The counts of live and dead bundles of the hash table."""

from pathlib import Path

from amaranth.hdl import Cat, Module, Signal
from tests.formal.hashed import BUNDLES, CONFIG
from tests.formal.prover import Proof, Run, Spec, broken, mutant

from saoffload.hdl.table.hashed.counts import BundleCounts

HAS_DEAD = "while a bundle is dead it is told, from the clock after its death on"
COUNTED = "live and dead bundles are counted"


class CountsContract(Spec):
    """In lockstep with a counter; one death, any, is watched."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        live, dead = Signal(range(BUNDLES + 1)), Signal(range(BUNDLES + 1))
        is_quiet = ~(dut.do_commit | dut.do_delete | dut.do_free)
        was_quiet = self.before(m, is_quiet)
        self.assume(m, is_quiet & was_quiet, given=dut.do_clear)
        self.assume(m, live + dead != BUNDLES, given=dut.do_commit)
        self.assume(m, live != 0, given=dut.do_delete)
        self.assume(m, dead != 0, given=dut.do_free)
        with m.If(dut.do_clear):
            m.d.sync += [live.eq(0), dead.eq(0)]
        with m.Else():
            m.d.sync += [
                live.eq(live + dut.do_commit - dut.do_delete),
                dead.eq(dead + dut.do_delete - dut.do_free),
            ]
        self.promise(m, HAS_DEAD, dut.has_dead, given=dead != 0)
        self.promise(m, COUNTED, dut.live_bundles == live, given=was_quiet)
        self.reach(m, "the last dead is free", ~dut.has_dead & self.before(m, dut.has_dead))
        did_commit, did_free = self.inside("did_commit"), self.inside("did_free")
        did_delete = self.inside("did_delete")[0]
        late = self.inside("dead_bundles")
        self.lemma(m, "the live are counted a clock late", dut.live_bundles + did_commit == live + did_delete)
        self.lemma(m, "the dead are counted a clock late", late + did_delete == dead + did_free)
        self.lemma(m, "there are no more", live + dead <= BUNDLES)
        is_late = self.before(m, self.is_running)
        self.lemma(m, "what happened is known", Cat(did_commit, did_free, did_delete).any() != was_quiet, given=is_late)


def counts(old: str = "", new: str = "") -> CountsContract:
    """The contract around the counts, or around some of which a piece is replaced."""
    return CountsContract((mutant(BundleCounts, old, new) if old else BundleCounts)(CONFIG))


PROOFS = [
    Proof(
        name="counts",
        spec=counts,
        depth=4,
        reach_depth=12,
        broken_depth=12,
        is_nightly=True,
        broken=(
            broken(counts, "tells-the-dead-late", HAS_DEAD, "was_dead | did_delete.any()", "was_dead"),
            broken(
                counts,
                "forgets-a-birth",
                COUNTED,
                "did_commit.eq(self.do_commit)",
                "did_commit.eq(self.do_commit & ~self.do_free)",
            ),
        ),
    ),
]


def test_hashed_counts(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
