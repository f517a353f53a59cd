"""What keeps the mapper from flatter logic, on a design where it is known."""

import subprocess
import sys
from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Elaboratable, Module, Signal

TOOL = Path(__file__).resolve().parents[2] / "tools" / "mapper_limits.py"


class Room(Elaboratable):
    """A register behind two look-up tables, which five inputs need, and two behind a single one or a carry chain."""

    def __init__(self) -> None:
        self.inputs = Signal(5)
        self.terms = [Signal(16, name=f"term_{number}") for number in range(2)]
        self.wide_q = Signal()
        self.flat_q = Signal()
        self.sum_q = Signal(16)

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.d.sync += [
            self.wide_q.eq(self.inputs.xor()),
            self.flat_q.eq(self.inputs[:4].xor()),
            self.sum_q.eq(sum(self.terms)),
        ]
        return m


class Top(Elaboratable):
    def __init__(self) -> None:
        self.room = Room()

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.room = self.room
        return m


@pytest.mark.nightly
def test_the_one_at_fault_is_named(tmp_path: Path) -> None:
    top = Top()
    source = tmp_path / "top.il"
    room = top.room
    ports = [room.inputs, *room.terms, room.wide_q, room.flat_q, room.sum_q]
    source.write_text(rtlil.convert(top, ports=ports))
    done = subprocess.run(
        [sys.executable, TOOL, source, "--levels", "1"], capture_output=True, text=True, check=True, timeout=600
    )
    assert done.stdout.splitlines() == ["wide_q: with it 1 names are behind more than 1 tables"]


def test_what_is_not_there(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, TOOL, tmp_path / "top.il"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: there is no file ")
