"""The parallel CAM: every key in registers beside its own comparator. For small tables; wiring only."""

from amaranth.hdl import Module, Mux, ResetInserter

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.memory import SharedMemory
from saoffload.hdl.table.head import SaTable

from .block_match import BlockMatchArray
from .delete_pipe import DeletePipe
from .handle_lookup import HandleLookup
from .keeper import Keeper
from .key_lookup import KeyLookup
from .lifecycle import BundleLifecycle
from .match import MatchArray
from .records import FLAGS, context_layout, numbers_layout, owner_layout, record_layout

DELETE = 2
"""The reader of the record memory that is neither kind of lookup."""


class ParallelTable(SaTable):
    """An SA table whose keys are all compared at once. The promise is that of ``TableSignature``.

    Parameters: ``config``: ``bundles`` indices, ``keys`` comparators.

    Latency: key lookups ``KeyLookup.LATENCY`` (6) clocks, handle lookups ``HandleLookup.LATENCY`` (3), deletes
    ``DeletePipe.LATENCY`` (4), each one per clock. Ready ``3 * keys + 2 * bundles + 6`` clocks after reset. An add
    takes at most ``keys + 20`` clocks when it meets no other job and room is free. With ``prefers_block_ram`` the
    comparators are memories, and every entry that is written or wiped takes 256 clocks more.
    """

    def __init__(self, config: EngineConfig):
        super().__init__(
            config,
            key_latency=KeyLookup.LATENCY,
            handle_latency=HandleLookup.LATENCY,
            delete_latency=DeletePipe.LATENCY,
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self._config
        # Lookups under way are answered whatever is reset, and answers are counted until they are retired.
        begins_anew = ResetInserter(self.do_reset)
        match = (BlockMatchArray if config.prefers_block_ram else MatchArray)(config)
        m.submodules.match = begins_anew(match)
        m.submodules.owners = owners = SharedMemory(shape=owner_layout(config), depth=config.keys, readers=3)
        # The single bits of an entry apart: beside them its numbers fill whole memories.
        m.submodules.entries = entries = SharedMemory(
            shape=numbers_layout(config), depth=config.keys, readers=1, in_block_ram=config.prefers_block_ram
        )
        m.submodules.flags = flags = SharedMemory(shape=FLAGS, depth=config.keys, readers=1)
        m.submodules.records = records = SharedMemory(
            shape=record_layout(config), depth=config.bundles, readers=3, in_block_ram=config.prefers_block_ram
        )
        lifecycle, keeper, delete_pipe = BundleLifecycle(config), Keeper(config), DeletePipe(config)
        m.submodules.lifecycle = begins_anew(lifecycle)
        m.submodules.keeper = begins_anew(keeper)
        m.submodules.delete_pipe = begins_anew(delete_pipe)
        m.submodules.key_lookup = key_lookup = KeyLookup(config)
        m.submodules.handle_lookup = handle_lookup = HandleLookup(config)

        self._elaborate_head(
            m,
            key_lookup=key_lookup,
            handle_lookup=handle_lookup,
            delete_pipe=delete_pipe,
            keeper=keeper,
            reuse=lifecycle,
        )
        m.d.comb += [
            key_lookup.live.eq(lifecycle.live),
            handle_lookup.live.eq(lifecycle.live),
        ]

        # Comparators and memories. The management writes; everybody reads through a port of his own.
        store = keeper.store
        m.d.comb += [
            match.search.eq(key_lookup.search),
            key_lookup.exact_found.eq(match.exact_found),
            key_lookup.exact_entry.eq(match.exact_entry),
            key_lookup.wildcard_found.eq(match.wildcard_found),
            key_lookup.wildcard_entry.eq(match.wildcard_entry),
            match.do_write.eq(store.do_write_entry),
            match.entry.eq(store.entry_write_address),
            match.is_used.eq(store.written_entry.is_used),
            match.key.eq(store.written_entry.key),
            store.entry_is_written.eq(match.write_is_done),
        ]
        owner_readers = (*key_lookup.owner_addresses, store.entry_address)
        m.d.comb += [
            *(port.eq(address) for port, address in zip(owners.read_addresses, owner_readers, strict=True)),
            key_lookup.owners[0].eq(owners.read_data[0]),
            key_lookup.owners[1].eq(owners.read_data[1]),
            store.owner.eq(owners.read_data[2]),
            # A cleared entry keeps its owner: a lookup that it matched may still be on its way there.
            owners.do_write.eq(store.do_write_entry & store.written_entry.is_used),
            owners.write_address.eq(store.entry_write_address),
            owners.write_data.eq(store.written_owner),
            entries.read_addresses[0].eq(store.entry_address),
            entries.do_write.eq(store.do_write_entry),
            entries.write_address.eq(store.entry_write_address),
            flags.read_addresses[0].eq(store.entry_address),
            flags.do_write.eq(store.do_write_entry),
            flags.write_address.eq(store.entry_write_address),
            flags.write_data.is_used.eq(store.written_entry.is_used),
            flags.write_data.protocol.eq(store.written_entry.key.protocol),
            store.entry.is_used.eq(flags.read_data[0].is_used),
            store.entry.key.protocol.eq(flags.read_data[0].protocol),
            *(entries.write_data[name].eq(store.written_entry.key[name]) for name in numbers_layout(config).members),
            *(store.entry.key[name].eq(entries.read_data[0][name]) for name in numbers_layout(config).members),
            # Deletes and the management share a port; a delete never waits.
            store.record.eq(records.read_data[DELETE]),
            store.index_is_read.eq(~self.deletes.valid),
            records.read_addresses[DELETE].eq(Mux(self.deletes.valid, delete_pipe.index, store.index_address)),
            delete_pipe.record.eq(records.read_data[DELETE]),
            records.do_write.eq(store.do_write_bundle),
            records.write_address.eq(store.index_write_address),
            records.write_data.eq(store.written_record),
        ]
        for number, reader in enumerate((key_lookup, handle_lookup)):
            m.d.comb += [
                records.read_addresses[number].eq(reader.index),
                reader.record.eq(records.read_data[number]),
            ]
        if config.context_width:
            m.submodules.contexts = contexts = SharedMemory(
                shape=context_layout(config), depth=config.bundles, readers=2, in_block_ram=config.prefers_block_ram
            )
            m.d.comb += [
                contexts.do_write.eq(store.do_write_bundle),
                contexts.write_address.eq(store.index_write_address),
                contexts.write_data.eq(store.written_context),
            ]
            for number, reader in enumerate((key_lookup, handle_lookup)):
                m.d.comb += [
                    contexts.read_addresses[number].eq(reader.index),
                    reader.context.eq(contexts.read_data[number]),
                ]

        # Life and death of bundles.
        m.d.comb += [
            delete_pipe.live.eq(lifecycle.live),
            keeper.do_delete.eq(delete_pipe.do_delete),
            *(
                getattr(lifecycle, name).eq(getattr(delete_pipe, name))
                for name in ("do_delete", "delete_index", "delete_key_count")
            ),
            *(
                getattr(lifecycle, name).eq(getattr(keeper, name))
                for name in (
                    "do_commit",
                    "commit_index",
                    "commit_key_count",
                    "do_flush",
                    "do_begin_scrub",
                    "do_end_scrub",
                    "query_index",
                )
            ),
            *(
                getattr(keeper, name).eq(getattr(lifecycle, name))
                for name in (
                    "live",
                    "scrubbing",
                    "has_dead",
                    "live_bundles",
                    "live_keys",
                    "free_is_known",
                    "free_index",
                    "is_taken",
                )
            ),
            self.live_bundles.eq(lifecycle.live_bundles),
            self.live_keys.eq(lifecycle.live_keys),
        ]
        return m
