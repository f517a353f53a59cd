"""When a read has taken too long."""

from amaranth.hdl import Module, Signal, signed
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
        # Counts to below zero, so that the sign bit alone says it: no comparator stands before a decision.
        left_count = Signal(signed(TIMEOUT_BITS + 1))
        is_limited = Signal()

        with m.If(self.do_start):
            m.d.sync += [left_count.eq(self.clock_count - 2), is_limited.eq(self.clock_count.any())]
        with m.Elif(left_count >= 0):
            m.d.sync += left_count.eq(left_count - 1)
        m.d.comb += self.is_expired.eq(is_limited & (left_count < 0))
        return m
