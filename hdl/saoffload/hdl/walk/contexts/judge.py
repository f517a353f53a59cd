"""What speaks for and against reading the node at an address: a pipeline of three clocks for all contexts."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import COUNT_BITS, LIST_ADDRESS_BITS, Abi
from saoffload.hdl.local_copy import local_copy
from saoffload.hdl.lut_memory import LutMemory
from saoffload.hdl.walk.windows import WindowCheckSignature

WORDS_PER_PAGE = 512
ALIGNED_BITS = 2
"""Lowest bits of a list address that are 0 in every ABI."""
PART_BITS = 8
"""Bits that are compared before a register; the parts are joined behind it."""


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
    is_offered, is_question, offered_context, offered_abi, offered_address : In
        An address to be judged. Clock 0. ``is_question``: it is about no context, only ``check`` is asked.
    is_from_lane, lane_has_next, lane_next : In
        Clock 0, clock 1: the address is this ``Next``, and not ``offered_address``, or there is none.
    is_void : In
        Clock 1: it is not to be judged, after all.
    is_looking, looked_at, look_address : Out
        The context of clock 1, unless that is a question, and the address.
    may_look : Out
        Early in clock 1: 1 if ``is_looking`` is, or could have been.
    is_first, is_delete : In
        Of that context, a clock later. ``is_delete``: a delete by register, which counts as one node with nothing
        behind it.
    is_weighed, weighed_context : Out
        The context of clock 2.
    check : ``Out(WindowCheckSignature)``
    is_judged, context, address, abi : Out
        Clock 3: what follows is about this address.
    has_answer : Out
        Clock 3: ``is_allowed``, ``window`` and ``bus_address`` answer a question.
    is_allowed, window, bus_address : Out
    first_count : Out
        How many words of the node lie before 4 KB: all of them, or fewer.
    is_right : Out
        Clock 2: nothing that the judge knows speaks against reading it, but for ``is_allowed``.
    is_null, is_misaligned, is_met, is_too_long : Out
        Clock 3. ``is_met``: it is the address saved last.
    do_settle : ``In(1)``
        Clock 3, strobe: the context's numbers go on. With ``do_ask`` the node at the address is asked for: it is the
        context's node, is saved if its number is a power of two, and will be one more.  With ``do_move`` the address
        becomes that of the context's node.
    goes_on : ``In(1)``
        Belongs to ``do_settle`` and is ``do_ask`` there, but comes earlier in the clock.
    shown_context, shown_ordinal, shown_address : In, Out, Out
        To report: the numbers of any context, in the same clock.
    node_address : Out
        Of ``context``, as it stands in clock 3: the node before the address.

    A context's next address may be offered in clock 3, in that of ``do_settle``.
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
                "is_void": In(1),
                "is_question": In(1),
                "offered_context": In(context),
                "offered_abi": In(Abi),
                "offered_address": In(LIST_ADDRESS_BITS),
                "is_from_lane": In(1),
                "lane_has_next": In(1),
                "lane_next": In(LIST_ADDRESS_BITS),
                "may_look": Out(1),
                "is_looking": Out(1),
                "looked_at": Out(context),
                "look_address": Out(LIST_ADDRESS_BITS),
                "is_weighed": Out(1),
                "weighed_context": Out(context),
                "is_first": In(1),
                "is_delete": In(1),
                "check": Out(WindowCheckSignature(config)),
                "is_judged": Out(1),
                "context": Out(context),
                "address": Out(LIST_ADDRESS_BITS),
                "abi": Out(Abi),
                "has_answer": Out(1),
                "is_allowed": Out(1),
                "window": Out(range(max(2, config.windows))),
                "bus_address": Out(config.address_width),
                "first_count": Out(2),
                "is_right": Out(1),
                "is_null": Out(1),
                "is_misaligned": Out(1),
                "is_met": Out(1),
                "is_too_long": Out(1),
                "do_settle": In(1),
                "do_ask": In(1),
                "goes_on": In(1),
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
        asks_1_q = Signal()
        asks_2_q = Signal()
        is_offered_q = Signal()
        is_from_lane_q = Signal()
        offered_q = Signal(LIST_ADDRESS_BITS)
        abi_1_q = Signal(Abi)
        abi_2_q = Signal(Abi)
        address = self.look_address
        m.d.sync += [
            is_offered_q.eq(self.is_offered),
            asks_1_q.eq(self.is_question),
            self.looked_at.eq(self.offered_context),
            abi_1_q.eq(self.offered_abi),
            is_from_lane_q.eq(self.is_from_lane),
            offered_q.eq(self.offered_address),
        ]
        # By which the address is chosen, 64 bits wide and beside the windows.
        chooses_lane = local_copy(m, "choice", self.is_from_lane)
        m.d.comb += [
            self.may_look.eq(is_offered_q & ~asks_1_q),
            self.is_looking.eq(self.may_look & ~self.is_void & (self.lane_has_next | ~is_from_lane_q)),
            address.eq(Mux(chooses_lane, self.lane_next, offered_q)),
            self.check.address.eq(address),
            self.check.abi.eq(abi_1_q),
            budgets.do_write.eq(self.do_start),
            budgets.write_address.eq(self.start_context),
            # The largest number there is stands for none.
            budgets.write_data.eq(Mux(self.start_budget == 0, (1 << COUNT_BITS) - 1, self.start_budget)),
            budgets.read_addresses[0].eq(self.looked_at),
            ordinals.read_addresses[0].eq(self.looked_at),
            saved.read_addresses[0].eq(self.looked_at),
        ]

        # Clock 2: what was found in parts is joined.
        ordinal_2_q = Signal(COUNT_BITS)
        address_2_q = Signal(LIST_ADDRESS_BITS)
        is_misaligned_q = Signal()
        m.d.sync += [
            self.is_weighed.eq(self.is_looking),
            self.weighed_context.eq(self.looked_at),
            asks_2_q.eq(asks_1_q),
            abi_2_q.eq(abi_1_q),
            address_2_q.eq(address),
            ordinal_2_q.eq(ordinals.read_data[0]),
            is_misaligned_q.eq(address[:2].any() | ((abi_1_q == Abi.X64) & address[2])),
        ]
        is_zero = _joined(m, "zero", ~address)
        is_saved = _joined(m, "saved", ~(saved.read_data[0] ^ address[self._kept]))
        is_spent = _joined(m, "spent", ~(ordinals.read_data[0] ^ budgets.read_data[0]))
        is_null = is_zero | self.is_delete
        is_met = is_saved & ~self.is_first
        is_too_long = is_spent & ~self.is_first
        m.d.comb += self.is_right.eq(~(is_null | is_misaligned_q | is_met | is_too_long))

        # Clock 3.
        ordinal_q = Signal(COUNT_BITS)
        next_ordinal_q = Signal(COUNT_BITS)
        is_first_q = Signal()
        is_delete_q = Signal()
        is_due_q = Signal()
        m.d.sync += [
            self.is_judged.eq(self.is_weighed),
            self.context.eq(self.weighed_context),
            self.address.eq(address_2_q),
            self.abi.eq(abi_2_q),
            self.has_answer.eq(asks_2_q),
            self.is_allowed.eq(self.check.is_allowed),
            self.window.eq(self.check.window),
            self.bus_address.eq(self.check.bus_address),
            self.first_count.eq(_first_count(address_2_q, abi_2_q)),
            self.is_null.eq(is_null),
            self.is_misaligned.eq(is_misaligned_q),
            self.is_met.eq(is_met),
            self.is_too_long.eq(is_too_long),
            is_first_q.eq(self.is_first),
            is_delete_q.eq(self.is_delete),
            ordinal_q.eq(ordinal_2_q),
            next_ordinal_q.eq(ordinal_2_q + 1),
            # Before node 2**k the count is 2**k - 1: no 1 stands above a 0.
            is_due_q.eq(self.is_first | ~(ordinal_2_q[1:] & ~ordinal_2_q[:-1]).any()),
        ]
        m.d.comb += [
            ordinals.do_write.eq(self.do_settle),
            ordinals.write_address.eq(self.context),
            ordinals.write_data.eq(
                Mux(is_first_q, is_delete_q | self.goes_on, Mux(self.goes_on, next_ordinal_q, ordinal_q))
            ),
            addresses.do_write.eq(self.do_settle & self.do_move),
            addresses.write_address.eq(self.context),
            addresses.write_data.eq(self.address),
            addresses.read_addresses[1].eq(self.context),
            self.node_address.eq(addresses.read_data[1]),
            # Whatever is saved of a walk that ends is not looked at any more.
            saved.do_write.eq(self.do_settle & is_due_q),
            saved.write_address.eq(self.context),
            saved.write_data.eq(self.address[self._kept]),
            ordinals.read_addresses[1].eq(self.shown_context),
            addresses.read_addresses[0].eq(self.shown_context),
            self.shown_ordinal.eq(ordinals.read_data[1]),
            self.shown_address.eq(addresses.read_data[0]),
        ]
        return m


def _joined(m: Module, name: str, bits: Value) -> Value:
    """Whether all ``bits`` of the clock before were 1: in parts before the registers, all of them behind."""
    parts = [bits[low : low + PART_BITS].all() for low in range(0, len(bits), PART_BITS)]
    parts_q = Signal(len(parts), name=f"{name}_parts_q")
    m.d.sync += parts_q.eq(Cat(parts))
    return parts_q.all()


def _first_count(address: Value, abi: Value) -> Value:
    """How many of a node's words lie before 4 KB, of 3 (x64) or 2 (x86)."""
    word = address[3:12]
    is_short = (word == WORDS_PER_PAGE - 2) | (abi == Abi.X86)
    return Mux(word == WORDS_PER_PAGE - 1, 1, Mux(is_short, 2, 3))
