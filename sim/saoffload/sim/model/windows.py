"""The windows of host memory that lists may use, and the way from a list address to a bus address."""

from typing import NamedTuple

from .nodes import LAYOUTS, Abi

PAGE = 4096
"""No read crosses a multiple of this bus address."""
GRAIN = 8
"""Base, size and bus base of a window are multiples of this."""
_END = 1 << 64
_X86_END = 1 << 32


class Window(NamedTuple):
    """List addresses ``base`` to ``base + size`` stand at bus address ``bus_base``. Size 0 is a window turned off."""

    base: int
    size: int
    bus_base: int

    def flaw(self, address_width: int = 64) -> str | None:
        """Why the hardware refuses this window, or None when it takes it."""
        for name, value in zip(self._fields, self, strict=True):
            if not 0 <= value < _END:
                return f"{name} {value:#x} does not fit 64 bits"
            if value % GRAIN:
                return f"{name} {value:#x} is not a multiple of {GRAIN}"
        if (self.base - self.bus_base) % PAGE:
            return f"base {self.base:#x} and bus base {self.bus_base:#x} differ modulo {PAGE}"
        if self.base + self.size > _END:
            return f"base {self.base:#x} plus size {self.size:#x} is above 2**64"
        if self.bus_base + self.size > 1 << address_width:
            return f"bus base {self.bus_base:#x} plus size {self.size:#x} is above 2**{address_width}, the bus's end"
        return None


class Span(NamedTuple):
    """Where nodes of one ABI may start in one window: ``first`` to ``last``, both included; add ``delta`` for the
    bus address.
    """

    first: int
    last: int
    delta: int


class WindowTable:
    """Allows a node when one window holds all of it, and says where it stands on the bus. The lowest-numbered window
    that holds the whole node wins. With no window on, every address is refused.

    Parameters: ``count``, the number of windows; ``address_width``, bits of a bus address.
    """

    def __init__(self, *, count: int = 4, address_width: int = 64) -> None:
        if count < 1:
            raise ValueError(f"count must be at least 1, got {count}")
        if not 1 <= address_width <= 64:
            raise ValueError(f"address_width must be 1 to 64, got {address_width}")
        self.address_width = address_width
        self._windows = [Window(0, 0, 0)] * count

    @classmethod
    def of(cls, *windows: Window) -> "WindowTable":
        """A table of exactly these windows. Raises ``ValueError`` with the flaw of one that would be refused."""
        table = cls(count=max(1, len(windows)))
        for number, window in enumerate(windows):
            if not table.set(number, window):
                raise ValueError(f"window {number} is refused: {window.flaw()}")
        return table

    @property
    def windows(self) -> tuple[Window, ...]:
        """All windows, by number."""
        return tuple(self._windows)

    def set(self, number: int, window: Window) -> bool:
        """Sets one window. False: refused, nothing changed. Raises ``IndexError`` when there is no such window."""
        if not 0 <= number < len(self._windows):
            raise IndexError(f"windows are numbered 0 to {len(self._windows) - 1}, got {number}")
        if window.flaw(self.address_width):
            return False
        self._windows[number] = window
        return True

    def clear(self) -> None:
        """Turns every window off, as reset does."""
        self._windows = [Window(0, 0, 0)] * len(self._windows)

    def spans(self, abi: Abi) -> list[Span]:
        """Where nodes may start, in the order in which windows are tried; windows too small for a node are left
        out. An x86 node must also end at or below 2**32.
        """
        size = LAYOUTS[abi].size
        spans: list[Span] = []
        for base, length, bus_base in self._windows:
            end = base + length if abi is Abi.X64 else min(base + length, _X86_END)
            if end - size >= base:
                spans.append(Span(base, end - size, bus_base - base))
        return spans

    def translate(self, address: int, abi: Abi) -> int | None:
        """The bus address of the node at list ``address``; None when no window holds all of it."""
        for first, last, delta in self.spans(abi):
            if first <= address <= last:
                return address + delta
        return None
