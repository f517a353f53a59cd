"""The whole engine: control, walk, bus and table, wired."""

from amaranth.hdl import Module, ResetInserter, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from saoffload.hdl import layouts
from saoffload.hdl.borders import LINKS, Borders, wires_of
from saoffload.hdl.bus.axi4 import Axi4LiteSignature, Axi4ReadSignature
from saoffload.hdl.bus.choice import read_master
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.control.bank import ADDRESS_WIDTH
from saoffload.hdl.control.control import Control
from saoffload.hdl.soft_reset import ResetCopy, SoftReset
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


RESET_ROOMS = ("control", "walk", "table", "borders")
"""What a reset by register resets, each by a copy of the strobe."""


class Trace(wiring.Signature):
    """What a bench or a logic analyser sees of the walks: never stalls, never matters to the engine.

    Commands walk at the same time, each in a *context*: from the strobe that it was taken to the one of its result, its
    number names the command. ``command_valid``: the walker took the command tagged ``command_tag`` into
    ``command_context``. ``node_valid``: a node was visited by ``node_context``, a clock ago where rooms have registers
    between them; ``node_address`` its list address (0 for a DELETE command), ``node_handle`` its handle, which goes to
    the table behind those before it. ``delete_valid``:
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
        copies = {room: ResetCopy() for room in RESET_ROOMS}
        for room, copy in copies.items():
            m.submodules[f"{room}_reset"] = copy
            m.d.comb += copy.will_reset.eq(soft_reset.will_reset)
        walk = Walk(config)
        m.submodules.walk = ResetInserter(copies["walk"].do_reset)(walk)
        m.submodules.read_master = master = read_master(config)
        m.submodules.table = table = sa_table(config)

        # What is on its way to a room or from it is forgotten with it.
        borders = Borders(config)
        m.submodules.borders = ResetInserter(copies["borders"].do_reset)(borders)
        rooms = {"control": control, "soft_reset": soft_reset, "walk": walk, "read_master": master, "table": table}
        for link in LINKS:
            source, sink = (getattr(rooms[room], link.stream) for room in (link.source, link.sink))
            borders.join(source, sink, name=link.stream, is_registered=link.is_registered)
        for wire in wires_of(config):
            value = getattr(rooms[wire.owner], wire.name)
            told = borders.lead(wire, value)
            m.d.comb += getattr(rooms[wire.reader], wire.read_as or wire.name).eq(told)

        m.d.comb += [control.do_reset.eq(copies["control"].do_reset), table.do_reset.eq(copies["table"].do_reset)]

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

        self._count(m, borders, control, table)
        self._show_trace(m, borders, control, walk, table)
        return m

    def _count(self, m: Module, borders: Borders, control: Control, table: SaTable) -> None:
        """What the control room counts of the packet path and of deletes."""
        key, handle, deleted = table.key_answers, table.handle_answers, table.delete_answers
        events: dict[str, tuple[Signal, Value]] = {
            "key_lookup": (control.key_lookup, key.valid),
            "key_hit": (control.key_hit, key.valid & key.payload.hit),
            "handle_lookup": (control.handle_lookup, handle.valid),
            "handle_hit": (control.handle_hit, handle.valid & handle.payload.hit),
            "handle_deleted": (control.handle_deleted, deleted.valid & deleted.payload.found),
            "handle_not_found": (control.handle_not_found, deleted.valid & ~deleted.payload.found),
        }
        m.d.comb += [counted.eq(borders.told(event, name=name)) for name, (counted, event) in events.items()]

    def _show_trace(self, m: Module, borders: Borders, control: Control, walk: Walk, table: SaTable) -> None:
        trace = self.trace
        # Shown to whoever looks from afar, the handle as it comes out of its memory.
        nodes: dict[str, tuple[Value, Value]] = {
            "shown_node": (trace.node_valid, walk.visited_node),
            "shown_context": (trace.node_context, walk.visited_context),
            "shown_address": (trace.node_address, walk.visited_address),
            "shown_handle": (trace.node_handle, walk.visited_handle),
        }
        m.d.comb += [shown.eq(borders.told(value, name=name)) for name, (shown, value) in nodes.items()]
        m.d.comb += [
            trace.delete_valid.eq(table.delete_answers.valid),
            trace.delete_context.eq(walk.answered_context),
            trace.delete_found.eq(table.delete_answers.payload.found),
            trace.command_valid.eq(walk.commands.valid & walk.commands.ready),
            trace.command_context.eq(walk.command_context),
            trace.command_tag.eq(walk.commands.payload.tag),
            trace.result_valid.eq((control.results.valid & control.results.ready) | control.flush_is_reported),
            trace.result_context.eq(walk.result_context),
            trace.result_is_flush.eq(control.flush_is_reported),
            trace.completion_valid.eq(control.completion_is_posted),
        ]
