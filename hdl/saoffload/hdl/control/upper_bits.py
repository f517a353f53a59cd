"""Whether a written word has bits that mean nothing: one tree for all who ask."""

from amaranth.hdl import Value

#: Every question about bits below this one is answered by the same tree above it.
SHARED_FROM = 9


def has_any(word: Value, low: int) -> Value:
    """Whether any bit of the word from ``low`` on is 1, so written that synthesis builds the upper bits' tree once."""
    if low >= SHARED_FROM:
        return word[low:].any()
    return word[low:SHARED_FROM].any() | word[SHARED_FROM:].any()
