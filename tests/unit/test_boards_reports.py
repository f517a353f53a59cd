"""Reports are read from nextpnr's own output, and refused when that output does not say enough."""

import pytest

from saoffload.boards.reports import BuildReport, ReportError, read_routed
from saoffload.boards.tools import first_error

ICE40_LOG = """\
Info: Packing LUT-FFs..
Info:      539 LCs used as LUT4 only
Info:      231 LCs used as LUT4 and DFF
Info: Packing non-LUT FFs..
Info:      396 LCs used as DFF only
Info: Packing carries..
Info:       14 LCs used as CARRY only
"""


def ice40_report(**changes):
    return {
        "critical_paths": [],
        "fmax": {"cd_sync.clk": {"achieved": 38.25, "constraint": 12.00004768371582}},
        "utilization": {
            "ICESTORM_LC": {"available": 5280, "used": 1194},
            "ICESTORM_RAM": {"available": 30, "used": 4},
        },
        **changes,
    }


def ecp5_report(**changes):
    return {
        "fmax": {"$glbnet$clk": {"achieved": 88.5, "constraint": 25}},
        "utilization": {
            "TRELLIS_COMB": {"available": 83640, "used": 1105},
            "TRELLIS_FF": {"available": 83640, "used": 909},
            "DP16KD": {"available": 208, "used": 8},
        },
        **changes,
    }


def test_figures_of_ice40():
    routed = read_routed(family="ice40", report=ice40_report(), log=ICE40_LOG, clock_hz=12_000_000)
    assert (routed.lut, routed.ff, routed.bram, routed.fmax_mhz) == (1194, 231 + 396, 4, 38.25)


def test_figures_of_ecp5():
    routed = read_routed(family="ecp5", report=ecp5_report(), log="", clock_hz=25_000_000)
    assert (routed.lut, routed.ff, routed.bram, routed.fmax_mhz) == (1105, 909, 8, 88.5)


def test_the_slowest_of_several_clocks_counts():
    clocks = {name: {"achieved": mhz, "constraint": 25} for name, mhz in (("a", 60.0), ("b", 24.0), ("c", 99.0))}
    routed = read_routed(family="ecp5", report=ecp5_report(fmax=clocks), log="", clock_hz=25_000_000)
    assert routed.fmax_mhz == 24.0


@pytest.mark.parametrize(
    ("family", "changes", "log", "missing"),
    [
        ("ecp5", {"fmax": {}}, "", "no clock"),
        ("ecp5", {"fmax": {"clk": {"achieved": 88.5, "constraint": 12}}}, "", "12 MHz, not 25.0 MHz"),
        ("ecp5", {"utilization": {}}, "", "DP16KD"),
        ("ice40", {"utilization": {"ICESTORM_RAM": {"used": 4}}}, ICE40_LOG, "ICESTORM_LC"),
        ("ice40", {}, "", "flip-flop"),
    ],
)
def test_a_figure_that_is_not_there_is_never_made_up(family, changes, log, missing):
    report = (ecp5_report if family == "ecp5" else ice40_report)(**changes)
    with pytest.raises(ReportError, match=missing):
        read_routed(family=family, report=report, log=log, clock_hz=25_000_000 if family == "ecp5" else 12_000_000)


def test_json_has_the_documented_fields_in_order():
    report = BuildReport(
        board="b", preset="p", lut=1, ff=2, bram=3, fmax_mhz=4.5, clock_mhz=4.0, met=True, seed=5, bitstream="b.bin"
    )
    assert list(report.to_json().items()) == [
        ("board", "b"),
        ("preset", "p"),
        ("lut", 1),
        ("ff", 2),
        ("bram", 3),
        ("fmax_mhz", 4.5),
        ("clock_mhz", 4.0),
        ("met", True),
        ("seed", 5),
        ("bitstream", "b.bin"),
    ]


@pytest.mark.parametrize(
    ("log", "error"),
    [
        (
            "Info: a\nERROR: Unable to place cell 'x', no BELs remaining\nERROR: Placing design failed.\n",
            "Unable to place",
        ),
        ("Traceback\nwasmtime.Trap: x\nMemoryError: out of it\n", "out of it"),
        ("all is well\n", ""),
    ],
)
def test_the_first_error_of_a_log_is_found(log, error):
    found = first_error(log)
    assert found.startswith(error)
    assert bool(found) == bool(error)
