"""Figures of a routed design, from what nextpnr wrote about it, and the report that a build ends with."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

#: Cells that hold block RAM in each family's report.
BLOCK_RAM_CELLS = {"ecp5": "DP16KD", "ice40": "ICESTORM_RAM"}

#: nextpnr-ice40 reports logic cells only; what is inside them stands in its log.
ICE40_FLIP_FLOPS = re.compile(r"^Info:\s+(\d+) LCs used as (?:LUT4 and DFF|DFF only)", re.MULTILINE)

#: nextpnr's clocks are multiples of a picosecond.
CONSTRAINT_TOLERANCE = 1e-3


class ReportError(Exception):
    """nextpnr's output does not say what a report needs. The message is one line."""


@dataclass(frozen=True, kw_only=True)
class BuildReport:
    """What became of one build. All figures are those of the routed design."""

    board: str
    preset: str
    #: Places of 4-input lookup tables that are taken. On iCE40 each logic cell is one, also when only its flip-flop or
    #: its carry is used; on ECP5 lookup tables used as carry or RAM count too.
    lut: int
    #: Flip-flops.
    ff: int
    #: Block RAMs: 18 Kbit on ECP5, 4 Kbit on iCE40.
    bram: int
    #: Fastest clock of the slowest path, in the tool's worst case.
    fmax_mhz: float
    #: The board's clock.
    clock_mhz: float
    #: Whether the routed design runs at the board's clock.
    met: bool
    #: Seed of the placement.
    seed: int
    #: Path of the bitstream.
    bitstream: str

    def to_json(self) -> dict[str, Any]:
        """The fields, in this order, ready for ``json.dumps``."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class RoutedDesign:
    """Size and speed of one routed design."""

    lut: int
    ff: int
    bram: int
    fmax_mhz: float


def read_routed(*, family: str, report: Mapping[str, Any], log: str, clock_hz: int) -> RoutedDesign:
    """The figures in nextpnr's ``--report`` (parsed JSON) and in its log.

    Parameters: ``family``, ``ecp5`` or ``ice40``; ``clock_hz``, the clock that the design was constrained to.

    Raises ``ReportError`` when a figure is missing, or the design was not routed for this clock, which would make any
    statement about it worthless.
    """
    fmax_mhz = _slowest_clock(report, clock_hz)
    used = {cell: entry["used"] for cell, entry in report.get("utilization", {}).items()}
    try:
        bram = used[BLOCK_RAM_CELLS[family]]
        if family == "ecp5":
            return RoutedDesign(lut=used["TRELLIS_COMB"], ff=used["TRELLIS_FF"], bram=bram, fmax_mhz=fmax_mhz)
        lut = used["ICESTORM_LC"]
    except KeyError as error:
        raise ReportError(f"nextpnr's report has no {error}") from None
    flip_flops = ICE40_FLIP_FLOPS.findall(log)
    if len(flip_flops) != 2:
        raise ReportError("nextpnr's log does not say how many logic cells hold a flip-flop")
    return RoutedDesign(lut=lut, ff=sum(map(int, flip_flops)), bram=bram, fmax_mhz=fmax_mhz)


def _slowest_clock(report: Mapping[str, Any], clock_hz: int) -> float:
    clocks = report.get("fmax", {})
    if not clocks:
        raise ReportError("nextpnr's report has no clock")
    for name, clock in clocks.items():
        if abs(clock["constraint"] * 1e6 / clock_hz - 1) > CONSTRAINT_TOLERANCE:
            raise ReportError(f"clock {name} was constrained to {clock['constraint']} MHz, not {clock_hz / 1e6} MHz")
    return min(clock["achieved"] for clock in clocks.values())
