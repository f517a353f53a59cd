"""Which indices are live: one small memory for each of those who ask, all written at once."""

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.dual_port import DualPortMemory, WriteCollision

from .states import BundleState, is_inbound, is_known, is_live
from .timing import STATE_LATENCY

NOT_LIVE = 0b00
LIVE = 0b11
"""What the lookups' memories hold: both bits, or neither."""


class LiveReader(wiring.Signature):
    """A reader of live codes, seen from who reads: ``is_live`` two clocks after ``address``.

    Who leaves ``do_read`` unconnected reads in every clock. What was not read is not live.
    """

    def __init__(self, config: EngineConfig):
        super().__init__({"address": Out(config.index_bits), "do_read": Out(1, init=1), "is_live": In(1)})


class StateReader(wiring.Signature):
    """As ``LiveReader``, and with ``is_live`` comes ``state``, which is the stored code, be it one or not."""

    def __init__(self, config: EngineConfig):
        super().__init__({**LiveReader(config).members, "state": In(BundleState)})


class StateWrite(wiring.Signature):
    """A write of a state, seen from who writes."""

    def __init__(self, config: EngineConfig):
        super().__init__({"do": Out(1), "index": Out(config.index_bits), "state": Out(BundleState)})


class LiveManagement(wiring.Signature):
    """How the management reaches the live store, seen from the management; never a write and a read in one clock.

    ``write``, held until ``write_is_ready``. ``read.do`` with ``read.index``, held until ``read_is_ready``; ``state``
    ``STATE_LATENCY`` clocks after that: the stored code, be it one or not. It sees every write taken before it.
    """

    def __init__(self, config: EngineConfig):
        super().__init__(
            {
                "write": Out(StateWrite(config)),
                "write_is_ready": In(1),
                "read": Out(wiring.Signature({"do": Out(1), "index": Out(config.index_bits)})),
                "read_is_ready": In(1),
                "state": In(BundleState),
            }
        )


class LiveStore(wiring.Component):
    """Holds the state of every index, and tells three lookups and the deletes, each in every clock, what is live.

    Key lookups see inbound bundles, handle lookups outbound ones, deletes both. A code that is not exactly that of a
    live state is not live, so one flipped bit never revives a dead bundle. To lookups and deletes an index of
    ``config.bundles`` or above is not live and FREE, whatever was written there.

    The memories are written ``STATE_WRITE_DELAY`` clocks after a write of the management was taken,
    ``DELETE_WRITE_DELAY`` clocks after one of a delete. Reads of later clocks see what was written, earlier ones what
    was. A read of the same index in the very clock sees "not live" (and FREE): for the bundle that comes or goes with
    the write that is true a clock before or after.

    Contents are unknown after a reset (zero, which is FREE, after configuration): write each index before all else.

    Parameters: ``config`` (``bundles``).

    Members, readers: ``exact_key``, ``wildcard_key``, ``handle`` (``LiveReader``), ``deletes`` (``StateReader``).

    Members, writes: ``delete_write`` is always taken; ``manage`` (``LiveManagement``) if there was no ``delete_write``
    in the clock before.

    ``has_error``: strobe, two clocks after the answer to a read that met bits which are no code; a collision is no
    error. A read of the management looks at what all four memories hold of the index.

    Latency 2 clocks, one read per reader and clock, one write per clock.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "exact_key": In(LiveReader(config)),
                "wildcard_key": In(LiveReader(config)),
                "handle": In(LiveReader(config)),
                "deletes": In(StateReader(config)),
                "delete_write": In(StateWrite(config)),
                "manage": In(LiveManagement(config)),
                "has_error": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        index_q, code_q, do_write_q = self._elaborate_write(m)
        bits = {
            "exact_key": is_inbound(code_q),
            "wildcard_key": is_inbound(code_q),
            "handle": code_q == BundleState.OUTBOUND.value,
        }
        errors = []
        is_read = Signal(STATE_LATENCY)
        m.d.sync += is_read.eq(Cat(self.manage.read.do & self.manage.read_is_ready, is_read[:-1]))
        for name, is_set in bits.items():
            memory, does_answer = self._elaborate_reader(m, name, Mux(is_set, LIVE, NOT_LIVE), index_q, do_write_q)
            m.d.comb += [
                memory.b_address.eq(index_q),
                getattr(self, name).is_live.eq(does_answer & (memory.a_data == LIVE)),
            ]
            errors += [
                does_answer & (memory.a_data != LIVE) & (memory.a_data != NOT_LIVE),
                is_read[-1] & (memory.b_data != LIVE) & (memory.b_data != NOT_LIVE),
            ]

        memory, does_answer = self._elaborate_reader(m, "deletes", code_q, index_q, do_write_q)
        m.d.comb += [
            self.deletes.state.eq(Mux(does_answer, memory.a_data, BundleState.FREE.value)),
            self.deletes.is_live.eq(does_answer & is_live(memory.a_data)),
            memory.b_address.eq(index_q),
            self.manage.state.eq(memory.b_data),
        ]
        errors.append(does_answer & ~is_known(memory.a_data))
        errors.append(is_read[-1] & ~is_known(memory.b_data))
        had_error = Signal(len(errors))
        m.d.sync += [had_error.eq(Cat(errors)), self.has_error.eq(had_error.any())]
        return m

    def _elaborate_write(self, m: Module) -> tuple[Signal, Signal, Signal]:
        """Choose who has the memories in the next clock: a delete, a write of the management, or its read.

        Each is registered before the choice. A delete waits a clock longer, because whether there is one is known
        late: so the management is told by a register to wait.
        """
        index_q = Signal(self._config.index_bits, reset_less=True)
        code_q = Signal(Shape.cast(BundleState), reset_less=True)
        do_write_q = Signal()
        does_delete = Signal(2)
        does_manage = Signal()
        deleted, managed = (
            Value.cast(Cat(write.index, write.state)) for write in (self.delete_write, self.manage.write)
        )
        deleted_q, deleted_qq, managed_q = (
            Signal(len(deleted), name=name, reset_less=True) for name in ("deleted_q", "deleted_qq", "managed_q")
        )
        read_q = Signal(self._config.index_bits, reset_less=True)
        m.d.comb += [
            self.manage.write_is_ready.eq(~does_delete[0]),
            self.manage.read_is_ready.eq(~does_delete[0]),
        ]
        m.d.sync += [
            does_delete.eq(Cat(self.delete_write.do, does_delete[0])),
            does_manage.eq(self.manage.write.do & self.manage.write_is_ready),
            deleted_q.eq(deleted),
            deleted_qq.eq(deleted_q),
            managed_q.eq(managed),
            read_q.eq(self.manage.read.index),
            do_write_q.eq(does_delete[1] | does_manage),
            Cat(index_q, code_q).eq(Mux(does_delete[1], deleted_qq, managed_q)),
        ]
        with m.If(~does_delete[1] & ~does_manage):
            m.d.sync += index_q.eq(read_q)
        return index_q, code_q, do_write_q

    def _elaborate_reader(
        self, m: Module, name: str, code: Value, index_q: Signal, do_write_q: Signal
    ) -> tuple[DualPortMemory, Value]:
        """The memory of one reader, all but its ``b_address``, and whether what comes out of port A is an answer."""
        reader = getattr(self, name)
        depth = 1 << self._config.index_bits
        memory = DualPortMemory(width=len(code), depth=depth)
        collision = WriteCollision(depth=depth)
        m.submodules[name] = memory
        m.submodules[f"{name}_collision"] = collision
        is_read = Signal(2, name=f"{name}_is_read")
        m.d.comb += [
            memory.a_address.eq(reader.address),
            memory.b_do_write.eq(do_write_q),
            memory.b_write_data.eq(code),
            collision.read_address.eq(reader.address),
            collision.write_address.eq(index_q),
            collision.do_write.eq(do_write_q),
        ]
        m.d.sync += is_read.eq(Cat(reader.do_read & (reader.address < self._config.bundles), is_read[0]))
        return memory, is_read[1] & ~collision.collided
