"""Host memory on the chip: what the engine walks when no host is attached."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from saoffload.hdl.bus.axi4 import BURST_INCR, Axi4ReadSignature, Response
from saoffload.hdl.config import EngineConfig

from .local_bus import PAGE_BITS, LocalBusSignature
from .ram import BeatRam

BEAT_BYTES = 8
SMALLEST = 64
LARGEST = 8 << PAGE_BITS
"""All pages of host memory on the local bus."""


class HostMemory(wiring.Component):
    """RAM from bus address 0, read by AXI4 bursts, read and written by the local bus; undefined after configuration.

    Bursts are of INCR type with whole 64-bit beats; every beat of another burst, and every beat beyond the memory, is
    answered SLVERR, with data that means nothing. Accesses of the local bus beyond the memory are answered SLVERR. One
    burst is served at a time, in the order of arrival.

    Parameters: ``config``, the engine's sizes; ``byte_count``, a power of two from 64 to 32,768.

    Members: ``axi``, the engine's side; ``bus``, the local bus.

    Raises ``TypeError`` or ``ValueError`` for another size.

    Latency: the first beat comes 2 clocks after the address, then one beat per clock. The local bus goes first: its
    write takes 1 clock, its read 2, and the beats wait for it 1 clock. It waits itself while a beat is not taken.
    """

    def __init__(self, *, config: EngineConfig, byte_count: int):
        if not isinstance(byte_count, int) or isinstance(byte_count, bool):
            raise TypeError(f"byte_count must be an integer, got {byte_count!r}")
        if not SMALLEST <= byte_count <= LARGEST or byte_count & (byte_count - 1):
            raise ValueError(f"byte_count must be a power of two from {SMALLEST} to {LARGEST}, got {byte_count}")
        self._beat_count = byte_count // BEAT_BYTES
        super().__init__(
            {
                "axi": In(
                    Axi4ReadSignature(
                        address_width=config.address_width, data_width=8 * BEAT_BYTES, id_width=config.id_width
                    )
                ),
                "bus": In(LocalBusSignature()),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        axi, bus = self.axi, self.bus

        m.submodules.ram = ram = BeatRam(depth=self._beat_count)
        index_bits = (self._beat_count - 1).bit_length()

        # A burst: its next beat, and the beats that are left after that one.
        is_busy = Signal()
        is_refused = Signal()
        burst_id = Signal.like(axi.arid)
        index = Signal(index_bits)
        left_count = Signal(8)

        # The beat on offer. Its data stands at the RAM's output, so the RAM does nothing else until it is taken.
        is_held = axi.rvalid & ~axi.rready
        is_beat_refused = Signal()

        bus_index = bus.address[3 : 3 + index_bits]
        bus_is_inside = bus.address[3 + index_bits : PAGE_BITS + 3] == 0
        bus_read_q = Signal()
        do_bus_read = Signal()
        do_bus_write = Signal()
        do_beat = Signal()

        is_bus_turn = bus.is_active & bus_is_inside & ~is_held & ~bus_read_q
        m.d.comb += [
            do_bus_write.eq(is_bus_turn & bus.is_write),
            do_bus_read.eq(is_bus_turn & ~bus.is_write),
            do_beat.eq(is_busy & ~is_held & ~do_bus_write & ~do_bus_read),
            bus.is_done.eq(bus.is_active & (~bus_is_inside | do_bus_write | bus_read_q)),
            bus.response.eq(Mux(bus_is_inside, Response.OKAY, Response.SLVERR)),
            bus.read_data.eq(ram.read_data.word_select(bus.address[2], 32)),
            ram.index.eq(Mux(do_beat, index, bus_index)),
            ram.do_read.eq(do_bus_read | do_beat),
            ram.do_write.eq(do_bus_write),
            ram.is_high.eq(bus.address[2]),
            ram.write_data.eq(bus.write_data),
        ]
        m.d.sync += bus_read_q.eq(do_bus_read)

        m.d.comb += [
            axi.arready.eq(~is_busy),
            axi.rresp.eq(Mux(is_beat_refused, Response.SLVERR, Response.OKAY)),
            axi.rdata.eq(ram.read_data),
        ]
        with m.If(axi.arvalid & axi.arready):
            m.d.sync += [
                is_busy.eq(1),
                burst_id.eq(axi.arid),
                index.eq(axi.araddr[3 : 3 + index_bits]),
                left_count.eq(axi.arlen),
                is_refused.eq((axi.araddr[3 + index_bits :] != 0) | (axi.arburst != BURST_INCR) | (axi.arsize != 3)),
            ]
        with m.If(axi.rready):
            m.d.sync += axi.rvalid.eq(0)
        with m.If(do_beat):
            m.d.sync += [
                axi.rvalid.eq(1),
                axi.rid.eq(burst_id),
                is_beat_refused.eq(is_refused),
                axi.rlast.eq(left_count == 0),
                is_busy.eq(left_count != 0),
                left_count.eq(left_count - 1),
                index.eq(index + 1),
                is_refused.eq(is_refused | index.all()),
            ]
        return m
