"""One way of the hash table: a block RAM that every lookup reads once, on its way past."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.dual_port import DualPortMemory, WriteCollision

from .entry import KEY_BITS, found_layout, join, owner_layout, placed_layout, rest_of, row_of, sizes_of, stored_layout
from .trees import JOINED_BITS, all_groups, equal_groups, parity_groups


class WayManagement(wiring.Signature):
    """How the management reaches one way, seen from the management.

    ``hand``: what would be written, and whose row is read while ``reads_row`` is 0; otherwise ``row`` is. With these
    held, ``is_free`` and ``owner`` are valid from the 4th clock on, ``is_damaged`` (its parity is wrong) from the 6th,
    and ``is_twin`` (the row holds the key of the hand, undamaged) from the 7th. ``do_write`` writes the hand, used,
    into the row that is being read, and with ``do_clear``, which goes with ``reads_row``, clears it; the memory is
    written in the clock after that (``Way.WRITE_DELAY``). ``given`` is what is read, a clock after ``owner``; whether
    that was damaged is known with it.
    """

    def __init__(self, config: EngineConfig):
        super().__init__(
            {
                "hand": Out(placed_layout(config)),
                "row": Out(range(sizes_of(config).way_depth)),
                "reads_row": Out(1),
                "do_write": Out(1),
                "do_clear": Out(1),
                "is_free": In(1),
                "owner": In(owner_layout(config)),
                "is_twin": In(1),
                "is_damaged": In(1),
                "given": In(placed_layout(config)),
            }
        )


class Way(wiring.Component):
    """Compares each search with the row that it names, and hands the search to the next way.

    Lookups use one port of the memory and the management the other, so neither waits for the other. A row that is
    being written is unknown to a lookup of that clock: its match is suppressed, and whoever writes sees to it that what
    stood there and what will stand there is found elsewhere, behind the last way.

    Parameters: ``config``; ``number``: which way it is.

    Members, lookups: ``search`` (a permuted key); ``search_parity`` (the XOR of its bits), 2 clocks after its search;
    ``next_search`` and ``next_parity``, the same a clock later. ``found``: what the ways before have found, 5 clocks
    after the search; ``next_found``, 6 clocks after it: that, or this way's match. A row of wrong parity never matches.

    Members, ``management``: see ``WayManagement``.

    Latency: as said; one search per clock, always.
    """

    FOUND_LATENCY = 6
    FREE_LATENCY = 4
    DAMAGE_LATENCY = 6
    READ_LATENCY = 7
    WRITE_DELAY = 1

    def __init__(self, config: EngineConfig, *, number: int):
        self._config = config
        self._number = number
        self._layout = stored_layout(config)
        super().__init__(
            {
                "search": In(KEY_BITS),
                "search_parity": In(1),
                "next_search": Out(KEY_BITS),
                "next_parity": Out(1),
                "found": In(found_layout(config)),
                "next_found": Out(found_layout(config)),
                "management": In(WayManagement(config)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = DualPortMemory(width=self._layout.size, depth=sizes_of(self._config).way_depth)
        self._elaborate_management(m, memory)
        self._elaborate_lookups(m, memory)
        return m

    def _elaborate_lookups(self, m: Module, memory: DualPortMemory) -> None:
        """Clock 0 of a search addresses the memory, clock 2 compares, clocks 3 and 4 judge, clock 5 joins."""
        config = self._config
        search_2 = Signal(KEY_BITS, reset_less=True)
        m.d.comb += memory.a_address.eq(row_of(config, self.search, self._number))
        m.d.sync += [
            self.next_search.eq(self.search),
            search_2.eq(self.next_search),
            self.next_parity.eq(self.search_parity),
        ]
        m.submodules.collision = collision = WriteCollision(depth=sizes_of(config).way_depth)
        m.d.comb += [
            collision.read_address.eq(memory.a_address),
            collision.write_address.eq(memory.b_address),
            collision.do_write.eq(memory.b_do_write),
        ]

        # A rest equal to that of the search has its parity: so the row's other bits alone tell whether a bit flipped.
        row_parity = Signal()
        due_parity = Signal()
        m.d.sync += [
            row_parity.eq(row_of(config, self.next_search, self._number).xor()),
            due_parity.eq(self.search_parity ^ row_parity),
        ]
        stored = self._layout(memory.a_data)
        groups = equal_groups(stored.rest, rest_of(config, search_2, self._number))
        equal = Signal(len(groups), reset_less=True)
        all_equal = Signal(len(all_groups(equal)), reset_less=True)
        owner = [Signal(owner_layout(config), name=f"owner_{clock}", reset_less=True) for clock in (3, 4, 5)]
        others = parity_groups(Value.cast(Cat(stored.owner.as_value(), stored.is_used, stored.parity)))
        other_parities = Signal(len(others), reset_less=True)
        is_used = Signal(2, reset_less=True)
        is_match = Signal()
        m.d.sync += [
            equal.eq(groups),
            is_used[0].eq(stored.is_used & ~collision.collided),
            other_parities.eq(others),
            owner[0].eq(stored.owner),
            all_equal.eq(all_groups(equal)),
            is_used[1].eq(is_used[0] & (other_parities.xor() == due_parity)),
            owner[1].eq(owner[0]),
            is_match.eq(all_equal.all() & is_used[1]),
            owner[2].eq(owner[1]),
            self.next_found.is_found.eq(self.found.is_found | is_match),
            self.next_found.owner.eq(self.found.owner.as_value() | Mux(is_match, owner[2].as_value(), 0)),
        ]

    def _elaborate_management(self, m: Module, memory: DualPortMemory) -> None:
        """Reads and writes one row. All that comes from afar is registered here, beside the memory."""
        config = self._config
        port = self.management
        row = Signal(range(sizes_of(config).way_depth))
        owner = Signal(owner_layout(config), reset_less=True)
        rest = Signal(self._layout["rest"].width, reset_less=True)
        reads_row = Signal()
        does_write = Signal()
        does_clear = Signal()
        m.d.sync += [
            row.eq(Mux(port.reads_row, port.row, row_of(config, port.hand.permuted, self._number))),
            reads_row.eq(port.reads_row),
            does_write.eq(port.do_write),
            does_clear.eq(port.do_clear),
        ]
        # Who names a row only ever clears it. Zeros are made here, and not on the way into the memory: a register has
        # an input for that.
        with m.If(reads_row):
            m.d.sync += [owner.eq(0), rest.eq(0)]
        with m.Else():
            m.d.sync += [owner.eq(port.hand.owner), rest.eq(rest_of(config, port.hand.permuted, self._number))]
        # The hand stands for many clocks before it is written, so its parity may take three.
        parities = parity_groups(Value.cast(Cat(owner.as_value(), rest)))
        hand_parities = Signal(len(parities), reset_less=True)
        joined = parity_groups(hand_parities, bits=JOINED_BITS)
        joined_hand_parities = Signal(len(joined), reset_less=True)
        hand_parity = Signal(reset_less=True)
        m.d.sync += [
            hand_parities.eq(parities),
            joined_hand_parities.eq(joined),
            hand_parity.eq(joined_hand_parities.xor()),
        ]
        written = Signal(self._layout)
        m.d.comb += [
            written.is_used.eq(~does_clear),
            written.owner.eq(owner),
            written.rest.eq(rest),
            written.parity.eq(~does_clear & ~hand_parity),
            memory.b_address.eq(row),
            memory.b_do_write.eq(does_write),
            memory.b_write_data.eq(written),
        ]

        stored = self._layout(memory.b_data)
        groups = equal_groups(stored.rest, rest)
        equal = Signal(len(groups), reset_less=True)
        all_equal = Signal(len(all_groups(equal)), reset_less=True)
        was_used = Signal()
        is_like_hand = Signal()
        parities = parity_groups(Value.cast(memory.b_data))
        read_parities = Signal(len(parities), reset_less=True)
        joined = parity_groups(read_parities)
        joined_parities = Signal(len(joined), reset_less=True)
        is_used = Signal()
        m.d.comb += port.is_free.eq(~is_used)
        m.d.sync += [
            is_used.eq(stored.is_used),
            port.owner.eq(stored.owner),
            equal.eq(groups),
            read_parities.eq(parities),
            joined_parities.eq(joined),
            port.is_damaged.eq(joined_parities.xor()),
            all_equal.eq(all_groups(equal)),
            was_used.eq(is_used),
            is_like_hand.eq(all_equal.all() & was_used),
            port.is_twin.eq(is_like_hand & ~port.is_damaged),
        ]
        m.d.sync += [
            port.given.is_used.eq(is_used),
            port.given.owner.eq(port.owner),
            port.given.permuted.eq(join(config, row, stored.rest, self._number)),
        ]
