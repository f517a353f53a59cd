"""Lines that are read ahead: each lies in one window as a whole, that of the node for which it is read."""

from dataclasses import replace
from pathlib import Path

from amaranth.hdl import Cat, Const, Module, Signal, Value
from tests.formal.prover import Proof, Run, Spec, broken, mutant
from tests.formal.sizes import LINES

from saoffload.hdl.config import WORDS_PER_LINE
from saoffload.hdl.walk.contexts.line_fetch import LAST_NODE, LineFetch, line_id

CONFIG = replace(LINES, windows=2)
STATES = ("CHOOSE", "PROBE", "COMPARE", "LOOK", "ASK", "HEAR", "DECIDE", "ALLOCATE", "REQUEST", "ADVANCE")

ALLOWED = "a line is read only if the first and the last node that fit into it were both allowed, in the wanted window"
WHOLE = "a read of a line is 64 words at a multiple of 512, where its first node lies, with the ID of its place"
OWNED = "a line is read, and a place given to it, for an owner only"
SAME_OWNER = "an owner is read for what it asked itself: none takes over what was answered to the one before"
ASKS = "a question stands until it is taken, and the next is asked when it was answered"


class LineFetchContract(Spec):
    """Questions are answered in order and one at a time, tags and owner are as they like."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        lines, request = dut.lines, dut.lines.payload
        # A question that was taken, until its answer: which line, and which end of it.
        is_open, is_high = Signal(), Signal()
        line = Signal.like(dut.probe)
        takes = dut.has_question & dut.question_is_taken
        with m.If(takes):
            m.d.sync += [is_open.eq(1), line.eq(dut.question[9:]), is_high.eq(dut.question[:9] == LAST_NODE)]
        with m.Elif(dut.has_answer):
            m.d.sync += is_open.eq(0)
        self.assume(m, dut.has_question & ~is_open, given=dut.question_is_taken)
        self.assume(m, is_open, given=dut.has_answer)
        # What was answered last of each end.
        low, high = ({} for _ in range(2))
        for end, kept in (("low", low), ("high", high)):
            kept["line"] = Signal.like(dut.probe, name=f"{end}_line")
            kept["window"] = Signal.like(dut.answer_window, name=f"{end}_window")
            kept["bus"] = Signal.like(dut.bus_address, name=f"{end}_bus")
            kept["is_allowed"] = Signal(name=f"{end}_is_allowed")
            with m.If(dut.has_answer & (is_high if end == "high" else ~is_high)):
                m.d.sync += [
                    kept["line"].eq(line),
                    kept["window"].eq(dut.answer_window),
                    kept["bus"].eq(dut.bus_address),
                    kept["is_allowed"].eq(dut.is_allowed),
                ]

        def is_good(kept: dict[str, Signal]) -> Value:
            is_mine = (kept["line"] == dut.probe) & (kept["window"] == dut.line_window)
            return Value.cast(is_mine & kept["is_allowed"])

        reads = lines.valid
        self.promise(m, ALLOWED, is_good(low) & is_good(high), given=reads)
        place = dut.probe[: (CONFIG.lines - 1).bit_length()]
        is_whole = (request.beat_count == WORDS_PER_LINE) & (request.address[:9] == 0)
        self.promise(m, WHOLE, is_whole & (request.address[9:] == low["bus"][9:]), given=reads)
        self.promise(m, WHOLE, request.id == (line_id(CONFIG, 0) | place), given=reads)
        self.promise(m, OWNED, dut.has_owner, given=reads | dut.do_allocate)
        # No owner is there for a clock at least when one follows another.
        is_lost = Signal()
        with m.If(~dut.has_owner):
            m.d.sync += is_lost.eq(1)
        with m.Elif(takes & (dut.question[:9] == 0)):
            m.d.sync += is_lost.eq(0)
        self.promise(m, SAME_OWNER, ~is_lost, given=reads | dut.do_allocate)
        was_asking = self.before(m, dut.has_question & ~dut.question_is_taken)
        asked = self.before(m, dut.question)
        self.promise(m, ASKS, dut.has_question & (dut.question == asked), given=was_asking)
        self.promise(m, ASKS, ~is_open, given=dut.has_question)
        is_end = (dut.question[:9] == 0) | (dut.question[:9] == LAST_NODE)
        self.promise(m, ASKS, is_end & (dut.question[9:] == dut.probe), given=dut.has_question)
        self.reach(m, "a line is read", reads)
        self.reach(m, "the last node is outside", dut.has_answer & is_high & ~dut.is_allowed)

        at = {name: self.inside(f"is_in_{name.lower()}_q") for name in STATES}
        at_high, is_good_q = self.inside("is_high_q"), self.inside("is_good_q")
        self.lemma(m, "it is in one state", sum(at.values(), start=Const(0, 1)) == 1)
        self.lemma(m, "it asks in one", at["ASK"] == dut.has_question)
        self.lemma(m, "it hears in one", at["HEAR"] == is_open)
        is_its = (line == dut.probe) & (is_high == at_high)
        self.lemma(m, "it hears of its line", is_its, given=is_open)
        last = Value.cast((at_high & is_good(high)) | (~at_high & is_good(low)))
        self.lemma(m, "it knows what it heard", ~is_good_q | last, given=at["DECIDE"])
        has_low = at["ALLOCATE"] | at["REQUEST"] | (at_high & (at["ASK"] | at["HEAR"] | at["DECIDE"]))
        is_kept = is_good(low) & (request.address == Cat(Const(0, 9), low["bus"][9:]))
        self.lemma(m, "the first was allowed", is_kept, given=has_low)
        is_heard = request.address == Cat(Const(0, 9), low["bus"][9:])
        self.lemma(m, "its place is kept", is_heard, given=at["DECIDE"])
        is_stale = self.inside("is_stale_q")
        goes_on = at["HEAR"] | at["DECIDE"] | at["ALLOCATE"] | (at["ASK"] & at_high)
        self.lemma(m, "it knows whom it lost", is_stale, given=is_lost & goes_on)
        self.lemma(m, "it has not lost whom it reads for", ~is_lost, given=at["REQUEST"])
        self.lemma(m, "the last was allowed", is_good(high), given=at["ALLOCATE"] | at["REQUEST"])


def line_fetch(old: str = "", new: str = "") -> LineFetchContract:
    """The contract around the fetch of lines, or around one of which a piece is replaced."""
    return LineFetchContract((mutant(LineFetch, old, new) if old else LineFetch)(CONFIG, number=0))


PROOFS = [
    Proof(
        name="line-fetch",
        spec=line_fetch,
        depth=4,
        reach_depth=24,
        broken_depth=24,
        rejects_nightly=True,
        broken=(
            broken(line_fetch, "looks-at-one-end", ALLOWED, "Mux(is_high_q, LAST_NODE, 0)[:9]", "Const(0, 9)"),
            broken(
                line_fetch,
                "takes-any-window",
                ALLOWED,
                "self.is_allowed & (self.answer_window == wanted_window_q)",
                "self.is_allowed",
            ),
            broken(
                line_fetch,
                "reads-amid-a-line",
                WHOLE,
                "request.address.eq(Cat(Const(0, 9), self.bus_address[9:]))",
                "request.address.eq(self.bus_address)",
            ),
            broken(
                line_fetch,
                "reads-for-the-heir",
                SAME_OWNER,
                "is_owned = is_wanted & ~is_stale_q",
                "is_owned = is_wanted",
            ),
            broken(
                line_fetch,
                "reads-for-nobody",
                OWNED,
                "is_wanted = self.has_owner & ~must_restart_q",
                "is_wanted = ~must_restart_q",
            ),
        ),
    ),
]


def test_line_fetch(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
