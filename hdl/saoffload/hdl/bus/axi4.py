"""AXI signatures, each seen from its manager: the side that starts the transfers."""

from collections.abc import Container
from enum import IntEnum

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Response(IntEnum):
    """RRESP and BRESP. AXI4-Lite has no EXOKAY, and a manager that never asks for exclusive access gets none."""

    OKAY = 0b00
    EXOKAY = 0b01
    SLVERR = 0b10
    DECERR = 0b11


#: Widths of a beat that AXI4 has.
DATA_WIDTHS = (8, 16, 32, 64, 128, 256, 512, 1024)

#: ARBURST of a burst whose beats lie one after the other.
BURST_INCR = 0b01


class Axi4ReadSignature(wiring.Signature):
    """The two read channels of AXI4, for a manager that never writes.

    Parameters, in bits: ``address_width`` (1 to 64), ``data_width`` (a power of two from 8 to 1024), ``id_width``
    (1 to 32).

    Raises ``TypeError`` or ``ValueError`` for a width that AXI4 does not have.
    """

    def __init__(self, *, address_width: int, data_width: int, id_width: int):
        _check_width("address_width", address_width, range(1, 65), "1 to 64")
        _check_width("data_width", data_width, DATA_WIDTHS, "a power of two from 8 to 1024")
        _check_width("id_width", id_width, range(1, 33), "1 to 32")
        super().__init__(
            {
                "arid": Out(id_width),
                "araddr": Out(address_width),
                "arlen": Out(8),
                "arsize": Out(3),
                "arburst": Out(2),
                "arlock": Out(1),
                "arcache": Out(4),
                "arprot": Out(3),
                "arqos": Out(4),
                "arvalid": Out(1),
                "arready": In(1),
                "rid": In(id_width),
                "rdata": In(data_width),
                "rresp": In(2),
                "rlast": In(1),
                "rvalid": In(1),
                "rready": Out(1),
            }
        )


class Axi4LiteSignature(wiring.Signature):
    """The five channels of AXI4-Lite with 32 bits of data.

    Parameter, in bits: ``address_width`` (1 to 64).

    Raises ``TypeError`` or ``ValueError`` for another address width.
    """

    def __init__(self, *, address_width: int):
        _check_width("address_width", address_width, range(1, 65), "1 to 64")
        super().__init__(
            {
                "awaddr": Out(address_width),
                "awprot": Out(3),
                "awvalid": Out(1),
                "awready": In(1),
                "wdata": Out(32),
                "wstrb": Out(4),
                "wvalid": Out(1),
                "wready": In(1),
                "bresp": In(2),
                "bvalid": In(1),
                "bready": Out(1),
                "araddr": Out(address_width),
                "arprot": Out(3),
                "arvalid": Out(1),
                "arready": In(1),
                "rdata": In(32),
                "rresp": In(2),
                "rvalid": In(1),
                "rready": Out(1),
            }
        )


def _check_width(name: str, width: int, allowed: Container[int], text: str) -> None:
    if not isinstance(width, int) or isinstance(width, bool):
        raise TypeError(f"{name} must be an integer, got {width!r}")
    if width not in allowed:
        raise ValueError(f"{name} must be {text}, got {width}")
