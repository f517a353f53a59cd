"""What speaks for and against reading the node at an address: a pipeline of two clocks for all contexts."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import COUNT_BITS, LIST_ADDRESS_BITS, Abi
from saoffload.hdl.lut_memory import LutMemory
from saoffload.hdl.walk.windows import WindowCheckSignature

ALIGNED_BITS = 2
"""Lowest bits of a list address that are 0 in every ABI."""


class Judge(wiring.Component):
    """Judges one address per clock: NULL, alignment, windows, Brent's loop detection and the budget, for its context.

    An address comes with its context. ``is_first`` marks a head: nothing is saved yet, and nothing counts against the
    budget. What a context's numbers are is kept here: its budget, the address saved by the loop detection, the address
    of its node, and ``ordinal``: how many nodes it will have visited once the node before the address is.

    Parameters
    ----------
    config : :class:`EngineConfig`
        ``contexts``, ``windows``, ``address_width``.

    Members
    -------
    do_start, start_context, start_budget : In
        A walk begins. A budget of 0 means 2**32 - 1.
    is_offered, is_question, offered_context, offered_address : In
        An address to be judged. Clock 0. ``is_question``: it is about no context, only ``check`` is asked, for a node
        of x64.
    is_looking, looked_at : Out
        The context of clock 1, unless that is a question; about it are ``abi``, ``is_first`` and ``is_delete`` (In): a
        delete by register, which counts as one node with nothing behind it.
    check : ``Out(WindowCheckSignature)``
    is_judged, context, address, abi_q : Out
        Clock 2: what follows is about this address, and so is ``check``'s answer.
    has_answer : Out
        Clock 2: ``check``'s answer is to a question.
    is_null, is_misaligned, is_met, is_too_long : Out
        ``is_met``: it is the address saved last.
    do_settle : ``In(1)``
        Clock 2, strobe: the context's numbers go on. With ``do_ask`` the node at the address is asked for: it is the
        context's node, is saved if its number is a power of two, and will be one more.  With ``do_move`` the address
        becomes that of the context's node.
    shown_context, shown_ordinal, shown_address : In, Out, Out
        To report: the numbers of any context, in the same clock.
    node_address : Out
        Of ``context``, as it stands in clock 2: the node before the address.
    """

    check: wiring.PureInterface

    def __init__(self, config: EngineConfig):
        self._config = config
        end = config.address_width if config.windows == 1 else LIST_ADDRESS_BITS
        self._kept = slice(ALIGNED_BITS, end)
        context = range(max(2, config.contexts))
        super().__init__(
            {
                "do_start": In(1),
                "start_context": In(context),
                "start_budget": In(COUNT_BITS),
                "is_offered": In(1),
                "is_question": In(1),
                "offered_context": In(context),
                "offered_address": In(LIST_ADDRESS_BITS),
                "is_looking": Out(1),
                "looked_at": Out(context),
                "abi": In(Abi),
                "is_first": In(1),
                "is_delete": In(1),
                "check": Out(WindowCheckSignature(config)),
                "is_judged": Out(1),
                "has_answer": Out(1),
                "context": Out(context),
                "address": Out(LIST_ADDRESS_BITS),
                "abi_q": Out(Abi),
                "is_null": Out(1),
                "is_misaligned": Out(1),
                "is_met": Out(1),
                "is_too_long": Out(1),
                "do_settle": In(1),
                "do_ask": In(1),
                "do_move": In(1),
                "shown_context": In(context),
                "shown_ordinal": Out(COUNT_BITS),
                "shown_address": Out(LIST_ADDRESS_BITS),
                "node_address": Out(LIST_ADDRESS_BITS),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        depth = self._config.contexts
        m.submodules.budgets = budgets = LutMemory(shape=COUNT_BITS, depth=depth)
        m.submodules.ordinals = ordinals = LutMemory(shape=COUNT_BITS, depth=depth, readers=2)
        m.submodules.addresses = addresses = LutMemory(shape=LIST_ADDRESS_BITS, depth=depth, readers=2)
        kept_bits = self._kept.stop - self._kept.start
        m.submodules.saved = saved = LutMemory(shape=kept_bits, depth=depth)

        # Clock 1.
        is_question_q = Signal()
        address_q = self.check.address
        ordinal = Signal(COUNT_BITS)
        offered_q = Signal(LIST_ADDRESS_BITS)
        m.d.sync += [
            self.is_looking.eq(self.is_offered & ~self.is_question),
            is_question_q.eq(self.is_question),
            self.has_answer.eq(is_question_q),
            self.looked_at.eq(self.offered_context),
            offered_q.eq(self.offered_address),
        ]
        m.d.comb += [
            address_q.eq(offered_q),
            self.check.abi.eq(Mux(is_question_q, Abi.X64, self.abi)),
            budgets.do_write.eq(self.do_start),
            budgets.write_address.eq(self.start_context),
            # The largest number there is stands for none.
            budgets.write_data.eq(Mux(self.start_budget == 0, (1 << COUNT_BITS) - 1, self.start_budget)),
            budgets.read_addresses[0].eq(self.looked_at),
            ordinals.read_addresses[0].eq(self.looked_at),
            saved.read_addresses[0].eq(self.looked_at),
            ordinal.eq(Mux(self.is_first, self.is_delete, ordinals.read_data[0])),
        ]

        # Clock 2.
        ordinal_q = Signal(COUNT_BITS)
        next_ordinal_q = Signal(COUNT_BITS)
        is_due_q = Signal()
        m.d.sync += [
            self.is_judged.eq(self.is_looking),
            self.context.eq(self.looked_at),
            self.address.eq(offered_q),
            self.abi_q.eq(self.abi),
            self.is_null.eq((offered_q == 0) | self.is_delete),
            self.is_misaligned.eq(offered_q[:2].any() | ((self.abi == Abi.X64) & offered_q[2])),
            self.is_met.eq(~self.is_first & (saved.read_data[0] == offered_q[self._kept])),
            self.is_too_long.eq(ordinal == budgets.read_data[0]),
            # Before node 2**k the count is 2**k - 1: no 1 stands above a 0.
            is_due_q.eq(~(ordinal[1:] & ~ordinal[:-1]).any()),
            ordinal_q.eq(ordinal),
            next_ordinal_q.eq(ordinal + 1),
        ]
        m.d.comb += [
            ordinals.do_write.eq(self.do_settle),
            ordinals.write_address.eq(self.context),
            ordinals.write_data.eq(Mux(self.do_ask, next_ordinal_q, ordinal_q)),
            addresses.do_write.eq(self.do_settle & self.do_move),
            addresses.write_address.eq(self.context),
            addresses.write_data.eq(self.address),
            addresses.read_addresses[1].eq(self.context),
            self.node_address.eq(addresses.read_data[1]),
            saved.do_write.eq(self.do_settle & self.do_ask & is_due_q),
            saved.write_address.eq(self.context),
            saved.write_data.eq(self.address[self._kept]),
            ordinals.read_addresses[1].eq(self.shown_context),
            addresses.read_addresses[0].eq(self.shown_context),
            self.shown_ordinal.eq(ordinals.read_data[1]),
            self.shown_address.eq(addresses.read_data[0]),
        ]
        return m
