"""Keys on the move: each stands in one place, and a lookup finds it in every clock."""

from pathlib import Path

from amaranth.asserts import AnyConst
from amaranth.hdl import Array, Cat, Const, Module, Signal, Value
from tests.formal.hashed import CONFIG, ago
from tests.formal.hashed_homes import WAYS, HomesContract, homes, short_keys
from tests.formal.prover import Proof, Run, broken

from saoffload.hdl.table.hashed.entry import row_of
from saoffload.hdl.table.hashed.mover import Mover
from saoffload.hdl.table.hashed.overflow import Overflow
from saoffload.hdl.table.hashed.states import is_live
from saoffload.hdl.table.hashed.timing import STATE_LATENCY

ONCE = "a stored key stands in one row, in one place, or in the hand, but for the clock in which it leaves its place"
FOUND = "a lookup finds a stored key with its owner, in whatever clock it comes, while keys move"


class MovesContract(HomesContract):
    """The key is stored for one owner, any, whose bundle lives. It begins with the key in one row or parked."""

    def describe(self, m: Module) -> None:
        dut = self.dut.keys
        first = self.dut.ways[0]
        self.find()
        key, index, sa_number = self.key, AnyConst(CONFIG.index_bits), AnyConst(1)
        owner = Cat(index, sa_number)
        self.assume(m, index < CONFIG.bundles)
        mover = {name: self.inside("keys", "mover", name) for name in ("is_idle", "is_dead", "is_checked", "drops")}
        is_first = ~self.before(m, self.is_running)
        self.assume(m, sum((*self.holds, *self.parked), start=Const(0, 1)) == 1, given=is_first)
        for is_there, stored in self.homes:
            self.assume(m, Value.cast(stored.owner) == owner, given=is_first & is_there)

        # The bundle lives. What a placer and the sweep promise of their strobes.
        question = dut.move_question
        asked = question.do & question.is_taken & (question.index == index)
        self.assume(m, is_live(question.state.as_value()), given=ago(self, m, asked, STATE_LATENCY))
        for condition, given in self.rules(m):
            self.assume(m, condition, given=given)
        self.assume_sweeps(m)
        # Whoever adds the key itself finds it, and writes nothing. Who writes has a place to park in.
        writes = self.inside("keys", "placer", "do_write_way")
        self.assume(m, (self.hand.permuted != key) & ~self.is_used.all(), given=writes)
        taken = self.inside("keys", "overflow", "place_number")
        writes_place = self.inside("keys", "overflow", "does_write_place")
        self.assume(m, ~Array(self.parked)[taken], given=writes_place)
        # What is promised of one key holds of the others: they stand in one row at most.
        twins = self.inside("keys", "mover", "is_twin")
        self.assume(m, (twins & (twins - 1)[:WAYS]) == 0)
        # The sweep clears what is another's.
        clears, number = dut.swept.do_clear, dut.swept.position
        for way_number, hold in enumerate(self.holds):
            is_there = hold & (row_of(CONFIG, key, way_number) == number)
            self.assume(m, ~is_there, given=clears[way_number])
        self.assume(m, ~Array(self.parked)[number], given=clears[WAYS])

        search = first.search
        parity = ago(self, m, Value.cast(search).xor(), 2)
        self.assume(m, first.search_parity == parity)
        self.assume(m, Value.cast(first.found) == 0)
        latency = WAYS + Overflow.LATENCY
        is_asked = ago(self, m, self.is_running & (search == key), latency)
        found = self.dut.ways[-1].next_found.as_value() | dut.overflow_found.as_value()
        self.promise(m, FOUND, found == Cat(1, owner), given=is_asked)
        self.reach(m, "the key is on the move", self.is_moving)
        self.reach(m, "the key is tried again", dut.do_retry & self.parked[0])
        self.reach(m, "the key has a row again", self.holds[1] & self._had(m, self.parked[0]))

        self.tie_mover(m)
        for is_there, stored in (*self.homes, (self.is_moving, self.hand), (self.is_kept, self.kept)):
            right = Value.cast(stored.owner) == owner
            self.lemma(m, "wherever the key is, it has its owner", right, given=is_there)
        homes = (*self.holds, *self.parked, self.is_moving)
        self.lemma(m, "the key is somewhere", Cat(homes).any())
        count = sum(homes, start=Const(0, 1))
        self.promise(m, ONCE, count == 1, given=~self.inside("keys", "does_retry"))
        is_known = self.is_moving & mover["is_checked"] & ~mover["is_idle"]
        self.lemma(m, "its owner lives", ~mover["is_dead"], given=is_known)
        self.lemma(m, "nor is it dropped", ~mover["drops"], given=self.is_moving)

    def _had(self, m: Module, condition: Value) -> Signal:
        had = Signal()
        with m.If(condition):
            m.d.sync += had.eq(1)
        return had


def moves(component: type | None = None, old: str = "", new: str = "") -> MovesContract:
    """The contract around what moves keys, or around some of which one part has a piece replaced."""
    with short_keys():
        return MovesContract(homes(component, old, new))


PROOFS = [
    Proof(
        name="moves",
        spec=moves,
        depth=14,
        reach_depth=18,
        broken_depth=22,
        is_nightly=True,
        is_cross_checked=False,
        broken=(
            broken(
                moves, "forgets-the-previous-hand", FOUND, Overflow, "clocks_left.eq(sizes.ways)", "clocks_left.eq(1)"
            ),
            broken(moves, "matches-no-moving-hand", FOUND, Overflow, "(hand, self.hand_is_moving)", "(hand, 0)"),
            broken(
                moves, "drops-what-lives", ONCE, Mover, "~is_live(self.question.state.as_value()) & ~is_pending", "1"
            ),
        ),
    ),
]


def test_hashed_moves(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
