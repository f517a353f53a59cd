"""The life of an index of the hash table: who frees it, and when, and that nobody gets it twice."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Array, Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import wiring
from tests.formal.hashed import CONFIG, REST, StoredState, ago
from tests.formal.prover import Broken, Proof, Run, Spec, mutant

from saoffload.hdl.config import HANDLE_BITS
from saoffload.hdl.table.hashed.add import Add
from saoffload.hdl.table.hashed.closure import Closure
from saoffload.hdl.table.hashed.counts import BundleCounts
from saoffload.hdl.table.hashed.free_list import FreeList
from saoffload.hdl.table.hashed.index_walk import IndexWalk
from saoffload.hdl.table.hashed.keeper import Keeper
from saoffload.hdl.table.hashed.live import LiveStore
from saoffload.hdl.table.hashed.states import BundleState, dead_state, is_live
from saoffload.hdl.table.hashed.timing import STATE_LATENCY, STATE_WRITE_DELAY, WORD_LATENCY

BUNDLES = CONFIG.bundles

LONGEST_FREE = "the list offers the longest free index, and none when there is none"
ONCE = "what the list offers was given to it, and has not been taken since"


class FreeListContract(Spec):
    """In lockstep with a row of registers. The links lie in a memory that nobody else writes for a free index."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        order = Array(Signal(range(BUNDLES), name=f"order_{place}") for place in range(BUNDLES))
        level = Signal(range(BUNDLES + 1))
        is_listed = Signal(BUNDLES)
        links = Array(Signal(range(BUNDLES), name=f"link_{index}") for index in range(BUNDLES))
        write = dut.link_write
        with m.If(write.do):
            m.d.sync += links[write.index].eq(write.link)
        did_push, did_pop = self.before(m, dut.do_push), self.before(m, dut.do_pop)
        pushed = self.before(m, dut.pushed)
        with m.If(did_push):
            m.d.sync += [order[level].eq(pushed), level.eq(level + 1)]
        with m.Elif(did_pop):
            m.d.sync += [*(near.eq(far) for near, far in itertools.pairwise(order)), level.eq(level - 1)]
        with m.If(dut.do_clear):
            m.d.sync += level.eq(0)
        with m.If(dut.do_clear):
            m.d.sync += is_listed.eq(0)
        with m.Elif(dut.do_push):
            m.d.sync += is_listed.eq(is_listed | (1 << dut.pushed))
        with m.Elif(dut.do_pop):
            m.d.sync += is_listed.eq(is_listed & ~(1 << dut.head))

        self.assume(m, ~dut.do_pop & (dut.pushed < BUNDLES), given=dut.do_push)
        self.assume(m, ~is_listed.bit_select(dut.pushed, 1), given=dut.do_push)
        # Who pops read the head's word when nothing was on the way to it, and nothing has come since.
        is_quiet = Signal(2)
        m.d.sync += is_quiet.eq(Cat(~dut.do_push & ~dut.do_pop, is_quiet[0]))
        self.assume(m, ~dut.is_empty & is_quiet.all(), given=dut.do_pop)
        self.assume(m, (dut.next_head == links[dut.head]) | (level == 1), given=dut.do_pop)
        self.assume(m, ~dut.do_push & ~dut.do_pop & is_quiet[0], given=dut.do_clear)

        self.promise(m, LONGEST_FREE, dut.is_empty == (level == 0))
        self.promise(m, LONGEST_FREE, dut.head == order[0], given=level != 0)
        self.promise(m, ONCE, is_listed.bit_select(dut.head, 1), given=~dut.is_empty & ~did_pop)
        self.reach(m, "a full list is emptied", (level == 1) & did_pop & self._had(m, level == BUNDLES))

        tail = self.inside("tail")
        does_push, does_pop = self.inside("does_push"), self.inside("does_pop")
        self.lemma(m, "a change is a clock late", (does_push == did_push) & (does_pop == did_pop))
        self.lemma(m, "what is pushed is a clock late", self.inside("pushed") == pushed, given=did_push)
        self.lemma(m, "one change at a time", ~(did_push & did_pop))
        self.lemma(m, "who leaves was there", level != 0, given=did_pop)
        self.lemma(m, "it knows the last", self.inside("is_last") == (level == 1), given=did_pop)
        next_head = self.inside("next_head")
        self.lemma(m, "the next is known", (next_head == order[1]) | (level == 1), given=did_pop)
        self.lemma(m, "nobody is in twice", level + did_push <= BUNDLES)
        members = [place < level for place in range(BUNDLES)]
        for place, is_member in enumerate(members):
            self.lemma(m, "members are indices", order[place] < BUNDLES, given=is_member)
            if place:
                is_linked = links[order[place - 1]] == order[place]
                is_coming = write.do & (write.index == order[place - 1]) & (write.link == order[place])
                self.lemma(
                    m,
                    "members are linked",
                    Mux(write.do & (write.index == order[place - 1]), is_coming, is_linked),
                    given=is_member,
                )
                for other in range(place):
                    self.lemma(m, "members differ", order[other] != order[place], given=is_member)
            self.lemma(m, "the tail is the last", tail == order[place], given=level == place + 1)
        for index in range(BUNDLES):
            is_in = Cat(is_member & (order[place] == index) for place, is_member in enumerate(members)).any()
            listed = (is_in | (did_push & (pushed == index))) & ~(did_pop & (order[0] == index))
            self.lemma(m, "members are listed", is_listed[index] == listed)
            self.lemma(m, "what comes is new", ~is_in, given=did_push & (pushed == index))
        self.lemma(m, "only indices come", pushed < BUNDLES, given=did_push)

    def _had(self, m: Module, condition: Value) -> Signal:
        had = Signal()
        with m.If(condition):
            m.d.sync += had.eq(1)
        return had


def free_list(old: str = "", new: str = "") -> FreeListContract:
    """The contract around the free list, or around one of which a piece is replaced."""
    return FreeListContract((mutant(FreeList, old, new) if old else FreeList)(CONFIG))


ONE_JOB = "adds, steps, walks and wipes begin one at a time, and begin with an idle mover if they touch what it moves"
NO_SOONER = (
    "a walk frees what died before a sweep that has ended, when a grace period is over that began after the sweep"
)
LINKED_ONCE = "the free list is built by one walk after each wipe, and nothing is strung to it before"
GATE = "the gate of lookups is closed before ready, and while a wipe goes on"
LISTS_ALL = "what becomes free is strung, unless a walk that builds the list is still to come"


class KeeperContract(Spec):
    """One death, any, is watched: what has passed since."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        steps = self._job(m, dut.step_start, "step")
        walks = self._job(m, dut.walk_start, "walk")
        self.assume(m, dut.step_is_idle == ~steps)
        self.assume(m, dut.walk_is_idle == ~walks)
        self.assume(m, self._ends["step"], given=dut.pass_is_done)
        self.assume(m, self._ends["walk"], given=dut.walk_is_done)
        self.assume(m, dut.adds.valid, given=self.before(m, dut.adds.valid & ~dut.adds.ready))
        self.assume(m, dut.flushes.valid, given=self.before(m, dut.flushes.valid & ~dut.flushes.ready))
        adds = Signal()
        with m.If(dut.add_start):
            m.d.sync += adds.eq(1)
        with m.Elif(dut.add_answer_is_taken | (dut.add_is_done & dut.add_must_wait)):
            m.d.sync += adds.eq(0)
        self.assume(m, adds, given=dut.add_is_done)
        is_answered = dut.add_is_done & ~dut.add_must_wait
        self.assume(m, is_answered, given=self.before(m, is_answered & ~dut.add_answer_is_taken))
        wipes = Signal()
        with m.If(dut.wipe_start):
            m.d.sync += wipes.eq(1)
        with m.Elif(dut.wipe_is_done):
            m.d.sync += wipes.eq(0)
        self.assume(m, wipes, given=dut.wipe_is_done)
        is_asked = Signal()
        with m.If(dut.graces.valid):
            m.d.sync += is_asked.eq(1)
        with m.Elif(dut.grace_answers.valid):
            m.d.sync += is_asked.eq(0)
        self.assume(m, is_asked, given=dut.grace_answers.valid)

        is_free_of_jobs = ~(steps | walks | adds | wipes)
        starts = Cat(dut.add_start, dut.step_start, dut.walk_start, dut.wipe_start)
        self.promise(m, ONE_JOB, is_free_of_jobs & ((starts & (starts - 1)[:4]) == 0), given=starts.any())
        self.promise(m, ONE_JOB, self.before(m, dut.mover_is_idle), given=dut.step_start | dut.walk_start)
        self.promise(m, ONE_JOB, dut.deletes_are_closed, given=wipes | dut.wipe_start)
        self.promise(m, GATE, dut.gate_is_closed, given=~dut.is_ready | wipes | dut.wipe_start)
        self._watch_death(m, walks=walks)
        self._watch_list(m, walks=walks, wipes=wipes)

        self._tie_closure(m, wipes=wipes)
        (at,) = self.states()
        self.lemma(m, "it is in a state", Cat(at.values()).any())
        self.lemma(m, "it waits for the step", at["STEP"], given=steps)
        self.lemma(m, "it waits for the walk", at["WALK"], given=walks)
        self.lemma(m, "it waits for the add", (at["ADD"] | at["ANSWER"]) == adds)
        for name in ("add", "step", "walk"):
            starts_job = getattr(dut, f"{name}_start")
            self.lemma(m, "it starts in one state", starts_job == at[f"START_{name.upper()}"])
        self.lemma(m, "it answers in one", self.inside("is_answering") == at["ANSWER"])
        self.lemma(m, "an answer stands", is_answered, given=at["ANSWER"])
        self.lemma(m, "jobs are over", at["IDLE"], given=self.inside("jobs_are_over"))
        self.lemma(m, "a grace period is under way", self.inside("is_asked") == (is_asked | dut.graces.valid))
        self.lemma(m, "one grace period", ~is_asked, given=dut.graces.valid)

    def _tie_closure(self, m: Module, *, wipes: Signal) -> None:
        dut = self.dut
        (at,) = self.states()
        (closes,) = self.states("closure")
        is_wiped, must_wait = self.inside("closure", "is_wiped"), self.inside("closure", "jobs_must_wait")
        self.lemma(m, "it closes in a state", Cat(closes.values()).any())
        self.lemma(m, "it wipes in one state", closes["WIPE"] == (wipes | dut.wipe_start))
        self.lemma(m, "a wipe is started once", ~wipes, given=dut.wipe_start)
        self.lemma(m, "it opens then", closes["OPEN"], given=is_wiped)
        self.lemma(m, "a flush settles", dut.is_flushing, given=closes["SETTLE"])
        is_amid = closes["WIPE"] | is_wiped
        self.lemma(m, "it is ready later", dut.is_ready == (dut.is_flushing | ~(closes["RESET"] | is_amid)))
        self.lemma(m, "deletes are closed", dut.deletes_are_closed == (closes["RESET"] | closes["SETTLE"] | is_amid))
        self.lemma(m, "no flush before ready", ~dut.is_flushing, given=closes["RESET"])
        self.lemma(m, "a flush closes the gate", dut.gate_is_closed, given=dut.is_flushing)
        self.lemma(m, "jobs wait", must_wait == (dut.is_flushing | ~dut.is_ready))
        self.lemma(m, "none is under way then", at["IDLE"], given=dut.deletes_are_closed)

    def _job(self, m: Module, starts: Signal, name: str) -> Signal:
        """A job that ends when it likes. ``_ends``: in this clock."""
        if not hasattr(self, "_ends"):
            self._ends: dict[str, Signal] = {}
        is_running = Signal(name=f"{name}_is_running")
        self._ends[name] = ends = Signal(name=f"{name}_ends")
        m.d.comb += ends.eq(is_running & AnySeq(1))
        with m.If(starts):
            m.d.sync += is_running.eq(1)
        with m.Elif(ends):
            m.d.sync += is_running.eq(0)
        return is_running

    def _watch_death(self, m: Module, *, walks: Signal) -> None:
        dut = self.dut
        # 0 nobody died, 1 dead, 2 a sweep that began since goes on, 3 it ended, 4 in a grace period, 5 may be freed.
        phase = Signal(range(6))
        parity = Signal()
        restarts = dut.step_start & dut.step_restart
        frees = walks & ~dut.is_linking & (parity != dut.sweep_parity)
        with m.Switch(phase):
            with m.Case(0), m.If(AnySeq(1) & ~dut.deletes_are_closed):
                m.d.sync += [phase.eq(Mux(restarts, 2, 1)), parity.eq(dut.sweep_parity)]
            with m.Case(1), m.If(restarts):
                m.d.sync += phase.eq(2)
            with m.Case(2), m.If(dut.pass_is_done):
                m.d.sync += phase.eq(3)
            with m.Case(3), m.If(dut.graces.valid):
                m.d.sync += phase.eq(4)
            with m.Case(4), m.If(dut.grace_answers.valid):
                m.d.sync += phase.eq(5)
            with m.Case(5), m.If(frees & AnySeq(1)):
                m.d.sync += phase.eq(0)
        with m.If(dut.wipe_start):
            m.d.sync += phase.eq(0)
        self.assume(m, dut.has_dead, given=phase != 0)
        self.promise(m, NO_SOONER, phase == 5, given=frees & (phase != 0))
        self.promise(
            m, NO_SOONER, dut.sweep_parity == self.before(m, dut.sweep_parity), given=walks & self.before(m, walks)
        )
        self.reach(m, "the dead are freed", frees & (phase == 5))

        is_new, must_drain, must_free = (self.inside(name) for name in ("pass_is_new", "must_drain", "must_free"))
        serves_pass, is_asked = self.inside("serves_pass"), self.inside("is_asked")
        is_old = (phase != 0) & (parity != dut.sweep_parity)
        self.lemma(m, "the phases are six", phase < 6)
        self.lemma(m, "a wipe leaves no dead", phase == 0, given=self._is_wiping() & ~dut.wipe_start)
        self.lemma(
            m, "a pass ends before it is drained", is_new & ~(must_drain & must_free), given=must_drain | must_free
        )
        is_served = serves_pass & is_asked
        self.lemma(m, "a grace period serves a pass that waits", must_drain, given=is_served)
        self.lemma(m, "the late die with this parity", parity == dut.sweep_parity, given=phase == 1)
        self.lemma(m, "a sweep that began since has another", is_old & ~is_new, given=phase == 2)
        self.lemma(m, "who waits is not freed", ~must_free, given=is_old & ((phase == 3) | (phase == 4)))
        self.lemma(
            m, "it waits for a grace period of its own", dut.graces.valid, given=is_old & (phase == 3) & is_served
        )
        self.lemma(m, "who walks to free must", must_free, given=(dut.walk_start | walks) & ~dut.is_linking)

    def _is_wiping(self) -> Value:
        """From the start of a wipe to the clock before all is open."""
        return self.state("closure", "fsm", "WIPE") | self.inside("closure", "is_wiped")

    def _watch_list(self, m: Module, *, walks: Signal, wipes: Signal) -> None:
        dut = self.dut
        # 0 wiped, 1 a walk builds it, 2 built.
        built = Signal(range(3))
        with m.If(dut.wipe_start | dut.do_clear):
            m.d.sync += built.eq(0)
        with m.Elif((built == 0) & dut.walk_start & dut.walk_restart):
            m.d.sync += built.eq(1)
        with m.Elif((built == 1) & dut.walk_is_done):
            m.d.sync += built.eq(2)
        self.promise(m, LINKED_ONCE, built == 0, given=dut.walk_start & dut.walk_restart)
        self.promise(m, LINKED_ONCE, dut.is_linking == (built == 1), given=walks)
        self.promise(m, LISTS_ALL, dut.may_push == (built != 0), given=walks)
        self.promise(m, LINKED_ONCE, built == 0, given=dut.is_restoring)
        must_link, has_ended = self.inside("must_link"), self.inside("has_ended")
        is_wiping = self._is_wiping() & dut.is_flushing
        self.lemma(m, "the list has three states", built < 3)
        begins = dut.walk_start & dut.walk_restart
        links = (built == 1) | begins
        self.lemma(m, "it links while it must", must_link, given=links)
        self.lemma(m, "it must no more", ~must_link, given=built == 2)
        is_one = dut.is_restoring + has_ended + must_link == 1
        self.lemma(m, "it restores or must link", is_one, given=(built == 0) & ~is_wiping)
        self.lemma(m, "it ends to restore before it builds", built == 0, given=has_ended)
        is_open = self.state("closure", "fsm", "OPEN") & ~self._is_wiping()
        self.lemma(m, "it ends to restore while open", is_open & ~dut.is_restoring & ~must_link, given=has_ended)
        self.lemma(m, "who restores must not link", ~must_link, given=dut.is_restoring)
        self.lemma(m, "it links", dut.is_linking == links, given=~is_wiping)
        self.lemma(m, "a wipe ends it", built == 0, given=wipes)


def keeper(old: str = "", new: str = "") -> KeeperContract:
    """The contract around the keeper, or around one of which a piece is replaced."""
    return KeeperContract((mutant(Keeper, old, new) if old else Keeper)(CONFIG))


def closure(old: str, new: str) -> KeeperContract:
    """The contract around a keeper of whose closure a piece is replaced."""
    name = "class Keeper("
    return KeeperContract(mutant(Keeper, name, name, Closure=mutant(Closure, old, new))(CONFIG))


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


ISSUES_FREE = "an add issues an index that is free: the one that the list offers, or for a restore the one it names"
POPS = "what the list offered is taken from it in the clock in which it is issued, with the link that follows it"
RESTED = f"an index has been free for {REST} clocks when it is issued"
NOT_AMID = "nothing is issued while a flush is under way, or what it removed may still be in use"
NO_ANSWER = "no answer to an add begins while a flush is under way"
OWN_GENERATION = (
    "the generation of an issued index is written before, and is the one behind its last or the restored one"
)


class AddContract(Spec):
    """The index of one add. What is stored of it is any, and stands still: nobody walks meanwhile."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        is_running = Signal()
        ends = dut.is_done & (dut.must_wait | dut.answer_is_taken)
        with m.If(dut.do_start):
            m.d.sync += is_running.eq(1)
        with m.Elif(ends):
            m.d.sync += is_running.eq(0)
        # What the keeper promises: one job at a time, and the request and the mode stand from the clock before.
        self.assume(m, ~is_running & ~self.before(m, is_running), given=dut.do_start)
        self.assume(m, dut.is_done & ~dut.must_wait, given=dut.answer_is_taken)
        request = dut.request
        question, words, commit = dut.question, dut.words, dut.commit
        stands = Cat(request.handle, request.sa_count, request.direction, dut.is_restoring)
        self.assume(m, self.before(m, stands) == stands, given=dut.do_start | is_running)
        offered = Cat(dut.has_free, dut.free_index)
        has_popped = Signal()
        with m.If(dut.do_start):
            m.d.sync += has_popped.eq(0)
        with m.Elif(dut.do_pop):
            m.d.sync += has_popped.eq(1)
        has_index_still = dut.do_start | (is_running & ~has_popped)
        self.assume(m, self.before(m, offered) == offered, given=has_index_still)
        # A flush that meets an answer on its way is taken once the answer is offered, a clock after it is done.
        was_flushing = self.before(m, dut.is_flushing)
        is_offered = self.before(m, dut.is_done & ~dut.must_wait)
        self.assume(m, ~dut.is_flushing | ~self.before(m, dut.holds_flush & ~is_offered), given=~was_flushing)
        self.assume(m, dut.is_flushing, given=was_flushing & is_running)
        self.assume(m, ~dut.is_draining, given=self.before(m, ~dut.is_draining) & (dut.do_start | is_running))
        # What is stored of any index: read when it is asked for, and there a few clocks later.
        state = AnyConst(4)
        generation, link = AnyConst(CONFIG.generation_bits), AnyConst(CONFIG.index_bits)
        index = AnyConst(CONFIG.index_bits)
        is_mine = dut.index == index
        was_asked = ago(self, m, question.do & question.is_taken & (question.index == index), STATE_LATENCY)
        self.assume(m, Value.cast(question.state) == state, given=was_asked)
        was_read = ago(self, m, words.do_read & words.is_read & (words.index == index), WORD_LATENCY)
        self.assume(m, (words.generation == generation) & (words.link == link), given=was_read)
        offers = dut.has_free & (dut.free_index == index)
        # The list holds free indices alone.
        self.assume(m, state == BundleState.FREE.value, given=offers & ~dut.is_restoring & ~has_popped)

        issues, pops = (strobe & (commit.index == index) for strobe in (commit.do, dut.do_pop))
        named = request.handle[: CONFIG.index_bits]
        is_right = Mux(dut.is_restoring, named == index, offers) & (state == BundleState.FREE.value)
        self.promise(m, ISSUES_FREE, is_right, given=issues)
        self.promise(m, POPS, dut.do_pop == (commit.do & commit.is_taken & ~dut.is_restoring))
        self.promise(m, POPS, (dut.next_head == link) & (dut.free_index == dut.index), given=pops)
        self.promise(m, NOT_AMID, ~dut.is_flushing & ~dut.is_draining, given=commit.do)
        is_answered = dut.is_done & ~dut.must_wait
        begins = is_answered & ~self.before(m, is_answered)
        self.promise(m, NO_ANSWER, ~dut.is_flushing, given=begins)
        restored = request.handle[CONFIG.index_bits : HANDLE_BITS - 1]
        due = Mux(dut.is_restoring, restored, (generation + 1)[: CONFIG.generation_bits])
        is_written = Signal()
        with m.If(dut.do_start):
            m.d.sync += is_written.eq(0)
        with m.Elif(words.do_write & words.is_written & (words.index == index)):
            m.d.sync += is_written.eq(words.written_generation == due)
        self.promise(m, OWN_GENERATION, is_written, given=issues)
        since = Signal(range(REST + 1))
        with m.If(dut.do_start):
            m.d.sync += since.eq(1)
        with m.Elif(since != REST):
            m.d.sync += since.eq(since + 1)
        self.promise(m, RESTED, since == REST, given=commit.do)
        self.reach(m, "a bundle is issued", issues & ~dut.is_restoring)
        self.reach(m, "a bundle is restored", issues & dut.is_restoring)

        judges, writes = self.states()
        (fetches,) = self.states("index_words")
        for machine in (judges, writes, fetches):
            self.lemma(m, "it is in a state", Cat(machine.values()).any())
        starts, refuses, again = (self.inside(name) for name in ("starts_write", "refuses", "tries_again"))
        answers, undoes, undo_is_due = (self.inside(name) for name in ("is_answered", "undoes", "undo_is_due"))
        is_writing = starts | ~writes["WRITE"]
        (commits,), appears = self.unnamed(), self.inside("is_appearing")
        self.lemma(m, "it judges in one state", self.inside("is_judging") == judges["JUDGE"])
        self.lemma(m, "it commits in one state", (commits == writes["COMMIT"]) & (appears == writes["APPEAR"]))
        self.lemma(m, "no flush is taken while it appears", ~dut.is_flushing, given=appears)
        self.lemma(m, "it pops once", writes["APPEAR"] | (judges["WAIT"] & answers) | ~is_running, given=has_popped)
        self.lemma(m, "it rests", judges["IDLE"] & ~is_writing & ~refuses & ~again & ~answers, given=~is_running)
        are_known = self.inside("index_words", "are_known")
        waits = judges["CHECKED"] | judges["CANCEL"] | judges["CHECK"] | judges["WEIGH"]
        self.lemma(m, "it fetches while it judges", ~are_known & waits, given=~fetches["IDLE"])
        self.lemma(m, "it weighs what it knows", are_known, given=self.inside("is_weighed") | judges["DECIDE"])
        self.lemma(m, "who writes was judged", judges["WAIT"] & dut.has_pending, given=is_writing)
        self.lemma(m, "one outcome", starts + refuses + again + answers + ~writes["WRITE"] <= 1)
        self.lemma(m, "an undo ends", writes["UNDO"], given=undoes | undo_is_due)
        has_index = ~judges["IDLE"] & ~judges["JUDGE"]
        self.lemma(
            m,
            "it has its index",
            dut.index == Mux(dut.is_restoring, named, dut.free_index),
            given=has_index & ~has_popped,
        )
        names = ("generation", "generation_before", "link", "must_wait")
        fetched = {name: self.inside("index_words", name) for name in names}
        is_settled = waits | judges["DECIDE"] | is_writing
        is_fetched = are_known & is_mine & is_settled
        self.lemma(m, "the words are known", are_known | ~fetches["IDLE"], given=is_settled)
        has_words = (fetched["generation_before"] == generation) & (fetched["link"] == link)
        self.lemma(m, "the words are its own", has_words, given=is_fetched | (fetches["COUNT_UP"] & is_mine))
        self.lemma(m, "its generation is due", fetched["generation"] == due, given=is_fetched)
        is_busy = ~dut.is_restoring | (state == BundleState.FREE.value) | fetched["must_wait"]
        self.lemma(
            m,
            "its state is known",
            is_busy,
            given=is_fetched | (is_mine & (fetches["READ"] | fetches["WORD"] | fetches["COUNT_UP"])),
        )
        may_issue = ~dut.is_draining & Mux(dut.is_restoring, ~fetched["must_wait"], dut.has_free) & are_known
        self.lemma(m, "it may be issued", may_issue, given=is_writing & ~has_popped)
        is_coming = self.inside("index_words", "is_fetched")
        self.lemma(m, "it fetches once", ~is_coming.any(), given=~fetches["WORD"])
        ages = [
            (judges["JUDGE"], 1),
            (fetches["ASK"], 2),
            (fetches["READ"], 2),
            (fetches["COUNT_UP"], 6),
            (is_settled & are_known, 7),
            (is_writing, REST),
        ]
        ages += [(fetches["WORD"] & bit, 3 + clock) for clock, bit in enumerate(is_coming)]
        self.lemma(m, "clocks are counted so far", since <= REST)
        for is_at, age in ages:
            self.lemma(m, "it takes its time", since >= age, given=is_at)
        is_due = self.inside("words_are_due")
        self.lemma(
            m, "words are written", is_written, given=is_mine & ((writes["SETTLE"] & ~is_due) | writes["COMMIT"])
        )
        self.lemma(m, "it is not early", judges["WAIT"] | judges["IDLE"], given=answers | refuses | again)


def adds(old: str = "", new: str = "") -> AddContract:
    """The contract around the add, or around one of which a piece is replaced."""
    return AddContract((mutant(Add, old, new) if old else Add)(CONFIG))


def counts(old: str = "", new: str = "") -> CountsContract:
    """The contract around the counts, or around some of which a piece is replaced."""
    return CountsContract((mutant(BundleCounts, old, new) if old else BundleCounts)(CONFIG))


def broken(spec: Callable[..., Spec], name: str, breaks: str, old: str, new: str) -> Broken:
    return Broken(name=name, spec=lambda: spec(old, new), breaks=breaks)


PROOFS = [
    Proof(
        name="free-list",
        spec=free_list,
        depth=4,
        reach_depth=20,
        broken_depth=14,
        is_nightly=True,
        broken=(
            broken(
                free_list,
                "links-to-the-head",
                LONGEST_FREE,
                "self.link_write.index.eq(tail)",
                "self.link_write.index.eq(self.head)",
            ),
            broken(
                free_list,
                "is-never-empty-again",
                LONGEST_FREE,
                "self.is_empty.eq(is_last)",
                "self.is_empty.eq(0)",
            ),
            broken(free_list, "offers-what-was-taken", ONCE, "self.head.eq(next_head), ", ""),
        ),
    ),
    Proof(
        name="keeper",
        spec=keeper,
        depth=4,
        reach_depth=24,
        broken_depth=24,
        rejects_nightly=True,
        broken=(
            broken(
                keeper,
                "a-pass-begins-before-the-walk",
                NO_SOONER,
                "with m.If(must_link | must_free):",
                "with m.If(must_link | (must_free & ~pass_is_new)):",
            ),
            broken(
                keeper,
                "a-pass-begins-amid-the-grace-period",
                NO_SOONER,
                "self.step_restart.eq(pass_is_new & ~must_drain)",
                "self.step_restart.eq(pass_is_new)",
            ),
            broken(keeper, "shares-a-running-grace", NO_SOONER, "serves_pass.eq(must_drain)", "serves_pass.eq(1)"),
            broken(
                keeper,
                "starts-while-keys-move",
                ONE_JOB,
                "with m.Elif(self.mover_is_idle):",
                "with m.Else():",
            ),
            broken(
                keeper,
                "builds-the-list-twice",
                LINKED_ONCE,
                "m.d.sync += [self.is_linking.eq(0), must_link.eq(0)]",
                "m.d.sync += self.is_linking.eq(0)",
            ),
            broken(
                closure,
                "opens-the-gate-early",
                GATE,
                "m.d.sync += self.deletes_are_closed.eq(1)",
                "m.d.sync += [self.deletes_are_closed.eq(1), self.gate_is_closed.eq(0)]",
            ),
            broken(closure, "wipes-amid-a-job", ONE_JOB, "~is_wiped & self.jobs_are_over", "~is_wiped"),
            broken(keeper, "strings-before-it-is-built", LISTS_ALL, "(self.is_linking | ~must_link)", "1"),
        ),
    ),
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
    Proof(
        name="add-index",
        spec=adds,
        depth=6,
        reach_depth=60,
        broken_depth=60,
        is_nightly=True,
        broken=(
            broken(adds, "issues-what-is-not-free", ISSUES_FREE, "index_words.must_wait", "0"),
            broken(adds, "issues-without-an-offer", ISSUES_FREE, "~self.has_free)", "0)"),
            broken(adds, "pops-early", POPS, "self.commit.do & self.commit.is_taken", "self.commit.do"),
            broken(
                adds,
                "decides-too-soon",
                RESTED,
                'm.next = "WEIGH"\n                with m.If(number)',
                'm.d.sync += starts_write.eq(1)\n                m.next = "WAIT"\n                with m.If(number)',
            ),
            broken(
                adds,
                "commits-amid-a-flush",
                NOT_AMID,
                "is_committing & ~self.is_flushing",
                "is_committing",
            ),
            broken(
                adds,
                "lets-a-flush-pass",
                NO_ANSWER,
                "self.holds_flush.eq(refuses | is_answered | appears)",
                "self.holds_flush.eq(refuses | is_answered)",
            ),
            broken(
                adds,
                "keeps-the-generation",
                OWN_GENERATION,
                "Mux(undoes, index_words.generation_before, index_words.generation)",
                "index_words.generation_before",
            ),
        ),
    ),
]


def test_hashed_indices(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
