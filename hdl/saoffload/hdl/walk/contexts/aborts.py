"""Which contexts an abort means: their tags, compared two clocks long."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.layouts import TAG_BITS
from saoffload.hdl.lut_memory import LutMemory

TAGS_PER_MEMORY = 2


class Aborts(wiring.Component):
    """Marks every context that carries the tag of an abort, and says whether that changed what becomes of any.

    Contexts are looked at in two halves, one per clock after the abort, so that half the comparators are enough.

    Parameters: ``contexts``.

    Members
    -------
    do_start, start_context, start_tag : In
        This context carries this tag from now on. One that starts in the clock of an abort or later is not meant.
    do_abort, abort_tag, abort_is_all : In
        At most in every fourth clock; with ``abort_is_all`` every context is meant.
    is_undecided : ``In(contexts)``
        It is still open how this context's command ends.
    do_mark : ``Out(contexts)``
        Strobe for each: it is aborted from the next clock on.
    is_done, is_matched : Out
        ``is_done``: strobe, three clocks after ``do_abort``; ``is_matched``: some context will end ABORTED for it.
    """

    def __init__(self, *, contexts: int):
        self._contexts = contexts
        super().__init__(
            {
                "do_start": In(1),
                "start_context": In(range(max(2, contexts))),
                "start_tag": In(TAG_BITS),
                "do_abort": In(1),
                "abort_tag": In(TAG_BITS),
                "abort_is_all": In(1),
                "is_undecided": In(contexts),
                "do_mark": Out(contexts),
                "is_done": Out(1),
                "is_matched": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        is_first_q, is_second_q = Signal(), Signal()
        # Those that were there at the abort: a command that starts behind it is not meant.
        is_meant_q = Signal(self._contexts)
        m.d.sync += [is_first_q.eq(self.do_abort), is_second_q.eq(is_first_q), self.is_done.eq(is_second_q)]
        tag_q = Signal(TAG_BITS)
        is_all_q = Signal()
        with m.If(self.do_abort):
            m.d.sync += [is_meant_q.eq(self.is_undecided), tag_q.eq(self.abort_tag), is_all_q.eq(self.abort_is_all)]

        marks = []
        for number in range((self._contexts + 1) // TAGS_PER_MEMORY):
            m.submodules[f"tags_{number}"] = tags = LutMemory(shape=TAG_BITS, depth=TAGS_PER_MEMORY)
            is_equal = Signal(name=f"is_equal_{number}")
            m.d.comb += [
                tags.do_write.eq(self.do_start & (self.start_context[1:] == number)),
                tags.write_address.eq(self.start_context[0]),
                tags.write_data.eq(self.start_tag),
                tags.read_addresses[0].eq(is_second_q),
                is_equal.eq(is_all_q | (tags.read_data[0] == tag_q)),
            ]
            marks += [is_equal & is_first_q, is_equal & is_second_q]
        m.d.comb += self.do_mark.eq(Cat(marks)[: self._contexts] & is_meant_q & self.is_undecided)

        # A command whose end was decided in the very clock of its mark is not aborted.
        marked_q = Signal(self._contexts)
        was_matched_q = Signal()
        is_matched = (marked_q & self.is_undecided).any()
        m.d.sync += [marked_q.eq(self.do_mark), was_matched_q.eq(is_matched & ~self.do_abort)]
        m.d.comb += self.is_matched.eq(was_matched_q | is_matched)
        return m
