"""Adding one bundle: judge it, look for its keys and for room, write, and make it live in one clock."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.table.handles import generation_of, index_of, is_well_formed, to_handle

from .entry import owner_layout
from .overflow import Overflow
from .states import BundleState, is_live, live_state
from .timing import (
    LIVE_TO_ANSWER,
    STATE_LATENCY,
    STATE_WRITE_DELAY,
    WORD_LATENCY,
    request_to_live,
    way_to_live,
)
from .trees import JOINED_BITS, all_groups, equal_groups


class Add(wiring.Component):
    """Adds one bundle, all or nothing, or says why not, or that room will come: then it is to be tried again.

    The result is the first that applies, in the order of ``layouts.AddResult``. Nothing is written before it is sure to
    be OK. A key that is still stored for a dead bundle changes its owner where it stands, so no key is ever stored
    twice. The bundle becomes live when every lookup that passed its entries before they were written has ended.

    Parameters: ``config``.

    Members: ``do_start`` with ``request`` (constant until it is done); ``is_done``: for one clock with ``must_wait``,
    or with ``answer`` until ``answer_is_taken``; a chain of moves may still be under way then. ``is_committed``: the
    bundle lives and its answer is not yet taken. ``is_flushing``: a flush waits, nothing more is committed or offered.
    ``is_restoring``; ``is_draining``: what a flush removed may still be in use; ``has_dead``: some bundle is dead and
    not yet free; ``live_bundles``, ``live_keys``. ``has_pending``, ``index``: the bundle being written. ``has_free``,
    ``free_index``, ``do_pop`` with ``next_head``: the free list. ``do_read_word`` of ``index`` until ``word_is_read``,
    ``WORD_LATENCY`` clocks later ``generation`` (the last one issued) and ``link``; ``do_write_words`` with
    ``written_generation`` and the context until ``words_are_written``. ``do_ask`` of ``index`` until ``ask_is_taken``,
    ``STATE_LATENCY`` clocks later ``ask_state``. ``do_commit`` with ``commit_state`` and ``commit_key_count`` until
    ``commit_is_done``. ``check``, ``key``, ``owner``, ... to the placer.

    Latency: about 55 clocks for a bundle of one key, 25 more for a second.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        index = range(config.bundles)
        super().__init__(
            {
                "do_start": In(1),
                "request": In(layouts.add_request(config)),
                "is_done": Out(1),
                "must_wait": Out(1),
                "answer_is_taken": In(1),
                "answer": Out(layouts.ADD_ANSWER),
                "holds_flush": Out(1),
                "is_flushing": In(1),
                "is_restoring": In(1),
                "is_draining": In(1),
                "has_dead": In(1),
                "live_bundles": In(range(config.bundles + 1)),
                "live_keys": In(range(config.keys + 1)),
                "has_pending": Out(1),
                "index": Out(index),
                "has_free": In(1),
                "free_index": In(index),
                "do_pop": Out(1),
                "next_head": Out(index),
                "do_read_word": Out(1),
                "word_is_read": In(1),
                "generation": In(config.generation_bits),
                "link": In(index),
                "do_write_words": Out(1),
                "words_are_written": In(1),
                "written_generation": Out(config.generation_bits),
                "do_ask": Out(1),
                "ask_is_taken": In(1),
                "ask_state": In(BundleState),
                "do_commit": Out(1),
                "commit_state": Out(BundleState),
                "commit_key_count": Out(range(3)),
                "commit_is_done": In(1),
                "do_check": Out(1),
                "key": Out(layouts.KEY),
                "key_is_wildcard": Out(1),
                "owner": Out(owner_layout(config)),
                "is_checked": In(1),
                "is_wildcard": In(1),
                "has_twin": In(1),
                "has_live_twin": In(1),
                "do_write": Out(1),
                "do_cancel": Out(1),
                "free_places": In(range(3)),
                "free_wildcards": In(range(3)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self._config
        request = self.request
        has_second = request.sa_count == 2
        is_inbound = request.direction == layouts.Direction.INBOUND
        key_count = self.commit_key_count
        number = Signal()
        m.d.comb += [
            key_count.eq(Mux(is_inbound, request.sa_count, 0)),
            self.owner.index.eq(self.index),
            self.owner.sa_number.eq(number),
            self.commit_state.eq(live_state(request.direction, request.sa_count)),
        ]
        refusal = Signal(layouts.AddResult)
        m.d.sync += refusal.eq(self._judge_request(m, has_second))
        inner_duplicate = self._compare_keys(m, key_count)
        is_wildcard = self._find_wildcards(m)
        m.d.comb += self.key_is_wildcard.eq(is_wildcard.bit_select(number, 1))
        m.d.sync += self.key.eq(Mux(number, request.keys[1], request.keys[0]))

        # What the checks of both keys have found.
        has_live_twin = Signal()
        rows_needed = Signal(range(3))
        wildcards_needed = Signal(range(3))
        has_wildcard = Signal()
        has_old = Signal()
        index_must_wait = Signal()
        # Weighed in the clock before the decision. Room can only have grown since.
        is_full = Signal()
        lacks_room = Signal()
        lacks_index = Signal()
        has_all_bundles = Signal()
        key_places = Signal(2)
        m.d.sync += [
            has_all_bundles.eq(self.live_bundles == config.bundles),
            key_places.eq(Cat(self.live_keys <= config.keys - count for count in (1, 2))),
            is_full.eq(has_all_bundles | (key_count != 0) & ~key_places.bit_select(key_count == 2, 1)),
            lacks_room.eq(
                (rows_needed > self.free_places) | ((wildcards_needed != 0) & (wildcards_needed > self.free_wildcards))
            ),
            lacks_index.eq(self.is_draining | Mux(self.is_restoring, index_must_wait, ~self.has_free)),
        ]

        result = Signal(layouts.AddResult)
        handle = to_handle(config, self.index, self.written_generation)
        words_are_due = Signal()
        do_judge = Signal()
        pause = Signal(range(request_to_live(config) + LIVE_TO_ANSWER + STATE_WRITE_DELAY + 1))
        m.d.comb += [
            self.answer.result.eq(result),
            self.answer.handle.eq(Mux(result == layouts.AddResult.OK, handle, 0)),
        ]
        generation_before = Signal.like(self.written_generation)
        words_are_known, handle_is_used = self._fetch_words(m, do_judge, index_must_wait, generation_before)
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
            # The second key first: the first is then ready to be written. The index's words are fetched meanwhile.
            with m.State("JUDGE"):
                m.d.sync += [
                    result.eq(refusal),
                    self.index.eq(Mux(self.is_restoring, index_of(config, request.handle), self.free_index)),
                ]
                with m.If(refusal != layouts.AddResult.OK):
                    m.next = "REFUSE"
                with m.Else():
                    m.d.comb += [do_judge.eq(1), self.do_check.eq(key_count != 0)]
                    m.next = "CHECKED"
                    with m.If(key_count == 0):
                        m.next = "WEIGH"

            with m.State("CHECKED"), m.If(self.is_checked):
                m.d.sync += [
                    has_live_twin.eq(has_live_twin | self.has_live_twin),
                    rows_needed.eq(rows_needed + ~self.is_wildcard),
                    wildcards_needed.eq(wildcards_needed + (self.is_wildcard & ~self.has_twin)),
                    has_wildcard.eq(has_wildcard | self.is_wildcard),
                    has_old.eq(has_old | self.has_twin),
                ]
                with m.If(number):
                    m.d.comb += self.do_cancel.eq(1)
                    m.d.sync += number.eq(0)
                    m.next = "CHECK"
                with m.Else():
                    m.next = "WEIGH"
            with m.State("CHECK"):
                m.d.comb += self.do_check.eq(1)
                m.next = "CHECKED"

            with m.State("WEIGH"), m.If(words_are_known):
                m.next = "DECIDE"
            with m.State("DECIDE"):
                m.d.sync += [pause.eq(1), words_are_due.eq(1)]
                m.next = "REFUSE"
                with m.If(self.is_flushing):
                    m.next = "TRY_AGAIN"
                with m.Elif(handle_is_used):
                    m.d.sync += result.eq(layouts.AddResult.HANDLE_IN_USE)
                with m.Elif(has_live_twin | inner_duplicate):
                    m.d.sync += result.eq(layouts.AddResult.DUPLICATE)
                with m.Elif(is_full | (lacks_room & ~lacks_index & ~self.has_dead)):
                    m.d.sync += result.eq(layouts.AddResult.FULL)
                with m.Elif(lacks_index | lacks_room):
                    m.next = "TRY_AGAIN"
                with m.Else():
                    m.d.sync += self.has_pending.eq(1)
                    m.next = "WRITE"
                    with m.If(key_count == 0):
                        m.next = "SETTLE"

            with m.State("WRITE"):
                m.d.comb += self.do_write.eq(1)
                m.d.sync += pause.eq(
                    Mux(has_wildcard, request_to_live(config), Mux(has_old, way_to_live(config), Overflow.LATENCY + 1))
                )
                with m.If((key_count == 2) & ~number):
                    m.d.sync += number.eq(1)
                    m.next = "CHECK_AGAIN"
                with m.Else():
                    m.next = "SETTLE"
            # Its rows may have changed: the first key's moves went on meanwhile.
            with m.State("CHECK_AGAIN"):
                m.d.comb += self.do_check.eq(1)
                m.next = "CHECKED_AGAIN"
            with m.State("CHECKED_AGAIN"), m.If(self.is_checked):
                m.next = "WRITE"

            # Lookups that missed the key must have passed the live bit before. Those that passed its row before it was
            # there, but not yet the previous hand, will find it in that, unless its dead entry got a new owner.
            # Generation and context are written meanwhile.
            with m.State("SETTLE"):
                m.d.comb += self.do_write_words.eq(words_are_due)
                with m.If(self.words_are_written):
                    m.d.sync += words_are_due.eq(0)
                with m.If(pause != 0):
                    m.d.sync += pause.eq(pause - 1)
                with m.Elif(~words_are_due):
                    m.next = "COMMIT"
            with m.State("COMMIT"):
                m.d.sync += pause.eq(LIVE_TO_ANSWER + STATE_WRITE_DELAY)
                with m.If(self.is_flushing):
                    m.d.sync += self.written_generation.eq(generation_before)
                    m.next = "UNDO"
                with m.Else():
                    m.d.comb += [self.do_commit.eq(1), self.holds_flush.eq(1)]
                    with m.If(self.commit_is_done):
                        m.d.comb += self.do_pop.eq(~self.is_restoring)
                        m.next = "APPEAR"
            # The flush wipes keys and context, but not the generation that nobody got.
            with m.State("UNDO"):
                m.d.comb += self.do_write_words.eq(1)
                with m.If(self.words_are_written):
                    m.next = "TRY_AGAIN"
            with m.State("TRY_AGAIN"):
                m.d.comb += [self.is_done.eq(1), self.must_wait.eq(1), self.do_cancel.eq(1)]
                m.next = "IDLE"
            # An answer must not come before a lookup answered with it would hit.
            with m.State("APPEAR"):
                m.d.comb += self.holds_flush.eq(1)
                m.d.sync += pause.eq(pause - 1)
                with m.If(pause == 0):
                    m.next = "DONE"
            # What is offered stands, so nothing is offered once a flush is taken.
            with m.State("REFUSE"):
                m.d.comb += self.do_cancel.eq(1)
                with m.If(self.is_flushing):
                    m.next = "TRY_AGAIN"
                with m.Else():
                    m.d.comb += self.holds_flush.eq(1)
                    m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.is_done.eq(1)
                with m.If(self.answer_is_taken):
                    m.next = "IDLE"
        return m

    def _fetch_words(
        self, m: Module, do_judge: Signal, index_must_wait: Signal, generation_before: Signal
    ) -> tuple[Signal, Signal]:
        """What is known of the index: when restoring, whether it can be had; its generation and the free list's link.

        Returns whether all that is known, and whether the handle that a restore names is in use.
        """
        words_are_known = Signal()
        handle_is_used = Signal()
        pause = Signal(range(max(STATE_LATENCY, WORD_LATENCY)))
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += pause.eq(STATE_LATENCY - 1)
                with m.If(do_judge):
                    m.d.sync += [words_are_known.eq(0), handle_is_used.eq(0), index_must_wait.eq(0)]
                    m.next = "READ_WORD"
                    with m.If(self.is_restoring):
                        m.d.sync += self.do_ask.eq(1)
                        m.next = "ASK"
            with m.State("ASK"), m.If(self.ask_is_taken):
                m.d.sync += self.do_ask.eq(0)
                m.next = "STATE"
            with m.State("STATE"):
                m.d.sync += pause.eq(pause - 1)
                with m.If(pause == 0):
                    m.d.sync += [
                        index_must_wait.eq(self.ask_state != BundleState.FREE),
                        handle_is_used.eq(is_live(self.ask_state.as_value())),
                    ]
                    m.next = "READ_WORD"
            with m.State("READ_WORD"):
                m.d.comb += self.do_read_word.eq(1)
                m.d.sync += pause.eq(WORD_LATENCY - 1)
                with m.If(self.word_is_read):
                    m.next = "WORD"
            with m.State("WORD"):
                m.d.sync += pause.eq(pause - 1)
                with m.If(pause == 0):
                    m.d.sync += [generation_before.eq(self.generation), self.next_head.eq(self.link)]
                    m.next = "COUNT_UP"
            with m.State("COUNT_UP"):
                restored = generation_of(self._config, self.request.handle)
                m.d.sync += [
                    self.written_generation.eq(Mux(self.is_restoring, restored, generation_before + 1)),
                    words_are_known.eq(1),
                ]
                m.next = "IDLE"
        return words_are_known, handle_is_used

    def _compare_keys(self, m: Module, key_count: Value) -> Signal:
        """Whether both keys are the same. The request stands for so long that this may take a few clocks."""
        groups = equal_groups(*(key.as_value() for key in self.request.keys))
        equal = Signal(len(groups), reset_less=True)
        all_equal = Signal(len(all_groups(equal)), reset_less=True)
        inner_duplicate = Signal()
        m.d.sync += [
            equal.eq(groups),
            all_equal.eq(all_groups(equal)),
            inner_duplicate.eq((key_count == 2) & all_equal.all()),
        ]
        return inner_duplicate

    def _find_wildcards(self, m: Module) -> Signal:
        """Which of the keys have no destination; in two clocks, for the same reason."""
        is_wildcard = Signal(2)
        for number, key in enumerate(self.request.keys):
            lows = range(0, layouts.DESTINATION_BITS, JOINED_BITS)
            is_set = Signal(len(lows), name=f"is_set_{number}", reset_less=True)
            m.d.sync += [
                is_set.eq(Cat(key.destination[low : low + JOINED_BITS].any() for low in lows)),
                is_wildcard[number].eq(~is_set.any()),
            ]
        return is_wildcard

    def _judge_request(self, m: Module, has_second: Value) -> Signal:
        """What is wrong with the request itself."""
        request = self.request
        refusal = Signal(layouts.AddResult)
        with m.If(~((request.sa_count == 1) | has_second)):
            m.d.comb += refusal.eq(layouts.AddResult.UNSUPPORTED)
        with m.Elif(self.is_restoring & (request.handle == 0)):
            m.d.comb += refusal.eq(layouts.AddResult.RESTORE_MODE)
        with m.Elif(self.is_restoring & ~is_well_formed(self._config, request.handle)):
            m.d.comb += refusal.eq(layouts.AddResult.BAD_HANDLE)
        return refusal
