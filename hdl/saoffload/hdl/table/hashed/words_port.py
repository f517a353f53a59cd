"""The words of an index, one port each for the management: its generation, the free list's link, and its context."""

from amaranth.hdl import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig

from .contexts import ContextAccess
from .free_list import LinkWrite
from .generations import GenerationAccess
from .wipe import WipeProgress


class AddWords(wiring.Signature):
    """How an add reaches the words of its bundle's index, seen from the add.

    ``index`` with ``do_read``, held until ``is_read``; ``WORD_LATENCY`` clocks later ``generation`` and ``link``. Or
    with ``do_write``, ``written_generation`` and ``context``, held until ``is_written``; never both.
    """

    def __init__(self, config: EngineConfig):
        super().__init__(
            {
                "index": Out(config.index_bits),
                "do_read": Out(1),
                "is_read": In(1),
                "generation": In(config.generation_bits),
                "link": In(config.index_bits),
                "do_write": Out(1),
                "written_generation": Out(config.generation_bits),
                "context": Out(config.context_width),
                "is_written": In(1),
            }
        )


class WordsPort(wiring.Component):
    """Lets an add read and write the words of an index, an audit read all of them in one clock, the free list write its
    links, and the wipe everything. Nobody else is at work while an audit or the wipe is, and a link goes first.

    Parameters: ``config``.

    Members: ``add``. ``do_audit`` with ``audit_index``, held until ``audit_is_taken`` or longer, if another memory does
    not take it in that clock. ``link_write``. ``wipe``, with ``wipes_generations``: those too; ``wipe_must_hold``: not
    in this clock. To the memories: ``generations``, ``links``, ``contexts``.

    Latency: none.
    """

    def __init__(self, config: EngineConfig):
        super().__init__(
            {
                "add": In(AddWords(config)),
                "do_audit": In(1),
                "audit_index": In(range(config.bundles)),
                "audit_is_taken": Out(1),
                "link_write": In(LinkWrite(config)),
                "wipe": In(WipeProgress(config)),
                "wipes_generations": In(1),
                "wipe_must_hold": Out(1),
                "generations": Out(GenerationAccess(config)),
                "links": Out(GenerationAccess(config)),
                "contexts": Out(ContextAccess(config)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        add, wipe, link_write = self.add, self.wipe, self.link_write
        generations, links, contexts = self.generations, self.links, self.contexts
        context_waits = contexts.do_write & ~contexts.is_ready
        m.d.comb += [
            # Whether or not there is something to write: what tells it comes from registers.
            self.wipe_must_hold.eq(~generations.is_ready | ~contexts.is_ready),
            add.is_read.eq(generations.is_ready),
            add.is_written.eq(generations.is_ready & ~context_waits),
            add.generation.eq(generations.data),
            add.link.eq(links.data),
            self.audit_is_taken.eq(generations.is_ready & contexts.is_ready),
            contexts.do_audit.eq(self.do_audit),
        ]
        index = Mux(self.do_audit, self.audit_index, add.index)
        with m.If(wipe.is_running):
            m.d.comb += [
                generations.index.eq(wipe.position),
                generations.do_write.eq(wipe.has_index & self.wipes_generations),
                generations.write_data.eq(-1),
                links.index.eq(wipe.position),
                links.do_write.eq(generations.do_write),
                links.write_data.eq(-1),
                contexts.index.eq(wipe.position),
                contexts.do_write.eq(wipe.has_index),
            ]
        with m.Else():
            m.d.comb += [
                generations.index.eq(index),
                generations.do_read.eq(add.do_read | self.do_audit),
                generations.do_write.eq(add.do_write),
                generations.write_data.eq(add.written_generation),
                links.index.eq(Mux(link_write.do, link_write.index, index)),
                links.do_read.eq((add.do_read | self.do_audit) & ~link_write.do),
                links.do_write.eq(link_write.do | add.do_write),
                links.write_data.eq(Mux(link_write.do, link_write.link, add.written_generation)),
                contexts.index.eq(index),
                contexts.do_write.eq(add.do_write),
                contexts.write_data.eq(add.context),
            ]
        return m
