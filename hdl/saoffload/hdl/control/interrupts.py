"""The interrupt register: events are kept until software clears them."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Interrupts(wiring.Component):
    """Keeps each event until a 1 is written to its bit; an event in the clock of its clearing stays.

    Parameters
    ----------
    width : int
        Events.
    init : int
        Events that stand after reset.

    Members
    -------
    events : ``In(width)``
        Strobes.
    do_clear, clear : In
        Clears the bits that are 1 in ``clear``.
    enable : ``In(width)``
    status : ``Out(width)``
        From the clock after the event.
    irq : ``Out(1)``
        High while an enabled event stands, one clock later. Straight from a register: it never glitches.
    """

    def __init__(self, *, width: int, init: int):
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        super().__init__(
            {
                "events": In(width),
                "do_clear": In(1),
                "clear": In(width),
                "enable": In(width),
                "status": Out(width, init=init),
                "irq": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        kept = self.status & ~(self.clear & self.do_clear.replicate(len(self.clear)))
        m.d.sync += [self.status.eq(kept | self.events), self.irq.eq((self.status & self.enable).any())]
        return m
