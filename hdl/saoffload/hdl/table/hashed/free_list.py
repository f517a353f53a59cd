"""The indices that may be issued, the longest free first."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig


class LinkWrite(wiring.Signature):
    """A write of the free list to its memory, seen from the list, always taken: the word of ``index`` is ``link``."""

    def __init__(self, config: EngineConfig):
        super().__init__({"do": Out(1), "index": Out(config.index_bits), "link": Out(config.index_bits)})


class FreeList(wiring.Component):
    """A queue of indices, linked through a memory that has a word for each of them.

    Parameters: ``config``.

    Members: ``is_empty``, ``head``: the longest free. ``do_push`` with ``pushed``: behind all others. ``do_pop`` with
    ``next_head``: what the head's word holds, read before somebody else gets the word. ``do_clear``. ``link_write``: to
    the memory, two clocks after a push.

    Latency: changes show in the second clock. In the two clocks after a push nobody pops or reads a word, nor does
    anybody push and pop in the same clock.
    """

    def __init__(self, config: EngineConfig):
        index = range(config.bundles)
        self._bundles = config.bundles
        super().__init__(
            {
                "is_empty": Out(1, init=1),
                "head": Out(index),
                "do_push": In(1),
                "pushed": In(index),
                "do_pop": In(1),
                "next_head": In(index),
                "do_clear": In(1),
                "link_write": Out(LinkWrite(config)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        tail = Signal.like(self.head)
        is_last = Signal()
        # Whether something happens is known late in its clock.
        does_push = Signal()
        does_pop = Signal()
        pushed = Signal.like(self.head, reset_less=True)
        next_head = Signal.like(self.head, reset_less=True)
        m.d.sync += [
            does_push.eq(self.do_push),
            does_pop.eq(self.do_pop),
            pushed.eq(self.pushed),
            next_head.eq(self.next_head),
            is_last.eq(self.head == tail),
        ]
        m.d.sync += [
            self.link_write.do.eq(does_push & ~self.is_empty),
            self.link_write.index.eq(tail),
            self.link_write.link.eq(pushed),
        ]
        with m.If(does_push):
            m.d.sync += [tail.eq(pushed), self.is_empty.eq(0)]
            with m.If(self.is_empty):
                m.d.sync += self.head.eq(pushed)
        with m.Elif(does_pop):
            m.d.sync += [self.head.eq(next_head), self.is_empty.eq(is_last)]
        with m.If(self.do_clear):
            m.d.sync += self.is_empty.eq(1)
        return m
