"""A strobe that must not be lost: it becomes a stream's request and waits until it is taken."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.layouts import NOTHING


class Request(wiring.Component):
    """Holds a request from the clock after ``do_request`` until it is taken; further strobes meanwhile ask for the
    same.

    Members
    -------
    do_request : ``In(1)``
    is_held : ``In(1)``
        A request that comes now is not offered before this is over. One that is on offer stays so.
    requests : ``Out(stream of NOTHING)``
    is_pending : ``Out(1)``
        A request has not been taken yet.

    Latency 1 clock, or 1 clock from the end of ``is_held``.
    """

    requests: stream.Interface

    def __init__(self) -> None:
        super().__init__(
            {
                "do_request": In(1),
                "is_held": In(1),
                "requests": Out(stream.Signature(NOTHING)),
                "is_pending": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        is_offered = Signal()
        waits = Signal()
        m.d.comb += [self.requests.valid.eq(is_offered), self.is_pending.eq(is_offered | waits)]
        with m.If(self.requests.ready):
            m.d.sync += is_offered.eq(0)
        with m.If(self.do_request | waits):
            m.d.sync += waits.eq(self.is_held)
            with m.If(~self.is_held):
                m.d.sync += is_offered.eq(1)
        return m
