"""One-port memory of 64-bit beats that is written by halves, in whatever RAM the FPGA has most of."""

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

BEAT_BITS = 64

#: FPGAs that have four large one-port RAMs beside their block RAMs, and the words of 16 bits in each of the four.
SPRAM_DEVICES = {"iCE40UP5K": 16384}
SPRAM_BITS = 16


class BeatRam(wiring.Component):
    """Reads one beat, or writes one half of one, per clock.

    What it holds after configuration is undefined. ``read_data`` stands from the clock after a read until the next
    read or write; after a write it means nothing.

    Parameters: ``depth``, in beats, a power of two.

    Members: ``index``, of the beat; ``do_read`` and ``do_write``, never both; ``write_data``, 32 bits; ``is_high``,
    which half is written; ``read_data``.

    Raises ``TypeError`` or ``ValueError`` for another depth, ``ValueError`` when elaborated for an FPGA whose large
    RAMs are smaller.

    Latency: 1 clock.
    """

    def __init__(self, *, depth: int):
        if not isinstance(depth, int) or isinstance(depth, bool):
            raise TypeError(f"depth must be an integer, got {depth!r}")
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two, got {depth}")
        self._depth = depth
        super().__init__(
            {
                "index": In(range(depth)),
                "do_read": In(1),
                "do_write": In(1),
                "is_high": In(1),
                "write_data": In(BEAT_BITS // 2),
                "read_data": Out(BEAT_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = SPRAM_DEVICES.get(getattr(platform, "device", ""))
        if words is None:
            self._use_block_ram(m)
        elif self._depth <= words:
            self._use_spram(m)
        else:
            raise ValueError(f"depth must be at most {words} on this FPGA, got {self._depth}")
        return m

    def _use_block_ram(self, m: Module) -> None:
        for name, is_this, output in (
            ("low", ~self.is_high, self.read_data[: BEAT_BITS // 2]),
            ("high", self.is_high, self.read_data[BEAT_BITS // 2 :]),
        ):
            # Two memories, since not every FPGA writes half of a wide one.
            m.submodules[name] = memory = Memory(shape=BEAT_BITS // 2, depth=self._depth, init=[])
            write = memory.write_port()
            # Port and register become the synchronous port of a block RAM. Written so, yosys sees that a read never
            # meets a write; at an ordinary synchronous port it adds a bypass of 3 cells per bit for that case.
            read = memory.read_port(domain="comb")
            register = Signal(BEAT_BITS // 2, name=f"{name}_q", reset_less=True)
            m.d.comb += [
                write.addr.eq(self.index),
                write.data.eq(self.write_data),
                write.en.eq(self.do_write & is_this),
                read.addr.eq(self.index),
                output.eq(register),
            ]
            with m.If(self.do_read & ~self.do_write):
                m.d.sync += register.eq(read.data)

    def _use_spram(self, m: Module) -> None:
        for lane in range(BEAT_BITS // SPRAM_BITS):
            half, part = divmod(lane, 2)
            is_written = self.is_high if half else ~self.is_high
            m.submodules[f"lane{lane}"] = Instance(
                "SB_SPRAM256KA",
                i_CLOCK=ClockSignal(),
                i_ADDRESS=Cat(self.index, Const(0, 14 - len(self.index))),
                i_DATAIN=self.write_data.word_select(part, SPRAM_BITS),
                i_MASKWREN=is_written.replicate(4),
                i_WREN=self.do_write,
                i_CHIPSELECT=self.do_read | self.do_write,
                i_STANDBY=Const(0, 1),
                i_SLEEP=Const(0, 1),
                i_POWEROFF=Const(1, 1),  # active low, whatever its name says
                o_DATAOUT=self.read_data.word_select(lane, SPRAM_BITS),
            )
