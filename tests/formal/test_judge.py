"""The judge of many lists: no more nodes than the budget, and none that is NULL or misaligned."""

from dataclasses import replace
from pathlib import Path

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Module, Mux, Signal, Value
from tests.formal.prover import Proof, Run, Spec, broken, mutant
from tests.formal.sizes import MANY

from saoffload.hdl.layouts import COUNT_BITS, Abi
from saoffload.hdl.walk.contexts.judge import Judge

CONFIG = replace(MANY, windows=1)
SETTLES = 3
"""Clocks from a start to its first decision, at least; one more than those in which a decision makes others void."""

BUDGET = "no more nodes of a walk are asked for than its budget has"
RIGHT = "nothing is right that is NULL or misaligned, or a delete by register"
COUNTED = "the number shown of a context is that of the nodes that were asked for; of a delete by register 1"


class JudgeContract(Spec):
    """One context, any. What decides keeps what it promises: see the decision's contract."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        context = AnyConst(len(dut.context))
        starts = dut.do_start & (dut.start_context == context)
        settles = dut.do_settle & (dut.context == context)
        asks = settles & dut.goes_on
        is_active, is_first, is_delete = Signal(), Signal(), Signal()
        asked, most = Signal(COUNT_BITS), Signal(COUNT_BITS)
        since_start, since_settle = Signal(range(SETTLES + 1)), Signal(range(SETTLES))
        with m.If(since_start != SETTLES):
            m.d.sync += since_start.eq(since_start + 1)
        with m.If(since_settle != SETTLES - 1):
            m.d.sync += since_settle.eq(since_settle + 1)
        with m.If(settles):
            m.d.sync += [is_first.eq(0), since_settle.eq(0), is_active.eq(dut.goes_on), asked.eq(asked + dut.goes_on)]
        largest = (1 << COUNT_BITS) - 1
        with m.If(starts):
            m.d.sync += [
                is_active.eq(1),
                is_first.eq(1),
                asked.eq(0),
                most.eq(Mux(dut.start_budget == 0, largest, dut.start_budget)),
                since_start.eq(1),
                is_delete.eq(AnySeq(1)),
            ]
        self.assume(m, ~is_active & ~settles, given=starts)
        is_due = dut.is_judged & is_active & (since_start == SETTLES) & (since_settle == SETTLES - 1)
        self.assume(m, is_due, given=settles)
        self.assume(m, dut.do_ask == (dut.do_settle & dut.goes_on))
        self.assume(m, self.before(m, dut.is_right) & dut.is_allowed, given=dut.goes_on & dut.do_settle)
        weighs = dut.is_weighed & (dut.weighed_context == context)
        self.assume(m, dut.is_first == self.before(m, is_first), given=weighs)
        self.assume(m, dut.is_delete == self.before(m, is_delete), given=weighs)

        self.promise(m, BUDGET, asked < most, given=asks)
        is_x64 = Value.cast(dut.abi) == Abi.X64.value
        is_aligned = (dut.address != 0) & (dut.address[:2] == 0) & ~(is_x64 & dut.address[2])
        self.promise(m, RIGHT, is_aligned, given=dut.is_judged & self.before(m, dut.is_right))
        self.promise(m, RIGHT, ~is_delete, given=asks)
        is_shown = (dut.shown_context == context) & is_active & ~is_first
        self.promise(m, COUNTED, dut.shown_ordinal == asked, given=is_shown)
        ended = self.before(m, settles & ~dut.goes_on)
        due = self.before(m, Mux(is_first & is_delete, 1, asked))
        self.promise(m, COUNTED, dut.shown_ordinal == due, given=ended & (dut.shown_context == context))
        self.reach(m, "a walk of two nodes is too long", dut.is_judged & dut.is_too_long & is_due & (asked == 2))

        ordinal, budget = (self.word(name, "memory", address=context) for name in ("ordinals", "budgets"))
        self.lemma(m, "nodes are counted", ordinal == asked, given=is_active & ~is_first)
        self.lemma(m, "none before the head", asked == 0, given=is_first)
        self.lemma(m, "the budget is kept", budget == most, given=is_active)
        self.lemma(m, "there is room", asked <= most, given=is_active)
        self.lemma(m, "who is first is active", is_active, given=is_first)
        self.lemma(m, "a budget is never 0", most != 0, given=is_active)


def judge(old: str = "", new: str = "") -> JudgeContract:
    """The contract around the judge, or around one of which a piece is replaced."""
    return JudgeContract((mutant(Judge, old, new) if old else Judge)(CONFIG))


PROOFS = [
    Proof(
        name="judge",
        spec=judge,
        depth=6,
        reach_depth=20,
        broken_depth=20,
        rejects_nightly=True,
        broken=(
            broken(
                judge,
                "one-node-too-many",
                BUDGET,
                "is_spent & ~self.is_first",
                "is_spent & self.is_first",
            ),
            broken(
                judge,
                "forgets-the-head",
                COUNTED,
                "Mux(is_first_q, is_delete_q | self.goes_on,",
                "Mux(is_first_q, is_delete_q,",
            ),
            broken(judge, "asks-misaligned", RIGHT, "| ((abi_1_q == Abi.X64) & address[2])", ""),
            broken(judge, "asks-for-null", RIGHT, "is_null | is_misaligned_q", "is_misaligned_q"),
        ),
    ),
]


def test_judge(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
