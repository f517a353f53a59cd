"""From one bit of many to its number."""

from amaranth.hdl import Cat, Value


def encode(one_hot: Value) -> Value:
    """The number of the one bit that is set: a tree of ORs, no priority chain."""
    count = len(one_hot)
    bits = [
        Cat(one_hot[number] for number in range(count) if number >> bit & 1).any()
        for bit in range(max(1, (count - 1).bit_length()))
    ]
    return Value.cast(Cat(bits))
