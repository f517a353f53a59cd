"""Bitstreams of every board, made with the real tools: they fit, they meet the clock, and nothing was thrown away."""

import json
from pathlib import Path

import pytest

from saoffload.boards.build import build_board
from saoffload.boards.catalogue import BOARDS
from saoffload.hdl.config import preset

#: What each bitstream begins with, after its comment.
PREAMBLES = {"ice40": b"\x7e\xaa\x99\x7e", "ecp5": b"\xff\xff\xbd\xb3"}
#: LUTs, flip-flops and block RAMs of the FPGA.
LIMITS = {"icebreaker": (5280, 5280, 30), "ulx3s-85f": (83640, 83640, 208)}


@pytest.mark.synth
@pytest.mark.nightly
@pytest.mark.parametrize(
    ("board", "family"),
    [
        ("icebreaker", "ice40"),
        ("ulx3s-85f", "ecp5"),
    ],
)
def test_bitstream_fits_and_meets_the_clock(board, family, tmp_path):
    report = build_board(board, seeds=3, out_dir=tmp_path)
    fields = report.to_json()
    assert json.loads(json.dumps(fields)) == fields
    assert (report.board, report.preset) == (board, BOARDS[board].preset)
    assert report.clock_mhz == BOARDS[board].clock_hz / 1e6
    assert report.met, fields
    assert report.fmax_mhz >= report.clock_mhz
    for used, limit in zip((report.lut, report.ff, report.bram), LIMITS[board], strict=True):
        assert 0 < used <= limit, fields
    assert PREAMBLES[family] in Path(report.bitstream).read_bytes()[:256]

    # The table is really there: its stored keys alone are more flip-flops than this, or one memory per byte.
    config = preset(report.preset)
    key_bits = 32 + config.destination_bits
    if config.prefers_block_ram:
        assert report.bram > key_bits // 8
    else:
        assert report.ff > config.keys * key_bits

    again = build_board(board, seed=report.seed, out_dir=tmp_path)
    assert again == report
