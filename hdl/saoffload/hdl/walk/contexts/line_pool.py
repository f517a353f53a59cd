"""The line buffers, and who has them."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import LIST_ADDRESS_BITS, WIDE_HANDLE_BITS, Abi

from .benefit import Benefit
from .line_buffer import LineBuffer
from .line_fetch import line_id
from .round_robin import RoundRobin


class LinePool(wiring.Component):
    """Lends each line buffer to one of the contexts that want lines, and joins what the buffers say.

    A context has one buffer at most, so at most one of them has anything to say about a node.

    Parameters
    ----------
    config : :class:`EngineConfig`
        ``line_buffers``, at least 1.

    Members
    -------
    arriving_id, beats, busy_ids, lines : In and streams
        From and to the read master. The ID of a beat comes a clock before it.
    abis_are_x86 : ``In(contexts)``
    may_look, looked_at, look_address, is_weighed : In
        An address of a context is looked at, perhaps; a clock later: it is judged, and no question.
    is_judged, context, address, node_address, is_first, do_ask, do_end : In
        Two clocks later: what was decided.
    check_window : In
        A clock before that: the window.
    has_answer, is_allowed, window, bus_address : In
        In that clock, too: what the windows say. ``has_answer``: to a question.
    offers, offer_contexts, offer_abis, offer_addresses, offer_is_taken, offer_is_void, questions, ... : Out and In
        See :class:`.Offers`.
    weighed_is_mine, is_bad, failed : Out
        In the clock of ``is_weighed``: the node that will be decided comes from a buffer; its header is wrong; a word
        of it failed.
    may_have_node, has_node : Out
        In the clock of ``is_judged``: the node asked for comes from a buffer. ``may_have_node``, early in it: its
        context has one.
    handle, handle_is_mine : Out
        A clock later: of the node that was decided.
    expires, is_aborted : ``In(contexts)``
        Strobes: these have waited too long; they are aborted.
    gives_up, context_given_up, can_give_up : Out, Out, In
        Strobe in a clock of ``can_give_up``: the node that was promised to this context will not come from a buffer.
    is_alone : In
    has_line : Out
        A line was asked for that ``lines`` has not taken yet.
    abandons : ``Out(stream of layouts.abandoned_read)``
    """

    beats: stream.Interface
    lines: stream.Interface
    abandons: stream.Interface

    def __init__(self, config: EngineConfig):
        self._config = config
        buffers, each = config.line_buffers, config.contexts
        context = range(max(2, each))
        super().__init__(
            {
                "arriving_id": In(config.id_width),
                "beats": In(stream.Signature(layouts.read_beat(config), always_ready=True)),
                "busy_ids": In(2**config.id_width),
                "lines": Out(stream.Signature(layouts.read_request(config))),
                "abis_are_x86": In(each),
                "may_look": In(1),
                "is_weighed": In(1),
                "looked_at": In(context),
                "look_address": In(LIST_ADDRESS_BITS),
                "is_judged": In(1),
                "context": In(context),
                "address": In(LIST_ADDRESS_BITS),
                "node_address": In(LIST_ADDRESS_BITS),
                "is_first": In(1),
                "do_ask": In(1),
                "do_end": In(1),
                "has_answer": In(1),
                "is_allowed": In(1),
                "window": In(range(max(2, config.windows))),
                "bus_address": In(config.address_width),
                "offers": Out(buffers),
                "offer_contexts": Out(context).array(buffers),
                "offer_abis": Out(Abi).array(buffers),
                "offer_addresses": Out(LIST_ADDRESS_BITS).array(buffers),
                "offer_is_taken": In(buffers),
                "offer_is_void": Out(buffers),
                "question_offers": Out(buffers),
                "questions": Out(LIST_ADDRESS_BITS).array(buffers),
                "question_is_taken": In(buffers),
                "question_is_judged": In(buffers),
                "check_window": In(range(max(2, config.windows))),
                "may_have_node": Out(1),
                "has_node": Out(1),
                "weighed_is_mine": Out(1),
                "is_bad": Out(1),
                "failed": Out(1),
                "handle": Out(WIDE_HANDLE_BITS),
                "handle_is_mine": Out(1),
                "expires": In(each),
                "is_aborted": In(each),
                "gives_up": Out(1),
                "context_given_up": Out(context),
                "can_give_up": In(1),
                "is_alone": In(1),
                "has_line": Out(1),
                "abandons": Out(stream.Signature(layouts.abandoned_read(config))),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        config = self._config
        m = Module()
        m.submodules.benefit = benefit = Benefit(config)
        m.submodules.turn = turn = RoundRobin(width=config.contexts)
        buffers = [LineBuffer(config, number=number) for number in range(config.line_buffers)]
        for number, buffer in enumerate(buffers):
            m.submodules[f"buffer_{number}"] = buffer

        m.d.comb += [
            benefit.do_ask.eq(self.is_judged & self.do_ask),
            benefit.do_end.eq(self.is_judged & self.do_end),
            benefit.context.eq(self.context),
            benefit.is_first.eq(self.is_first),
            benefit.address.eq(self.address),
            benefit.node_address.eq(self.node_address),
        ]

        # An unlent buffer goes to a context that wants lines and has none.
        wants = benefit.wants_lines
        is_served_q = Signal(config.contexts)
        m.d.sync += is_served_q.eq(
            Cat(
                Cat(buffer.has_owner & (buffer.owner == number) for buffer in buffers).any()
                for number in range(config.contexts)
            )
        )
        # Found, lent, seen to be lent, known to be: nobody is looked for until all that is over.
        has_found_q, was_lent_q = Signal(name="has_found_q"), Signal(2, name="was_lent_q")
        found_q = Signal.like(self.context)
        can_lend_q = Signal()
        m.d.sync += [
            can_lend_q.eq(Cat(~buffer.has_owner for buffer in buffers).any()),
            has_found_q.eq(turn.is_any & can_lend_q & ~has_found_q & ~was_lent_q.any()),
            was_lent_q.eq(Cat(has_found_q, was_lent_q)),
            found_q.eq(turn.index),
        ]
        m.d.comb += [turn.requests.eq(wants & ~is_served_q), turn.do_take.eq(has_found_q), turn.taken.eq(found_q)]
        is_lent = Signal()
        for number, buffer in enumerate(buffers):
            do_lend = has_found_q & ~buffer.has_owner & ~is_lent
            m.d.comb += [
                buffer.do_lend.eq(do_lend),
                buffer.lent_context.eq(found_q),
                buffer.lent_abi.eq(Mux(self.abis_are_x86.bit_select(found_q, 1), Abi.X86, Abi.X64)),
            ]
            is_wanted_q = Signal(name=f"is_wanted_{number}_q")
            m.d.sync += is_wanted_q.eq(do_lend | wants.bit_select(buffer.owner, 1))
            m.d.comb += buffer.is_wanted.eq(is_wanted_q)
            is_lent = is_lent | do_lend

        # Who an address came from, in the judge's three clocks, and who asked.
        mine_q = [Signal(len(buffers), name=f"mine_{clock}_q") for clock in range(1, 4)]
        asked_q = [Signal(len(buffers), name=f"asked_{clock}_q") for clock in range(1, 4)]
        m.d.sync += Cat(mine_q).eq(Cat(self.offer_is_taken, *mine_q[:-1]))
        m.d.sync += Cat(asked_q).eq(Cat(self.question_is_judged, *asked_q[:-1]))

        is_free = self.can_give_up
        for number, buffer in enumerate(buffers):
            place = slice(line_id(config, number), line_id(config, number) + config.lines)
            m.d.comb += [
                buffer.arriving_id.eq(self.arriving_id),
                buffer.beats.valid.eq(self.beats.valid),
                buffer.beats.payload.eq(self.beats.payload),
                buffer.busy_ids.eq(self.busy_ids[place]),
                buffer.may_look.eq(self.may_look),
                buffer.is_weighed.eq(self.is_weighed),
                buffer.looked_at.eq(self.looked_at),
                buffer.look_address.eq(self.look_address),
                buffer.is_judged.eq(self.is_judged),
                buffer.context.eq(self.context),
                buffer.address.eq(self.address),
                buffer.window.eq(self.window),
                buffer.check_window.eq(self.check_window),
                buffer.do_ask.eq(self.do_ask),
                buffer.judged_is_mine.eq(mine_q[2][number]),
                self.offers[number].eq(buffer.next_is_coming),
                self.offer_contexts[number].eq(buffer.owner),
                self.offer_abis[number].eq(buffer.abi),
                self.offer_addresses[number].eq(buffer.next_address),
                self.offer_is_void[number].eq(buffer.next_is_void),
                buffer.next_is_taken.eq(self.offer_is_taken[number]),
                buffer.is_expired.eq(self.expires.bit_select(buffer.owner, 1)),
                buffer.is_aborted.eq(self.is_aborted.bit_select(buffer.owner, 1)),
                buffer.do_give_up.eq(buffer.must_give_up & is_free),
                buffer.is_alone.eq(self.is_alone),
                self.question_offers[number].eq(buffer.has_question),
                self.questions[number].eq(buffer.question),
                buffer.question_is_taken.eq(self.question_is_taken[number]),
                buffer.has_answer.eq(self.has_answer & asked_q[2][number]),
                buffer.is_allowed.eq(self.is_allowed),
                buffer.bus_address.eq(self.bus_address),
            ]
            is_free = is_free & ~buffer.must_give_up

        weighed, judged = (mine[-1] if len(buffers) > 1 else 0 for mine in mine_q[1:])
        m.d.sync += [
            self.handle.eq(Array(buffer.handle for buffer in buffers)[judged]),
            self.handle_is_mine.eq(mine_q[2].any()),
        ]
        m.d.comb += [
            self.may_have_node.eq(Cat(buffer.may_have_node for buffer in buffers).any()),
            self.has_node.eq(Cat(buffer.has_node for buffer in buffers).any()),
            self.weighed_is_mine.eq(mine_q[1].any()),
            self.is_bad.eq(Array(buffer.is_bad for buffer in buffers)[weighed]),
            self.failed.eq(Array(buffer.failed for buffer in buffers)[weighed]),
            self.gives_up.eq(Cat(buffer.do_give_up for buffer in buffers).any()),
            self.context_given_up.eq(Mux(buffers[0].do_give_up, buffers[0].owner, buffers[-1].owner)),
        ]

        # One line at a time, the buffers in turn, kept until it is taken; the same for what they abandon.
        # Each is looked at in turn, and told a clock later that its line was taken.
        line_q = Signal.like(self.lines.payload)
        turn_q = Signal()
        is_taken_q = Signal(len(buffers))
        m.d.comb += [self.lines.valid.eq(self.has_line), self.lines.payload.eq(line_q)]
        if len(buffers) > 1:
            m.d.sync += turn_q.eq(~turn_q)
        with m.If(self.lines.ready):
            m.d.sync += self.has_line.eq(0)
        m.d.sync += is_taken_q.eq(0)
        for number, buffer in enumerate(buffers):
            m.d.comb += buffer.lines.ready.eq(is_taken_q[number])
            with m.If((turn_q == number) & ~self.has_line):
                m.d.sync += [
                    self.has_line.eq(buffer.lines.valid),
                    is_taken_q[number].eq(buffer.lines.valid),
                    line_q.eq(buffer.lines.payload),
                ]
        first = buffers[0].abandons
        m.d.comb += first.ready.eq(self.abandons.ready)
        m.d.comb += [self.abandons.valid.eq(first.valid), self.abandons.payload.eq(first.payload)]
        if len(buffers) > 1:
            second = buffers[1].abandons
            m.d.comb += second.ready.eq(self.abandons.ready & ~buffers[0].may_abandon)
            with m.If(~buffers[0].may_abandon):
                m.d.comb += [self.abandons.valid.eq(second.valid), self.abandons.payload.eq(second.payload)]
        return m
