"""What a table of security associations is asked and answers: keys, bundles, results of adds, answers to lookups."""

import enum
from ipaddress import IPv4Address, ip_address
from typing import NamedTuple

ESP = 0
AH = 1
IPV4 = 0
IPV6 = 1

_SPI_END = 1 << 32
_DESTINATION_END = (1 << 32, 1 << 128)


class Direction(enum.Enum):
    """Inbound bundles are found by key, outbound bundles by handle."""

    INBOUND = "in"
    OUTBOUND = "out"


class AddResult(enum.Enum):
    """What became of an add. Those that refuse stand in the order in which they apply."""

    OK = 0
    NOT_READY = 1
    UNSUPPORTED = 2
    RESTORE_MODE = 3
    BAD_HANDLE = 4
    HANDLE_IN_USE = 5
    DUPLICATE = 6
    FULL = 7


class Key(NamedTuple):
    """What a receive lookup matches, as numbers: the first byte on the wire is the most significant one.

    ``family`` is 0 for IPv4, 1 for IPv6; ``protocol`` 0 for ESP, 1 for AH. In a stored key ``destination`` 0 is the
    wildcard of its family. Every other value, SPI 0 too, is an ordinary one.
    """

    spi: int
    destination: int
    family: int = IPV4
    protocol: int = ESP

    @classmethod
    def of(cls, spi: int, destination: str, protocol: int = ESP) -> "Key":
        """The key of a destination in writing: ``192.0.2.1``, ``2001:db8::1``, ``any``, ``::``."""
        address = IPv4Address(0) if destination == "any" else ip_address(destination)
        return cls(spi, int(address), IPV6 if address.version == 6 else IPV4, protocol).checked()

    def checked(self) -> "Key":
        """The key itself. Raises ``ValueError`` with the value that does not fit its field."""
        if self.family not in (IPV4, IPV6):
            raise ValueError(f"family is 0 or 1, got {self.family}")
        if self.protocol not in (ESP, AH):
            raise ValueError(f"protocol is 0 or 1, got {self.protocol}")
        if not 0 <= self.spi < _SPI_END:
            raise ValueError(f"an SPI has 32 bits, got {self.spi:#x}")
        if not 0 <= self.destination < _DESTINATION_END[self.family]:
            raise ValueError(f"destination {self.destination:#x} does not fit its family")
        return self

    @property
    def wildcard(self) -> "Key":
        """The wildcard key that the same packet would match."""
        return self._replace(destination=0)


class Bundle(NamedTuple):
    """What one add brings: its SAs, as the keys they have (an outbound bundle's are never matched), a direction,
    and the context word that the packet path gets on a hit.
    """

    sas: tuple[Key, ...]
    direction: Direction = Direction.INBOUND
    context: int = 0

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys that this bundle takes in the table."""
        return self.sas if self.direction is Direction.INBOUND else ()


class AddAnswer(NamedTuple):
    """Answer to an add; ``handle`` is 0 unless ``result`` is OK."""

    result: AddResult
    handle: int = 0


class Lookup(NamedTuple):
    """Answer to a lookup of either kind. Without ``hit`` everything but ``ticket`` is zero.

    ``ticket`` stands for the epoch of the hardware's answer, and names this answer alone: retire it once.
    """

    ticket: int
    hit: bool = False
    handle: int = 0
    sa_number: int = 0
    direction: Direction = Direction.INBOUND
    context: int = 0
