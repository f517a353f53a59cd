"""When a read has taken too long."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

TIMEOUT_BITS = 32


class Timer(wiring.Component):
    """Says that ``clock_count`` clocks have passed since it was started, and goes on saying so until the next start.

    Members
    -------
    clock_count : ``In(32)``
        As it stands in the clock of ``do_start``; 0 means that the timer never expires.
    do_start : ``In(1)``
        Strobe, in clock 0.
    is_expired : ``Out(1)``
        1 in clock ``clock_count`` and later. Means nothing in a clock of ``do_start``.
    """

    clock_count: Signal
    do_start: Signal
    is_expired: Signal

    def __init__(self) -> None:
        super().__init__({"clock_count": In(TIMEOUT_BITS), "do_start": In(1), "is_expired": Out(1)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        # The complement of the clocks left, which go down to 1 and stay there; a 0 that was loaded stays, and never
        # expires.
        not_left_count = Signal(TIMEOUT_BITS)
        is_over = Signal()
        m.d.comb += [is_over.eq(not_left_count[1:].all()), self.is_expired.eq(is_over & ~not_left_count[0])]

        # 1 is added in a way that lets an adder's LUT also take the programmed count in: no second LUT per bit.
        is_counting = ~self.do_start
        with m.If(self.do_start):
            m.d.sync += not_left_count.eq(~self.clock_count)
        with m.Elif(~is_over):
            m.d.sync += not_left_count.eq(not_left_count - is_counting.replicate(TIMEOUT_BITS))
        return m
