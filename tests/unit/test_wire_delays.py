"""What wires take is found in what place and route says of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.unit.placed_netlist import flip_flop, lut, netlist
from tools.wire_delays import fit, measured

from saoffload.boards.timing import ALONG_COLUMN, ALONG_ROW, CLOCK_TO_Q, LENGTHS


def test_of_wires_that_all_fit_the_fit_is_exact_and_detours_change_little() -> None:
    seed = 7
    print(f"seed {seed}")
    choose = np.random.default_rng(seed)
    columns, rows = choose.integers(0, 97, (2, 4000))
    delays = np.interp(columns, LENGTHS, ALONG_ROW) + np.interp(rows, LENGTHS, ALONG_COLUMN)
    delays[::20] += 1.5
    row, column = fit(np.stack([columns, rows, delays], axis=1))
    assert list(row) == pytest.approx(ALONG_ROW, abs=0.02)
    assert list(column) == pytest.approx(ALONG_COLUMN, abs=0.02)


def test_of_lengths_that_no_wire_has_nothing_is_said() -> None:
    row, column = fit(np.array([[0, 0, 0.5], [1, 0, 0.7], [0, 1, 0.7]]))
    assert list(np.isfinite(row)) == list(np.isfinite(column)) == [length <= 1 for length in LENGTHS]


def test_only_wires_from_flip_flop_to_flip_flop_are_measured(tmp_path: Path) -> None:
    design = netlist(
        start=flip_flop("X3/Y9/SLICEA.FF0", Q=1),
        end=flip_flop("X10/Y4/SLICEA.FF0", M=1),
        table=lut("X1/Y1/SLICEA.K0", A=1, F=2),
        pair=flip_flop("X1/Y1/SLICEA.FF0", DI=2),
    )

    def ends(*named: tuple[str, str, float]) -> list[dict[str, object]]:
        return [{"cell": cell, "port": port, "delay": [delay - 0.1, delay]} for cell, port, delay in named]

    nets = [
        {"driver": "start", "endpoints": ends(("end", "M", CLOCK_TO_Q + 1.25), ("end", "CE", 3.0), ("pin", "M", 9.0))},
        {"driver": "table", "endpoints": ends(("pair", "DI", 4.0))},
    ]
    report, routed = tmp_path / "report.json", tmp_path / "routed.json"
    report.write_text(json.dumps({"detailed_net_timings": nets}))
    routed.write_text(json.dumps(design))
    assert measured(report, routed) == [(7, 5, pytest.approx(1.25))]
