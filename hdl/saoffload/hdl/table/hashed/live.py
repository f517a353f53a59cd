"""Which indices are live: one small memory for each of those who ask, all written at once."""

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.dual_port import DualPortMemory, WriteCollision

from .states import BundleState, is_inbound, is_known, is_live

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


class LiveStore(wiring.Component):
    """Holds the state of every index, and tells three lookups and the deletes, each in every clock, what is live.

    Key lookups see inbound bundles, handle lookups outbound ones, deletes both. A code that is not exactly that of a
    live state is not live, so one flipped bit never revives a dead bundle. To lookups and deletes an index of
    ``config.bundles`` or above is not live and FREE, whatever was written there.

    A write of clock n holds for reads of clock n + 2 and after. A read of the same index in clock n + 1, in which the
    memories are written, sees "not live" (and FREE): for the bundle that comes or goes with the write that is true a
    clock before or after. Reads of clock n and before see what was.

    Contents are unknown after a reset (zero, which is FREE, after configuration): write each index before all else.

    Parameters: ``config`` (``bundles``).

    Members, readers: ``exact_key``, ``wildcard_key``, ``handle`` (``LiveReader``), ``deletes`` (``StateReader``).

    Members, writes: ``delete_write`` is always taken; ``manage_write`` in the clocks in which ``manage_is_done``, that
    is, without a ``delete_write``; hold it until then.

    Members, management: ``manage_read.do`` with ``manage_read.index``, held until ``manage_read_is_taken``;
    ``manage_state`` two clocks after that: the stored code, be it one or not. It is taken in clocks in which the
    memories are not written, so that it sees every write taken before it.

    ``has_error``: strobe, three clocks after a read that met bits which are no code; collisions are no errors.

    Latency 2 clocks, one read per reader and clock, one write per clock.
    """

    WRITE_DELAY = 1
    """Clocks from that in which a write is taken to that in which the memories are written."""

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "exact_key": In(LiveReader(config)),
                "wildcard_key": In(LiveReader(config)),
                "handle": In(LiveReader(config)),
                "deletes": In(StateReader(config)),
                "delete_write": In(StateWrite(config)),
                "manage_write": In(StateWrite(config)),
                "manage_is_done": Out(1),
                "manage_read": In(wiring.Signature({"do": Out(1), "index": Out(config.index_bits)})),
                "manage_read_is_taken": Out(1),
                "manage_state": Out(BundleState),
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
        for name, is_set in bits.items():
            memory, does_answer = self._elaborate_reader(m, name, Mux(is_set, LIVE, NOT_LIVE), index_q, do_write_q)
            m.d.comb += [
                memory.b_address.eq(index_q),
                getattr(self, name).is_live.eq(does_answer & (memory.a_data == LIVE)),
            ]
            errors.append(does_answer & (memory.a_data != LIVE) & (memory.a_data != NOT_LIVE))

        memory, does_answer = self._elaborate_reader(m, "deletes", code_q, index_q, do_write_q)
        m.d.comb += [
            self.deletes.state.eq(Mux(does_answer, memory.a_data, BundleState.FREE.value)),
            self.deletes.is_live.eq(does_answer & is_live(memory.a_data)),
            self.manage_read_is_taken.eq(self.manage_read.do & ~do_write_q),
            memory.b_address.eq(Mux(do_write_q, index_q, self.manage_read.index)),
            self.manage_state.eq(memory.b_data),
        ]
        errors.append(does_answer & ~is_known(memory.a_data))
        is_read = Signal(2)
        m.d.sync += is_read.eq(Cat(self.manage_read_is_taken, is_read[0]))
        errors.append(is_read[1] & ~is_known(memory.b_data))
        m.d.sync += self.has_error.eq(Cat(errors).any())
        return m

    def _elaborate_write(self, m: Module) -> tuple[Signal, Signal, Signal]:
        """Choose a write, and keep it for the clock in which the memories are written."""
        index_q = Signal(self._config.index_bits, reset_less=True)
        code_q = Signal(Shape.cast(BundleState), reset_less=True)
        do_write_q = Signal()
        m.d.comb += self.manage_is_done.eq(self.manage_write.do & ~self.delete_write.do)
        chosen = [Value.cast(Cat(write.index, write.state)) for write in (self.delete_write, self.manage_write)]
        m.d.sync += [
            Cat(index_q, code_q).eq(Mux(self.delete_write.do, *chosen)),
            do_write_q.eq(self.delete_write.do | self.manage_write.do),
        ]
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
