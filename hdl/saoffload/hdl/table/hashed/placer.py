"""Finding out where one key stands or could stand, and putting it there."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig

from .entry import owner_layout, placed_layout, sizes_of
from .permutation import SEED_BITS, SerialPermutation
from .states import is_live
from .states_port import StateQuestion
from .timing import STATE_LATENCY
from .wildcards import NAME, name_of

PLACE_LATENCY = 5
"""Clocks from choosing an overflow place to knowing whether it holds the hand's key."""

OWNER_LATENCY = 2
"""Clocks from knowing the twin's row or place, and having named it, to its owner."""


class Placement(wiring.Signature):
    """How an add looks up and writes one key, seen from the add.

    ``do_check``, and from the next clock on ``key``, ``key_is_wildcard`` and ``owner``, all held until written or
    cancelled; ``is_checked``: until ``do_write`` or ``do_cancel``, with ``is_wildcard``, ``has_twin`` (a bundle, dead
    or alive, has this key stored) and ``has_live_twin``.
    """

    def __init__(self, config: EngineConfig):
        super().__init__(
            {
                "do_check": Out(1),
                "key": Out(layouts.KEY),
                "key_is_wildcard": Out(1),
                "owner": Out(owner_layout(config)),
                "is_checked": In(1),
                "is_wildcard": In(1),
                "has_twin": In(1),
                "has_live_twin": In(1),
                "do_write": Out(1),
                "do_cancel": Out(1),
            }
        )


class Placer(wiring.Component):
    """Looks one key up wherever it could be stored, dead or alive, and writes it: over a dead twin where it stands, or
    into a free entry, or by displacing another key.

    Parameters: ``config``.

    Members: ``seed``; ``placement``; ``question``: to the live store. To mover, overflow and wildcards: what their
    docstrings say.

    Latency: about 20 clocks for an exact key once the mover is idle, ``wildcards + 11`` for a wildcard; ``do_write``
    takes one.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        self._places = sizes_of(config).overflow
        super().__init__(
            {
                "seed": In(SEED_BITS),
                "placement": In(Placement(config)),
                "question": Out(StateQuestion(config)),
                # Mover and overflow.
                "mover_is_idle": In(1),
                "loaded": Out(placed_layout(config)),
                "do_read": Out(1),
                "is_chosen": In(1),
                "has_way_twin": In(1),
                "given_owner": In(owner_layout(config)),
                "do_write_way": Out(1),
                "do_cancel_way": Out(1),
                "place_number": Out(range(self._places)),
                "places_are_empty": In(1),
                "place_is_twin": In(1),
                "place_owner": In(owner_layout(config)),
                "do_write_place": Out(1),
                # Wildcards.
                "name": Out(NAME.size),
                "do_scan": Out(1),
                "scan_is_done": In(1),
                "has_wildcard_twin": In(1),
                "wildcard_owner": In(owner_layout(config)),
                "do_write_wildcard": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        placement, question = self.placement, self.question
        m.submodules.permutation = permutation = SerialPermutation(rounds=sizes_of(self._config).rounds)
        cursor = Signal(range(self._places + PLACE_LATENCY + 1))
        last_place = self._places - 1 + PLACE_LATENCY
        was_last = Signal()
        twin_place = Signal(range(self._places))
        has_place_twin = Signal()
        twin_index = Signal(range(self._config.bundles))
        # How long ago the owner was named, or its state asked for: the answer comes with the last bit.
        is_named = Signal(OWNER_LATENCY + 1)
        is_asked = Signal(STATE_LATENCY)
        # Without a mover at work the hand follows what is permuted, two clocks later.
        is_permuted = Signal()
        may_load = Signal()
        do_permute = permutation.do_start
        m.d.comb += [
            permutation.seed.eq(self.seed),
            permutation.key.eq(placement.key),
            self.loaded.permuted.eq(permutation.permuted),
            self.loaded.owner.eq(placement.owner),
            self.name.eq(name_of(placement.key)),
            question.index.eq(twin_index),
            self.place_number.eq(Mux(has_place_twin, twin_place, cursor)),
        ]
        m.d.sync += [
            do_permute.eq(0),
            self.do_read.eq(0),
            was_last.eq(cursor == last_place),
            is_named.eq(is_named << 1),
            is_asked.eq(is_asked << 1),
            is_permuted.eq(permutation.is_done | is_permuted),
            may_load.eq(is_permuted & self.mover_is_idle),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [
                    placement.has_twin.eq(0),
                    placement.has_live_twin.eq(0),
                    has_place_twin.eq(0),
                    cursor.eq(0),
                    is_permuted.eq(0),
                    may_load.eq(0),
                ]
                with m.If(placement.do_check):
                    m.d.sync += do_permute.eq(1)
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.sync += placement.is_wildcard.eq(placement.key_is_wildcard)
                m.next = "LOAD"
                with m.If(placement.key_is_wildcard):
                    m.d.comb += self.do_scan.eq(1)
                    m.next = "SCAN"

            with m.State("SCAN"), m.If(self.scan_is_done):
                m.d.sync += [twin_index.eq(self.wildcard_owner.index), placement.has_twin.eq(self.has_wildcard_twin)]
                m.next = "CHECKED"
                with m.If(self.has_wildcard_twin):
                    m.d.sync += question.do.eq(1)
                    m.next = "ASK"
                with m.Else():
                    m.d.sync += placement.is_checked.eq(1)

            # A chain of the key before may still be in the hand.
            with m.State("LOAD"), m.If(may_load):
                m.d.sync += self.do_read.eq(1)
                m.next = "PLACES"
            with m.State("PLACES"):
                with m.If(self.place_is_twin & (cursor >= PLACE_LATENCY) & ~has_place_twin):
                    m.d.sync += [has_place_twin.eq(1), twin_place.eq(cursor - PLACE_LATENCY)]
                # In the first clock: a key that the chain before has parked shows no sooner.
                with m.If(self.do_read & self.places_are_empty):
                    m.d.sync += cursor.eq(last_place)
                with m.Elif(cursor != last_place):
                    m.d.sync += cursor.eq(cursor + 1)
                # The last place's answer is registered by now.
                with m.If(self.is_chosen & was_last):
                    m.d.sync += is_named[0].eq(1)
                    m.next = "CHECKED"
                    with m.If(self.has_way_twin | has_place_twin):
                        m.next = "OWNER"
                    with m.Else():
                        m.d.sync += placement.is_checked.eq(1)
            # The rows' twin, or the place chosen again, needs a clock or two to show.
            with m.State("OWNER"), m.If(is_named[-1]):
                m.d.sync += [
                    placement.has_twin.eq(1),
                    twin_index.eq(Mux(has_place_twin, self.place_owner.index, self.given_owner.index)),
                    question.do.eq(1),
                ]
                m.next = "ASK"
            with m.State("ASK"):
                with m.If(question.do & question.is_taken):
                    m.d.sync += [question.do.eq(0), is_asked[0].eq(1)]
                with m.If(is_asked[-1]):
                    m.d.sync += [
                        placement.has_live_twin.eq(is_live(question.state.as_value())),
                        placement.is_checked.eq(1),
                    ]
                    m.next = "CHECKED"

            with m.State("CHECKED"):
                with m.If(placement.do_write | placement.do_cancel):
                    m.d.sync += placement.is_checked.eq(0)
                with m.If(placement.do_write):
                    m.d.comb += [
                        self.do_write_wildcard.eq(placement.is_wildcard),
                        self.do_write_place.eq(~placement.is_wildcard & has_place_twin),
                        self.do_cancel_way.eq(~placement.is_wildcard & has_place_twin),
                        self.do_write_way.eq(~placement.is_wildcard & ~has_place_twin),
                    ]
                    m.next = "IDLE"
                with m.Elif(placement.do_cancel):
                    m.d.comb += self.do_cancel_way.eq(~placement.is_wildcard)
                    m.next = "IDLE"
        return m
