"""A design without pins of its own, between registers: to be placed and routed alone, and measured."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In, Out


class Harness(wiring.Component):
    """Feeds every input of a design from a register of its own, and takes every output into one, over two pins.

    The input registers are one long shift register, so synthesis can take none of them for constant. What the output
    registers hold is folded into one bit, so that none of the design is idle either. So all paths of the design lie
    between registers, as in a chip that registers what comes from afar.

    Parameters: ``design``, a component that nobody else elaborates.

    Members: ``scan_in``; ``scan_out``. ``ff``, ``lut``: what of the routed figures is not the design's: a flip-flop per
    input bit, two and a LUT per output bit.
    """

    scan_in: Signal
    scan_out: Signal

    def __init__(self, design: wiring.Component):
        self._design = design
        super().__init__({"scan_in": In(1), "scan_out": Out(1)})
        self._inputs = self._bits(In)
        self._outputs = self._bits(Out)

    @property
    def ff(self) -> int:
        return len(self._inputs) + 2 * len(self._outputs)

    @property
    def lut(self) -> int:
        return len(self._outputs)

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.design = self._design
        driven = Signal(len(self._inputs), reset_less=True)
        taken = Signal(len(self._outputs), reset_less=True)
        folded = Signal(len(self._outputs), reset_less=True)
        m.d.comb += [self._inputs.eq(driven), self.scan_out.eq(folded[-1])]
        m.d.sync += [
            driven.eq(Cat(self.scan_in, driven[:-1])),
            taken.eq(self._outputs),
            folded.eq(taken ^ (folded << 1)[: len(folded)]),
        ]
        return m

    def _bits(self, flow: wiring.Flow) -> Value:
        members = self._design.signature.flatten(self._design)
        values = [Value.cast(value) for _path, member, value in members if member.flow is flow]
        # What is always ready has a constant in that place.
        return Value.cast(Cat(value for value in values if not isinstance(value, Const)))


class HarnessTop(wiring.Component):
    """The harness on the pins ``scan_in`` and ``scan_out`` of a platform.

    Parameters: ``harness``.
    """

    def __init__(self, harness: Harness):
        self._harness = harness
        super().__init__({})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.harness = harness = self._harness
        m.submodules.scan_in = scan_in = io.Buffer("i", platform.request("scan_in", 0, dir="-"))
        m.submodules.scan_out = scan_out = io.Buffer("o", platform.request("scan_out", 0, dir="-"))
        m.d.comb += [harness.scan_in.eq(scan_in.i), scan_out.o.eq(harness.scan_out)]
        return m
