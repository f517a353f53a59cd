"""The drain: a grace period is over only when every lookup answered before it is retired."""

from pathlib import Path

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from tests.formal.prover import Proof, Run, Spec, broken, mutant

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.table.drain import EpochDrain, GraceTickets, UnretiredLimit
from saoffload.hdl.table.watched_count import WatchedCount

LIMIT = 3
CONFIG = EngineConfig(
    name="formal",
    bundles=2,
    keys=2,
    unretired_limit=LIMIT,
    epoch_width=1,
    completion_depth=2,
    prefers_block_ram=True,
)
DEPTHS = (CONFIG.completion_depth, 1)
RING = 1 << CONFIG.epoch_width
KINDS = 2

IS_TOLD = "it is known in every clock whether the count is the watched number"


class CountContract(Spec):
    """In lockstep with an adder. So the drain may be proven with either kind of count."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        count = Signal(range(LIMIT + 1))
        m.d.sync += count.eq(count + dut.does_add - dut.does_remove)
        self.assume(m, (count + dut.does_add - dut.does_remove).as_signed() >= 0)
        self.assume(m, count + dut.does_add <= LIMIT + dut.does_remove)
        self.promise(m, IS_TOLD, dut.is_watched == (count == dut._watched))
        self.reach(m, "it comes and goes", dut.is_watched & self.before(m, ~dut.is_watched))
        late = self.inside("count")
        steps = self.inside("rises"), self.inside("falls")
        self.lemma(m, "the count is a clock late", late + steps[0][1] == count + steps[1][1])
        self.lemma(m, "it is in range", (late <= LIMIT) & (count <= LIMIT))
        self.lemma(m, "a change is one", ~(steps[0] & steps[1]).any())


class LimitContract(Spec):
    """As many are let in as fit, and no more."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        count = Signal(range(LIMIT + 3))
        self.assume(m, dut.has_room, given=dut.do_request)
        self.assume(m, count != 0, given=dut.do_retire)
        m.d.sync += count.eq(count + dut.do_request - dut.do_retire)
        self.promise(m, WITHIN, count <= LIMIT)
        self.promise(m, NO_OTHER_REASON, dut.has_room == (count < LIMIT))
        self.reach(m, "it is full and has room again", dut.has_room & self.before(m, count == LIMIT))
        self.lemma(m, "it is counted", self.inside("count", "count") == count)


WITHIN = "no more than the limit are let in"
NO_OTHER_REASON = "a request waits for the limit and for nothing else"

NO_OLDER = "when a grace period is answered, no lookup answered before its request is unretired"
IN_ORDER = "each grace request is answered once, and the requester's own in order"
IGNORES = "a retire that names no unretired answer is told, and changes nothing"
SLACK = 9
PER_PLACE = 4
IN_TIME = f"with nothing unretired, a request is answered within {SLACK} clocks and {PER_PLACE} per place"


class DrainContract(Spec):
    """One answer, any, and one grace request, any, of one requester are watched.

    The packet path retires what it was given, and may also retire what it was not given: only then it must not take an
    epoch in which something is unretired, because no hardware could tell that from a good retire.
    """

    def __init__(self, dut: EpochDrain, *, requester: int, is_timed: bool = False):
        super().__init__(dut)
        self._requester = requester
        self._is_timed = is_timed
        if is_timed:
            self.only = IN_TIME

    def describe(self, m: Module) -> None:
        dut = self.dut
        current, oldest = self.inside("current"), self.inside("oldest")
        kind = AnyConst(1)
        is_out = Signal()
        sequence = Signal.like(current)

        # The watched answer. `leaves`: this retire is its own.
        appears = Signal()
        leaves = Signal()
        m.d.comb += appears.eq(~is_out & AnySeq(1) & Array(dut.did_answer)[kind])
        valid = Array(retire.valid for retire in dut.retires)[kind]
        named = Array(Value.cast(retire.payload.epoch) for retire in dut.retires)[kind]
        epoch = Mux(is_out, sequence, current)[: CONFIG.epoch_width]
        m.d.comb += leaves.eq((is_out | appears) & AnySeq(1) & valid & (named == epoch))
        with m.If(leaves):
            m.d.sync += is_out.eq(0)
        with m.Elif(appears):
            m.d.sync += [is_out.eq(1), sequence.eq(current)]

        self._sequence, self._is_out, self._appears, self._leaves = sequence, is_out, appears, leaves
        totals = [
            self._count(
                m,
                number,
                watched=(kind == number) & is_out,
                appears=appears & (kind == number),
                leaves=leaves & (kind == number),
            )
            for number in range(KINDS)
        ]
        distance = (current - oldest)[: len(current)]
        is_new = self.inside("oldest_is_new")
        self.lemma(m, "the ring is not overrun", distance <= RING - 1)
        self.lemma(m, "closed epochs are counted", distance == self.inside("closed_count"))
        mark = Const(1) << oldest[: CONFIG.epoch_width]
        self.lemma(m, "the oldest one is marked", self.inside("is_oldest") == mark[:RING])
        self.lemma(m, "who may close has a place", distance < RING - 1, given=self.inside("can_close"))
        self.lemma(m, "only a closed epoch ends", distance != 0, given=is_new)
        ending = Cat(Array(kind)[oldest[: CONFIG.epoch_width]] for kind in totals)
        self.lemma(m, "only an empty one ends", ending == 0, given=is_new)
        age = (sequence - oldest)[: len(current)]
        self.lemma(m, "its epoch is in the ring", age <= distance, given=is_out)
        self._watch_request(m, totals=totals)

    def _count(self, m: Module, kind: int, *, watched: Value, appears: Value, leaves: Value) -> list[Value]:
        """How many answers of each epoch are unretired; and the others but the watched one."""
        dut = self.dut
        retire, answers = dut.retires[kind], dut.did_answer[kind]
        totals = [Signal(range(LIMIT + 2), name=f"total_{kind}_{epoch}") for epoch in range(RING)]
        counted = Signal(name=f"counted_{kind}")
        for epoch, total in enumerate(totals):
            adds = answers & (dut.epoch == epoch)
            removes = retire.valid & (retire.payload.epoch == epoch)
            counts = removes & (adds | (total != 0))
            m.d.sync += total.eq(total + adds - counts)
            with m.If(counts):
                m.d.comb += counted.eq(1)
            mine = watched & (self._epoch_of_watched() == epoch)
            others = (total - mine) + (adds & ~appears)
            self.assume(m, leaves | (others.as_signed() > 0) | (total + adds == 0), given=removes)
            late = self.inside(f"count_{kind}_{epoch}", "count")
            answered = self.inside(f"answered_{kind}")[epoch]
            removed = self.inside(f"removes_{kind}")[epoch]
            self.lemma(m, "answers are counted a clock late", late + answered == total + removed)
            self.lemma(m, "the watched one is among them", total != 0, given=mine)
            was_empty = self.inside(f"was_empty_{kind}")[epoch]
            self.lemma(m, "what was empty is counted so", late == 0, given=was_empty)
        self.assume(m, sum(totals) + answers <= LIMIT)
        self.lemma(m, "the limit is kept", sum(totals) <= LIMIT)
        was_retired = self.before(m, retire.valid)
        was_counted = self.before(m, counted)
        self.promise(m, IGNORES, dut.did_retire[kind] == (was_retired & was_counted))
        self.promise(m, IGNORES, dut.bad_retire[kind] == (was_retired & ~was_counted))
        return [Value.cast(total) for total in totals]

    def _epoch_of_watched(self) -> Value:
        return Value.cast(self._sequence[: CONFIG.epoch_width])

    def _watch_request(self, m: Module, *, totals: list[list[Value]]) -> None:
        """Where the watched request stands among those of its requester, and whether the answer holds it up."""
        dut = self.dut
        number = self._requester
        depth = DEPTHS[number]
        current = self.inside("current")
        unanswered = [Signal(range(most + 2), name=f"unanswered_{n}") for n, most in enumerate(DEPTHS)]
        for count, grace, answer, most in zip(unanswered, dut.graces, dut.grace_answers, DEPTHS, strict=True):
            m.d.sync += count.eq(Mux(dut.do_forget, 0, count + grace.valid - answer.valid))
            self.assume(m, count < most, given=grace.valid)
            self.promise(m, IN_ORDER, count != 0, given=answer.valid)
            self.lemma(m, "requests have places", count <= most)
        asks, answered = dut.graces[number].valid, dut.grace_answers[number].valid

        is_asked = Signal()
        waits_for_it = Signal()
        before_it = Signal(range(depth + 1))
        ticket = Signal.like(current)
        is_older = self._is_out | self._appears
        with m.If(asks & AnySeq(1) & ~is_asked):
            m.d.sync += [
                is_asked.eq(1),
                waits_for_it.eq(is_older & ~self._leaves),
                before_it.eq(unanswered[number] - answered),
                ticket.eq(current),
            ]
        with m.Elif(is_asked):
            with m.If(self._leaves):
                m.d.sync += waits_for_it.eq(0)
            with m.If(answered):
                m.d.sync += before_it.eq(before_it - 1)
                with m.If(before_it == 0):
                    m.d.sync += is_asked.eq(0)
        with m.If(dut.do_forget):
            m.d.sync += is_asked.eq(0)
        is_answered = is_asked & answered & (before_it == 0)
        self.promise(m, NO_OLDER, ~waits_for_it, given=is_answered)
        self.reach(
            m,
            "a request that waited for the watched answer is answered",
            is_answered & self._had_waited(m, waits_for_it),
        )

        if self._is_timed:
            self._answers_in_time(m, is_waiting=is_asked & ~is_answered, totals=totals)
        for requester, count in enumerate(unanswered):
            self._tie_tickets(m, requester, count)
        self.lemma(m, "it is one of those that wait", before_it < unanswered[number], given=is_asked)
        self.lemma(m, "its ticket is kept", self._ticket(number, before_it) == ticket, given=is_asked)
        age = (ticket - self._sequence)[: len(current)]
        self.lemma(
            m, "the request is no older than the answer", age < RING, given=is_asked & waits_for_it & self._is_out
        )
        self.lemma(m, "who is waited for is out", self._is_out, given=is_asked & waits_for_it)

    def _answers_in_time(self, m: Module, *, is_waiting: Value, totals: list[list[Value]]) -> None:
        """How long the request waits while nothing is in the way."""
        bound = SLACK + PER_PLACE * DEPTHS[self._requester]
        quiet = Signal(range(bound + 2))
        with m.If(is_waiting & (sum(sum(kind) for kind in totals) == 0) & ~Cat(self.dut.did_answer).any()):
            m.d.sync += quiet.eq(quiet + 1)
        with m.Else():
            m.d.sync += quiet.eq(0)
        self.promise(m, IN_TIME, quiet < bound)
        self.reach(m, "it takes its time", quiet == SLACK)

    def _had_waited(self, m: Module, waits: Signal) -> Value:
        had = Signal()
        with m.If(waits):
            m.d.sync += had.eq(1)
        return had

    def _tie_tickets(self, m: Module, number: int, unanswered: Signal) -> None:
        """The tickets of a requester: in order, none ahead of its time, and none left too long."""
        depth = DEPTHS[number]
        name = f"tickets_{number}"
        oldest, is_new = self.inside("oldest"), self.inside("oldest_is_new")
        has_passed, is_known, age_q = (self.inside(name, part) for part in ("has_passed", "is_known", "age_q"))
        level = self.inside(name, "level")
        consume, produce = self.inside(name, "read_addresses__0"), self.inside(name, "write_address")
        self.lemma(m, "tickets are counted", level == unanswered)
        self.lemma(m, "tickets have places", (consume < depth) & (produce < depth))
        self.lemma(m, "tickets lie in a ring", (consume + level) % depth == produce)
        tickets = [self._ticket(number, place) for place in range(depth)]
        passed = [(oldest - ticket)[: len(ticket)].as_signed() for ticket in tickets]
        # What is judged is the age of the head a clock ago. Then the oldest epoch was the same, or one less.
        was_new = self.before(m, is_new)
        age = age_q.as_signed()
        is_judged = is_known & ~has_passed
        self.lemma(m, "what is judged is of the head", (level != 0) & (age == passed[0] - was_new), given=is_judged)
        self.lemma(m, "an epoch takes two clocks", ~(was_new & is_new))
        # Clocks until the head leaves, once it is passed. An epoch takes as many as half of them and more.
        left = Mux(has_passed, 0, Mux(is_known & (age > 0), 1, 2))
        for place, since in enumerate(passed):
            is_there = place < level
            ahead = (self.inside("current") - tickets[place])[: len(oldest)].as_signed()
            self.lemma(m, "no ticket is of a later epoch", (ahead >= 0) & (since >= -(RING - 1)), given=is_there)
            self.lemma(m, "its epoch will be closed", self.inside("is_asked"), given=is_there & (ahead == 0))
            late = 2 * since + is_new + left + 3 * place
            self.lemma(m, "it leaves soon", late <= 4 + 3 * (depth - 1), given=is_there & (since > 0))
            if place:
                younger = (tickets[place] - tickets[place - 1])[: len(oldest)].as_signed()
                self.lemma(m, "tickets are in order", younger >= 0, given=is_there)
        self.lemma(m, "who leaves has passed", (level != 0) & (passed[0] > 0), given=has_passed)

    def _ticket(self, number: int, place: Value | int) -> Signal:
        name = f"tickets_{number}"
        first = self.inside(name, "read_addresses__0")
        return self.word(name, "tickets", "memory", address=(first + place) % DEPTHS[number])


def drain(old: str = "", new: str = "", *, requester: int = 0, is_timed: bool = False) -> DrainContract:
    """The contract around the drain, or around one of which a piece is replaced."""
    component = mutant(EpochDrain, old, new) if old else EpochDrain
    return DrainContract(component(CONFIG, depths=DEPTHS), requester=requester, is_timed=is_timed)


def drain_in_time(old: str = "", new: str = "", *, requester: int = 0) -> DrainContract:
    """The same drain, and what it promises of time."""
    return drain(old, new, requester=requester, is_timed=True)


def drain_with_tickets(old: str, new: str) -> DrainContract:
    """The contract around a drain of whose tickets a piece is replaced."""
    component = mutant(
        EpochDrain, "class EpochDrain(", "class EpochDrain(", GraceTickets=mutant(GraceTickets, old, new)
    )
    return DrainContract(component(CONFIG, depths=DEPTHS), requester=0)


def count(old: str = "", new: str = "", *, watched: int = 0) -> CountContract:
    component = mutant(WatchedCount, old, new) if old else WatchedCount
    return CountContract(component(high=LIMIT, watched=watched))


def limit(old: str = "", new: str = "") -> LimitContract:
    component = mutant(UnretiredLimit, old, new) if old else UnretiredLimit
    return LimitContract(component(limit=LIMIT, is_small=True))


PROOFS = [
    Proof(
        name="count-zero",
        spec=count,
        depth=5,
        reach_depth=8,
        broken_depth=8,
        broken=(broken(count, "forgets-a-step", IS_TOLD, "-2: falls.all()", "-2: falls.all() & rises.any()"),),
    ),
    Proof(name="count-limit", spec=lambda: count(watched=LIMIT - 1), depth=5, reach_depth=12),
    Proof(
        name="limit",
        spec=limit,
        depth=4,
        reach_depth=10,
        broken_depth=10,
        broken=(
            broken(limit, "one-too-many", WITHIN, "watched=self._limit - 1", "watched=self._limit"),
            broken(limit, "waits-on", NO_OTHER_REASON, "self.do_retire | (", "("),
        ),
    ),
    Proof(
        name="drain-completions",
        spec=drain,
        depth=4,
        reach_depth=14,
        broken_depth=14,
        broken=(
            broken(drain, "one-kind-is-enough", NO_OLDER, "Cat(empty).all()", "Cat(empty).any()"),
            broken(
                drain,
                "forgets-the-clock-before",
                NO_OLDER,
                "is_empty.eq(was_empty & ~answered)",
                "is_empty.eq(was_empty)",
            ),
            broken(
                drain,
                "counts-bad-retires",
                IGNORES,
                "retired[number] & (answered[number] | ~count.is_watched)",
                "retired[number]",
            ),
            broken(
                drain_with_tickets,
                "answers-twice",
                IN_ORDER,
                "is_known.eq(level.any() & ~has_passed)",
                "is_known.eq(level.any())",
            ),
        ),
    ),
    Proof(name="drain-reuse", spec=lambda: drain(requester=1), depth=4, reach_depth=14, is_nightly=True),
    Proof(
        name="drain-in-time",
        spec=drain_in_time,
        depth=24,
        is_inductive=False,
        reach_depth=20,
        broken_depth=22,
        is_nightly=True,
        broken=(broken(drain_in_time, "never-closes", IN_TIME, "closes = (is_asked | asked) &", "closes = 0 &"),),
    ),
    Proof(
        name="drain-reuse-in-time",
        spec=lambda: drain_in_time(requester=1),
        depth=20,
        is_inductive=False,
        reach_depth=20,
        is_nightly=True,
    ),
]


def test_drain(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
