"""A reset by register: it waits for host memory, so that no read of before meets what comes after."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class SoftReset(wiring.Component):
    """Lets no new read begin, waits until nobody waits for a read any more, and then resets the rest.

    The read master is not reset: it goes on to know the reads that were given up and never answered, whose IDs stay
    out of use. An address that the bus has seen stays on offer, as AXI demands, and the reset waits for its answer.

    Members
    -------
    do_request : ``In(1)``
        Asks for a reset; in its clock at the latest, everything else may go on as ever.
    is_offered : ``In(1)``
        ARVALID without ARREADY.
    is_awaited : ``In(1)``
        Of the read master: a read is on offer, or outstanding and not given up.
    is_pending : ``Out(1)``
        From the clock after ``do_request`` to that of ``do_reset``.
    may_read : ``Out(1)``
        Reads may pass to the master.
    do_reset : ``Out(1)``
        Strobe: everything but the read master and the packet path's answers begins anew in the next clock.
    will_reset : ``Out(1)``
        The same a clock before, for the ``ResetCopy`` of each room.

    Latency: 4 clocks from ``do_request`` to ``do_reset`` when no read is outstanding, else those reads' answers or
    timeouts, and 3 more.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "do_request": In(1),
                "is_offered": In(1),
                "is_awaited": In(1),
                "is_pending": Out(1),
                "may_read": Out(1, init=1),
                "do_reset": Out(1),
                "will_reset": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.d.sync += [
            # It stays as it is: nothing begins any more. In a register, it has a clock to reach each room.
            self.will_reset.eq(self.is_pending & ~self.may_read & ~self.is_awaited & ~self.will_reset & ~self.do_reset),
            self.is_pending.eq(self.do_request | (self.is_pending & ~self.do_reset)),
            # A clock late: what began in the clock of the request is awaited by then.
            self.may_read.eq(~self.is_pending | self.is_offered),
            self.do_reset.eq(self.will_reset),
        ]
        return m


class ResetCopy(wiring.Component):
    """``do_reset`` of one room, in a flip-flop that stands in its midst.

    From a single one it would lead to ten thousand flip-flops all over the chip. A module of its own, so that synthesis
    may be told not to make the copies of all rooms one.

    Members
    -------
    will_reset : ``In(1)``
    do_reset : ``Out(1)``
        In the same clock as that of ``SoftReset``.
    """

    will_reset: Signal
    do_reset: Signal

    def __init__(self) -> None:
        super().__init__({"will_reset": In(1), "do_reset": Out(1)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.d.sync += self.do_reset.eq(self.will_reset)
        return m
