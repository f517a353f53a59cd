"""An add of a key that a live bundle has is refused, and so is a bundle of two equal keys: nothing of it is stored."""

from pathlib import Path

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from tests.formal.hashed import CONFIG
from tests.formal.prover import Proof, Run, Spec, broken, mutant

from saoffload.hdl.layouts import AddResult, Direction
from saoffload.hdl.table.hashed.add import Add

JUDGED = 4
"""Clocks from the start on after which all that the request says of itself is known."""

CHECKS_ITS_KEYS = "a key is checked as the request has it, with its owner, and until it is written or given up"
STORES_NONE = "no key is written and nothing becomes live in an add that met a live twin, or whose keys are equal"
CHECKED_FIRST = "no key is written before all keys of its bundle were checked, and only while its own check stands"
ALL_KEYS = "a bundle becomes live with all of its keys written"
ANSWERED = "an add that met a live twin is answered as duplicate, or its handle is in use, unless a flush lets it wait"


class DuplicatesContract(Spec):
    """Whoever finds out where keys stand tells anything of each."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        request, placement, commit = dut.request, dut.placement, dut.commit
        is_running = Signal()
        ends = dut.is_done & (dut.must_wait | dut.answer_is_taken)
        with m.If(dut.do_start):
            m.d.sync += is_running.eq(1)
        with m.Elif(ends):
            m.d.sync += is_running.eq(0)
        # What the keeper promises: one job at a time, and the request and the mode stand from the clock before.
        self.assume(m, ~is_running & ~self.before(m, is_running), given=dut.do_start)
        self.assume(m, self.before(m, self.before(m, self.is_running)), given=dut.do_start)
        self.assume(m, dut.is_done & ~dut.must_wait, given=dut.answer_is_taken)
        stands = Cat(Value.cast(request), dut.is_restoring)
        self.assume(m, self.before(m, stands) == stands, given=dut.do_start | is_running)
        since = Signal(range(JUDGED + 1))
        with m.If(dut.do_start):
            m.d.sync += since.eq(1)
        with m.Elif(since != JUDGED):
            m.d.sync += since.eq(since + 1)

        has_two = (request.direction == Direction.INBOUND) & (request.sa_count == 2)
        has_one = (request.direction == Direction.INBOUND) & (request.sa_count == 1)
        needed = Cat(has_one | has_two, has_two)
        are_same = has_two & (request.keys[0].as_value() == request.keys[1].as_value())

        # A check: what it finds comes when it likes, and stands until the key is written or given up.
        is_open, was_told = Signal(), Signal()
        checked, written = Signal(2), Signal(2)
        number = placement.owner.sa_number
        ends_check = placement.do_write | placement.do_cancel
        with m.If(placement.do_check):
            m.d.sync += is_open.eq(1)
        with m.Elif(ends_check):
            m.d.sync += is_open.eq(0)
        verdict = Cat(placement.is_wildcard, placement.has_twin, placement.has_live_twin)
        was_checked = self.before(m, placement.is_checked & ~ends_check)
        self.assume(m, is_open, given=placement.is_checked)
        self.assume(m, placement.is_checked & (verdict == self.before(m, verdict)), given=was_checked)
        # Nothing becomes live amid an add but its own bundle.
        has_met = placement.is_checked & placement.has_live_twin
        self.assume(m, ~has_met, given=written.any())
        with m.If(placement.is_checked):
            m.d.sync += [was_told.eq(was_told | has_met), checked.eq(checked | (1 << number))]
        with m.If(placement.do_write):
            m.d.sync += written.eq(written | (1 << number))
        with m.If(dut.do_start):
            m.d.sync += [was_told.eq(0), checked.eq(0), written.eq(0)]

        key = Mux(number, request.keys[1].as_value(), request.keys[0].as_value())
        no_destination = Mux(number, request.keys[1].destination, request.keys[0].destination) == 0
        self.promise(m, CHECKS_ITS_KEYS, placement.key.as_value() == key, given=is_open)
        self.promise(m, CHECKS_ITS_KEYS, placement.key_is_wildcard == no_destination, given=is_open)
        owned = Cat(placement.owner.index, number)
        self.promise(m, CHECKS_ITS_KEYS, owned == self.before(m, owned), given=is_open & self.before(m, is_open))
        self.promise(m, CHECKS_ITS_KEYS, ~is_open & ~ends_check, given=placement.do_check)
        self.promise(m, CHECKS_ITS_KEYS, placement.is_checked | ~is_open, given=ends_check)
        self.promise(m, STORES_NONE, ~was_told & ~are_same, given=placement.do_write | commit.do)
        is_due = placement.is_checked & (checked == needed) & ~written.bit_select(number, 1)
        self.promise(m, CHECKED_FIRST, is_due, given=placement.do_write)
        self.promise(m, ALL_KEYS, written == needed, given=commit.do)
        result = Value.cast(dut.answer.result)
        is_told_so = (result == AddResult.DUPLICATE.value) | (result == AddResult.HANDLE_IN_USE.value)
        is_answered = dut.is_done & ~dut.must_wait
        self.promise(m, ANSWERED, is_told_so, given=is_answered & was_told)
        refused = (result == AddResult.RESTORE_MODE.value) | (result == AddResult.BAD_HANDLE.value)
        self.promise(m, ANSWERED, is_told_so | refused, given=is_answered & are_same)
        was_flushing = self.before(m, dut.is_flushing)
        self.promise(m, ANSWERED, was_flushing, given=dut.is_done & dut.must_wait & (was_told | are_same))
        self.reach(m, "the second key has a live twin", is_answered & was_told & has_two & (checked == 3))
        self.reach(m, "a bundle of two is stored", commit.do & has_two)
        self._tie(m, is_running, since, needed, are_same, is_open, was_told, checked, written)

    def _tie(
        self,
        m: Module,
        is_running: Signal,
        since: Signal,
        needed: Value,
        are_same: Value,
        is_open: Signal,
        was_told: Signal,
        checked: Signal,
        written: Signal,
    ) -> None:
        dut = self.dut
        placement = dut.placement
        judges, writes = self.states()
        names = ("starts_write", "refuses", "tries_again", "is_answered", "cancels", "checks", "is_weighed")
        starts, refuses, again, answers, cancels, checks, is_weighed = (self.inside(name) for name in names)
        undoes, undo_is_due = self.inside("undoes"), self.inside("undo_is_due")
        number, has_live_twin = self.inside("number"), self.inside("has_live_twin")
        request = dut.request
        is_bad = (request.sa_count == 0) | (request.sa_count == 3)
        key_count = Mux(request.direction == Direction.INBOUND, request.sa_count, 0)
        for machine in (judges, writes):
            self.lemma(m, "it is in a state", Cat(machine.values()).any())
        is_writing = starts | ~writes["WRITE"]
        waits = judges["CHECKED"] | judges["CANCEL"] | judges["CHECK"]
        decides = judges["WEIGH"] | judges["DECIDE"]
        is_idle = judges["IDLE"] & ~is_writing & ~refuses & ~again & ~answers & ~cancels & ~checks
        self.lemma(m, "it rests", is_idle & ~is_open, given=~is_running)
        self.lemma(m, "it runs", is_running, given=~judges["IDLE"])
        self.lemma(m, "it waits for its end", judges["WAIT"], given=is_writing | refuses | again | answers)
        self.lemma(m, "one outcome", starts + refuses + again + answers + ~writes["WRITE"] <= 1)
        self.lemma(m, "an undo ends", writes["UNDO"], given=undoes | undo_is_due)
        self.lemma(m, "it takes its time", since >= 1, given=judges["JUDGE"])
        self.lemma(m, "it takes its time", since >= 2, given=waits | decides)
        self.lemma(m, "it takes its time", since >= 3, given=is_weighed | judges["CANCEL"] | judges["CHECK"])
        self.lemma(m, "it takes its time", since >= JUDGED, given=judges["DECIDE"] | is_writing)
        self.lemma(m, "clocks are counted so far", since <= JUDGED)
        self.lemma(m, "its keys are counted", self.inside("judge", "key_count") == key_count, given=is_running)
        self.lemma(m, "bad counts are refused", self.inside("judge", "is_refused"), given=is_running & is_bad)
        self.lemma(m, "they come no further", ~is_bad, given=waits | decides | is_writing)
        told = self.inside("judge", "is_wildcard")
        for at, key in enumerate(dut.request.keys):
            right = told[at] == (key.destination == 0)
            self.lemma(m, "wildcards are known", right, given=is_running & (since >= 2))
        has_same = self.inside("judge", "has_same_keys")
        self.lemma(m, "equal keys are known", has_same == are_same, given=is_running & (since >= JUDGED - 1))

        # Where a check is open, and of which key.
        has_keys = needed.any()
        opens = judges["CHECKED"] | judges["CANCEL"] | (decides & has_keys) | placement.do_write
        self.lemma(m, "a check is open", is_open, given=opens | writes["CHECKED_AGAIN"])
        closed = judges["JUDGE"] | judges["CHECK"] | writes["CHECK_AGAIN"] | answers
        closed |= writes["SETTLE"] | writes["COMMIT"] | writes["UNDO"] | writes["APPEAR"]
        self.lemma(m, "none is open", ~is_open, given=closed | (~has_keys & (decides | starts)))
        self.lemma(m, "it is given up in one state", cancels == judges["CANCEL"])
        self.lemma(m, "it is begun in two", checks == (judges["CHECK"] | writes["CHECK_AGAIN"]))
        self.lemma(m, "a check has found all", placement.is_checked, given=is_open & (decides | judges["CANCEL"]))
        is_found = placement.is_checked | ~is_open
        self.lemma(m, "and stands", is_found, given=placement.do_write | refuses | again)
        self.lemma(m, "who writes has keys", placement.do_write == (starts & has_keys))
        has_two = needed[1]
        self.lemma(m, "the second is first", number == has_two, given=judges["JUDGE"])
        self.lemma(m, "the second is given up", number & has_two, given=judges["CANCEL"])
        self.lemma(m, "then the first", ~number, given=judges["CHECK"] | decides)
        self.lemma(m, "one has no second", has_two | ~number, given=is_running)
        self.lemma(m, "who is checked has keys", has_keys, given=waits)

        # What was found.
        self.lemma(m, "a live twin is known", has_live_twin == was_told, given=waits | decides | is_writing)
        self.lemma(m, "nothing was told before", ~was_told & (checked == 0), given=judges["JUDGE"])
        is_new = judges["JUDGE"] | waits | decides | refuses
        self.lemma(m, "nothing is written before", written == 0, given=is_new)
        late = Mux(has_two & ~number, 0b10, 0)
        is_in = (checked == late) | ((checked == (late | (1 << number))) & self.before(m, placement.is_checked))
        self.lemma(m, "checks are counted", is_in, given=judges["CHECKED"])
        self.lemma(m, "the second was checked", checked == 0b10, given=judges["CANCEL"] | judges["CHECK"])
        self.lemma(m, "all were checked", checked == needed, given=decides | is_writing)
        is_first_write = starts & ~number
        self.lemma(m, "the first is written", written == 0, given=is_first_write)
        is_second = writes["CHECK_AGAIN"] | writes["CHECKED_AGAIN"] | (starts & number)
        self.lemma(m, "then the second", number & has_two & (written == 0b01), given=is_second)
        is_full = writes["SETTLE"] | writes["COMMIT"] | writes["UNDO"] | writes["APPEAR"]
        self.lemma(m, "all are written", written == needed, given=is_full)
        self.lemma(m, "who writes met none", ~was_told & ~are_same, given=is_writing)
        self.lemma(m, "it commits in one state", self.inside("is_committing") == writes["COMMIT"])
        result = self.inside("result")
        is_duplicate = (result == AddResult.DUPLICATE.value) | (result == AddResult.HANDLE_IN_USE.value)
        is_over = (refuses | answers) & was_told
        self.lemma(m, "it is a duplicate", is_duplicate, given=is_over)
        refused = (result == AddResult.RESTORE_MODE.value) | (result == AddResult.BAD_HANDLE.value)
        self.lemma(m, "or is refused at once", is_duplicate | refused, given=(refuses | answers) & are_same)


def duplicates(old: str = "", new: str = "") -> DuplicatesContract:
    """The contract around the add, or around one of which a piece is replaced."""
    return DuplicatesContract((mutant(Add, old, new) if old else Add)(CONFIG))


PROOFS = [
    Proof(
        name="duplicates",
        spec=duplicates,
        depth=5,
        reach_depth=32,
        broken_depth=32,
        is_nightly=True,
        broken=(
            broken(
                duplicates,
                "forgets-the-key-before",
                STORES_NONE,
                "has_live_twin.eq(has_live_twin | self.placement.has_live_twin)",
                "has_live_twin.eq(self.placement.has_live_twin)",
            ),
            broken(duplicates, "takes-equal-keys", STORES_NONE, "has_live_twin | judge.has_same_keys", "has_live_twin"),
            broken(
                duplicates,
                "is-full-first",
                ANSWERED,
                "with m.Elif(will_be_duplicate):",
                "with m.Elif(will_be_duplicate & ~will_be_full):",
            ),
            broken(
                duplicates,
                "leaves-a-key-unchecked",
                CHECKED_FIRST,
                "number.eq(key_count == 2)",
                "number.eq(0)",
            ),
            broken(
                duplicates,
                "leaves-a-key-unwritten",
                ALL_KEYS,
                "with m.If((key_count == 2) & ~number):",
                "with m.If(0):",
            ),
            broken(
                duplicates,
                "checks-the-first-twice",
                CHECKS_ITS_KEYS,
                "placement.key.eq(Mux(number, request.keys[1], request.keys[0]))",
                "placement.key.eq(request.keys[0])",
            ),
        ),
    ),
]


def test_hashed_duplicates(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
