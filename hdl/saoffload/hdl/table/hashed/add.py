"""Adding one bundle: judge it, look for its keys and for room, write, and make it live in one clock."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.table.add_ports import AddPorts
from saoffload.hdl.table.handles import index_of, to_handle

from .index_words import IndexWords
from .overflow import Overflow
from .placer import Placement
from .request import RequestJudge
from .states import live_state
from .states_port import StateChange, StateQuestion
from .timing import LIVE_TO_ANSWER, STATE_WRITE_DELAY, request_to_live, way_to_live
from .words_port import AddWords


class Add(wiring.Component):
    """Adds one bundle. The promise is that of ``AddPorts``.

    Nothing is written before it is sure to be OK. A key that is still stored for a dead bundle changes its owner where
    it stands, so no key is ever stored twice. The bundle becomes live when every lookup that passed its entries before
    they were written has ended.

    Parameters: ``config``.

    Members: ``AddPorts``; ``request`` stands from the clock before ``do_start`` on, and a chain of moves may still be
    under way when it is done. ``holds_flush``: an answer is on its way that must be offered before a flush is taken.
    ``is_draining``: what a flush removed may still be in use; ``has_dead``: some bundle is dead and not yet free, or
    what it left may still make room. ``has_pending``, ``index``: the bundle being written. ``has_free``,
    ``free_index``, ``do_pop`` with ``next_head``: the free list. ``words``: to the index's words, of which
    ``generation`` is the last one issued. ``question``, ``commit``: to the live store. ``placement``: to where keys
    stand; ``free_places``, ``free_wildcards``: what is free there, up to 2.

    Latency: about 55 clocks for a bundle of one key, 25 more for a second.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        index = range(config.bundles)
        super().__init__(
            {
                **AddPorts(config).members,
                "holds_flush": Out(1),
                "is_draining": In(1),
                "has_dead": In(1),
                "has_pending": Out(1),
                "index": Out(index),
                "has_free": In(1),
                "free_index": In(index),
                "do_pop": Out(1),
                "next_head": Out(index),
                "words": Out(AddWords(config)),
                "question": Out(StateQuestion(config)),
                "commit": Out(StateChange(config)),
                "placement": Out(Placement(config)),
                "free_places": In(range(3)),
                "free_wildcards": In(range(3)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self._config
        request = self.request
        m.submodules.judge = judge = RequestJudge(config)
        m.submodules.index_words = index_words = IndexWords(config)
        placement = self.placement
        number = Signal()
        # What the checks of both keys have found.
        has_wildcard = Signal()
        has_old = Signal()
        # Strobes between the steps: what becomes of the bundle.
        starts_write = Signal()
        refuses = Signal()
        tries_again = Signal()
        is_answered = Signal()
        # Strobes to the placer.
        checks = Signal()
        cancels = Signal()
        strobes = (checks, cancels, starts_write, self.placement.do_write, refuses, tries_again)
        m.d.sync += [strobe.eq(0) for strobe in strobes]

        m.d.comb += [
            judge.request.eq(request),
            judge.is_restoring.eq(self.is_restoring),
            self.commit_key_count.eq(judge.key_count),
            placement.owner.index.eq(self.index),
            placement.owner.sa_number.eq(number),
            placement.key_is_wildcard.eq(judge.is_wildcard.bit_select(number, 1)),
            index_words.is_restoring.eq(self.is_restoring),
            index_words.handle.eq(request.handle),
            self.words.index.eq(self.index),
            self.words.context.eq(request.context),
            self.words.do_read.eq(index_words.do_read),
            index_words.is_read.eq(self.words.is_read),
            index_words.word.eq(self.words.generation),
            index_words.link_word.eq(self.words.link),
            self.next_head.eq(index_words.link),
            self.question.do.eq(index_words.do_ask),
            self.question.index.eq(self.index),
            index_words.ask_is_taken.eq(self.question.is_taken),
            index_words.state.eq(self.question.state),
            self.commit.index.eq(self.index),
        ]
        m.d.sync += [
            placement.key.eq(Mux(number, request.keys[1], request.keys[0])),
            self.commit.state.eq(live_state(request.direction, request.sa_count)),
        ]
        result = self._elaborate_judgement(
            m, judge, index_words, number, has_wildcard, has_old, checks, cancels, starts_write, refuses, tries_again
        )
        appears = self._elaborate_write(
            m, index_words, number, has_wildcard, has_old, checks, starts_write, tries_again, is_answered
        )

        # What is offered stands, so nothing is offered once a flush is taken.
        with m.If(refuses):
            with m.If(self.is_flushing):
                m.d.sync += tries_again.eq(1)
            with m.Else():
                m.d.sync += is_answered.eq(1)
        m.d.comb += self.holds_flush.eq(refuses | is_answered | appears)
        with m.If(self.answer_is_taken):
            m.d.sync += is_answered.eq(0)
        m.d.comb += self.placement.do_cancel.eq(cancels | refuses | tries_again)
        handle = to_handle(config, self.index, self.words.written_generation)
        m.d.comb += [
            self.is_done.eq(is_answered | tries_again),
            self.must_wait.eq(tries_again),
            self.answer.result.eq(result),
            self.answer.handle.eq(Mux(result == layouts.AddResult.OK, handle, 0)),
        ]
        return m

    def _elaborate_judgement(
        self,
        m: Module,
        judge: RequestJudge,
        index_words: IndexWords,
        number: Signal,
        has_wildcard: Signal,
        has_old: Signal,
        checks: Signal,
        cancels: Signal,
        starts_write: Signal,
        refuses: Signal,
        tries_again: Signal,
    ) -> Signal:
        """From the request to what becomes of it, before anything is written. Returns the result, if it is final."""
        config = self._config
        key_count = judge.key_count
        has_live_twin = Signal()
        rows_needed = Signal(range(3))
        wildcards_needed = Signal(range(3))
        # Weighed in the two clocks before the decision. Room can only have grown since.
        is_full = Signal()
        lacks_room = Signal()
        lacks_index = Signal()
        will_be_duplicate = Signal()
        will_be_full = Signal()
        will_wait = Signal()
        has_all_bundles = Signal()
        key_places = Signal(2)
        m.d.sync += [
            has_all_bundles.eq(self.live_bundles == config.bundles),
            key_places.eq(Cat(self.live_keys <= config.keys - count for count in (1, 2))),
            is_full.eq(has_all_bundles | (key_count != 0) & ~key_places.bit_select(key_count == 2, 1)),
            lacks_room.eq(
                (rows_needed > self.free_places) | ((wildcards_needed != 0) & (wildcards_needed > self.free_wildcards))
            ),
            lacks_index.eq(self.is_draining | Mux(self.is_restoring, index_words.must_wait, ~self.has_free)),
            will_be_duplicate.eq(has_live_twin | judge.has_same_keys),
            will_be_full.eq(is_full | (lacks_room & ~lacks_index & ~self.has_dead)),
            will_wait.eq(lacks_index | lacks_room),
        ]
        result = Signal(layouts.AddResult)
        is_weighing = Signal()
        is_weighed = Signal()
        # The words of the index are fetched while the keys are checked.
        is_judging = Signal()
        m.d.sync += is_judging.eq(self.do_start)
        m.d.comb += [
            index_words.do_start.eq(is_judging & ~judge.is_refused),
            self.placement.do_check.eq(checks | (index_words.do_start & (key_count != 0))),
        ]
        m.d.sync += is_weighed.eq(is_weighing & index_words.are_known)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [
                    has_live_twin.eq(0),
                    rows_needed.eq(0),
                    wildcards_needed.eq(0),
                    has_wildcard.eq(0),
                    has_old.eq(0),
                    number.eq(key_count == 2),
                    self.has_pending.eq(0),
                ]
                with m.If(self.do_start):
                    m.next = "JUDGE"
            # The second key first: the first is then ready to be written.
            with m.State("JUDGE"):
                m.d.sync += [
                    result.eq(judge.refusal),
                    self.index.eq(Mux(self.is_restoring, index_of(config, self.request.handle), self.free_index)),
                ]
                with m.If(judge.is_refused):
                    m.d.sync += refuses.eq(1)
                    m.next = "WAIT"
                with m.Else():
                    m.next = "CHECKED"
                    with m.If(key_count == 0):
                        m.next = "WEIGH"

            with m.State("CHECKED"), m.If(self.placement.is_checked):
                m.d.sync += [
                    has_live_twin.eq(has_live_twin | self.placement.has_live_twin),
                    rows_needed.eq(rows_needed + ~self.placement.is_wildcard),
                    wildcards_needed.eq(wildcards_needed + (self.placement.is_wildcard & ~self.placement.has_twin)),
                    has_wildcard.eq(has_wildcard | self.placement.is_wildcard),
                    has_old.eq(has_old | self.placement.has_twin),
                ]
                m.next = "WEIGH"
                with m.If(number):
                    m.d.sync += cancels.eq(1)
                    m.next = "CANCEL"
            with m.State("CANCEL"):
                m.d.sync += [number.eq(0), checks.eq(1)]
                m.next = "CHECK"
            with m.State("CHECK"):
                m.next = "CHECKED"

            with m.State("WEIGH"):
                m.d.comb += is_weighing.eq(1)
                with m.If(is_weighed):
                    m.next = "DECIDE"
            with m.State("DECIDE"):
                with m.If(self.is_flushing):
                    m.d.sync += tries_again.eq(1)
                with m.Elif(index_words.is_in_use):
                    m.d.sync += [result.eq(layouts.AddResult.HANDLE_IN_USE), refuses.eq(1)]
                with m.Elif(will_be_duplicate):
                    m.d.sync += [result.eq(layouts.AddResult.DUPLICATE), refuses.eq(1)]
                with m.Elif(will_be_full):
                    m.d.sync += [result.eq(layouts.AddResult.FULL), refuses.eq(1)]
                with m.Elif(will_wait):
                    m.d.sync += tries_again.eq(1)
                with m.Else():
                    m.d.sync += [starts_write.eq(1), self.placement.do_write.eq(key_count != 0), self.has_pending.eq(1)]
                m.next = "WAIT"
            with m.State("WAIT"), m.If(tries_again | self.answer_is_taken):
                m.next = "IDLE"
        return result

    def _elaborate_write(
        self,
        m: Module,
        index_words: IndexWords,
        number: Signal,
        has_wildcard: Signal,
        has_old: Signal,
        checks: Signal,
        starts_write: Signal,
        tries_again: Signal,
        is_answered: Signal,
    ) -> Value:
        """From the decision to the answer: keys, words, and the bundle's state, which makes it live. Returns: it is
        about to, or did.
        """
        config = self._config
        key_count = self.commit_key_count
        words_are_due = Signal()
        undoes = Signal()
        undo_is_due = Signal()
        m.d.sync += [
            self.words.written_generation.eq(Mux(undoes, index_words.generation_before, index_words.generation)),
            undo_is_due.eq(undoes),
        ]
        m.d.comb += self.words.do_write.eq(words_are_due | undo_is_due)
        with m.If(self.words.is_written):
            m.d.sync += words_are_due.eq(0)
        pause = Signal(range(request_to_live(config) + LIVE_TO_ANSWER + STATE_WRITE_DELAY))
        # Set as its state is entered, so that what commits hangs on a register.
        is_committing = Signal()
        is_appearing = Signal()
        # Who sets the pause clears this too, so it comes a clock after the pause has run out.
        is_settled = Signal()
        m.d.sync += is_settled.eq(pause == 0)
        m.d.comb += [
            self.commit.do.eq(is_committing & ~self.is_flushing),
            self.do_pop.eq(self.commit.do & self.commit.is_taken & ~self.is_restoring),
        ]
        with m.If(self.placement.do_write):
            m.d.sync += [
                is_settled.eq(0),
                pause.eq(
                    Mux(
                        has_wildcard,
                        request_to_live(config) - 1,
                        Mux(has_old, way_to_live(config) - 1, Overflow.LATENCY),
                    )
                ),
            ]
        with m.Elif(is_committing):
            m.d.sync += [is_settled.eq(0), pause.eq(LIVE_TO_ANSWER + STATE_WRITE_DELAY - 1)]
        with m.Elif(pause != 0):
            m.d.sync += pause.eq(pause - 1)
        with m.FSM():
            with m.State("WRITE"), m.If(starts_write):
                m.d.sync += words_are_due.eq(1)
                m.next = "SETTLE"
                with m.If((key_count == 2) & ~number):
                    m.d.sync += [number.eq(1), checks.eq(1)]
                    m.next = "CHECK_AGAIN"
            # Its rows may have changed: the first key's moves went on meanwhile.
            with m.State("CHECK_AGAIN"):
                m.next = "CHECKED_AGAIN"
            with m.State("CHECKED_AGAIN"), m.If(self.placement.is_checked):
                m.d.sync += [starts_write.eq(1), self.placement.do_write.eq(1)]
                m.next = "WRITE"

            # Lookups that missed the key must have passed the live bit before. Those that passed its row before it was
            # there, but not yet the previous hand, will find it in that, unless its dead entry got a new owner.
            # Generation and context are written meanwhile.
            with m.State("SETTLE"):
                with m.If(is_settled & ~words_are_due):
                    m.d.sync += is_committing.eq(1)
                    m.next = "COMMIT"
            with m.State("COMMIT"):
                with m.If(self.is_flushing):
                    m.d.sync += [undoes.eq(1), is_committing.eq(0)]
                    m.next = "UNDO"
                with m.Elif(self.commit.is_taken):
                    m.d.sync += [is_committing.eq(0), is_appearing.eq(1)]
                    m.next = "APPEAR"
            # The flush wipes keys and context, but not the generation that nobody got.
            with m.State("UNDO"), m.If(undo_is_due & self.words.is_written):
                m.d.sync += [undoes.eq(0), undo_is_due.eq(0), tries_again.eq(1)]
                m.next = "WRITE"
            # An answer must not come before a lookup answered with it would hit.
            with m.State("APPEAR"), m.If(is_settled):
                m.d.sync += [is_appearing.eq(0), is_answered.eq(1)]
                m.next = "WRITE"
        return is_committing | is_appearing
