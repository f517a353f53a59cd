"""Which address is judged next."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import LIST_ADDRESS_BITS, Abi

PATIENCE_BITS = 3


class Offers(wiring.Component):
    """Takes one address per clock for the judge: out of a line buffer, off the bus, picked, or a line to be fetched.

    In this order, because nobody else can wait so badly: a node from a buffer comes every third clock; a ``Next`` on
    the bus is kept anyway, and its context is picked later if it is not judged as it comes. What was picked and lines
    to be fetched wait in one place for their turn. What is there goes first once it has waited for 8 clocks, so that
    nothing waits for ever.

    Parameters
    ----------
    config : :class:`EngineConfig`

    Members
    -------
    buffer_offers, buffer_contexts, buffer_abis, buffer_addresses, buffer_is_taken : In, In, In, In, Out
        One of each per line buffer.
    lane_offers, lane_context, lane_abi, lane_is_taken
        Without the address, which comes a clock later, or does not.
    picked_offers, picked_context, picked_abi, picked_address, picked_is_taken
        Taken, it waits here for a clock at least.
    is_kept : ``Out(contexts)``
        What was picked of this context waits here.
    question_offers, questions, question_is_taken, question_is_judged
        ``question_is_taken`` comes a clock after it was: the question stands until then.
        One of each per line buffer: not about a context, but whether a line may be read, for nodes of x64. It waits
        here as well; in the clock of ``question_is_judged`` it is offered to the judge.
    is_offered, is_question, is_from_lane, context, abi, address : Out
        To the judge.
    """

    def __init__(self, config: EngineConfig):
        self._contexts = config.contexts
        self._buffers = buffers = config.line_buffers
        context = range(max(2, config.contexts))
        super().__init__(
            {
                "buffer_offers": In(buffers),
                "buffer_contexts": In(context).array(buffers),
                "buffer_abis": In(Abi).array(buffers),
                "buffer_addresses": In(LIST_ADDRESS_BITS).array(buffers),
                "buffer_is_taken": Out(buffers),
                "lane_offers": In(1),
                "lane_context": In(context),
                "lane_abi": In(Abi),
                "lane_is_taken": Out(1),
                "picked_offers": In(1),
                "picked_context": In(context),
                "picked_abi": In(Abi),
                "picked_address": In(LIST_ADDRESS_BITS),
                "picked_is_taken": Out(1),
                "is_kept": Out(config.contexts),
                "question_offers": In(buffers),
                "questions": In(LIST_ADDRESS_BITS).array(buffers),
                "question_is_taken": Out(buffers),
                "question_is_judged": Out(buffers),
                "is_offered": Out(1),
                "is_question": Out(1),
                "is_from_lane": Out(1),
                "context": Out(context),
                "abi": Out(Abi),
                "address": Out(LIST_ADDRESS_BITS),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        # What waits: picked, or a question of that buffer.
        has_one_q = Signal()
        is_question_q = Signal(self._buffers)
        takes = Signal(self._buffers)
        context_q = Signal.like(self.context)
        abi_q = Signal(Abi)
        address_q = Signal(LIST_ADDRESS_BITS)
        is_one_taken = Signal()
        with m.If(is_one_taken):
            m.d.sync += has_one_q.eq(0)
        with m.If(~has_one_q):
            m.d.sync += [
                has_one_q.eq(self.picked_offers | self.question_offers.any()),
                is_question_q.eq(takes),
                context_q.eq(self.picked_context),
                abi_q.eq(self.picked_abi),
                address_q.eq(self.picked_address),
            ]
            m.d.comb += self.picked_is_taken.eq(self.picked_offers)
        is_free = ~has_one_q & ~self.picked_offers
        m.d.sync += self.question_is_taken.eq(takes)
        for number in range(self._buffers):
            m.d.comb += takes[number].eq(self.question_offers[number] & is_free)
            with m.If(takes[number]):
                m.d.sync += [abi_q.eq(Abi.X64), address_q.eq(self.questions[number])]
            is_free &= ~self.question_offers[number]

        waited_q = Signal(PATIENCE_BITS)
        is_urgent_q = Signal()
        with m.If(~has_one_q | is_one_taken):
            m.d.sync += [waited_q.eq(0), is_urgent_q.eq(0)]
        with m.Else():
            m.d.sync += [waited_q.eq(waited_q + 1), is_urgent_q.eq(is_urgent_q | waited_q.all())]

        is_free = ~is_urgent_q
        for number in range(self._buffers):
            m.d.comb += self.buffer_is_taken[number].eq(self.buffer_offers[number] & is_free)
            is_free &= ~self.buffer_offers[number]
        m.d.comb += [
            self.lane_is_taken.eq(self.lane_offers & is_free),
            is_one_taken.eq(has_one_q & is_free & ~self.lane_offers | is_urgent_q),
            self.question_is_judged.eq(is_question_q & is_one_taken.replicate(self._buffers)),
            self.is_question.eq(self.question_is_judged.any()),
            self.is_offered.eq(has_one_q | self.buffer_offers.any() | self.lane_offers),
            self.is_from_lane.eq(self.lane_is_taken),
            self.is_kept.eq(
                Cat(has_one_q & ~is_question_q.any() & (context_q == number) for number in range(self._contexts))
            ),
        ]

        # Whose turn it is if the lane has nothing.
        context = Signal.like(self.context)
        abi = Signal(Abi)
        m.d.comb += [context.eq(context_q), abi.eq(abi_q), self.address.eq(address_q)]
        for number in reversed(range(self._buffers)):
            with m.If(~is_urgent_q & self.buffer_offers[number]):
                m.d.comb += [
                    context.eq(self.buffer_contexts[number]),
                    abi.eq(self.buffer_abis[number]),
                    self.address.eq(self.buffer_addresses[number]),
                ]
        m.d.comb += [
            self.context.eq(Mux(self.lane_is_taken, self.lane_context, context)),
            self.abi.eq(Mux(self.lane_is_taken, self.lane_abi, abi)),
        ]
        return m
