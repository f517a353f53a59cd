"""What the driver adds: bundles of one or two SAs, and addresses as people write them.

    bundle = Bundle(sas=(Sa(spi=0x1001, destination=Destination.parse("192.0.2.1"), protocol=Protocol.ESP),))

The classes hold what the engine's registers hold, not what host structures hold: numbers, not bytes in network order.
"""

import ipaddress
from dataclasses import dataclass
from typing import Self

from .register_map import Direction, Family, Protocol
from .registers import require_bits, words

ADDRESS_BITS = {Family.IPV4: 32, Family.IPV6: 128}
ADDRESS_WORD_COUNT = 4
HANDLE_BITS = 64
"""A handle as a host may hold it. The engine gives out 32 bits; all 64 count when it is handed back."""
SPI_BITS = 32


@dataclass(frozen=True)
class Destination:
    """A destination address: the number whose first byte on the wire is the most significant, and its family.
    The value 0 is the wildcard of its family.
    """

    value: int
    family: Family = Family.IPV4

    def __post_init__(self) -> None:
        require_bits(f"an {self.family.name} address", self.value, ADDRESS_BITS[self.family])

    @classmethod
    def parse(cls, text: str) -> Self:
        """``"192.0.2.1"``, ``"2001:db8::1"`` or ``"any"``, the IPv4 wildcard. Raises ``ValueError`` for the rest."""
        if text == "any":
            return cls(0, Family.IPV4)
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            raise ValueError(f"{text!r} is no IPv4 or IPv6 address, nor 'any'") from None
        if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
            raise ValueError(f"{text!r} has a zone, which is no part of an address on the wire")
        return cls(int(address), Family.IPV6 if address.version == 6 else Family.IPV4)

    @property
    def is_wildcard(self) -> bool:
        """Whether every destination of the family is meant."""
        return self.value == 0

    @property
    def words(self) -> tuple[int, ...]:
        """The four register words."""
        return words(self.value, ADDRESS_WORD_COUNT)

    def __str__(self) -> str:
        if self.family is Family.IPV6:
            return str(ipaddress.IPv6Address(self.value))
        return "any" if self.is_wildcard else str(ipaddress.IPv4Address(self.value))


ANY = Destination(0)
"""The IPv4 wildcard."""


@dataclass(frozen=True, kw_only=True)
class Sa:
    """One security association, by what a receive lookup matches."""

    spi: int
    destination: Destination = ANY
    protocol: Protocol = Protocol.ESP

    def __post_init__(self) -> None:
        require_bits("an SPI", self.spi, SPI_BITS)


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What one add brings into the table. How many SAs there are is not checked here: the engine must answer
    UNSUPPORTED to none or three, and tests ask for it.

    ``context`` is the word that the packet path gets with every hit. ``handle`` names the handle the bundle must get,
    for restoring only; 0 lets the engine choose.
    """

    sas: tuple[Sa, ...]
    direction: Direction = Direction.INBOUND
    context: int = 0
    handle: int = 0

    def __post_init__(self) -> None:
        require_bits("a handle", self.handle, HANDLE_BITS)
        if self.context < 0:
            raise ValueError(f"a context is a number from 0 up, got {self.context}")
