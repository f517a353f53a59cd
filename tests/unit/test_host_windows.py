"""The driver's windows, against a small engine behind a register file."""

import pytest
from tests.unit.host_engine import started

from saoffload.host.errors import (
    WaitTimeoutError,
    WindowRefusedError,
)
from saoffload.host.transport import run
from saoffload.host.windows import Window


def test_a_window_arrives_whole():
    engine, driver = started()
    run(driver.windows.set(2, Window(base=0xFFFF_8000_0000_0000, size=0x1_0000_0008, bus_base=0x1234_0000_0000)))
    assert engine.windows == {2: (0xFFFF_8000_0000_0000, 0x1_0000_0008, 0x1234_0000_0000)}
    run(driver.windows.clear(2))
    assert engine.windows == {2: (0, 0, 0)}


def test_a_refused_window_says_why():
    engine, driver = started()

    def reason(index, **window):
        engine.refuses_window = True
        with pytest.raises(WindowRefusedError) as refusal:
            run(driver.windows.set(index, Window(**{"base": 0, "size": 8, "bus_base": 0, **window})))
        return str(refusal.value)

    assert "has 4 windows" in reason(4)
    assert "base 0x4 is not a multiple of 8" in reason(0, base=4)
    assert "size 0x9 is not a multiple of 8" in reason(0, size=9)
    assert "bus_base 0x1001 is not a multiple of 8" in reason(0, bus_base=0x1001)
    assert "differ modulo 4096" in reason(0, base=0x1008)
    assert "ends beyond 64 bits" in reason(0, base=0xFFFF_FFFF_FFFF_F000, size=0x1008)
    assert "do not fit 48 bits" in reason(0, bus_base=0xFFFF_FFFF_F000, size=0x1008)
    assert "wait_quiesced first" in reason(0)
    assert engine.windows == {}


def test_windows_at_the_very_end_have_no_problem():
    assert Window(base=0xFFFF_FFFF_FFFF_F000, size=0x1000, bus_base=0xF000).problem(16) is None
    assert Window(base=0, size=0, bus_base=0).problem(32) is None


def test_a_window_that_never_settles_is_given_up():
    _, driver = started(window_clocks=10**9)
    with pytest.raises(WaitTimeoutError, match="window commit"):
        run(driver.windows.set(0, Window(base=0, size=8, bus_base=0), timeout_ms=1))


def test_a_window_refuses_numbers_that_no_register_holds():
    with pytest.raises(ValueError, match="size has 64 bits"):
        Window(base=0, size=1 << 64, bus_base=0)
