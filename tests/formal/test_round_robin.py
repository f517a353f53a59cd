"""The arbiter of the walker: who asks is served, and nobody waits for ever."""

from pathlib import Path

from amaranth.asserts import AnyConst
from amaranth.hdl import Module, Mux, Signal, Value
from tests.formal.prover import Broken, Proof, Run, Spec, mutant

from saoffload.hdl.walk.contexts.round_robin import GROUP, RoundRobin

WIDTH = 5
"""Not a power of two: the tree is uneven."""

NAMES_A_REQUEST = "the one that is named asks"
IS_FAIR = "a request that stays is taken after at most width - 1 others"
MARKS_IT = "its mark is that of its request"
IN_TURN = "the next one is the first request behind the one taken last"


class Contract(Spec):
    """One of the requests, any, is watched."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        # Who takes says so a clock later, in which the request stands no more, and takes nothing in that clock.
        named, was_any = self.before(m, dut.index), self.before(m, dut.is_any)
        self.assume(m, was_any & (dut.taken == named), given=dut.do_take)
        self.assume(m, ~self.before(m, dut.do_take), given=dut.do_take)
        # What is taken is no request in that clock.
        left = Signal(WIDTH)
        m.d.comb += left.eq(dut.requests & ~Mux(dut.do_take, 1 << dut.taken, 0))
        requests = self.before(m, left)
        self.promise(m, NAMES_A_REQUEST, dut.is_any == requests.any())
        self.promise(m, NAMES_A_REQUEST, requests.bit_select(dut.index, 1), given=dut.is_any)

        watched = AnyConst(dut.index.shape())
        others = Signal(range(WIDTH + 1))
        asks = left.bit_select(watched, 1)
        self.assume(m, watched < WIDTH)
        with m.If(~asks):
            m.d.sync += others.eq(0)
        with m.Elif(dut.do_take):
            m.d.sync += others.eq(others + 1)
        self.promise(m, IS_FAIR, others < WIDTH)
        self.reach(m, "all others came first", others == WIDTH - 1)

        # In lockstep with the ring said plainly: the place behind the last one, and how far each request is from there.
        start = Signal(range(WIDTH))
        with m.If(dut.do_take):
            m.d.sync += start.eq((dut.taken + 1) % WIDTH)
        distance = Signal(range(WIDTH))
        of_watched = Signal(range(WIDTH))
        m.d.comb += [
            distance.eq((dut.index + WIDTH - start) % WIDTH),
            of_watched.eq((watched + WIDTH - start) % WIDTH),
        ]
        self.promise(m, IN_TURN, distance <= of_watched, given=dut.is_any & requests.bit_select(watched, 1))

        # What ties the two together: the registers say who is behind the last one.
        is_behind = self.inside("is_behind_q")
        for number in range(WIDTH):
            self.lemma(m, "the registers know who is behind", is_behind[number] == ((start != 0) & (start <= number)))
        self.lemma(m, "the place is on the ring", start < WIDTH)
        marks = self.before(m, dut.marks)
        self.promise(m, MARKS_IT, dut.mark == marks.bit_select(dut.index, 1), given=dut.is_any)
        for name, found in (("first", requests), ("later", requests & is_behind)):
            for group, low in enumerate(range(0, WIDTH, GROUP)):
                self._tell_group(m, f"{name}_{group}", found[low : low + GROUP], marks[low : low + GROUP])
        # As many others as lie between can have come since the watched one began to ask.
        self.lemma(m, "who came lies between", others + of_watched < WIDTH)

    def _tell_group(self, m: Module, name: str, requests: Value, marks: Value) -> None:
        """What the registers know of a group is the first of its requests, of the clock before."""
        is_any, index = self.inside(f"{name}_is_any_q"), self.inside(f"{name}_index_q")
        about = f"the registers know of group {name}"
        self.lemma(m, about, is_any == requests.any())
        for number in range(len(requests)):
            is_first = requests[number] & ~requests[:number].any()
            self.lemma(m, about, index == number, given=is_first)
            self.lemma(m, about, self.inside(f"{name}_mark_q") == marks[number], given=is_first)


class UnhurriedContract(Spec):
    """Whoever takes says so at any time, and the turn is known a clock later."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        self.assume(m, dut.taken < WIDTH)
        requests, marks = self.before(m, dut.requests), self.before(m, dut.marks)
        self.promise(m, NAMES_A_REQUEST, dut.is_any == requests.any())
        self.promise(m, NAMES_A_REQUEST, requests.bit_select(dut.index, 1), given=dut.is_any)
        self.promise(m, MARKS_IT, dut.mark == marks.bit_select(dut.index, 1), given=dut.is_any)
        start = Signal(range(WIDTH))
        with m.If(dut.do_take):
            m.d.sync += start.eq((dut.taken + 1) % WIDTH)
        was_start = self.before(m, start)
        is_behind = self.inside("is_behind_q")
        for number in range(WIDTH):
            self.lemma(m, "the registers know who is behind", is_behind[number] == ((start != 0) & (start <= number)))
            distance, of_this = Signal(range(WIDTH)), Signal(range(WIDTH))
            m.d.comb += [
                distance.eq((dut.index + WIDTH - was_start) % WIDTH),
                of_this.eq((number + WIDTH - was_start) % WIDTH),
            ]
            self.promise(m, IN_TURN, distance <= of_this, given=requests[number])
        self.lemma(m, "the place is on the ring", start < WIDTH)
        self.reach(m, "the last one is named", dut.is_any & (dut.index == WIDTH - 1))


def unhurried(old: str = "", new: str = "") -> UnhurriedContract:
    """The same of one that is told late."""
    return UnhurriedContract((mutant(RoundRobin, old, new) if old else RoundRobin)(width=WIDTH, is_unhurried=True))


def arbiter(old: str = "", new: str = "") -> Contract:
    """The contract around the arbiter, or around one of which a piece is replaced."""
    return Contract((mutant(RoundRobin, old, new) if old else RoundRobin)(width=WIDTH))


PROOFS = [
    Proof(
        name="arbiter",
        spec=arbiter,
        depth=4,
        reach_depth=12,
        broken=(
            Broken(
                name="a-bystander",
                spec=lambda: arbiter('"later", self.requests & is_behind', '"later", is_behind'),
                breaks=NAMES_A_REQUEST,
            ),
            Broken(
                name="the-lowest-first",
                spec=lambda: arbiter("Mux(later.is_any, later.index, first.index)", "first.index"),
                breaks=IS_FAIR,
            ),
            Broken(
                name="the-same-again",
                spec=lambda: arbiter("self.taken < number", "self.taken <= number"),
                breaks=IN_TURN,
            ),
            Broken(
                name="the-mark-of-another",
                spec=lambda: arbiter("Mux(later.is_any, later.mark, first.mark)", "first.mark"),
                breaks=MARKS_IT,
            ),
        ),
    ),
    Proof(
        name="unhurried-arbiter",
        spec=unhurried,
        depth=4,
        reach_depth=8,
        broken=(
            Broken(
                name="the-same-again",
                spec=lambda: unhurried("self.taken < number", "self.taken <= number"),
                breaks=IN_TURN,
            ),
            Broken(
                name="a-bystander",
                spec=lambda: unhurried('"later", self.requests & is_behind', '"later", is_behind'),
                breaks=NAMES_A_REQUEST,
            ),
        ),
    ),
]


def test_round_robin(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
