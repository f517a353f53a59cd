"""The queue of deletes: they reach the table in order, and each answer its owner."""

from pathlib import Path

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Cat, Module, Mux, Signal, Value
from tests.formal.prover import Proof, Run, Spec, broken, mutant
from tests.formal.sizes import MANY

from saoffload.hdl.walk.contexts.deletes import Deletes

TO_THE_TABLE = "handles go to the table in the order in which they were pushed, each once"
OFFER_STANDS = "a handle on offer stands until it is taken"
WHOSE = "an answer belongs to the context whose handle it answers"
COUNTS = "answers are counted for their context from its start on"
HAS_ROOM = "what is pushed while there is room, and a handle per context more, is never lost"


class DeletesContract(Spec):
    """One handle, any, is watched on its way; and the counts of one context, any."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        depth = 1 << (4 * MANY.contexts - 1).bit_length()
        pushes, sends, answers = dut.do_push, dut.deletes.valid & dut.deletes.ready, dut.delete_answers.valid
        waiting = Signal(range(2 * depth))
        owed = Signal(range(64))
        late_pushes = Signal(range(MANY.contexts + 1))
        m.d.sync += [waiting.eq(waiting + pushes - sends), owed.eq(owed + sends - answers)]
        with m.If(dut.has_room):
            m.d.sync += late_pushes.eq(0)
        with m.Elif(pushes):
            m.d.sync += late_pushes.eq(late_pushes + 1)
        self.assume(m, owed != 0, given=answers)
        self.assume(m, ~pushes, given=~dut.has_room & (late_pushes == MANY.contexts))
        self.promise(m, HAS_ROOM, waiting <= depth)
        self.promise(m, OFFER_STANDS, self.keeps(m, dut.deletes))
        self._watch_handle(m, pushes, sends, answers, waiting, owed)
        self._watch_counts(m, answers)

        written, read, sent, answered = (self.inside(name) for name in ("written", "read", "sent", "answered"))
        in_rows = Signal(4)
        m.d.comb += in_rows.eq(written - read)
        self.lemma(m, "rows are counted", waiting == in_rows + dut.deletes.valid)
        self.lemma(m, "a row is known when it is there", in_rows != 0, given=self.inside("has_row_q"))
        self.lemma(m, "places follow one another", self.inside("following_q") == (read + 1)[: len(read)])
        self.lemma(m, "answers are counted", (sent - answered)[:6] == owed)
        self.lemma(m, "owners have places", owed + dut.deletes.valid <= 32)
        self.lemma(m, "it is known that they have", owed + dut.deletes.valid <= 30, given=~self.inside("is_full_q"))
        was_few = self.before(m, in_rows) <= depth - 2 * MANY.contexts - 2
        self.lemma(m, "room is known a clock late", dut.has_room == was_few, given=self.before(m, self.is_running))
        self.lemma(m, "room is what it says", in_rows <= depth - 2 * MANY.contexts - 1, given=dut.has_room)
        self.lemma(m, "late ones have room", in_rows <= depth - 2 * MANY.contexts + late_pushes)
        self.lemma(m, "late ones are counted", late_pushes <= MANY.contexts)

    def _watch_handle(
        self, m: Module, pushes: Value, sends: Value, answers: Value, waiting: Signal, owed: Signal
    ) -> None:
        dut = self.dut
        is_waiting = Signal()
        is_sent = Signal()
        before_it = Signal(6)
        handle = Signal.like(dut.handle)
        context = Signal.like(dut.context)
        with m.If(pushes & AnySeq(1) & ~is_waiting & ~is_sent):
            m.d.sync += [
                is_waiting.eq(1),
                before_it.eq(waiting - sends),
                handle.eq(dut.handle),
                context.eq(dut.context),
            ]
        with m.Elif(is_waiting & sends):
            m.d.sync += before_it.eq(before_it - 1)
            with m.If(before_it == 0):
                m.d.sync += [is_waiting.eq(0), is_sent.eq(1), before_it.eq(owed - answers)]
        with m.Elif(is_sent & answers):
            m.d.sync += before_it.eq(before_it - 1)
            with m.If(before_it == 0):
                m.d.sync += is_sent.eq(0)
        offered = dut.deletes.valid & is_waiting & (before_it == 0)
        self.promise(m, TO_THE_TABLE, dut.deletes.payload.handle == handle, given=offered)
        self.promise(m, WHOSE, dut.answered_context == context, given=answers & is_sent & (before_it == 0))
        self.reach(m, "it is answered behind another", answers & is_sent & (before_it == 0) & self.before(m, answers))

        in_rows = before_it - dut.deletes.valid
        row = self.word("rows", "memory", address=(self.inside("read") + in_rows)[:3])
        self.lemma(m, "its row is kept", row == Cat(handle, context), given=is_waiting & ~offered)
        self.lemma(m, "its head is kept", self.inside("head_q") == Cat(handle, context), given=offered)
        self.lemma(m, "it is one of those that wait", before_it < waiting, given=is_waiting)
        owner = self.word("owners", "memory", address=(self.inside("answered") + before_it)[:5])
        self.lemma(m, "its owner is kept", owner == context, given=is_sent)
        self.lemma(m, "it is one of those that are owed", before_it < owed, given=is_sent)
        self.lemma(m, "it is at one place", ~(is_waiting & is_sent))

    def _watch_counts(self, m: Module, answers: Value) -> None:
        """What is answered shows three clocks later: whether it is the first is looked up, it is read, and written."""
        dut = self.dut
        watched = AnyConst(len(dut.context))
        is_mine = answers & (dut.answered_context == watched)
        starts = dut.do_start & (dut.start_context == watched)
        was_answered, was_found = self.before(m, is_mine), self.before(m, dut.delete_answers.payload.found)
        answered_q, found_q = self.before(m, was_answered), self.before(m, was_found)
        answered, deleted = Signal.like(dut.shown_answered), Signal.like(dut.shown_deleted)
        with m.If(starts):
            m.d.sync += [answered.eq(0), deleted.eq(0)]
        with m.Elif(answered_q):
            m.d.sync += [answered.eq(answered + 1), deleted.eq(deleted + found_q)]
        self.assume(m, ~(answered_q | was_answered), given=starts)
        has_started = Signal()
        with m.If(starts):
            m.d.sync += has_started.eq(1)
        self.assume(m, ~(answered_q | was_answered), given=~has_started)
        shown = has_started & (dut.shown_context == watched)
        self.promise(m, COUNTS, (dut.shown_answered == answered) & (dut.shown_deleted == deleted), given=shown)
        is_uncounted = self.inside("is_uncounted_q").bit_select(watched, 1)
        counts = self.word("counts", "memory", address=watched)
        kept = Mux(is_uncounted, 0, counts)
        self.lemma(m, "its counts are kept", kept == Cat(answered, deleted), given=has_started)
        mine = self.inside("answered_q") & (self.inside("context_q") == watched)
        self.lemma(m, "whose it is was kept", mine == was_answered)
        self.lemma(m, "what it found was kept", self.inside("found_q") == was_found, given=mine)
        counted = self.inside("counted_q") & (self.inside("counted_context_q") == watched)
        self.lemma(m, "whose it is was kept", counted == answered_q)
        self.lemma(m, "what it found was kept", self.inside("counts_found_q") == found_q, given=counted)
        is_again = self.inside("is_again_q")
        self.lemma(m, "who is answered again is known", is_again == counted, given=mine)
        is_first = self.inside("is_first_q")
        self.lemma(m, "the first is known", is_first == is_uncounted, given=counted & has_started)
        before = Mux(is_first, 0, self.inside("before_q"))
        self.lemma(m, "what was counted is known", before == Cat(answered, deleted), given=counted & has_started)


def deletes(old: str = "", new: str = "") -> DeletesContract:
    """The contract around the queue of deletes, or around one of which a piece is replaced."""
    return DeletesContract((mutant(Deletes, old, new) if old else Deletes)(MANY))


PROOFS = [
    Proof(
        name="deletes",
        spec=deletes,
        depth=5,
        reach_depth=12,
        broken_depth=14,
        rejects_nightly=True,
        broken=(
            broken(deletes, "loads-over-an-offer", TO_THE_TABLE, "& (~self.deletes.valid | self.deletes.ready)", ""),
            broken(deletes, "drops-an-offer", OFFER_STANDS, "with m.Elif(self.deletes.ready):", "with m.Else():"),
            broken(
                deletes,
                "owner-of-the-next",
                WHOSE,
                "owners.write_data.eq(head_q.context)",
                "owners.write_data.eq(self.context)",
            ),
            broken(
                deletes,
                "counts-from-before",
                COUNTS,
                "Mux(is_first_q, 1, before_q.answered + 1)",
                "before_q.answered + 1",
            ),
            broken(deletes, "says-room-too-long", HAS_ROOM, "<= depth - 2 * self._config.contexts - 2", "<= depth - 1"),
        ),
    ),
]


def test_delete_queue(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
