"""Where keys stand, with short keys: the rooms of the management that the proofs of moves and twins are around."""

from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Cat, Const, Elaboratable, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect
from tests.formal.hashed import CONFIG
from tests.formal.prover import Spec, mutant

from saoffload.hdl.layouts import KEY, SEED_BITS
from saoffload.hdl.table.hashed import entry, keys, overflow, way
from saoffload.hdl.table.hashed.entry import placed_layout, rest_of, row_of, sizes_of, stored_layout
from saoffload.hdl.table.hashed.keys import Keys
from saoffload.hdl.table.hashed.overflow import Overflow
from saoffload.hdl.table.hashed.placer import Placer
from saoffload.hdl.table.hashed.way import Way
from saoffload.hdl.table.hashed.wildcards import Wildcards

KEY_BITS = 5
"""Bits of a permuted key here: 32 keys, which meet in 4 rows of each of 2 ways."""
WAYS = sizes_of(CONFIG).ways
PLACES = sizes_of(CONFIG).overflow
STUBBED = (Placer, Wildcards)


ANY_PLACES = (
    "place_is_used = Signal(sizes.overflow)",
    "place_is_used = Signal(sizes.overflow, reset_less=True)",
)
"""Parked keys survive a reset in these proofs: so the places hold anything at first."""


def short_keys() -> Any:
    """Makes whatever is built meanwhile of short keys."""
    stack = ExitStack()
    for module in (entry, keys, overflow, way):
        stack.enter_context(patch.object(module, "KEY_BITS", KEY_BITS))
    return stack


def homes(component: type | None = None, old: str = "", new: str = "", **parts: type) -> "Homes":
    """The homes of keys, or such of which one part has a piece replaced. To be made with short keys."""
    parts["Overflow"] = mutant(Overflow, *ANY_PLACES, KEY_BITS=KEY_BITS)
    if component is Overflow:
        parts["Overflow"] = mutant(Overflow, old, new, also=(ANY_PLACES,), KEY_BITS=KEY_BITS)
    elif component is Placer:
        parts["Placer"] = mutant(Placer, old, new, SerialPermutation=ShortPermutation)
    elif component:
        parts[component.__name__] = mutant(component, old, new, KEY_BITS=KEY_BITS)
    return Homes(parts)


def anything(component: type) -> type:
    """A component with the same members, whose outputs are whatever they like in every clock."""

    def elaborate(self: Any, _platform: Any) -> Module:
        m = Module()
        for _path, member, value in self.signature.flatten(self):
            # A stream that is always ready says so with a constant.
            if member.flow is wiring.Out and isinstance(Value.cast(value), Signal):
                m.d.comb += Value.cast(value).eq(AnySeq(len(Value.cast(value))))
        return m

    return type(f"Any{component.__name__}", (component,), {"elaborate": elaborate})


class Homes(Elaboratable):
    """The ways, and the room of the management that moves keys between them, as the table wires them."""

    def __init__(self, components: dict[str, type]):
        parts = {component.__name__: anything(component) for component in STUBBED} | components
        self.keys = mutant(Keys, "class Keys(", "class Keys(", **parts, KEY_BITS=KEY_BITS)(CONFIG)
        self.ways = [components.get("Way", Way)(CONFIG, number=number) for number in range(WAYS)]

    def elaborate(self, _platform: Any) -> Module:
        m = Module()
        m.submodules.keys = self.keys
        for number, one in enumerate(self.ways):
            m.submodules[f"way_{number}"] = one
            connect(m, self.keys.ways[number], one.management)
        for near, far in zip(self.ways[:-1], self.ways[1:], strict=True):
            m.d.comb += [
                far.search.eq(near.next_search),
                far.search_parity.eq(near.next_parity),
                far.found.eq(near.next_found),
            ]
        m.d.comb += self.keys.search.eq(self.ways[-1].next_search)
        return m


class ShortPermutation(wiring.Component):
    """Stands for the permutation: the low bits of the key, after as long as it likes to take."""

    def __init__(self, *, rounds: int):
        del rounds
        members = {"seed": In(SEED_BITS), "do_start": In(1), "key": In(KEY.size), "is_done": Out(1)}
        super().__init__({**members, "permuted": Out(KEY_BITS)})

    def elaborate(self, _platform: Any) -> Module:
        m = Module()
        m.d.sync += self.is_done.eq(self.do_start)
        with m.If(self.do_start):
            m.d.sync += self.permuted.eq(self.key)
        return m


class HomesContract(Spec):
    """One key, any, and all the homes that it may have. Others are added, moved and parked."""

    def parts(self) -> list[wiring.Component]:
        return [self.dut.keys, *self.dut.ways]

    def elaborate(self, platform: Any) -> Module:
        with short_keys():
            return super().elaborate(platform)

    def find(self) -> None:
        """Where the key stands: ``holds`` in a row of each way, ``parked`` in each place, ``is_moving`` in the hand;
        and ``kept`` as the previous hand. ``homes``: rows and places, and what stands there.
        """
        layout, placed = stored_layout(CONFIG), placed_layout(CONFIG)
        self.key = key = AnyConst(KEY_BITS)
        words = [
            layout(self.word(f"way_{number}", "memory", "memory", "memory", address=row_of(CONFIG, key, number)))
            for number in range(WAYS)
        ]
        self.holds = [
            word.is_used & (word.rest == rest_of(CONFIG, key, number)) & ~word.as_value().xor()
            for number, word in enumerate(words)
        ]
        self.is_used = self.inside("keys", "overflow", "place_is_used")
        places = [placed(self.inside("keys", "overflow", f"place_{number}")) for number in range(PLACES)]
        self.parked = [bit & (place.permuted == key) for bit, place in zip(self.is_used, places, strict=True)]
        self.homes = [*zip(self.holds, words, strict=True), *zip(self.parked, places, strict=True)]
        self.hand = placed(self.inside("keys", "overflow", "hand"))
        self.hand_moves = self.inside("keys", "overflow", "hand_is_moving")
        self.is_moving = self.hand_moves & (self.hand.permuted == key)
        self.kept = placed(self.inside("keys", "overflow", "previous"))
        self.is_kept = self.inside("keys", "overflow", "previous_is_used") & (self.kept.permuted == key)

    def rules(self, m: Module) -> list[tuple[Value, Value]]:
        """What the mover wants of a placer: conditions, and when they must hold."""
        names = ("loaded", "do_read", "do_write_way", "do_cancel_way")
        loaded, reads, writes, cancels = (self.inside("keys", "placer", name) for name in names)
        is_idle, is_chosen = self.inside("keys", "mover", "is_idle"), self.inside("keys", "mover", "is_chosen")
        # A read begins with an idle mover, and a hand that has taken what it is to look for; no sweep is at work.
        stands = Signal(range(3))
        is_still = is_idle & ~self.sweeps & (self.before(m, loaded) == loaded)
        with m.If(~is_still):
            m.d.sync += stands.eq(0)
        with m.Elif(stands != 2):
            m.d.sync += stands.eq(stands + 1)
        self.is_placing, self.may_write = Signal(), Signal()
        self.ends = ends = writes | cancels
        self.ended = self.before(m, ends)
        self.late_ends = self.before(m, self.ended)
        with m.If(reads):
            m.d.sync += self.is_placing.eq(1)
        with m.Elif(is_chosen & self.is_placing & ~self.ended & ~self.late_ends):
            m.d.sync += self.may_write.eq(1)
        with m.If(ends):
            m.d.sync += self.may_write.eq(0)
        with m.If(self.late_ends):
            m.d.sync += self.is_placing.eq(0)
        return [
            (is_still & (stands == 2) & ~self.is_placing, reads),
            (self.may_write & ~(writes & cancels), ends),
            (Value.cast(placed_layout(CONFIG)(loaded).is_used == 0), Const(1)),
        ]

    @property
    def sweeps(self) -> Value:
        """The sweep is at work."""
        swept = self.dut.keys.swept
        return Value.cast(swept.reads_row | swept.is_stepping | swept.do_clear.any() | self.dut.keys.do_retry)

    def assume_sweeps(self, m: Module) -> None:
        """No wipe. The sweep steps while nobody adds and nothing moves, and clears what it has read."""
        dut = self.dut.keys
        swept, wipe = dut.swept, dut.wipe
        self.assume(m, ~(wipe.is_running | wipe.has_row | dut.wipe_start | dut.do_clear))
        reads, writes_place = (self.inside("keys", "placer", name) for name in ("do_read", "do_write_place"))
        is_idle = self.inside("keys", "mover", "is_idle")
        self.assume(m, is_idle & ~self.is_placing & ~reads & ~writes_place, given=self.sweeps)
        self.assume(m, ~self.late_ends & ~self.ended, given=self.sweeps)
        number = swept.position
        was_position = self.before(m, number)
        stood = self.before(m, was_position) == was_position
        did_retry = self.before(m, dut.do_retry)
        stepped = self.before(m, swept.is_stepping)
        steady = (was_position == number) & stood & swept.is_stepping & stepped & self.before(m, stepped)
        clears = swept.do_clear
        is_read = self.before(m, swept.reads_row) & (was_position == number) & swept.is_stepping
        self.assume(m, is_read, given=clears.any())
        self.assume(m, number < PLACES, given=clears[WAYS])
        self.assume(m, ~self.before(m, clears[WAYS]), given=dut.do_retry)
        is_parked = self.is_used.bit_select(number, 1) & (number < PLACES)
        self.assume(m, steady & is_parked & ~swept.reads_row & ~did_retry, given=dut.do_retry)
        self.assume(m, ~swept.is_stepping & ~swept.reads_row, given=did_retry)

    def tie_mover(self, m: Module) -> None:
        """The states of the mover, and what it has read of the rows of the hand."""
        hand, hand_moves, used = self.hand, self.hand_moves, self.is_used
        placing, may, ends = self.is_placing, self.may_write, self.ends
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
