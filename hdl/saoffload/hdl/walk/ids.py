"""Which AXI ID the next read gets."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig


class IdPicker(wiring.Component):
    """Offers the IDs in turn, leaving out those that are in use.

    Looks at one ID per clock: an ID that is free is found within 2**id_width clocks, the next one in turn at once. What
    is offered stays offered until it is taken.

    Parameters
    ----------
    config : :class:`EngineConfig`
        ``id_width``.

    Members
    -------
    busy_ids : ``In(2**id_width)``
        Bit n: ID n is in use. A taken ID must be busy from the clock after it was taken.
    id : ``Out``
    is_free : ``Out(1)``
        ``id`` can be used. Registers, both.
    do_take : ``In(1)``
        Strobe: a read of ``id`` was accepted.
    """

    busy_ids: Signal
    id: Signal
    is_free: Signal
    do_take: Signal

    def __init__(self, config: EngineConfig):
        self._id_count = 2**config.id_width
        super().__init__(
            {
                "busy_ids": In(self._id_count),
                "id": Out(config.id_width),
                "is_free": Out(1, init=1),
                "do_take": In(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        next_id = Signal.like(self.id)
        is_next_free = Signal()
        m.d.comb += [
            next_id.eq(self.id + 1),
            is_next_free.eq(~self.busy_ids.bit_select(next_id, 1)),
        ]
        with m.If(self.do_take | ~self.is_free):
            m.d.sync += [self.id.eq(next_id), self.is_free.eq(is_next_free)]
        return m
