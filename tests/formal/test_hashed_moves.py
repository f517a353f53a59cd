"""Keys on the move: each stands in one place, and a lookup finds it in every clock."""

from pathlib import Path
from typing import Any

from amaranth.asserts import AnyConst
from amaranth.hdl import Array, Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from tests.formal.hashed import CONFIG, ago
from tests.formal.hashed_homes import KEY_BITS, PLACES, WAYS, homes, short_keys
from tests.formal.prover import Proof, Run, Spec, broken

from saoffload.hdl.table.hashed.entry import placed_layout, rest_of, row_of, stored_layout
from saoffload.hdl.table.hashed.mover import Mover
from saoffload.hdl.table.hashed.overflow import Overflow
from saoffload.hdl.table.hashed.states import is_live
from saoffload.hdl.table.hashed.timing import STATE_LATENCY

ONCE = "a stored key stands in one row, in one place, or in the hand, but for the clock in which it leaves its place"
FOUND = "a lookup finds a stored key with its owner, in whatever clock it comes, while keys move"


class MovesContract(Spec):
    """One key, any, is stored for one owner, any, whose bundle lives. Others are added, moved and parked.

    It begins with the key in one row or parked; what else is stored is any.
    """

    def parts(self) -> list[wiring.Component]:
        return [self.dut.keys, *self.dut.ways]

    def elaborate(self, platform: Any) -> Module:
        with short_keys():
            return super().elaborate(platform)

    def describe(self, m: Module) -> None:
        dut = self.dut.keys
        first = self.dut.ways[0]
        key, index, sa_number = AnyConst(KEY_BITS), AnyConst(CONFIG.index_bits), AnyConst(1)
        owner = Cat(index, sa_number)
        self.assume(m, index < CONFIG.bundles)
        layout = stored_layout(CONFIG)
        mover = {
            name: self.inside("keys", "mover", name)
            for name in ("is_idle", "is_chosen", "do_park", "do_drop", "do_load")
        }
        placer = {
            name: self.inside("keys", "placer", name)
            for name in ("loaded", "do_read", "do_write_way", "do_cancel_way", "do_write_place", "place_number")
        }
        swept, wipe = dut.swept, dut.wipe
        placed = placed_layout(CONFIG)
        hand = placed(self.inside("keys", "overflow", "hand"))
        place_is_used = self.inside("keys", "overflow", "place_is_used")
        places = [placed(self.inside("keys", "overflow", f"place_{number}")) for number in range(PLACES)]
        hand_moves = self.inside("keys", "overflow", "hand_is_moving")

        # Where the key stands at first: in one row or place, and in no other.
        words = [
            layout(self.word(f"way_{number}", "memory", "memory", "memory", address=row_of(CONFIG, key, number)))
            for number in range(WAYS)
        ]
        holds = [
            word.is_used & (word.rest == rest_of(CONFIG, key, number)) & ~word.as_value().xor()
            for number, word in enumerate(words)
        ]
        parked = [bit & (place.permuted == key) for bit, place in zip(place_is_used, places, strict=True)]
        entries = [*zip(holds, words, strict=True), *zip(parked, places, strict=True)]
        is_first = ~self.before(m, self.is_running)
        self.assume(m, sum((*holds, *parked), start=Const(0, 1)) == 1, given=is_first)
        for is_there, stored in entries:
            self.assume(m, Value.cast(stored.owner) == owner, given=is_first & is_there)

        # Nobody wipes; the bundle lives. What a placer and a keeper promise of their strobes.
        self.assume(m, ~(wipe.is_running | wipe.has_row | dut.wipe_start | dut.do_clear))
        question = dut.move_question
        asked = question.do & question.is_taken & (question.index == index)
        self.assume(m, is_live(question.state.as_value()), given=ago(self, m, asked, STATE_LATENCY))

        loaded = placed(placer["loaded"])
        self.assume(m, loaded.is_used == 0)
        is_idle = mover["is_idle"]
        # A read begins with an idle mover, and a hand that has stood for two clocks; no sweep is at work.
        stands = Signal(range(4))
        loaded_value = Value.cast(loaded)
        sweeps = swept.reads_row | swept.is_stepping | swept.do_clear.any() | dut.do_retry
        is_still = is_idle & ~sweeps & (self.before(m, loaded_value) == loaded_value)
        with m.If(~is_still):
            m.d.sync += stands.eq(0)
        with m.Elif(stands != 3):
            m.d.sync += stands.eq(stands + 1)
        is_placing = Signal()
        may_write = Signal()
        ends = placer["do_write_way"] | placer["do_cancel_way"]
        self.assume(m, is_still & (stands == 3) & ~is_placing, given=placer["do_read"])
        self.assume(m, may_write & ~(placer["do_write_way"] & placer["do_cancel_way"]), given=ends)
        ended = self.before(m, ends)
        late_ends = self.before(m, ended)
        with m.If(placer["do_read"]):
            m.d.sync += is_placing.eq(1)
        with m.Elif(mover["is_chosen"] & is_placing & ~ended & ~late_ends):
            m.d.sync += may_write.eq(1)
        with m.If(ends):
            m.d.sync += may_write.eq(0)
        with m.If(late_ends):
            m.d.sync += is_placing.eq(0)
        self.assume(m, is_idle & ~is_placing & ~placer["do_read"] & ~placer["do_write_place"], given=sweeps)
        self.assume(m, ~late_ends & ~ended, given=sweeps)
        # Whoever adds the key itself finds it, and writes nothing. Who writes has a place to park in.
        self.assume(m, (hand.permuted != key) & ~place_is_used.all(), given=placer["do_write_way"])
        # What is promised here of one key holds of the others: they stand in one row at most.
        twins = self.inside("keys", "mover", "is_twin")
        self.assume(m, (twins & (twins - 1)[:WAYS]) == 0)
        was_position = self.before(m, swept.position)
        stood = self.before(m, was_position) == was_position
        retried = [dut.do_retry, self.before(m, dut.do_retry)]
        number = swept.position
        is_used = place_is_used.bit_select(number, 1)
        steady = (
            (was_position == number)
            & stood
            & swept.is_stepping
            & self.before(m, swept.is_stepping)
            & self.before(m, self.before(m, swept.is_stepping))
        )
        # The sweep clears, and a placer takes over, what is another's.
        clears = swept.do_clear
        is_read = self.before(m, swept.reads_row) & (was_position == number) & swept.is_stepping
        self.assume(m, is_read, given=clears.any())
        for way_number, hold in enumerate(holds):
            is_there = hold & (row_of(CONFIG, key, way_number) == number)
            self.assume(m, ~is_there, given=clears[way_number])
        is_there = Array(parked)[number]
        self.assume(m, ~is_there & (number < PLACES), given=clears[WAYS])
        self.assume(m, ~self.before(m, clears[WAYS]), given=dut.do_retry)
        taken = self.inside("keys", "overflow", "place_number")
        self.assume(m, ~Array(parked)[taken], given=self.inside("keys", "overflow", "does_write_place"))
        self.assume(m, steady & is_used & (number < PLACES) & ~swept.reads_row & ~retried[1], given=retried[0])
        self.assume(m, ~swept.is_stepping & ~swept.reads_row, given=retried[1])

        search = first.search
        parity = ago(self, m, Value.cast(search).xor(), 2)
        self.assume(m, first.search_parity == parity)
        self.assume(m, Value.cast(first.found) == 0)
        latency = WAYS + Overflow.LATENCY
        is_asked = ago(self, m, self.is_running & (search == key), latency)
        found = self.dut.ways[-1].next_found.as_value() | dut.overflow_found.as_value()
        self.promise(m, FOUND, found == Cat(1, owner), given=is_asked)
        self.reach(m, "the key is on the move", hand_moves & (hand.permuted == key))
        self.reach(m, "the key is tried again", dut.do_retry & parked[0])
        self.reach(m, "the key has a row again", holds[1] & self._had(m, parked[0]))

        self._tie_mover(m, hand, hand_moves, place_is_used, is_placing, may_write, ends)
        is_moving = hand_moves & (hand.permuted == key)
        kept = placed(self.inside("keys", "overflow", "previous"))
        is_kept = self.inside("keys", "overflow", "previous_is_used") & (kept.permuted == key)
        for is_there, right in (
            *((there, Value.cast(stored.owner) == owner) for there, stored in entries),
            (is_moving, Value.cast(hand.owner) == owner),
            (is_kept, Value.cast(kept.owner) == owner),
        ):
            self.lemma(m, "wherever the key is, it has its owner", right, given=is_there)
        self.lemma(m, "the key is somewhere", Cat(*holds, *parked, is_moving).any())
        count = sum((*holds, *parked, is_moving), start=Const(0, 1))
        self.promise(m, ONCE, count == 1, given=~self.inside("keys", "does_retry"))
        is_dead, is_checked = (
            self.inside("keys", "mover", "is_dead"),
            self.inside("keys", "mover", "is_checked"),
        )
        self.lemma(m, "its owner lives", ~is_dead, given=is_moving & is_checked & ~mover["is_idle"])
        self.lemma(m, "nor is it dropped", ~self.inside("keys", "mover", "drops"), given=is_moving)

    def _tie_mover(
        self, m: Module, hand: Any, hand_moves: Value, used: Value, placing: Value, may: Value, ends: Value
    ) -> None:
        """The states of the mover, and what it has read of the rows of the hand."""
        (at,) = self.states("keys", "mover")
        names = (
            "is_idle",
            "asks",
            "age",
            "chosen",
            "has_twin",
            "is_loading",
            "is_checked",
            "is_checking",
            "must_check",
        )
        of = {name: self.inside("keys", "mover", name) for name in (*names, "is_chosen", "do_park")}
        asks, age, chosen = of["asks"], of["age"], of["chosen"]
        self.lemma(m, "it is in a state", Cat(at.values()).any())
        self.lemma(m, "it is idle in one", at["IDLE"] == of["is_idle"])
        self.lemma(m, "it loads in one", at["GIVEN"] == of["is_loading"])
        is_one = (age & (age - 1)[: len(age)]) == 0
        self.lemma(m, "it reads for some clocks", is_one & (age != 0) & (age <= 32), given=at["READ"])
        self.lemma(m, "it looks for a twin for some", is_one & (age >= 64) & asks, given=at["TWIN"])
        has_read = at["CHOSEN"] | at["WRITE"] | at["GIVEN"]
        self.lemma(m, "it has read", is_one & ~age[:6].any() & (~asks | (age == 0)), given=at["CHOSEN"] | at["WRITE"])
        self.lemma(m, "and goes on", is_one & ~age[:6].any(), given=at["GIVEN"])
        self.lemma(
            m, "one is chosen", (chosen != 0) & ((chosen & (chosen - 1)[:WAYS]) == 0), given=at["TWIN"] | has_read
        )
        # Who asks, and for whom.
        begins = at["READ"] | at["CHOSEN"]
        ended, late = self.before(m, ends), self.before(m, self.before(m, ends))
        self.lemma(m, "a placer asks", placing & ~late, given=asks & (begins | at["TWIN"]))
        self.lemma(m, "it waits for the placer", asks & (begins | at["TWIN"]), given=placing & ~late)
        self.lemma(m, "it may be told", at["CHOSEN"] & asks & placing & ~ended & ~late, given=may)
        self.lemma(m, "it is told", at["CHOSEN"] & asks & ~may, given=ended)
        self.lemma(m, "it was told", (at["WRITE"] & asks) | at["IDLE"], given=late)
        self.lemma(m, "nobody is placed then", ~placing, given=at["GIVEN"])
        self.lemma(m, "a write was told", late, given=at["WRITE"] & asks)
        parks = self.inside("keys", "overflow", "does_park")
        retries = self.inside("keys", "does_retry")
        drops = self.inside("keys", "mover", "drops")
        moves = ~asks & (begins | at["WRITE"] | at["GIVEN"])
        self.lemma(m, "a hand moves", hand_moves == (moves | parks | retries | drops))
        self.lemma(m, "who parks is idle", at["IDLE"], given=parks | retries | drops)
        has_room = ~used.all()
        self.lemma(m, "there is room", has_room, given=moves | parks | at["WRITE"] | at["GIVEN"])
        # The question whether the hand's bundle lives.
        flies = of["is_checking"].any()
        asked = of["must_check"] | flies
        self.lemma(
            m,
            "nothing is asked any more",
            ~asked,
            given=of["is_checked"] | asks | at["IDLE"] | at["WRITE"] | at["GIVEN"],
        )
        self.lemma(m, "it asks once", ~flies, given=of["must_check"])
        self.lemma(m, "it was asked", of["is_checked"] | asked, given=~asks & begins)
        self.lemma(m, "it knows", of["is_checked"], given=~asks & (at["WRITE"] | at["GIVEN"]))
        # What stands in the rows of the hand.
        layout = stored_layout(CONFIG)
        for number in range(WAYS):
            path = f"way_{number}"
            row = row_of(CONFIG, hand.permuted, number)
            word = self.word(path, "memory", "memory", "memory", address=row)
            stored = layout(word)
            of_way = {
                name: self.inside(path, name) for name in ("row", "owner", "rest", "is_used", "management__owner")
            }
            first, second = (self.inside(path, "memory", "memory", f"b_word_{clock}") for clock in (1, 2))
            is_read = (first == word) & (second == word) & (of_way["row"] == row)
            self.lemma(m, "the row is read", is_read, given=has_read)
            rest = rest_of(CONFIG, hand.permuted, number)
            is_ready = (of_way["owner"] == Value.cast(hand.owner)) & (of_way["rest"] == rest)
            self.lemma(m, "the hand may be written", is_ready, given=has_read)
            parity = Cat(hand.owner, rest).xor()
            pieces = (self.inside(path, name) for name in ("hand_parities", "joined_hand_parities", "hand_parity"))
            for piece in pieces:
                self.lemma(m, "with its parity", piece.xor() == parity, given=has_read)
            is_known = (of_way["is_used"] == stored.is_used) & (of_way["management__owner"] == Value.cast(stored.owner))
            self.lemma(m, "the row is known", is_known, given=at["CHOSEN"] | at["WRITE"])
            pieces = (
                self.inside(path, name) for name in ("read_parities", "joined_parities", "management__is_damaged")
            )
            for piece in pieces:
                self.lemma(m, "and its parity", piece.xor() == word.xor(), given=at["CHOSEN"] | at["WRITE"])
            is_twin = stored.is_used & (stored.rest == rest)
            self.lemma(m, "a twin is one", is_twin, given=has_read & asks & of["has_twin"] & chosen[number])

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
