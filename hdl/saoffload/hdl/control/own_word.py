"""The word that the driver wrote, beside whoever stages it."""

from amaranth.hdl import Module, Signal, Value

from saoffload.hdl.config import EngineConfig

STAGERS = ("queue", "windows", "adds")
"""Who keeps a copy of the word: what it fills stands far from the others'."""


def own_word(m: Module, word: Signal, config: EngineConfig, *, stager: str) -> Value:
    """``word`` of the clock before, in a register of ``stager`` alone, which is one of ``STAGERS``.

    A written word stands from the clock before its strobe on, so in the clock of the strobe the copy is that word. One
    register for all would lead to a thousand places from one end of a large chip to the other. On a part with few
    flip-flops, where ways are short, it is ``word`` itself.
    """
    if config.prefers_block_ram:
        return word
    # Its first value, which means nothing, keeps it apart from the copies of the others, whose content is the same.
    copy = Signal.like(word, name="own_word_q", init=1 + STAGERS.index(stager), reset_less=True)
    m.d.sync += copy.eq(word)
    return copy
