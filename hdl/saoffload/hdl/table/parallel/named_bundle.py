"""Who decides whether a handle names a bundle that lives."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import HANDLE_BITS, EngineConfig
from saoffload.hdl.table.handles import generation_of, index_of, is_well_formed

from .records import record_layout


class NamedBundle(wiring.Component):
    """Judges handles: does this one name a bundle that lives now?

    Parameters: ``config``.

    Members: ``do_request`` with ``handle`` (64 bits, all of them count); ``index``: to the record memory in the same
    clock, ``record`` from it; ``live``. One clock after the request ``is_asked``, ``is_named`` (combinational from
    ``live``), ``named_index``, ``named_handle``, and ``record`` is its record.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        index = range(config.bundles)
        super().__init__(
            {
                "do_request": In(1),
                "handle": In(layouts.WIDE_HANDLE_BITS),
                "index": Out(index),
                "record": In(record_layout(config)),
                "live": In(config.bundles),
                "is_asked": Out(1),
                "is_named": Out(1),
                "named_index": Out(index),
                "named_handle": Out(HANDLE_BITS),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self._config
        is_possible = Signal()
        m.d.comb += [
            self.index.eq(index_of(config, self.handle)),
            self.named_index.eq(index_of(config, self.named_handle)),
        ]
        m.d.sync += [
            self.is_asked.eq(self.do_request),
            self.named_handle.eq(self.handle),
            is_possible.eq(self.do_request & is_well_formed(config, self.handle)),
        ]
        m.d.comb += self.is_named.eq(
            is_possible
            & (generation_of(config, self.named_handle) == self.record.generation)
            & self.live.bit_select(self.named_index, 1)
        )
        return m
