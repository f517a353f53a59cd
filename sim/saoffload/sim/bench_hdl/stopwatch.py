"""Clocks between the first start and the last stop, counted where the simulator need not wake for them."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

COUNT_BITS = 32


class Stopwatch(wiring.Component):
    """Counts clocks from the first ``do_start`` since reset to the latest ``do_stop``, and both kinds of strobe.

    Members
    -------
    do_start, do_stop : ``In(1)``
    cycles : ``Out(32)``
        A stop n clocks after the first start makes it n, one clock later.
    start_count, stop_count : ``Out(32)``
    """

    do_start: Signal
    do_stop: Signal
    cycles: Signal
    start_count: Signal
    stop_count: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "do_start": In(1),
                "do_stop": In(1),
                "cycles": Out(COUNT_BITS),
                "start_count": Out(COUNT_BITS),
                "stop_count": Out(COUNT_BITS),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        elapsed_q = Signal(COUNT_BITS)
        with m.If(self.do_start | (self.start_count != 0)):
            m.d.sync += elapsed_q.eq(elapsed_q + 1)
        with m.If(self.do_stop):
            m.d.sync += self.cycles.eq(elapsed_q)
        m.d.sync += [
            self.start_count.eq(self.start_count + self.do_start),
            self.stop_count.eq(self.stop_count + self.do_stop),
        ]
        return m
