"""Where keys stand, with short keys: the rooms of the management that the proofs of moves and twins are around."""

from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from amaranth.asserts import AnySeq
from amaranth.hdl import Elaboratable, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect
from tests.formal.hashed import CONFIG
from tests.formal.prover import mutant

from saoffload.hdl.layouts import KEY, SEED_BITS
from saoffload.hdl.table.hashed import entry, keys, overflow, way
from saoffload.hdl.table.hashed.entry import sizes_of
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
