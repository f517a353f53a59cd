"""Cuckoo moves: a key gets a row, and the key that stood there looks for another."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig

from .entry import sizes_of
from .states import is_live
from .states_port import StateQuestion
from .timing import STATE_LATENCY
from .trees import equal_groups
from .way import Way


class Mover(wiring.Component):
    """Puts the key in the hand into one of its rows, and goes on with the key that it displaced, until one finds a
    free row, is dead, or has been tried often enough: then it is parked.

    Every key that lives is found in every clock: what stood in the row is in the hand from the clock after the write
    on, and what was written stays comparable as the previous hand until all lookups have passed. A displaced key whose
    bundle is dead goes no further: carried behind a sweep it would be missed.

    Which way a key displaces from is pseudo-random, only never the one that it came from.

    Parameters: ``config``.

    Members: ``do_read``: look at the rows of the hand; 10 clocks later ``is_chosen``, with ``has_twin``: a row holds
    the hand's key already. ``do_write`` writes and goes on; ``will_give``, in the clock after it, tells whether a key
    stood in the chosen row. In place of a twin nothing is displaced. ``do_cancel`` does nothing. ``do_move`` instead of
    ``do_read``: the hand is a moving key, written without being asked. ``is_idle``: the chain has ended.
    ``has_pending``/``pending_index``: a bundle that is being added; it is not dead. ``question``: to the live store. To
    ways and overflow: what their docstrings say. ``is_loading``: what is given comes into the hand; ``do_load``: and is
    on the move. ``moved``: strobe, one per displaced key. ``was_damaged``: strobe; a row was read that had the wrong
    parity.

    Latency: 8 clocks per move. There must be an unused place when ``do_write`` or ``do_move`` is given.
    """

    CLOCKS_PER_MOVE = 8

    def __init__(self, config: EngineConfig):
        self._config = config
        self._ways = sizes_of(config).ways
        index = range(config.bundles)
        super().__init__(
            {
                "do_read": In(1),
                "do_move": In(1),
                "is_chosen": Out(1),
                "has_twin": Out(1),
                "do_write": In(1),
                "do_cancel": In(1),
                "is_idle": Out(1, init=1),
                "has_pending": In(1),
                "pending_index": In(index),
                "is_free": In(self._ways),
                "is_twin": In(self._ways),
                "is_damaged": In(self._ways),
                "way_do_write": Out(self._ways),
                "way_do_give": Out(self._ways),
                "will_give": In(1),
                "hand_index": In(index),
                "is_loading": Out(1),
                "do_load": Out(1),
                "do_keep": Out(1),
                "do_drop": Out(1),
                "do_park": Out(1),
                "question": Out(StateQuestion(config)),
                "moved": Out(1),
                "was_damaged": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        ways = self._ways
        max_moves = sizes_of(self._config).max_moves
        chosen = Signal(ways)
        source = Signal(ways)
        asks = Signal()
        age = Signal(Way.READ_LATENCY + 2)
        moves = Signal(range(max_moves + 1))
        must_check = Signal()
        is_choosing = Signal()
        is_checking = Signal(STATE_LATENCY)
        # What becomes of the hand's key, known with the answer: one of three.
        is_checked = Signal()
        ends = Signal()
        is_dead = Signal()
        # In place of a twin nothing is kept: a lookup that met the twin, and behind the ways the kept key, would join
        # two owners into the number of a third. Both bits stand long before the row is written.
        keeps_none = Signal()
        goes_on = Signal()
        is_exhausted = Signal()
        m.d.sync += [
            keeps_none.eq(asks & self.has_twin),
            goes_on.eq(self.will_give & ~keeps_none),
            is_exhausted.eq(moves == max_moves),
        ]

        # The hand's bundle is looked up while its rows are read. One that is being added is not live yet.
        m.d.comb += [self.question.do.eq(must_check), self.question.index.eq(self.hand_index)]
        m.d.sync += is_checking.eq(Cat(must_check & self.question.is_taken, is_checking[:-1]))
        with m.If(self.question.is_taken):
            m.d.sync += must_check.eq(0)
        groups = equal_groups(self.hand_index, self.pending_index)
        is_same = Signal(len(groups), reset_less=True)
        is_pending = Signal()
        m.d.sync += [is_same.eq(groups), is_pending.eq(self.has_pending & is_same.all())]
        with m.If(is_checking[-1]):
            is_dead_now = ~is_live(self.question.state.as_value()) & ~is_pending
            m.d.sync += [is_checked.eq(1), is_dead.eq(is_dead_now), ends.eq(is_dead_now | is_exhausted)]

        # What the rows hold comes from all over the table, so it is registered before it is chosen from.
        is_free = Signal(ways)
        is_twin = Signal(ways)
        is_damaged = Signal(ways)
        m.d.sync += [is_free.eq(self.is_free), is_twin.eq(self.is_twin), is_damaged.eq(self.is_damaged)]
        lowest_free = Cat(is_free[way] & ~is_free[:way].any() for way in range(ways))
        displaced = self._choose_at_random(m, source)
        # Clocks since the key came into the hand, one bit each: the rows show one by one what they hold.
        m.d.sync += age.eq(age << 1)
        # Chosen by the age alone, which is that of the states READ and TWIN.
        with m.If(age[Way.FREE_LATENCY + 1]):
            m.d.sync += [chosen.eq(lowest_free | Mux(is_free.any(), 0, displaced)), self.has_twin.eq(0)]
        with m.Elif(age[Way.READ_LATENCY + 1] & asks & is_twin.any()):
            m.d.sync += [chosen.eq(is_twin), self.has_twin.eq(1)]
        # The chosen row is given all the time: what hangs on it is too wide to wait for a state.
        m.d.comb += self.way_do_give.eq(chosen)
        m.d.sync += self.is_chosen.eq(is_choosing & asks)
        m.d.comb += self.was_damaged.eq(age[Way.DAMAGE_LATENCY + 1] & is_damaged.any())
        # What the wide hand hangs on comes from registers beside it, not from the state.
        m.d.sync += self.is_loading.eq(0)
        m.d.comb += [
            self.do_keep.eq(self.is_loading & ~keeps_none),
            self.do_load.eq(self.is_loading & goes_on),
            self.moved.eq(self.do_load),
        ]
        # The hand holds still for a clock after a chain has ended in it, so its dead key may go in that one.
        drops = Signal()
        m.d.sync += drops.eq(0)
        m.d.comb += self.do_drop.eq(drops | (self.is_loading & ~goes_on))
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [
                    asks.eq(self.do_read),
                    must_check.eq(self.do_move),
                    is_checked.eq(0),
                    source.eq(0),
                    moves.eq(0),
                    age.eq(1 << 1),
                ]
                with m.If(self.do_read | self.do_move):
                    m.d.sync += self.is_idle.eq(0)
                    m.next = "READ"
            with m.State("READ"), m.If(age[Way.FREE_LATENCY + 1]):
                m.next = "CHOSEN"
                with m.If(asks):
                    m.next = "TWIN"
            # A key that moves has no twin.
            with m.State("TWIN"), m.If(age[Way.READ_LATENCY + 1]):
                m.next = "CHOSEN"
            with m.State("CHOSEN"):
                m.d.comb += is_choosing.eq(1)
                with m.If(asks):
                    with m.If(self.do_write):
                        m.next = "WRITE"
                    with m.Elif(self.do_cancel):
                        m.d.sync += self.is_idle.eq(1)
                        m.next = "IDLE"
                with m.Elif(is_checked):
                    with m.If(ends):
                        m.d.comb += self.do_park.eq(~is_dead)
                        m.d.sync += [drops.eq(is_dead), self.is_idle.eq(1)]
                        m.next = "IDLE"
                    with m.Else():
                        m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += self.way_do_write.eq(chosen)
                m.d.sync += self.is_loading.eq(1)
                m.next = "GIVEN"
            # The row is being written in this clock, and what stood there has arrived.
            with m.State("GIVEN"):
                m.d.sync += [asks.eq(0), is_checked.eq(0), source.eq(chosen), moves.eq(moves + 1), age.eq(1)]
                with m.If(goes_on):
                    m.d.sync += must_check.eq(1)
                    m.next = "READ"
                with m.Else():
                    m.d.sync += self.is_idle.eq(1)
                    m.next = "IDLE"
        return m

    def _choose_at_random(self, m: Module, source: Signal) -> Value:
        """One way of all but the one that the key came from."""
        ways = self._ways
        shift = Signal(16, init=1)
        m.d.sync += shift.eq(Cat(shift[1:], shift[0] ^ shift[2] ^ shift[3] ^ shift[5]))
        bits = (ways - 1).bit_length()
        drawn = Signal(ways)
        displaced = Signal(ways)
        m.d.sync += [
            drawn.eq((Const(1) << shift[:bits])[:ways]),
            displaced.eq(Mux((drawn & source).any(), drawn.rotate_left(1), drawn)),
        ]
        return displaced
