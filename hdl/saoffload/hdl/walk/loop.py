"""Whether a walk has come back to where it was: Brent's loop detection, one saved address."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import COUNT_BITS, LIST_ADDRESS_BITS

ALIGNED_BITS = 2
"""Lowest bits of a list address that are 0 in every ABI."""


class LoopDetector(wiring.Component):
    """Says that an address is that of the node saved last. The 1st, 2nd, 4th, 8th ... node of a walk is saved.

    A node is saved when it is asked for, before it is known to be good: one that turns out bad ends the walk, so
    nothing is compared with it.

    Parameters
    ----------
    config : :class:`EngineConfig`
        ``windows`` and ``address_width``: a single window is never larger than the bus, so that addresses in it differ
        in their lowest ``address_width`` bits if they differ at all. No others are kept then.

    Members
    -------
    do_start : ``In(1)``
        Strobe: a walk begins and nothing is saved.
    do_save : ``In(1)``
        Strobe: ``node_address`` is that of the walk's next node, to be saved if its number is a power of two.
    visited_count : ``In(32)``
        Nodes of this walk before that one, as it stands in the clock before ``do_save``.
    is_ahead : ``In(1)``
        Belongs to ``visited_count``: the node before that one is not counted in it yet.
    node_address : ``In(64)``
    next_address : ``In(64)``
        The address to judge. Means nothing unless it is a multiple of 4 and in a window.
    is_met : ``Out(1)``
        ``next_address`` of the clock before was the saved address.

    A save or a start shows in ``is_met`` of the second clock after its strobe. One address is judged per clock. Saves
    and starts are at least 2 clocks apart.
    """

    do_start: Signal
    do_save: Signal
    visited_count: Signal
    is_ahead: Signal
    node_address: Signal
    next_address: Signal
    is_met: Signal

    def __init__(self, config: EngineConfig):
        end = config.address_width if config.windows == 1 else LIST_ADDRESS_BITS
        self._kept = slice(ALIGNED_BITS, end)
        super().__init__(
            {
                "do_start": In(1),
                "do_save": In(1),
                "visited_count": In(COUNT_BITS),
                "is_ahead": In(1),
                "node_address": In(LIST_ADDRESS_BITS),
                "next_address": In(LIST_ADDRESS_BITS),
                "is_met": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        saved_address = Signal(self._kept.stop - self._kept.start)
        has_saved = Signal()
        is_due = Signal(init=1)
        count = self.visited_count

        m.d.sync += [
            self.is_met.eq(has_saved & (saved_address == self.next_address[self._kept])),
            # Before node 2**k the count is 2**k - 1: no 1 stands above a 0. One less ends in 0.
            is_due.eq(
                Mux(self.is_ahead, ~(count[0] | (count[2:] & ~count[1:-1]).any()), ~(count[1:] & ~count[:-1]).any())
            ),
        ]
        with m.If(self.do_save):
            m.d.sync += has_saved.eq(1)
            with m.If(is_due):
                m.d.sync += saved_address.eq(self.node_address[self._kept])
        with m.If(self.do_start):
            m.d.sync += has_saved.eq(0)
        return m
