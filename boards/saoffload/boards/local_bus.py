"""The bus between the serial bridge and what it reaches: one access at a time, 32-bit words, answered when done."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.bus.axi4 import Axi4LiteSignature, Response

ADDRESS_BITS = 16
#: Address bits of one page: what a frame on the serial line carries.
PAGE_BITS = 12

ENGINE_PAGE = 0x0
PROBE_PAGE = 0x4
#: Host memory begins here and may reach to the end of the bus.
MEMORY_PAGE = 0x8
#: Nothing is here, nor will be.
EMPTY_PAGE = 0x1


class LocalBusSignature(wiring.Signature):
    """One access at a time, seen from the side that asks.

    ``is_active`` rises with ``is_write``, ``address`` (of bytes, its low 2 bits 0) and ``write_data``; all of them
    stand until the clock in which ``is_done`` is 1. ``response`` and, for an access that reads, ``read_data`` are valid
    in that clock only. In the clock after it the next access may stand already.
    """

    def __init__(self):
        super().__init__(
            {
                "is_active": Out(1),
                "is_write": Out(1),
                "address": Out(ADDRESS_BITS),
                "write_data": Out(32),
                "is_done": In(1),
                "response": In(Response),
                "read_data": In(32),
            }
        )


class LocalBusDecoder(wiring.Component):
    """Gives each access to the target that owns its address; an address that nobody owns is answered DECERR.

    Members: ``initiator``, the bridge's side; ``engine``, ``probe`` and ``memory``, the targets.

    Latency: none.
    """

    def __init__(self):
        super().__init__(
            {
                "initiator": In(LocalBusSignature()),
                "engine": Out(LocalBusSignature()),
                "probe": Out(LocalBusSignature()),
                "memory": Out(LocalBusSignature()),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        initiator = self.initiator
        page = initiator.address[PAGE_BITS:]
        owners = (
            (page == ENGINE_PAGE, self.engine),
            (page == PROBE_PAGE, self.probe),
            (page[3], self.memory),
        )
        m.d.comb += [initiator.is_done.eq(initiator.is_active), initiator.response.eq(Response.DECERR)]
        for is_owner, target in owners:
            m.d.comb += [
                target.is_active.eq(initiator.is_active & is_owner),
                target.is_write.eq(initiator.is_write),
                target.address.eq(initiator.address),
                target.write_data.eq(initiator.write_data),
            ]
            with m.If(is_owner):
                m.d.comb += [
                    initiator.is_done.eq(target.is_done),
                    initiator.response.eq(target.response),
                    initiator.read_data.eq(target.read_data),
                ]
        return m


class LiteManager(wiring.Component):
    """Carries accesses out on AXI4-Lite, one at a time, whole words, and answers with the response that came.

    Members: ``bus``, the accesses; ``axil``, AXI4-Lite with 12 address bits. An access is done when its answer comes:
    the subordinate must answer, which is what AXI4-Lite asks of it.

    Latency: none of its own; address and data are offered in the clock in which the access stands.
    """

    def __init__(self):
        super().__init__({"bus": In(LocalBusSignature()), "axil": Out(Axi4LiteSignature(address_width=PAGE_BITS))})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        bus, axil = self.bus, self.axil

        # One flag per channel: the subordinate may take the address long before the data, or after it.
        address_taken = Signal()
        data_taken = Signal()
        m.d.comb += [
            axil.awaddr.eq(bus.address),
            axil.araddr.eq(bus.address),
            axil.wdata.eq(bus.write_data),
            axil.wstrb.eq(0b1111),
            axil.awvalid.eq(bus.is_active & bus.is_write & ~address_taken),
            axil.wvalid.eq(bus.is_active & bus.is_write & ~data_taken),
            axil.arvalid.eq(bus.is_active & ~bus.is_write & ~address_taken),
            axil.bready.eq(1),
            axil.rready.eq(1),
            bus.is_done.eq(axil.bvalid | axil.rvalid),
            bus.response.eq(Mux(bus.is_write, axil.bresp, axil.rresp)),
            bus.read_data.eq(axil.rdata),
        ]
        with m.If((axil.awvalid & axil.awready) | (axil.arvalid & axil.arready)):
            m.d.sync += address_taken.eq(1)
        with m.If(axil.wvalid & axil.wready):
            m.d.sync += data_taken.eq(1)
        with m.If(bus.is_done):
            m.d.sync += [address_taken.eq(0), data_taken.eq(0)]
        return m
