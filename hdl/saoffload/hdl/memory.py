"""Memories described so that they become block RAM, or distributed RAM, and nothing beside it."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

UNINITIALISED = {"uninitialised": 1}
"""Attribute of a register whose first value does not matter. Amaranth gives every register an initial value, and block
RAM has none at its output, so synthesis builds one LUT per bit to make it; a build that first runs the yosys command
``setattr -unset init a:uninitialised`` spares them."""


class BlockMemory(wiring.Component):
    """Gives the word at ``read_address`` one clock after ``do_read`` and holds it.

    A word must never be read in the clock in which it is written: simulation gives the word of before, hardware
    whatever it likes. In exchange no gate is spent on that case. (A synchronous read port of ``amaranth.lib.memory``
    promises the word of before, for which yosys builds a bypass of 40 LUT and 72 flip-flops per 32 bits on iCE40. A
    combinational port behind a register, with ``no_rw_check``, becomes the same block RAM without the bypass.)

    Contents and ``read_data`` are unknown after a reset. The output of a block RAM cannot be cleared: who needs a 0
    pays one LUT per bit for it, and knows best where.

    Parameters
    ----------
    width : int
        Bits of a word.
    depth : int
        Words, at least 2.
    in_block_ram : bool
        Asks synthesis for block RAM whatever the size.
    in_luts : bool
        Asks for LUT that hold words, behind which a register stands: its word comes early in the clock.

    Members
    -------
    write_address, write_data, do_write : In
        Writes the word at the end of the clock.
    read_address, do_read : In
    read_data : ``Out(width)``

    Latency 1 clock, one read and one write per clock.
    """

    def __init__(self, *, width: int, depth: int, in_block_ram: bool = False, in_luts: bool = False):
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        if depth < 2:
            raise ValueError(f"depth must be at least 2, got {depth}")
        self._depth = depth
        self._width = width
        if in_block_ram and in_luts:
            raise ValueError("a memory is in block RAM or in LUT, not in both")
        self._attributes: dict[str, int | str] = {"no_rw_check": 1}
        if in_block_ram or in_luts:
            self._attributes["ram_style"] = "block" if in_block_ram else "distributed"
        super().__init__(
            {
                "write_address": In(range(depth)),
                "write_data": In(width),
                "do_write": In(1),
                "read_address": In(range(depth)),
                "do_read": In(1),
                "read_data": Out(width),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=self._width, depth=self._depth, init=[], attrs=self._attributes)
        write_port = memory.write_port()
        read_port = memory.read_port(domain="comb")
        m.d.comb += [
            write_port.addr.eq(self.write_address),
            write_port.data.eq(self.write_data),
            write_port.en.eq(self.do_write),
            read_port.addr.eq(self.read_address),
        ]
        word_q = Signal(self._width, reset_less=True, attrs=UNINITIALISED)
        m.d.comb += self.read_data.eq(word_q)
        with m.If(self.do_read):
            m.d.sync += word_q.eq(read_port.data)
        return m


class SharedMemory(wiring.Component):
    """A memory with one write port and several read ports of one clock latency.

    What is read in the clock of a write to its address is unknown and must not matter; in exchange no gate is spent on
    that case. Content after a reset is whatever it was before: whoever needs it clean writes it.

    Parameters: ``shape``, ``depth``, ``readers``; ``in_block_ram`` asks synthesis for block RAM whatever the size.

    Members: ``read_addresses[n]``; ``read_data[n]`` one clock later. ``do_write``, ``write_address``, ``write_data``.
    """

    def __init__(self, *, shape: data.StructLayout, depth: int, readers: int, in_block_ram: bool = False):
        if depth < 1 or readers < 1:
            raise ValueError(f"depth and readers must be at least 1, got {depth} and {readers}")
        self._shape = shape
        self._depth = depth
        self._attributes = {"no_rw_check": 1, **({"ram_style": "block"} if in_block_ram else {})}
        super().__init__(
            {
                "read_addresses": In(range(depth)).array(readers),
                "read_data": Out(shape).array(readers),
                "do_write": In(1),
                "write_address": In(range(depth)),
                "write_data": In(shape),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=self._shape, depth=self._depth, init=[], attrs=self._attributes)
        write = memory.write_port()
        m.d.comb += [
            write.en.eq(self.do_write),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
        ]
        for number, address in enumerate(self.read_addresses):
            # A combinational port behind a register: a synchronous port would promise the old content, and synthesis
            # would build a bypass for it.
            read = memory.read_port(domain="comb")
            content = Signal(self._shape, name=f"content_{number}", reset_less=True, attrs=UNINITIALISED)
            m.d.comb += [read.addr.eq(address), self.read_data[number].eq(content)]
            m.d.sync += content.eq(read.data)
        return m
