"""The hash table: thousands of keys in block RAM, one lookup of each kind in every clock. Wiring only."""

from amaranth.hdl import Module, ResetInserter
from amaranth.lib.wiring import connect

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.table.head import SaTable

from .contexts import ContextStore
from .delete_pipe import DeletePipe
from .entry import sizes_of
from .generations import GenerationStore
from .handle_lookup import HandleLookup
from .key_lookup import KeyLookup
from .live import LiveStore
from .management import Management
from .way import Way


class HashedTable(SaTable):
    """An SA table whose keys are found by hashing. The promise is that of ``TableSignature``.

    Exact keys are permuted by a keyed bijection; each way takes its row address from a slice of the result and stores
    the rest, so a hit is exact. Wildcards live in a small CAM beside the ways.

    Parameters: ``config`` with ``hashed``.

    Latency: key lookups ``KeyLookup.latency(config)`` (29 with 8 ways), handle lookups ``HandleLookup.LATENCY`` (8),
    deletes ``DeletePipe.LATENCY`` (16), each one per clock, whatever the management does. Ready ``max(bundles,
    way_depth) + 8`` clocks after reset; a flush takes as long and the job that it met. An add takes about 50 clocks,
    ``Mover.CLOCKS_PER_MOVE`` (8) more for each move beyond the second.
    """

    def __init__(self, config: EngineConfig):
        super().__init__(
            config,
            key_latency=KeyLookup.latency(config),
            handle_latency=HandleLookup.LATENCY,
            delete_latency=DeletePipe.LATENCY,
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self._config
        # Lookups under way are answered whatever is reset, and answers are counted until they are retired.
        begins_anew = ResetInserter(self.do_reset)
        management, live, generations = Management(config), LiveStore(config), GenerationStore(config)
        delete_pipe = DeletePipe(config)
        m.submodules.management = begins_anew(management)
        m.submodules.live = begins_anew(live)
        m.submodules.generations = begins_anew(generations)
        m.submodules.delete_pipe = begins_anew(delete_pipe)
        # As lookups: what was read is looked at whatever is reset.
        m.submodules.contexts = contexts = ContextStore(config)
        m.submodules.key_lookup = key_lookup = KeyLookup(config)
        m.submodules.handle_lookup = handle_lookup = HandleLookup(config)

        self._elaborate_head(
            m,
            key_lookup=key_lookup,
            handle_lookup=handle_lookup,
            delete_pipe=delete_pipe,
            keeper=management,
            reuse=management,
        )

        # Receive: past the ways one after the other, then past the overflow; wildcards beside them.
        search, parity, found = key_lookup.search, key_lookup.search_parity, None
        for number in range(sizes_of(config).ways):
            way = Way(config, number=number)
            m.submodules[f"way_{number}"] = begins_anew(way)
            m.d.comb += [way.search.eq(search), way.search_parity.eq(parity)]
            if found is not None:
                m.d.comb += way.found.eq(found)
            search, parity, found = way.next_search, way.next_parity, way.next_found
            connect(m, management.ways[number], way.management)
        m.d.comb += [
            key_lookup.seed.eq(management.seed_in_use),
            key_lookup.way_found.eq(found),
            management.search.eq(search),
            key_lookup.overflow_found.eq(management.overflow_found),
            management.name.eq(key_lookup.name),
            key_lookup.wildcard_found.eq(management.wildcard_found),
            live.exact_key.address.eq(key_lookup.exact_index),
            key_lookup.exact_is_live.eq(live.exact_key.is_live),
            live.wildcard_key.address.eq(key_lookup.wildcard_index),
            key_lookup.wildcard_is_live.eq(live.wildcard_key.is_live),
        ]

        # Transmit and delete: by handle. What is stored of a bundle is good, or the bundle is a miss.
        for lookup, words, context in (
            (key_lookup, generations.key, contexts.key),
            (handle_lookup, generations.handle, contexts.handle),
        ):
            m.d.comb += [
                words.index.eq(lookup.index),
                lookup.generation.eq(words.generation),
                lookup.generation_was_good.eq(words.was_good & context.was_good),
                context.index.eq(lookup.index),
                lookup.context.eq(context.context),
            ]
        m.d.comb += [
            live.handle.address.eq(handle_lookup.index),
            handle_lookup.is_live.eq(live.handle.is_live),
            live.deletes.address.eq(delete_pipe.state_index),
            generations.delete.index.eq(delete_pipe.generation_index),
            generations.delete.do_read.eq(delete_pipe.do_read),
            delete_pipe.generation.eq(generations.delete.generation),
            delete_pipe.generation_was_good.eq(generations.delete.was_good),
            delete_pipe.state.eq(live.deletes.state),
            delete_pipe.sweep_parity.eq(management.sweep_parity),
            delete_pipe.is_closed.eq(management.deletes_are_closed),
            live.delete_write.do.eq(delete_pipe.do_delete),
            live.delete_write.index.eq(delete_pipe.delete_index),
            live.delete_write.state.eq(delete_pipe.delete_state),
            management.do_delete.eq(delete_pipe.do_delete),
            management.delete_key_count.eq(delete_pipe.delete_key_count),
            contexts.do_scrub.eq(delete_pipe.do_scrub),
            contexts.scrub_index.eq(delete_pipe.scrub_index),
        ]

        # Management.
        connect(m, management.states, live.manage)
        connect(m, management.generations, generations.manage)
        connect(m, management.links, generations.link)
        connect(m, management.contexts, contexts.manage)
        m.d.comb += [
            management.seed.eq(self.seed),
            *(
                getattr(self, name).eq(getattr(management, name))
                for name in ("live_bundles", "live_keys", "seed_is_open", "moved")
            ),
        ]
        m.d.sync += self.is_damaged.eq(
            management.was_damaged | live.has_error | generations.has_error | contexts.has_error
        )
        return m
