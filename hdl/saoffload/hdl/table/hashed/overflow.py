"""The permuted keys that stand in no way, or not only in one: in the hand, just put down, or parked."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig

from .entry import KEY_BITS, found_layout, owner_layout, placed_layout, sizes_of
from .trees import all_groups, equal_groups


class Overflow(wiring.Component):
    """Holds moving and parked keys where every lookup still finds them, behind the last way.

    - The *hand*: the key that is on its way to another row. While ``hand_is_moving`` lookups match it.
    - The *previous* hand: what was put into a row lately. A lookup that passed that row before, and meets the hand
      after, finds it here: it stays for as many clocks as there are ways.
    - The *places*: keys that found no row.

    A key may stand in two of these, or here and in a row, for some clocks, always with the same owner, so the matches
    are joined by OR. A key that gets a new owner where it stands is therefore not kept as the previous hand.

    Parameters: ``config``.

    Members, lookups: ``search`` (as it leaves the last way); ``found``, 5 clocks later.

    Members, management: ``hand``. ``do_load`` with ``loaded``: the hand in the next clock; ``do_move``: from then on it
    is moving. ``do_keep``: the hand, as it is, becomes the previous one. ``do_drop``: the hand is moving no more.
    ``do_park``: the hand, which must stand for one more clock, goes into an unused place (there must be one).
    ``place_number`` chooses a place: in the 2nd clock ``place`` shows it, and in the 5th ``place_is_twin`` tells
    whether it is used and holds the hand's key. ``do_write_place`` gives the place ``written_owner``,
    ``do_clear_place`` empties it: the number must have stood for a clock. ``free_count``: unused places, up to 2.
    ``do_wipe``: all goes.

    Latency: changes count for searches presented in the next clock.
    """

    LATENCY = 5

    def __init__(self, config: EngineConfig):
        self._config = config
        places = sizes_of(config).overflow
        super().__init__(
            {
                "search": In(KEY_BITS),
                "found": Out(found_layout(config)),
                "hand": Out(placed_layout(config)),
                "do_load": In(1),
                "loaded": In(placed_layout(config)),
                "do_move": In(1),
                "hand_is_moving": Out(1),
                "do_keep": In(1),
                "do_drop": In(1),
                "do_park": In(1),
                "place_number": In(range(places)),
                "place": Out(placed_layout(config)),
                "place_is_twin": Out(1),
                "do_write_place": In(1),
                "written_owner": In(owner_layout(config)),
                "do_clear_place": In(1),
                "free_count": Out(range(3)),
                "is_empty": Out(1),
                "do_wipe": In(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        layout = placed_layout(self._config)
        sizes = sizes_of(self._config)
        hand = Signal(layout, reset_less=True)
        previous = Signal(layout, reset_less=True)
        previous_is_used = Signal()
        clocks_left = Signal(range(sizes.ways + 1))
        places = [Signal(layout, name=f"place_{number}", reset_less=True) for number in range(sizes.overflow)]
        place_is_used = Signal(sizes.overflow)

        m.d.comb += self.hand.eq(hand)
        # Whoever decides about wide registers does so through a register.
        does_park = Signal()
        does_write_place = Signal()
        does_clear_place = Signal()
        written_owner = Signal.like(self.written_owner, reset_less=True)
        m.d.sync += [
            does_park.eq(self.do_park),
            does_write_place.eq(self.do_write_place),
            does_clear_place.eq(self.do_clear_place),
            written_owner.eq(self.written_owner),
        ]
        with m.If(self.do_load):
            m.d.sync += hand.eq(self.loaded)
        with m.If(self.do_drop | does_park):
            m.d.sync += self.hand_is_moving.eq(0)
        with m.If(self.do_move):
            m.d.sync += self.hand_is_moving.eq(1)

        with m.If(self.do_keep):
            m.d.sync += [previous.eq(hand), previous_is_used.eq(1), clocks_left.eq(sizes.ways)]
        with m.Elif(previous_is_used):
            m.d.sync += [clocks_left.eq(clocks_left - 1), previous_is_used.eq(clocks_left != 1)]

        lowest_free = ~place_is_used & (place_is_used + 1)[: sizes.overflow]
        place_number = Signal.like(self.place_number)
        is_chosen = Signal(sizes.overflow)
        parks_to = Signal(sizes.overflow)
        m.d.sync += [place_number.eq(self.place_number), parks_to.eq(Mux(self.do_park, lowest_free, 0))]
        m.d.comb += is_chosen.eq((1 << place_number)[: sizes.overflow])
        for number, place in enumerate(places):
            with m.If(parks_to[number]):
                m.d.sync += [place.eq(hand), place_is_used[number].eq(1)]
            with m.Elif(is_chosen[number] & does_write_place):
                m.d.sync += place.owner.eq(written_owner)
            with m.Elif(is_chosen[number] & does_clear_place):
                m.d.sync += place_is_used[number].eq(0)
        with m.If(self.do_wipe):
            m.d.sync += [place_is_used.eq(0), self.hand_is_moving.eq(0), previous_is_used.eq(0)]
        unused = ~place_is_used
        has_two = (unused & (unused - 1)[: sizes.overflow]).any()
        m.d.sync += [
            self.free_count.eq(Mux(unused.any(), 1 + has_two, 0)),
            self.is_empty.eq(unused.all()),
        ]

        self._elaborate_place(m, places, place_is_used, place_number)
        self._elaborate_lookups(
            m,
            [(hand, self.hand_is_moving), (previous, previous_is_used)]
            + [(place, place_is_used[number]) for number, place in enumerate(places)],
        )
        return m

    def _elaborate_place(self, m: Module, places: list[Signal], place_is_used: Signal, place_number: Signal) -> None:
        """Show one place to the management, and compare it with the hand."""
        fields = Array(Cat(place.as_value()[1:]) for place in places)
        groups = equal_groups(Value.cast(self.place.permuted), Value.cast(self.hand.permuted))
        equal = Signal(len(groups), reset_less=True)
        all_equal = Signal(len(all_groups(equal)), reset_less=True)
        was_used = Signal(2)
        m.d.sync += [
            self.place.eq(Cat(place_is_used.bit_select(place_number, 1), fields[place_number])),
            equal.eq(groups),
            all_equal.eq(all_groups(equal)),
            was_used.eq(Cat(self.place.is_used, was_used[0])),
            self.place_is_twin.eq(all_equal.all() & was_used[1]),
        ]

    def _elaborate_lookups(self, m: Module, entries: list[tuple[Signal, Value]]) -> None:
        """Clock 0 compares, clocks 1 and 2 judge, clock 3 joins; one more clock to meet the ways' matches."""
        config = self._config
        owners = []
        for number, (entry, is_used) in enumerate(entries):
            groups = equal_groups(Value.cast(entry.permuted), self.search)
            equal = Signal(len(groups), name=f"equal_{number}", reset_less=True)
            all_equal = Signal(len(all_groups(equal)), name=f"all_equal_{number}", reset_less=True)
            was_used = Signal(2, name=f"was_used_{number}", reset_less=True)
            owner = [
                Signal(owner_layout(config), name=f"owner_{number}_{clock}", reset_less=True) for clock in (1, 2, 3)
            ]
            is_match = Signal(name=f"is_match_{number}", reset_less=True)
            m.d.sync += [
                equal.eq(groups),
                all_equal.eq(all_groups(equal)),
                was_used.eq(Cat(is_used, was_used[0])),
                owner[0].eq(entry.owner),
                owner[1].eq(owner[0]),
                is_match.eq(all_equal.all() & was_used[1]),
                owner[2].eq(owner[1]),
            ]
            owners.append(Cat(is_match, Mux(is_match, owner[2].as_value(), 0)))
        joined = Signal(found_layout(config), reset_less=True)
        total = owners[0]
        for one in owners[1:]:
            total = total | one
        m.d.sync += [joined.eq(total), self.found.eq(joined)]
