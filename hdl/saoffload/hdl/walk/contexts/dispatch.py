"""Which context the next command gets."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig

from .round_robin import RoundRobin


class Dispatch(wiring.Component):
    """Gives each command a free context, in turn.

    A free context whose AXI ID is still busy lost it: its read timed out and has not been answered. It gets a command
    only while all IDs are lost, as known 3 clocks later, and then that command will not read. A context of which
    something is still to be judged gets none before that is over: it would be taken for the head of the new command.

    Parameters
    ----------
    config : :class:`EngineConfig`
        ``contexts``.

    Members
    -------
    commands : ``In(stream of layouts.COMMAND)``
    busy_ids : In
    is_looked_for : ``In(contexts)``
        An address of this context is still on its way to be judged, from the command before.
    must_wait : ``In(1)``
        No command starts in the next clock.
    do_start, context, starts : Out
        The command is taken, by this context; ``context`` means nothing else. ``starts``: the same in one bit for each
        context. All of it is found out a clock before: much begins with it.
    do_free, freed_context : In
        The context can be used again.
    is_free : ``Out(contexts)``

    A context is found 4 clocks after it became free, and 5 clocks after the start before. A command starts a clock
    after it is offered and a context is found.
    """

    commands: stream.Interface

    def __init__(self, config: EngineConfig):
        self._contexts = config.contexts
        context = range(max(2, config.contexts))
        super().__init__(
            {
                "commands": In(stream.Signature(layouts.COMMAND)),
                "busy_ids": In(2**config.id_width),
                "is_looked_for": In(config.contexts),
                "must_wait": In(1),
                "do_start": Out(1),
                "context": Out(context),
                "starts": Out(config.contexts),
                "do_free": In(1),
                "freed_context": In(context),
                "is_free": Out(config.contexts, init=-1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        # Nothing is found in the three clocks after a start.
        m.submodules.turn = turn = RoundRobin(width=self._contexts, is_unhurried=True)
        is_lost_q = Signal(self._contexts)
        all_are_lost_q = Signal()
        has_context_q = Signal()
        is_lost_context_q = Signal()
        # Who may start was found out two clocks before: not in the three clocks after a start.
        has_started_q = Signal(3)
        busy = self.busy_ids[: self._contexts]
        can_start_q = Signal(self._contexts)
        was_looked_for_q = Signal(self._contexts)
        may_start = ~was_looked_for_q & (~busy | all_are_lost_q.replicate(self._contexts))
        was_busy_q = Signal(self._contexts)
        m.d.sync += [
            was_looked_for_q.eq(self.is_looked_for),
            can_start_q.eq(self.is_free & may_start),
            was_busy_q.eq(busy),
        ]
        m.d.sync += has_started_q.eq(Cat(self.do_start, has_started_q))
        m.d.sync += [is_lost_q.eq(self.is_free & busy), all_are_lost_q.eq(is_lost_q.all())]
        m.d.comb += [
            turn.requests.eq(can_start_q),
            turn.marks.eq(was_busy_q),
            turn.do_take.eq(self.do_start),
            turn.taken.eq(self.context),
            self.commands.ready.eq(self.do_start),
        ]
        # Found once, it stays so until it is taken, or is lost and not the only choice any more.
        is_dropped = is_lost_context_q & ~all_are_lost_q
        will_start = self.commands.valid & has_context_q & ~is_dropped & ~self.must_wait & ~self.do_start
        m.d.sync += [
            self.do_start.eq(will_start),
            self.starts.eq(Cat(will_start & (self.context == number) for number in range(self._contexts))),
        ]
        with m.If(has_context_q & is_dropped):
            m.d.sync += has_context_q.eq(0)
        with m.If(~has_context_q & ~has_started_q.any()):
            m.d.sync += [
                self.context.eq(turn.index),
                is_lost_context_q.eq(turn.mark),
                has_context_q.eq(turn.is_any),
            ]
        with m.If(self.do_start):
            m.d.sync += has_context_q.eq(0)
        for number in range(self._contexts):
            with m.If(self.do_free & (self.freed_context == number)):
                m.d.sync += self.is_free[number].eq(1)
            with m.Elif(self.starts[number]):
                m.d.sync += self.is_free[number].eq(0)
        return m
