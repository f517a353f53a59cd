"""The parallel table's lookups and deletes, whatever its management does: a deleted handle never hits again."""

from pathlib import Path
from typing import Any

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import Out
from tests.formal.prover import Broken, Proof, Run, Spec, mutant

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.table.packet_path import PacketPath
from saoffload.hdl.table.parallel.delete_pipe import DeletePipe
from saoffload.hdl.table.parallel.handle_lookup import HandleLookup
from saoffload.hdl.table.parallel.keeper import Keeper
from saoffload.hdl.table.parallel.key_lookup import KeyLookup
from saoffload.hdl.table.parallel.lifecycle import BundleLifecycle
from saoffload.hdl.table.parallel.named_bundle import NamedBundle
from saoffload.hdl.table.parallel.table import ParallelTable
from saoffload.hdl.table.parallel.timing import LIVE_TO_ANSWER

CONFIG = EngineConfig(
    name="formal",
    bundles=2,
    keys=2,
    ipv6=False,
    context_width=0,
    unretired_limit=2,
    epoch_width=1,
    completion_depth=2,
)
QUIET = LIVE_TO_ANSWER + 2
"""Clocks after its death in which nobody writes a bundle's record, and after a write in which it does not live."""

GONE = "a handle whose delete was answered hits no more until it is issued anew, for neither kind of lookup"
TOGETHER = "an answer hits only if its bundle's one live bit was set two clocks before, whichever SA it is"
GATED = "while the gate is closed nothing hits"
NOT_BEFORE = "nothing hits before the first bundle was made live, which is not before the table is ready"
FIXED = "lookups and deletes are answered in order, a fixed number of clocks after their request"


class FreeKeeper(wiring.Component):
    """A management that does anything in any clock. What it must not do is assumed by the contract."""

    def __init__(self, config: EngineConfig):
        keeper = Keeper(config)
        keeper._MustUse__silence = True
        super().__init__(keeper.signature)

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        for _path, member, value in self.signature.flatten(self):
            signal = Value.cast(value)
            if member.flow is Out and isinstance(signal, Signal) and len(signal):
                m.d.comb += signal.eq(AnySeq(len(signal)))
        return m


class TableContract(Spec):
    """One handle, any, is watched."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        index = AnyConst(CONFIG.index_bits)
        generation = AnyConst(CONFIG.generation_bits)
        handle = Signal(32)
        m.d.comb += handle.eq(Cat(index, generation, Const(1, 1)))
        live = self.inside("lifecycle", "live").bit_select(index, 1)
        record = self.word("records", "memory", address=index)
        is_mine = record[: CONFIG.generation_bits] == generation
        commits = self._assume_management(m, index, live)

        # A delete of the handle, from its request to its answer; a commit meanwhile issues the handle after it.
        asks = Signal(DeletePipe.LATENCY)
        stays = Signal(DeletePipe.LATENCY)
        m.d.sync += [
            asks.eq(Cat(dut.deletes.valid & (dut.deletes.payload.handle == handle), asks[:-1])),
            stays.eq(Cat(Const(1, 1), stays[:-1]) & ~commits.replicate(DeletePipe.LATENCY)),
        ]
        was_deleted = Signal()
        is_gone = Signal()
        with m.If(commits):
            m.d.sync += was_deleted.eq(0)
        with m.Elif(asks[-1] & stays[-1]):
            m.d.sync += was_deleted.eq(1)
        m.d.comb += is_gone.eq(was_deleted | (asks[-1] & stays[-1]))

        was_committed = Signal()
        with m.If(self.inside("keeper", "do_commit")):
            m.d.sync += was_committed.eq(1)
        lived = live
        for _ in range(LIVE_TO_ANSWER):
            lived = self.before(m, lived)
        for answers in (dut.key_answers, dut.handle_answers):
            hits = answers.valid & answers.payload.hit
            is_it = hits & (answers.payload.handle == handle)
            self.promise(m, GONE, ~is_gone, given=is_it)
            self.promise(m, TOGETHER, lived, given=is_it)
            self.promise(m, GATED, ~hits, given=self.inside("keeper", "gate_is_closed"))
            self.promise(m, NOT_BEFORE, was_committed, given=hits)
            self.reach(m, "the watched handle hits", is_it)
        self.reach(m, "the watched handle is gone", is_gone & dut.delete_answers.payload.found)

        requests = (
            (dut.key_requests.valid & dut.key_requests.ready, dut.key_answers.valid, KeyLookup.LATENCY),
            (dut.handle_requests.valid & dut.handle_requests.ready, dut.handle_answers.valid, HandleLookup.LATENCY),
            (dut.deletes.valid, dut.delete_answers.valid, DeletePipe.LATENCY),
        )
        for asked, answered, latency in requests:
            late = Signal(latency)
            m.d.sync += late.eq(Cat(asked, late[:-1]))
            self.promise(m, FIXED, answered == late[-1])
        self.lemma(m, "who is deleted does not live", ~(live & is_mine), given=was_deleted)
        self.lemma(m, "nothing lives before the first", ~self.inside("lifecycle", "live").any(), given=~was_committed)

    def _assume_management(self, m: Module, index: Value, live: Value) -> Value:
        """What the management never does to the watched index. Returns: it makes it live."""
        commit_index = self.inside("keeper", "commit_index")
        do_commit = self.inside("keeper", "do_commit")
        commits = do_commit & (commit_index == index)
        writes = self.inside("keeper", "store__do_write_bundle") & (
            self.inside("keeper", "store__index_write_address") == index
        )
        taken = self.inside("lifecycle", "taken")
        self.assume(m, ~taken.bit_select(commit_index, 1), given=do_commit)
        since_life = Signal(range(QUIET + 1), init=QUIET)
        since_write = Signal(range(QUIET + 1), init=QUIET)
        for since, event in ((since_life, live | commits), (since_write, writes)):
            with m.If(event):
                m.d.sync += since.eq(0)
            with m.Elif(since != QUIET):
                m.d.sync += since.eq(since + 1)
        self.assume(m, ~(live | commits) & (since_life == QUIET), given=writes)
        self.assume(m, since_write == QUIET, given=commits)
        return commits


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
        phase = Signal(range(6))
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


def table(**names: Any) -> TableContract:
    """The contract around the table with a free management, and with these components in place of its own."""
    return TableContract(
        mutant(ParallelTable, "= Keeper(config)", "= FreeKeeper(config)", FreeKeeper=FreeKeeper, **names)(CONFIG)
    )


def lifecycle(old: str = "", new: str = "") -> LifecycleContract:
    """The contract around the life cycle, or around one of which a piece is replaced."""
    return LifecycleContract((mutant(BundleLifecycle, old, new) if old else BundleLifecycle)(LIFE))


def broken_table(name: str, breaks: str, component: type, old: str, new: str, **names: Any) -> Broken:
    return Broken(
        name=name, spec=lambda: table(**{component.__name__: mutant(component, old, new, **names)}), breaks=breaks
    )


def broken_life(name: str, breaks: str, old: str, new: str) -> Broken:
    return Broken(name=name, spec=lambda: lifecycle(old, new), breaks=breaks)


IGNORANT = mutant(NamedBundle, "(generation_of(config, self.named_handle) == self.record.generation)", "1")

PROOFS = [
    Proof(
        name="parallel-lifecycle",
        spec=lifecycle,
        depth=4,
        reach_depth=12,
        broken_depth=10,
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
    Proof(
        name="parallel-table",
        spec=table,
        depth=9,
        is_inductive=False,
        reach_depth=10,
        broken_depth=9,
        is_nightly=True,
        broken=(
            broken_table(
                "answers-deletes-early", GONE, DeletePipe, "depth = LIVE_TO_ANSWER + 1", "depth = LIVE_TO_ANSWER"
            ),
            broken_table(
                "ignores-the-generation",
                GONE,
                HandleLookup,
                "judge = NamedBundle",
                "judge = IGNORANT",
                IGNORANT=IGNORANT,
            ),
            broken_table(
                "matches-without-life",
                TOGETHER,
                KeyLookup,
                "exact_found_q & self.live.bit_select(exact.index, 1)",
                "exact_found_q",
            ),
            broken_table("opens-the-gate", GATED, PacketPath, "answer.hit & ~self.gate_is_closed", "answer.hit"),
            broken_table(
                "hits-before-all",
                NOT_BEFORE,
                KeyLookup,
                "exact_found_q & self.live.bit_select(exact.index, 1)",
                "exact_found_q",
            ),
        ),
    ),
]


def test_parallel_table(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
