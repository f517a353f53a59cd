"""Registers by name over a transport: what every part of the driver reads and writes through."""

from collections.abc import Iterable, Sequence

from .register_map import Register
from .transport import Transport

WORD_BITS = 32
WORD_MASK = (1 << WORD_BITS) - 1


def words(value: int, count: int) -> tuple[int, ...]:
    """``value`` as ``count`` words, word k holding bits 32k+31:32k. Raises ``ValueError`` when it does not fit."""
    if not 0 <= value < 1 << WORD_BITS * count:
        raise ValueError(f"the value must fit {count} words of {WORD_BITS} bits, got {value:#x}")
    return tuple(value >> WORD_BITS * position & WORD_MASK for position in range(count))


class Registers:
    """The registers of one engine."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    async def read(self, register: Register) -> int:
        """One register."""
        return await self.transport.read32(register)

    async def read_wide(self, low: Register, high: Register) -> int:
        """64 bits from two registers, the low one read first."""
        lower = await self.transport.read32(low)
        return lower | await self.transport.read32(high) << WORD_BITS

    async def write(self, register: Register, value: int) -> None:
        """One register."""
        await self.transport.write32(register, value)

    async def write_wide(self, low: Register, high: Register, value: int) -> None:
        """64 bits into two registers, the low one first."""
        await self.write_all(zip((low, high), words(value, 2), strict=True))

    async def write_all(self, writes: Iterable[tuple[int, int]]) -> None:
        """Byte addresses and their words, in the order given."""
        for address, value in writes:
            await self.transport.write32(address, value)


def require_bits(name: str, value: int, bits: int) -> None:
    """Raises ``ValueError`` naming the argument when ``value`` does not fit ``bits`` bits."""
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{name} has {bits} bits, got {value:#x}")


def consecutive(first: int, values: Sequence[int]) -> list[tuple[int, int]]:
    """Writes of ``values`` into the words from ``first`` on."""
    return [(first + 4 * position, value) for position, value in enumerate(values)]
