"""Whose turn it is, among those that ask."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class RoundRobin(wiring.Component):
    """Names one of the requests a clock later: the first behind the one that was taken last, around the ring.

    So a request that stays is taken after at most ``width - 1`` others. A tree, not a chain: log2(width) levels. Behind
    it is room for a register only: whoever takes ``index`` notes it, and says so in the clock after, in which nothing
    else may be taken. ``requests`` has it no longer in that clock, since ``index`` is about the clock before.

    Parameters: ``width``, the number of requests.

    Members: ``requests : In(width)``; ``index``, ``is_any : Out``, of the requests a clock before; ``do_take``,
    ``taken : In``, a strobe: this one was served.
    """

    def __init__(self, *, width: int):
        self._width = width
        super().__init__(
            {
                "requests": In(width),
                "index": Out(range(max(2, width))),
                "is_any": Out(1),
                "do_take": In(1),
                "taken": In(range(max(2, width))),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        # 1 for every request behind the last one taken.
        is_behind = Signal(self._width)
        is_behind_q = Signal(self._width)
        requests_q = Signal(self._width)
        later_q = Signal(self._width)
        is_any_q = Signal()
        _, later_index = first_of(list(later_q))
        _, index = first_of(list(requests_q))
        m.d.comb += [
            is_behind.eq(is_behind_q),
            self.is_any.eq(is_any_q),
            self.index.eq(Mux(later_q.any(), later_index, index)),
        ]
        with m.If(self.do_take):
            m.d.comb += is_behind.eq(Cat(self.taken < number for number in range(self._width)))
        m.d.sync += [
            is_behind_q.eq(is_behind),
            requests_q.eq(self.requests),
            later_q.eq(self.requests & is_behind),
            is_any_q.eq(self.requests.any()),
        ]
        return m


def first_of(bits: list[Value]) -> tuple[Value, Value]:
    """Whether any bit is 1, and the number of the lowest one that is."""
    if len(bits) == 1:
        return bits[0], Const(0, 0)
    half = 1 << (len(bits) - 1).bit_length() - 1
    low_any, low_index = first_of(bits[:half])
    high_any, high_index = first_of(bits[half:])
    width = (half - 1).bit_length()
    low, high = Cat(low_index, Const(0, width))[:width], Cat(high_index, Const(0, width))[:width]
    return low_any | high_any, Value.cast(Cat(Mux(low_any, low, high), ~low_any))
