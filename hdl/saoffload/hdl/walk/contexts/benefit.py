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
ENOUGH, PLENTY = 8, 24
PARTS = 3
"""Of a comparison of pages."""


class Benefit(wiring.Component):
    """Keeps a bank for each context: a node in the page of the node before it pays in 1, any other takes out 10.

    What is compared is the address alone, no line is read for it: the node before stands for the page that would have
    been fetched. A context wants lines once its bank holds ``ENOUGH``, until it is empty; from then on, until its walk
    ends, once it holds ``PLENTY``. So a list without order never does, one that loses its order stops soon, and one of
    short runs does not begin again and again.

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
        Five clocks after the node.
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
        # Comparing takes two clocks, the bank one, what follows from it another. The nodes of a context are asked for
        # three clocks apart at least.
        address_q = Signal(LIST_ADDRESS_BITS - PAGE_BITS)
        before_q = Signal(LIST_ADDRESS_BITS - PAGE_BITS)
        asked_q, compared_q, joined_q, banked_q = (
            Signal(name=name) for name in ("asked_q", "compared_q", "joined_q", "banked_q")
        )
        is_first_q, was_first_q, is_near_q, is_new_q = (
            Signal(name=name) for name in ("is_first_q", "was_first_q", "is_near_q", "is_new_q")
        )
        ended_q = [Signal(name=f"ended_{clock}_q") for clock in range(1, 5)]
        context_q, compared_context_q, joined_context_q, banked_context_q = (
            Signal.like(self.context, name=f"context_{n}_q") for n in range(1, 5)
        )
        banked_is_new_q = Signal()
        is_wary_q = Signal(self._contexts)
        bank_q = Signal(BANK_BITS)
        near_parts_q = Signal(PARTS)
        same = ~(address_q ^ before_q)
        size = -(-len(same) // PARTS)
        m.d.sync += [
            asked_q.eq(self.do_ask),
            context_q.eq(self.context),
            is_first_q.eq(self.is_first),
            address_q.eq(self.address[PAGE_BITS:]),
            before_q.eq(self.node_address[PAGE_BITS:]),
            compared_q.eq(asked_q),
            compared_context_q.eq(context_q),
            was_first_q.eq(is_first_q),
            near_parts_q.eq(Cat(same[low : low + size].all() for low in range(0, len(same), size))),
            joined_q.eq(compared_q),
            joined_context_q.eq(compared_context_q),
            is_near_q.eq(near_parts_q.all()),
            is_new_q.eq(was_first_q),
            bank_q.eq(banks.read_data[0]),
            banked_q.eq(joined_q),
            banked_context_q.eq(joined_context_q),
            banked_is_new_q.eq(is_new_q),
            Cat(ended_q).eq(Cat(self.do_end, *ended_q[:-1])),
        ]
        after = Signal(BANK_BITS)
        after_q = Signal(BANK_BITS)
        full = (1 << BANK_BITS) - 1
        with m.If(is_new_q):
            m.d.comb += after.eq(0)
        with m.Elif(is_near_q):
            m.d.comb += after.eq(Mux(bank_q == full, full, bank_q + GAIN))
        with m.Else():
            m.d.comb += after.eq(Mux(bank_q < LOSS, 0, bank_q - LOSS))
        m.d.sync += after_q.eq(after)
        m.d.comb += [
            banks.read_addresses[0].eq(compared_context_q),
            banks.write_address.eq(joined_context_q),
            banks.write_data.eq(after),
            banks.do_write.eq(joined_q),
        ]
        is_enough, is_plenty, is_empty = after_q >= ENOUGH, after_q >= PLENTY, after_q == 0
        for number in range(self._contexts):
            wants, is_wary = self.wants_lines[number], is_wary_q[number]
            with m.If(banked_context_q == number):
                with m.If(banked_q & (is_plenty | (is_enough & ~is_wary))):
                    m.d.sync += wants.eq(1)
                with m.If((banked_q & is_empty) | ended_q[-1]):
                    m.d.sync += wants.eq(0)
                with m.If(banked_q & is_empty):
                    m.d.sync += is_wary.eq(~banked_is_new_q & (is_wary | wants))
        return m
