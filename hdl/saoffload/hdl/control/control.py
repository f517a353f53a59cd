"""The control room: registers in front; commands, completions, adds and windows behind them."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, ResetInserter, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from saoffload.hdl import layouts
from saoffload.hdl.bus.axi4 import Axi4LiteSignature
from saoffload.hdl.bus.lite_slave import LiteSlave
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.table.retire_watch import AGE_BITS

from .adds import DESTINATION_WORDS, Adds
from .bank import ADDRESS_WIDTH, WORD_ADDRESS_LOW, RegisterBank
from .commands import CommandQueue
from .completions import Completions
from .counters import EventCounters
from .flush import Flush
from .interrupts import Interrupts
from .request import Request
from .seed import SeedRegister
from .windows import WORD_NAMES, WindowStaging

#: Sources of interrupts, in the order of their bits.
INTERRUPTS = ("completion", "add_done", "ready", "table_lost", "refused", "retire_late")

#: Words of the completion at the queue's head, in the order of their registers.
COMPLETION_WORDS = ("status", "tag", "visited", "deleted", "not_found", "fault_low", "fault_high")

#: Event counters, in the order of their registers.
COUNTERS = (
    "key_lookups",
    "key_hits",
    "handle_lookups",
    "handle_hits",
    "key_waits",
    "handle_waits",
    "visited_nodes",
    "deleted_handles",
    "not_found_handles",
    "completions",
    "refused_doorbells",
    "refused_windows",
    "refused_adds",
    "unknown_aborts",
    "unknown_beats",
    "bad_retires",
)


#: Registers that are read from memories, by where these are.
EXTERNAL_GROUPS = {
    "completions": tuple(f"completion_{name}" for name in COMPLETION_WORDS),
    "counters": tuple(f"{name}_{half}" for name in COUNTERS for half in ("low", "high")),
}


class Control(wiring.Component):
    """Does what the driver writes and shows it what became of it; nothing that it refuses is refused silently.

    Every accepted command gets exactly one completion. It leaves its queue only with a place for that completion
    reserved, so nothing behind a completion ever waits for the host. After a reset all queues are empty and commands
    are refused until ``is_ready``.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    axi : ``In(Axi4LiteSignature)``
        The registers of ``registers.rdl``.
    irq : ``Out(1)``
        High while an enabled interrupt stands.
    do_request, is_pending, do_reset
        To and from the soft reset. While it is pending commands are refused as before ``is_ready``; in the clock of
        ``do_reset`` everything here begins anew but the AXI port, and what a register access of that clock asks for
        is void.
    commands, command_is_aborted, do_abort, abort_tag, abort_is_all, abort_is_done, abort_matches, results
        To and from the walker; ``abort_matches`` belongs to the clock of ``abort_is_done``, which comes in that of the
        next ``do_abort`` at the latest.
    window_writes, window_write_answers, window_is_locked, timeout
        To and from the window table and the fetch. ``window_is_locked`` belongs to the write that is offered or under
        way.
    busy_ids, lost_id_count, unknown_beat, is_active, visited_node : In
        From the walker and the read master.
    adds, add_answers, flushes, flush_answers, end_restores, graces, grace_answers
        To and from the table.
    seed : ``Out(64)``
        Of the table's hash; always 0 for a table without.
    is_ready, is_restoring, add_is_waiting, live_bundles, live_keys, seed_is_open : In
        State of the table.
    table_is_damaged : ``In(1)``
        Strobe: the table found an error of its own, so what it holds is void.
    key_lookup, key_hit, key_wait, handle_lookup, handle_hit, handle_wait : ``In(1)``
        Strobes of the packet path, to be counted.
    bad_retire : ``In(2)``
        Strobes too, one for each kind of lookup.
    retire_is_due, retire_age, retire_is_late : In
        What the packet path has kept, and a strobe when that is late.
    handle_deleted, handle_not_found : ``In(1)``
        Strobes of the walker's deletes, to be counted.
    completion_is_posted, flush_is_reported : ``Out(1)``
        Strobes: a completion enters the completion queue; the result of a flush is taken.

    Register accesses take what ``LiteSlave`` takes. Doorbell to offered command: 3 clocks, abort to ``do_abort``: 3,
    flush to ``flushes``: none; all counted from the clock in which the write reaches the registers, two after its
    handshakes.
    """

    axi: wiring.PureInterface
    commands: stream.Interface
    results: stream.Interface
    window_writes: stream.Interface
    window_write_answers: stream.Interface
    adds: stream.Interface
    add_answers: stream.Interface
    flushes: stream.Interface
    flush_answers: stream.Interface
    end_restores: stream.Interface
    graces: stream.Interface
    grace_answers: stream.Interface

    def __init__(self, config: EngineConfig):
        self._config = config
        nothing = stream.Signature(layouts.NOTHING)
        nothing_at_once = stream.Signature(layouts.NOTHING, always_ready=True)
        super().__init__(
            {
                "axi": In(Axi4LiteSignature(address_width=ADDRESS_WIDTH)),
                "irq": Out(1),
                "do_request": Out(1),
                "is_pending": In(1),
                "do_reset": In(1),
                "commands": Out(stream.Signature(layouts.COMMAND)),
                "command_is_aborted": Out(1),
                "do_abort": Out(1),
                "abort_tag": Out(layouts.TAG_BITS),
                "abort_is_all": Out(1),
                "abort_is_done": In(1),
                "abort_matches": In(1),
                "results": In(stream.Signature(layouts.COMPLETION)),
                "window_writes": Out(stream.Signature(layouts.window_write(config))),
                "window_write_answers": In(stream.Signature(layouts.WINDOW_ANSWER, always_ready=True)),
                "window_is_locked": Out(1),
                "timeout": Out(32),
                "busy_ids": In(1 << config.id_width),
                "lost_id_count": In(range((1 << config.id_width) + 1)),
                "unknown_beat": In(1),
                "is_active": In(1),
                "visited_node": In(1),
                "adds": Out(stream.Signature(layouts.add_request(config))),
                "add_answers": In(stream.Signature(layouts.ADD_ANSWER, always_ready=True)),
                "flushes": Out(nothing),
                "flush_answers": In(stream.Signature(layouts.flush_answer(config), always_ready=True)),
                "end_restores": Out(nothing),
                "graces": Out(nothing_at_once),
                "grace_answers": In(nothing_at_once),
                "seed": Out(layouts.SEED_BITS),
                "is_ready": In(1),
                "is_restoring": In(1),
                "add_is_waiting": In(1),
                "live_bundles": In(range(config.bundles + 1)),
                "live_keys": In(range(config.keys + 1)),
                "seed_is_open": In(1),
                "table_is_damaged": In(1),
                "key_lookup": In(1),
                "key_hit": In(1),
                "key_wait": In(1),
                "handle_lookup": In(1),
                "handle_hit": In(1),
                "handle_wait": In(1),
                "bad_retire": In(2),
                "retire_is_due": In(1),
                "retire_age": In(AGE_BITS),
                "retire_is_late": In(1),
                "handle_deleted": In(1),
                "handle_not_found": In(1),
                "completion_is_posted": Out(1),
                "flush_is_reported": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        config = self._config
        m = Module()
        m.submodules.slave = slave = LiteSlave(address_width=ADDRESS_WIDTH)
        m.submodules.bank = bank = RegisterBank(external_groups=EXTERNAL_GROUPS, is_small=config.prefers_block_ram)
        queue, flush, completions = CommandQueue(config), Flush(config), Completions(config)
        windows, adds, end_restore = WindowStaging(config), Adds(config), Request()
        interrupts = Interrupts(width=len(INTERRUPTS), init=1 << INTERRUPTS.index("table_lost"))
        counters = EventCounters(
            count=len(COUNTERS), width=config.counter_width, twice=(COUNTERS.index("bad_retires"),)
        )
        begins_anew = ResetInserter(self.do_reset)
        m.submodules.queue = begins_anew(queue)
        m.submodules.flush = begins_anew(flush)
        m.submodules.completions = begins_anew(completions)
        m.submodules.windows = begins_anew(windows)
        m.submodules.adds = begins_anew(adds)
        m.submodules.end_restore = begins_anew(end_restore)
        m.submodules.interrupts = begins_anew(interrupts)
        m.submodules.counters = begins_anew(counters)
        is_reading_q = Signal()
        refusals_q = Signal(data.StructLayout({"doorbell": 1, "window": 1, "add": 1}))
        m.d.sync += [
            is_reading_q.eq(self.busy_ids.any()),
            refusals_q.doorbell.eq(queue.do_refuse),
            refusals_q.window.eq(windows.do_refuse),
            refusals_q.add.eq(adds.do_refuse),
        ]
        with m.If(self.do_reset):
            m.d.sync += refusals_q.eq(0)
        parts = _Parts(
            bank,
            queue,
            flush,
            completions,
            windows,
            adds,
            end_restore,
            interrupts,
            counters,
            is_reading_q=is_reading_q,
            refusals_q=refusals_q,
        )

        connect(m, flipped(self.axi), slave.axi)
        connect(m, slave.registers, bank.port)
        connect(m, end_restore.requests, flipped(self.end_restores))
        m.d.comb += [
            self.timeout.eq(bank.settings.timeout.value),
            self.irq.eq(interrupts.irq),
            end_restore.do_request.eq(bank.writes.end_restore),
            # A flush discards what the table is offered as it takes it: that is what was asked for before it.
            end_restore.is_held.eq(flush.is_active),
            self.do_request.eq(bank.writes.reset & bank.write_data[0]),
            bank.do_reset.eq(self.do_reset),
            bank.external_data.eq(completions.read_data | counters.read_data),
        ]
        self._connect_commands(m, parts)
        self._connect_completions(m, parts)
        self._connect_windows(m, parts)
        self._connect_adds(m, parts)
        self._connect_seed(m, parts)
        self._connect_interrupts(m, parts)
        self._connect_counters(m, parts)
        self._show_state(m, parts)
        self._show_capabilities(m, parts)
        return m

    def _connect_commands(self, m: Module, parts: "_Parts") -> None:
        bank, queue, flush, completions = parts.bank, parts.queue, parts.flush, parts.completions
        # What changes it is no doorbell, so it may be known a clock late.
        is_ready_q = Signal()
        m.d.sync += is_ready_q.eq(self.is_ready & ~self.is_pending)
        connect(m, queue.commands, flipped(self.commands))
        connect(m, flush.flushes, flipped(self.flushes))
        connect(m, flipped(self.flush_answers), flush.flush_answers)
        m.d.comb += [
            queue.write_data.eq(bank.write_data),
            queue.do_stage_tag.eq(bank.writes.command_tag),
            queue.do_stage_head_low.eq(bank.writes.command_head_low),
            queue.do_stage_head_high.eq(bank.writes.command_head_high),
            queue.do_stage_budget.eq(bank.writes.command_budget),
            queue.do_ring.eq(bank.writes.doorbell),
            queue.do_abort.eq(bank.writes.abort | bank.writes.abort_all),
            queue.abort_is_all.eq(bank.writes.abort_all),
            queue.is_ready.eq(is_ready_q),
            # The last free place goes to a flush, so no command takes one in the clock of a doorbell. No command begins
            # while a window is being written.
            queue.may_flush.eq(completions.may_reserve & ~flush.is_active),
            queue.may_offer.eq(completions.may_reserve & ~queue.do_ring & ~parts.windows.is_busy),
            flush.do_flush.eq(queue.do_flush),
            flush.tag.eq(queue.flush_tag),
            completions.do_reserve.eq(queue.do_reserve | queue.do_flush),
            self.command_is_aborted.eq(queue.command_is_aborted),
            self.do_abort.eq(queue.do_mark),
            self.abort_tag.eq(bank.write_data),
            self.abort_is_all.eq(queue.mark_is_all),
        ]

    def _connect_completions(self, m: Module, parts: "_Parts") -> None:
        bank, completions = parts.bank, parts.completions
        connect(m, flipped(self.results), completions.walk_results)
        connect(m, parts.flush.results, completions.flush_results)
        connect(m, completions.graces, flipped(self.graces))
        connect(m, flipped(self.grace_answers), completions.grace_answers)
        m.d.comb += [
            completions.word.eq(bank.port.read_address[WORD_ADDRESS_LOW:]),
            completions.do_read.eq(bank.reads.completions),
            completions.do_pop.eq(bank.writes.completion_pop),
            self.completion_is_posted.eq(completions.do_post),
            self.flush_is_reported.eq(completions.flush_results.valid & completions.flush_results.ready),
        ]

    def _connect_windows(self, m: Module, parts: "_Parts") -> None:
        bank, windows = parts.bank, parts.windows
        connect(m, windows.writes, flipped(self.window_writes))
        connect(m, flipped(self.window_write_answers), windows.write_answers)
        m.d.comb += [
            windows.write_data.eq(bank.write_data),
            windows.do_stage.eq(Cat(bank.writes[f"window_{name}"] for name in WORD_NAMES)),
            windows.do_commit.eq(bank.writes.window_commit),
            windows.is_quiesced.eq(self._is_quiesced(parts)),
            self.window_is_locked.eq(windows.is_locked),
        ]

    def _connect_adds(self, m: Module, parts: "_Parts") -> None:
        bank, adds = parts.bank, parts.adds
        connect(m, adds.adds, flipped(self.adds))
        connect(m, flipped(self.add_answers), adds.add_answers)
        destinations = [
            bank.writes[f"add_sa_{sa}_destination_{word}"] for sa in range(2) for word in range(DESTINATION_WORDS)
        ]
        m.d.comb += [
            adds.write_data.eq(bank.write_data),
            adds.do_stage_handle_low.eq(bank.writes.add_handle_low),
            adds.do_stage_handle_high.eq(bank.writes.add_handle_high),
            adds.do_stage_control.eq(bank.writes.add_control),
            adds.do_stage_spi.eq(Cat(bank.writes[f"add_sa_{sa}_spi"] for sa in range(2))),
            adds.do_stage_destination.eq(Cat(destinations)),
            adds.do_stage_flags.eq(Cat(bank.writes[f"add_sa_{sa}_flags"] for sa in range(2))),
            adds.do_stage_context.eq(bank.writes.add_context),
            adds.context_word.eq(bank.address),
            adds.do_go.eq(bank.writes.add_go),
        ]

    def _connect_seed(self, m: Module, parts: "_Parts") -> None:
        bank = parts.bank
        m.d.comb += bank.values.status.seed_open.eq(self.seed_is_open)
        if self._config.hashed is None:
            return
        seed = SeedRegister()
        m.submodules.seed = ResetInserter(self.do_reset)(seed)
        m.d.comb += [
            seed.write_data.eq(bank.write_data),
            seed.do_stage_low.eq(bank.writes.seed_low),
            seed.do_set.eq(bank.writes.seed_high),
            self.seed.eq(seed.seed),
        ]

    def _connect_interrupts(self, m: Module, parts: "_Parts") -> None:
        bank, interrupts = parts.bank, parts.interrupts
        was_ready_q = Signal()
        m.d.sync += was_ready_q.eq(self.is_ready)
        events = {
            "completion": parts.completions.do_post,
            "add_done": parts.adds.do_finish,
            "ready": self.is_ready & ~was_ready_q,
            "table_lost": self.table_is_damaged,
            "refused": parts.refusals_q.as_value().any(),
            "retire_late": self.retire_is_late,
        }
        m.d.comb += [
            interrupts.events.eq(Cat(events[name] for name in INTERRUPTS)),
            interrupts.do_clear.eq(bank.writes.interrupt_status),
            interrupts.clear.eq(bank.write_data),
            interrupts.enable.eq(Cat(bank.settings.interrupt_enable[name] for name in INTERRUPTS)),
        ]
        m.d.comb += [
            bank.values.interrupt_status[name].eq(bit) for name, bit in zip(INTERRUPTS, interrupts.status, strict=True)
        ]

    def _connect_counters(self, m: Module, parts: "_Parts") -> None:
        bank, counters = parts.bank, parts.counters
        # The walker says some clocks later whether it is meant. An abort of all names nothing that could be unknown.
        is_known_q = Signal()
        with m.If(self.do_abort):
            m.d.sync += is_known_q.eq(parts.queue.do_find | self.abort_is_all)
        events = {
            "key_lookups": self.key_lookup,
            "key_hits": self.key_hit,
            "handle_lookups": self.handle_lookup,
            "handle_hits": self.handle_hit,
            "key_waits": self.key_wait,
            "handle_waits": self.handle_wait,
            "visited_nodes": self.visited_node,
            "deleted_handles": self.handle_deleted,
            "not_found_handles": self.handle_not_found,
            "completions": parts.completions.do_post,
            "refused_doorbells": parts.refusals_q.doorbell,
            "refused_windows": parts.refusals_q.window,
            "refused_adds": parts.refusals_q.add,
            "unknown_aborts": self.abort_is_done & ~is_known_q & ~self.abort_matches,
            "unknown_beats": self.unknown_beat,
            "bad_retires": self.bad_retire[0],
        }
        m.d.comb += [
            counters.events.eq(Cat(events[name] for name in COUNTERS)),
            counters.events_again[COUNTERS.index("bad_retires")].eq(self.bad_retire[1]),
            counters.is_high.eq(bank.address[0]),
            counters.do_read.eq(bank.reads.counters),
            # A read is known a clock before it is known of what.
            counters.do_pause.eq(bank.port.do_read),
            counters.index.eq(bank.port.read_address[WORD_ADDRESS_LOW + 1 :]),
        ]

    def _show_state(self, m: Module, parts: "_Parts") -> None:
        values, windows, adds = parts.bank.values, parts.windows, parts.adds
        status = values.status
        is_quiesced = Signal()
        m.d.comb += [
            is_quiesced.eq(self._is_quiesced(parts)),
            status.ready.eq(self.is_ready & ~self.is_pending),
            status.resetting.eq(self.is_pending),
            status.retire_due.eq(self.retire_is_due),
            status.quiesced.eq(is_quiesced),
            status.restoring.eq(self.is_restoring),
            status.table_lost.eq(parts.interrupts.status[INTERRUPTS.index("table_lost")]),
            status.command_queue_full.eq(parts.queue.is_full),
            status.completion_valid.eq(parts.completions.is_valid),
            status.flush_active.eq(parts.flush.is_active),
            status.add_busy.eq(adds.is_busy),
            status.add_waiting.eq(self.add_is_waiting),
            status.window_busy.eq(windows.is_busy),
            status.end_restore_busy.eq(parts.end_restore.is_pending),
            # Told a clock late, so it would outlive the last completion.
            status.walk_active.eq(self.is_active & ~is_quiesced),
            values.doorbell_result.result.eq(parts.queue.result),
            values.window_status.busy.eq(windows.is_busy),
            values.window_status.refused.eq(windows.was_refused),
            values.add_status.busy.eq(adds.is_busy),
            values.add_status.waiting.eq(self.add_is_waiting),
            values.add_status.done.eq(adds.is_done),
            values.add_status.go_refused.eq(adds.was_refused),
            values.add_status.result.eq(adds.result),
            values.add_status.staged.eq(adds.is_staged),
            values.add_answer_handle.value.eq(adds.handle),
            values.live_bundles.value.eq(self.live_bundles),
            values.live_keys.value.eq(self.live_keys),
            values.lost_ids.value.eq(self.lost_id_count),
            values.unretired_age.value.eq(self.retire_age),
        ]

    def _show_capabilities(self, m: Module, parts: "_Parts") -> None:
        values, config = parts.bank.values, self._config
        m.d.comb += [
            values.capacity_bundles.value.eq(config.bundles),
            values.capacity_keys.value.eq(config.keys),
            values.table_features.index_bits.eq(config.index_bits),
            values.table_features.ipv6.eq(config.ipv6),
            values.table_features.seed.eq(config.hashed is not None),
            values.table_features.epoch_width.eq(config.epoch_width),
            values.table_features.retire_watch.eq(config.watches_retires),
            values.context_width.value.eq(config.context_width),
            values.unretired_limit.value.eq(config.unretired_limit),
            values.bus_features.data_width.eq(config.data_width),
            values.bus_features.address_width.eq(config.address_width),
            values.bus_features.id_width.eq(config.id_width),
            values.queue_depths.command_depth.eq(config.command_depth),
            values.queue_depths.completion_depth.eq(config.completion_depth),
            values.window_count.value.eq(config.windows),
            values.counter_width.value.eq(config.counter_width),
        ]

    def _is_quiesced(self, parts: "_Parts") -> Value:
        """No command is between its doorbell and the completion queue, and no read is outstanding.

        Reads are known a clock late: one that begins is a command's, and one outlives the result of its command by less
        than the completion takes, or is seen here before that.
        """
        return parts.queue.is_empty & parts.completions.is_idle & ~parts.is_reading_q


@dataclass(frozen=True)
class _Parts:
    """The components of the room, to be wired, and what several of them are told."""

    bank: RegisterBank
    queue: CommandQueue
    flush: Flush
    completions: Completions
    windows: WindowStaging
    adds: Adds
    end_restore: Request
    interrupts: Interrupts
    counters: EventCounters
    is_reading_q: Signal
    #: Strobes, a clock late: a doorbell, a window or an add was refused.
    refusals_q: data.View
