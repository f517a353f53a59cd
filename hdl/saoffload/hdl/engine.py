"""The whole engine: control, walk, bus and table, wired."""

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from saoffload.hdl import layouts
from saoffload.hdl.bus.axi4 import Axi4LiteSignature, Axi4ReadSignature
from saoffload.hdl.bus.choice import read_master
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.control.bank import ADDRESS_WIDTH
from saoffload.hdl.control.control import Control
from saoffload.hdl.soft_reset import SoftReset
from saoffload.hdl.table.choice import sa_table
from saoffload.hdl.table.head import SaTable
from saoffload.hdl.table.signature import TableSignature
from saoffload.hdl.walk.walk import Walk

PACKET_PATH = (
    "key_requests",
    "key_answers",
    "key_retires",
    "handle_requests",
    "handle_answers",
    "handle_retires",
)
"""The streams of ``TableSignature`` that belong to the packet path."""


class Trace(wiring.Signature):
    """What a bench or a logic analyser sees of the walks: never stalls, never matters to the engine.

    Commands walk at the same time, each in a *context*: from the strobe that it was taken to the one of its result, its
    number names the command. ``command_valid``: the walker took the command tagged ``command_tag`` into
    ``command_context``. ``node_valid``: a node was visited by ``node_context``, ``node_address`` its list address (0
    for a DELETE command), ``node_handle`` its handle, which goes to the table behind those before it. ``delete_valid``:
    the table answered the oldest unanswered of them, which is one of ``delete_context``; ``delete_found`` whether it
    named a live bundle. ``result_valid``: the completion queue took the result of ``result_context``, or, with
    ``result_is_flush``, that of a flush. ``completion_valid``: the oldest result that was taken became visible there.

    Parameter: ``config`` (``contexts``).
    """

    def __init__(self, config: EngineConfig) -> None:
        context = range(max(2, config.contexts))
        super().__init__(
            {
                "node_valid": Out(1),
                "node_context": Out(context),
                "node_address": Out(layouts.LIST_ADDRESS_BITS),
                "node_handle": Out(layouts.WIDE_HANDLE_BITS),
                "delete_valid": Out(1),
                "delete_context": Out(context),
                "delete_found": Out(1),
                "command_valid": Out(1),
                "command_context": Out(context),
                "command_tag": Out(layouts.TAG_BITS),
                "result_valid": Out(1),
                "result_context": Out(context),
                "result_is_flush": Out(1),
                "completion_valid": Out(1),
            }
        )


class EngineSignature(wiring.Signature):
    """The ports of an engine, seen from it."""

    def __init__(self, config: EngineConfig):
        axi_widths = {
            "address_width": config.address_width,
            "data_width": config.data_width,
            "id_width": config.id_width,
        }
        super().__init__(
            {
                "s_axil": In(Axi4LiteSignature(address_width=ADDRESS_WIDTH)),
                "m_axi": Out(Axi4ReadSignature(**axi_widths)),
                "irq": Out(1),
                "is_ready": Out(1),
                **{name: TableSignature(config).members[name] for name in PACKET_PATH},
                "trace": Out(Trace(config)),
            }
        )


class Engine(wiring.Component):
    """Keeps the SAs of a NIC: answers the packet path each clock, walks lists of deletes through host memory.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    s_axil : ``In(Axi4LiteSignature)``
        The registers.
    m_axi : ``Out(Axi4ReadSignature)``
        Reads of host memory. The engine never writes it.
    irq : ``Out(1)``
        High while an enabled interrupt stands.
    is_ready : ``Out(1)``
        The reset scrub is over.
    key_requests, key_answers, key_retires, handle_requests, handle_answers, handle_retires
        The packet path, as ``TableSignature`` promises.
    trace : ``Out(Trace)``
    """

    s_axil: wiring.PureInterface
    m_axi: wiring.PureInterface
    irq: Signal
    is_ready: Signal
    trace: wiring.PureInterface

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(EngineSignature(config))

    def elaborate(self, _platform: object) -> Module:
        config = self._config
        m = Module()
        m.submodules.control = control = Control(config)
        m.submodules.soft_reset = soft_reset = SoftReset()
        walk = Walk(config)
        m.submodules.walk = ResetInserter(soft_reset.do_reset)(walk)
        m.submodules.read_master = master = read_master(config)
        m.submodules.table = table = sa_table(config)

        # Streams, each from the block that sends it.
        links: tuple[tuple[object, object, str, str], ...] = (
            (control, walk, "commands", "commands"),
            (walk, control, "results", "results"),
            (control, walk, "window_writes", "window_writes"),
            (walk, control, "window_write_answers", "window_write_answers"),
            (master, walk, "beats", "beats"),
            (walk, master, "abandons", "abandons"),
            (walk, table, "deletes", "deletes"),
            (table, walk, "delete_answers", "delete_answers"),
            (control, table, "adds", "adds"),
            (table, control, "add_answers", "add_answers"),
            (control, table, "flushes", "flushes"),
            (table, control, "flush_answers", "flush_answers"),
            (control, table, "end_restores", "end_restores"),
            (control, table, "graces", "graces"),
            (table, control, "grace_answers", "grace_answers"),
        )
        for source, sink, source_port, sink_port in links:
            connect(m, getattr(source, source_port), getattr(sink, sink_port))

        # Bare signals: state and strobes, each from its owner.
        wires: tuple[tuple[object, object, tuple[str, ...]], ...] = (
            (
                control,
                walk,
                ("command_is_aborted", "do_abort", "abort_tag", "abort_is_all", "window_is_locked", "timeout"),
            ),
            (control, soft_reset, ("do_request",)),
            (master, soft_reset, ("is_awaited",)),
            (soft_reset, control, ("is_pending", "do_reset")),
            (soft_reset, table, ("do_reset",)),
            (walk, control, ("abort_is_done", "abort_matches", "is_active", "visited_node")),
            (master, control, ("busy_ids", "lost_id_count", "unknown_beat")),
            (master, walk, ("busy_ids",)),
            (control, table, ("seed",)),
            (
                table,
                control,
                (
                    "is_ready",
                    "is_restoring",
                    "add_is_waiting",
                    "live_bundles",
                    "live_keys",
                    "seed_is_open",
                    "bad_retire",
                    "retire_is_due",
                    "retire_age",
                    "retire_is_late",
                ),
            ),
        )
        if not config.is_serial:
            wires += ((master, walk, ("arrives", "arriving_id", "arriving_is_last", "arriving_data")),)
        for owner, reader, names in wires:
            m.d.comb += [getattr(reader, name).eq(getattr(owner, name)) for name in names]

        connect(m, flipped(self.s_axil), control.axi)
        connect(m, master.axi, flipped(self.m_axi))
        m.d.comb += [
            master.requests.payload.eq(walk.reads.payload),
            master.requests.valid.eq(walk.reads.valid & soft_reset.may_read),
            walk.reads.ready.eq(master.requests.ready & soft_reset.may_read),
            soft_reset.is_offered.eq(master.axi.arvalid & ~master.axi.arready),
        ]
        m.d.comb += [self.irq.eq(control.irq), self.is_ready.eq(table.is_ready)]
        for name in PACKET_PATH:
            inner, outer = getattr(table, name), flipped(getattr(self, name))
            if name.endswith("answers"):
                connect(m, inner, outer)
            else:
                connect(m, outer, inner)

        self._count(m, control, table)
        self._show_trace(m, control, walk, table)
        return m

    def _count(self, m: Module, control: Control, table: SaTable) -> None:
        """What the control room counts."""
        key, handle = table.key_answers, table.handle_answers
        m.d.comb += [
            control.key_lookup.eq(key.valid),
            control.key_hit.eq(key.valid & key.payload.hit),
            control.key_wait.eq(table.key_request_is_waiting),
            control.handle_lookup.eq(handle.valid),
            control.handle_hit.eq(handle.valid & handle.payload.hit),
            control.handle_wait.eq(table.handle_request_is_waiting),
            control.handle_deleted.eq(table.delete_answers.valid & table.delete_answers.payload.found),
            control.handle_not_found.eq(table.delete_answers.valid & ~table.delete_answers.payload.found),
            control.table_is_damaged.eq(table.is_damaged),
        ]

    def _show_trace(self, m: Module, control: Control, walk: Walk, table: SaTable) -> None:
        trace = self.trace
        m.d.comb += [
            trace.node_valid.eq(walk.visited_node),
            trace.node_context.eq(walk.visited_context),
            trace.node_address.eq(walk.visited_address),
            trace.node_handle.eq(walk.visited_handle),
            trace.delete_valid.eq(table.delete_answers.valid),
            trace.delete_context.eq(walk.answered_context),
            trace.delete_found.eq(table.delete_answers.payload.found),
            trace.command_valid.eq(walk.commands.valid & walk.commands.ready),
            trace.command_context.eq(walk.command_context),
            trace.command_tag.eq(walk.commands.payload.tag),
            trace.result_valid.eq((walk.results.valid & walk.results.ready) | control.flush_is_reported),
            trace.result_context.eq(walk.result_context),
            trace.result_is_flush.eq(control.flush_is_reported),
            trace.completion_valid.eq(control.completion_is_posted),
        ]
