"""How a handle is put together."""

from amaranth.hdl import Cat, Const, Value

from saoffload.hdl.config import HANDLE_BITS, EngineConfig


def index_of(config: EngineConfig, handle: Value) -> Value:
    """The index that a handle names, in range or not."""
    return Value.cast(handle[: config.index_bits])


def generation_of(config: EngineConfig, handle: Value) -> Value:
    """The generation that a handle names."""
    return Value.cast(handle[config.index_bits : HANDLE_BITS - 1])


def is_in_range(config: EngineConfig, handle: Value) -> Value:
    """Whether the index that a handle names is below the capacity."""
    # A power of two needs no comparison: every index is below it.
    is_power = config.bundles == 1 << config.index_bits
    return Const(1) if is_power else index_of(config, handle) < config.bundles


def is_well_formed(config: EngineConfig, handle: Value) -> Value:
    """Whether a pointer-sized handle could name a bundle: bit 31 set, upper half 0, index below the capacity."""
    upper_half_is_zero = ~handle[HANDLE_BITS:].any()
    return handle[HANDLE_BITS - 1] & upper_half_is_zero & is_in_range(config, handle)


def to_handle(config: EngineConfig, index: Value, generation: Value) -> Value:
    """The handle of the owner of ``index`` in ``generation``."""
    assert len(index) == config.index_bits
    assert len(generation) == config.generation_bits
    return Value.cast(Cat(index, generation, Const(1, 1)))
