"""What becomes of a walk once its next address is judged: it asks for the node there, or it ends."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import Abi, Status
from saoffload.hdl.local_copy import local_copy

from .abandons import Abandons
from .lookup import bit_of
from .picks import Picks


class Decision(wiring.Component):
    """Decides about one context per clock, and keeps the bits that say where each of them is.

    A context is *first* until its head is decided; then it *waits* for a node, until that is decided together with the
    address behind it: so the node that is visited and what its ``Next`` means are one decision. Usually that happens as
    the last word comes, with the ``Next`` that came the word before. If it cannot, the context is *late*: it is picked
    again later, with the ``Next`` as it was kept; an address that was taken before is dropped. A wait that expired is
    picked, too, once more if a word of it comes at that moment, and so is an abort of a context whose read has not left
    the ring.

    A decision takes three clocks: in the first what is known of the context is looked up by its number, in the second
    it is weighed with what came in that clock, in the third it is decided. An address whose context is decided
    meanwhile is dropped: that decision is the one that it was judged for.

    The order of statuses is the contract's. ABORTED stands until the last node is decided.

    Parameters
    ----------
    config : :class:`EngineConfig`
        ``contexts``, ``id_width``.

    Members
    -------
    starts, start_abi, start_is_delete : In
        Strobe for each context: a command begins.
    start_was_aborted : In
        A clock later: it was aborted already.
    may_mark, do_mark : ``In(contexts)``
        Strobes: these are aborted. ``may_mark``, earlier: unless they are decided.
    has_picked, picked_context, picked_abi, picked_is_taken : Out, Out, Out, In
        An address to be judged, of this context.
    is_wanted : ``Out(contexts)``
        Such an address of this context is on offer, or will be.
    lane_is_taken, lane_has_next : In
        A word on its way is judged instead; a clock later: it did hold a ``Next``, which is judged then.
    has_node, is_from_buffer, buffer_is_bad, buffer_failed : In
        See :class:`.LinePool`: the node asked for comes from a line buffer, as of clock 3 of the judge; the node before
        it did, as of clock 2.
    gives_up, context_given_up, can_give_up : In, In, Out
        A promised node does not come from a buffer.
    looked_at : In
        Clock 1 of the judge.
    is_weighed, weighed_context, is_first, is_delete : In, In, Out, Out
        Clock 2 of the judge, and what it needs of that context, as it was in clock 1.
    arriving_context : In
        A clock before ``word_context``.
    word_context, has_word, is_over, is_end, is_part_over, word_failed, failed, is_bad : In
    has_header, header_context, header_is_bad : In
        See :class:`.Lane`.
    is_right : In
        See :class:`.Judge`: two clocks after the address was offered.
    context, is_null, is_misaligned, is_allowed, is_met, is_too_long : In
        And three clocks after it.
    busy_ids : In
        No read is asked for with the ID of a read that is not over.
    pending, is_leaving, leaving_context : In
        Reads in the ring: see :class:`.AskQueue`.
    do_expire, visited_in_turn : In
        See :class:`.Watch`.
    do_settle, do_visit, do_ask, do_move, do_end, status, is_short : Out
        In clock 3 of the judge: it is decided, and this is what.
    do_offer, do_note : Out
        The same as ``do_ask``: for what leads to the bus in that clock, and for what is kept of the read.
    goes_on : Out
        Early in that clock: if anything is decided, it is ``do_ask`` and not ``do_end``.
    do_wake, wake_context : Out
        The node that was asked for is to be read by demand, because no buffer has it, or not whole. A clock after
        ``gives_up`` or the decision.
    is_promised : ``Out(contexts)``
        The node that this context waits for comes from a buffer; two clocks after the decision.
    do_second, second_context : Out
        The second part of this context's node is to be read: a clock after ``is_part_over``.
    do_wait : ``Out(contexts)``
        Strobes: the wait for a read begins.
    is_deleting, is_deciding_first : Out
        ``context`` is a delete by register; it is first.
    is_waiting, is_aborted, has_ended, deletes_by_register, abis_are_x86 : ``Out(contexts)``
    may_abandon : Out
        No other read may be abandoned in this clock.
    abandons : ``Out(stream of layouts.abandoned_read, always_ready=True)``
        Two clocks after the decision: see :class:`.Abandons`.
    """

    abandons: stream.Interface

    def __init__(self, config: EngineConfig):
        self._config = config
        context, each = range(max(2, config.contexts)), config.contexts
        super().__init__(
            {
                "starts": In(each),
                "start_abi": In(Abi),
                "start_is_delete": In(1),
                "start_was_aborted": In(1),
                "may_mark": In(each),
                "do_mark": In(each),
                "has_picked": Out(1),
                "picked_context": Out(context),
                "picked_abi": Out(Abi),
                "picked_is_taken": In(1),
                "is_wanted": Out(each),
                "lane_is_taken": In(1),
                "lane_has_next": In(1),
                "has_node": In(1),
                "is_from_buffer": In(1),
                "buffer_is_bad": In(1),
                "buffer_failed": In(1),
                "gives_up": In(1),
                "context_given_up": In(context),
                "can_give_up": Out(1),
                "do_wake": Out(1),
                "wake_context": Out(context),
                "is_promised": Out(each),
                "looked_at": In(context),
                "is_weighed": In(1),
                "weighed_context": In(context),
                "is_first": Out(1),
                "is_delete": Out(1),
                "arriving_context": In(context),
                "word_context": In(context),
                "has_word": In(1),
                "is_over": In(1),
                "is_end": In(1),
                "is_part_over": In(1),
                "word_failed": In(1),
                "has_header": In(1),
                "header_context": In(context),
                "header_is_bad": In(1),
                "failed": In(each),
                "is_bad": In(each),
                "context": In(context),
                "is_null": In(1),
                "is_misaligned": In(1),
                "is_allowed": In(1),
                "is_met": In(1),
                "is_too_long": In(1),
                "is_right": In(1),
                "busy_ids": In(2**config.id_width),
                "pending": In(each),
                "is_leaving": In(1),
                "leaving_context": In(context),
                "do_expire": In(each),
                "visited_in_turn": In(range(max(4, each))),
                "do_settle": Out(1),
                "do_visit": Out(1),
                "do_ask": Out(1),
                "do_offer": Out(1),
                "do_note": Out(1),
                "goes_on": Out(1),
                "do_move": Out(1),
                "do_end": Out(1),
                "status": Out(Status),
                "is_short": Out(1),
                "do_second": Out(1),
                "second_context": Out(context),
                "do_wait": Out(each),
                "is_deleting": Out(1),
                "is_deciding_first": Out(1),
                "is_waiting": Out(each),
                "is_aborted": Out(each),
                "has_ended": Out(each),
                "deletes_by_register": Out(each),
                "abis_are_x86": Out(each),
                "may_abandon": Out(1),
                "abandons": Out(stream.Signature(layouts.abandoned_read(config), always_ready=True)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        each = self._config.contexts
        is_first_q, is_late_q, is_expired_q = (
            Signal(each, name=name) for name in ("is_first_q", "is_late_q", "is_expired_q")
        )
        m.submodules.picks = picks = Picks(contexts=each)
        m.submodules.abandons_ = abandons = Abandons(self._config)

        def of(bits: Value, context: Value) -> Value:
            return Value.cast(bits.bit_select(context, 1))

        m.d.comb += [
            self.has_picked.eq(picks.has_picked),
            self.picked_context.eq(picks.context),
            self.picked_abi.eq(Mux(of(self.abis_are_x86, picks.context), Abi.X86, Abi.X64)),
            picks.is_taken.eq(self.picked_is_taken),
            self.is_wanted.eq(picks.is_wanted),
        ]
        # Of the address that was taken last: its context was late, and has not been decided since. Only then it is the
        # one behind its node.
        kept_was_late_q = Signal()
        kept_q = Signal.like(picks.context)
        with m.If(self.picked_is_taken):
            is_decided = self.do_settle & (self.context == picks.context)
            m.d.sync += [kept_q.eq(picks.context), kept_was_late_q.eq(of(is_late_q, picks.context) & ~is_decided)]
        with m.Elif(self.do_settle & (self.context == kept_q)):
            m.d.sync += kept_was_late_q.eq(0)

        # Clock 1 of the judge: what is known of the context. A word that was offered as it came lies in the lane now;
        # the node may be over with it, or with the word behind it, a clock later. An abort is known as it is marked.
        looked_at, weighed = self.looked_at, self.weighed_context
        is_from_lane_q, lane_is_weighed_q, was_over_q = (
            Signal(name=name) for name in ("is_from_lane_q", "lane_is_weighed_q", "was_over_q")
        )
        is_waiting_q, is_late, has_expired_q, is_stopping_q, is_marked_q, is_called_off_q = (
            Signal(name=name)
            for name in ("is_waiting_q", "is_late", "has_expired_q", "is_stopping_q", "is_marked_q", "is_called_off_q")
        )
        fails_q, word_fails_q, was_bad_q = (Signal(name=name) for name in ("fails_q", "word_fails_q", "was_bad_q"))
        has_header_q, header_is_bad_q, became_over_q = (
            Signal(name=name) for name in ("has_header_q", "header_is_bad_q", "became_over_q")
        )
        is_late_now = Signal()
        was_late_q = Signal()
        # The read master has a register of the same content, far from here.
        late_context_q = local_copy(m, "late_context", self.word_context)
        calls_off_q = Signal(each)
        is_first, is_delete = self.is_first, self.is_delete
        is_from_lane = is_from_lane_q & self.lane_has_next
        # Whose word it is, as of a clock before: of that word, the context of clock 1; of this one, that of clock 2.
        is_word_looked_at = self.word_context == looked_at
        word_was_looked_at_q, is_word_mine = Signal(name="word_was_looked_at_q"), Signal(name="is_word_mine")
        m.d.sync += [
            is_from_lane_q.eq(self.lane_is_taken),
            lane_is_weighed_q.eq(is_from_lane),
            was_over_q.eq(is_from_lane & self.has_word & self.is_end),
            is_first.eq(of(is_first_q, looked_at)),
            is_delete.eq(of(self.deletes_by_register, looked_at)),
            is_waiting_q.eq(of(self.is_waiting, looked_at)),
            is_late.eq(of(is_late_q, looked_at)),
            was_late_q.eq(kept_was_late_q),
            has_expired_q.eq(of(is_expired_q, looked_at)),
            is_stopping_q.eq(of(self.is_aborted, looked_at)),
            # A context that is decided meanwhile is not decided again.
            is_marked_q.eq(of(self.may_mark, looked_at)),
            calls_off_q.eq(self.pending & self.is_aborted),
            is_called_off_q.eq(of(calls_off_q, looked_at)),
            fails_q.eq(of(self.failed, looked_at)),
            word_fails_q.eq(self.word_failed & is_word_looked_at),
            was_bad_q.eq(of(self.is_bad, looked_at)),
            word_was_looked_at_q.eq(is_word_looked_at),
            is_word_mine.eq(self.arriving_context == looked_at),
            has_header_q.eq(self.has_header & (self.header_context == looked_at)),
            header_is_bad_q.eq(self.header_is_bad),
            became_over_q.eq((self.is_over & is_word_looked_at) | (is_late_now & (late_context_q == looked_at))),
        ]

        # Clock 2 of the judge.
        is_aborted = is_stopping_q | is_marked_q
        is_expired = has_expired_q & ~is_late
        is_called_off = is_called_off_q & is_waiting_q

        # Clock 3: the decision. It may ask for the node if nothing speaks against it; the bits that were set for a
        # decision before this one are gone with it. What much waits for are registers: whether it is due, and whether
        # the walk may go on but for its window.
        context = self.context
        is_due_q, may_go_on_q, is_right_q, is_stopped_q, word_stops_q, was_first_q, was_deleting_q, was_aborted_q = (
            Signal(name=name)
            for name in (
                "is_due_q",
                "may_go_on_q",
                "is_right_q",
                "is_stopped_q",
                "word_stops_q",
                "was_first_q",
                "was_deleting_q",
                "was_aborted_q",
            )
        )
        has_failed_q, was_expired_q, is_node_bad_q, does_fail_q, was_overtaken_q, was_put_off_q = (
            Signal(name=name)
            for name in (
                "has_failed_q",
                "was_expired_q",
                "is_node_bad_q",
                "does_fail_q",
                "was_overtaken_q",
                "was_put_off_q",
            )
        )
        is_from_buffer = self.is_from_buffer
        by_pick = ~lane_is_weighed_q & ~is_from_buffer
        pick_is_due = ~became_over_q & (is_first | (is_late & was_late_q) | is_expired | is_called_off)
        # Whom clock 3 decides and whom clock 2 weighs: the same, as of a clock before.
        is_same_q = Signal()
        m.d.sync += is_same_q.eq(weighed == looked_at)
        is_open = self.is_weighed & ~was_overtaken_q & ~(self.do_settle & is_same_q)
        # A word is decided if the node is whole with it. A pick is put off if any word of its context comes, and made
        # anew: whether the node is over with it, and so late, is known late in this clock.
        by_buffer = is_open & is_from_buffer & ~self.buffer_failed
        by_word = is_open & ~is_from_buffer & lane_is_weighed_q & is_waiting_q
        by_itself = is_open & by_pick & pick_is_due
        has_word_mine = self.has_word & is_word_mine
        is_due = Signal()
        # What comes of the word that arrives is known last, so all else is told in two bits: it is due, or it is with a
        # word that ends the node, or without any word, or it is not.
        is_certain = by_buffer | (by_word & was_over_q)
        with m.Switch(Cat(is_certain | by_itself, (by_word & ~was_over_q) | by_itself)):
            with m.Case(0b01):
                m.d.comb += is_due.eq(1)
            with m.Case(0b10):
                m.d.comb += is_due.eq(has_word_mine & self.is_end)
            with m.Case(0b11):
                m.d.comb += is_due.eq(~has_word_mine)

        failed_before = (fails_q | word_fails_q) & ~is_from_buffer
        fails_now = self.word_failed & is_word_mine & ~is_from_buffer
        has_header_now = self.has_header & word_was_looked_at_q
        word_is_bad = Mux(has_header_now, self.header_is_bad, Mux(has_header_q, header_is_bad_q, was_bad_q))
        bad = Cat(~is_from_buffer & word_is_bad, is_from_buffer & self.buffer_is_bad)
        spoils = Cat(bad, failed_before | (by_pick & is_expired)) & (~is_first).replicate(3)
        may_go_on = ~is_aborted & ~(~is_first & fails_now) & ~bit_of(self.busy_ids[:each], weighed)
        is_right = self.is_right & ~spoils.any()
        m.d.sync += [
            is_due_q.eq(is_due),
            was_put_off_q.eq(by_itself & has_word_mine),
            may_go_on_q.eq(may_go_on),
            is_right_q.eq(is_right),
            is_stopped_q.eq(Cat(spoils, is_aborted & (~is_first | is_delete)).any()),
            word_stops_q.eq(~is_first & fails_now),
            was_first_q.eq(is_first),
            was_deleting_q.eq(is_delete),
            was_aborted_q.eq(is_aborted),
            has_failed_q.eq(failed_before | fails_now),
            was_expired_q.eq(by_pick & is_expired),
            is_node_bad_q.eq(bad.any()),
            does_fail_q.eq(self.is_weighed & is_from_buffer & self.buffer_failed),
            was_overtaken_q.eq(self.do_settle & (context == self.looked_at)),
        ]
        # From one register to all that a decision changes, and on to the bus, would be the longest way there is.
        verdict = Cat(is_due, may_go_on, is_right)
        for name, asks in (("offer", self.do_offer), ("note", self.do_note), ("ask", self.do_ask)):
            m.d.comb += asks.eq(local_copy(m, name, verdict).all() & self.is_allowed)
        was_stopped = is_stopped_q | word_stops_q
        has_node = ~was_first_q | was_deleting_q
        m.d.comb += [
            self.goes_on.eq(may_go_on_q & is_right_q & self.is_allowed),
            self.do_settle.eq(is_due_q),
            self.do_end.eq(is_due_q & ~self.goes_on),
            self.do_visit.eq(is_due_q & has_node & ~was_stopped),
            self.do_move.eq(~was_stopped),
            self.is_short.eq(has_node & was_stopped),
            self.is_deleting.eq(was_deleting_q),
            self.is_deciding_first.eq(was_first_q),
            # A node out of a buffer is read once more by demand if a word of it failed.
            self.can_give_up.eq(~does_fail_q),
        ]
        m.d.sync += [
            self.do_wake.eq(does_fail_q | self.gives_up),
            self.wake_context.eq(Mux(does_fail_q, context, self.context_given_up)),
        ]
        with m.If(was_aborted_q):
            m.d.comb += self.status.eq(Status.ABORTED)
        with m.Elif(~was_first_q & has_failed_q):
            m.d.comb += self.status.eq(Status.BUS_ERROR)
        with m.Elif(was_expired_q):
            m.d.comb += self.status.eq(Status.TIMEOUT)
        with m.Elif(~was_first_q & is_node_bad_q):
            m.d.comb += self.status.eq(Status.BAD_HEADER)
        with m.Elif(self.is_null):
            m.d.comb += self.status.eq(Status.OK)
        with m.Elif(self.is_misaligned):
            m.d.comb += self.status.eq(Status.MISALIGNED)
        with m.Elif(~self.is_allowed):
            m.d.comb += self.status.eq(Status.OUT_OF_WINDOW)
        with m.Elif(self.is_met):
            m.d.comb += self.status.eq(Status.LOOP)
        with m.Elif(self.is_too_long):
            m.d.comb += self.status.eq(Status.TOO_LONG)
        with m.Else():
            m.d.comb += self.status.eq(Status.TIMEOUT)

        # A word that completes a node which is not decided with it makes its context late, a clock later.
        was_waiting_q, was_settled_q, was_over_now_q, was_part_over_q, was_decided_q = (
            Signal(name=name)
            for name in ("was_waiting_q", "was_settled_q", "was_over_now_q", "was_part_over_q", "was_decided_q")
        )
        is_decided_with_it = (
            self.has_word & self.is_end & (is_from_lane | (lane_is_weighed_q & self.is_weighed & is_word_mine))
        )
        m.d.sync += [
            was_waiting_q.eq(of(self.is_waiting, self.word_context)),
            was_settled_q.eq(self.do_settle & (context == self.word_context)),
            was_over_now_q.eq(self.is_over),
            was_part_over_q.eq(self.is_part_over),
            was_decided_q.eq(is_decided_with_it),
        ]
        m.d.comb += [
            is_late_now.eq(was_over_now_q & was_waiting_q & ~was_settled_q & ~was_decided_q),
            self.do_second.eq(was_part_over_q & was_waiting_q & ~was_settled_q),
            self.second_context.eq(late_context_q),
        ]
        m.d.comb += self.do_wait.eq(
            Cat(
                (self.do_ask & (context == number))
                | (self.do_second & (self.second_context == number))
                | (self.do_wake & (self.wake_context == number))
                for number in range(each)
            )
        )

        m.d.comb += [
            abandons.do_time_out.eq(is_due_q & was_expired_q),
            abandons.context.eq(context),
            abandons.pending.eq(self.pending),
            abandons.is_leaving.eq(self.is_leaving),
            abandons.leaving_context.eq(self.leaving_context),
            abandons.busy_ids.eq(self.busy_ids),
            self.may_abandon.eq(abandons.may_abandon),
        ]
        connect(m, abandons.abandons, flipped(self.abandons))

        # The bits. What a decision sets prevails over what happened to its context in the same clock. A wait for a
        # buffer does not expire here; that it is one is noted a clock later, in which no wait that has just begun
        # expires.
        did_settle_q = Signal()
        starts_q = Signal(each)
        decided_q = Signal.like(context)
        was_promised_q = Signal()
        m.d.sync += [
            did_settle_q.eq(self.do_settle),
            starts_q.eq(self.starts),
            decided_q.eq(context),
            was_promised_q.eq(self.goes_on & self.has_node),
        ]
        with m.If(did_settle_q):
            m.d.sync += of(self.is_promised, decided_q).eq(was_promised_q)
        in_turn = self.visited_in_turn
        # What expires was looked up a clock ago: a wait that a decision ended meanwhile is not decided again.
        expires = self.do_expire & ~self.is_promised & self.is_waiting
        m.d.sync += [
            self.is_aborted.eq(self.is_aborted | self.do_mark | (starts_q & self.start_was_aborted.replicate(each))),
            is_expired_q.eq(is_expired_q | expires),
        ]
        for number in range(each):
            is_called_off_in_turn = (in_turn == number) & calls_off_q[number]
            is_late_here = is_late_now & (late_context_q == number)
            is_put_off = was_put_off_q & (context == number)
            m.d.comb += picks.do_want[number].eq(
                is_called_off_in_turn | expires[number] | is_late_here | is_put_off | self.starts[number]
            )
            with m.If(is_late_here):
                m.d.sync += is_late_q[number].eq(1)
            with m.If(self.do_wake & (self.wake_context == number)):
                m.d.sync += self.is_promised[number].eq(0)
        with m.If(self.do_settle):
            m.d.sync += [
                of(is_first_q, context).eq(0),
                of(is_late_q, context).eq(0),
                of(is_expired_q, context).eq(0),
                of(self.is_waiting, context).eq(self.goes_on),
                of(self.has_ended, context).eq(~self.goes_on),
            ]
        for number in range(each):
            with m.If(self.starts[number]):
                m.d.sync += [
                    self.abis_are_x86[number].eq(self.start_abi == Abi.X86),
                    is_first_q[number].eq(1),
                    is_late_q[number].eq(0),
                    is_expired_q[number].eq(0),
                    self.is_waiting[number].eq(0),
                    self.is_promised[number].eq(0),
                    self.has_ended[number].eq(0),
                    self.is_aborted[number].eq(0),
                    self.deletes_by_register[number].eq(self.start_is_delete),
                ]
        return m
