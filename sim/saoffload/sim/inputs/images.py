"""Memory images: a file of bytes, the addresses at which lists see them, and the memory that a bus then finds.

Hosts answer in beats of 8 bytes, files end where they end. An x64 node is made of whole beats, so a beat that the
file has only in part is a hole. An x86 node may end in the middle of a beat: the other half is then filled with
zeros, and ``check_reads`` refuses a walk that took a node from the filling.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from saoffload.sim.model import Abi, Memory, Read, Window

from .errors import InputError, read_bytes

_BEAT = 8
_WORD = 4
_ADDRESS_END = 1 << 64


class Image(NamedTuple):
    """The bytes of a file and the list address of the first."""

    name: str
    base: int
    data: bytes

    @property
    def end(self) -> int:
        """The list address behind the last byte."""
        return self.base + len(self.data)


class PlacedImage(NamedTuple):
    """The memory of a bus with an image in it; ``fillings`` are the bus addresses that the image had no bytes for."""

    memory: Memory
    fillings: tuple[range, ...]


def load_image(path: str | Path, base: int) -> Image:
    """Reads an image file whose first byte has the list address ``base``."""
    data = read_bytes(Path(path), "memory image", "--image")
    if not data:
        raise InputError(f"{path}: is empty; give a memory image that holds the list with --image")
    if base + len(data) > _ADDRESS_END:
        raise InputError(f"{path}: {len(data)} bytes from --base {base:#x} end above 2**64; give a lower --base")
    return Image(str(path), base, data)


def default_window(image: Image, abi: Abi, *, address_width: int = 64) -> Window:
    """The window used when none is given: the whole image, at the same address on the bus.

    Windows end on beats: it holds every x64 node and every x86 node that the image holds. An image without a whole
    word gives a window of size 0.
    """
    start, end = _bounds(image, abi)
    if abi is Abi.X64:
        start, end = _up(start), _down(end)
    if start >= end:
        return Window(0, 0, 0)
    start, end = _down(start), _up(end)
    if end > 1 << address_width:
        raise InputError(
            f"{image.name}: ends at {image.end:#x}, above the {address_width}-bit bus; "
            f"give --window {start:#x}:{end - start:#x}:BUS with a lower bus address"
        )
    return Window(start, end - start, start)


def place_image(image: Image, windows: Sequence[Window], abi: Abi) -> PlacedImage:
    """Puts the image where the windows look for it. A window that holds list addresses of the image finds their
    bytes at its bus address. One that holds none finds the image at ``base`` as a bus address.
    """
    start, end = _bounds(image, abi)
    memory = Memory(beat_bytes=_BEAT)
    fillings: list[range] = []
    for number, (base, size, bus_base) in enumerate(windows):
        delta = bus_base - base
        low, high = max(start, base), min(end, base + size)
        if low >= high:
            delta, low, high = 0, max(start, bus_base), min(end, bus_base + size)
        if low >= high:
            continue
        before, behind = (low - _down(low), _up(high) - high) if abi is Abi.X86 else (0, 0)
        data = bytes(before) + image.data[low - image.base : high - image.base] + bytes(behind)
        try:
            memory.add(low - before + delta, data)
        except ValueError as error:
            raise InputError(
                f"--window: window {number} leads to the same bus addresses as an earlier one: {error}; "
                "give each window a BUS range of its own"
            ) from None
        fillings += [range(low - before + delta, low + delta), range(high + delta, high + behind + delta)]
    return PlacedImage(memory, tuple(filling for filling in fillings if filling))


def check_reads(image: Image, placed: PlacedImage, reads: Iterable[Read]) -> None:
    """Raises ``InputError`` when a walk read a node that the image does not hold to its end."""
    if not placed.fillings:
        return
    for read in reads:
        for filling in placed.fillings:
            if read.address < filling.stop and filling.start < read.address + read.length:
                raise InputError(
                    f"{image.name}: {len(image.data)} bytes from {image.base:#x} hold only a part of the node read at "
                    f"bus address {read.address:#x}; give an image that holds the whole node"
                )


def _bounds(image: Image, abi: Abi) -> tuple[int, int]:
    """The part of an image that nodes can use: an x86 node has no byte in a word that is there only in part."""
    if abi is Abi.X64:
        return image.base, image.end
    return -(-image.base // _WORD) * _WORD, image.end & -_WORD


def _down(address: int) -> int:
    return address & -_BEAT


def _up(address: int) -> int:
    return -(-address // _BEAT) * _BEAT
