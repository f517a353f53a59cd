"""Which lines a line buffer reads: the one that is wanted, the rest of its page, or those the walk will come to."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import WORDS_PER_LINE, EngineConfig
from saoffload.hdl.layouts import LIST_ADDRESS_BITS

from .line_tags import LINE_BITS

#: Steps up less steps down, since the last jump: from here on, a walk is believed to go on so.
BELIEF = 4
MOST_BELIEF = 7
LINES_PER_PAGE = 8
#: The last place in a line at which an x64 node fits: if that is inside a window and the first one too, all is.
LAST_NODE = 512 - 24
KEPT_BEHIND = 3
SHARED_AHEAD = 2
PARTS = 5
"""Of a comparison of lines."""


class Course(enum.Enum, shape=2):
    """Which lines to look at after the one that is wanted."""

    NONE = 0
    PAGE = 1
    UP = 2
    DOWN = 3


class LineFetch(wiring.Component):
    """Reads the line of each node that its context asks for, and lines that it expects to be asked for.

    On the second line of a page the rest of the page is read, the wanted line first. When the walk has moved on to the
    next line, or to the one before, often enough, lines ahead of it are read instead, as many as the buffer holds
    without giving up the last few behind it; few if other commands walk too. A line is read only if one window holds it
    wholly, the one of the node: so it never crosses a window's edge, and being aligned it never crosses 4 KB.

    Parameters
    ----------
    config : :class:`EngineConfig`
    number : int
        Of the buffer: its reads have the IDs of its places.

    Members
    -------
    has_owner : ``In(1)``
        While 0 nothing is read, and what is not on its way to the bus yet is called off.
    is_alone : ``In(1)``
        No other command walks.
    may_move, do_move, line, window : In
        A node is asked for: the line of its first byte, and the window that it lies in. ``may_move``, early in that
        clock: one may be. At least three clocks apart.
    probe, probe_is_held, probe_is_busy, do_allocate, line_window, before, do_drop : Out and In
        See :class:`.LineTags`; ``probe`` is the line of all of them.
    may_allocate : In
        A place may be given to another line in this clock.
    busy_ids : In
        Of the places of this buffer.
    has_question, question, question_is_taken : Out, Out, In
        An address of an x64 node to be judged by the windows.
    has_answer, is_allowed, answer_window, bus_address : In
        The judgement, three clocks after it was taken.
    lines : ``Out(stream of layouts.read_request)``
        ``ready`` comes a clock after the request was taken, with or without ``valid``.
    """

    lines: stream.Interface

    def __init__(self, config: EngineConfig, *, number: int):
        self._config = config
        self._number = number
        window = range(max(2, config.windows))
        super().__init__(
            {
                "has_owner": In(1),
                "is_alone": In(1),
                "may_move": In(1),
                "do_move": In(1),
                "line": In(LINE_BITS),
                "window": In(window),
                "probe": Out(LINE_BITS),
                "probe_is_held": In(1),
                "probe_is_busy": In(1),
                "do_allocate": Out(1),
                "line_window": Out(window),
                "before": Out(LINE_BITS),
                "do_drop": Out(1),
                "may_allocate": In(1),
                "busy_ids": In(config.lines),
                "has_question": Out(1),
                "question": Out(LIST_ADDRESS_BITS),
                "question_is_taken": In(1),
                "has_answer": In(1),
                "is_allowed": In(1),
                "answer_window": In(window),
                "bus_address": In(config.address_width),
                "lines": Out(stream.Signature(layouts.read_request(config))),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        config = self._config
        m = Module()
        place_bits = config.lines.bit_length() - 1
        course_q, must_restart_q, here_q, window_q = self._add_course(m)

        # The line that is looked at, and how many more there are to look at: none left is -1.
        candidate_q = self.probe
        walked_q = Signal(Course)
        # The line above it, or below: every line is looked at for some clocks.
        following_q = Signal(LINE_BITS)
        goes_down_q = Signal()
        left_bits = (config.lines + LINES_PER_PAGE - 1).bit_length()
        left_q = Signal(left_bits, init=(1 << left_bits) - 1)
        wanted_window_q = self.line_window
        is_high_q = Signal()
        is_good_q = Signal()
        is_id_busy_q = Signal()
        request = self.lines.payload
        place = candidate_q[:place_bits]
        m.d.sync += [
            following_q.eq(candidate_q + Cat(Const(1, 1), goes_down_q.replicate(LINE_BITS - 1))),
            is_id_busy_q.eq(self.busy_ids.bit_select(place, 1)),
            is_good_q.eq(self.is_allowed & (self.answer_window == wanted_window_q)),
        ]
        ahead = Mux(self.is_alone, config.lines - 1 - KEPT_BEHIND, SHARED_AHEAD)
        m.d.comb += [
            self.question.eq(Cat(Mux(is_high_q, LAST_NODE, 0)[:9], candidate_q)),
            self.before.eq(candidate_q - config.lines),
            request.beat_count.eq(WORDS_PER_LINE),
            request.id.eq(line_id(config, self._number) | place),
        ]

        # A bit for each state: who waits for one looks at that alone.
        choose, probe, compare, look, ask, hear, decide, allocate, request_, advance = (
            Signal(name=f"is_in_{name}_q", init=name == "choose")
            for name in (
                "choose",
                "probe",
                "compare",
                "look",
                "ask",
                "hear",
                "decide",
                "allocate",
                "request",
                "advance",
            )
        )
        is_here = self.probe_is_held | self.probe_is_busy | is_id_busy_q
        is_wanted = self.has_owner & ~must_restart_q
        # What was asked for an owner that is gone is not read for the next one: the windows may be others by then.
        is_stale_q = Signal()
        is_owned = is_wanted & ~is_stale_q
        with m.If(choose):
            m.d.sync += is_stale_q.eq(0)
        with m.If(~self.has_owner):
            m.d.sync += is_stale_q.eq(1)
        is_one_left = ~left_q[-1]
        m.d.sync += [
            choose.eq(
                (choose & ~must_restart_q & ~(self.has_owner & is_one_left))
                | (look & ~is_here & ~self.has_owner)
                | (decide & is_good_q & ~is_high_q & is_stale_q)
                | (allocate & ~is_owned)
                | advance
            ),
            probe.eq(choose & must_restart_q),
            compare.eq(probe | (choose & is_wanted & is_one_left)),
            look.eq(compare),
            ask.eq(
                (look & ~is_here & self.has_owner)
                | (ask & ~self.question_is_taken)
                | (decide & is_good_q & ~is_high_q & ~is_stale_q)
            ),
            hear.eq((ask & self.question_is_taken) | (hear & ~self.has_answer)),
            decide.eq(hear & self.has_answer),
            allocate.eq((decide & is_good_q & is_high_q) | (allocate & is_owned & ~self.may_allocate)),
            request_.eq((allocate & is_owned & self.may_allocate) | (request_ & self.has_owner & ~self.lines.ready)),
            advance.eq((look & is_here) | (decide & ~is_good_q) | (request_ & (self.lines.ready | ~self.has_owner))),
        ]
        with m.If(choose & must_restart_q):
            m.d.sync += [
                must_restart_q.eq(0),
                candidate_q.eq(here_q),
                wanted_window_q.eq(window_q),
                walked_q.eq(course_q),
                goes_down_q.eq(course_q == Course.DOWN),
            ]
            with m.Switch(course_q):
                with m.Case(Course.NONE):
                    m.d.sync += left_q.eq(0)
                with m.Case(Course.PAGE):
                    m.d.sync += left_q.eq(LINES_PER_PAGE - 1)
                with m.Default():
                    m.d.sync += left_q.eq(ahead)
        with m.If((choose & ~must_restart_q & ~self.has_owner) | (look & ~self.has_owner) | (allocate & ~is_owned)):
            m.d.sync += left_q.eq(-1)
        with m.If(compare):
            m.d.sync += is_high_q.eq(0)
        with m.If(decide):
            m.d.sync += is_high_q.eq(1)
        with m.If(hear & ~is_high_q):
            m.d.sync += request.address.eq(Cat(Const(0, 9), self.bus_address[9:]))
        with m.If(advance):
            m.d.sync += [left_q.eq(left_q - 1), candidate_q[:3].eq(following_q[:3])]
            with m.If(walked_q != Course.PAGE):
                m.d.sync += candidate_q[3:].eq(following_q[3:])
        m.d.comb += [
            self.has_question.eq(ask),
            self.do_allocate.eq(allocate & is_owned & self.may_allocate),
            self.lines.valid.eq(request_ & self.has_owner),
            self.do_drop.eq(request_ & ~self.has_owner & ~self.lines.ready),
        ]
        return m

    def _add_course(self, m: Module) -> tuple[Signal, Signal, Signal, Signal]:
        """Where the walk is and where it seems to go. A move shows five clocks after it, at most."""
        # The lines beside the one where the walk is are kept, so that a move is two comparisons and no addition.
        here_q, above_q, below_q, line_q = (
            Signal(LINE_BITS, name=name) for name in ("here_q", "above_q", "below_q", "line_q")
        )
        window_q = Signal.like(self.window)
        moved_window_q = Signal.like(self.window)
        has_been_here_q = Signal()
        has_moved_q, is_compared_q, is_joined_q, is_weighed_q = (
            Signal(name=name) for name in ("has_moved_q", "is_compared_q", "is_joined_q", "is_weighed_q")
        )
        is_other_q, is_above_q, is_below_q, is_in_page_q = (
            Signal(name=name) for name in ("is_other_q", "is_above_q", "is_below_q", "is_in_page_q")
        )
        belief_q = Signal(range(-MOST_BELIEF, MOST_BELIEF + 1))
        course_q = Signal(Course)
        must_restart_q = Signal()

        # Compared in parts, joined, weighed: a clock each. Moves are three clocks apart at least.
        page_parts_q, same_parts_q, above_parts_q, below_parts_q = (
            Signal(PARTS, name=name) for name in ("page_parts_q", "same_parts_q", "above_parts_q", "below_parts_q")
        )
        m.d.sync += [
            has_moved_q.eq(self.do_move),
            is_compared_q.eq(has_moved_q),
            same_parts_q.eq(_parts(line_q, here_q)),
            above_parts_q.eq(_parts(line_q, above_q)),
            below_parts_q.eq(_parts(line_q, below_q)),
            page_parts_q.eq(_parts(line_q[3:], here_q[3:])),
            is_joined_q.eq(is_compared_q),
            is_other_q.eq(~(has_been_here_q & same_parts_q.all())),
            is_above_q.eq(above_parts_q.all()),
            is_below_q.eq(below_parts_q.all()),
            is_in_page_q.eq(page_parts_q.all() & has_been_here_q),
        ]
        with m.If(self.may_move):
            m.d.sync += [line_q.eq(self.line), moved_window_q.eq(self.window)]
        # Steps up less steps down.
        belief = Signal.like(belief_q)
        with m.If(~has_been_here_q):
            m.d.comb += belief.eq(0)
        with m.Elif(is_above_q):
            m.d.comb += belief.eq(Mux(belief_q == MOST_BELIEF, MOST_BELIEF, belief_q + 1))
        with m.Elif(is_below_q):
            m.d.comb += belief.eq(Mux(belief_q == -MOST_BELIEF, -MOST_BELIEF, belief_q - 1))
        is_page_q = Signal()
        with m.If(is_joined_q & is_other_q):
            m.d.sync += [
                belief_q.eq(belief),
                is_page_q.eq(is_in_page_q),
                here_q.eq(line_q),
                above_q.eq(line_q + 1),
                below_q.eq(line_q - 1),
                window_q.eq(moved_window_q),
                has_been_here_q.eq(1),
            ]
        m.d.sync += is_weighed_q.eq(is_joined_q & is_other_q)
        with m.If(is_weighed_q):
            m.d.sync += must_restart_q.eq(1)
            with m.If(belief_q >= BELIEF):
                m.d.sync += course_q.eq(Course.UP)
            with m.Elif(belief_q <= -BELIEF):
                m.d.sync += course_q.eq(Course.DOWN)
            with m.Elif(is_page_q):
                m.d.sync += course_q.eq(Course.PAGE)
            with m.Else():
                m.d.sync += course_q.eq(Course.NONE)
        with m.If(~self.has_owner):
            m.d.sync += [
                has_been_here_q.eq(0),
                has_moved_q.eq(0),
                is_compared_q.eq(0),
                is_joined_q.eq(0),
                is_weighed_q.eq(0),
                must_restart_q.eq(0),
            ]
        return course_q, must_restart_q, here_q, window_q


def _parts(one: Value, other: Value) -> Value:
    """Whether the parts of two lines are the same."""
    same = ~(one ^ other)
    size = -(-len(same) // PARTS)
    return Value.cast(Cat(same[low : low + size].all() for low in range(0, len(same), size)))


def line_id(config: EngineConfig, number: int) -> int:
    """The ID of the reads of the first place of this buffer."""
    return 1 << config.id_width - 1 | number * config.lines
