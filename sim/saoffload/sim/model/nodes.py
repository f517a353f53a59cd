"""The nodes of a delete list, as they stand in host memory: ``IPSEC_OFFLOAD_V2_DELETE_SA`` of both pointer sizes.

The offsets are those of the public WDK headers. Everything is little-endian. The four bytes between header and
``Next`` of an x64 node are padding with undefined content: nothing here looks at them.
"""

import enum
from collections.abc import Mapping
from struct import Struct
from typing import NamedTuple

OBJECT_TYPE = 0x80
"""``NDIS_OBJECT_TYPE_DEFAULT``, the Type of every structure that a list is made of."""
REVISION = 1


class Abi(enum.Enum):
    """Pointer size of the driver that wrote the list."""

    X64 = "x64"
    X86 = "x86"


class Field(NamedTuple):
    """One field of a structure: where it starts and how many bytes it has."""

    offset: int
    size: int


class NodeLayout(NamedTuple):
    """One ABI's node.

    ``reader`` unpacks header, ``Next`` and handle; ``header`` is the only first word that a walk accepts.
    """

    size: int
    alignment: int
    header: int
    pointer_bits: int
    fields: Mapping[str, Field]
    reader: Struct


class Node(NamedTuple):
    """The content of a node. ``header`` is its first 32-bit word."""

    header: int
    next: int
    handle: int


def _header_word(size: int) -> int:
    return OBJECT_TYPE | REVISION << 8 | size << 16


LAYOUTS: Mapping[Abi, NodeLayout] = {
    Abi.X64: NodeLayout(
        size=24,
        alignment=8,
        header=_header_word(24),
        pointer_bits=64,
        fields={"Header": Field(0, 4), "Next": Field(8, 8), "OffloadHandle": Field(16, 8)},
        reader=Struct("<I4xQQ"),
    ),
    Abi.X86: NodeLayout(
        size=12,
        alignment=4,
        header=_header_word(12),
        pointer_bits=32,
        fields={"Header": Field(0, 4), "Next": Field(4, 4), "OffloadHandle": Field(8, 4)},
        reader=Struct("<III"),
    ),
}


def read_node(data: bytes, abi: Abi) -> Node:
    """Takes a node's bytes apart; x86 fields are zero-extended. Raises ``ValueError`` on any other number of bytes."""
    layout = LAYOUTS[abi]
    if len(data) != layout.size:
        raise ValueError(f"an {abi.value} node has {layout.size} bytes, got {len(data)}")
    return Node._make(layout.reader.unpack(data))


def write_node(
    *, abi: Abi = Abi.X64, next_address: int = 0, handle: int = 0, header: int | None = None, padding: int = 0
) -> bytes:
    """The bytes of one node. ``header`` None is the right one; ``padding`` fills the hole of an x64 node.

    Raises ``ValueError`` when a value does not fit its field.
    """
    layout = LAYOUTS[abi]
    values = {"Header": layout.header if header is None else header, "Next": next_address, "OffloadHandle": handle}
    data = bytearray(padding.to_bytes(4, "little") * (layout.size // 4))
    for name, (offset, size) in layout.fields.items():
        if not 0 <= values[name] < 1 << 8 * size:
            raise ValueError(f"{name} of an {abi.value} node has {8 * size} bits, got {values[name]:#x}")
        data[offset : offset + size] = values[name].to_bytes(size, "little")
    return bytes(data)
