"""The boards that bitstreams are made for, and what each has. Cheap to import: no platform is loaded."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

BAUD_RATE = 115200
"""Baud rate of the serial line, on every board."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """One board: its clock, the engine that fits it, and where its serial line is."""

    name: str
    #: What a reader should see in a list of boards.
    description: str
    #: The FPGA, as its vendor names it.
    device: str
    #: Module and class of the Amaranth platform.
    platform_path: tuple[str, str]
    #: Clock of the engine: the board's oscillator, undivided.
    clock_hz: int
    #: Preset of the engine that fits.
    preset: str
    #: Bytes of RAM on the FPGA that play host memory: a power of two up to 32,768, all that the serial line reaches.
    memory_bytes: int
    #: FPGA pins of the serial line, seen from the FPGA.
    uart_rx: str
    uart_tx: str

    def platform(self) -> Any:
        """A fresh Amaranth platform; one platform serves one build.

        Raises ``ModuleNotFoundError`` when the boards extra is not installed.
        """
        module, name = self.platform_path
        return getattr(import_module(module), name)()


BOARDS: dict[str, Board] = {
    board.name: board
    for board in (
        Board(
            name="ulx3s-85f",
            description="Radiona ULX3S with LFE5U-85F, 25 MHz",
            device="LFE5U-85F",
            platform_path=("amaranth_boards.ulx3s", "ULX3S_85F_Platform"),
            clock_hz=25_000_000,
            preset="small",
            memory_bytes=32768,
            uart_rx="M1",
            uart_tx="L4",
        ),
        Board(
            name="icebreaker",
            description="1BitSquared iCEBreaker with iCE40UP5K, 12 MHz",
            device="iCE40UP5K",
            platform_path=("amaranth_boards.icebreaker", "ICEBreakerPlatform"),
            clock_hz=12_000_000,
            preset="tiny",
            memory_bytes=32768,
            uart_rx="6",
            uart_tx="9",
        ),
    )
}


def board(name: str) -> Board:
    """The board of that name. Raises ``ValueError`` naming the boards there are."""
    try:
        return BOARDS[name]
    except KeyError:
        raise ValueError(f"unknown board {name!r}: choose one of {', '.join(BOARDS)}") from None
