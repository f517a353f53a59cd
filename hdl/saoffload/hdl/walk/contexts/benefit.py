"""Which contexts would gain from reading whole lines."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import LIST_ADDRESS_BITS
from saoffload.hdl.lut_memory import LutMemory

PAGE_BITS = 12
BANK_BITS = 5
GAIN, LOSS = 1, 10
ENOUGH = 8


class Benefit(wiring.Component):
    """Keeps a bank for each context: a node in the page of the node before it pays in 1, any other takes out 10.

    What is compared is the address alone, no line is read for it: the node before stands for the page that would have
    been fetched. A context wants lines once its bank holds ``ENOUGH``, until it is empty. So a list without order never
    does, and one that loses its order stops soon.

    Parameters
    ----------
    config : :class:`EngineConfig`
        ``contexts``.

    Members
    -------
    do_ask, context, is_first, address, node_address : In
        A node is asked for, the first of its list or one behind the node at ``node_address``.
    do_end : In
        The walk of ``context`` ends: it wants no lines.
    wants_lines : ``Out(contexts)``
        Three clocks after the node.
    """

    def __init__(self, config: EngineConfig):
        self._contexts = config.contexts
        super().__init__(
            {
                "do_ask": In(1),
                "context": In(range(max(2, config.contexts))),
                "is_first": In(1),
                "address": In(LIST_ADDRESS_BITS),
                "node_address": In(LIST_ADDRESS_BITS),
                "do_end": In(1),
                "wants_lines": Out(config.contexts),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.banks = banks = LutMemory(shape=BANK_BITS, depth=self._contexts)
        # Comparing takes a clock of its own.
        address_q = Signal(LIST_ADDRESS_BITS - PAGE_BITS)
        before_q = Signal(LIST_ADDRESS_BITS - PAGE_BITS)
        asked_q, compared_q, is_first_q, was_first_q, is_near_q, has_ended_q = (
            Signal(name=name)
            for name in ("asked_q", "compared_q", "is_first_q", "was_first_q", "is_near_q", "has_ended_q")
        )
        context_q, compared_context_q = (Signal.like(self.context, name=f"context_{n}_q") for n in (1, 2))
        m.d.sync += [
            asked_q.eq(self.do_ask),
            has_ended_q.eq(self.do_end),
            context_q.eq(self.context),
            is_first_q.eq(self.is_first),
            address_q.eq(self.address[PAGE_BITS:]),
            before_q.eq(self.node_address[PAGE_BITS:]),
            compared_q.eq(asked_q),
            compared_context_q.eq(context_q),
            was_first_q.eq(is_first_q),
            is_near_q.eq(address_q == before_q),
        ]
        bank = Mux(was_first_q, 0, banks.read_data[0])
        after = Signal(BANK_BITS)
        full = (1 << BANK_BITS) - 1
        with m.If(was_first_q):
            m.d.comb += after.eq(0)
        with m.Elif(is_near_q):
            m.d.comb += after.eq(Mux(bank == full, full, bank + GAIN))
        with m.Else():
            m.d.comb += after.eq(Mux(bank < LOSS, 0, bank - LOSS))
        m.d.comb += [
            banks.read_addresses[0].eq(compared_context_q),
            banks.write_address.eq(compared_context_q),
            banks.write_data.eq(after),
            banks.do_write.eq(compared_q),
        ]
        wants = self.wants_lines.bit_select(compared_context_q, 1)
        with m.If(compared_q):
            with m.If(after >= ENOUGH):
                m.d.sync += wants.eq(1)
            with m.Elif(after == 0):
                m.d.sync += wants.eq(0)
        with m.If(has_ended_q):
            m.d.sync += self.wants_lines.eq(
                self.wants_lines & Cat(context_q != number for number in range(self._contexts))
            )
        return m
