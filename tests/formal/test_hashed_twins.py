"""Whoever adds a key that is stored is told so."""

from pathlib import Path
from typing import Any

from amaranth.asserts import AnyConst
from amaranth.hdl import Const, Module
from amaranth.lib import wiring
from tests.formal.hashed import CONFIG, ago
from tests.formal.hashed_homes import KEY_BITS, PLACES, WAYS, ShortPermutation, homes, short_keys
from tests.formal.prover import Proof, Run, Spec, broken, mutant

from saoffload.hdl.table.hashed.entry import placed_layout, rest_of, row_of, stored_layout
from saoffload.hdl.table.hashed.placer import Placer
from saoffload.hdl.table.hashed.states import is_live
from saoffload.hdl.table.hashed.timing import STATE_LATENCY

FINDS_TWIN = "whoever adds a key that is stored in a row or parked is told so, and whether its owner lives"


class TwinContract(Spec):
    """One key, any, is stored for one owner, any, in one row or place, and somebody adds it. No key moves by then."""

    def parts(self) -> list[wiring.Component]:
        return [self.dut.keys, *self.dut.ways]

    def elaborate(self, platform: Any) -> Module:
        with short_keys():
            return super().elaborate(platform)

    def describe(self, m: Module) -> None:
        dut = self.dut.keys
        key, index, lives = AnyConst(KEY_BITS), AnyConst(CONFIG.index_bits), AnyConst(1)
        layout, placed = stored_layout(CONFIG), placed_layout(CONFIG)
        words = [
            layout(self.word(f"way_{number}", "memory", "memory", "memory", address=row_of(CONFIG, key, number)))
            for number in range(WAYS)
        ]
        rests = [rest_of(CONFIG, key, number) for number in range(WAYS)]
        places = [placed(self.inside("keys", "overflow", f"place_{number}")) for number in range(PLACES)]
        used = self.inside("keys", "overflow", "place_is_used")
        owners = [*(word.owner.index for word in words), *(place.owner.index for place in places)]
        holds = [
            *(one.is_used & (one.rest == rest) & ~one.as_value().xor() for one, rest in zip(words, rests, strict=True)),
            *(bit & (place.permuted == key) for bit, place in zip(used, places, strict=True)),
        ]
        is_first = ~self.before(m, self.is_running)
        self.assume(m, sum(holds, start=Const(0, 1)) == 1, given=is_first)
        for there, owner in zip(holds, owners, strict=True):
            self.assume(m, owner == index, given=is_first & there)
        question, placement, swept, wipe = dut.placement_question, dut.placement, dut.swept, dut.wipe
        asks = question.do & question.is_taken & (question.index == index)
        self.assume(m, is_live(question.state.as_value()) == lives, given=ago(self, m, asks, STATE_LATENCY))

        self.assume(m, ~(wipe.is_running | wipe.has_row | dut.wipe_start | dut.do_clear | dut.do_retry))
        self.assume(m, ~(swept.is_stepping | swept.reads_row | swept.do_clear.any()))
        (at,) = self.states("keys", "placer")
        self.assume(m, at["IDLE"] & ~self.before(m, placement.do_check), given=placement.do_check)
        self.assume(m, placement.key.as_value()[:KEY_BITS] == key, given=~at["IDLE"])
        self.assume(m, ~placement.key_is_wildcard & ~placement.do_write & ~placement.do_cancel)
        is_checked = placement.is_checked
        is_told = placement.has_twin & (placement.has_live_twin == lives)
        self.promise(m, FINDS_TWIN, is_told, given=is_checked)
        self.reach(m, "a twin in a row", is_checked & holds[1])
        self.reach(m, "a twin in a place", is_checked & holds[WAYS + 1])


def twins(component: type | None = None, old: str = "", new: str = "") -> TwinContract:
    """The contract around what looks for a key, or around some of which one part has a piece replaced."""
    with short_keys():
        placer = mutant(Placer, "class Placer(", "class Placer(", SerialPermutation=ShortPermutation)
        return TwinContract(homes(component, old, new, Placer=placer))


PROOFS = [
    Proof(
        name="twins",
        spec=twins,
        depth=28,
        is_inductive=False,
        reach_depth=27,
        broken_depth=28,
        is_nightly=True,
        broken=(
            broken(
                twins,
                "looks-at-places-too-shortly",
                FINDS_TWIN,
                Placer,
                "last_place = self._places - 1 + PLACE_LATENCY",
                "last_place = PLACE_LATENCY",
            ),
            broken(
                twins,
                "forgets-the-rows",
                FINDS_TWIN,
                Placer,
                "with m.If(self.has_way_twin | has_place_twin):",
                "with m.If(has_place_twin):",
            ),
        ),
    ),
]


def test_hashed_twins(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
