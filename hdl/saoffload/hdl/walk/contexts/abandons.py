"""Which read is abandoned, once the wait for it has expired and its walk has ended."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig


class Abandons(wiring.Component):
    """Abandons the read of a walk that timed out, if it has left for the bus, or leaves, and is not over by then.

    Parameters
    ----------
    config : :class:`EngineConfig`
        ``contexts``, ``id_width``.

    Members
    -------
    do_time_out, context : In
        A walk ends, because its read was waited for too long.
    pending, is_leaving, leaving_context : In
        Reads in the ring: see :class:`.AskQueue`.
    busy_ids : In
        Of reads that are not over.
    may_abandon : Out
        Two clocks after ``do_time_out``: no other read may be abandoned in this clock.
    abandons : ``Out(stream of layouts.abandoned_read, always_ready=True)``
        In the same clock.
    """

    abandons: stream.Interface

    def __init__(self, config: EngineConfig):
        self._config = config
        context, each = range(max(2, config.contexts)), config.contexts
        super().__init__(
            {
                "do_time_out": In(1),
                "context": In(context),
                "pending": In(each),
                "is_leaving": In(1),
                "leaving_context": In(context),
                "busy_ids": In(2**config.id_width),
                "may_abandon": Out(1),
                "abandons": Out(stream.Signature(layouts.abandoned_read(config), always_ready=True)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        each = self._config.contexts
        did_time_out_q = Signal()
        has_left_q = Signal()
        is_leaving_q = Signal()
        context_q = Signal.like(self.context)
        was_leaving_q = Signal()
        was_abandoned_q = Signal(each)
        m.d.sync += [
            did_time_out_q.eq(self.do_time_out),
            has_left_q.eq(~Value.cast(self.pending.bit_select(self.context, 1))),
            is_leaving_q.eq(self.is_leaving & (self.leaving_context == self.context)),
            context_q.eq(self.context),
            was_leaving_q.eq(did_time_out_q & is_leaving_q),
            was_abandoned_q.eq(Cat(did_time_out_q & has_left_q & (context_q == number) for number in range(each))),
            self.may_abandon.eq(did_time_out_q),
            self.abandons.payload.id.eq(context_q),
        ]
        # What has just left cannot be over, and its ID is not busy yet.
        m.d.comb += self.abandons.valid.eq(was_leaving_q | (was_abandoned_q & self.busy_ids[:each]).any())
        return m
