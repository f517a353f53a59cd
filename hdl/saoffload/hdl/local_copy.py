"""A register that stands where it is read, though another one holds the same."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class LocalCopy(wiring.Component):
    """``source`` of the clock before, for one reader or for those that stand together.

    A single register that leads to all of a large chip has wires too long for a fast clock. Copies of it are one to
    synthesis, which joins what always holds the same, bit by bit. So this is a module of its own, as a submodule whose
    name begins with ``local_``, by which synthesis for large chips is told to leave it alone; elsewhere the copies may
    become one again.

    Parameters: ``width``, in bits; ``reset_less``, as of a ``Signal``.

    Members: ``source``: ``In(width)``; ``copy``: ``Out(width)``. Latency 1 clock.
    """

    def __init__(self, width: int, *, reset_less: bool = False):
        self._width = width
        self._reset_less = reset_less
        super().__init__({"source": In(width), "copy": Out(width)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        register = Signal(self._width, reset_less=self._reset_less)
        m.d.sync += register.eq(self.source)
        m.d.comb += self.copy.eq(register)
        return m


def local_copy(m: Module, name: str, source: Value, *, reset_less: bool = False) -> Value:
    """``source`` of the clock before, in a ``LocalCopy`` of ``m`` called ``local_`` and ``name``."""
    m.submodules[f"local_{name}"] = local = LocalCopy(len(source), reset_less=reset_less)
    m.d.comb += local.source.eq(source)
    return Value.cast(local.copy)
