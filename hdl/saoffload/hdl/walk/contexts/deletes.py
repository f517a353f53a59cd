"""Handles on their way to the table, and whose they are when the answers come."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import COUNT_BITS, WIDE_HANDLE_BITS
from saoffload.hdl.lut_memory import LutMemory

UNANSWERED = 32
"""Deletes that the table may owe answers for: more than any of our tables takes clocks to answer."""


class Deletes(wiring.Component):
    """Passes handles to the table in order and counts for each context what was found and what was not.

    Parameters
    ----------
    config : :class:`EngineConfig`
        ``contexts``.

    Members
    -------
    do_start, start_context : In
        This context has deleted nothing yet.
    do_push, context, handle : In
        A handle to delete. Never more than ``contexts`` of them after ``has_room`` fell.
    has_room : ``Out(1)``
        There is room for at least ``contexts`` handles more.
    deletes : ``Out(stream of layouts.DELETE_REQUEST)``
    delete_answers : ``In(stream of layouts.DELETE_ANSWER, always_ready=True)``
        One per delete, in order, in a later clock.
    answered_context : Out
        Whose delete ``delete_answers`` answers.
    shown_context, shown_answered, shown_deleted : In, Out, Out
        The counts of a context, in the same clock.

    A handle is offered two clocks after ``do_push``, or after those before it.
    """

    deletes: stream.Interface
    delete_answers: stream.Interface

    def __init__(self, config: EngineConfig):
        self._config = config
        context = range(max(2, config.contexts))
        super().__init__(
            {
                "do_start": In(1),
                "start_context": In(context),
                "do_push": In(1),
                "context": In(context),
                "handle": In(WIDE_HANDLE_BITS),
                "has_room": Out(1, init=1),
                "deletes": Out(stream.Signature(layouts.DELETE_REQUEST)),
                "delete_answers": In(stream.Signature(layouts.DELETE_ANSWER, always_ready=True)),
                "answered_context": Out(context),
                "shown_context": In(context),
                "shown_answered": Out(COUNT_BITS),
                "shown_deleted": Out(COUNT_BITS),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        contexts = self._config.contexts
        self._add_queue(m)

        counts = data.StructLayout({"answered": COUNT_BITS, "deleted": COUNT_BITS})
        m.submodules.counts = memory = LutMemory(shape=counts, depth=contexts, readers=2)
        # Nothing was counted of this context.
        is_uncounted_q = Signal(contexts)
        # Whose answer it is was read from the queue a clock before; its counts are read, or what is counted in that
        # clock is taken for them; it counts.
        answered_q, counted_q, found_q, counts_found_q = (
            Signal(name=name) for name in ("answered_q", "counted_q", "found_q", "counts_found_q")
        )
        context_q, counted_context_q = (
            Signal.like(self.context, name=name) for name in ("context_q", "counted_context_q")
        )
        before_q = Signal(counts)
        after = Signal(counts)
        is_again_q, is_first_q = Signal(name="is_again_q"), Signal(name="is_first_q")
        m.d.sync += [
            answered_q.eq(self.delete_answers.valid),
            found_q.eq(self.delete_answers.payload.found),
            context_q.eq(self.answered_context),
            counted_q.eq(answered_q),
            counts_found_q.eq(found_q),
            counted_context_q.eq(context_q),
            is_again_q.eq(answered_q & (context_q == self.answered_context)),
            is_first_q.eq(is_uncounted_q.bit_select(context_q, 1) & ~is_again_q),
            before_q.eq(Mux(is_again_q, after, memory.read_data[0])),
        ]
        m.d.comb += [
            memory.read_addresses[0].eq(context_q),
            after.answered.eq(Mux(is_first_q, 1, before_q.answered + 1)),
            after.deleted.eq(Mux(is_first_q, counts_found_q, before_q.deleted + counts_found_q)),
            memory.do_write.eq(counted_q),
            memory.write_address.eq(counted_context_q),
            memory.write_data.eq(after),
            memory.read_addresses[1].eq(self.shown_context),
        ]
        is_shown_fresh = is_uncounted_q.bit_select(self.shown_context, 1)
        shown = memory.read_data[1]
        m.d.comb += [
            self.shown_answered.eq(Mux(is_shown_fresh, 0, shown.answered)),
            self.shown_deleted.eq(Mux(is_shown_fresh, 0, shown.deleted)),
        ]
        with m.If(counted_q):
            m.d.sync += is_uncounted_q.bit_select(counted_context_q, 1).eq(0)
        with m.If(self.do_start):
            m.d.sync += is_uncounted_q.bit_select(self.start_context, 1).eq(1)
        return m

    def _add_queue(self, m: Module) -> None:
        # Each context has at most one node under way, and none is asked for without `has_room`.
        depth = 1 << (4 * self._config.contexts - 1).bit_length()
        row = data.StructLayout({"handle": WIDE_HANDLE_BITS, "context": len(self.context)})
        m.submodules.rows = rows = LutMemory(shape=row, depth=depth)
        m.submodules.owners = owners = LutMemory(shape=len(self.context), depth=UNANSWERED)
        index_bits = depth.bit_length() - 1
        written = Signal(index_bits + 1)
        read = Signal(index_bits + 1)
        sent = Signal(range(2 * UNANSWERED))
        answered = Signal(range(2 * UNANSWERED))
        owner_bits = len(sent) - 1
        # The place behind the one that is read, and whether a row was there a clock ago, and is not read since.
        following_q = Signal(index_bits + 1, init=1)
        has_row_q = Signal()
        head_q = Signal(row)
        is_full_q = Signal()

        do_load = Signal()
        do_send = Signal()
        m.d.comb += [
            rows.do_write.eq(self.do_push),
            rows.write_address.eq(written),
            rows.write_data.handle.eq(self.handle),
            rows.write_data.context.eq(self.context),
            rows.read_addresses[0].eq(read),
            # The owner is written with the handle's offer, so one place more than was sent must be free.
            do_load.eq(has_row_q & (~self.deletes.valid | self.deletes.ready) & ~is_full_q),
            do_send.eq(self.deletes.valid & self.deletes.ready),
            self.deletes.payload.handle.eq(head_q.handle),
            owners.do_write.eq(do_send),
            owners.write_address.eq(sent[:owner_bits]),
            owners.write_data.eq(head_q.context),
            owners.read_addresses[0].eq(answered[:owner_bits]),
            self.answered_context.eq(owners.read_data[0]),
        ]
        m.d.sync += [
            written.eq(written + self.do_push),
            # No sums: those that count rows are elsewhere.
            has_row_q.eq(Mux(do_load, (written ^ following_q).any(), (written ^ read).any())),
            sent.eq(sent + do_send),
            answered.eq(answered + self.delete_answers.valid),
            is_full_q.eq((sent - answered)[: len(sent)] >= UNANSWERED - 4),
            self.has_room.eq((written - read)[: index_bits + 1] <= depth - 2 * self._config.contexts - 2),
        ]
        with m.If(do_load):
            m.d.sync += [
                read.eq(following_q),
                following_q.eq(following_q + 1),
                head_q.eq(rows.read_data[0]),
                self.deletes.valid.eq(1),
            ]
        with m.Elif(self.deletes.ready):
            m.d.sync += self.deletes.valid.eq(0)
