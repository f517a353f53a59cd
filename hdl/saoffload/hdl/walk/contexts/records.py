"""What is kept of each context besides its numbers: its words, its tag, and how it ended."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import LIST_ADDRESS_BITS, TAG_BITS, WIDE_HANDLE_BITS, Status
from saoffload.hdl.lut_memory import LutMemory


class Records(wiring.Component):
    """Memories of one word per context; what is written in a clock is read from the next one on, words a clock later.

    Parameters
    ----------
    config : :class:`EngineConfig`
        ``contexts``.

    Members
    -------
    do_start, start_context, start_head, start_tag : In
        A command begins; never in the clock after ``do_write_next``.
    do_write_next, next, do_write_handle, handle, word_context : In
        What a word of this context's node held.
    picked_context, picked_next : In, Out
        The address to be judged: the head, or the last ``Next``.
    visited_context, visited_handle : In, Out
    do_write_end, ended_context, status, is_short : In
        How this context's walk ended.
    shown_context, shown_tag, shown_status, shown_is_short : In, Out, Out, Out
    """

    def __init__(self, config: EngineConfig):
        self._contexts = config.contexts
        context = range(max(2, config.contexts))
        super().__init__(
            {
                "do_start": In(1),
                "start_context": In(context),
                "start_head": In(LIST_ADDRESS_BITS),
                "start_tag": In(TAG_BITS),
                "do_write_next": In(1),
                "next": In(LIST_ADDRESS_BITS),
                "do_write_handle": In(1),
                "handle": In(WIDE_HANDLE_BITS),
                "word_context": In(context),
                "picked_context": In(context),
                "picked_next": Out(LIST_ADDRESS_BITS),
                "visited_context": In(context),
                "visited_handle": Out(WIDE_HANDLE_BITS),
                "do_write_end": In(1),
                "ended_context": In(context),
                "status": In(Status),
                "is_short": In(1),
                "shown_context": In(context),
                "shown_tag": Out(TAG_BITS),
                "shown_status": Out(Status),
                "shown_is_short": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        end = data.StructLayout({"status": Status, "is_short": 1})
        m.submodules.nexts = nexts = LutMemory(shape=LIST_ADDRESS_BITS, depth=self._contexts)
        m.submodules.handles = handles = LutMemory(shape=WIDE_HANDLE_BITS, depth=self._contexts)
        m.submodules.tags = tags = LutMemory(shape=TAG_BITS, depth=self._contexts)
        m.submodules.ends = ends = LutMemory(shape=end, depth=self._contexts)
        writes_next_q, writes_handle_q = Signal(name="writes_next_q"), Signal(name="writes_handle_q")
        next_q = Signal(LIST_ADDRESS_BITS)
        handle_q = Signal(WIDE_HANDLE_BITS)
        word_context_q = Signal.like(self.word_context)
        m.d.sync += [
            writes_next_q.eq(self.do_write_next),
            writes_handle_q.eq(self.do_write_handle),
            next_q.eq(self.next),
            handle_q.eq(self.handle),
            word_context_q.eq(self.word_context),
        ]
        m.d.comb += [
            nexts.do_write.eq(self.do_start | writes_next_q),
            nexts.write_address.eq(Mux(writes_next_q, word_context_q, self.start_context)),
            nexts.write_data.eq(Mux(writes_next_q, next_q, self.start_head)),
            nexts.read_addresses[0].eq(self.picked_context),
            self.picked_next.eq(nexts.read_data[0]),
            handles.do_write.eq(writes_handle_q),
            handles.write_address.eq(word_context_q),
            handles.write_data.eq(handle_q),
            handles.read_addresses[0].eq(self.visited_context),
            self.visited_handle.eq(handles.read_data[0]),
            tags.do_write.eq(self.do_start),
            tags.write_address.eq(self.start_context),
            tags.write_data.eq(self.start_tag),
            tags.read_addresses[0].eq(self.shown_context),
            self.shown_tag.eq(tags.read_data[0]),
            ends.do_write.eq(self.do_write_end),
            ends.write_address.eq(self.ended_context),
            ends.write_data.status.eq(self.status),
            ends.write_data.is_short.eq(self.is_short),
            ends.read_addresses[0].eq(self.shown_context),
            self.shown_status.eq(ends.read_data[0].status),
            self.shown_is_short.eq(ends.read_data[0].is_short),
        ]
        return m
