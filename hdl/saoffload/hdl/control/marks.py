"""Counts that follow one another around a ring: how far they are apart."""

from amaranth.hdl import Signal, Value


def are_apart(later: Signal, earlier: Signal, distance: int) -> Value:
    """Whether ``later`` is ``distance`` ahead of ``earlier``; where half the ring lies between them no bit is
    subtracted.
    """
    if distance == 1 << (len(later) - 1):
        return Value.cast((later ^ earlier) == distance)
    return Value.cast((later - earlier)[: len(later)] == distance)
