"""Which address is judged next."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import LIST_ADDRESS_BITS, Abi

PATIENCE_BITS = 3


class Offers(wiring.Component):
    """Takes one address per clock for the judge: out of a line buffer, off the bus, picked, or a line to be fetched.

    In this order, because nobody else can wait so badly: a node from a buffer comes every third clock; a ``Next`` on
    the bus is kept anyway, and its context is picked later if it is not judged as it comes. What was picked goes first
    once it has waited for 8 clocks, so that nothing waits for ever.

    Parameters
    ----------
    config : :class:`EngineConfig`

    Members
    -------
    buffer_offers, buffer_contexts, buffer_abis, buffer_addresses, buffer_is_taken : In, In, In, In, Out
        One of each per line buffer.
    buffer_is_void : In
        One per line buffer, late in its clock: what was taken from it is not to be judged.
    lane_offers, lane_context, lane_abi, lane_is_taken
        Late in the clock, and without the address, which comes a clock later.
    picked_offers, picked_context, picked_abi, picked_address, picked_is_taken
    question_offers, questions, question_is_taken
        One of each per line buffer: not about a context, but whether a line may be read, for nodes of x64.
    is_offered, is_void, is_question, is_from_lane, context, abi, address : Out
        To the judge. ``address`` waits for nothing that is late.
    """

    def __init__(self, config: EngineConfig):
        self._buffers = buffers = config.line_buffers
        context = range(max(2, config.contexts))
        super().__init__(
            {
                "buffer_offers": In(buffers),
                "buffer_contexts": In(context).array(buffers),
                "buffer_abis": In(Abi).array(buffers),
                "buffer_addresses": In(LIST_ADDRESS_BITS).array(buffers),
                "buffer_is_taken": Out(buffers),
                "buffer_is_void": In(buffers),
                "lane_offers": In(1),
                "lane_context": In(context),
                "lane_abi": In(Abi),
                "lane_is_taken": Out(1),
                "picked_offers": In(1),
                "picked_context": In(context),
                "picked_abi": In(Abi),
                "picked_address": In(LIST_ADDRESS_BITS),
                "picked_is_taken": Out(1),
                "question_offers": In(buffers),
                "questions": In(LIST_ADDRESS_BITS).array(buffers),
                "question_is_taken": Out(buffers),
                "is_offered": Out(1),
                "is_void": Out(1),
                "is_question": Out(1),
                "is_from_lane": Out(1),
                "context": Out(context),
                "abi": Out(Abi),
                "address": Out(LIST_ADDRESS_BITS),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        waited_q = Signal(PATIENCE_BITS)
        with m.If(~self.picked_offers | self.picked_is_taken):
            m.d.sync += waited_q.eq(0)
        with m.Elif(~waited_q.all()):
            m.d.sync += waited_q.eq(waited_q + 1)
        is_urgent = Signal()
        m.d.comb += is_urgent.eq(self.picked_offers & waited_q.all())

        is_free = ~is_urgent
        for number in range(self._buffers):
            m.d.comb += self.buffer_is_taken[number].eq(self.buffer_offers[number] & is_free)
            is_free &= ~self.buffer_offers[number]
        m.d.comb += [
            self.lane_is_taken.eq(self.lane_offers & is_free),
            self.picked_is_taken.eq(is_urgent | (self.picked_offers & is_free & ~self.lane_offers)),
        ]
        is_free &= ~self.lane_offers & ~self.picked_offers
        for number in range(self._buffers):
            m.d.comb += self.question_is_taken[number].eq(self.question_offers[number] & is_free)
            is_free &= ~self.question_offers[number]

        m.d.comb += [
            self.is_question.eq(self.question_is_taken.any()),
            self.is_offered.eq(
                self.buffer_is_taken.any() | self.lane_is_taken | self.picked_is_taken | self.is_question
            ),
            self.is_void.eq((self.buffer_is_taken & self.buffer_is_void).any()),
            self.is_from_lane.eq(self.lane_is_taken),
        ]

        # Whose turn it is if the lane has nothing.
        context, abi = Signal.like(self.context), Signal(Abi)
        m.d.comb += [context.eq(self.picked_context), abi.eq(self.picked_abi), self.address.eq(self.picked_address)]
        is_other = Signal()
        m.d.comb += is_other.eq(~self.picked_offers)
        for number in reversed(range(self._buffers)):
            with m.If(is_other & self.question_offers[number]):
                m.d.comb += [abi.eq(Abi.X64), self.address.eq(self.questions[number])]
        for number in reversed(range(self._buffers)):
            with m.If(~is_urgent & self.buffer_offers[number]):
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
