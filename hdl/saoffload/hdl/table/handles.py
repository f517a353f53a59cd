"""How a handle is put together, and who decides whether one names a bundle that lives."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import HANDLE_BITS, EngineConfig

from .records import record_layout


def index_of(config: EngineConfig, handle: Value) -> Value:
    """The index that a handle names, in range or not."""
    return Value.cast(handle[: config.index_bits])


def generation_of(config: EngineConfig, handle: Value) -> Value:
    """The generation that a handle names."""
    return Value.cast(handle[config.index_bits : HANDLE_BITS - 1])


def is_well_formed(config: EngineConfig, handle: Value) -> Value:
    """Whether a pointer-sized handle could name a bundle: bit 31 set, upper half 0, index below the capacity."""
    upper_half_is_zero = ~handle[HANDLE_BITS:].any()
    # A power of two needs no comparison: every index is below it.
    is_power = config.bundles == 1 << config.index_bits
    is_in_range = Const(1) if is_power else index_of(config, handle) < config.bundles
    return handle[HANDLE_BITS - 1] & upper_half_is_zero & is_in_range


def to_handle(config: EngineConfig, index: Value, generation: Value) -> Value:
    """The handle of the owner of ``index`` in ``generation``."""
    assert len(index) == config.index_bits
    assert len(generation) == config.generation_bits
    return Value.cast(Cat(index, generation, Const(1, 1)))


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
