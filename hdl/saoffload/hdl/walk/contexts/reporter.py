"""The results of contexts whose walk has ended, once the table has answered all their deletes."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import COUNT_BITS, LIST_ADDRESS_BITS, TAG_BITS, Status


class Reporter(wiring.Component):
    """Looks at the contexts in turn and offers the result of each that has ended and owes no answer.

    Parameters
    ----------
    config : :class:`EngineConfig`
        ``contexts``.

    Members
    -------
    has_ended : ``In(contexts)``
    context : Out
        Looked at now; about it are, in the same clock:
    tag, status, is_short, is_delete, ordinal, answered, deleted, address : In
        ``is_short``: the last node counted in ``ordinal`` was not visited. A delete by register has no address.
    results : ``Out(stream of layouts.COMPLETION)``
    do_free : ``Out(1)``
        Strobe: the result of ``context`` was taken, it can be used again.

    One context that has ended per 5 clocks; a result stands until it is taken, and nothing else is looked at meanwhile.
    """

    results: stream.Interface

    def __init__(self, config: EngineConfig):
        self._contexts = config.contexts
        super().__init__(
            {
                "has_ended": In(config.contexts),
                "context": Out(range(max(2, config.contexts))),
                "tag": In(TAG_BITS),
                "status": In(Status),
                "is_short": In(1),
                "is_delete": In(1),
                "ordinal": In(COUNT_BITS),
                "answered": In(COUNT_BITS),
                "deleted": In(COUNT_BITS),
                "address": In(LIST_ADDRESS_BITS),
                "results": Out(stream.Signature(layouts.COMPLETION)),
                "do_free": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        result = self.results.payload
        ordinal_q = Signal(COUNT_BITS)
        answered_q = Signal(COUNT_BITS)
        is_short_q = Signal()
        is_delete_q = Signal()
        parts_q = Signal(4)
        # Whether the context has ended was looked up a clock before.
        next_context = Signal.like(self.context)
        is_ended_q = Signal()
        ended_q = Signal(self._contexts)
        m.d.comb += next_context.eq(Mux(self.context == self._contexts - 1, 0, self.context + 1))
        m.d.sync += ended_q.eq(
            self.has_ended & ~Cat(self.do_free & (self.context == number) for number in range(self._contexts))
        )

        def go_on() -> None:
            m.d.sync += [
                self.context.eq(next_context),
                is_ended_q.eq(ended_q.bit_select(next_context, 1)),
            ]
            m.next = "LOOK"

        with m.FSM():
            with m.State("LOOK"):
                m.d.sync += [
                    result.tag.eq(self.tag),
                    result.status.eq(self.status),
                    result.deleted.eq(self.deleted),
                    result.fault_address.eq(self.address),
                    is_delete_q.eq(self.is_delete),
                    ordinal_q.eq(self.ordinal),
                    is_short_q.eq(self.is_short),
                    answered_q.eq(self.answered),
                ]
                with m.If(is_ended_q):
                    m.next = "COUNT"
                with m.Else():
                    go_on()
            with m.State("COUNT"):
                m.d.sync += [
                    result.visited.eq(ordinal_q - is_short_q),
                    result.not_found.eq(answered_q - result.deleted),
                ]
                with m.If(is_delete_q):
                    m.d.sync += result.fault_address.eq(0)
                m.next = "COMPARE"
            with m.State("COMPARE"):
                same = ~(answered_q ^ result.visited)
                m.d.sync += parts_q.eq(Cat(same[low : low + 8].all() for low in range(0, COUNT_BITS, 8)))
                m.next = "JUDGE"
            with m.State("JUDGE"):
                with m.If(parts_q.all()):
                    m.next = "OFFER"
                with m.Else():
                    go_on()
            with m.State("OFFER"):
                m.d.comb += [self.results.valid.eq(1), self.do_free.eq(self.results.ready)]
                with m.If(self.results.ready):
                    go_on()
                    if self._contexts == 1:
                        m.d.sync += is_ended_q.eq(0)
        return m
