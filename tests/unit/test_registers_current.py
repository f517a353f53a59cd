"""The generated files follow from registers.rdl, and its enumerations are those of the hardware."""

import subprocess
import sys
from pathlib import Path

import pytest

from saoffload.hdl import layouts
from saoffload.hdl.control import commands, control, register_map
from saoffload.host import register_map as host_map

ROOT = Path(__file__).resolve().parents[2]
GENERATOR = ROOT / "tools" / "generate_registers.py"


def test_generated_files_are_current() -> None:
    result = subprocess.run([sys.executable, GENERATOR, "--check"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{result.stdout}{result.stderr}run `make registers`"


@pytest.mark.parametrize(
    ("hardware", "host"),
    [
        (layouts.Abi, host_map.Abi),
        (layouts.AddResult, host_map.AddResult),
        (layouts.Direction, host_map.Direction),
        (layouts.Family, host_map.Family),
        (layouts.Protocol, host_map.Protocol),
        (layouts.Status, host_map.CompletionStatus),
        (commands.DoorbellResult, host_map.DoorbellResult),
    ],
)
def test_enumerations_agree(hardware: type, host: type) -> None:
    assert {member.name: member.value for member in hardware} == {member.name: member.value for member in host}


def test_opcodes_agree() -> None:
    # `delete` is a keyword of C++, so the register map names it otherwise.
    names = {"DELETE": "DELETE_ONE"}
    assert {names.get(member.name, member.name): member.value for member in layouts.Opcode} == {
        member.name: member.value for member in host_map.Opcode
    }


def test_order_of_what_is_wired_by_position() -> None:
    """Counters, completion words and interrupts are wired by their place in a tuple; the map must agree."""
    offsets = {register.name: register.offset for register in register_map.REGISTERS}
    assert [offsets[f"{name}_low"] for name in control.COUNTERS] == [
        0x100 + 8 * n for n in range(len(control.COUNTERS))
    ]
    assert [offsets[f"{name}_high"] - offsets[f"{name}_low"] for name in control.COUNTERS] == [4] * len(
        control.COUNTERS
    )
    assert [offsets[f"completion_{name}"] for name in control.COMPLETION_WORDS] == [0xC0 + 4 * n for n in range(7)]
    fields = {register.name: register.fields for register in register_map.REGISTERS}
    for name in ("interrupt_status", "interrupt_enable"):
        assert [(field.name, field.low) for field in fields[name]] == [
            (source, number) for number, source in enumerate(control.INTERRUPTS)
        ]
    resets = {field.name: field.reset for field in fields["interrupt_status"]}
    assert resets == {name: int(name == "table_lost") for name in control.INTERRUPTS}


def test_offsets_are_the_same_for_host_and_hardware() -> None:
    hardware = {register.name.upper(): register.offset for register in register_map.REGISTERS}
    assert hardware == {register.name: register.value for register in host_map.Register}


def test_fields_fit_their_words() -> None:
    field = host_map.StatusFields.WINDOW_BUSY
    assert field.mask == 1 << 9
    assert field.get(field.put(1)) == 1
    with pytest.raises(ValueError, match="2 does not fit"):
        field.put(2)
