"""Many lists at once: the parts of the walker of contexts, wired, and the windows."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, ValueLike
from amaranth.lib.wiring import connect, flipped

from saoffload.hdl import layouts
from saoffload.hdl.layouts import LIST_ADDRESS_BITS, Opcode
from saoffload.hdl.walk.signature import WalkComponent
from saoffload.hdl.walk.windows import WindowTable

from .aborts import Aborts
from .asks import AskQueue
from .decision import Decision
from .deletes import Deletes
from .dispatch import Dispatch
from .judge import Judge
from .lane import Lane
from .line_pool import LinePool
from .offers import Offers
from .records import Records
from .reporter import Reporter
from .watch import Watch

TAG_PART = 8
"""Bits of a tag that are compared at once."""
LOCK_PART = 16
"""Bits that may lock the windows, of which a register knows whether any is 1."""


class ContextWalk(WalkComponent):
    """What :class:`.WalkSignature` promises, for up to ``contexts`` commands at the same time.

    Each command has a context: its state in small memories, its bits in registers, and the AXI ID of the context's
    number. All contexts share one pipeline, which takes a node per clock: words come in (:class:`.Lane`), the ``Next``
    among them is judged (:class:`.Judge`) while the rest of the node comes, :class:`.Decision` says what becomes of the
    walk, and in the same clock :class:`.AskQueue` puts the next read on the bus. A context waits for its own memory
    only: what it does takes a clock of the pipeline, whatever becomes of it.

    Parameters
    ----------
    config : :class:`EngineConfig`
        ``contexts``.

    At L clocks from ``AR`` to the first beat, and a beat per clock, an x64 node takes L+4 clocks if its words come in a
    row and no other context wants the pipeline or the bus in the same clock.
    """

    def elaborate(self, _platform: object) -> Module:
        config = self._config
        m = Module()
        m.submodules.windows = windows = WindowTable(config)
        m.submodules.dispatch = dispatch = Dispatch(config)
        m.submodules.lane = lane = Lane(config)
        m.submodules.judge = judge = Judge(config)
        m.submodules.records = records = Records(config)
        m.submodules.decision = decision = Decision(config)
        m.submodules.offers = offers = Offers(config)
        m.submodules.asks = asks = AskQueue(config)
        m.submodules.deletes_ = deletes = Deletes(config)
        m.submodules.watch = watch = Watch(waiters=config.contexts)
        m.submodules.aborts = aborts = Aborts(contexts=config.contexts)
        m.submodules.reporter = reporter = Reporter(config)

        connect(m, flipped(self.window_writes), windows.writes)
        connect(m, windows.write_answers, flipped(self.window_write_answers))
        connect(m, judge.check, windows.check)
        connect(m, flipped(self.beats), lane.beats)
        m.d.comb += [
            lane.arrives.eq(self.arrives),
            lane.arriving_id.eq(self.arriving_id),
            lane.arriving_is_last.eq(self.arriving_is_last),
            lane.arriving_data.eq(self.arriving_data),
        ]
        connect(m, asks.reads, flipped(self.reads))
        connect(m, deletes.deletes, flipped(self.deletes))
        connect(m, flipped(self.delete_answers), deletes.delete_answers)
        connect(m, reporter.results, flipped(self.results))
        connect(m, flipped(self.commands), dispatch.commands)

        self._connect_start(m, dispatch, lane, offers, records, judge, deletes, aborts, decision)
        self._connect_lane(m, lane, judge, records, decision, offers)
        self._connect_judge(m, judge, decision)
        self._connect_decision(m, decision, judge, asks, lane, deletes, watch, aborts)
        handle, handle_is_buffered, has_line = Value.cast(0), Value.cast(0), Value.cast(0)
        if config.line_buffers:
            handle, handle_is_buffered, has_line = self._add_pool(m, decision, judge, asks, offers, watch, dispatch)
        else:
            self._abandon(m, decision.abandons.valid, decision.abandons.payload)
        self._connect_end(
            m,
            decision,
            records,
            judge,
            deletes,
            reporter,
            dispatch,
            buffered_handle=handle,
            handle_is_buffered=handle_is_buffered,
        )

        # Two clocks late: the first address of a command is judged later than that.
        busy = Cat(self.busy_ids, ~dispatch.is_free)
        had_line_q = Signal(2)
        lock_parts_q = Signal(-(-len(busy) // LOCK_PART) + 1)
        is_locked_q = Signal()
        m.d.sync += [
            had_line_q.eq(Cat(has_line, had_line_q)),
            # An ID is busy some clocks after its line was passed on.
            lock_parts_q.eq(
                Cat(
                    has_line | had_line_q.any(),
                    *(busy[low : low + LOCK_PART].any() for low in range(0, len(busy), LOCK_PART)),
                )
            ),
            is_locked_q.eq(lock_parts_q.any()),
        ]
        m.d.comb += [
            windows.is_locked.eq(self.window_is_locked | is_locked_q),
            watch.timeout.eq(self.timeout),
            watch.is_waiting.eq(decision.is_waiting),
            aborts.do_abort.eq(self.do_abort),
            aborts.abort_tag.eq(self.abort_tag),
            aborts.abort_is_all.eq(self.abort_is_all),
            aborts.is_undecided.eq(~dispatch.is_free & ~decision.has_ended),
            self.abort_is_done.eq(aborts.is_done),
            self.abort_matches.eq(aborts.is_matched),
            self.is_active.eq(~dispatch.is_free.all()),
            self.command_context.eq(dispatch.context),
            self.answered_context.eq(deletes.answered_context),
            self.result_context.eq(reporter.context),
        ]
        return m

    def _connect_start(
        self,
        m: Module,
        dispatch: Dispatch,
        lane: Lane,
        offers: Offers,
        records: Records,
        judge: Judge,
        deletes: Deletes,
        aborts: Aborts,
        decision: Decision,
    ) -> None:
        command = self.commands.payload
        # The tag of a command is compared in parts in a clock of its own. Its head is judged later than that.
        has_started_q, was_aborted_q, is_any_meant_q = (
            Signal(name=name) for name in ("has_started_q", "was_aborted_q", "is_any_meant_q")
        )
        same = ~(self.abort_tag ^ command.tag)
        same_q = Signal(-(-len(same) // TAG_PART))
        m.d.sync += [
            has_started_q.eq(dispatch.do_start),
            was_aborted_q.eq(self.command_is_aborted | (self.do_abort & self.abort_is_all)),
            is_any_meant_q.eq(self.do_abort),
            same_q.eq(Cat(same[low : low + TAG_PART].all() for low in range(0, len(same), TAG_PART))),
        ]
        m.d.comb += [
            dispatch.busy_ids.eq(self.busy_ids),
            # The head and the `Next` of a node share a memory.
            dispatch.must_wait.eq(lane.may_have_next),
            dispatch.is_looked_for.eq(decision.is_wanted | offers.is_kept),
            records.do_start.eq(dispatch.do_start),
            records.start_context.eq(dispatch.context),
            records.start_head.eq(command.head),
            records.start_tag.eq(command.tag),
            judge.do_start.eq(dispatch.do_start),
            judge.start_context.eq(dispatch.context),
            judge.start_budget.eq(command.budget),
            deletes.do_start.eq(dispatch.do_start),
            deletes.start_context.eq(dispatch.context),
            aborts.starts.eq(dispatch.starts),
            aborts.start_tag.eq(command.tag),
            decision.starts.eq(dispatch.starts),
            decision.start_abi.eq(command.abi),
            decision.start_is_delete.eq(command.opcode == Opcode.DELETE),
            decision.start_was_aborted.eq(has_started_q & (was_aborted_q | (is_any_meant_q & same_q.all()))),
        ]

    def _connect_lane(
        self, m: Module, lane: Lane, judge: Judge, records: Records, decision: Decision, offers: Offers
    ) -> None:
        m.d.comb += [
            records.do_write_next.eq(lane.has_next),
            records.next.eq(lane.next),
            records.do_write_handle.eq(lane.has_handle),
            records.handle.eq(lane.handle),
            records.word_context.eq(lane.context),
            records.picked_context.eq(decision.picked_context),
            offers.lane_offers.eq(lane.next_is_coming),
            offers.lane_context.eq(lane.next_context),
            offers.lane_abi.eq(lane.next_abi),
            offers.picked_offers.eq(decision.has_picked),
            offers.picked_context.eq(decision.picked_context),
            offers.picked_abi.eq(decision.picked_abi),
            offers.picked_address.eq(records.picked_next),
            judge.is_offered.eq(offers.is_offered),
            judge.is_question.eq(offers.is_question),
            judge.offered_context.eq(offers.context),
            judge.offered_abi.eq(offers.abi),
            judge.offered_address.eq(offers.address),
            judge.is_from_lane.eq(offers.is_from_lane),
            judge.lane_has_next.eq(lane.has_next),
            judge.lane_next.eq(lane.next),
            decision.lane_is_taken.eq(offers.lane_is_taken),
            decision.lane_has_next.eq(lane.has_next),
            decision.picked_is_taken.eq(offers.picked_is_taken),
            decision.arriving_context.eq(lane.next_context),
            decision.word_context.eq(lane.context),
            decision.has_word.eq(lane.has_word),
            decision.is_over.eq(lane.is_over),
            decision.is_end.eq(lane.is_end),
            decision.is_part_over.eq(lane.is_part_over),
            decision.word_failed.eq(lane.word_failed),
            decision.failed.eq(lane.failed),
            decision.has_header.eq(lane.has_header),
            decision.header_context.eq(lane.header_context),
            decision.header_is_bad.eq(lane.header_is_bad),
            decision.is_bad.eq(lane.is_bad),
        ]

    def _connect_judge(self, m: Module, judge: Judge, decision: Decision) -> None:
        m.d.comb += [
            judge.is_first.eq(decision.is_first),
            judge.is_delete.eq(decision.is_delete),
            judge.do_settle.eq(decision.do_settle),
            judge.do_ask.eq(decision.do_ask),
            judge.goes_on.eq(decision.goes_on),
            judge.do_move.eq(decision.do_move),
            decision.looked_at.eq(judge.looked_at),
            decision.is_weighed.eq(judge.is_weighed),
            decision.weighed_context.eq(judge.weighed_context),
            decision.context.eq(judge.context),
            decision.is_null.eq(judge.is_null),
            decision.is_misaligned.eq(judge.is_misaligned),
            decision.is_allowed.eq(judge.is_allowed),
            decision.is_met.eq(judge.is_met),
            decision.is_too_long.eq(judge.is_too_long),
            decision.is_right.eq(judge.is_right),
        ]

    def _connect_decision(
        self,
        m: Module,
        decision: Decision,
        judge: Judge,
        asks: AskQueue,
        lane: Lane,
        deletes: Deletes,
        watch: Watch,
        aborts: Aborts,
    ) -> None:
        m.d.comb += [
            decision.busy_ids.eq(self.busy_ids),
            decision.pending.eq(asks.pending),
            decision.is_leaving.eq(asks.is_leaving),
            decision.leaving_context.eq(asks.leaving_context),
            decision.do_expire.eq(watch.expires),
            decision.visited_in_turn.eq(watch.looked_at),
            decision.may_mark.eq(aborts.may_mark),
            decision.do_mark.eq(aborts.do_mark),
            lane.do_ask.eq(decision.do_ask),
            lane.ask_context.eq(judge.context),
            lane.ask_address.eq(judge.address),
            lane.ask_abi.eq(judge.abi),
            asks.can_ask.eq(judge.is_judged),
            asks.do_ask.eq(decision.do_offer),
            asks.do_note.eq(decision.do_note),
            asks.ask_is_parked.eq(decision.has_node),
            asks.do_wake.eq(decision.do_wake),
            asks.wake_context.eq(decision.wake_context),
            asks.context.eq(judge.context),
            asks.address.eq(judge.bus_address),
            asks.abi.eq(judge.abi),
            asks.first_count.eq(judge.first_count),
            asks.do_second.eq(decision.do_second),
            asks.second_context.eq(decision.second_context),
            asks.may_ask.eq(deletes.has_room),
            asks.is_waiting.eq(decision.is_waiting),
            asks.is_aborted.eq(decision.is_aborted),
            asks.do_call_off.eq(decision.do_end),
            asks.call_off_context.eq(judge.context),
            watch.do_start.eq(decision.do_wait),
        ]

    def _connect_end(
        self,
        m: Module,
        decision: Decision,
        records: Records,
        judge: Judge,
        deletes: Deletes,
        reporter: Reporter,
        dispatch: Dispatch,
        *,
        buffered_handle: Value,
        handle_is_buffered: Value,
    ) -> None:
        # A visit: one clock after its decision, when the handle can be read in any case.
        address_q = Signal(LIST_ADDRESS_BITS)
        is_delete_q = Signal()
        m.d.sync += [
            self.visited_node.eq(decision.do_visit),
            self.visited_context.eq(judge.context),
            self.visited_address.eq(judge.node_address & (~decision.is_deleting).replicate(LIST_ADDRESS_BITS)),
            address_q.eq(judge.address),
            is_delete_q.eq(decision.is_deleting),
        ]
        m.d.comb += [
            records.visited_context.eq(self.visited_context),
            self.visited_handle.eq(
                Mux(is_delete_q, address_q, Mux(handle_is_buffered, buffered_handle, records.visited_handle))
            ),
            deletes.do_push.eq(self.visited_node),
            deletes.context.eq(self.visited_context),
            deletes.handle.eq(self.visited_handle),
            records.do_write_end.eq(decision.do_end),
            records.ended_context.eq(judge.context),
            records.status.eq(decision.status),
            records.is_short.eq(decision.is_short),
            reporter.has_ended.eq(decision.has_ended & ~dispatch.is_free),
            records.shown_context.eq(reporter.context),
            judge.shown_context.eq(reporter.context),
            deletes.shown_context.eq(reporter.context),
            reporter.tag.eq(records.shown_tag),
            reporter.status.eq(records.shown_status),
            reporter.is_short.eq(records.shown_is_short),
            reporter.is_delete.eq(decision.deletes_by_register.bit_select(reporter.context, 1)),
            reporter.ordinal.eq(judge.shown_ordinal),
            reporter.address.eq(judge.shown_address),
            reporter.answered.eq(deletes.shown_answered),
            reporter.deleted.eq(deletes.shown_deleted),
            dispatch.do_free.eq(reporter.do_free),
            dispatch.freed_context.eq(reporter.context),
        ]

    def _add_pool(
        self,
        m: Module,
        decision: Decision,
        judge: Judge,
        asks: AskQueue,
        offers: Offers,
        watch: Watch,
        dispatch: Dispatch,
    ) -> tuple[Value, Value, Value]:
        """The line buffers. Returns the handle of the node that was visited, if it came from them, and whether; whether
        a line waits for the bus.
        """
        m.submodules.pool = pool = LinePool(self._config)
        connect(m, pool.lines, asks.lines)
        # Two clocks: how many contexts of each half are busy, none, one or more; whether that is one at most.
        is_alone_q = Signal()
        busy = ~dispatch.is_free
        half = -(-len(busy) // 2)
        any_q = Signal(2)
        many_q = Signal(2)
        for number, part in enumerate((busy[:half], busy[half:])):
            m.d.sync += [
                any_q[number].eq(part.any()),
                many_q[number].eq(_has_two(part)),
            ]
        m.d.sync += is_alone_q.eq(~many_q.any() & ~any_q.all())
        # What was offered and taken, and is not to be judged after all.
        took_q = Signal(self._config.line_buffers)
        m.d.sync += took_q.eq(offers.buffer_is_taken)
        m.d.comb += [
            judge.is_void.eq((took_q & pool.offer_is_void).any()),
            pool.arriving_id.eq(self.arriving_id),
            pool.beats.valid.eq(self.beats.valid),
            pool.beats.payload.eq(self.beats.payload),
            pool.busy_ids.eq(self.busy_ids),
            pool.abis_are_x86.eq(decision.abis_are_x86),
            pool.may_look.eq(judge.may_look),
            pool.is_weighed.eq(judge.is_weighed),
            pool.looked_at.eq(judge.looked_at),
            pool.look_address.eq(judge.look_address),
            pool.is_judged.eq(judge.is_judged),
            pool.context.eq(judge.context),
            pool.address.eq(judge.address),
            pool.node_address.eq(judge.node_address),
            pool.is_first.eq(decision.is_deciding_first),
            pool.do_ask.eq(decision.do_ask),
            pool.do_end.eq(decision.do_end),
            pool.has_answer.eq(judge.has_answer),
            pool.is_allowed.eq(judge.is_allowed),
            pool.window.eq(judge.window),
            pool.bus_address.eq(judge.bus_address),
            offers.buffer_offers.eq(pool.offers),
            pool.offer_is_taken.eq(offers.buffer_is_taken),
            offers.question_offers.eq(pool.question_offers),
            pool.question_is_taken.eq(offers.question_is_taken),
            pool.question_is_judged.eq(offers.question_is_judged),
            pool.check_window.eq(judge.check.window),
            decision.has_node.eq(pool.has_node),
            decision.is_from_buffer.eq(pool.weighed_is_mine),
            decision.buffer_is_bad.eq(pool.is_bad),
            decision.buffer_failed.eq(pool.failed),
            decision.gives_up.eq(pool.gives_up),
            decision.context_given_up.eq(pool.context_given_up),
            pool.can_give_up.eq(decision.can_give_up),
            pool.expires.eq(watch.expires),
            pool.is_aborted.eq(decision.is_aborted),
            pool.is_alone.eq(is_alone_q),
            asks.may_be_parked.eq(pool.may_have_node),
            # A demand is abandoned in one clock only; a line can wait.
            pool.abandons.ready.eq(~decision.may_abandon),
        ]
        self._abandon(
            m,
            Mux(decision.may_abandon, decision.abandons.valid, pool.abandons.valid),
            Mux(decision.may_abandon, decision.abandons.payload.as_value(), pool.abandons.payload.as_value()),
        )
        for number in range(self._config.line_buffers):
            m.d.comb += [
                offers.buffer_contexts[number].eq(pool.offer_contexts[number]),
                offers.buffer_abis[number].eq(pool.offer_abis[number]),
                offers.buffer_addresses[number].eq(pool.offer_addresses[number]),
                offers.questions[number].eq(pool.questions[number]),
            ]
        return pool.handle, pool.handle_is_mine, pool.has_line

    def _abandon(self, m: Module, do_abandon: Value, abandoned: ValueLike) -> None:
        """A clock later, unless its last word comes in this one."""
        read = Signal(layouts.abandoned_read(self._config))
        do_abandon_q = Signal()
        is_over_q = Signal()
        m.d.comb += [read.eq(abandoned), self.abandons.valid.eq(do_abandon_q & ~is_over_q)]
        m.d.sync += [
            do_abandon_q.eq(do_abandon),
            self.abandons.payload.eq(read),
            is_over_q.eq(self.arrives & self.arriving_is_last & (self.arriving_id == read.id)),
        ]


def _has_two(bits: Value) -> Value:
    """Whether more than one bit is 1."""
    if len(bits) < 2:
        return Value.cast(Const(0, 1))
    low, high = bits[: len(bits) // 2], bits[len(bits) // 2 :]
    return _has_two(low) | _has_two(high) | (low.any() & high.any())
