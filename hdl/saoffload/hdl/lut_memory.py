"""Small memories that are read without a clock: one word per context, in LUT instead of registers."""

from amaranth.hdl import Module, ShapeLike
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class LutMemory(wiring.Component):
    """Gives the word at each read address in the same clock. A word written in clock n is read in clock n + 1.

    Contents are unknown after a reset: whoever needs them clean writes them.

    Parameters: ``shape`` of a word, ``depth`` (at least 1), ``readers``; ``has_luts``: the part has LUT that hold words
    (iCE40 has none, and takes registers).

    Members: ``read_addresses[n]``, ``read_data[n]`` in the same clock. ``do_write``, ``write_address``, ``write_data``.
    """

    def __init__(self, *, shape: ShapeLike, depth: int, readers: int = 1, has_luts: bool = True):
        if depth < 1 or readers < 1:
            raise ValueError(f"depth and readers must be at least 1, got {depth} and {readers}")
        self._shape = shape
        self._depth = depth
        self._has_luts = has_luts
        super().__init__(
            {
                "read_addresses": In(range(max(2, depth))).array(readers),
                "read_data": Out(shape).array(readers),
                "do_write": In(1),
                "write_address": In(range(max(2, depth))),
                "write_data": In(shape),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        style = {"ram_style": "distributed"} if self._has_luts else {}
        m.submodules.memory = memory = Memory(shape=self._shape, depth=max(2, self._depth), init=[], attrs=style)
        write = memory.write_port()
        m.d.comb += [
            write.en.eq(self.do_write),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
        ]
        for address, data in zip(self.read_addresses, self.read_data, strict=True):
            read = memory.read_port(domain="comb")
            m.d.comb += [read.addr.eq(address), data.eq(read.data)]
        return m
