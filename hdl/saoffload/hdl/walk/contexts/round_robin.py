"""Whose turn it is, among those that ask."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.walk.first import First, first_of

GROUP = 4
"""Requests among which the first one is found before the registers; behind them it is found among groups."""


class RoundRobin(wiring.Component):
    """Names one of the requests a clock later: the first behind the one that was taken last, around the ring.

    So a request that stays is taken after at most ``width - 1`` others. Behind it is room for a register only: whoever
    takes ``index`` notes it, and says so in the clock after, in which nothing else may be taken. In that clock it is no
    request any more, whatever ``requests`` says.

    Parameters: ``width``, the number of requests; ``is_unhurried``: what is taken is no request any more when that is
    told, and the turn is another one in the clock after: for who names the next one later than that.

    Members: ``requests : In(width)``; ``index``, ``is_any : Out``, of the requests a clock before; ``do_take``,
    ``taken : In``, a strobe: this one was served; ``marks : In(width)``, ``mark : Out``, what the bit with the number
    ``index`` was in the clock of the requests.
    """

    def __init__(self, *, width: int, is_unhurried: bool = False):
        self._width = width
        self._is_unhurried = is_unhurried
        super().__init__(
            {
                "requests": In(width),
                "marks": In(width),
                "index": Out(range(max(2, width))),
                "is_any": Out(1),
                "mark": Out(1),
                "do_take": In(1),
                "taken": In(range(max(2, width))),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        # 1 for every request behind the last one taken.
        is_behind = Signal(self._width)
        is_behind_q = Signal(self._width)
        is_left = Signal(self._width)
        told = Cat(self.taken < number for number in range(self._width))
        m.d.comb += [is_behind.eq(is_behind_q), is_left.eq(self.requests)]
        with m.If(self.do_take):
            m.d.sync += is_behind_q.eq(told)
            if not self._is_unhurried:
                m.d.comb += [
                    is_behind.eq(told),
                    is_left.eq(self.requests & Cat(self.taken != number for number in range(self._width))),
                ]

        # What is taken is not behind itself.
        later = self._found(m, "later", self.requests & is_behind)
        first = self._found(m, "first", is_left)
        m.d.comb += [
            self.is_any.eq(first.is_any),
            self.index.eq(Mux(later.is_any, later.index, first.index)),
            self.mark.eq(Mux(later.is_any, later.mark, first.mark)),
        ]
        return m

    def _found(self, m: Module, name: str, requests: Value) -> First:
        """The first of the requests of the clock before."""
        groups = []
        for low in range(0, self._width, GROUP):
            members = range(low, min(low + GROUP, self._width))
            found = first_of(
                [First(is_any=requests[number], index=Const(0, 0), mark=self.marks[number]) for number in members]
            )
            is_any_q = Signal(name=f"{name}_{low // GROUP}_is_any_q")
            index_q = Signal(len(found.index), name=f"{name}_{low // GROUP}_index_q")
            mark_q = Signal(name=f"{name}_{low // GROUP}_mark_q")
            m.d.sync += [is_any_q.eq(found.is_any), index_q.eq(found.index), mark_q.eq(found.mark)]
            groups.append(First(is_any=is_any_q, index=index_q, mark=mark_q))
        return first_of(groups)
