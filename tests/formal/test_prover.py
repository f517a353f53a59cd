"""The prover itself: what it lets pass, and what it says of the rest."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tests.formal.prover import (
    Broken,
    NotInductiveError,
    Proof,
    ProofError,
    RefutedError,
    Spec,
    mutant,
    prove,
    reach,
    reject,
)

from saoffload.hdl.lut_memory import LutMemory


class Counter(wiring.Component):
    """Counts from 0 to 5 and around, and says when it stands at 0."""

    def __init__(self) -> None:
        super().__init__({"do_count": In(1), "count": Out(3), "is_zero": Out(1)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.d.comb += self.is_zero.eq(self.count == 0)
        with m.If(self.do_count):
            m.d.sync += self.count.eq(self.count + 1)
            with m.If(self.count == 5):
                m.d.sync += self.count.eq(0)
        return m


class CounterSpec(Spec):
    def __init__(self, dut: wiring.Component, *, lowest_promise: int = 6):
        super().__init__(dut)
        self._bound = lowest_promise

    def describe(self, m: Module) -> None:
        self.promise(m, "it stays below its bound", self.dut.count < self._bound)
        self.promise(m, "zero is told", self.dut.is_zero == ~self.dut.count.any())
        self.reach(m, "it comes round", self.dut.is_zero & (self.before(m, self.dut.count) == 5))


PROOF = Proof(name="counter", spec=lambda: CounterSpec(Counter()), depth=9, reach_depth=9)


def test_what_holds_is_proven_and_reached(tmp_path: Path) -> None:
    prove(PROOF, "yices", tmp_path)
    reach(PROOF, "yices", tmp_path)


@pytest.mark.parametrize(
    ("act", "bound", "error", "name", "text"),
    [
        (prove, 5, RefutedError, "it stays below its bound", r"does not hold, see \S+trace\.vcd"),
        (prove, 7, NotInductiveError, "it stays below its bound", "does not follow by induction of depth 9"),
        (reach, 6, ProofError, "it comes round", "is not reached in 6 clocks"),
    ],
    ids=["refuted", "not-inductive", "not-reached"],
)
def test_what_does_not_hold_is_said_in_one_line(
    tmp_path: Path, act: Callable, bound: int, error: type[ProofError], name: str, text: str
) -> None:
    proof = replace(PROOF, spec=lambda: CounterSpec(Counter(), lowest_promise=bound), reach_depth=6)
    place = r"\(\S+test_prover\.py:\d+\)"
    with pytest.raises(error, match=rf"^counter: '{name}' {place} {text} \(yices\)$") as caught:
        act(proof, "yices", tmp_path)
    assert "\n" not in str(caught.value)


def test_the_clock_behind_the_reset_is_not_left_out(tmp_path: Path) -> None:
    with pytest.raises(NotInductiveError, match="the induction needs a depth of 2"):
        prove(replace(PROOF, depth=1), "yices", tmp_path)


def test_a_broken_design_must_break_its_promise_and_no_other(tmp_path: Path) -> None:
    broken = Broken(
        name="around-late",
        spec=lambda: CounterSpec(mutant(Counter, "self.count == 5", "self.count == 6")()),
        breaks="it stays below its bound",
    )
    reject(PROOF, broken, "yices", tmp_path)
    with pytest.raises(ProofError, match="does not break 'zero is told' in 20 clocks"):
        reject(PROOF, replace(broken, breaks="zero is told"), "yices", tmp_path)
    with pytest.raises(ValueError, match="promises nothing called 'something else'"):
        reject(PROOF, replace(broken, breaks="something else"), "yices", tmp_path)


def test_a_piece_to_break_must_be_there_once() -> None:
    with pytest.raises(ValueError, match=r"Counter has 0 times 'self.number', needed once"):
        mutant(Counter, "self.number", "0")
    with pytest.raises(ValueError, match=r"Counter has 3 times 'self.count ', needed once"):
        mutant(Counter, "self.count ", "0")


class MemorySpec(Spec):
    def describe(self, m: Module) -> None:
        self.assume(m, ~self.dut.do_write)
        self.reach(m, "a word that was never written", self.dut.read_data[0] == 5)


def test_memories_hold_anything_after_a_reset(tmp_path: Path) -> None:
    proof = Proof(name="memory", spec=lambda: MemorySpec(LutMemory(shape=4, depth=4)), depth=1, reach_depth=3)
    reach(proof, "yices", tmp_path)
    reach(replace(proof, has_arrays=True), "yices", tmp_path)
