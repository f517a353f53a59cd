"""A buffer of lines, lent to one context at a time."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import LIST_ADDRESS_BITS, WIDE_HANDLE_BITS, Abi

from .line_fetch import LineFetch, line_id
from .line_reader import LineReader
from .line_tags import WORD_BITS, LineTags, words_behind_first


class LineBuffer(wiring.Component):
    """Holds lines for its owner, fetches them, and hands out the nodes in them.

    A node that the owner asks for is looked for here. If its lines are here or on their way it comes from here, and
    nothing else is read for it. What it was lent for dies with the owner's command.

    Parameters
    ----------
    config : :class:`EngineConfig`
    number : int
        Of the buffer.

    Members
    -------
    do_lend, lent_context, lent_abi : In
        The buffer gets this owner. Only while ``has_owner`` is 0.
    is_wanted : In
        By its owner. The owner loses it when it is not, and no node is promised.
    has_owner, owner : Out
    arriving_id : In
        Of a beat, a clock before it.
    beats : ``In(stream of layouts.read_beat, always_ready=True)``
    may_look, looked_at, look_address, is_weighed : In
        This address of this context is judged, perhaps; a clock later: it is.
    is_judged, context, address, window, do_ask, judged_is_mine : In
        Two clocks later; ``judged_is_mine``: it came from here.
    check_window : In
        A clock before that: ``window``.
    may_have_node, has_node : Out
        In that clock: the node there comes from here, if it is asked for. ``may_have_node``, early in it: it was looked
        for here.
    abi : Out
        Of the owner's list.
    next_is_coming, next_address, next_is_taken, next_is_void : Out, Out, In, Out
    is_bad, failed, handle : Out
        See :class:`.LineReader`.
    is_expired, is_aborted : In
        Of the owner: it has waited too long, strobe; it was aborted.
    must_give_up, do_give_up : Out, In
        A node that was promised will not come from here; it is taken back in the clock of ``do_give_up``.
    is_alone, busy_ids, has_question, question, question_is_taken, has_answer, is_allowed, bus_address, lines :
        See :class:`.LineFetch`.
    may_abandon : Out
        No other buffer may abandon a line in this clock.
    abandons : ``Out(stream of layouts.abandoned_read)``
        Lines that took too long.
    """

    beats: stream.Interface
    lines: stream.Interface
    abandons: stream.Interface

    def __init__(self, config: EngineConfig, *, number: int):
        self._config = config
        self._number = number
        context = range(max(2, config.contexts))
        window = range(max(2, config.windows))
        super().__init__(
            {
                "do_lend": In(1),
                "lent_context": In(context),
                "lent_abi": In(Abi),
                "is_wanted": In(1),
                "has_owner": Out(1),
                "owner": Out(context),
                "arriving_id": In(config.id_width),
                "beats": In(stream.Signature(layouts.read_beat(config), always_ready=True)),
                "may_look": In(1),
                "is_weighed": In(1),
                "looked_at": In(context),
                "look_address": In(LIST_ADDRESS_BITS),
                "is_judged": In(1),
                "context": In(context),
                "address": In(LIST_ADDRESS_BITS),
                "window": In(window),
                "check_window": In(window),
                "do_ask": In(1),
                "judged_is_mine": In(1),
                "may_have_node": Out(1),
                "has_node": Out(1),
                "abi": Out(Abi),
                "next_is_coming": Out(1),
                "next_address": Out(LIST_ADDRESS_BITS),
                "next_is_taken": In(1),
                "next_is_void": Out(1),
                "is_bad": Out(1),
                "failed": Out(1),
                "handle": Out(WIDE_HANDLE_BITS),
                "is_expired": In(1),
                "is_aborted": In(1),
                "must_give_up": Out(1),
                "do_give_up": In(1),
                "is_alone": In(1),
                "busy_ids": In(config.lines),
                "has_question": Out(1),
                "question": Out(LIST_ADDRESS_BITS),
                "question_is_taken": In(1),
                "has_answer": In(1),
                "is_allowed": In(1),
                "bus_address": In(config.address_width),
                "lines": Out(stream.Signature(layouts.read_request(config))),
                "may_abandon": Out(1),
                "abandons": Out(stream.Signature(layouts.abandoned_read(config))),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        config = self._config
        m = Module()
        m.submodules.tags = tags = LineTags(config)
        m.submodules.reader = reader = LineReader(config)
        m.submodules.fetch = fetch = LineFetch(config, number=self._number)
        place_bits = config.lines.bit_length() - 1
        is_x86_q = Signal()
        is_asked_q = Signal()
        do_take_back = Signal()

        # The owner.
        with m.If(self.do_lend):
            m.d.sync += [
                self.has_owner.eq(1),
                self.owner.eq(self.lent_context),
                is_x86_q.eq(self.lent_abi == Abi.X86),
            ]
        with m.Elif(do_take_back):
            m.d.sync += self.has_owner.eq(0)
        # What the owner asks for, in the judge's three clocks. An owner that was lost meanwhile asks for nothing.
        may_weigh_q, was_weighed_q, must_keep_q = (
            Signal(name=name) for name in ("may_weigh_q", "was_weighed_q", "must_keep_q")
        )
        may_look = self.has_owner & self.may_look & (self.looked_at == self.owner)
        is_weighed = may_weigh_q & self.is_weighed & self.has_owner
        is_mine = was_weighed_q & self.has_owner
        m.d.sync += [
            may_weigh_q.eq(may_look),
            was_weighed_q.eq(is_weighed),
        ]
        m.d.comb += [
            tags.do_clear.eq(~self.has_owner),
            # Nothing is read for an owner that is lost.
            reader.do_stop.eq(~self.has_owner),
            do_take_back.eq(self.has_owner & ~self.is_wanted & ~is_asked_q & ~is_mine),
            reader.is_x86.eq(is_x86_q),
            self.abi.eq(Mux(is_x86_q, Abi.X86, Abi.X64)),
            fetch.has_owner.eq(self.has_owner),
        ]

        # Words come in.
        beat = self.beats.payload
        filled = beat.id[:place_bits]
        # Whose word it is, and whether it is awaited, is looked up as it arrives: nothing changes for it in that clock.
        is_for_me_q = Signal()
        is_awaited_q = Signal()
        m.d.sync += [
            is_for_me_q.eq((self.arriving_id ^ line_id(config, self._number))[place_bits:] == 0),
            is_awaited_q.eq(tags.is_awaited.bit_select(self.arriving_id[:place_bits], 1)),
        ]
        is_kept = self.beats.valid & is_for_me_q
        # A word counts a clock after it can be read: the tags are asked a clock after a node is read on trust.
        is_kept_q = Signal()
        is_final_q = Signal()
        m.d.sync += [
            is_kept_q.eq(is_kept),
            is_final_q.eq(beat.is_final),
            reader.do_write.eq(is_kept & is_awaited_q),
            reader.write_place.eq(Cat(beat.number[:WORD_BITS], filled)),
            reader.write_data.eq(beat.data),
            reader.write_failed.eq(beat.failed),
            tags.do_fill.eq(is_kept_q),
            tags.fill_place.eq(reader.write_place[WORD_BITS:]),
            tags.fill_number.eq(reader.write_place[:WORD_BITS]),
            tags.fill_is_final.eq(is_final_q),
        ]

        # Nodes go out.
        node_bits = slice(3, 3 + WORD_BITS + place_bits)
        has_node = Signal()
        m.d.comb += [
            tags.address.eq(self.look_address),
            tags.last_word.eq(words_behind_first(is_x86_q)),
            tags.place.eq(reader.place),
            tags.place_last_word.eq(words_behind_first(is_x86_q)),
            reader.place_is_whole.eq(tags.place_is_whole),
            reader.is_decided.eq(self.is_judged & self.judged_is_mine),
            tags.checked_window.eq(self.check_window),
            has_node.eq(is_mine & tags.is_here),
            self.may_have_node.eq(was_weighed_q),
            self.has_node.eq(has_node),
            reader.do_start.eq(has_node & self.do_ask),
            reader.start_is_whole.eq(tags.is_whole),
            reader.start_place.eq(self.address[node_bits]),
            reader.start_is_odd.eq(self.address[2]),
            self.next_is_coming.eq(reader.next_is_coming),
            self.next_address.eq(reader.next_address),
            reader.next_is_taken.eq(self.next_is_taken),
            self.next_is_void.eq(reader.next_is_void),
            self.is_bad.eq(reader.is_bad),
            self.failed.eq(reader.failed),
            self.handle.eq(reader.handle),
        ]
        with m.If(is_mine):
            m.d.sync += is_asked_q.eq(self.do_ask & has_node)
        with m.If(self.do_give_up | ~self.has_owner):
            m.d.sync += is_asked_q.eq(0)

        # A promise that cannot be kept: words that will never come, or not in time, or for nobody.
        is_late_q = Signal()
        with m.If(~reader.is_stuck):
            m.d.sync += is_late_q.eq(0)
        with m.Elif(self.is_expired):
            m.d.sync += is_late_q.eq(1)
        is_hopeless_q, was_aborted_q = Signal(name="is_hopeless_q"), Signal(name="was_aborted_q")
        m.d.sync += [
            was_aborted_q.eq(self.is_aborted),
            is_hopeless_q.eq(reader.is_stuck & (tags.place_is_dead | is_late_q | was_aborted_q)),
        ]
        m.d.comb += [
            self.must_give_up.eq(reader.is_stuck & is_hopeless_q),
            reader.do_give_up.eq(self.do_give_up),
        ]

        # Lines are fetched.
        connect(m, fetch.lines, flipped(self.lines))
        used = reader.place[WORD_BITS:]
        new = fetch.probe[:place_bits]
        # A node whose first word is one of a line's last two may have words in the next line.
        may_cross = reader.place[1:WORD_BITS].all()
        # What is in use was found out a clock before, so a node that is another one than was read on trust needs care.
        is_used_q = Signal()
        m.d.sync += [
            is_used_q.eq((new == used) | (may_cross & (new == (used + 1)[:place_bits]))),
            # What was looked for is not given away before the decision about it.
            must_keep_q.eq(may_look | may_weigh_q | reader.is_elsewhere),
        ]
        m.d.comb += [
            fetch.is_alone.eq(self.is_alone),
            fetch.may_move.eq(is_mine),
            fetch.do_move.eq(is_mine & self.do_ask),
            fetch.line.eq(self.address[9:]),
            fetch.window.eq(self.window),
            fetch.may_allocate.eq(~must_keep_q & ~(is_asked_q & is_used_q) & ~reader.is_elsewhere),
            fetch.busy_ids.eq(self.busy_ids),
            self.has_question.eq(fetch.has_question),
            self.question.eq(fetch.question),
            fetch.question_is_taken.eq(self.question_is_taken),
            fetch.has_answer.eq(self.has_answer),
            fetch.is_allowed.eq(self.is_allowed),
            fetch.answer_window.eq(self.window),
            fetch.bus_address.eq(self.bus_address),
            tags.probe.eq(fetch.probe),
            fetch.probe_is_held.eq(tags.probe_is_held),
            fetch.probe_is_busy.eq(tags.probe_is_busy),
            tags.do_allocate.eq(fetch.do_allocate),
            tags.line.eq(fetch.probe),
            tags.line_window.eq(fetch.line_window),
            tags.before.eq(fetch.before),
        ]

        # A line that takes too long is abandoned, with the ID of its place, if it is on the bus. Which one that is has
        # been known for a while when it is given up; it is dropped a clock later.
        behind = Signal(place_bits)
        late_q = Signal(place_bits)
        abandoned_q = Signal(place_bits)
        used_is_awaited_q, is_late_awaited_q, must_drop_q = (
            Signal(name=name) for name in ("used_is_awaited_q", "is_late_awaited_q", "must_drop_q")
        )
        must_abandon_q = Signal(config.lines)
        was_over_q = Signal()
        is_abandoned = Signal()
        m.d.sync += [
            used_is_awaited_q.eq(tags.is_awaited.bit_select(used, 1)),
            late_q.eq(Mux(used_is_awaited_q, used, behind)),
            is_late_awaited_q.eq((tags.is_awaited & self.busy_ids).bit_select(late_q, 1)),
        ]
        m.d.comb += [
            behind.eq(used + 1),
            is_abandoned.eq(self.do_give_up & is_late_q & is_late_awaited_q),
            self.abandons.valid.eq((must_abandon_q & self.busy_ids).any()),
            self.abandons.payload.id.eq(line_id(config, self._number) | abandoned_q),
            # Nothing else is dropped meanwhile: the buffer still has its owner.
            tags.do_drop.eq(fetch.do_drop | must_drop_q),
            tags.drop_place.eq(Mux(must_drop_q, abandoned_q, new)),
        ]
        # A place is not read into anew as soon as that.
        m.d.sync += [
            must_drop_q.eq(is_abandoned),
            was_over_q.eq(self.may_abandon & ~self.abandons.valid & ~is_abandoned),
        ]
        with m.If(is_abandoned):
            m.d.sync += [
                self.may_abandon.eq(1),
                must_abandon_q.eq(Cat(late_q == place for place in range(config.lines))),
                abandoned_q.eq(late_q),
            ]
        with m.Elif(self.abandons.ready | was_over_q):
            m.d.sync += [self.may_abandon.eq(0), must_abandon_q.eq(0)]
        return m
