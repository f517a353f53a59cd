"""The sweep: wipes what dead bundles leave behind, and everything after a reset."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig

from .records import ManagementSignature


class Sweep(wiring.Component):
    """Clears every entry whose owner is being scrubbed, then the context of each such bundle, and moves its generation on.

    With ``clears_all`` every entry, record and context is cleared, generations too.

    Parameters: ``config``.

    Members: ``do_start`` with ``clears_all``; ``is_done``: strobe in the last clock. ``scrubbing``: constant meanwhile.
    ``used_limit``: entries at or above it are unused; ``used_limit_after`` with ``is_done``. ``store``.

    Latency: ``used_limit + bundles + 4`` clocks at most (``keys`` instead of ``used_limit`` when clearing all).
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

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        store = self.store
        clears_all = Signal()
        cursor = Signal(range(max(config.keys, config.bundles) + 1))
        cursor_q = Signal.like(cursor)
        entry_is_read = Signal()
        bundle_is_read = Signal()
        entry_limit = Signal.like(cursor)
        m.d.comb += [
            entry_limit.eq(Mux(clears_all, config.keys, self.used_limit)),
            store.entry_address.eq(cursor),
            store.index_address.eq(cursor),
            store.entry_write_address.eq(cursor_q),
            store.index_write_address.eq(cursor_q),
        ]
        m.d.sync += [cursor_q.eq(cursor), entry_is_read.eq(0), bundle_is_read.eq(0)]

        # What was read is judged in the clock after.
        with m.If(entry_is_read):
            owner_is_dead = self.scrubbing.bit_select(store.owner.index, 1)
            with m.If(clears_all | (store.entry.is_used & owner_is_dead)):
                m.d.comb += store.do_write_entry.eq(1)
            with m.Elif(store.entry.is_used):
                m.d.sync += self.used_limit_after.eq(cursor_q + 1)
        with m.If(bundle_is_read & (clears_all | self.scrubbing.bit_select(cursor_q, 1))):
            m.d.comb += [
                store.do_write_bundle.eq(1),
                store.written_record.generation.eq(Mux(clears_all, 0, store.record.generation + 1)),
            ]

        with m.FSM():
            with m.State("IDLE"), m.If(self.do_start):
                m.d.sync += [clears_all.eq(self.clears_all), cursor.eq(0), self.used_limit_after.eq(0)]
                m.next = "ENTRIES"
            with m.State("ENTRIES"):
                with m.If(cursor == entry_limit):
                    m.d.sync += cursor.eq(0)
                    m.next = "BUNDLES"
                with m.Else():
                    m.d.sync += [cursor.eq(cursor + 1), entry_is_read.eq(1)]
            with m.State("BUNDLES"):
                with m.If(cursor == config.bundles):
                    m.next = "DONE"
                with m.Else():
                    m.d.sync += [cursor.eq(cursor + 1), bundle_is_read.eq(1)]
            with m.State("DONE"):
                m.d.comb += self.is_done.eq(1)
                m.next = "IDLE"
        return m
