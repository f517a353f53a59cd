"""The jobs of the hash table: one at a time, and no index freed before its pass."""

from pathlib import Path

from amaranth.asserts import AnySeq
from amaranth.hdl import Cat, Module, Mux, Signal, Value
from tests.formal.hashed import CONFIG
from tests.formal.prover import Proof, Run, Spec, broken, mutant

from saoffload.hdl.table.hashed.closure import Closure
from saoffload.hdl.table.hashed.keeper import Keeper

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


PROOFS = [
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
            broken(
                keeper,
                "strings-as-restore-mode-ends",
                LISTS_ALL,
                "~self.is_restoring & ~has_ended & (",
                "~self.is_restoring & (",
            ),
        ),
    ),
]


def test_hashed_keeper(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
