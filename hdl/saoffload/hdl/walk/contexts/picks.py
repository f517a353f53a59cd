"""Whose next address is judged, of those that are not judged as their words come."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .round_robin import RoundRobin


class Picks(wiring.Component):
    """Picks one context after the other, of those that want to be judged, and offers each until it is taken.

    A context that wants it is passed over for at most ``contexts - 1`` others. It is on offer three clocks after it
    wanted, if no other is in its way. Who wants it again once it is on offer is picked once more.

    Parameters: ``contexts``.

    Members: ``do_want : In(contexts)``, strobes; ``has_picked``, ``context : Out``, who is on offer; ``is_taken : In``,
    it is, in this clock; ``is_wanted : Out(contexts)``, it is on offer, or will be.
    """

    def __init__(self, *, contexts: int):
        self._contexts = contexts
        super().__init__(
            {
                "do_want": In(contexts),
                "has_picked": Out(1),
                "context": Out(range(max(2, contexts))),
                "is_taken": In(1),
                "is_wanted": Out(contexts),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.turn = turn = RoundRobin(width=self._contexts)
        wants_judge_q = Signal(self._contexts)
        was_found_q = Signal()
        do_find = Signal()
        m.d.comb += [
            turn.requests.eq(wants_judge_q),
            self.is_wanted.eq(
                wants_judge_q | Cat(self.has_picked & (self.context == number) for number in range(self._contexts))
            ),
            do_find.eq(turn.is_any & ~self.has_picked),
            turn.do_take.eq(was_found_q),
            turn.taken.eq(self.context),
        ]
        m.d.sync += was_found_q.eq(do_find)
        with m.If(do_find):
            m.d.sync += [self.context.eq(turn.index), self.has_picked.eq(1)]
        with m.Elif(self.is_taken):
            m.d.sync += self.has_picked.eq(0)
        # Who wants it again in that clock does.
        with m.If(was_found_q):
            m.d.sync += Value.cast(wants_judge_q.bit_select(self.context, 1)).eq(0)
        for number in range(self._contexts):
            with m.If(self.do_want[number]):
                m.d.sync += wants_judge_q[number].eq(1)
        return m
