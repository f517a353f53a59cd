"""The seed of the table's hash: two words from the host, one number for the table."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.layouts import SEED_BITS


class SeedRegister(wiring.Component):
    """Holds the seed that the host set; 0 after a reset. The table never sees half of a new one: the low word waits
    until the high one is written.

    Members
    -------
    write_data : ``In(32)``
    do_stage_low : ``In(1)``
        ``write_data`` is the low word of the seed to come.
    do_set : ``In(1)``
        ``write_data`` is its high word: the seed changes.
    seed : ``Out(64)``

    One clock from ``do_set`` to ``seed``.
    """

    def __init__(self) -> None:
        super().__init__({"write_data": In(32), "do_stage_low": In(1), "do_set": In(1), "seed": Out(SEED_BITS)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        low = Signal(32)
        with m.If(self.do_stage_low):
            m.d.sync += low.eq(self.write_data)
        with m.If(self.do_set):
            m.d.sync += [self.seed[:32].eq(low), self.seed[32:].eq(self.write_data)]
        return m
