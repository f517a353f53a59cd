"""The sweep clears nothing that belongs to a bundle that lives."""

from pathlib import Path

from amaranth.asserts import AnyConst
from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from tests.formal.hashed import CONFIG, ago
from tests.formal.hashed_homes import WAYS
from tests.formal.prover import Proof, Run, Spec, broken, mutant

from saoffload.hdl.table.hashed.states import is_live
from saoffload.hdl.table.hashed.sweep import Sweep
from saoffload.hdl.table.hashed.timing import STATE_LATENCY
from saoffload.hdl.table.hashed.way import Way

SPARES = "a sweep clears no row, place or wildcard whose owner lives, unless the row is damaged"


class SweepContract(Spec):
    """One candidate, any, of each step, whose owner lives."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        count = WAYS + 2
        candidate, index = AnyConst(2), AnyConst(CONFIG.index_bits)
        keys, question = dut.keys, dut.question
        # Ways are told the row a clock later, and then need this long.
        latency = 1 + Way.FREE_LATENCY
        clocks = Signal(range(latency + 1))
        with m.If(~keys.reads_row):
            m.d.sync += clocks.eq(0)
        with m.Elif(clocks != latency):
            m.d.sync += clocks.eq(clocks + 1)
        owner = Array(one.index for one in keys.owners)[candidate]
        self.assume(m, owner == index, given=clocks == latency)
        asked = question.do & question.is_taken & (question.index == index)
        self.assume(m, is_live(question.state.as_value()), given=ago(self, m, asked, STATE_LATENCY))
        self.assume(m, question.do, given=question.is_taken)
        clears = keys.do_clear.bit_select(candidate, 1)
        was_damaged = self.before(m, Cat(keys.is_damaged, Const(0, 2)).bit_select(candidate, 1))
        self.promise(m, SPARES, ~clears | was_damaged)
        self.reach(m, "the others are cleared", keys.do_clear.any() & ~self.before(m, keys.is_damaged.any()))

        (at,) = self.states()
        self.lemma(m, "it is in a state", Cat(at.values()).any())
        pause, cursor, number = (self.inside(name) for name in ("pause", "cursor", "number"))
        has_number, dead, is_asked = (self.inside(name) for name in ("has_number", "dead", "is_asked"))
        self.lemma(m, "none is dead that lives", ~dead.bit_select(candidate, 1))
        reading = Way.READ_LATENCY + 1 - pause
        is_late = Mux(reading > latency, latency, reading)
        is_reading, is_checking = self.inside("is_reading"), self.inside("is_checking")
        self.lemma(m, "it reads in one state", is_reading == at["READ"])
        self.lemma(m, "it checks in one state", is_checking == at["CHECK"])
        self.lemma(m, "it reads for as long", (pause <= Way.READ_LATENCY + 1) & (clocks == is_late), given=at["READ"])
        reads = at["CHECK"] | at["AUDIT"] | at["CLEAR"]
        self.lemma(m, "it goes on reading", clocks == latency, given=reads)
        self.lemma(m, "it checks each once", cursor <= count, given=at["CHECK"])
        self.lemma(m, "it begins with the first", cursor == 0, given=at["READ"])
        self.lemma(m, "nothing is asked then", ~has_number & ~is_asked.any(), given=~at["CHECK"])
        is_left = self.inside("waits") < (Const(1 << count) >> cursor)
        self.lemma(m, "those behind the last do not wait", is_left, given=at["CHECK"])
        kept = Array(self.inside(f"owner_{place}") for place in range(count))
        is_ahead = at["CHECK"] & (cursor <= candidate)
        self.lemma(m, "its owner is kept", kept[(candidate - cursor)[:2]] == index, given=is_ahead)
        self.lemma(m, "it asks for the owner", question.index == index, given=has_number & (number == candidate))


def sweeps(old: str = "", new: str = "") -> SweepContract:
    """The contract around the sweep, or around one of which a piece is replaced."""
    return SweepContract((mutant(Sweep, old, new) if old else Sweep)(CONFIG))


PROOFS = [
    Proof(
        name="sweep",
        spec=sweeps,
        depth=8,
        reach_depth=30,
        broken_depth=30,
        is_nightly=True,
        broken=(
            broken(sweeps, "clears-the-one-before", SPARES, "dead | (1 << asked[-1])", "dead | (1 << asked[-2])"),
            broken(sweeps, "asks-for-the-next", SPARES, "question.index.eq(owners[0])", "question.index.eq(owners[1])"),
        ),
    ),
]


def test_hashed_sweep(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
