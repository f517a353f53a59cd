"""What becomes of each of many walks: it asks only for what is allowed and when nothing is awaited, and ends once."""

from dataclasses import replace
from pathlib import Path

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Cat, Module, Mux, Signal, Value
from tests.formal.hashed import ago
from tests.formal.prover import Proof, Run, Spec, broken, mutant
from tests.formal.sizes import MANY

from saoffload.hdl.walk.contexts.decision import Decision

CONFIG = replace(MANY, windows=1)
COME = 4
"""Clocks for which a node has come when an address that is taken is certainly the one behind it."""
REST = 4
"""Clocks from the end of a context's walk to its next start, at least."""

ALLOWED = "a node is asked for only if its address is right and allowed, and its ID was free a clock before"
OFFERED = "a read is offered when a node is asked for, and at no other time"
ABORTED = "an aborted context asks for nothing from the second clock after its mark on"
AWAITED = "no node is asked for while the one before is awaited"
VISITED = "a node is visited once, when all of its words have come and none has failed"
ONE_END = "a walk that was started is decided until it ends, and ends once"
WAITS = "who walks is to be judged first, or waits for the node that it has asked for"
SINGLE = "decisions about one context are three clocks apart, as is the first from the start"
NOT_LOST = "whoever begins, whose node has come, or who has waited too long, is going to be judged"
DECIDED = "what is judged of them is decided"
FRESH = "a node that is decided late is decided with an address that was taken when it had come"
QUIET = "of a walk that has ended, and of which no address is wanted, none is wanted any more"


class DecisionContract(Spec):
    """One context, any, and its words, or nodes from a buffer. Addresses are picked and offered as they like.

    No address of a context is still waiting for the judge when it is started anew.
    """

    def describe(self, m: Module) -> None:
        dut = self.dut
        self.context = context = AnyConst(len(dut.context))

        def of(bits: Value) -> Value:
            return Value.cast(bits.bit_select(context, 1))

        # Its node was promised by a buffer.
        self.promised = promised = Signal()
        is_item = self._judge(m)
        starts = of(dut.starts)
        # One at a time.
        self.assume(m, (dut.starts & (dut.starts - 1)) == 0)
        settles = dut.do_settle & (dut.context == context)
        asks, ends, visits = (settles & strobe for strobe in (dut.do_ask, dut.do_end, dut.do_visit))
        words = dut.word_context == context
        is_over = dut.is_over & words
        # Of the walk: is it under way, is its head still to be decided, is a node awaited, has it come, did it fail?
        names = ("is_active", "is_first", "is_awaited", "has_come", "has_failed", "is_register", "has_ended")
        active, first, awaited, has_come, failed, is_register, ended = (Signal(name=name) for name in names)
        with m.If(dut.word_failed & words):
            m.d.sync += failed.eq(1)
        with m.If(is_over & awaited):
            m.d.sync += [awaited.eq(0), has_come.eq(1)]
        with m.If(settles):
            m.d.sync += [first.eq(0), has_come.eq(0), active.eq(dut.goes_on), ended.eq(~dut.goes_on)]
        with m.If(settles & ~dut.goes_on):
            m.d.sync += awaited.eq(0)
        gives_up = dut.gives_up & (dut.context_given_up == context)
        fails = self._buffer_failed & self.is_judged & (dut.context == context)
        with m.If(gives_up | fails | settles):
            m.d.sync += promised.eq(0)
        with m.If(asks):
            m.d.sync += [awaited.eq(1), failed.eq(0), promised.eq(dut.has_node)]
        with m.If(starts):
            m.d.sync += [active.eq(1), first.eq(1), has_come.eq(0), awaited.eq(0), ended.eq(0)]
            m.d.sync += [is_register.eq(dut.start_is_delete), promised.eq(0)]
        rest = Signal(range(REST + 1))
        with m.If(active | starts):
            m.d.sync += rest.eq(0)
        with m.Elif(rest != REST):
            m.d.sync += rest.eq(rest + 1)
        self.assume(m, ~active & (rest == REST), given=starts)
        self.assume(m, ~self._waits_for_judge(), given=starts)
        self.assume(m, self.before(m, dut.starts.any()), given=dut.start_was_aborted)

        # Who may be marked is, if it walks.
        self.assume(m, of(dut.do_mark) == (of(dut.may_mark) & active))

        # A buffer takes back its promise while nothing of it is on its way.
        self.assume(m, dut.can_give_up, given=dut.gives_up)
        self.assume(m, promised & ~self._is_in_flight, given=gives_up)
        # A wait that has just begun does not expire.
        self.assume(m, ~of(dut.do_expire), given=self.before(m, asks))
        # Words come for who awaits them, and a while longer for who has given up.
        gave_up = Signal(3)
        m.d.sync += gave_up.eq(Cat(ends & awaited, gave_up))
        happens = dut.is_over | dut.is_part_over | dut.word_failed | dut.lane_has_next
        self.assume(m, dut.has_word, given=happens)
        self.assume(m, ((awaited & ~promised) | gave_up.any()) & ~of(dut.pending), given=dut.has_word & words)
        is_end_over = dut.has_word & dut.is_end
        self.assume(m, dut.is_over & ~dut.is_part_over, given=is_end_over)
        self.assume(m, is_end_over | dut.word_failed | failed, given=is_over)
        self.assume(m, of(dut.failed) == failed)
        self.assume(m, awaited & ~promised & of(dut.is_waiting), given=of(dut.pending))
        leaves = dut.is_leaving & (dut.leaving_context == context)
        self.assume(m, of(dut.pending) & ~of(dut.is_aborted), given=leaves)

        self.promise(m, ALLOWED, dut.is_allowed & self.before(m, dut.is_right) & self.is_judged, given=dut.do_ask)
        self.promise(m, ALLOWED, ~self.before(m, of(dut.busy_ids)), given=asks)
        self.promise(m, ALLOWED, dut.do_ask == (dut.do_settle & dut.goes_on))
        self.promise(m, ALLOWED, dut.do_end == (dut.do_settle & ~dut.goes_on))
        originals = Cat(self.inside(name) for name in ("is_due_q", "may_go_on_q", "is_right_q"))
        for name in ("local_offer", "local_note", "local_ask"):
            self.lemma(m, "copies are true", self.inside(name, "register") == originals)
        self.promise(m, OFFERED, dut.do_offer == dut.do_ask)
        self.promise(m, OFFERED, dut.do_note == dut.do_ask)
        is_marked = of(dut.is_aborted) | of(dut.do_mark)
        self.promise(m, ABORTED, ~ago(self, m, is_marked & active, 2), given=asks)
        was_buffer = self._was_buffer[3]
        self.promise(m, AWAITED, ~awaited | (promised & was_buffer), given=asks)
        is_whole = has_come & ~failed
        self.promise(m, VISITED, Mux(first, is_register, is_whole | (promised & was_buffer)), given=visits)
        self.promise(m, ONE_END, active, given=settles)
        self.promise(m, ONE_END, of(dut.has_ended) == ended)
        self.promise(m, WAITS, of(dut.is_waiting) == (active & ~first))
        since = Signal(2, init=3)
        with m.If(settles | starts):
            m.d.sync += since.eq(1)
        with m.Elif(since != 3):
            m.d.sync += since.eq(since + 1)
        self.promise(m, SINGLE, since == 3, given=settles)
        is_coming = self.inside("is_late_now") & (self.inside("local_late_context", "register") == context)
        wants = of(self.inside("picks", "wants_judge_q"))
        is_picked = dut.has_picked & (dut.picked_context == context)
        is_put_off = self.inside("was_put_off_q") & (dut.context == context)
        is_on_its_way = wants | is_picked | self._waits_for_judge() | is_coming | is_item | is_put_off
        has_expired = active & of(self.inside("is_expired_q"))
        self.promise(m, NOT_LOST, is_on_its_way, given=first | has_expired)
        late_picks = self._late_picks(wants | is_picked | settles)
        self.promise(m, NOT_LOST, late_picks | is_coming | self._has_unpicked, given=has_come)
        had_come, knew = Signal(), Signal()
        # A node that is decided with its last word has come for three clocks by then.
        come_for = Signal(range(COME + 1))
        with m.If(~has_come | settles):
            m.d.sync += come_for.eq(0)
        with m.Elif(come_for != COME):
            m.d.sync += come_for.eq(come_for + 1)
        takes = dut.picked_is_taken & (dut.picked_context == context)
        with m.If(takes):
            m.d.sync += [
                had_come.eq(has_come & ~settles),
                knew.eq((first | (come_for == COME)) & ~settles),
            ]
        with m.Elif(settles):
            m.d.sync += [had_come.eq(0), knew.eq(0)]
        self.promise(m, FRESH, ago(self, m, had_come, 2), given=visits & self._picks[2] & ~first)
        is_judged = self.is_judged & (dut.context == context)
        is_due = is_judged & ~self._was_lane[3] & ~was_buffer
        self.promise(m, DECIDED, settles | (since < 3), given=is_due & ago(self, m, knew, 2) & active)
        self.promise(m, DECIDED, settles, given=is_judged & was_buffer & ~self._buffer_failed)
        wanted = of(dut.is_wanted)
        was_quiet = self.before(m, ~active & ~starts & (rest != 0) & ~wanted)
        self.promise(m, QUIET, ~wanted & ~is_picked, given=was_quiet)
        self.reach(m, "a node from a buffer is visited", visits & was_buffer)
        self.reach(m, "a node that a buffer had is read", is_over & awaited & self._had(m, promised))
        self.reach(m, "a node is visited and the next asked for", visits & asks & ~first)
        self.reach(m, "a late node is visited", visits & has_come & ~self._was_lane[3])
        self.reach(m, "a walk that waits in the ring is aborted", ends & of(dut.pending))
        self.reach(m, "it starts again", starts & ended)

        for clock, bit in enumerate(gave_up):
            self.lemma(m, "who gave up has ended", ~active & (rest == clock), given=bit)
        self.lemma(m, "heads are known", of(self.inside("is_first_q")) == first)
        self.lemma(m, "who is first walks, and awaits nothing", active & ~awaited & ~has_come, given=first)
        self.lemma(m, "who awaits walks", active, given=awaited | has_come)
        self.lemma(m, "a node is awaited or has come", awaited ^ has_come, given=active & ~first)
        is_late = of(self.inside("is_late_q"))
        self.lemma(m, "who is late is picked for it", late_picks, given=is_late)
        kept_is_mine = self._is_kept()
        kept_was_late = self.inside("kept_was_late_q")
        self.lemma(m, "whose address is kept is known", self.inside("kept_q") == context, given=kept_is_mine)
        self.lemma(m, "who has come for long is late", is_late, given=has_come & (come_for == COME))
        self.lemma(m, "what is kept of him is known", first | kept_was_late, given=kept_is_mine & knew)
        self.lemma(m, "it is late until it is decided", is_late & had_come, given=kept_is_mine & kept_was_late)
        self.lemma(m, "who is late has its node", has_come, given=is_late | (is_coming & active))
        self.lemma(m, "who has its node is late", is_late | is_coming | is_item, given=has_come)
        self.lemma(m, "who expires waits", of(dut.is_waiting), given=of(self.inside("is_expired_q")))
        self.lemma(m, "registers are known", of(dut.deletes_by_register) == is_register, given=active)
        self.lemma(m, "it has ended or walks", ~(active & ended))
        self.lemma(m, "who was promised awaits", awaited, given=promised)
        self.lemma(m, "and does not expire", ~of(self.inside("is_expired_q")), given=promised)
        was_settled = self.before(m, settles)
        self.lemma(m, "a decision ends the wait", ~of(self.inside("is_expired_q")), given=was_settled)
        knows = self._picks[1] & self.inside("has_expired_q")
        is_picked_for_it = wants | is_picked | self._waits_for_judge() | self._picks[0] | knows | settles | is_put_off
        self.lemma(m, "who has expired is picked", is_picked_for_it, given=has_expired & ~has_come)
        is_known = of(dut.is_promised) | ~promised
        self.lemma(m, "a promise is known", is_known | was_settled)

    def _judge(self, m: Module) -> Value:
        """The judge's three clocks, and the one place in which what was picked waits. Returns: it has the context's."""
        dut = self.dut
        self.is_judged = self.before(m, dut.is_weighed)
        self._is_full, self._kept = Signal(), Signal.like(dut.context)
        self.assume(m, dut.has_picked & ~self._is_full, given=dut.picked_is_taken)
        from_buffer = AnySeq(1) & ~dut.lane_is_taken
        leaves = self._is_full & AnySeq(1) & ~dut.lane_is_taken & ~from_buffer
        with m.If(dut.picked_is_taken):
            m.d.sync += [self._is_full.eq(1), self._kept.eq(dut.picked_context)]
        with m.Elif(leaves):
            m.d.sync += self._is_full.eq(0)
        other_context = AnySeq(len(dut.context))
        is_offered = self.before(m, leaves | dut.lane_is_taken | from_buffer)
        offered = self.before(m, Mux(dut.lane_is_taken | from_buffer, other_context, self._kept))
        self._was_lane, self._was_buffer = [dut.lane_is_taken], [from_buffer]
        for was in (self._was_lane, self._was_buffer):
            for _ in range(3):
                was.append(self.before(m, was[-1]))
        # What a buffer offered on trust is struck off unless its node was asked for; one at a time is on its way.
        is_void = AnySeq(1)
        is_mine = self._was_buffer[1] & (dut.looked_at == self.context)
        weighs_mine = dut.is_weighed & (dut.weighed_context == self.context) & self._was_buffer[2]
        judges_mine = self.is_judged & (dut.context == self.context) & self._was_buffer[3]
        self.assume(m, is_void, given=is_mine & (~self.promised | weighs_mine | judges_mine))
        is_looking = is_offered & (dut.lane_has_next | ~self._was_lane[1]) & ~(self._was_buffer[1] & is_void)
        self._is_in_flight = (is_mine & ~is_void) | weighs_mine | judges_mine
        self.assume(m, dut.is_from_buffer == self._was_buffer[2], given=dut.is_weighed)
        self._buffer_failed = self.before(m, dut.is_from_buffer & dut.buffer_failed)
        self.assume(m, dut.looked_at == offered, given=is_offered)
        self.assume(m, dut.arriving_context == other_context, given=dut.lane_is_taken)
        self.assume(m, dut.word_context == self.before(m, dut.arriving_context))
        self.assume(m, dut.header_context == self.before(m, dut.word_context), given=dut.has_header)
        self.assume(m, dut.is_weighed == self.before(m, is_looking))
        self.assume(m, dut.weighed_context == self.before(m, dut.looked_at))
        self.assume(m, dut.context == self.before(m, dut.weighed_context))
        is_wrong = dut.is_null | dut.is_misaligned | dut.is_met | dut.is_too_long
        self.assume(m, self.before(m, dut.is_right) == ~is_wrong)
        steps = ((is_looking, dut.looked_at), (dut.is_weighed, dut.weighed_context), (self.is_judged, dut.context))
        items = [there & (whose == self.context) for there, whose in steps]
        # Which of them were picked, and did not come with a word.
        self._picks = [
            item & ~self._was_lane[clock] & ~self._was_buffer[clock] for clock, item in enumerate(items, start=1)
        ]
        self._has_unpicked = Cat(items[clock] & ~self._picks[clock] for clock in range(3)).any()
        return Value.cast(Cat(items).any())

    def _late_picks(self, others: Value) -> Value:
        """Whether the context's address is on its way, or will be, such that its late node is decided with it."""
        is_kept = self._is_kept() & self.inside("kept_was_late_q")
        return others | is_kept | (self._picks[1] & self.inside("was_late_q"))

    def _is_kept(self) -> Value:
        """Whether the context's address was taken last, and is not weighed yet."""
        return (self._is_full & (self._kept == self.context)) | self._picks[0]

    def _had(self, m: Module, condition: Value) -> Signal:
        had = Signal()
        with m.If(condition):
            m.d.sync += had.eq(1)
        return had

    def _waits_for_judge(self) -> Value:
        dut = self.dut
        is_taken = dut.picked_is_taken & (dut.picked_context == self.context)
        return is_taken | (self._is_full & (self._kept == self.context))


def decision(old: str = "", new: str = "") -> DecisionContract:
    """The contract around the decision, or around one of which a piece is replaced."""
    return DecisionContract((mutant(Decision, old, new) if old else Decision)(CONFIG))


PROOFS = [
    Proof(
        name="decision",
        spec=decision,
        depth=9,
        reach_depth=24,
        broken_depth=24,
        is_nightly=True,
        broken=(
            broken(
                decision,
                "asks-outside",
                ALLOWED,
                "local_copy(m, name, verdict).all() & self.is_allowed",
                "local_copy(m, name, verdict).all()",
            ),
            broken(
                decision,
                "offers-what-is-not-asked",
                OFFERED,
                "local_copy(m, name, verdict)",
                "local_copy(m, name, Cat(is_open, may_go_on, is_right) if name == 'offer' else verdict)",
            ),
            broken(
                decision,
                "keeps-what-is-not-asked",
                OFFERED,
                "local_copy(m, name, verdict)",
                "local_copy(m, name, Cat(is_open, may_go_on, is_right) if name == 'note' else verdict)",
            ),
            broken(
                decision,
                "asks-with-a-busy-id",
                ALLOWED,
                "(~is_first & fails_now) & ~bit_of(self.busy_ids[:each], weighed)",
                "(~is_first & fails_now)",
            ),
            broken(
                decision,
                "misses-the-mark",
                ABORTED,
                "is_aborted = is_stopping_q | is_marked_q",
                "is_aborted = is_stopping_q",
            ),
            broken(
                decision,
                "asks-before-the-node-is-there",
                AWAITED,
                "has_word_mine & self.is_end",
                "is_word_mine",
            ),
            broken(
                decision,
                "visits-what-failed",
                VISITED,
                "failed_before | (by_pick & is_expired)",
                "by_pick & is_expired",
            ),
            broken(
                decision,
                "decides-twice",
                SINGLE,
                "& ~was_overtaken_q & ~(self.do_settle & is_same_q)",
                "& ~(self.do_settle & is_same_q)",
            ),
            broken(
                decision,
                "ends-again",
                ONE_END,
                "lane_is_weighed_q & is_waiting_q",
                "lane_is_weighed_q",
            ),
            broken(
                decision,
                "loses-the-late",
                NOT_LOST,
                "is_late_here | is_put_off | self.starts[number]",
                "is_put_off | self.starts[number]",
            ),
            broken(
                decision,
                "loses-what-it-put-off",
                NOT_LOST,
                "is_late_here | is_put_off | self.starts[number]",
                "is_late_here | self.starts[number]",
            ),
            broken(
                decision,
                "decides-nothing-late",
                DECIDED,
                "(is_first | (is_late & was_late_q) | is_expired | is_called_off)",
                "(is_first | is_expired | is_called_off)",
            ),
            broken(decision, "decides-with-an-old-address", FRESH, "(is_late & was_late_q)", "is_late"),
            broken(
                decision,
                "expires-when-ended",
                QUIET,
                "self.do_expire & ~self.is_promised & self.is_waiting",
                "self.do_expire & ~self.is_promised",
            ),
        ),
    ),
]


def test_decision(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
