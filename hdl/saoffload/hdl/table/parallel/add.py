"""Adding one bundle: judge it, look for its keys and for room, write, and make it live in one clock."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.table.add_ports import AddPorts
from saoffload.hdl.table.handles import generation_of, index_of, is_well_formed, to_handle

from .match import is_storable, is_supported, to_stored
from .records import ManagementSignature
from .timing import KEY_MATCH_TO_LIVE, LIVE_TO_ANSWER


class Add(wiring.Component):
    """Adds one bundle. The promise is that of ``AddPorts``.

    Nothing is written before it is sure to be OK. The bundle becomes live when every lookup that judged its entries
    before they were written has ended. While a flush is under way, what was written is wiped.

    Parameters: ``config``.

    Members: ``AddPorts``, of which ``is_flushing`` never begins while ``is_appearing``, the ``LIVE_TO_ANSWER`` + 1
    clocks between the last look at it and an answer OK. From the life cycle: ``live``, ``free_is_known``,
    ``free_index``, ``query_index``/``is_taken``; to it ``do_commit``, ``commit_index``. ``used_limit``: entries at or
    above it are unused; ``used_limit_after`` with ``do_commit``. ``store``.

    Latency: at most ``used_limit + 16`` clocks, and the entries' write times, twice if they are wiped.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        index = range(config.bundles)
        super().__init__(
            {
                **AddPorts(config).members,
                "is_appearing": Out(1),
                "live": In(config.bundles),
                "free_is_known": In(1),
                "free_index": In(index),
                "query_index": Out(index),
                "is_taken": In(1),
                "do_commit": Out(1),
                "commit_index": Out(index),
                "used_limit": In(range(config.keys + 1)),
                "used_limit_after": Out(range(config.keys + 1)),
                "store": Out(ManagementSignature(config)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self._config
        request, store = self.request, self.store
        keys = [to_stored(config, request.keys[number]) for number in range(2)]
        has_second = request.sa_count == 2
        key_count = self.commit_key_count
        index = self.commit_index
        named_index = index_of(config, request.handle)
        m.d.comb += [
            key_count.eq(Mux(request.direction == layouts.Direction.INBOUND, request.sa_count, 0)),
            index.eq(Mux(self.is_restoring, named_index, self.free_index)),
            self.query_index.eq(named_index),
            store.index_address.eq(index),
        ]
        refusal = self._judge_request(m, has_second)
        scan = self._scan(m, keys, key_count)

        decision = Signal(layouts.AddResult)
        waits_for_index = Mux(self.is_restoring, self.is_taken, ~self.free_is_known)
        must_wait = Signal()
        inner_duplicate = (key_count == 2) & (keys[0].as_value() == keys[1].as_value())
        with m.If(scan["has_live_twin"] | inner_duplicate):
            m.d.comb += decision.eq(layouts.AddResult.DUPLICATE)
        with m.Elif((self.live_bundles == config.bundles) | (self.live_keys + key_count > config.keys)):
            m.d.comb += decision.eq(layouts.AddResult.FULL)
        with m.Else():
            m.d.comb += must_wait.eq(waits_for_index | scan["has_dead_twin"] | ~scan["has_room"])

        handle = Signal(layouts.HANDLE_BITS)
        result = Signal(layouts.AddResult)
        pause = Signal(range(max(KEY_MATCH_TO_LIVE, LIVE_TO_ANSWER) + 1))
        is_wiping = Signal()
        m.d.comb += [
            self.answer.result.eq(result),
            self.answer.handle.eq(Mux(result == layouts.AddResult.OK, handle, 0)),
            self.used_limit_after.eq(scan["used_limit_after"]),
            store.index_write_address.eq(index),
            store.written_record.generation.eq(generation_of(config, handle)),
            store.written_record.direction.eq(request.direction),
            store.written_record.key_count.eq(key_count),
            store.written_context.context.eq(Mux(is_wiping, 0, request.context)),
            store.written_entry.is_used.eq(~is_wiping),
            store.written_owner.index.eq(index),
        ]
        with m.FSM():
            with m.State("IDLE"), m.If(self.do_start):
                m.next = "JUDGE"
            with m.State("JUDGE"):
                m.d.sync += result.eq(refusal)
                with m.If(refusal != layouts.AddResult.OK):
                    m.next = "OFFER"
                with m.Else():
                    m.d.comb += scan["do_start"].eq(1)
                    m.next = "SCAN"
            # The record of the index is read in the last clock here.
            with m.State("SCAN"), m.If(scan["is_done"] & store.index_is_read):
                m.next = "DECIDE"
            with m.State("DECIDE"):
                m.d.sync += [
                    result.eq(decision),
                    handle.eq(
                        Mux(
                            self.is_restoring,
                            request.handle,
                            to_handle(config, self.free_index, store.record.generation),
                        )
                    ),
                ]
                with m.If(must_wait):
                    m.d.comb += [self.is_done.eq(1), self.must_wait.eq(1)]
                    m.next = "IDLE"
                with m.Elif(decision != layouts.AddResult.OK):
                    m.next = "OFFER"
                with m.Else():
                    m.next = "WRITE_FIRST"
            with m.State("WRITE_FIRST"):
                m.d.comb += [
                    store.do_write_bundle.eq(1),
                    store.do_write_entry.eq(key_count != 0),
                    store.entry_write_address.eq(scan["entries"][0]),
                    store.written_entry.key.eq(keys[0]),
                    store.written_owner.sa_number.eq(0),
                ]
                with m.If((key_count == 0) | store.entry_is_written):
                    m.next = "WRITE_SECOND"
            with m.State("WRITE_SECOND"):
                m.d.comb += [
                    store.do_write_entry.eq(key_count == 2),
                    store.entry_write_address.eq(scan["entries"][1]),
                    store.written_entry.key.eq(keys[1]),
                    store.written_owner.sa_number.eq(1),
                ]
                m.d.sync += pause.eq(KEY_MATCH_TO_LIVE)
                with m.If((key_count != 2) | store.entry_is_written):
                    m.next = "SETTLE"
                    with m.If(is_wiping):
                        m.d.comb += [self.is_done.eq(1), self.must_wait.eq(1)]
                        m.d.sync += is_wiping.eq(0)
                        m.next = "IDLE"
            with m.State("SETTLE"):
                m.d.sync += pause.eq(pause - 1)
                with m.If(pause == 1):
                    m.next = "COMMIT"
            with m.State("COMMIT"):
                m.d.sync += pause.eq(LIVE_TO_ANSWER)
                with m.If(self.is_flushing):
                    m.d.sync += is_wiping.eq(1)
                    m.next = "WRITE_FIRST"
                with m.Else():
                    m.d.comb += [self.do_commit.eq(1), self.is_appearing.eq(1)]
                    m.next = "APPEAR"
            # An answer must not come before a lookup answered with it would hit.
            with m.State("APPEAR"):
                m.d.comb += self.is_appearing.eq(1)
                m.d.sync += pause.eq(pause - 1)
                with m.If(pause == 1):
                    m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += [self.is_done.eq(1), self.must_wait.eq(self.is_flushing)]
                with m.If(self.is_flushing | self.answer_is_taken):
                    m.next = "IDLE"
                with m.Else():
                    m.next = "HOLD"
            with m.State("HOLD"):
                m.d.comb += self.is_done.eq(1)
                with m.If(self.answer_is_taken):
                    m.next = "IDLE"
        return m

    def _judge_request(self, m: Module, has_second: Signal) -> Signal:
        """What is wrong with the request itself."""
        config, request = self._config, self.request
        refusal = Signal(layouts.AddResult)
        # The keys of an outbound bundle are not kept: only their family counts.
        is_outbound = request.direction == layouts.Direction.OUTBOUND
        first_fits, second_fits = (
            is_storable(config, key) | (is_outbound & is_supported(config, key)) for key in request.keys
        )
        fits = first_fits & (~has_second | second_fits)
        counts = (request.sa_count == 1) | has_second
        is_live = self.live.bit_select(index_of(config, request.handle), 1)
        with m.If(~(counts & fits)):
            m.d.comb += refusal.eq(layouts.AddResult.UNSUPPORTED)
        with m.Elif(self.is_restoring & (request.handle == 0)):
            m.d.comb += refusal.eq(layouts.AddResult.RESTORE_MODE)
        with m.Elif(self.is_restoring & ~is_well_formed(config, request.handle)):
            m.d.comb += refusal.eq(layouts.AddResult.BAD_HANDLE)
        with m.Elif(self.is_restoring & is_live):
            m.d.comb += refusal.eq(layouts.AddResult.HANDLE_IN_USE)
        return refusal

    def _scan(self, m: Module, keys: list, key_count: Signal) -> dict:
        """Read every entry in use once: is a key there already, live or dead, and which entries are unused?"""
        config, store = self._config, self.store
        # What a full table would need for two more keys must not come round to a number that fits.
        entry = range(config.keys + 3)
        do_start = Signal()
        is_scanning = Signal()
        is_read = Signal()
        cursor = Signal(entry)
        cursor_q = Signal(entry)
        has_live_twin = Signal()
        has_dead_twin = Signal()
        found_count = Signal(range(3))
        found = [Signal(entry, name=f"found_{number}") for number in range(2)]

        is_at_end = cursor == self.used_limit
        m.d.comb += store.entry_address.eq(cursor)
        m.d.sync += [cursor_q.eq(cursor), is_read.eq(is_scanning & ~is_at_end & (key_count != 0))]
        with m.If(do_start):
            m.d.sync += [cursor.eq(0), is_scanning.eq(1), has_live_twin.eq(0), has_dead_twin.eq(0), found_count.eq(0)]
        with m.Elif(is_scanning):
            with m.If(is_at_end | (key_count == 0)):
                m.d.sync += is_scanning.eq(0)
            with m.Else():
                m.d.sync += cursor.eq(cursor + 1)

        is_twin = (store.entry.key.as_value() == keys[0].as_value()) | (
            (key_count == 2) & (store.entry.key.as_value() == keys[1].as_value())
        )
        owner_is_live = self.live.bit_select(store.owner.index, 1)
        with m.If(is_read & store.entry.is_used & is_twin):
            m.d.sync += [
                has_live_twin.eq(has_live_twin | owner_is_live),
                has_dead_twin.eq(has_dead_twin | ~owner_is_live),
            ]
        with m.If(is_read & ~store.entry.is_used & (found_count != 2)):
            m.d.sync += found_count.eq(found_count + 1)
            with m.If(found_count == 0):
                m.d.sync += found[0].eq(cursor_q)
            with m.Else():
                m.d.sync += found[1].eq(cursor_q)

        # Entries that the scan found unused come first, then those above the limit.
        limit = self.used_limit
        from_above = Mux(key_count > found_count, key_count - found_count, 0)
        limit_after = Signal(entry)
        m.d.comb += limit_after.eq(limit + from_above)
        return {
            "do_start": do_start,
            "is_done": ~is_scanning & ~is_read,
            "has_live_twin": has_live_twin,
            "has_dead_twin": has_dead_twin,
            "has_room": limit_after <= config.keys,
            "entries": [
                Mux(found_count >= 1, found[0], limit),
                Mux(found_count == 2, found[1], limit + (found_count == 0)),
            ],
            "used_limit_after": limit_after,
        }
