"""Where keys stand: the management's side of the ways, the overflow behind them, and the wildcards. Wiring only."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.local_copy import local_copy

from .entry import KEY_BITS, found_layout, sizes_of
from .mover import Mover
from .overflow import Overflow
from .permutation import SEED_BITS
from .placer import Placement, Placer
from .states_port import StateQuestion
from .sweep import SweptKeys
from .way import WayManagement
from .wildcards import NAME, Wildcards
from .wipe import WipeProgress

GIVEN_PARTS = 4
"""Of a key that moves, each chosen by a register of its own."""


class Keys(wiring.Component):
    """Puts keys where lookups find them, moves them, and lets the sweep and the wipe clear them.

    One of these is at work at a time, but for a chain of moves, which goes on while its add does: whoever works
    drives, the others are silent.

    Parameters: ``config``.

    Members, lookups: ``search``/``overflow_found``, ``name``/``wildcard_found``.

    Members, management: ``ways``: one ``WayManagement`` each. ``seed`` as the host set it; ``seed_in_use``: it changes
    only while no key is stored, which ``seed_is_open`` says; ``do_use_seed``: an add begins. ``placement``: an add's
    keys; ``has_pending``/``pending_index``: its bundle; ``free_places``, ``free_wildcards``: up to 2. ``do_retry``: the
    parked key that the sweep met is put into a row; ``mover_is_idle``: no chain of moves is under way. ``swept``,
    ``wipe``; ``wipe_start``: it runs from the next clock on; ``do_clear``: what is parked is forgotten.
    ``move_question``, ``placement_question``: to the live store. ``moved``: strobe, one per displaced key.
    ``was_damaged``: strobe.

    Latency: see ``Placer`` and ``Mover``.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "search": In(KEY_BITS),
                "overflow_found": Out(found_layout(config)),
                "name": In(NAME.size),
                "wildcard_found": Out(found_layout(config)),
                "ways": Out(WayManagement(config)).array(sizes_of(config).ways),
                "seed": In(SEED_BITS),
                "seed_in_use": Out(SEED_BITS),
                "seed_is_open": Out(1, init=1),
                "do_use_seed": In(1),
                "placement": In(Placement(config)),
                "has_pending": In(1),
                "pending_index": In(range(config.bundles)),
                "free_places": Out(range(3)),
                "free_wildcards": Out(range(3)),
                "do_retry": In(1),
                "mover_is_idle": Out(1),
                "swept": In(SweptKeys(config)),
                "wipe": In(WipeProgress(config)),
                "wipe_start": In(1),
                "do_clear": In(1),
                "move_question": Out(StateQuestion(config)),
                "placement_question": Out(StateQuestion(config)),
                "moved": Out(1),
                "was_damaged": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self._config
        m.submodules.placer = placer = Placer(config)
        m.submodules.mover = mover = Mover(config)
        m.submodules.overflow = overflow = Overflow(config)
        m.submodules.wildcards = wildcards = Wildcards(config)

        connect(m, flipped(self.placement), placer.placement)
        connect(m, placer.question, flipped(self.placement_question))
        connect(m, mover.question, flipped(self.move_question))
        self._wire_ways(m, placer, mover, overflow)
        self._wire_overflow(m, placer, mover, overflow)
        self._wire_wildcards(m, placer, wildcards)

        with m.If(self.do_clear):
            m.d.sync += self.seed_is_open.eq(1)
        with m.Elif(self.do_use_seed):
            m.d.sync += self.seed_is_open.eq(0)
        with m.If(self.seed_is_open):
            m.d.sync += self.seed_in_use.eq(self.seed)
        m.d.comb += [
            placer.seed.eq(self.seed_in_use),
            placer.mover_is_idle.eq(mover.is_idle),
            placer.is_chosen.eq(mover.is_chosen),
            placer.has_way_twin.eq(mover.has_twin),
            mover.do_read.eq(placer.do_read),
            mover.has_pending.eq(self.has_pending),
            mover.pending_index.eq(self.pending_index),
            self.mover_is_idle.eq(mover.is_idle),
            self.free_places.eq(overflow.free_count),
            self.free_wildcards.eq(wildcards.free_count),
            self.moved.eq(mover.moved),
            self.was_damaged.eq(mover.was_damaged | wildcards.was_damaged),
        ]
        m.d.sync += [
            mover.do_write.eq(placer.do_write_way),
            mover.do_cancel.eq(placer.do_cancel_way),
        ]
        return m

    def _wire_ways(self, m: Module, placer: Placer, mover: Mover, overflow: Overflow) -> None:
        """Rows are written by the mover, from the hand, and cleared by the sweep and the wipe."""
        swept, wipe = self.swept, self.wipe
        # All ways are told the row, so it is registered first, and what is wiped there with it.
        row = Signal.like(self.ways[0].row)
        wipes_row = Signal()
        reads_row = Signal()
        m.d.sync += [
            row.eq(Mux(wipe.is_running, wipe.position, swept.position)),
            wipes_row.eq(wipe.has_row),
            reads_row.eq(swept.reads_row | wipe.is_running | self.wipe_start),
        ]
        for number, way in enumerate(self.ways):
            m.d.comb += [
                way.hand.eq(overflow.hand),
                way.row.eq(row),
                way.reads_row.eq(reads_row),
                way.do_write.eq(mover.way_do_write[number] | swept.do_clear[number] | wipes_row),
                way.do_clear.eq(swept.do_clear[number] | wipes_row),
                swept.is_used[number].eq(~way.is_free),
                swept.owners[number].eq(way.owner),
                swept.is_damaged[number].eq(way.is_damaged),
            ]
        m.d.comb += [
            mover.is_free.eq(Cat(way.is_free for way in self.ways)),
            mover.is_twin.eq(Cat(way.is_twin for way in self.ways)),
            mover.is_damaged.eq(Cat(way.is_damaged for way in self.ways)),
        ]

        # What the chosen way gives. A damaged row is given as unused. Ways give in every clock: what chooses stands
        # where they are joined, and not in each of them, where it would be far from most of what it masks. A key is as
        # wide as the chip, so each part of it has a copy of its own.
        given_width = len(self.ways[0].given.as_value())
        part_width = -(-given_width // GIVEN_PARTS)
        chosen = [local_copy(m, f"gives_{part}", mover.way_do_give) for part in range(GIVEN_PARTS)]
        parts: list[Value] = []
        for low, gives in zip(range(0, given_width, part_width), chosen, strict=True):
            part = Value.cast(Const(0))
            for number, way in enumerate(self.ways):
                part = part | Mux(gives[number], way.given.as_value()[low : low + part_width], 0)
            parts.append(part)
        given = Cat(parts)
        is_used = Cat(
            way.given.is_used & ~way.is_damaged & chosen[0][number] for number, way in enumerate(self.ways)
        ).any()
        given_key = Signal(overflow.loaded.shape())
        was_idle = Signal()
        is_stepping = Signal()
        m.d.sync += [
            given_key.eq(given),
            given_key.is_used.eq(is_used),
            was_idle.eq(mover.is_idle),
            is_stepping.eq(swept.is_stepping),
        ]
        # The hand takes what a way gave while a chain of moves is under way; else it follows a parked key while the
        # sweep steps, or the key that is to be added. It is wide, so what chooses are registers and states that stand.
        loaded = Mux(was_idle, placer.loaded.as_value(), given_key.as_value())
        m.d.comb += [
            mover.will_give.eq(is_used),
            placer.given_owner.eq(given_key.owner),
            overflow.loaded.eq(Mux(is_stepping, overflow.place.as_value(), loaded)),
        ]

    def _wire_overflow(self, m: Module, placer: Placer, mover: Mover, overflow: Overflow) -> None:
        """The hand is the mover's; places are chosen by the placer, or by the sweep while it steps."""
        swept = self.swept
        place = sizes_of(self._config).ways
        does_retry = Signal()
        m.d.sync += does_retry.eq(self.do_retry)
        m.d.comb += [
            overflow.search.eq(self.search),
            self.overflow_found.eq(overflow.found),
            mover.do_move.eq(does_retry),
            mover.hand_index.eq(overflow.hand.owner.index),
            overflow.do_load.eq(mover.is_idle | mover.is_loading),
            overflow.do_move.eq(mover.do_load | self.do_retry),
            overflow.do_keep.eq(mover.do_keep),
            overflow.do_drop.eq(mover.do_drop),
            overflow.do_park.eq(mover.do_park),
            overflow.place_number.eq(Mux(swept.is_stepping, swept.position, placer.place_number)),
            overflow.do_write_place.eq(placer.do_write_place),
            overflow.written_owner.eq(self.placement.owner),
            overflow.do_clear_place.eq(swept.do_clear[place] | self.do_retry),
            overflow.do_wipe.eq(self.do_clear),
            placer.places_are_empty.eq(overflow.is_empty),
            placer.place_is_twin.eq(overflow.place_is_twin),
            placer.place_owner.eq(overflow.place.owner),
            swept.is_used[place].eq(overflow.place.is_used),
            swept.owners[place].eq(overflow.place.owner),
        ]

    def _wire_wildcards(self, m: Module, placer: Placer, wildcards: Wildcards) -> None:
        """Wildcards are written by the placer, and cleared by the sweep and the wipe."""
        swept, wipe = self.swept, self.wipe
        wildcard = sizes_of(self._config).ways + 1
        m.d.comb += [
            wildcards.search.eq(self.name),
            self.wildcard_found.eq(wildcards.found),
            wildcards.do_scan.eq(placer.do_scan),
            wildcards.name.eq(placer.name),
            wildcards.do_write.eq(placer.do_write_wildcard),
            wildcards.written_owner.eq(self.placement.owner),
            wildcards.number.eq(Mux(wipe.is_running, wipe.position, swept.position)),
            wildcards.do_clear.eq(swept.do_clear[wildcard] | wipe.has_wildcard),
            placer.scan_is_done.eq(wildcards.scan_is_done),
            placer.has_wildcard_twin.eq(wildcards.has_twin),
            placer.wildcard_owner.eq(wildcards.twin_owner),
            swept.is_used[wildcard].eq(wildcards.is_used),
            swept.owners[wildcard].eq(wildcards.owner),
        ]
