"""A strobe that must not be lost: it becomes a stream's request and waits until it is taken."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.layouts import NOTHING


class Request(wiring.Component):
    """Holds a request from the clock after ``do_request`` until it is taken; further strobes meanwhile ask for the
    same.

    Members
    -------
    do_request : ``In(1)``
    requests : ``Out(stream of NOTHING)``
    is_pending : ``Out(1)``
        The request has not been taken yet.

    Latency 1 clock.
    """

    requests: stream.Interface

    def __init__(self) -> None:
        super().__init__({"do_request": In(1), "requests": Out(stream.Signature(NOTHING)), "is_pending": Out(1)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.d.comb += self.requests.valid.eq(self.is_pending)
        with m.If(self.do_request):
            m.d.sync += self.is_pending.eq(1)
        with m.Elif(self.requests.ready):
            m.d.sync += self.is_pending.eq(0)
        return m
