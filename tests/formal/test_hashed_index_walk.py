"""The walk over the indices of the hash table: it frees the dead and strings the free, and no other."""

from pathlib import Path
from typing import Any

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import wiring
from tests.formal.hashed import BUNDLES, CONFIG, StoredState, ago
from tests.formal.prover import Proof, Run, Spec, broken, mutant

from saoffload.hdl.table.hashed.index_walk import IndexWalk
from saoffload.hdl.table.hashed.live import LiveStore
from saoffload.hdl.table.hashed.states import BundleState, dead_state, is_live
from saoffload.hdl.table.hashed.timing import STATE_LATENCY, STATE_WRITE_DELAY

FREES_DEAD = "a walk frees an index only when it is stored as dead, by a delete of before the sweep"
STRINGS_FREE = "a walk that builds the list strings an index only when it is stored as free, and once"


class Walked(Elaboratable):
    """The walk and the store whose states it reads and writes."""

    def __init__(self, walk: IndexWalk):
        self.walk = walk
        self.store = LiveStore(CONFIG)

    def elaborate(self, _platform: Any) -> Module:
        m = Module()
        m.submodules.walk = walk = self.walk
        m.submodules.store = store = self.store
        m.d.comb += [
            store.manage.read.do.eq(walk.question.do),
            store.manage.read.index.eq(walk.question.index),
            walk.question.is_taken.eq(walk.question.do & store.manage.read_is_ready),
            walk.question.state.eq(store.manage.state),
            walk.release.is_taken.eq(walk.release.do & store.manage.write_is_ready),
        ]
        return m


class WalkContract(Spec):
    """One index, any, is watched. Beside the walk only deletes write; adds and wipes do when it is idle."""

    def parts(self) -> list[wiring.Component]:
        return [self.dut.walk, self.dut.store]

    def describe(self, m: Module) -> None:
        walk, store = self.dut.walk, self.dut.store
        index = AnyConst(CONFIG.index_bits)
        self.assume(m, index < BUNDLES)
        writes, written_index, written = Signal(), Signal(CONFIG.index_bits), Signal(4)
        question, release = walk.question, walk.release
        m.d.comb += Cat(writes, written_index, written).eq(AnySeq(5 + CONFIG.index_bits))
        m.d.comb += [
            store.manage.write.do.eq(release.do | (walk.is_idle & writes)),
            store.manage.write.index.eq(Mux(release.do, release.index, written_index)),
            store.manage.write.state.eq(Mux(release.do, Value.cast(release.state), written)),
        ]
        stored = StoredState(self, m, store, index, self.word("store", "deletes", "memory", "memory", address=index))
        others = Cat(ago(self, m, walk.is_idle & writes, clocks) for clocks in range(STATE_WRITE_DELAY + 1))
        self.assume(m, ~others.any() & walk.is_idle, given=walk.do_step)
        self.assume(m, walk.is_idle, given=walk.do_restart)
        # A delete writes over a live state, and kills once.
        is_dying = Cat(stored.dies[1:]).any()
        deletes = store.delete_write.do & (store.delete_write.index == index)
        self.assume(m, is_live(stored.word) & ~is_dying & ~stored.is_managed, given=deletes)
        parity = walk.sweep_parity
        self.assume(m, Value.cast(store.delete_write.state) == dead_state(parity), given=store.delete_write.do)
        was_idle = self.before(m, walk.is_idle | ~self.is_running)
        picks = walk.picks_free
        self.assume(m, (parity == self.before(m, parity)) & (picks == self.before(m, picks)), given=~was_idle)

        is_freed = release.do & (release.index == index)
        self.promise(m, FREES_DEAD, stored.word == dead_state(~parity), given=is_freed)
        self.promise(m, FREES_DEAD, Value.cast(release.state) == BundleState.FREE.value, given=is_freed)
        self.promise(m, FREES_DEAD, ~question.do, given=release.do)
        is_pushed = walk.do_push & (walk.index == index)
        was_strung = Signal()
        self.promise(m, STRINGS_FREE, stored.holds(BundleState.FREE) & ~was_strung, given=is_pushed & picks)
        self.promise(m, FREES_DEAD, is_freed & store.manage.write_is_ready, given=is_pushed & ~picks)
        with m.If(is_pushed & picks):
            m.d.sync += was_strung.eq(1)
        with m.If(walk.do_restart | walk.is_done):
            m.d.sync += was_strung.eq(0)
        was_picks = self.before(m, picks)
        self.assume(
            m,
            self.before(m, walk.do_restart & walk.do_step),
            given=picks & ~was_picks & self.before(m, self.is_running),
        )
        self.reach(m, "the watched index is freed", is_pushed & ~picks)
        self.reach(m, "the watched index is strung", is_pushed & picks)

        (at,) = self.states("walk")
        cursor, is_asked = self.inside("walk", "cursor"), self.inside("walk", "is_asked")
        asked = [self.inside("walk", f"asked_{clock}") for clock in range(STATE_LATENCY + 1)]
        self.lemma(m, "the store holds it", stored.kept == stored.word)
        self.lemma(m, "it is in a state", Cat(at.values()).any())
        self.lemma(m, "it looks at indices", cursor <= BUNDLES)
        self.lemma(m, "it knows the end", self.inside("walk", "is_at_end") == (cursor == BUNDLES))
        self.lemma(m, "it knows the last", self.inside("walk", "is_last") == (cursor == BUNDLES - 1))
        self.lemma(m, "it is idle in one state", walk.is_idle == at["IDLE"])
        self.lemma(m, "it asks for indices", cursor < BUNDLES, given=question.do | at["IDLE"])
        flies = Cat(bit & (number == index) for bit, number in zip(is_asked, asked, strict=True)).any()
        strings = self.inside("walk", "is_strung")
        is_over = self.inside("walk", "is_over")
        self.lemma(m, "it is not over while it frees", ~is_over, given=at["PICK"])
        is_quiet = ~is_asked.any() & ~strings & ~question.do
        self.lemma(m, "nothing flies without a step", is_quiet, given=at["IDLE"] | is_over)
        passed = (cursor > index) & ~flies & ~(strings & (walk.index == index))
        self.lemma(m, "it goes on", passed, given=was_strung & picks)
        self.lemma(m, "it strings while it picks", ~strings, given=~picks)
        self.lemma(m, "it frees alone", ~picks & ~is_asked.any() & ~question.do, given=at["PICK"])


def walked(old: str = "", new: str = "") -> WalkContract:
    """The contract around the walk, or around one of which a piece is replaced."""
    return WalkContract(Walked((mutant(IndexWalk, old, new) if old else IndexWalk)(CONFIG)))


PROOFS = [
    Proof(
        name="index-walk",
        spec=walked,
        depth=8,
        reach_depth=24,
        broken_depth=20,
        rejects_nightly=True,
        broken=(
            broken(
                walked,
                "frees-the-newly-dead",
                FREES_DEAD,
                "dead_state(~self.sweep_parity)",
                "dead_state(self.sweep_parity)",
            ),
            broken(walked, "frees-the-one-behind", FREES_DEAD, "self.index.eq(asked[-1])", "self.index.eq(asked[-2])"),
            broken(
                walked,
                "strings-twice",
                STRINGS_FREE,
                "cursor.eq(cursor + 1),",
                "cursor.eq(cursor + ~is_strung),",
            ),
        ),
    ),
]


def test_hashed_index_walk(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
