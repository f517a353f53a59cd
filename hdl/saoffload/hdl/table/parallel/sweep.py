"""The sweep: wipes what dead bundles leave behind, and everything after a reset."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig

from .records import ManagementSignature


class Sweep(wiring.Component):
    """Clears every entry whose owner is being scrubbed, then the context of each such bundle, and moves its generation
    on.

    With ``clears_all`` every entry, record and context is cleared, generations too.

    Parameters: ``config``.

    Members: ``do_start`` with ``clears_all``; ``is_done``: strobe in the last clock. ``scrubbing``: constant meanwhile.
    ``used_limit``: entries at or above it are unused; ``used_limit_after`` with ``is_done``. ``store``.

    Latency: 2 clocks for each entry below ``used_limit`` (for each, when clearing all) and each bundle, 1 more for an
    entry that is cleared, or its write time, and 4; a delete in the clock of a bundle's read delays it by one.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "do_start": In(1),
                "clears_all": In(1),
                "is_done": Out(1),
                "scrubbing": In(config.bundles),
                "used_limit": In(range(config.keys + 1)),
                "used_limit_after": Out(range(config.keys + 1)),
                "store": Out(ManagementSignature(config)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self._config
        store = self.store
        clears_all = Signal()
        cursor = Signal(range(max(config.keys, config.bundles) + 1))
        entry_limit = Signal.like(cursor)
        owner_is_dead = self.scrubbing.bit_select(store.owner.index, 1)
        clears_entry = clears_all | (store.entry.is_used & owner_is_dead)
        m.d.comb += [
            entry_limit.eq(Mux(clears_all, config.keys, self.used_limit)),
            store.entry_address.eq(cursor),
            store.index_address.eq(cursor),
            store.entry_write_address.eq(cursor),
            store.index_write_address.eq(cursor),
            store.written_record.generation.eq(Mux(clears_all, 0, store.record.generation + 1)),
        ]

        with m.FSM():
            with m.State("IDLE"), m.If(self.do_start):
                m.d.sync += [clears_all.eq(self.clears_all), cursor.eq(0), self.used_limit_after.eq(0)]
                m.next = "READ_ENTRY"
            with m.State("READ_ENTRY"):
                with m.If(cursor == entry_limit):
                    m.d.sync += cursor.eq(0)
                    m.next = "READ_BUNDLE"
                with m.Else():
                    m.next = "JUDGE_ENTRY"
            # A write is held until it is done; what is read in its clock is not looked at again.
            with m.State("JUDGE_ENTRY"):
                m.d.sync += cursor.eq(cursor + 1)
                m.next = "READ_ENTRY"
                with m.If(clears_entry):
                    m.d.sync += cursor.eq(cursor)
                    m.next = "CLEAR_ENTRY"
                with m.Elif(store.entry.is_used):
                    m.d.sync += self.used_limit_after.eq(cursor + 1)
            with m.State("CLEAR_ENTRY"):
                m.d.comb += store.do_write_entry.eq(1)
                with m.If(store.entry_is_written):
                    m.d.sync += cursor.eq(cursor + 1)
                    m.next = "READ_ENTRY"
            with m.State("READ_BUNDLE"):
                with m.If(cursor == config.bundles):
                    m.next = "DONE"
                with m.Elif(store.index_is_read):
                    m.next = "JUDGE_BUNDLE"
            with m.State("JUDGE_BUNDLE"):
                m.d.comb += store.do_write_bundle.eq(clears_all | self.scrubbing.bit_select(cursor, 1))
                m.d.sync += cursor.eq(cursor + 1)
                m.next = "READ_BUNDLE"
            with m.State("DONE"):
                m.d.comb += self.is_done.eq(1)
                m.next = "IDLE"
        return m
