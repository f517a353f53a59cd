"""The first of several, and what belongs to it."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Mux, Value


@dataclass(frozen=True)
class First:
    """Of some candidates: whether there are any, the number of the lowest one, and what goes with it, its mark."""

    is_any: Value
    index: Value
    mark: Value


def first_of(parts: list[First]) -> First:
    """The first one of several parts of the same size, of which the last may be smaller. A tree, not a chain."""
    if len(parts) == 1:
        return parts[0]
    half = 1 << (len(parts) - 1).bit_length() - 1
    low, high = first_of(parts[:half]), first_of(parts[half:])
    width = len(low.index)
    high_index = Cat(high.index, Const(0, width))[:width]
    return First(
        is_any=low.is_any | high.is_any,
        index=Value.cast(Cat(Mux(low.is_any, low.index, high_index), ~low.is_any)),
        mark=Mux(low.is_any, low.mark, high.mark),
    )
