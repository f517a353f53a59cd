"""Numbers and windows of a command line: what is taken, and the one line that says what is wrong."""

import pytest

from saoffload.sim.inputs import InputError, parse_number, parse_window, parse_windows
from saoffload.sim.model import Window


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("0x0", 0), ("0X1f", 31), ("010", 10), (" 4096 ", 4096), ("0xFFFFFFFFFFFFFFFF", (1 << 64) - 1)],
)
def test_numbers(text: str, value: int) -> None:
    assert parse_number(text, "--head") == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--head: '' is not a number; write 0x1000 or 4096"),
        ("-1", "--head: '-1' is negative; the smallest is 0"),
        ("-0x10", "--head: '-0x10' is negative; the smallest is 0"),
        ("--1", "--head: '--1' is not a number; write 0x1000 or 4096"),
        ("1_000", "--head: '1_000' is not a number; write 0x1000 or 4096"),
        ("0b11", "--head: '0b11' is not a number; write 0x0b11"),
        ("7fff0000", "--head: '7fff0000' is not a number; write 0x7fff0000"),
        ("0x", "--head: '0x' is not a number; write 0x1000 or 4096"),
        ("4k\n", "--head: '4k\\n' is not a number; write 0x1000 or 4096"),
        ("\u0663", "--head: '\u0663' is not a number; write 0x1000 or 4096"),
        ("0x1" + 16 * "0", "--head: '0x10000000000000000' does not fit 64 bits; the largest is 0xffffffffffffffff"),
    ],
)
def test_what_is_no_number(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse_number(text, "--head")
    assert str(error.value) == message


@pytest.mark.parametrize("text", ["9" * 10_000, "0x" + "f" * 10_000, "f" * 10_000])
def test_very_long_numbers_have_a_short_message(text: str) -> None:
    with pytest.raises(InputError) as error:
        parse_number(text, "--head")
    assert len(str(error.value)) < 200


def test_numbers_of_other_widths() -> None:
    assert parse_number("0xffffffff", "--budget", bits=32) == 0xFFFFFFFF
    with pytest.raises(InputError, match="does not fit 32 bits"):
        parse_number("4294967296", "--budget", bits=32)


def test_windows() -> None:
    assert parse_window("0x1000:4096") == Window(0x1000, 4096, 0x1000)
    assert parse_window("0x7f0000001000:0x2000:0x1000") == Window(0x7F0000001000, 0x2000, 0x1000)
    assert parse_windows(["0:8", "8:8"], count=2) == [Window(0, 8, 0), Window(8, 8, 8)]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("0x1000", "write BASE:SIZE or BASE:SIZE:BUS"),
        ("1:2:3:4", "write BASE:SIZE or BASE:SIZE:BUS"),
        ("0x1000:", "SIZE: '' is not a number"),
        ("x:8", "BASE: 'x' is not a number"),
        ("0:8:z", "BUS: 'z' is not a number"),
        ("4:8", "base 0x4 is not a multiple of 8"),
        ("0:4", "size 0x4 is not a multiple of 8"),
        ("0x1000:0x1000:0x2008", "differ modulo 4096"),
        ("0xfffffffffffff000:0x1008", "above 2**64"),
        ("0:0x10:0xfffffffff000", "above 2**40"),
    ],
)
def test_bad_windows_name_the_option_and_the_cure(text: str, part: str) -> None:
    with pytest.raises(InputError) as error:
        parse_window(text, address_width=40 if "2**40" in part else 64)
    message = str(error.value)
    assert message.startswith(f"--window '{text}'")
    assert part in message
    assert "\n" not in message


def test_more_windows_than_the_engine_has() -> None:
    with pytest.raises(InputError, match="3 windows given, the engine has 2; join some"):
        parse_windows(["0:8"] * 3, count=2)
