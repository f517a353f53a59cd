"""Section 2: the structures, byte by byte."""

import pytest

from saoffload.sim.model import LAYOUTS, Abi, read_node, write_node


@pytest.mark.parametrize(
    ("abi", "size", "alignment", "header", "offsets"),
    [
        (Abi.X64, 24, 8, 0x00180180, {"Header": (0, 4), "Next": (8, 8), "OffloadHandle": (16, 8)}),
        (Abi.X86, 12, 4, 0x000C0180, {"Header": (0, 4), "Next": (4, 4), "OffloadHandle": (8, 4)}),
    ],
)
def test_section_2_node_layout(abi: Abi, size: int, alignment: int, header: int, offsets: dict) -> None:
    layout = LAYOUTS[abi]
    assert (layout.size, layout.alignment, layout.header) == (size, alignment, header)
    assert {name: tuple(field) for name, field in layout.fields.items()} == offsets
    assert layout.reader.size == size


def test_section_2_x64_bytes() -> None:
    data = bytes.fromhex("80011800 deadbeef 8877665544332211 0100008000000000")
    node = read_node(data, Abi.X64)
    assert node == (0x00180180, 0x1122334455667788, 0x80000001)
    assert write_node(next_address=node.next, handle=node.handle, padding=0xEFBEADDE) == data


def test_section_2_x86_bytes_are_zero_extended() -> None:
    data = bytes.fromhex("80010c00 fcffffff ffffffff")
    assert read_node(data, Abi.X86) == (0x000C0180, 0xFFFFFFFC, 0xFFFFFFFF)
    assert write_node(abi=Abi.X86, next_address=0xFFFFFFFC, handle=0xFFFFFFFF) == data


def test_section_2_x64_padding_is_never_looked_at() -> None:
    nodes = {read_node(write_node(handle=5, padding=padding), Abi.X64) for padding in (0, 1, 0xFFFFFFFF)}
    assert len(nodes) == 1


@pytest.mark.parametrize(("abi", "length"), [(Abi.X64, 23), (Abi.X64, 25), (Abi.X86, 11), (Abi.X86, 24)])
def test_read_node_refuses_other_lengths(abi: Abi, length: int) -> None:
    with pytest.raises(ValueError, match=f"got {length}"):
        read_node(bytes(length), abi)


@pytest.mark.parametrize("field", ["next_address", "handle", "header"])
def test_write_node_refuses_what_does_not_fit(field: str) -> None:
    with pytest.raises(ValueError, match="has 32 bits"):
        write_node(abi=Abi.X86, **{field: 1 << 32})
