"""What is stored for the index that a bundle would get: its state, its generation, and the link of the free list."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.table.handles import generation_of

from .states import BundleState, is_live
from .timing import STATE_LATENCY, WORD_LATENCY


class IndexWords(wiring.Component):
    """Fetches the words of one index, and works out the generation that its next owner gets.

    Parameters: ``config``.

    Members: ``do_start``, while it does not run; ``is_restoring`` and ``handle``: a restore names the handle, and with
    it the generation. ``are_known``: from its end to the next start, with ``generation`` for the next owner,
    ``generation_before``, ``link``, and, for a restore, ``is_in_use`` (somebody lives under the index) and
    ``must_wait`` (it is not free). ``do_read`` until ``is_read``, ``WORD_LATENCY`` clocks later ``word`` and
    ``link_word``. ``do_ask`` until ``ask_is_taken``, ``STATE_LATENCY`` clocks later ``state``.

    Latency: ``WORD_LATENCY + 3`` clocks, and for a restore ``STATE_LATENCY + 2`` more, if the memories are free.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "do_start": In(1),
                "is_restoring": In(1),
                "handle": In(layouts.WIDE_HANDLE_BITS),
                "are_known": Out(1),
                "is_in_use": Out(1),
                "must_wait": Out(1),
                "generation": Out(config.generation_bits),
                "generation_before": Out(config.generation_bits),
                "link": Out(config.index_bits),
                "do_read": Out(1),
                "is_read": In(1),
                "word": In(config.generation_bits),
                "link_word": In(config.index_bits),
                "do_ask": Out(1),
                "ask_is_taken": In(1),
                "state": In(BundleState),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        # How long ago the question was taken: its answer comes with the last bit.
        is_asked = Signal(STATE_LATENCY)
        is_fetched = Signal(WORD_LATENCY)
        m.d.sync += [is_asked.eq(is_asked << 1), is_fetched.eq(is_fetched << 1)]
        with m.FSM():
            with m.State("IDLE"), m.If(self.do_start):
                m.d.sync += [
                    self.are_known.eq(0),
                    self.is_in_use.eq(0),
                    self.must_wait.eq(0),
                    self.do_ask.eq(self.is_restoring),
                ]
                m.next = "READ"
                with m.If(self.is_restoring):
                    m.next = "ASK"
            with m.State("ASK"):
                with m.If(self.do_ask & self.ask_is_taken):
                    m.d.sync += [self.do_ask.eq(0), is_asked[0].eq(1)]
                with m.If(is_asked[-1]):
                    m.d.sync += [
                        self.must_wait.eq(self.state != BundleState.FREE),
                        self.is_in_use.eq(is_live(self.state.as_value())),
                    ]
                    m.next = "READ"
            with m.State("READ"):
                m.d.comb += self.do_read.eq(1)
                with m.If(self.is_read):
                    m.d.sync += is_fetched[0].eq(1)
                    m.next = "WORD"
            with m.State("WORD"), m.If(is_fetched[-1]):
                m.d.sync += [self.generation_before.eq(self.word), self.link.eq(self.link_word)]
                m.next = "COUNT_UP"
            with m.State("COUNT_UP"):
                restored = generation_of(self._config, self.handle)
                m.d.sync += [
                    self.generation.eq(Mux(self.is_restoring, restored, self.generation_before + 1)),
                    self.are_known.eq(1),
                ]
                m.next = "IDLE"
        return m
