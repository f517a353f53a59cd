"""A master of AXI4-Lite that is told one access at a time, so that its teller need not wake at every clock."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.bus.axi4 import Axi4LiteSignature

PATIENCE_BITS = 14
"""An access without an answer is given up after 2**14 clocks."""
NO_ANSWER = 4


def access_layout(address_width: int) -> data.StructLayout:
    """What to do. A ``turn`` that differs from the one before begins the access."""
    return data.StructLayout({"data": 32, "address": address_width, "does_write": 1, "turn": 1})


#: How it ended: ``response`` is AXI's, or ``NO_ANSWER``. ``turn`` is that of the access.
OUTCOME = data.StructLayout({"data": 32, "response": 3, "turn": 1})


class LiteMaster(wiring.Component):
    """Does what ``access`` says, and shows its ``outcome`` in the clock after the answer.

    Parameter: ``address_width`` in bits.

    Members: ``axi``; ``access``: ``In(access_layout)``; ``outcome``: ``Out(OUTCOME)``.
    """

    def __init__(self, *, address_width: int):
        super().__init__(
            {
                "axi": Out(Axi4LiteSignature(address_width=address_width)),
                "access": In(access_layout(address_width)),
                "outcome": Out(OUTCOME),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        axi, access, outcome = self.axi, self.access, self.outcome
        patience = Signal(PATIENCE_BITS)
        has_address, has_data, is_busy = Signal(), Signal(), Signal()
        begins = ~is_busy & (access.turn != outcome.turn)
        ends, response = Signal(), Signal(3)
        m.d.comb += [
            axi.awaddr.eq(access.address),
            axi.araddr.eq(access.address),
            axi.wdata.eq(access.data),
            axi.wstrb.eq(0b1111),
            axi.awvalid.eq(is_busy & access.does_write & ~has_address),
            axi.wvalid.eq(is_busy & access.does_write & ~has_data),
            axi.arvalid.eq(is_busy & ~access.does_write & ~has_address),
            axi.bready.eq(1),
            axi.rready.eq(1),
            ends.eq(is_busy & (Mux(access.does_write, axi.bvalid, axi.rvalid) | patience.all())),
            response.eq(Mux(access.does_write, axi.bresp, axi.rresp)),
        ]
        with m.If(begins):
            m.d.sync += [is_busy.eq(1), has_address.eq(0), has_data.eq(0), patience.eq(0)]
        with m.If(is_busy):
            m.d.sync += patience.eq(patience + 1)
        with m.If((axi.awvalid & axi.awready) | (axi.arvalid & axi.arready)):
            m.d.sync += has_address.eq(1)
        with m.If(axi.wvalid & axi.wready):
            m.d.sync += has_data.eq(1)
        with m.If(ends):
            m.d.sync += [
                is_busy.eq(0),
                outcome.turn.eq(access.turn),
                outcome.data.eq(axi.rdata),
                outcome.response.eq(Mux(patience.all(), NO_ANSWER, response)),
            ]
        return m
