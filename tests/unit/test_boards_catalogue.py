"""The catalogue says of each board what its platform says."""

import pytest

from saoffload.boards.catalogue import BOARDS, board
from saoffload.boards.memory import LARGEST, SMALLEST
from saoffload.hdl.config import PRESETS


@pytest.mark.parametrize("name", BOARDS)
def test_entries_agree_with_the_platform(name):
    entry = board(name)
    platform = entry.platform()
    uart = {part.name: part.ios[0].names[0] for part in platform.lookup("uart", 0).ios if hasattr(part, "ios")}
    assert entry.name == name
    assert platform.device == entry.device
    assert platform.default_clk_frequency == entry.clock_hz
    assert (uart["rx"], uart["tx"]) == (entry.uart_rx, entry.uart_tx)
    assert entry.preset in PRESETS
    assert SMALLEST <= entry.memory_bytes <= LARGEST


def test_boards_and_their_presets():
    assert {name: entry.preset for name, entry in BOARDS.items()} == {"ulx3s-85f": "small", "icebreaker": "tiny"}


def test_unknown_board_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match="unknown board 'icebraker': choose one of ulx3s-85f, icebreaker"):
        board("icebraker")
