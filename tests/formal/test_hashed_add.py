"""The index that an add to the hash table issues: free, rested, its own, and never amid a flush."""

from pathlib import Path

from amaranth.asserts import AnyConst
from amaranth.hdl import Cat, Module, Mux, Signal, Value
from tests.formal.hashed import CONFIG, REST, ago
from tests.formal.prover import Proof, Run, Spec, broken, mutant

from saoffload.hdl.config import HANDLE_BITS
from saoffload.hdl.table.hashed.add import Add
from saoffload.hdl.table.hashed.states import BundleState
from saoffload.hdl.table.hashed.timing import STATE_LATENCY, WORD_LATENCY

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
        commits, appears = self.inside("is_committing"), self.inside("is_appearing")
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


PROOFS = [
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


def test_hashed_add(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
