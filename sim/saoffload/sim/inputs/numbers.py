"""Numbers and windows as a user writes them on a command line."""

import re
from collections.abc import Sequence

from saoffload.sim.model import Window

from .errors import InputError, quoted

_HEXADECIMAL = re.compile(r"0[xX][0-9a-fA-F]+")
_DECIMAL = re.compile(r"[0-9]+")
_NEGATIVE = re.compile(r"-(0[xX][0-9a-fA-F]+|[0-9]+)")
_BARE_HEXADECIMAL = re.compile(r"[0-9a-fA-F]+")
# More digits than any number here can have; int() itself refuses very long ones with a message of its own.
_MOST_DIGITS = 400
_MOST_SHOWN = 16


def parse_number(text: str, name: str, *, bits: int = 64) -> int:
    """The number that ``text`` means: hexadecimal with 0x, or decimal. ``name`` says in the error what it is."""
    written = text.strip()
    if _HEXADECIMAL.fullmatch(written):
        base = 16
    elif _DECIMAL.fullmatch(written):
        base = 10
    else:
        if _NEGATIVE.fullmatch(written):
            raise InputError(f"{name}: {quoted(text)} is negative; the smallest is 0")
        cure = (
            f"write 0x{written}"
            if _BARE_HEXADECIMAL.fullmatch(written) and len(written) <= _MOST_SHOWN
            else "write 0x1000 or 4096"
        )
        raise InputError(f"{name}: {quoted(text)} is not a number; {cure}")
    value = int(written, base) if len(written) < _MOST_DIGITS else 1 << bits
    if value >> bits:
        raise InputError(f"{name}: {quoted(text)} does not fit {bits} bits; the largest is {(1 << bits) - 1:#x}")
    return value


def parse_window(text: str, *, address_width: int = 64) -> Window:
    """The window BASE:SIZE[:BUS]; without BUS, list addresses are bus addresses."""
    parts = text.split(":")
    if len(parts) not in (2, 3):
        raise InputError(f"--window {quoted(text)}: write BASE:SIZE or BASE:SIZE:BUS, as 0x7f0000000000:0x10000:0x1000")
    names = ("BASE", "SIZE", "BUS")
    base, size, *rest = (
        parse_number(part, f"--window {quoted(text)}: {name}") for part, name in zip(parts, names, strict=False)
    )
    window = Window(base, size, rest[0] if rest else base)
    flaw = window.flaw(address_width)
    if flaw:
        raise InputError(
            f"--window {quoted(text)}: {flaw}; base, size and bus base are multiples of 8, "
            "base and bus base agree modulo 4096, and both ranges end inside their address space"
        )
    return window


def parse_windows(texts: Sequence[str], *, count: int, address_width: int = 64) -> list[Window]:
    """All windows of a command line, for an engine that has ``count`` of them."""
    if len(texts) > count:
        raise InputError(f"--window: {len(texts)} windows given, the engine has {count}; join some, or leave some out")
    return [parse_window(text, address_width=address_width) for text in texts]
