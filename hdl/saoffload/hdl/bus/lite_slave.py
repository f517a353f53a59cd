"""Registers on AXI4-Lite: the bus and its five channels end here, behind it are two strobes, each with its address."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .axi4 import Axi4LiteSignature, Response

FULL_STROBE = 0b1111
"""WSTRB of a write of all four bytes, the only kind that registers take."""


class RegisterPortSignature(wiring.Signature):
    """One access to a register bank per clock, seen from the side that asks.

    ``do_read`` and ``do_write`` are strobes, never both in one clock. ``read_address`` and ``write_address`` (in bytes,
    multiples of 4) each belong to the clock of their strobe, ``write_data`` to this one and the next. Two clocks after
    a strobe, and only there, the bank answers with ``is_mapped`` (whether there is such a register for this kind of
    access) and, to a read, ``read_data``. A write that is not mapped changes nothing.

    Parameter: ``address_width``, in bits.
    """

    def __init__(self, *, address_width: int):
        super().__init__(
            {
                "do_read": Out(1),
                "read_address": Out(address_width),
                "read_data": In(32),
                "do_write": Out(1),
                "write_address": Out(address_width),
                "write_data": Out(32),
                "is_mapped": In(1),
            }
        )


class LiteSlave(wiring.Component):
    """Answers every AXI4-Lite access exactly once and in constant time, whatever the manager asks or how it waits.

    A read of what is not mapped is answered SLVERR with data 0. A write of what is not mapped, or of less than four
    bytes, is answered SLVERR and changes nothing. Address and data of a write may come in any order, any time apart.
    Reads and writes do not wait for each other's answers to be taken. PROT and the two low address bits are ignored.

    Parameters
    ----------
    address_width : int
        Bits of an address, 3 to 64.

    Members
    -------
    axi : ``In(Axi4LiteSignature)``
        No input reaches an output in the same clock.
    registers : ``Out(RegisterPortSignature)``
        The bank behind it.

    Raises ``TypeError`` or ``ValueError`` for another address width.

    Latency: BVALID comes 4 clocks after the handshakes of address and data, counted from the later one. RVALID comes 4
    clocks after the handshake of the address, or 5 when a write had its later handshake in the same clock: the write
    goes first. Throughput: one read and one write every 5 clocks, since each kind takes its next address in the clock
    after its answer was taken. ``write_data`` stands for 4 clocks after its strobe.
    """

    def __init__(self, *, address_width: int):
        if not isinstance(address_width, int) or isinstance(address_width, bool):
            raise TypeError(f"address_width must be an integer, got {address_width!r}")
        if not 3 <= address_width <= 64:
            raise ValueError(f"address_width must be 3 to 64, got {address_width}")
        super().__init__(
            {
                "axi": In(Axi4LiteSignature(address_width=address_width)),
                "registers": Out(RegisterPortSignature(address_width=address_width)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        axi, registers = self.axi, self.registers

        does_write_ask = Signal()
        write_address_q = Signal.like(axi.awaddr)
        read_address_q = Signal.like(axi.araddr)
        m.d.comb += [
            registers.write_address.eq(_of_word(write_address_q)),
            registers.read_address.eq(_of_word(read_address_q)),
        ]

        self._add_writes(m, address_q=write_address_q, does_ask=does_write_ask)
        # Writes go first when both ask in one clock. That is fair: the next write asks 5 clocks later at the earliest,
        # so a read loses one clock at most.
        self._add_reads(m, address_q=read_address_q, is_blocked=does_write_ask)
        return m

    def _add_writes(self, m: Module, *, address_q: Signal, does_ask: Signal) -> None:
        axi, registers = self.axi, self.registers
        has_address_q = Signal()
        has_data_q = Signal()
        is_whole_q = Signal()

        # Which access it is comes from a register, not from the state: the bank's decoding begins there.
        m.d.comb += registers.do_write.eq(does_ask & is_whole_q)
        m.d.sync += does_ask.eq(0)
        with m.FSM(name="write"):
            with m.State("COLLECT"):
                m.d.comb += [axi.awready.eq(~has_address_q), axi.wready.eq(~has_data_q)]
                with m.If(axi.awvalid & axi.awready):
                    m.d.sync += [has_address_q.eq(1), address_q.eq(axi.awaddr)]
                with m.If(axi.wvalid & axi.wready):
                    m.d.sync += [
                        has_data_q.eq(1),
                        registers.write_data.eq(axi.wdata),
                        is_whole_q.eq(axi.wstrb == FULL_STROBE),
                    ]
                with m.If((axi.awvalid | has_address_q) & (axi.wvalid | has_data_q)):
                    m.d.sync += does_ask.eq(1)
                    m.next = "ASK"
            with m.State("ASK"):
                # A partial write asks nothing, but takes its turn: the answer's time tells nothing about its kind.
                m.d.sync += [has_address_q.eq(0), has_data_q.eq(0)]
                m.next = "WAIT"
            with m.State("WAIT"):
                m.next = "CAPTURE"
            with m.State("CAPTURE"):
                m.d.sync += axi.bresp.eq(Mux(is_whole_q & registers.is_mapped, Response.OKAY, Response.SLVERR))
                m.next = "RESPOND"
            with m.State("RESPOND"):
                m.d.comb += axi.bvalid.eq(1)
                with m.If(axi.bready):
                    m.next = "COLLECT"

    def _add_reads(self, m: Module, *, address_q: Signal, is_blocked: Signal) -> None:
        axi, registers = self.axi, self.registers

        with m.FSM(name="read"):
            with m.State("COLLECT"):
                m.d.comb += axi.arready.eq(1)
                with m.If(axi.arvalid):
                    m.d.sync += address_q.eq(axi.araddr)
                    m.next = "ASK"
            with m.State("ASK"):
                with m.If(~is_blocked):
                    m.d.comb += registers.do_read.eq(1)
                    m.next = "WAIT"
            with m.State("WAIT"):
                m.next = "CAPTURE"
            with m.State("CAPTURE"):
                m.d.sync += [
                    axi.rdata.eq(Mux(registers.is_mapped, registers.read_data, 0)),
                    axi.rresp.eq(Mux(registers.is_mapped, Response.OKAY, Response.SLVERR)),
                ]
                m.next = "RESPOND"
            with m.State("RESPOND"):
                m.d.comb += axi.rvalid.eq(1)
                with m.If(axi.rready):
                    m.next = "COLLECT"


def _of_word(address: Signal) -> Value:
    return Value.cast(Cat(Const(0, 2), address[2:]))
