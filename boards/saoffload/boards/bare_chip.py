"""FPGAs without a board around them: what designs are measured on."""

from typing import Any

DEVICES = ("LFE5U-25F", "LFE5U-85F")
"""Lattice ECP5 in package CABGA381, speed grade 6: the slowest that is sold."""


def bare_chip(device: str, *, clock_hz: int) -> Any:
    """An Amaranth platform with a clock and the pins ``scan_in`` and ``scan_out``, and nothing else.

    Parameters: ``device``, one of ``DEVICES``; ``clock_hz``, what place and route tries to reach.

    Raises ``ValueError`` naming the devices there are.
    """
    from amaranth.build import Attrs, Clock, Pins, Resource
    from amaranth.vendor import LatticePlatform

    if device not in DEVICES:
        raise ValueError(f"unknown device {device!r}: choose one of {', '.join(DEVICES)}")

    chosen = device

    class BareChip(LatticePlatform):
        device = chosen
        package = "BG381"
        speed = "6"
        default_clk = "clock"
        resources = [
            Resource("clock", 0, Pins("G2", dir="i"), Clock(clock_hz), Attrs(IO_TYPE="LVCMOS33")),
            Resource("scan_in", 0, Pins("B2", dir="i"), Attrs(IO_TYPE="LVCMOS33")),
            Resource("scan_out", 0, Pins("C2", dir="o"), Attrs(IO_TYPE="LVCMOS33")),
        ]
        connectors = []

    return BareChip()
