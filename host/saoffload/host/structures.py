"""The bytes of ``IPSEC_OFFLOAD_V2_DELETE_SA``, as a host writes them.

Only writing: the hardware reads nodes, and so does the reference model, from its own understanding of the structure.
Offsets and sizes are those of the public DDI headers, little-endian.

| field | x86 | x64 |
|---|---|---|
| Header: Type u8, Revision u8, Size u16 | 0 | 0 |
| padding, content undefined | - | 4 |
| Next | 4 | 8 |
| OffloadHandle | 8 | 16 |
| size / alignment | 12 / 4 | 24 / 8 |
"""

import struct
from dataclasses import dataclass

from .register_map import Abi

OBJECT_TYPE_DEFAULT = 0x80
"""``NDIS_OBJECT_TYPE_DEFAULT``, the Type of every such header."""
REVISION = 1
"""``NDIS_IPSEC_OFFLOAD_V2_DELETE_SA_REVISION_1``."""


@dataclass(frozen=True, kw_only=True)
class NodeLayout:
    """Where the fields of one node stand for one ABI, and how to write them."""

    abi: Abi
    #: Bytes of a node, also its header's Size.
    size: int
    #: Natural alignment in bytes.
    alignment: int
    #: Bits of a pointer: of Next and of OffloadHandle.
    pointer_bits: int
    next_offset: int
    handle_offset: int

    @property
    def header(self) -> int:
        """The node's first 32-bit word as the contract demands it."""
        return OBJECT_TYPE_DEFAULT | REVISION << 8 | self.size << 16

    def pack(self, *, next_address: int, handle: int, header: int | None = None, padding: bytes = bytes(4)) -> bytes:
        """One node. ``header`` replaces the right first word by a wrong one; ``padding`` is what stands in the four
        bytes that have no meaning (x64 only). Raises ``ValueError`` when a value does not fit its field.
        """
        word = self.header if header is None else header
        for name, value, bits in (
            ("header", word, 32),
            ("next_address", next_address, self.pointer_bits),
            ("handle", handle, self.pointer_bits),
        ):
            if not 0 <= value < 1 << bits:
                raise ValueError(f"{name} must fit {bits} bits, got {value:#x}")
        gap = self.next_offset - 4
        if len(padding) < gap:
            raise ValueError(f"padding must be at least {gap} bytes, got {len(padding)}")
        pointer = "Q" if self.pointer_bits == 64 else "I"
        return struct.pack(f"<I{gap}s{pointer}{pointer}", word, padding[:gap], next_address, handle)


NODE_LAYOUTS: dict[Abi, NodeLayout] = {
    Abi.X64: NodeLayout(abi=Abi.X64, size=24, alignment=8, pointer_bits=64, next_offset=8, handle_offset=16),
    Abi.X86: NodeLayout(abi=Abi.X86, size=12, alignment=4, pointer_bits=32, next_offset=4, handle_offset=8),
}
"""The layout of a node for each ABI."""
