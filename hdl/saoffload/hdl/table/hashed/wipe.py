"""The wipe: everything stored goes, after a reset and at a flush."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig

from .entry import sizes_of
from .timing import LIVE_TO_ANSWER, STATE_WRITE_DELAY


class Wipe(wiring.Component):
    """Counts through all memories at once and clears each word: keys, wildcards, live states, contexts, and, after a
    reset, generations.

    Parameters: ``config``.

    Members: ``do_start``; ``is_running``; ``is_done``: strobe, ``TAIL`` clocks after it ran. ``position``, with
    ``has_row``, ``has_index``, ``has_wildcard``: what of it exists. ``must_hold``: this position is not written yet (a
    delete wrote).

    Latency: as many clocks as the deepest memory has words, those in which a delete wrote, and ``TAIL`` more.
    """

    TAIL = STATE_WRITE_DELAY + LIVE_TO_ANSWER + 1

    def __init__(self, config: EngineConfig):
        self._config = config
        sizes = sizes_of(config)
        self._positions = max(sizes.way_depth, sizes.wildcards, config.bundles)
        super().__init__(
            {
                "do_start": In(1),
                "is_running": Out(1),
                "is_done": Out(1),
                "position": Out(range(self._positions)),
                "has_row": Out(1),
                "has_index": Out(1),
                "has_wildcard": Out(1),
                "must_hold": In(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        sizes = sizes_of(self._config)
        clocks_left = Signal(range(self.TAIL))
        # Known with the position, not from it.
        is_last = Signal()
        with m.If(self.do_start):
            m.d.sync += is_last.eq(self._positions == 1)
        with m.Elif(self.is_running & ~self.must_hold):
            m.d.sync += is_last.eq(self.position == self._positions - 2)
        m.d.comb += [
            self.has_row.eq(self.is_running & (self.position < sizes.way_depth)),
            self.has_index.eq(self.is_running & (self.position < self._config.bundles)),
            self.has_wildcard.eq(self.is_running & (self.position < sizes.wildcards)),
        ]
        m.d.sync += self.is_done.eq(clocks_left == 1)
        # Lookups that read a word before it was wiped are answered before the wipe is done.
        with m.If(self.is_running & is_last & ~self.must_hold):
            m.d.sync += clocks_left.eq(self.TAIL - 1)
        with m.Elif(clocks_left != 0):
            m.d.sync += clocks_left.eq(clocks_left - 1)
        with m.If(self.do_start):
            m.d.sync += [self.is_running.eq(1), self.position.eq(0)]
        with m.Elif(self.is_running & ~self.must_hold):
            m.d.sync += [self.position.eq(Mux(is_last, 0, self.position + 1)), self.is_running.eq(~is_last)]
        return m
