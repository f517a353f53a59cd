"""Writes what follows from registers.rdl: the bank's data, the host's register map, the C header, the reference page.

``python tools/generate_registers.py`` (run by ``make registers``) writes the four files into the tree; ``generate``
returns them as text, so that a test can tell whether the files in the tree are current. The same source gives the
same bytes everywhere.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from peakrdl_cheader.exporter import CHeaderExporter
from peakrdl_markdown import MarkdownExporter
from systemrdl.compiler import RDLCompiler
from systemrdl.node import AddrmapNode, FieldNode, MemNode, RegNode
from systemrdl.rdltypes.builtin_enums import AccessType, OnWriteType
from systemrdl.rdltypes.user_enum import UserEnum

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "hdl/saoffload/hdl/control/registers.rdl"
HARDWARE_MAP = "hdl/saoffload/hdl/control/register_map.py"
HOST_MAP = "host/saoffload/host/register_map.py"
C_HEADER = "host/saoffload/host/include/saoffload_registers.h"
PAGE = "docs/registers.md"

NOTICE = f"Generated from {SOURCE}: change that and run `make registers`."
LINE_LENGTH = 120


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field, as the generators need it."""

    name: str
    low: int
    width: int
    access: str
    reset: int | None
    description: str
    encoding: type[UserEnum] | None


@dataclass(frozen=True, kw_only=True)
class Register:
    """One register: arrays and register files are laid flat, their names joined by ``_``."""

    name: str
    offset: int
    is_external: bool
    title: str
    description: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, kw_only=True)
class Memory:
    """A run of words that have no fields."""

    name: str
    offset: int
    word_count: int
    access: str
    description: str


def main(arguments: list[str]) -> int:
    """Writes the files that are not current, or with ``--check`` only tells which they are. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is not current")
    options = parser.parse_args(arguments)

    stale = [path for path, text in generate().items() if not is_current(ROOT / path, text)]
    for path in stale:
        if not options.check:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(generate()[path], encoding="utf-8")
        print(f"{path}: {'not current: run `make registers`' if options.check else 'written'}")
    return 1 if stale and options.check else 0


def is_current(path: Path, text: str) -> bool:
    """Whether the file at ``path`` holds ``text``."""
    return path.is_file() and path.read_text(encoding="utf-8") == text


def generate() -> dict[str, str]:
    """Every generated file: its path in the tree and its text."""
    top = compile_source()
    registers, memories = list(read_registers(top)), list(read_memories(top))
    return {
        HARDWARE_MAP: hardware_map(registers, memories),
        HOST_MAP: host_map(registers, memories),
        C_HEADER: c_header(top, registers),
        PAGE: page(top, registers),
    }


# ---- reading ---------------------------------------------------------------------------------------------------------


def compile_source() -> AddrmapNode:
    """The address map in the source. Raises ``RDLCompileError`` after printing what is wrong and where."""
    compiler = RDLCompiler()
    compiler.compile_file(str(ROOT / SOURCE))
    return compiler.elaborate().top


def read_registers(top: AddrmapNode) -> Iterator[Register]:
    """The registers of the map, by address."""
    for node in top.descendants(unroll=True):
        if isinstance(node, RegNode):
            owner = node.parent
            title = node.get_property("name")
            description = node.get_property("desc") or ""
            if not isinstance(owner, AddrmapNode):
                title = f"{owner.get_property('name')}: {title[0].lower()}{title[1:]}" if title != "SPI" else title
                description = f"{owner.get_property('desc')} {description}"
            yield Register(
                name=flat_name(node.get_rel_path(top)),
                offset=node.absolute_address,
                is_external=any(part.external for part in (node, owner) if not isinstance(part, AddrmapNode)),
                title=title,
                description=squeeze(description),
                fields=tuple(read_field(field) for field in node.fields()),
            )


def read_field(node: FieldNode) -> Field:
    """One field of a register."""
    software = node.get_property("sw")
    if node.get_property("onwrite") is OnWriteType.woclr:
        access = "w1c"
    else:
        access = {AccessType.r: "r", AccessType.w: "w", AccessType.rw: "rw"}[software]
    # What neither side can change is a constant; what the hardware shows has no reset value of its own.
    reset = node.get_property("reset")
    is_constant = access == "r" and not node.is_hw_writable
    return Field(
        name=node.inst_name,
        low=node.low,
        width=node.width,
        access="constant" if is_constant else access,
        reset=reset if isinstance(reset, int) else None,
        description=squeeze(node.get_property("desc") or ""),
        encoding=node.get_property("encode"),
    )


def read_memories(top: AddrmapNode) -> Iterator[Memory]:
    """The memories of the map, by address."""
    for node in top.children():
        if isinstance(node, MemNode):
            yield Memory(
                name=node.inst_name,
                offset=node.absolute_address,
                word_count=node.get_property("mementries"),
                access=node.get_property("sw").name,
                description=squeeze(node.get_property("desc") or ""),
            )


def flat_name(path: str) -> str:
    """``add_sa[1].destination[0]`` becomes ``add_sa_1_destination_0``."""
    return re.sub(r"\W+", "_", path).strip("_")


def squeeze(text: str) -> str:
    """The text without its line breaks."""
    return " ".join(text.split())


def encodings(registers: list[Register]) -> dict[str, type[UserEnum]]:
    """Every enumeration that a field uses, by the name it has in Python."""
    used: dict[str, type[UserEnum]] = {}
    for register in registers:
        for field in register.fields:
            if field.encoding is not None:
                used[camel(field.encoding.type_name.removesuffix("_e"))] = field.encoding
    return dict(sorted(used.items()))


def camel(name: str) -> str:
    """``doorbell_result`` becomes ``DoorbellResult``."""
    return "".join(part.capitalize() for part in name.split("_"))


# ---- writing ---------------------------------------------------------------------------------------------------------


def hardware_map(registers: list[Register], memories: list[Memory]) -> str:
    """What the register bank is built from: plain data."""
    lines = [
        f'"""The register map as data.\n\n{NOTICE}\n"""\n',
        "from dataclasses import dataclass\n\n",
        "@dataclass(frozen=True)\nclass Field:",
        '    """Bits of a register; ``access`` is constant, r, w, rw or w1c; r and w have no reset value."""\n',
        "    name: str\n    low: int\n    width: int\n    access: str\n    reset: int\n\n",
        "@dataclass(frozen=True)\nclass Register:",
        '    """A 32-bit register at a byte offset; ``is_external``: it is read from a memory outside."""\n',
        "    name: str\n    offset: int\n    is_external: bool\n    fields: tuple[Field, ...]\n\n",
        "@dataclass(frozen=True)\nclass Memory:",
        '    """``word_count`` 32-bit words without fields, from a byte offset on."""\n',
        "    name: str\n    offset: int\n    word_count: int\n    access: str\n\n",
        "REGISTERS: tuple[Register, ...] = (",
    ]
    for register in registers:
        lines += [
            "    Register(",
            f'        "{register.name}",',
            f"        0x{register.offset:03X},",
            f"        is_external={register.is_external},",
            "        fields=(",
            *(f"            {field_literal(field)}," for field in register.fields),
            "        ),",
            "    ),",
        ]
    lines += [")", '"""Every register, by offset."""\n', "MEMORIES: tuple[Memory, ...] = ("]
    lines += [f'    Memory("{m.name}", 0x{m.offset:03X}, {m.word_count}, "{m.access}"),' for m in memories]
    lines += [")", '"""Every memory, by offset."""\n']
    return "\n".join(lines)


def field_literal(field: Field) -> str:
    """The field as Python source."""
    return f'Field("{field.name}", {field.low}, {field.width}, "{field.access}", 0x{field.reset or 0:X})'


def host_map(registers: list[Register], memories: list[Memory]) -> str:
    """What the host's driver uses: offsets, fields and enumerations by name."""
    lines = [
        f'"""The register map by name: offsets, fields and enumerations.\n\n{NOTICE}\n"""\n',
        "from dataclasses import dataclass",
        "from enum import IntEnum\n\n",
        "@dataclass(frozen=True)\nclass Field:",
        '    """Bits ``low`` to ``low + width - 1`` of a register."""\n',
        "    low: int\n    width: int\n",
        "    @property\n    def mask(self) -> int:",
        '        """The bits of the field where they stand in the register."""',
        "        return ((1 << self.width) - 1) << self.low\n",
        "    def get(self, word: int) -> int:",
        '        """The field of a register\'s word."""',
        "        return (word & self.mask) >> self.low\n",
        "    def put(self, value: int) -> int:",
        '        """The word with ``value`` in this field, else 0. Raises ``ValueError`` when it does not fit."""',
        "        if not 0 <= value < 1 << self.width:",
        '            raise ValueError(f"{value} does not fit into {self.width} bits")',
        "        return value << self.low\n\n",
        "class Register(IntEnum):",
        '    """Byte offset of every register."""\n',
    ]
    for register in registers:
        lines += [
            *comment(f"{register.title}. {register.description}"),
            f"    {register.name.upper()} = 0x{register.offset:03X}",
        ]
    lines += ["\n", "class Memory(IntEnum):", '    """Byte offset of the first word of every run of words."""\n']
    for memory in memories:
        lines += [
            *comment(f"{memory.word_count} words. {memory.description}"),
            f"    {memory.name.upper()} = 0x{memory.offset:03X}",
        ]
    lines += ["\n"]
    for name, encoding in encodings(registers).items():
        lines += [f"class {name}(IntEnum):", f'    """Values of {using(registers, encoding)}."""\n']
        for member in encoding:
            lines += [*comment(member.rdl_desc or ""), f"    {member.name.upper()} = {member.value}"]
        lines += ["\n"]
    for name, fields in field_classes(registers):
        lines += [f"class {name}Fields:", f'    """Fields of {name}."""\n']
        for field in fields:
            lines += [*comment(field.description), f"    {field.name.upper()} = Field({field.low}, {field.width})"]
        lines += ["\n"]
    return "\n".join(lines).rstrip("\n") + "\n"


def field_classes(registers: list[Register]) -> Iterator[tuple[str, tuple[Field, ...]]]:
    """Each set of fields once, with its class name; a register that is one whole word has none."""
    seen: set[str] = set()
    for register in registers:
        name = camel(re.sub(r"_\d+", "", register.name))
        if register.fields[0].width < 32 and name not in seen:
            seen.add(name)
            yield name, register.fields


def using(registers: list[Register], encoding: type[UserEnum]) -> str:
    """The fields that use an enumeration, for its docstring."""
    names = {
        re.sub(r"_\d+", "", f"{register.name}.{field.name}")
        for register in registers
        for field in register.fields
        if field.encoding is encoding
    }
    return ", ".join(sorted(names))


def comment(text: str) -> list[str]:
    """The text as ``#:`` lines inside a class."""
    lines, line = [], "    #:"
    for word in text.split():
        if len(line) + 1 + len(word) > LINE_LENGTH:
            lines.append(line)
            line = "    #:"
        line += f" {word}"
    return [*lines, line] if text else []


def c_header(top: AddrmapNode, registers: list[Register]) -> str:
    """The C header: a struct that has the map's layout, masks and positions of every field, and the enumerations."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(C_HEADER).name
        CHeaderExporter().export(top, str(path), reuse_typedefs=False)
        text = path.read_text(encoding="utf-8")
    enumerations = ""
    for encoding in encodings(registers).values():
        name = encoding.type_name.removesuffix("_e")
        enumerations += f"\n// enum - {name}: values of {using(registers, encoding)}\n"
        for member in encoding:
            enumerations += f"#define SAOFFLOAD__{name.upper()}__{member.name.upper()} {member.value}\n"
    includes_end = text.index("#include <assert.h>\n") + len("#include <assert.h>\n")
    return f"/* {NOTICE} */\n{text[:includes_end]}{enumerations}{text[includes_end:].rstrip()}\n"


def page(top: AddrmapNode, registers: list[Register]) -> str:
    """The reference page, with the enumerations that the generator leaves out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(PAGE).name
        MarkdownExporter().export(top, str(path), input_files=[SOURCE])
        # The exporter aligns its tables with trailing blanks and stacks empty lines.
        text = re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", path.read_text(encoding="utf-8")))
    lines = [f"<!-- {NOTICE} -->", text.split("-->\n", 1)[1].strip(), "", "## Enumerations", ""]
    for encoding in encodings(registers).values():
        lines += [f"### {encoding.type_name.removesuffix('_e')}", "", f"Values of {using(registers, encoding)}.", ""]
        lines += ["|Value|Name|Meaning|", "|---|---|---|"]
        lines += [f"|{member.value}|{member.name}|{squeeze(member.rdl_desc or '')}|" for member in encoding]
        lines += [""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
