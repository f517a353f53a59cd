"""What a bundle index can be, in code words of which no single flipped bit makes another."""

from amaranth.hdl import Mux, Value
from amaranth.lib import enum

from saoffload.hdl import layouts


class BundleState(enum.Enum, shape=4):
    """The state of one index. All words have even parity."""

    #: Nobody's, and may be issued.
    FREE = 0b0000
    #: Deleted while ``sweep_parity`` was 0: a sweep that begins after this has to pass before it is free.
    DEAD_0 = 0b0011
    #: Deleted while ``sweep_parity`` was 1.
    DEAD_1 = 0b0101
    #: A live inbound bundle of one key.
    INBOUND_1 = 0b0110
    #: A live inbound bundle of two keys.
    INBOUND_2 = 0b1001
    #: A live outbound bundle.
    OUTBOUND = 0b1010


def is_live(state: Value) -> Value:
    """Whether the bundle lives. A damaged word does not."""
    live = (BundleState.INBOUND_1, BundleState.INBOUND_2, BundleState.OUTBOUND)
    return Value.cast(Value.cast(state).matches(*live))


def is_inbound(state: Value) -> Value:
    """Whether the bundle lives and is inbound."""
    return Value.cast(Value.cast(state).matches(BundleState.INBOUND_1, BundleState.INBOUND_2))


def is_known(state: Value) -> Value:
    """Whether the word is one of the states at all."""
    return Value.cast(Value.cast(state).matches(*BundleState))


def key_count_of(state: Value) -> Value:
    """Keys of a live bundle."""
    word = Value.cast(state)
    return Value.cast(Mux(word == BundleState.INBOUND_2.value, 2, word == BundleState.INBOUND_1.value))


def dead_state(parity: Value) -> Value:
    """The state of a bundle that dies while ``sweep_parity`` is this."""
    return Value.cast(Mux(parity, BundleState.DEAD_1, BundleState.DEAD_0))


def live_state(direction: Value, sa_count: Value) -> Value:
    """The state of a new bundle."""
    inbound = Mux(Value.cast(sa_count) == 2, BundleState.INBOUND_2, BundleState.INBOUND_1)
    return Value.cast(Mux(Value.cast(direction) == layouts.Direction.OUTBOUND.value, BundleState.OUTBOUND, inbound))
