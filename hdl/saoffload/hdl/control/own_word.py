"""The word that the driver wrote, beside whoever stages it."""

from amaranth.hdl import Module, Signal, Value

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.local_copy import local_copy


def own_word(m: Module, word: Signal, config: EngineConfig) -> Value:
    """``word`` of the clock before, in a register of whoever stages it alone.

    A written word stands from the clock before its strobe on, so in the clock of the strobe the copy is that word. One
    register for all would lead to a thousand places from one end of a large chip to the other. On a part with few
    flip-flops, where ways are short, it is ``word`` itself.
    """
    if config.prefers_block_ram:
        return word
    return local_copy(m, "word", word, reset_less=True)
