"""Whether a walk has come back to where it was: Brent's loop detection, one saved address."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.layouts import COUNT_BITS, LIST_ADDRESS_BITS

MARK_BITS = COUNT_BITS - 1
"""A walk visits fewer than 2**32 nodes, so node 2**31 is the last whose address is saved."""


class LoopDetector(wiring.Component):
    """Says that an address is that of the node saved last. The 1st, 2nd, 4th, 8th ... node of a walk is saved.

    A node is saved when it is asked for, before it is known to be good: one that turns out bad ends the walk, so
    nothing is compared with it.

    Members
    -------
    do_start : ``In(1)``
        Strobe: a walk begins and nothing is saved.
    do_save : ``In(1)``
        Strobe: ``node_address`` is that of the walk's next node, to be saved if its number is a power of two.
    node_address : ``In(64)``
    next_address : ``In(64)``
        The address to judge.
    is_met : ``Out(1)``
        ``next_address`` of the clock before was the saved address.

    A save or a start shows in ``is_met`` of the second clock after its strobe. One address is judged per clock. Saves
    and starts are at least 2 clocks apart, so that no comparison of counts stands in their way.
    """

    do_start: Signal
    do_save: Signal
    node_address: Signal
    next_address: Signal
    is_met: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "do_start": In(1),
                "do_save": In(1),
                "node_address": In(LIST_ADDRESS_BITS),
                "next_address": In(LIST_ADDRESS_BITS),
                "is_met": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        saved_address = Signal(LIST_ADDRESS_BITS)
        has_saved = Signal()
        # Nodes still to pass before the next one to save, and what it becomes then: 2**k - 1 after node 2**k.
        skip_count = Signal(MARK_BITS)
        next_skip_count = Signal(MARK_BITS)

        is_due = Signal(init=1)

        m.d.sync += [
            self.is_met.eq(has_saved & (saved_address == self.next_address)),
            is_due.eq(skip_count == 0),
        ]
        with m.If(self.do_save):
            m.d.sync += [skip_count.eq(skip_count - 1), has_saved.eq(1)]
            with m.If(is_due):
                m.d.sync += [
                    saved_address.eq(self.node_address),
                    skip_count.eq(next_skip_count),
                    next_skip_count.eq((next_skip_count << 1) | 1),
                ]
        with m.If(self.do_start):
            m.d.sync += [has_saved.eq(0), skip_count.eq(0), next_skip_count.eq(0)]
        return m
