"""The results of contexts whose walk has ended, once the table has answered all their deletes."""

from amaranth.hdl import Module, Mux, Signal
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

    One context that has ended per 4 clocks; a result stands until it is taken, and nothing else is looked at meanwhile.
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
        ordinal_q, answered_q = Signal(COUNT_BITS), Signal(COUNT_BITS)
        is_short_q = Signal()

        def go_on() -> None:
            m.d.sync += self.context.eq(Mux(self.context == self._contexts - 1, 0, self.context + 1))
            m.next = "LOOK"

        with m.FSM():
            with m.State("LOOK"):
                m.d.sync += [
                    result.tag.eq(self.tag),
                    result.status.eq(self.status),
                    result.deleted.eq(self.deleted),
                    result.fault_address.eq(Mux(self.is_delete, 0, self.address)),
                    ordinal_q.eq(self.ordinal),
                    is_short_q.eq(self.is_short),
                    answered_q.eq(self.answered),
                ]
                with m.If(self.has_ended.bit_select(self.context, 1)):
                    m.next = "COUNT"
                with m.Else():
                    go_on()
            with m.State("COUNT"):
                m.d.sync += [
                    result.visited.eq(ordinal_q - is_short_q),
                    result.not_found.eq(answered_q - result.deleted),
                ]
                m.next = "COMPARE"
            with m.State("COMPARE"):
                with m.If(answered_q == result.visited):
                    m.next = "OFFER"
                with m.Else():
                    go_on()
            with m.State("OFFER"):
                m.d.comb += [self.results.valid.eq(1), self.do_free.eq(self.results.ready)]
                with m.If(self.results.ready):
                    go_on()
        return m
