"""Registers where a stream leads from one room to another: what crosses is a flip-flop's output, whichever way."""

from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class StreamRegister(wiring.Component):
    """Passes a stream on, each payload once and in order. All its outputs come straight from flip-flops, and no input
    leads through more than one look-up table before it meets one.

    No payload is kept: it stands at the source, as a stream's must, until the source is told that it was taken. So this
    is for streams that have something to pass now and then.

    Parameters
    ----------
    shape
        Of the payload.

    Members
    -------
    i, o : ``In(stream)``, ``Out(stream)``
        An offer at ``i`` is one at ``o`` a clock later; what is taken at ``o`` is taken at ``i`` a clock later.

    Latency 1 clock each way; one transfer every 3 clocks. A reset forgets what is on its way, also what was taken at
    ``o`` and not yet at ``i``: it must reset the source as well.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, shape: Any):
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        was_taken = Signal()
        payload_q = Signal(len(Value.cast(self.i.payload)), reset_less=True)
        do_take = self.o.valid & self.o.ready
        m.d.comb += [Value.cast(self.o.payload).eq(payload_q), self.i.ready.eq(was_taken)]
        m.d.sync += [
            # What was taken is still on offer at the source in the clock in which that is told.
            self.o.valid.eq(self.i.valid & ~do_take & ~was_taken),
            was_taken.eq(do_take),
            payload_q.eq(self.i.payload),
        ]
        return m
