"""The offsets that docs/contract.md prints, against the structures as a C compiler lays them out."""

import ctypes
import re
from pathlib import Path

import pytest

from saoffload.host.register_map import Abi
from saoffload.host.structures import NODE_LAYOUTS

CONTRACT = Path(__file__).resolve().parents[2] / "docs" / "contract.md"
U8, U16, U32 = ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32
POINTERS = {"x86": ctypes.c_uint32, "x64": ctypes.c_uint64}
Fields = list[tuple[str, type]]


class Header(ctypes.LittleEndianStructure):
    _fields_ = [("Type", U8), ("Revision", U8), ("Size", U16)]


class Algorithm(ctypes.LittleEndianStructure):
    _fields_ = [("Identifier", U32), ("KeyLength", U32), ("KeyOffsetBytes", U32), ("AdditionalInfo", U32)]


class SecurityAssociation(ctypes.LittleEndianStructure):
    _fields_ = [
        ("Flags", U32),
        ("Operation", U32),
        ("Spi", U32),
        ("AuthenticationAlgorithm", Algorithm),
        ("EncryptionAlgorithm", Algorithm),
        ("SequenceNumberHighOrder", U32),
    ]


class IPv4Endpoints(ctypes.LittleEndianStructure):
    _fields_ = [("Src", U32), ("Dest", U32)]


class IPv6Endpoints(ctypes.LittleEndianStructure):
    _fields_ = [("Src", U8 * 16), ("Dest", U8 * 16)]


class Endpoints(ctypes.Union):
    _fields_ = [("IPv4", IPv4Endpoints), ("IPv6", IPv6Endpoints)]


def structure(fields: Fields) -> type[ctypes.Structure]:
    return type("Built", (ctypes.Structure,), {"_fields_": fields})


def delete_sa(pointer: type) -> type[ctypes.Structure]:
    return structure([("Header", Header), ("Next", pointer), ("OffloadHandle", pointer)])


def add_sa(pointer: type, *, is_ex: bool) -> type[ctypes.Structure]:
    link: Fields = [] if is_ex else [("Next", pointer)]
    end: Fields = [("KeyOffset", U32), ("SourceSwitchPortId", U32), ("VlanId", U16)] if is_ex else [("KeyData", U8 * 1)]
    middle: Fields = [
        ("NumExtHdrs", U32),
        ("Flags", U32),
        ("Endpoints", Endpoints),
        ("OffloadHandle", pointer),
        ("UdpEspEncapsulation", U32),
        ("SecAssoc", SecurityAssociation * 2),
        ("KeyLength", U32),
    ]
    return structure([("Header", Header), *link, *middle, *end])


def update_sa(pointer: type) -> type[ctypes.Structure]:
    fields: Fields = [("Operation", U32), ("Spi", U32), ("SequenceNumberHighOrder", U32)]
    return structure([("Header", Header), ("OffloadHandle", pointer), *fields])


def table_under(heading: str) -> dict[str, list[str]]:
    """The first table under the heading that contains this: first word of a row's name, then its cells."""
    text = CONTRACT.read_text()
    section = next(part for part in text.split("\n### ") if heading in part.partition("\n")[0])
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows[2:]}


def cell(table: dict[str, list[str]], name: str, column: int) -> str:
    (row,) = (cells for key, cells in table.items() if key.startswith(name))
    return row[column]


def number(text: str) -> int:
    match = re.match(r"\d+", text)
    assert match, f"{text!r} begins with no number"
    return int(match[0])


def compare(table: dict[str, list[str]], column: int, built: type[ctypes.Structure], names: dict[str, str]) -> None:
    """Every field of ``names`` (how the document calls it, how the structure does) stands where the table says."""
    for shown, field in names.items():
        at, kind = 0, built
        for part in field.split("."):
            at += getattr(kind, part).offset
            kind = dict(kind._fields_)[part]
        assert number(cell(table, shown, column)) == at, f"{shown}, column {column}"
    assert number(cell(table, "sizeof", column)) == ctypes.sizeof(built)


def used_size(built: type[ctypes.Structure]) -> int:
    """What NDIS_SIZEOF counts: to the end of the last field, without padding behind it."""
    name, kind = built._fields_[-1][:2]
    return getattr(built, name).offset + ctypes.sizeof(kind)


@pytest.mark.parametrize(("column", "abi"), [(0, "x86"), (1, "x64")])
def test_delete_sa(column: int, abi: str) -> None:
    table = table_under("`IPSEC_OFFLOAD_V2_DELETE_SA`")
    built = delete_sa(POINTERS[abi])
    compare(table, column, built, {"Header": "Header", "Next": "Next", "OffloadHandle": "OffloadHandle"})
    assert number(cell(table, "natural alignment", column)) == ctypes.alignment(built)
    header = Header(Type=0x80, Revision=1, Size=ctypes.sizeof(built))
    assert int(cell(table, "first 32-bit word", column), 0) == int.from_bytes(bytes(header), "little")
    layout = NODE_LAYOUTS[Abi[abi.upper()]]
    assert (layout.size, layout.alignment) == (ctypes.sizeof(built), ctypes.alignment(built))
    assert (layout.next_offset, layout.handle_offset) == (built.Next.offset, built.OffloadHandle.offset)


@pytest.mark.parametrize(
    ("column", "abi", "is_ex"), [(0, "x86", False), (1, "x64", False), (2, "x86", True), (3, "x64", True)]
)
def test_add_sa(column: int, abi: str, is_ex: bool) -> None:
    built = add_sa(POINTERS[abi], is_ex=is_ex)
    names = {
        "Header": "Header",
        "NumExtHdrs": "NumExtHdrs",
        "Flags": "Flags",
        "IPv4 Src": "Endpoints.IPv4.Src",
        "IPv4 Dest": "Endpoints.IPv4.Dest",
        "IPv6 Src": "Endpoints.IPv6.Src",
        "IPv6 Dest": "Endpoints.IPv6.Dest",
        "OffloadHandle": "OffloadHandle",
        "UdpEspEncapsulation": "UdpEspEncapsulation",
        "SecAssoc": "SecAssoc",
        "KeyLength": "KeyLength",
        "KeyData": "KeyOffset" if is_ex else "KeyData",
    }
    table = table_under("`IPSEC_OFFLOAD_V2_ADD_SA`")
    compare(table, column, built, names)
    assert number(cell(table, "`NDIS_SIZEOF`", column)) == used_size(built)


def test_security_association() -> None:
    table = table_under("`IPSEC_OFFLOAD_V2_SECURITY_ASSOCIATION`")
    for name, *_ in SecurityAssociation._fields_:
        assert number(cell(table, name, 0)) == getattr(SecurityAssociation, name).offset
    assert ctypes.sizeof(SecurityAssociation) == 48


@pytest.mark.parametrize(("column", "abi"), [(0, "x86"), (1, "x64")])
def test_update_sa(column: int, abi: str) -> None:
    built = update_sa(POINTERS[abi])
    names = ("Header", "OffloadHandle", "Operation", "Spi", "SequenceNumberHighOrder")
    table = table_under("`IPSEC_OFFLOAD_V2_UPDATE_SA`")
    compare(table, column, built, {name: name for name in names})
    assert number(cell(table, "`NDIS_SIZEOF`", column)) == used_size(built)


def test_every_rule_and_fault_is_there_once() -> None:
    text = CONTRACT.read_text()
    rules = [int(found) for found in re.findall(r"^\*\*(\d+)\.\*\*", text, re.MULTILINE)]
    assert rules == list(range(1, 31))
    documented = text.partition("## 3. ")[2].partition("\n## 4. ")[0]
    assert re.findall(r"^(\d)\. ", documented, re.MULTILINE) == list("123456")
    faults = re.findall(r"^\| (\d+) \|", text.partition("## 5. ")[2], re.MULTILINE)
    assert [int(found) for found in faults] == list(range(1, 20))
