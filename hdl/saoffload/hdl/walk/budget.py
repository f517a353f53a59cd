"""How many nodes a walk may still visit."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.layouts import COUNT_BITS


class Budget(wiring.Component):
    """Says that the next visit is the last that the budget has room for. A budget of 0 means 2**32 - 1.

    Members
    -------
    budget : ``In(32)``
    is_loading : ``In(1)``
        The budget is that of ``budget`` in the last clock in which this was 1.
    do_settle : ``In(1)``
        Strobe, once after the last such clock and before the first visit.
    do_visit : ``In(1)``
        Strobe: a node was visited.
    is_last : ``Out(1)``
        Means nothing until the clock after ``do_settle``. A visit shows in the next clock.
    """

    budget: Signal
    is_loading: Signal
    do_settle: Signal
    do_visit: Signal
    is_last: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "budget": In(COUNT_BITS),
                "is_loading": In(1),
                "do_settle": In(1),
                "do_visit": In(1),
                "is_last": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        # The complement of the nodes left. Budget 0 starts with 2**32, kept as 0, and ends one node early.
        not_left_count = Signal.like(self.budget)
        is_largest_q = Signal()
        is_below_4 = Signal()
        left_below_4 = ~not_left_count[:2]
        m.d.comb += [
            is_below_4.eq(not_left_count[2:].all()),
            self.is_last.eq(is_below_4 & (left_below_4 == Mux(is_largest_q, 2, 1))),
        ]
        with m.If(self.do_settle):
            m.d.sync += is_largest_q.eq(is_below_4 & (left_below_4 == 0))

        # 1 is added in a way that lets an adder's LUT also take the budget in: no second LUT per bit.
        is_counting = ~self.is_loading
        with m.If(self.is_loading):
            m.d.sync += not_left_count.eq(~self.budget)
        with m.Elif(self.do_visit):
            m.d.sync += not_left_count.eq(not_left_count - is_counting.replicate(len(not_left_count)))
        return m
