"""The management side of the hash table: its jobs, and what they share. Wiring only."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.table.signature import HostPorts, connect_host_ports

from .add import Add
from .contexts import ContextAccess
from .counts import BundleCounts
from .entry import KEY_BITS, found_layout, sizes_of
from .free_list import FreeList
from .generations import GenerationAccess
from .index_walk import IndexWalk
from .keeper import Keeper
from .keys import Keys
from .live import LiveManagement
from .permutation import SEED_BITS
from .states_port import StatesPort
from .sweep import Sweep
from .way import WayManagement
from .wildcards import NAME
from .wipe import Wipe
from .words_port import WordsPort


class Management(wiring.Component):
    """Adds, moves, sweeps, releases of indices and flushes: everything that changes what is stored, but deletes.

    The keeper starts one job at a time: ``Add``, ``Sweep``, ``IndexWalk``, ``Wipe``. A job reaches what is stored
    through three rooms: ``Keys``, ``StatesPort`` for the live store, ``WordsPort`` for generations, links and contexts.

    Parameters: ``config``.

    Members: ``HostPorts``; ``graces``/``grace_answers``; ``gate_is_closed``, ``deletes_are_closed``, ``sweep_parity``:
    see ``Keeper``; ``live_bundles``, ``live_keys``. ``do_delete``/``delete_key_count``: from the delete pipe.
    ``seed``, ``seed_in_use``, ``seed_is_open``, ``ways``, ``search``/``overflow_found``, ``name``/``wildcard_found``,
    ``moved``: see ``Keys``. ``states``, ``generations``, ``links``, ``contexts``: to the memories. ``was_damaged``:
    strobe.

    Latency: see ``Keeper``, ``Add`` and ``Mover``.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        grace = stream.Signature(layouts.NOTHING, always_ready=True)
        super().__init__(
            {
                **HostPorts(config).members,
                "graces": Out(grace),
                "grace_answers": In(grace),
                "gate_is_closed": Out(1),
                "deletes_are_closed": Out(1),
                "sweep_parity": Out(1),
                "live_bundles": Out(range(config.bundles + 1)),
                "live_keys": Out(range(config.keys + 1)),
                "do_delete": In(1),
                "delete_key_count": In(range(3)),
                "seed": In(SEED_BITS),
                "seed_in_use": Out(SEED_BITS),
                "seed_is_open": Out(1, init=1),
                "ways": Out(WayManagement(config)).array(sizes_of(config).ways),
                "search": In(KEY_BITS),
                "overflow_found": Out(found_layout(config)),
                "name": In(NAME.size),
                "wildcard_found": Out(found_layout(config)),
                "moved": Out(1),
                "states": Out(LiveManagement(config)),
                "generations": Out(GenerationAccess(config)),
                "links": Out(GenerationAccess(config)),
                "contexts": Out(ContextAccess(config)),
                "was_damaged": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self._config
        m.submodules.keeper = keeper = Keeper(config)
        m.submodules.add = add = Add(config)
        m.submodules.sweep = sweep = Sweep(config)
        m.submodules.index_walk = index_walk = IndexWalk(config)
        m.submodules.wipe = wipe = Wipe(config)
        m.submodules.free_list = free_list = FreeList(config)
        m.submodules.counts = counts = BundleCounts(config)
        m.submodules.keys = keys = Keys(config)
        m.submodules.states = states = StatesPort(config)
        m.submodules.words = words = WordsPort(config)

        connect_host_ports(m, config, self, keeper)
        connect(m, keeper.graces, flipped(self.graces))
        connect(m, flipped(self.grace_answers), keeper.grace_answers)
        for name in ("gate_is_closed", "deletes_are_closed", "sweep_parity"):
            m.d.comb += getattr(self, name).eq(getattr(keeper, name))
        self._wire_keeper(m, keeper, add, sweep, index_walk, wipe, keys)
        self._wire_counts(m, keeper, add, index_walk, counts)
        self._wire_add(m, keeper, add, free_list, counts, keys)
        self._wire_keys(m, keeper, add, sweep, wipe, keys)
        self._wire_states(m, add, sweep, index_walk, wipe, keys, states)
        self._wire_words(m, keeper, add, sweep, index_walk, wipe, free_list, words)
        m.d.comb += [
            sweep.audit_is_taken.eq(states.audits.is_taken & words.audit_is_taken),
            wipe.must_hold.eq(states.wipe_must_hold | words.wipe_must_hold),
        ]
        m.d.sync += self.was_damaged.eq(keys.was_damaged | sweep.was_damaged)
        return m

    def _wire_keeper(
        self, m: Module, keeper: Keeper, add: Add, sweep: Sweep, index_walk: IndexWalk, wipe: Wipe, keys: Keys
    ) -> None:
        """The jobs' strobes."""
        m.d.comb += [
            wipe.do_start.eq(keeper.wipe_start),
            keeper.wipe_is_done.eq(wipe.is_done),
            add.do_start.eq(keeper.add_start),
            keeper.add_is_done.eq(add.is_done),
            keeper.add_must_wait.eq(add.must_wait),
            keeper.add_holds_flush.eq(add.holds_flush),
            keeper.add_answer.eq(add.answer),
            add.answer_is_taken.eq(keeper.add_answer_is_taken),
            keeper.mover_is_idle.eq(keys.mover_is_idle),
            sweep.do_step.eq(keeper.step_start),
            sweep.do_restart.eq(keeper.step_restart),
            keeper.step_is_idle.eq(sweep.is_idle),
            keeper.pass_is_done.eq(sweep.pass_is_done),
            keeper.place_is_stuck.eq(sweep.place_is_stuck),
            keeper.row_is_cleared.eq(sweep.row_is_cleared),
            index_walk.do_step.eq(keeper.walk_start),
            index_walk.do_restart.eq(keeper.walk_restart),
            index_walk.picks_free.eq(keeper.is_linking),
            index_walk.sweep_parity.eq(keeper.sweep_parity),
            keeper.walk_is_idle.eq(index_walk.is_idle),
            keeper.walk_is_done.eq(index_walk.is_done),
            keeper.walk_did_push.eq(index_walk.do_push),
        ]

    def _wire_counts(self, m: Module, keeper: Keeper, add: Add, index_walk: IndexWalk, counts: BundleCounts) -> None:
        m.d.comb += [
            counts.do_commit.eq(add.commit.is_taken),
            counts.commit_key_count.eq(add.commit_key_count),
            counts.do_delete.eq(self.do_delete),
            counts.delete_key_count.eq(self.delete_key_count),
            counts.do_free.eq(index_walk.do_push & ~index_walk.picks_free),
            counts.do_clear.eq(keeper.do_clear),
            keeper.has_dead.eq(counts.has_dead),
            keeper.live_bundles.eq(counts.live_bundles),
            self.live_bundles.eq(counts.live_bundles),
            self.live_keys.eq(counts.live_keys),
        ]

    def _wire_add(
        self, m: Module, keeper: Keeper, add: Add, free_list: FreeList, counts: BundleCounts, keys: Keys
    ) -> None:
        """What an add is judged by, and the index that it gets."""
        m.d.comb += [
            add.request.eq(self.adds.payload),
            add.is_flushing.eq(keeper.is_flushing),
            add.is_restoring.eq(keeper.is_restoring),
            add.is_draining.eq(keeper.is_draining),
            # A place may come free as well while parked keys are still to be tried again.
            add.has_dead.eq(counts.has_dead | keeper.may_retry),
            add.live_bundles.eq(counts.live_bundles),
            add.live_keys.eq(counts.live_keys),
            add.free_places.eq(keys.free_places),
            add.free_wildcards.eq(keys.free_wildcards),
            add.has_free.eq(~free_list.is_empty),
            add.free_index.eq(free_list.head),
            free_list.do_pop.eq(add.do_pop),
            free_list.next_head.eq(add.next_head),
        ]

    def _wire_keys(self, m: Module, keeper: Keeper, add: Add, sweep: Sweep, wipe: Wipe, keys: Keys) -> None:
        """Lookups on one side; on the other adds, the sweep and the wipe."""
        for near, far in zip(self.ways, keys.ways, strict=True):
            connect(m, far, flipped(near))
        connect(m, add.placement, keys.placement)
        connect(m, sweep.keys, keys.swept)
        connect(m, wipe.progress, keys.wipe)
        for name in ("search", "name", "seed"):
            m.d.comb += getattr(keys, name).eq(getattr(self, name))
        for name in ("overflow_found", "wildcard_found", "seed_in_use", "seed_is_open", "moved"):
            m.d.comb += getattr(self, name).eq(getattr(keys, name))
        m.d.comb += [
            keys.do_use_seed.eq(add.do_start & keeper.is_ready),
            keys.has_pending.eq(add.has_pending),
            keys.pending_index.eq(add.index),
            keys.do_retry.eq(keeper.do_retry),
            keys.wipe_start.eq(keeper.wipe_start),
            keys.do_clear.eq(keeper.do_clear),
        ]

    def _wire_states(
        self, m: Module, add: Add, sweep: Sweep, index_walk: IndexWalk, wipe: Wipe, keys: Keys, states: StatesPort
    ) -> None:
        connect(m, states.store, flipped(self.states))
        connect(m, keys.move_question, states.moves)
        connect(m, keys.placement_question, states.placements)
        connect(m, add.question, states.adds)
        connect(m, sweep.question, states.sweeps)
        connect(m, index_walk.question, states.walks)
        connect(m, add.commit, states.commits)
        connect(m, index_walk.release, states.releases)
        connect(m, wipe.progress, states.wipe)
        m.d.comb += [states.audits.do.eq(sweep.do_audit), states.audits.index.eq(sweep.audit_index)]

    def _wire_words(
        self,
        m: Module,
        keeper: Keeper,
        add: Add,
        sweep: Sweep,
        index_walk: IndexWalk,
        wipe: Wipe,
        free_list: FreeList,
        words: WordsPort,
    ) -> None:
        """The words of an index, and the free list that is strung through them."""
        for name in ("generations", "links", "contexts"):
            connect(m, getattr(words, name), flipped(getattr(self, name)))
        connect(m, add.words, words.add)
        connect(m, free_list.link_write, words.link_write)
        connect(m, wipe.progress, words.wipe)
        m.d.comb += [
            words.do_audit.eq(sweep.do_audit),
            words.audit_index.eq(sweep.audit_index),
            words.wipes_generations.eq(keeper.wipes_generations),
            free_list.do_push.eq(index_walk.do_push & keeper.may_push),
            free_list.pushed.eq(index_walk.index),
            free_list.do_clear.eq(keeper.do_clear),
        ]
