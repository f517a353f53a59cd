"""Wide comparisons and parities cut into pieces that one clock can hold."""

from amaranth.hdl import Cat, Value

GROUP_BITS = 2
"""Bits compared in one piece: one 4-input look-up table."""

PARITY_BITS = 4
"""Bits whose parity is one piece: one 4-input look-up table."""

JOINED_BITS = 8
"""Pieces that are joined to a larger one: two levels of 4-input look-up tables."""


def equal_groups(left: Value, right: Value) -> Value:
    """One bit per group of bits: whether the two agree there. They are equal when all bits are 1."""
    assert len(left) == len(right)
    lows = range(0, len(left), GROUP_BITS)
    return Value.cast(Cat(left[low : low + GROUP_BITS] == right[low : low + GROUP_BITS] for low in lows))


def all_groups(value: Value) -> Value:
    """One bit per group of bits: whether all of them are 1."""
    return Value.cast(Cat(value[low : low + JOINED_BITS].all() for low in range(0, len(value), JOINED_BITS)))


def parity_groups(value: Value, *, bits: int = PARITY_BITS) -> Value:
    """The parities of the groups of a value: their XOR is the parity of the whole."""
    return Value.cast(Cat(value[low : low + bits].xor() for low in range(0, len(value), bits)))
