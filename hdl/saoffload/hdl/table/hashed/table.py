"""The hash table: thousands of keys in block RAM, one lookup of each kind in every clock. Wiring only."""

from amaranth.hdl import Cat, Const, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.dual_port import DualPortMemory
from saoffload.hdl.table.packet_path import REUSE, PacketPath, connect_packet_path
from saoffload.hdl.table.signature import TableSignature

from .delete_pipe import DeletePipe
from .entry import sizes_of
from .generations import GenerationStore
from .handle_lookup import HandleLookup
from .key_lookup import KeyLookup
from .live import LiveStore
from .management import Management
from .timing import MEMORY_LATENCY
from .trees import parity_groups
from .way import Way


class HashedTable(wiring.Component):
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
        self._config = config
        super().__init__(TableSignature(config))

    @property
    def key_latency(self) -> int:
        """Clocks from a key lookup's request to its answer."""
        return KeyLookup.latency(self._config)

    @property
    def handle_latency(self) -> int:
        """Clocks from a handle lookup's request to its answer."""
        return HandleLookup.LATENCY

    @property
    def delete_latency(self) -> int:
        """Clocks from a delete to its answer."""
        return DeletePipe.LATENCY

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
        m.submodules.packet_path = path = PacketPath(config)
        m.submodules.key_lookup = key_lookup = KeyLookup(config)
        m.submodules.handle_lookup = handle_lookup = HandleLookup(config)

        connect_packet_path(m, path, self, key_lookup=key_lookup, handle_lookup=handle_lookup)
        m.d.comb += path.gate_is_closed.eq(management.gate_is_closed)

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
            generations.key.index.eq(key_lookup.index),
        ]

        # Transmit and delete: by handle. What is stored of a bundle is good, or the bundle is a miss.
        contexts_were_good, context_has_error = self._elaborate_contexts(
            m, management, delete_pipe, key_lookup, handle_lookup
        )
        for pipe, words, context_was_good in (
            (key_lookup, generations.key, contexts_were_good[0]),
            (handle_lookup, generations.handle, contexts_were_good[1]),
            (delete_pipe, generations.delete, Const(1)),
        ):
            m.d.comb += [
                pipe.generation.eq(words.generation),
                pipe.generation_was_good.eq(words.was_good & context_was_good),
            ]
        connect(m, flipped(self.deletes), delete_pipe.deletes)
        connect(m, delete_pipe.delete_answers, flipped(self.delete_answers))
        m.d.comb += [
            live.handle.address.eq(handle_lookup.index),
            generations.handle.index.eq(handle_lookup.index),
            handle_lookup.is_live.eq(live.handle.is_live),
            live.deletes.address.eq(delete_pipe.state_index),
            generations.delete.index.eq(delete_pipe.generation_index),
            generations.delete.do_read.eq(delete_pipe.do_read),
            delete_pipe.state.eq(live.deletes.state),
            delete_pipe.sweep_parity.eq(management.sweep_parity),
            delete_pipe.is_closed.eq(management.deletes_are_closed),
            live.delete_write.do.eq(delete_pipe.do_delete),
            live.delete_write.index.eq(delete_pipe.delete_index),
            live.delete_write.state.eq(delete_pipe.delete_state),
            management.do_delete.eq(delete_pipe.do_delete),
            management.delete_key_count.eq(delete_pipe.delete_key_count),
        ]

        # Management.
        connect(m, management.state_write, live.manage_write)
        connect(m, management.words, generations.manage)
        connect(m, management.link, generations.link)
        connect(m, management.graces, path.graces[REUSE])
        connect(m, path.grace_answers[REUSE], management.grace_answers)
        for port in ("adds", "flushes", "end_restores"):
            connect(m, flipped(getattr(self, port)), getattr(management, port))
        for port in ("add_answers", "flush_answers"):
            connect(m, getattr(management, port), flipped(getattr(self, port)))
        m.d.comb += [
            management.seed.eq(self.seed),
            management.state_write_is_ready.eq(live.manage_write_is_ready),
            live.manage_read.do.eq(management.do_ask),
            live.manage_read.index.eq(management.ask_index),
            management.ask_is_ready.eq(live.manage_read_is_ready),
            management.ask_state.eq(live.manage_state),
            *(
                getattr(self, name).eq(getattr(management, name))
                for name in (
                    "is_ready",
                    "is_restoring",
                    "add_is_waiting",
                    "live_bundles",
                    "live_keys",
                    "seed_is_open",
                    "moved",
                )
            ),
        ]
        m.d.sync += self.is_damaged.eq(
            management.was_damaged | live.has_error | generations.has_error | context_has_error
        )
        return m

    def _elaborate_contexts(
        self,
        m: Module,
        management: Management,
        delete_pipe: DeletePipe,
        key_lookup: KeyLookup,
        handle_lookup: HandleLookup,
    ) -> tuple[list[Value], Value]:
        """One copy for each kind of lookup, with even parity. A dead bundle's word goes as soon as no lookup can be on
        its way to it. Returns of both copies whether the word of a clock ago was good, and whether an audit met one
        that is not.
        """
        m.d.comb += management.context_is_written.eq(1)
        if not self._config.context_width:
            return [Const(1), Const(1)], Const(0)
        is_audited = Signal(MEMORY_LATENCY + 1)
        m.d.sync += is_audited.eq(Cat(management.context_is_audited, is_audited[:-1]))
        context = Signal(self._config.context_width)
        were_good, errors = [], []
        m.d.comb += context.eq(Mux(delete_pipe.do_scrub, 0, management.context))
        m.d.comb += management.context_is_written.eq(~delete_pipe.do_scrub)
        for name, lookup in (("key", key_lookup), ("handle", handle_lookup)):
            memory = DualPortMemory(width=self._config.context_width + 1, depth=self._config.bundles)
            m.submodules[f"{name}_contexts"] = memory
            m.d.comb += [
                memory.a_address.eq(lookup.index),
                lookup.context.eq(memory.a_data),
                memory.b_address.eq(Mux(delete_pipe.do_scrub, delete_pipe.scrub_index, management.context_index)),
                memory.b_do_write.eq(delete_pipe.do_scrub | management.do_write_context),
                memory.b_write_data.eq(Cat(context, context.xor())),
            ]
            parities = [
                Signal(len(parity_groups(word)), name=f"{name}_parities_{port}", reset_less=True)
                for port, word in (("a", memory.a_data), ("b", memory.b_data))
            ]
            m.d.sync += [
                parities[0].eq(parity_groups(memory.a_data)),
                parities[1].eq(parity_groups(memory.b_data)),
            ]
            were_good.append(~parities[0].xor())
            errors.append(is_audited[-1] & parities[1].xor())
        had_error = Signal()
        m.d.sync += had_error.eq(Cat(errors).any())
        return were_good, had_error
