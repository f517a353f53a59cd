"""The walk over all indices that makes them free, and strings the free ones together."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig

from .states import BundleState, dead_state
from .states_port import StateChange, StateQuestion
from .timing import STATE_LATENCY


class IndexWalk(wiring.Component):
    """Reads the state of every index in turn, and picks out those in one state: the dead of the last sweep to make them
    free, or the free ones, to build the free list anew.

    Parameters: ``config``.

    Members: ``do_step`` goes on for ``STEP_READS`` reads of indices; ``is_idle``. ``picks_free``: which kind;
    ``sweep_parity``: that under which the current deletes die, so the others are picked. ``is_done``: with the end of
    the step that ended the walk; the next step begins anew. ``do_restart``: so does the next step.
    ``question``, ``release``: to the live store; ``do_push``: strobe, ``index`` was picked, and is free.

    Latency: a clock per index and 7 for each dead one picked, if the live store is free.
    """

    STEP_READS = 32

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "do_step": In(1),
                "do_restart": In(1),
                "is_idle": Out(1, init=1),
                "is_done": Out(1),
                "picks_free": In(1),
                "sweep_parity": In(1),
                "question": Out(StateQuestion(config)),
                "release": Out(StateChange(config)),
                "index": Out(config.index_bits),
                "do_push": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        question, release = self.question, self.release
        bundles = self._config.bundles
        cursor = Signal(range(bundles + 1))
        left = Signal(range(self.STEP_READS))
        asked = [Signal(range(bundles), name=f"asked_{clock}") for clock in range(STATE_LATENCY + 1)]
        is_asked = Signal(STATE_LATENCY + 1)
        was_wanted = Signal()
        is_strung = Signal()
        # Known with the cursor and the count, not from them; as is whether there is anything to ask for.
        is_at_end = Signal()
        has_left = Signal()
        is_last = Signal(init=bundles == 1)
        is_last_read = Signal()
        wanted = Mux(self.picks_free, BundleState.FREE, dead_state(~self.sweep_parity))
        is_picked = is_asked[-1] & was_wanted
        does_ask = question.do & question.is_taken
        m.d.comb += [
            question.index.eq(cursor),
            release.index.eq(self.index),
            release.state.eq(BundleState.FREE),
        ]
        m.d.sync += [
            was_wanted.eq(question.state.as_value() == wanted),
            asked[0].eq(cursor),
            *(later.eq(earlier) for earlier, later in pairwise(asked)),
            is_asked.eq(Mux(is_picked & ~self.picks_free, 0, Cat(does_ask, is_asked[:-1]))),
            is_strung.eq(is_picked & self.picks_free),
        ]
        is_over = Signal()
        m.d.sync += is_over.eq(0)
        # A free index needs nothing written: it is strung while the walk goes on.
        with m.If(is_strung):
            m.d.comb += self.do_push.eq(1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [left.eq(self.STEP_READS - 1), has_left.eq(1), is_last_read.eq(0)]
                with m.If(self.do_restart):
                    m.d.sync += [cursor.eq(0), is_at_end.eq(0), is_last.eq(bundles == 1)]
                with m.If(self.do_step):
                    m.d.sync += [self.is_idle.eq(0), question.do.eq(1)]
                    m.next = "READ"
            with m.State("READ"):
                with m.If(does_ask):
                    m.d.sync += [
                        cursor.eq(cursor + 1),
                        is_last.eq(cursor == bundles - 2),
                        is_at_end.eq(is_last),
                        left.eq(left - 1),
                        is_last_read.eq(left == 1),
                        has_left.eq(~is_last_read),
                        question.do.eq(~is_last & ~is_last_read),
                    ]
                m.d.sync += self.index.eq(asked[-1])
                # What was asked after the picked one is asked again.
                m.d.sync += is_over.eq(~question.do & ~is_asked.any() & ~is_strung)
                with m.If(is_picked & ~self.picks_free):
                    m.d.sync += question.do.eq(0)
                    m.next = "PICK"
                # Nothing was asked in the clock before, so nothing is picked in this one.
                with m.If(is_over):
                    with m.If(is_at_end):
                        m.d.comb += self.is_done.eq(1)
                        m.d.sync += [cursor.eq(0), is_at_end.eq(0), is_last.eq(bundles == 1)]
                    m.d.sync += self.is_idle.eq(1)
                    m.next = "IDLE"
            with m.State("PICK"):
                m.d.comb += release.do.eq(1)
                m.d.sync += [
                    cursor.eq(self.index + 1),
                    is_last.eq(self.index == bundles - 2),
                    is_at_end.eq(self.index == bundles - 1),
                ]
                with m.If(release.is_taken):
                    m.d.comb += self.do_push.eq(1)
                    m.d.sync += question.do.eq((self.index != bundles - 1) & has_left)
                    m.next = "READ"
        return m
