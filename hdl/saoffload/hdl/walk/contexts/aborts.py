"""Which contexts an abort means."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.layouts import TAG_BITS

PARTS = 4
"""Of a comparison of tags."""


class Aborts(wiring.Component):
    """Marks every context that carries the tag of an abort, and says whether that changed what becomes of any.

    Parameters: ``contexts``.

    Members
    -------
    starts, start_tag : In
        Strobe for each: this context carries this tag from now on. One that starts in the clock of an abort or later is
        not meant.
    do_abort, abort_tag, abort_is_all : In
        At most in every fourth clock; with ``abort_is_all`` every context is meant.
    is_undecided : ``In(contexts)``
        It is still open how this context's command ends. A decision that was begun before ``do_mark`` shows two clocks
        after it at the latest.
    may_mark, do_mark : ``Out(contexts)``
        ``do_mark``: strobe for each, two clocks after ``do_abort``: it is aborted from the next clock on. ``may_mark``,
        early in that clock: if it is undecided.
    is_done, is_matched : Out
        ``is_done``: strobe, four clocks after ``do_abort``; ``is_matched``: some context will end ABORTED for it.
    """

    def __init__(self, *, contexts: int):
        self._contexts = contexts
        super().__init__(
            {
                "starts": In(contexts),
                "start_tag": In(TAG_BITS),
                "do_abort": In(1),
                "abort_tag": In(TAG_BITS),
                "abort_is_all": In(1),
                "is_undecided": In(contexts),
                "may_mark": Out(contexts),
                "do_mark": Out(contexts),
                "is_done": Out(1),
                "is_matched": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        tags_q = [Signal(TAG_BITS, name=f"tag_{number}_q") for number in range(self._contexts)]
        for number, tag_q in enumerate(tags_q):
            with m.If(self.starts[number]):
                m.d.sync += tag_q.eq(self.start_tag)

        # Those that were there at the abort: a command that starts behind it is not meant.
        # Tags are compared in parts in the clock of the abort, which are joined in the next.
        is_meant_q = Signal(self._contexts)
        is_equal_q = Signal(self._contexts)
        same_q = [Signal(PARTS, name=f"same_{number}_q") for number in range(self._contexts)]
        abort_is_all_q = Signal()
        steps_q = Signal(4)
        with m.If(self.do_abort):
            m.d.sync += [
                is_meant_q.eq(self.is_undecided),
                abort_is_all_q.eq(self.abort_is_all),
            ]
        size = TAG_BITS // PARTS
        for parts_q, tag_q in zip(same_q, tags_q, strict=True):
            same = ~(tag_q ^ self.abort_tag)
            m.d.sync += parts_q.eq(Cat(same[low : low + size].all() for low in range(0, TAG_BITS, size)))
        m.d.sync += [
            steps_q.eq(Cat(self.do_abort, steps_q)),
            is_equal_q.eq(
                Cat(abort_is_all_q | parts_q.all() for parts_q in same_q)
                & is_meant_q
                & steps_q[0].replicate(self._contexts)
            ),
        ]
        m.d.comb += [self.may_mark.eq(is_equal_q), self.do_mark.eq(is_equal_q & self.is_undecided)]

        # A command whose end was decided before its mark was seen is not aborted.
        marked_q = Signal(self._contexts)
        was_marked_q = Signal(self._contexts)
        m.d.sync += [marked_q.eq(self.do_mark), was_marked_q.eq(marked_q)]
        m.d.comb += [self.is_done.eq(steps_q[3]), self.is_matched.eq((was_marked_q & self.is_undecided).any())]
        return m
