"""The management side of the hash table: wiring only."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig

from .add import Add
from .counts import BundleCounts
from .entry import KEY_BITS, found_layout, sizes_of
from .free_list import FreeList
from .generations import GenerationAccess
from .index_walk import IndexWalk
from .keeper import Keeper
from .live import StateWrite
from .mover import Mover
from .overflow import Overflow
from .permutation import SEED_BITS
from .placer import Placer
from .states import BundleState, is_live
from .sweep import Sweep
from .way import WayManagement
from .wildcards import NAME, Wildcards
from .wipe import Wipe


class Management(wiring.Component):
    """Adds, moves, sweeps, releases of indices and flushes: everything that changes what is stored, but deletes.

    Parameters: ``config``.

    Members: the management streams and state of ``TableSignature``; ``gate_is_closed``, ``deletes_are_closed``,
    ``sweep_parity``. ``seed`` as the host set it; ``seed_in_use``: it changes only while no key is stored, which
    ``seed_is_open`` says.
    ``do_delete``/``delete_key_count``: from the delete pipe. ``ways``: one ``WayManagement`` each. ``search``,
    ``overflow_found``, ``name``, ``wildcard_found``: lookups of the memories that belong to the management.
    ``state_write``, taken when ``state_write_is_ready``; ``do_ask`` with ``ask_index``, taken when ``ask_is_ready``,
    ``ask_state``: the live store. ``words``, ``link``: the generations. ``do_write_context``, ``context_index``,
    ``context`` until ``context_is_written``; ``context_is_audited``: strobe, the context of ``context_index`` is read.
    ``was_damaged``: strobe. ``moved``: strobe, one per displaced key.

    Latency: see ``Keeper``, ``Add`` and ``Mover``.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        sizes = sizes_of(config)
        index = range(config.bundles)
        grace = stream.Signature(layouts.NOTHING, always_ready=True)
        super().__init__(
            {
                "seed": In(SEED_BITS),
                "seed_in_use": Out(SEED_BITS),
                "seed_is_open": Out(1, init=1),
                "adds": In(stream.Signature(layouts.add_request(config))),
                "add_answers": Out(stream.Signature(layouts.ADD_ANSWER)),
                "flushes": In(stream.Signature(layouts.NOTHING)),
                "flush_answers": Out(stream.Signature(layouts.flush_answer(config), always_ready=True)),
                "end_restores": In(stream.Signature(layouts.NOTHING)),
                "graces": Out(grace),
                "grace_answers": In(grace),
                "is_ready": Out(1),
                "is_restoring": Out(1),
                "add_is_waiting": Out(1),
                "live_bundles": Out(range(config.bundles + 1)),
                "live_keys": Out(range(config.keys + 1)),
                "gate_is_closed": Out(1),
                "deletes_are_closed": Out(1),
                "sweep_parity": Out(1),
                "do_delete": In(1),
                "delete_key_count": In(range(3)),
                "ways": Out(WayManagement(config)).array(sizes.ways),
                "search": In(KEY_BITS),
                "overflow_found": Out(found_layout(config)),
                "name": In(NAME.size),
                "wildcard_found": Out(found_layout(config)),
                "state_write": Out(StateWrite(config)),
                "state_write_is_ready": In(1),
                "do_ask": Out(1),
                "ask_index": Out(index),
                "ask_is_ready": In(1),
                "ask_state": In(BundleState),
                "words": Out(GenerationAccess(config)),
                "link": Out(GenerationAccess(config)),
                "do_write_context": Out(1),
                "context_index": Out(index),
                "context": Out(config.context_width),
                "context_is_written": In(1),
                "context_is_audited": Out(1),
                "was_damaged": Out(1),
                "moved": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self._config
        m.submodules.keeper = keeper = Keeper(config)
        m.submodules.add = add = Add(config)
        m.submodules.placer = placer = Placer(config)
        m.submodules.mover = mover = Mover(config)
        m.submodules.overflow = overflow = Overflow(config)
        m.submodules.wildcards = wildcards = Wildcards(config)
        m.submodules.sweep = sweep = Sweep(config)
        m.submodules.index_walk = index_walk = IndexWalk(config)
        m.submodules.wipe = wipe = Wipe(config)
        m.submodules.free_list = free_list = FreeList(config)
        m.submodules.counts = counts = BundleCounts(config)

        self._wire_keeper(m, keeper, add, sweep, index_walk, wipe, mover)
        self._wire_add(m, keeper, add, placer, free_list, counts, overflow, wildcards)
        self._wire_keys(m, add, placer, mover, overflow, wildcards, sweep, wipe, keeper)
        self._wire_states(m, add, placer, mover, sweep, index_walk, wipe)
        self._wire_words(m, keeper, add, free_list, index_walk, wipe, sweep)

        # Counting, and the seed, which holds still while it is in use.
        with m.If(keeper.do_clear):
            m.d.sync += self.seed_is_open.eq(1)
        with m.Elif(add.do_start & keeper.is_ready):
            m.d.sync += self.seed_is_open.eq(0)
        with m.If(self.seed_is_open):
            m.d.sync += self.seed_in_use.eq(self.seed)
        m.d.comb += [
            counts.do_commit.eq(add.do_commit & add.commit_is_done),
            counts.commit_key_count.eq(add.commit_key_count),
            counts.do_delete.eq(self.do_delete),
            counts.delete_key_count.eq(self.delete_key_count),
            counts.do_free.eq(index_walk.do_push & ~index_walk.picks_free),
            counts.do_clear.eq(keeper.do_clear),
            keeper.has_dead.eq(counts.has_dead),
            keeper.live_bundles.eq(counts.live_bundles),
            self.live_bundles.eq(counts.live_bundles),
            self.live_keys.eq(counts.live_keys),
            self.moved.eq(mover.moved),
        ]
        m.d.sync += self.was_damaged.eq(mover.was_damaged | sweep.was_damaged | wildcards.was_damaged)
        return m

    def _wire_keeper(
        self, m: Module, keeper: Keeper, add: Add, sweep: Sweep, index_walk: IndexWalk, wipe: Wipe, mover: Mover
    ) -> None:
        """The host's streams, and the jobs' strobes."""
        for port in ("adds", "flushes", "end_restores"):
            connect(m, flipped(getattr(self, port)), getattr(keeper, port))
        for port in ("add_answers", "flush_answers", "graces"):
            connect(m, getattr(keeper, port), flipped(getattr(self, port)))
        connect(m, flipped(self.grace_answers), keeper.grace_answers)
        for name in (
            "is_ready",
            "is_restoring",
            "add_is_waiting",
            "gate_is_closed",
            "deletes_are_closed",
            "sweep_parity",
        ):
            m.d.comb += getattr(self, name).eq(getattr(keeper, name))
        ways = sizes_of(self._config).ways
        m.d.comb += [
            wipe.do_start.eq(keeper.wipe_start),
            keeper.wipe_is_done.eq(wipe.is_done),
            add.do_start.eq(keeper.add_start),
            keeper.add_is_done.eq(add.is_done),
            keeper.add_must_wait.eq(add.must_wait),
            keeper.add_holds_flush.eq(add.holds_flush),
            keeper.add_answer.eq(add.answer),
            add.answer_is_taken.eq(keeper.add_answer_is_taken),
            keeper.mover_is_idle.eq(mover.is_idle),
            sweep.do_step.eq(keeper.step_start),
            sweep.do_restart.eq(keeper.step_restart),
            keeper.step_is_idle.eq(sweep.is_idle),
            keeper.pass_is_done.eq(sweep.pass_is_done),
            keeper.place_is_stuck.eq(sweep.place_is_stuck),
            keeper.row_is_cleared.eq(sweep.do_clear[:ways].any()),
            index_walk.do_step.eq(keeper.walk_start),
            index_walk.do_restart.eq(keeper.walk_restart),
            index_walk.picks_free.eq(keeper.is_linking),
            index_walk.sweep_parity.eq(keeper.sweep_parity),
            keeper.walk_is_idle.eq(index_walk.is_idle),
            keeper.walk_is_done.eq(index_walk.is_done),
            keeper.walk_did_push.eq(index_walk.do_push),
        ]

    def _wire_add(
        self,
        m: Module,
        keeper: Keeper,
        add: Add,
        placer: Placer,
        free_list: FreeList,
        counts: BundleCounts,
        overflow: Overflow,
        wildcards: Wildcards,
    ) -> None:
        """What an add asks of the others, but for the memories."""
        m.d.comb += [
            add.request.eq(self.adds.payload),
            add.is_flushing.eq(keeper.is_flushing),
            add.is_restoring.eq(keeper.is_restoring),
            add.is_draining.eq(keeper.is_draining),
            add.has_dead.eq(counts.has_dead),
            add.live_bundles.eq(counts.live_bundles),
            add.live_keys.eq(counts.live_keys),
            add.has_free.eq(~free_list.is_empty),
            add.free_index.eq(free_list.head),
            free_list.do_pop.eq(add.do_pop),
            free_list.next_head.eq(add.next_head),
            add.free_places.eq(overflow.free_count),
            add.free_wildcards.eq(wildcards.free_count),
            placer.seed.eq(self.seed_in_use),
            placer.do_check.eq(add.do_check),
            placer.key.eq(add.key),
            placer.key_is_wildcard.eq(add.key_is_wildcard),
            placer.owner.eq(add.owner),
            placer.do_write.eq(add.do_write),
            placer.do_cancel.eq(add.do_cancel),
            add.is_checked.eq(placer.is_checked),
            add.is_wildcard.eq(placer.is_wildcard),
            add.has_twin.eq(placer.has_twin),
            add.has_live_twin.eq(placer.has_live_twin),
        ]

    def _wire_keys(
        self,
        m: Module,
        add: Add,
        placer: Placer,
        mover: Mover,
        overflow: Overflow,
        wildcards: Wildcards,
        sweep: Sweep,
        wipe: Wipe,
        keeper: Keeper,
    ) -> None:
        """Where keys stand: ways, overflow and wildcards. Whoever works drives; the others are silent."""
        sizes = sizes_of(self._config)
        given = self.ways[0].given.as_value()
        for way in self.ways[1:]:
            given = given | way.given.as_value()
        # A damaged row is given as unused.
        is_used = Cat(way.given.is_used & ~way.is_damaged for way in self.ways).any()
        given_key = Signal(overflow.loaded.shape())
        does_retry = Signal()
        m.d.sync += [
            does_retry.eq(keeper.do_retry),
            given_key.eq(given),
            given_key.is_used.eq(is_used),
            mover.do_write.eq(placer.do_write_way),
            mover.do_cancel.eq(placer.do_cancel_way),
        ]
        m.d.comb += [
            mover.will_give.eq(is_used),
            mover.do_read.eq(placer.do_read),
            mover.do_move.eq(does_retry),
            mover.has_pending.eq(add.has_pending),
            mover.pending_index.eq(add.index),
            mover.hand_index.eq(overflow.hand.owner.index),
            mover.is_free.eq(Cat(way.is_free for way in self.ways)),
            mover.is_twin.eq(Cat(way.is_twin for way in self.ways)),
            mover.is_damaged.eq(Cat(way.is_damaged for way in self.ways)),
            placer.mover_is_idle.eq(mover.is_idle),
            placer.is_chosen.eq(mover.is_chosen),
            placer.has_way_twin.eq(mover.has_twin),
            placer.given_owner.eq(given_key.owner),
        ]
        # All ways are told the row, so it is registered first, and what is wiped there with it.
        row = Signal.like(self.ways[0].row)
        wipes_row = Signal()
        reads_row = Signal()
        m.d.sync += [
            row.eq(Mux(wipe.is_running, wipe.position, sweep.position)),
            wipes_row.eq(wipe.has_row),
            reads_row.eq(sweep.reads_row | wipe.is_running | keeper.wipe_start),
        ]
        for number, way in enumerate(self.ways):
            m.d.comb += [
                way.hand.eq(overflow.hand),
                way.row.eq(row),
                way.reads_row.eq(reads_row),
                way.do_write.eq(mover.way_do_write[number] | sweep.do_clear[number] | wipes_row),
                way.do_clear.eq(sweep.do_clear[number] | wipes_row),
                way.do_give.eq(mover.way_do_give[number]),
                sweep.is_used[number].eq(~way.is_free),
                sweep.owners[number].eq(way.owner),
                sweep.is_damaged[number].eq(way.is_damaged),
            ]

        # The hand takes what a way gave while a chain of moves is under way; else it follows a parked key while the
        # sweep steps, or the key that is to be added. It is wide, so what chooses are registers and states that stand.
        is_stepping = Signal()
        was_idle = Signal()
        m.d.sync += [is_stepping.eq(~sweep.is_idle), was_idle.eq(mover.is_idle)]
        loaded = Mux(was_idle, placer.loaded.as_value(), given_key.as_value())
        m.d.comb += [
            overflow.search.eq(self.search),
            self.overflow_found.eq(overflow.found),
            overflow.do_load.eq(mover.is_idle | mover.is_loading),
            overflow.loaded.eq(Mux(is_stepping, overflow.place.as_value(), loaded)),
            overflow.do_move.eq(mover.do_load | keeper.do_retry),
            overflow.do_keep.eq(mover.do_keep),
            overflow.do_drop.eq(mover.do_drop),
            overflow.do_park.eq(mover.do_park),
            overflow.place_number.eq(Mux(sweep.is_idle, placer.place_number, sweep.position)),
            overflow.do_write_place.eq(placer.do_write_place),
            overflow.written_owner.eq(add.owner),
            overflow.do_clear_place.eq(sweep.do_clear[sizes.ways] | keeper.do_retry),
            overflow.do_wipe.eq(keeper.do_clear),
            placer.places_are_empty.eq(overflow.is_empty),
            placer.place_is_twin.eq(overflow.place_is_twin),
            placer.place_owner.eq(overflow.place.owner),
            sweep.is_used[sizes.ways].eq(overflow.place.is_used),
            sweep.owners[sizes.ways].eq(overflow.place.owner),
            wildcards.search.eq(self.name),
            self.wildcard_found.eq(wildcards.found),
            wildcards.do_scan.eq(placer.do_scan),
            wildcards.name.eq(placer.name),
            wildcards.do_write.eq(placer.do_write_wildcard),
            wildcards.written_owner.eq(add.owner),
            wildcards.number.eq(Mux(wipe.is_running, wipe.position, sweep.position)),
            wildcards.do_clear.eq(sweep.do_clear[sizes.ways + 1] | wipe.has_wildcard),
            placer.scan_is_done.eq(wildcards.scan_is_done),
            placer.has_wildcard_twin.eq(wildcards.has_twin),
            placer.wildcard_owner.eq(wildcards.twin_owner),
            sweep.is_used[sizes.ways + 1].eq(wildcards.is_used),
            sweep.owners[sizes.ways + 1].eq(wildcards.owner),
        ]

    def _wire_states(
        self,
        m: Module,
        add: Add,
        placer: Placer,
        mover: Mover,
        sweep: Sweep,
        index_walk: IndexWalk,
        wipe: Wipe,
    ) -> None:
        """The live store has one port for all of the management. A mover's question goes first: keys hang on it. Sweep
        and index walk ask only while nobody else does, so they need not look at the others.
        """
        is_alive = is_live(self.ask_state.as_value())
        m.d.comb += [
            add.ask_state.eq(self.ask_state),
            index_walk.check_state.eq(self.ask_state),
            placer.ask_is_live.eq(is_alive),
            mover.check_is_live.eq(is_alive),
            sweep.check_is_live.eq(is_alive),
        ]
        askers = (
            (mover.do_check, mover.hand_index),
            (placer.do_ask, placer.ask_index),
            (add.do_ask, add.index),
            (sweep.do_check, sweep.check_index),
            (index_walk.do_check, index_walk.check_index),
            (sweep.do_audit, sweep.audit_index),
        )
        m.d.comb += [
            self.do_ask.eq(Cat(does_ask for does_ask, _ in askers).any()),
            mover.check_is_taken.eq(self.ask_is_ready & mover.do_check),
            placer.ask_is_taken.eq(self.ask_is_ready & ~mover.do_check & placer.do_ask),
            add.ask_is_taken.eq(self.ask_is_ready & ~mover.do_check & ~placer.do_ask & add.do_ask),
            sweep.check_is_taken.eq(self.ask_is_ready & sweep.do_check),
            index_walk.check_is_taken.eq(self.ask_is_ready & index_walk.do_check),
        ]
        # The last one's index is there for nothing when nobody asks: whether it asks is known too late to choose by.
        m.d.comb += self.ask_index.eq(index_walk.check_index)
        for does_ask, index in reversed(askers[:-1]):
            with m.If(does_ask):
                m.d.comb += self.ask_index.eq(index)

        with m.If(wipe.is_running):
            m.d.comb += [
                self.state_write.do.eq(wipe.has_index),
                self.state_write.index.eq(wipe.position),
                self.state_write.state.eq(BundleState.FREE),
            ]
        with m.Elif(index_walk.do_free):
            m.d.comb += [
                self.state_write.do.eq(1),
                self.state_write.index.eq(index_walk.index),
                self.state_write.state.eq(BundleState.FREE),
            ]
        with m.Else():
            m.d.comb += [
                self.state_write.do.eq(add.do_commit & ~mover.do_check),
                self.state_write.index.eq(add.index),
                self.state_write.state.eq(add.commit_state),
            ]
        m.d.comb += [
            # Nothing is read in the clock of a write, and only a mover is at work beside an add.
            add.commit_is_done.eq(self.state_write_is_ready & ~mover.do_check),
            index_walk.free_is_written.eq(self.state_write_is_ready),
        ]

    def _wire_words(
        self,
        m: Module,
        keeper: Keeper,
        add: Add,
        free_list: FreeList,
        index_walk: IndexWalk,
        wipe: Wipe,
        sweep: Sweep,
    ) -> None:
        """Generations, the links of the free list, and contexts. An audit reads all of them in one clock, and nobody
        else is at work then.
        """
        m.d.comb += [
            free_list.do_push.eq(index_walk.do_push & keeper.may_push),
            free_list.pushed.eq(index_walk.index),
            free_list.do_clear.eq(keeper.do_clear),
        ]
        context_waits = self.do_write_context & ~self.context_is_written
        m.d.comb += [
            # Whether or not there is something to write: what tells it comes from registers.
            wipe.must_hold.eq(~self.state_write_is_ready | ~self.words.is_ready | ~self.context_is_written),
            add.word_is_read.eq(self.words.is_ready),
            add.words_are_written.eq(self.words.is_ready & ~context_waits),
            add.generation.eq(self.words.data),
            add.link.eq(self.link.data),
            sweep.audit_is_taken.eq(self.ask_is_ready & self.words.is_ready & self.context_is_written),
            self.context_is_audited.eq(sweep.do_audit & self.context_is_written),
        ]
        index = Mux(sweep.do_audit, sweep.audit_index, add.index)
        with m.If(wipe.is_running):
            m.d.comb += [
                self.words.index.eq(wipe.position),
                self.words.do_write.eq(wipe.has_index & keeper.wipes_generations),
                self.words.write_data.eq(-1),
                self.link.index.eq(wipe.position),
                self.link.do_write.eq(self.words.do_write),
                self.link.write_data.eq(-1),
                self.do_write_context.eq(wipe.has_index),
                self.context_index.eq(wipe.position),
            ]
        with m.Else():
            m.d.comb += [
                self.words.index.eq(index),
                self.words.do_read.eq(add.do_read_word | sweep.do_audit),
                self.words.do_write.eq(add.do_write_words),
                self.words.write_data.eq(add.written_generation),
                self.link.index.eq(Mux(free_list.do_write_link, free_list.link_address, index)),
                self.link.do_read.eq((add.do_read_word | sweep.do_audit) & ~free_list.do_write_link),
                self.link.do_write.eq(free_list.do_write_link | add.do_write_words),
                self.link.write_data.eq(Mux(free_list.do_write_link, free_list.link, add.written_generation)),
                self.do_write_context.eq(add.do_write_words),
                self.context_index.eq(index),
                self.context.eq(add.request.context),
            ]
