"""The flush: one at a time, from its doorbell to its result."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import NOTHING, TAG_BITS, flush_answer, flush_result


class Flush(wiring.Component):
    """Passes a flush to the table in the clock in which it is accepted, and makes a result of the table's answer.

    Parameters
    ----------
    config : EngineConfig
        ``bundles``.

    Members
    -------
    do_flush, tag : In
        Begins a flush; only while ``is_active`` is 0.
    flushes, flush_answers : streams
        To and from the table.
    results : ``Out(stream of layouts.flush_result)``
        One result per flush.
    is_active : ``Out(1)``
        A flush was begun and its result has not been taken.

    No clock from ``do_flush`` to ``flushes``, one from the answer to the result.
    """

    flushes: stream.Interface
    flush_answers: stream.Interface
    results: stream.Interface

    def __init__(self, config: EngineConfig):
        super().__init__(
            {
                "do_flush": In(1),
                "tag": In(TAG_BITS),
                "flushes": Out(stream.Signature(NOTHING)),
                "flush_answers": In(stream.Signature(flush_answer(config), always_ready=True)),
                "results": Out(stream.Signature(flush_result(config))),
                "is_active": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        tag_q = Signal(TAG_BITS)
        deleted_q = Signal.like(self.flush_answers.payload.deleted)
        result = self.results.payload
        m.d.comb += [
            result.tag.eq(tag_q),
            result.deleted.eq(deleted_q),
        ]

        m.d.comb += self.is_active.eq(1)
        with m.FSM(name="flush"):
            with m.State("IDLE"):
                m.d.comb += [self.is_active.eq(0), self.flushes.valid.eq(self.do_flush)]
                with m.If(self.do_flush):
                    m.d.sync += tag_q.eq(self.tag)
                    m.next = "REQUEST"
                    with m.If(self.flushes.ready):
                        m.next = "AWAIT"
            with m.State("REQUEST"):
                m.d.comb += self.flushes.valid.eq(1)
                with m.If(self.flushes.ready):
                    m.next = "AWAIT"
            with m.State("AWAIT"):
                m.d.sync += deleted_q.eq(self.flush_answers.payload.deleted)
                with m.If(self.flush_answers.valid):
                    m.next = "REPORT"
            with m.State("REPORT"):
                m.d.comb += self.results.valid.eq(1)
                with m.If(self.results.ready):
                    m.next = "IDLE"
        return m
