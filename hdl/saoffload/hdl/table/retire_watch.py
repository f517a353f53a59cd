"""How long the packet path has kept an answer that somebody waits for."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

AGE_BITS = 32

LATE_CLOCKS = 1 << 16
"""From this age on a retire is late: far longer than any packet takes."""


class RetireWatch(wiring.Component):
    """Counts the clocks for which the oldest unretired epoch has been the one that grace periods wait for.

    The age begins with the closing of that epoch, or with the end of the one before it if that came later, and ends
    with the epoch's last retire. So it tells how long nothing has moved: a packet path that works never lets it grow.

    Members: ``is_due``: an epoch is waited for; ``is_new``: strobe, it is empty and the next one is looked at.
    ``age``, which stops at its largest number; 0 while nothing is due. ``is_late``: strobe, once for each epoch that
    comes to ``LATE_CLOCKS``.

    Latency: ``age`` is two clocks late, ``is_late`` three.
    """

    def __init__(self) -> None:
        super().__init__({"is_due": In(1), "is_new": In(1), "age": Out(AGE_BITS), "is_late": Out(1)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        is_counting = Signal()
        is_full = Signal()
        m.d.sync += [
            is_counting.eq(self.is_due & ~self.is_new),
            self.is_late.eq(self.age == LATE_CLOCKS),
        ]
        with m.If(~is_counting):
            m.d.sync += [self.age.eq(0), is_full.eq(0)]
        with m.Elif(~is_full):
            # Full with the number before the last, which this clock still counts.
            m.d.sync += [self.age.eq(self.age + 1), is_full.eq(self.age == (1 << AGE_BITS) - 2)]
        return m
