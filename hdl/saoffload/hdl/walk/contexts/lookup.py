"""The bit of one context, where it is needed early."""

from amaranth.hdl import Cat, Value

GROUP_BITS = 2


def bit_of(bits: Value, context: Value) -> Value:
    """The bit with the number ``context``: of sixteen in three levels of 4-input tables, where a tree of multiplexers
    has four. One of each group of four is chosen, and only that of the right group is left.

    ``bits`` has any width; a number beyond it gives 0.
    """
    place, group = context[:GROUP_BITS], context[GROUP_BITS:]
    found = []
    for low in range(0, len(bits), 1 << GROUP_BITS):
        members = bits[low : low + (1 << GROUP_BITS)]
        found.append(members.bit_select(place, 1) & (group == low >> GROUP_BITS))
    return Value.cast(Cat(found).any())
