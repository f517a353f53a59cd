"""The wipe: everything stored goes, after a reset and at a flush."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig

from .entry import sizes_of
from .timing import LIVE_TO_ANSWER, STATE_WRITE_DELAY


def positions_of(config: EngineConfig) -> int:
    """Words of the deepest memory."""
    sizes = sizes_of(config)
    return max(sizes.way_depth, sizes.wildcards, config.bundles)


class WipeProgress(wiring.Signature):
    """Where the wipe is, seen from it: while ``is_running``, at ``position``, of which ``has_row``, ``has_index`` and
    ``has_wildcard`` say what there is of it.
    """

    def __init__(self, config: EngineConfig):
        super().__init__(
            {
                "is_running": Out(1),
                "position": Out(range(positions_of(config))),
                "has_row": Out(1),
                "has_index": Out(1),
                "has_wildcard": Out(1),
            }
        )


class Wipe(wiring.Component):
    """Counts through all memories at once and clears each word: keys, wildcards, live states, contexts, and, after a
    reset, generations.

    Parameters: ``config``.

    Members: ``do_start``; ``progress`` to who writes; ``is_done``: strobe, ``TAIL`` clocks after it ran. ``must_hold``:
    this position is not written yet (a delete wrote).

    Latency: as many clocks as the deepest memory has words, those in which a delete wrote, and ``TAIL`` more.
    """

    TAIL = STATE_WRITE_DELAY + LIVE_TO_ANSWER + 1

    def __init__(self, config: EngineConfig):
        self._config = config
        self._positions = positions_of(config)
        super().__init__(
            {
                "do_start": In(1),
                "progress": Out(WipeProgress(config)),
                "is_done": Out(1),
                "must_hold": In(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        sizes = sizes_of(self._config)
        progress = self.progress
        clocks_left = Signal(range(self.TAIL))
        # Known with the position, not from it.
        is_last = Signal()
        with m.If(self.do_start):
            m.d.sync += is_last.eq(self._positions == 1)
        with m.Elif(progress.is_running & ~self.must_hold):
            m.d.sync += is_last.eq(progress.position == self._positions - 2)
        m.d.comb += [
            progress.has_row.eq(progress.is_running & (progress.position < sizes.way_depth)),
            progress.has_index.eq(progress.is_running & (progress.position < self._config.bundles)),
            progress.has_wildcard.eq(progress.is_running & (progress.position < sizes.wildcards)),
        ]
        m.d.sync += self.is_done.eq(clocks_left == 1)
        # Lookups that read a word before it was wiped are answered before the wipe is done.
        with m.If(progress.is_running & is_last & ~self.must_hold):
            m.d.sync += clocks_left.eq(self.TAIL - 1)
        with m.Elif(clocks_left != 0):
            m.d.sync += clocks_left.eq(clocks_left - 1)
        with m.If(self.do_start):
            m.d.sync += [progress.is_running.eq(1), progress.position.eq(0)]
        with m.Elif(progress.is_running & ~self.must_hold):
            m.d.sync += [progress.position.eq(Mux(is_last, 0, progress.position + 1)), progress.is_running.eq(~is_last)]
        return m
