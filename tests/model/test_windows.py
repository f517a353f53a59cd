"""Rules 14, 20 and 21: windows, exact to the byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saoffload.sim.model import LAYOUTS, Abi, Window, WindowTable

from .lists import PROPERTY

TOP = 1 << 64


def test_rule_20_without_a_window_every_address_is_refused() -> None:
    table = WindowTable()
    assert [table.translate(address, abi) for address in (8, 0x1000, TOP - 24) for abi in Abi] == [None] * 6


@pytest.mark.parametrize(
    ("window", "flaw"),
    [
        (Window(0x1004, 0x1000, 0x1004), "base 0x1004 is not a multiple of 8"),
        (Window(0x1000, 0x1004, 0x1000), "size 0x1004 is not"),
        (Window(0x1000, 0x1000, 0x1004), "bus_base 0x1004 is not"),
        (Window(0x1000, 0x1000, 0x1008), "differ modulo 4096"),
        (Window(TOP - 8, 16, 0xFF8), "above 2**64"),
        (Window(0, 0x1000, (1 << 40) - 0x1000 + 0x1000), "above 2**40"),
        (Window(0, 0x1008, (1 << 40) - 0x1000), "above 2**40"),
        (Window(TOP, 0, 0), "does not fit 64 bits"),
        (Window(-8, 8, 0), "does not fit 64 bits"),
    ],
)
def test_rule_20_and_21_flawed_windows_are_refused_and_change_nothing(window: Window, flaw: str) -> None:
    table = WindowTable(count=1, address_width=40)
    good = Window(0x2000, 0x1000, 0x3000)
    assert table.set(0, good)
    assert not table.set(0, window)
    assert table.windows == (good,)
    assert flaw in (window.flaw(40) or "")


@pytest.mark.parametrize(
    "window",
    [Window(TOP - 0x1000, 0x1000, 0), Window(0, 0x1000, (1 << 40) - 0x1000), Window(8, 0, 8), Window(0xFF8, 8, 0x1FF8)],
)
def test_rule_20_and_21_windows_may_reach_the_very_end(window: Window) -> None:
    assert WindowTable(count=1, address_width=40).set(0, window)


def test_rule_20_size_0_is_off() -> None:
    assert WindowTable.of(Window(0x1000, 0, 0x1000)).translate(0x1000, Abi.X64) is None


@pytest.mark.parametrize(("abi", "last"), [(Abi.X64, 0x1FE8), (Abi.X86, 0x1FF4)])
def test_rule_20_all_bytes_of_a_node_lie_inside(abi: Abi, last: int) -> None:
    table = WindowTable.of(Window(0x1000, 0x1000, 0x5000))
    step = LAYOUTS[abi].alignment
    assert table.translate(0x1000, abi) == 0x5000
    assert table.translate(0x1000 - step, abi) is None
    assert table.translate(last, abi) == last + 0x4000
    assert table.translate(last + step, abi) is None


def test_rule_21_sums_carry_into_bit_64() -> None:
    table = WindowTable.of(Window(TOP - 0x1000, 0x1000, 0x1000))
    assert table.translate(TOP - 24, Abi.X64) == 0x1FE8
    assert table.translate(TOP - 16, Abi.X64) is None
    assert table.translate(TOP - 8, Abi.X64) is None
    assert table.translate(0, Abi.X64) is None


def test_rule_21_one_window_must_hold_the_whole_node() -> None:
    table = WindowTable.of(Window(0x1000, 0x10, 0x1000), Window(0x1010, 0x10, 0x1010))
    assert table.translate(0x1000, Abi.X64) is None
    assert table.translate(0x1008, Abi.X86) is None
    assert table.translate(0x1000, Abi.X86) == 0x1000
    assert table.translate(0x1014, Abi.X86) == 0x1014


def test_rule_21_the_lowest_window_that_holds_the_node_wins() -> None:
    table = WindowTable.of(Window(0x1000, 0x10, 0x9000), Window(0, 0x4000, 0x20000), Window(0, 0x8000, 0x40000))
    assert table.translate(0x1000, Abi.X86) == 0x9000
    assert table.translate(0x1008, Abi.X86) == 0x21008
    assert table.translate(0x1000, Abi.X64) == 0x21000
    assert table.translate(0x3FF0, Abi.X64) == 0x43FF0


def test_rule_14_an_x86_node_ends_at_or_below_2_to_32() -> None:
    end = 1 << 32
    table = WindowTable.of(Window(end - 0x1000, 0x2000, end - 0x1000))
    assert table.translate(end - 12, Abi.X86) == end - 12
    assert table.translate(end - 8, Abi.X86) is None
    assert table.translate(end, Abi.X86) is None
    assert table.translate(end - 8, Abi.X64) == end - 8


def test_rule_14_an_x86_node_may_stand_anywhere_on_the_bus() -> None:
    table = WindowTable.of(Window(0x1000, 0x1000, 0xFF_0000_0000))
    assert table.translate(0x1004, Abi.X86) == 0xFF_0000_0004


def test_windows_that_do_not_exist_are_an_error_of_the_caller() -> None:
    with pytest.raises(IndexError, match="0 to 3, got 4"):
        WindowTable().set(4, Window(0, 0, 0))
    with pytest.raises(ValueError, match="window 0 is refused"):
        WindowTable.of(Window(4, 0, 4))
    with pytest.raises(ValueError, match="count"):
        WindowTable(count=0)
    with pytest.raises(ValueError, match="address_width"):
        WindowTable(address_width=65)


_EDGES = st.sampled_from([0, 0x1000, (1 << 32) - 0x40, 1 << 32, TOP - 0x2000])
_WINDOWS = st.builds(
    lambda edge, base, size, page: Window(edge + 8 * base, 8 * size, 8 * base + 0x1000 * page + edge % 4096),
    _EDGES,
    st.integers(0, 16),
    st.integers(0, 16),
    st.integers(0, 9),
)


@PROPERTY
@given(
    windows=st.lists(_WINDOWS, min_size=1, max_size=4),
    edge=_EDGES,
    offset=st.integers(-8, 64),
    abi=st.sampled_from(Abi),
)
def test_rule_20_and_21_agree_with_counting_bytes(windows: list[Window], edge: int, offset: int, abi: Abi) -> None:
    address = max(0, edge + 4 * offset)
    node = set(range(address, address + LAYOUTS[abi].size))
    expected = None
    for window in reversed(windows):
        allowed = set(range(window.base, window.base + window.size)) & node
        if allowed == node and (abi is Abi.X64 or max(node) < 1 << 32):
            expected = address - window.base + window.bus_base
    assert WindowTable.of(*windows).translate(address, abi) == expected
