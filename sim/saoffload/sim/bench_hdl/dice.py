"""Random numbers in hardware, the same for the same seed."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

MULTIPLIER, INCREMENT = 6364136223846793005, 1442695040888963407
"""Knuth's linear congruence for 64 bits; its upper bits are random enough to choose with."""
BITS = 40
_STATE_BITS = 64


class Dice(wiring.Component):
    """New random bits in every clock.

    Members: ``seed``, followed while ``do_restart``; ``bits``: 40 of them.
    """

    seed: Signal
    do_restart: Signal
    bits: Signal

    def __init__(self) -> None:
        super().__init__({"seed": In(_STATE_BITS), "do_restart": In(1), "bits": Out(BITS)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        state = Signal(_STATE_BITS)
        m.d.sync += state.eq(Mux(self.do_restart, self.seed, state * MULTIPLIER + INCREMENT))
        m.d.comb += self.bits.eq(state[-BITS:])
        return m
