"""Which address is judged next."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import LIST_ADDRESS_BITS

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
    buffer_offers, buffer_contexts, buffer_addresses, buffer_is_taken : In, In, In, Out
        One of each per line buffer.
    lane_offers, lane_context, lane_address, lane_is_taken
    picked_offers, picked_context, picked_address, picked_is_taken
    question_offers, questions, question_is_taken
        One of each per line buffer: not about a context, but whether a line may be read.
    is_offered, is_question, context, address : Out
        To the judge.
    """

    def __init__(self, config: EngineConfig):
        self._buffers = buffers = config.line_buffers
        context = range(max(2, config.contexts))
        super().__init__(
            {
                "buffer_offers": In(buffers),
                "buffer_contexts": In(context).array(buffers),
                "buffer_addresses": In(LIST_ADDRESS_BITS).array(buffers),
                "buffer_is_taken": Out(buffers),
                "lane_offers": In(1),
                "lane_context": In(context),
                "lane_address": In(LIST_ADDRESS_BITS),
                "lane_is_taken": Out(1),
                "picked_offers": In(1),
                "picked_context": In(context),
                "picked_address": In(LIST_ADDRESS_BITS),
                "picked_is_taken": Out(1),
                "question_offers": In(buffers),
                "questions": In(LIST_ADDRESS_BITS).array(buffers),
                "question_is_taken": Out(buffers),
                "is_offered": Out(1),
                "is_question": Out(1),
                "context": Out(context),
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
            self.context.eq(Mux(self.lane_is_taken, self.lane_context, self.picked_context)),
            self.address.eq(Mux(self.lane_is_taken, self.lane_address, self.picked_address)),
        ]
        for number in range(self._buffers):
            with m.If(self.question_is_taken[number]):
                m.d.comb += self.address.eq(self.questions[number])
        for number in range(self._buffers):
            with m.If(self.buffer_is_taken[number]):
                m.d.comb += [
                    self.context.eq(self.buffer_contexts[number]),
                    self.address.eq(self.buffer_addresses[number]),
                ]
        return m
