"""No key is ever stored twice: whoever adds one that is stored is told so, and writes it where it stands."""

from pathlib import Path

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from tests.formal.hashed import CONFIG, ago
from tests.formal.hashed_homes import KEY_BITS, WAYS, HomesContract, ShortPermutation, homes, short_keys
from tests.formal.prover import Proof, Run, broken, mutant

from saoffload.hdl.table.hashed.mover import Mover
from saoffload.hdl.table.hashed.overflow import Overflow
from saoffload.hdl.table.hashed.placer import Placer
from saoffload.hdl.table.hashed.states import is_live
from saoffload.hdl.table.hashed.timing import STATE_LATENCY

ONCE = "a key stands in one row, in one place, or in the moving hand, or nowhere, whether its owner lives or not"
SAME = "while it is in two of them, or kept as the previous hand as well, both name the same SA"
TOLD = "whoever adds a key is told whether it is stored, and whether its owner lives"
IN_TURN = "a placer reads, writes and gives up only as the mover wants it"


class OnceContract(HomesContract):
    """The key is added, over and over, and so are others. It begins with the key in one home at most, of any owner."""

    def describe(self, m: Module) -> None:
        dut = self.dut.keys
        placement, question = dut.placement, dut.placement_question
        self.find()
        homes_of_key = Cat(*self.holds, *self.parked)
        count = sum((*self.holds, *self.parked), start=Const(0, 1))
        self.assume(m, count <= 1, given=~self.before(m, self.is_running))
        rules = self.rules(m)
        self.assume_sweeps(m)

        # An add: it checks one key at a time, which stands until it is written or given up.
        is_open = Signal()
        ends_check = placement.do_write | placement.do_cancel
        with m.If(placement.do_check):
            m.d.sync += is_open.eq(1)
        with m.Elif(ends_check):
            m.d.sync += is_open.eq(0)
        self.assume(m, ~is_open & ~ends_check, given=placement.do_check)
        self.assume(m, placement.is_checked | ~is_open, given=ends_check)
        self.assume(m, placement.is_checked & ~placement.do_cancel, given=placement.do_write)
        asked_for = Cat(placement.key, placement.owner, placement.key_is_wildcard)
        self.assume(m, asked_for == self.before(m, asked_for), given=is_open & self.before(m, is_open))
        self.assume(m, ~is_open & ~placement.do_check, given=self.sweeps)
        # It writes only if a place is free to park in.
        writes_way = self.inside("keys", "placer", "do_write_way")
        self.assume(m, ~self.is_used.all(), given=writes_way)
        # What is promised of one key holds of the others: they stand in one row at most.
        twins = self.inside("keys", "mover", "is_twin")
        self.assume(m, (twins & (twins - 1)[:WAYS]) == 0)
        # What the live store has said of whom, last.
        asks = question.do & question.is_taken
        asked_index = Signal.like(question.index)
        was_alive = Signal()
        with m.If(asks):
            m.d.sync += asked_index.eq(question.index)
        with m.If(ago(self, m, asks, STATE_LATENCY)):
            m.d.sync += was_alive.eq(is_live(question.state.as_value()))

        for condition, given in rules:
            self.promise(m, IN_TURN, condition, given=given)
        is_exact = is_open & ~placement.key_is_wildcard
        is_mine = is_exact & (placement.key.as_value()[:KEY_BITS] == self.key)
        owner = Array(Value.cast(stored.owner) for _, stored in self.homes)[self._number(homes_of_key)]
        owner_index = owner[: CONFIG.index_bits]
        is_told = placement.is_checked & is_mine
        self.promise(m, TOLD, placement.has_twin == homes_of_key.any(), given=is_told)
        right = (asked_index == owner_index) & (placement.has_live_twin == was_alive)
        self.promise(m, TOLD, right, given=is_told & homes_of_key.any())
        self.promise(m, TOLD, ~placement.has_live_twin, given=is_told & ~homes_of_key.any())
        retries = self.inside("keys", "does_retry")
        self.promise(m, ONCE, count <= 1)
        self.promise(m, ONCE, count + self.is_moving <= 1, given=~retries)
        self.promise(m, SAME, Value.cast(self.hand.owner) == owner, given=self.is_moving & homes_of_key.any())
        self.promise(m, SAME, Value.cast(self.kept.owner) == owner, given=self.is_kept & homes_of_key.any())
        is_same = Value.cast(self.kept.owner) == Value.cast(self.hand.owner)
        self.promise(m, SAME, is_same, given=self.is_kept & self.is_moving)
        self.reach(m, "it stands in a row", is_told & self.holds[1] & placement.has_live_twin)
        self.reach(m, "it stands in a place", is_told & self.parked[1])
        self.reach(m, "it stands nowhere, and is written", self.before(m, is_told & writes_way) & ~homes_of_key.any())

        self.tie_mover(m)
        self._tie_placer(m, is_open=is_open, is_exact=is_exact, asked_index=asked_index, was_alive=was_alive)
        self._tie_key(m, owner_index=owner_index)

    def _number(self, bits: Value) -> Value:
        number = Const(0, len(bits).bit_length())
        for at in reversed(range(len(bits))):
            number = Mux(bits[at], at, number)
        return Value.cast(number)

    def _tie_placer(
        self, m: Module, *, is_open: Signal, is_exact: Value, asked_index: Signal, was_alive: Signal
    ) -> None:
        placement = self.dut.keys.placement
        (at,) = self.states("keys", "placer")
        (moves,) = self.states("keys", "mover")
        names = ("is_permuted", "cursor", "twin_index", "is_asked", "is_named", "has_place_twin", "do_read")
        of = {name: self.inside("keys", "placer", name) for name in names}
        permutes = self.inside("keys", "placer", "do_start")
        permuted = self.inside("keys", "placer", "permutation", "permuted")
        question = self.dut.keys.placement_question
        self.lemma(m, "it places in a state", Cat(at.values()).any())
        self.lemma(m, "it is idle while nobody adds", at["IDLE"] == ~is_open)
        self.lemma(m, "it has checked", placement.is_checked == at["CHECKED"])
        self.lemma(m, "it permutes in one state", permutes == at["BEGIN"])
        is_past = is_open & ~at["BEGIN"]
        self.lemma(m, "its kind is known", placement.is_wildcard == placement.key_is_wildcard, given=is_past)
        finds = at["LOAD"] | at["PLACES"] | at["OWNER"]
        self.lemma(m, "it finds what is exact", is_exact, given=finds)
        self.lemma(m, "it scans for the others", ~is_exact, given=at["SCAN"])
        reads = of["do_read"]
        self.lemma(m, "it reads in one state", at["PLACES"], given=reads)
        is_reading = (at["PLACES"] & ~reads) | at["OWNER"] | (is_exact & (at["ASK"] | at["CHECKED"]))
        is_early = self.is_placing & ~self.ended & ~self.late_ends
        self.lemma(m, "the mover reads for it", is_early, given=is_reading)
        is_chosen = self.may_write & moves["CHOSEN"]
        self.lemma(m, "and has chosen", is_chosen, given=is_reading & ~at["PLACES"])
        self.lemma(m, "nobody else may write", is_reading, given=self.may_write)
        self.lemma(m, "or reads", is_reading, given=is_early)
        is_mine = permuted == placement.key.as_value()[:KEY_BITS]
        is_done = self.inside("keys", "placer", "permutation", "is_done")
        knows = (at["LOAD"] & (is_done | of["is_permuted"])) | at["PLACES"] | is_reading
        self.lemma(m, "the key is permuted", is_mine, given=knows)
        self.lemma(m, "nothing is permuted before", ~of["is_permuted"] & ~is_done, given=at["BEGIN"])
        in_hand = (self.hand.permuted == permuted) & (Value.cast(self.hand.owner) == Value.cast(placement.owner))
        self.lemma(m, "it is in the hand", in_hand, given=at["PLACES"] | is_reading)
        flies = of["is_asked"].any()
        self.lemma(m, "it asks in one state", at["ASK"], given=question.do | flies)
        self.lemma(m, "it asks once", ~question.do, given=flies)
        self.lemma(m, "it asks", question.do | flies, given=at["ASK"])
        has_asked = (at["ASK"] & flies) | (at["CHECKED"] & placement.has_twin)
        self.lemma(m, "it asked for the owner", asked_index == of["twin_index"], given=has_asked)
        is_right = placement.has_live_twin == (placement.has_twin & was_alive)
        self.lemma(m, "it was answered", is_right, given=at["CHECKED"])
        self.lemma(m, "a twin is asked for", placement.has_twin, given=at["ASK"])
        self.lemma(m, "none is told of before", ~placement.has_live_twin, given=is_open & ~at["CHECKED"])
        self.lemma(m, "none is known of before", ~placement.has_twin, given=finds | at["BEGIN"])
        begins = at["BEGIN"] | at["LOAD"] | at["SCAN"] | reads
        self.lemma(m, "it begins with the first place", (of["cursor"] == 0) & ~of["has_place_twin"], given=begins)
        has_row = self.inside("keys", "mover", "has_twin")
        is_known = is_exact & (at["ASK"] | at["CHECKED"])
        self.lemma(
            m, "a twin is in a row or place", placement.has_twin == (has_row | of["has_place_twin"]), given=is_known
        )
        self.lemma(m, "it has one then", has_row | of["has_place_twin"], given=at["OWNER"])

    def _tie_key(self, m: Module, *, owner_index: Value) -> None:
        """What is known of the key when it is the one in the hand, that is to be written."""
        (at,) = self.states("keys", "placer")
        (moves,) = self.states("keys", "mover")
        is_mine = self.hand.permuted == self.key
        asks = self.inside("keys", "mover", "asks")
        chosen = self.inside("keys", "mover", "chosen")
        has_row = self.inside("keys", "mover", "has_twin")
        has_place = self.inside("keys", "placer", "has_place_twin")
        twin_place = self.inside("keys", "placer", "twin_place")
        twin_index = self.inside("keys", "placer", "twin_index")
        in_row, in_place = Cat(self.holds).any(), Cat(self.parked).any()
        is_found = is_mine & asks & (moves["CHOSEN"] | moves["WRITE"] | moves["GIVEN"])
        self.lemma(m, "a row is found", has_row == in_row, given=is_found)
        self.lemma(m, "it is that row", (chosen & Cat(self.holds)).any(), given=is_found & has_row)
        is_exact = ~self.dut.keys.placement.key_is_wildcard
        knows = is_exact & (at["OWNER"] | at["ASK"] | at["CHECKED"]) & is_mine
        self.lemma(m, "a place is found", has_place == in_place, given=knows)
        self.lemma(m, "it is that place", Array(self.parked)[twin_place], given=knows & has_place)
        self.lemma(m, "it is the owner's", twin_index == owner_index, given=knows & at["ASK"])
        self.lemma(m, "nor after it", twin_index == owner_index, given=knows & at["CHECKED"] & (in_row | in_place))
        was_told = self.before(m, self.inside("keys", "placer", "do_write_way"))
        is_written = is_mine & (was_told | (asks & (moves["WRITE"] | moves["GIVEN"])))
        self.lemma(m, "what is written is parked nowhere", ~in_place, given=is_written)


def once(component: type | None = None, old: str = "", new: str = "") -> OnceContract:
    """The contract around what places and moves keys, or around some of which one part has a piece replaced."""
    with short_keys():
        placer = mutant(Placer, "class Placer(", "class Placer(", SerialPermutation=ShortPermutation)
        return OnceContract(homes(component, old, new, Placer=placer))


PROOFS = [
    Proof(
        name="once",
        spec=once,
        depth=16,
        reach_depth=34,
        broken_depth=30,
        is_nightly=True,
        broken=(
            broken(
                once,
                "looks-at-places-too-shortly",
                TOLD,
                Placer,
                "last_place = self._places - 1 + PLACE_LATENCY",
                "last_place = PLACE_LATENCY",
            ),
            broken(
                once,
                "forgets-the-rows",
                TOLD,
                Placer,
                "with m.If(self.has_way_twin | has_place_twin):",
                "with m.If(has_place_twin):",
            ),
            broken(
                once,
                "writes-beside-its-twin",
                ONCE,
                Mover,
                "m.d.sync += [chosen.eq(is_twin), self.has_twin.eq(1)]",
                "m.d.sync += self.has_twin.eq(1)",
            ),
            broken(
                once,
                "writes-what-is-parked",
                ONCE,
                Placer,
                "self.do_write_way.eq(~placement.is_wildcard & ~has_place_twin)",
                "self.do_write_way.eq(~placement.is_wildcard)",
            ),
            broken(
                once,
                "keeps-another-owner",
                SAME,
                Overflow,
                "[previous.eq(hand), previous_is_used.eq(1),",
                "[previous.eq(hand), previous.owner.eq(self.loaded.owner), previous_is_used.eq(1),",
            ),
            broken(
                once,
                "reads-amid-a-chain",
                IN_TURN,
                Placer,
                "may_load.eq(is_permuted & self.mover_is_idle)",
                "may_load.eq(is_permuted)",
            ),
        ),
    ),
]


def test_hashed_once(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
