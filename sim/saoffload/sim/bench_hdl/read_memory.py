"""A host memory on AXI4 whose latency is exact: what walkers are measured on."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from saoffload.hdl.bus.axi4 import BURST_INCR, Axi4ReadSignature, Response

LATENCY_BITS = 12
COUNT_BITS = 32
QUEUE_DEPTH = 1024
PAGE_BITS = 12


class ReadMemory(wiring.Component):
    """Answers every read in order, the first beat exactly ``latency`` clocks after the clock of its address, the others
    one per clock, and counts what it gave.

    Reads are pipelined: an address is taken in every clock while fewer than 1,024 reads wait. A read whose time has
    come while another has the bus follows it without a gap. A beat that the reader does not take holds up all after it.

    Parameters
    ----------
    address_width, data_width, id_width : int
        Bits, as ``Axi4ReadSignature`` has them.
    base, size : int
        Bus address and bytes of the memory, powers of two, ``base`` a multiple of ``size``.

    Members
    -------
    axi : ``In(Axi4ReadSignature)``
    latency : ``In(12)``
        Clocks, at least 1. Must not change while a read waits.
    word_address, word : ``Out``, ``In(data_width)``
        Whoever keeps the words: the word at that multiple of its bytes, in the same clock.
    beat_count, byte_count, burst_count : ``Out(32)``
        Beats taken by the reader, bytes in them (a narrow beat has fewer than the bus is wide), and reads accepted.
    refused_count : ``Out(32)``
        Reads that no reader may ask for: outside the memory, across 4 KB, not incrementing, or of beats wider than the
        bus. All their beats answer SLVERR.

    Raises ``ValueError`` for a memory that is no such power of two.
    """

    axi: wiring.PureInterface
    latency: Signal
    word_address: Signal
    word: Signal
    beat_count: Signal
    byte_count: Signal
    burst_count: Signal
    refused_count: Signal

    def __init__(self, *, address_width: int, data_width: int, id_width: int, base: int, size: int):
        if size < 1 << PAGE_BITS or size & (size - 1):
            raise ValueError(f"size must be a power of two of at least 4096, got {size}")
        if base % size or base + size > 1 << address_width:
            raise ValueError(f"base must be a multiple of size inside the address space, got {base:#x}")
        self._base, self._size = base, size
        self._beat_bits = (data_width // 8).bit_length() - 1
        super().__init__(
            {
                "axi": In(Axi4ReadSignature(address_width=address_width, data_width=data_width, id_width=id_width)),
                "latency": In(LATENCY_BITS),
                "word_address": Out(range(size >> self._beat_bits)),
                "word": In(data_width),
                "beat_count": Out(COUNT_BITS),
                "byte_count": Out(COUNT_BITS),
                "burst_count": Out(COUNT_BITS),
                "refused_count": Out(COUNT_BITS),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        axi = self.axi
        offset_bits = (self._size - 1).bit_length()
        read_layout = data.StructLayout(
            {
                "id": axi.arid.shape(),
                "offset": unsigned(offset_bits),
                "size": unsigned(3),
                "last_beat": unsigned(8),
                "is_refused": unsigned(1),
                "due": unsigned(COUNT_BITS),
            }
        )
        m.submodules.queue = queue = Memory(shape=read_layout, depth=QUEUE_DEPTH, init=[])
        tail, head = queue.write_port(), queue.read_port(domain="comb")
        read, taken = head.data, tail.data

        clock_q = Signal(COUNT_BITS)
        level_q = Signal(range(QUEUE_DEPTH + 1))
        beat_q = Signal(8)
        do_take = Signal()
        do_give = Signal()
        do_end = Signal()
        m.d.sync += clock_q.eq(clock_q + 1)

        # Addresses.
        last_byte = axi.araddr[:PAGE_BITS] + ((axi.arlen + 1) << axi.arsize) - 1
        m.d.comb += [
            axi.arready.eq(level_q != QUEUE_DEPTH),
            do_take.eq(axi.arvalid & axi.arready),
            tail.en.eq(do_take),
            taken.id.eq(axi.arid),
            taken.offset.eq(axi.araddr),
            taken.size.eq(axi.arsize),
            taken.last_beat.eq(axi.arlen),
            taken.is_refused.eq(
                (axi.araddr[offset_bits:] != self._base >> offset_bits)
                | (axi.arburst != BURST_INCR)
                | (axi.arsize > self._beat_bits)
                | (last_byte >> PAGE_BITS).any()
            ),
            taken.due.eq(clock_q + self.latency),
        ]
        m.d.sync += level_q.eq(level_q + do_take - do_end)
        with m.If(do_take):
            m.d.sync += [
                tail.addr.eq(tail.addr + 1),
                self.burst_count.eq(self.burst_count + 1),
                self.refused_count.eq(self.refused_count + taken.is_refused),
            ]

        # Beats. The first may start inside its word, the others are whole.
        start = (read.offset >> read.size) << read.size
        beat_offset = Signal(offset_bits)
        m.d.comb += [
            beat_offset.eq(start + (beat_q << read.size)),
            self.word_address.eq(beat_offset >> self._beat_bits),
            axi.rvalid.eq((level_q != 0) & (clock_q >= read.due)),
            axi.rid.eq(read.id),
            axi.rdata.eq(Mux(read.is_refused, 0, self.word)),
            axi.rresp.eq(Mux(read.is_refused, Response.SLVERR, Response.OKAY)),
            axi.rlast.eq(beat_q == read.last_beat),
            do_give.eq(axi.rvalid & axi.rready),
            do_end.eq(do_give & axi.rlast),
        ]
        with m.If(do_give):
            m.d.sync += [
                beat_q.eq(Mux(axi.rlast, 0, beat_q + 1)),
                self.beat_count.eq(self.beat_count + 1),
                self.byte_count.eq(self.byte_count + (1 << read.size)),
            ]
        with m.If(do_end):
            m.d.sync += head.addr.eq(head.addr + 1)
        return m
