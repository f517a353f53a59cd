"""What leads from one room of the engine into another, and what of it meets a register there."""

from typing import Any, NamedTuple

from amaranth.hdl import Const, Elaboratable, Module, Signal, Value
from amaranth.lib.wiring import connect

from .config import EngineConfig
from .stream_register import StreamRegister


class Link(NamedTuple):
    """A stream from one room to another, under its name in each."""

    source: str
    sink: str
    stream: str
    is_registered: bool = False


class Wire(NamedTuple):
    """A bare signal from one room to another, under its name in each: a state or a strobe."""

    owner: str
    reader: str
    name: str
    is_registered: bool = False
    #: Its name at the reader, if it has another one there.
    read_as: str = ""
    #: A state that a reset by register leaves alone, and its register with it.
    outlives_reset: bool = False


LINKS = (
    # Both ends are registers as they are. A command in a register between would have to be found by an abort.
    Link("control", "walk", "commands"),
    Link("walk", "control", "results", is_registered=True),
    Link("control", "walk", "window_writes", is_registered=True),
    Link("walk", "control", "window_write_answers", is_registered=True),
    # A clock here is a clock of each node that is read by demand.
    Link("read_master", "walk", "beats"),
    # In the clock of an abandon it is known whether the last beat came; a clock later the ID may read again.
    Link("walk", "read_master", "abandons"),
    # Both come from registers and end in registers.
    Link("walk", "table", "deletes"),
    Link("table", "walk", "delete_answers"),
    # What the host asks of a table comes all a clock later, so its order stays as it was.
    Link("control", "table", "adds", is_registered=True),
    Link("table", "control", "add_answers", is_registered=True),
    Link("control", "table", "flushes", is_registered=True),
    Link("control", "table", "end_restores", is_registered=True),
    # A clock later, the completion of a flush would wait for lookups that are answered after it.
    Link("table", "control", "flush_answers"),
    Link("control", "table", "graces"),
    Link("table", "control", "grace_answers"),
)
"""The streams of every engine. A register forgets what is on its way when a reset by register comes."""

WIRES = (
    # They belong to the command on offer, or to the clock in which it may be taken.
    *(Wire("control", "walk", name) for name in ("command_is_aborted", "do_abort", "abort_is_all")),
    # It stands from some clocks before its strobe on.
    Wire("control", "walk", "abort_tag", is_registered=True),
    # It is as old as the write that it belongs to.
    Wire("control", "walk", "window_is_locked", is_registered=True),
    Wire("control", "walk", "timeout", is_registered=True),
    Wire("control", "soft_reset", "do_request"),
    Wire("read_master", "soft_reset", "is_awaited"),
    Wire("soft_reset", "control", "is_pending"),
    *(
        Wire("walk", "control", name, is_registered=True)
        for name in ("abort_is_done", "abort_matches", "is_active", "visited_node")
    ),
    # Of these the control room keeps one bit, in a register of its own.
    Wire("read_master", "control", "busy_ids"),
    Wire("read_master", "control", "lost_id_count", is_registered=True, outlives_reset=True),
    Wire("read_master", "control", "unknown_beat", is_registered=True),
    Wire("read_master", "walk", "busy_ids"),
    Wire("control", "table", "seed"),
    *(
        Wire("table", "control", name, is_registered=True)
        for name in (
            "is_ready",
            "is_restoring",
            "add_is_waiting",
            "live_bundles",
            "live_keys",
            "seed_is_open",
            "bad_retire",
            "retire_is_late",
        )
    ),
    *(
        Wire("table", "control", name, is_registered=True, outlives_reset=True)
        for name in ("retire_is_due", "retire_age")
    ),
    Wire("table", "control", "is_damaged", is_registered=True, read_as="table_is_damaged"),
    *(
        Wire("table", "control", f"{kind}_request_is_waiting", is_registered=True, read_as=f"{kind}_wait")
        for kind in ("key", "handle")
    ),
)
"""The signals of every engine besides what is counted."""

ARRIVALS = tuple(
    Wire("read_master", "walk", name) for name in ("arrives", "arriving_id", "arriving_is_last", "arriving_data")
)
"""And those of an engine that walks several lists."""


def wires_of(config: EngineConfig) -> tuple[Wire, ...]:
    """The signals that this engine has."""
    return WIRES if config.is_serial else WIRES + ARRIVALS


def has_registers(config: EngineConfig) -> bool:
    """Whether what ``is_registered`` is so in this engine: not on a part with few flip-flops and short ways."""
    return not config.prefers_block_ram


class Borders(Elaboratable):
    """Leads streams and signals from room to room, through a register where ``is_registered`` says so and the engine
    ``has_registers``.

    A stream that its sink always takes goes through a plain register, any other through a ``StreamRegister``.

    Parameters: ``config``.

    Latency: of what is registered 1 clock, else none.
    """

    def __init__(self, config: EngineConfig):
        self._has_registers = has_registers(config)
        self._m = Module()

    def join(self, source: Any, sink: Any, *, name: str, is_registered: bool) -> None:
        """A stream. Call this and ``told`` before the parts of the engine are elaborated."""
        m = self._m
        if not (is_registered and self._has_registers):
            connect(m, source, sink)
        elif isinstance(sink.ready, Const):
            m.d.comb += [
                sink.valid.eq(self._late(source.valid, f"{name}_valid")),
                Value.cast(sink.payload).eq(self._late(Value.cast(source.payload), f"{name}_payload")),
            ]
            if not isinstance(source.ready, Const):
                m.d.comb += source.ready.eq(1)
        else:
            register = StreamRegister(source.payload.shape())
            m.submodules[name] = register
            connect(m, source, register.i)
            connect(m, register.o, sink)

    def lead(self, wire: Wire, value: Value) -> Value:
        """What the reader of ``wire`` sees of ``value``. Call this, too, before the parts are elaborated."""
        return self.told(value, name=wire.name, is_registered=wire.is_registered, outlives_reset=wire.outlives_reset)

    def told(self, value: Value, *, name: str, is_registered: bool = True, outlives_reset: bool = False) -> Value:
        """A signal, or its register."""
        if not (is_registered and self._has_registers):
            return value
        return self._late(value, name, outlives_reset=outlives_reset)

    def _late(self, value: Value, name: str, *, outlives_reset: bool = False) -> Value:
        init = value.init if isinstance(value, Signal) else 0
        late = Signal(len(value), name=f"{name}_q", init=init, reset_less=outlives_reset)
        self._m.d.sync += late.eq(value)
        return late

    def elaborate(self, _platform: object) -> Module:
        return self._m
