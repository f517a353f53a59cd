"""Closing the table to wipe it, and opening it again: after a reset, and at each flush."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig

SETTLE_CLOCKS = 3
"""Clocks after which a delete that was judged before the flush has been counted and written."""


class Closure(wiring.Component):
    """Has the table wiped after a reset and at each flush, and says what must wait meanwhile.

    From the clock in which a flush is offered on lookups are answered with misses. It waits for the job under way; then
    deletes find nothing either, and all that is stored is wiped. Then everything opens at once.

    Parameters: ``config``.

    Members: ``flushes``, ``flush_answers``, ``live_bundles`` and ``is_ready`` of ``TableSignature``.
    ``gate_is_closed``: lookups are answered with misses; ``deletes_are_closed``: deletes find nothing;
    ``jobs_must_wait``: no job may begin; ``is_flushing``: a flush was taken and is not over. ``do_take``: strobe, a
    flush is taken. ``add_holds_flush``: an add's answer is on its way, which must be offered first;
    ``add_is_offered``: it is. ``jobs_are_over``: none is under way, and none begins. ``wipe_start``,
    ``wipe_is_done``: strobes to and from ``Wipe``; ``wipes_generations``: this wipe is that of a reset.
    ``flush_is_over``: strobe with the answer, in the clock before everything is open.

    Latency: a flush takes ``SETTLE_CLOCKS + 5`` clocks besides the wipe and the job that it met.
    """

    flushes: stream.Interface
    flush_answers: stream.Interface

    def __init__(self, config: EngineConfig):
        super().__init__(
            {
                "flushes": In(stream.Signature(layouts.NOTHING)),
                "flush_answers": Out(stream.Signature(layouts.flush_answer(config), always_ready=True)),
                "live_bundles": In(range(config.bundles + 1)),
                "is_ready": Out(1),
                "gate_is_closed": Out(1, init=1),
                "deletes_are_closed": Out(1, init=1),
                "jobs_must_wait": Out(1, init=1),
                "is_flushing": Out(1),
                "do_take": Out(1),
                "add_holds_flush": In(1),
                "add_is_offered": In(1),
                "jobs_are_over": In(1),
                "wipe_start": Out(1),
                "wipe_is_done": In(1),
                "wipes_generations": Out(1, init=1),
                "flush_is_over": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        pause = Signal(range(SETTLE_CLOCKS + 1))
        removed = self.flush_answers.payload.deleted
        # Many hang on this and on the start of the wipe, so they come from registers.
        is_wiped = Signal()
        m.d.sync += [is_wiped.eq(0), self.wipe_start.eq(0)]
        m.d.comb += [
            # A bundle that appears is answered before the flush is taken, so that each was added before or after it.
            self.flushes.ready.eq(self.is_ready & ~self.is_flushing & (~self.add_holds_flush | self.add_is_offered)),
            self.do_take.eq(self.flushes.valid & self.flushes.ready),
            self.flush_is_over.eq(is_wiped & self.is_flushing),
            self.flush_answers.valid.eq(self.flush_is_over),
        ]
        with m.If(self.flushes.valid & self.is_ready):
            m.d.sync += self.gate_is_closed.eq(1)
        with m.If(self.do_take):
            m.d.sync += [self.is_flushing.eq(1), self.jobs_must_wait.eq(1)]
        with m.If(is_wiped):
            m.d.sync += [
                self.is_ready.eq(1),
                self.gate_is_closed.eq(0),
                self.deletes_are_closed.eq(0),
                self.jobs_must_wait.eq(0),
                self.is_flushing.eq(0),
                self.wipes_generations.eq(0),
            ]
        with m.FSM():
            with m.State("RESET"):
                m.d.sync += self.wipe_start.eq(1)
                m.next = "WIPE"
            with m.State("WIPE"), m.If(self.wipe_is_done):
                m.d.sync += is_wiped.eq(1)
                m.next = "OPEN"
            with m.State("OPEN"):
                m.d.sync += pause.eq(SETTLE_CLOCKS)
                with m.If(self.is_flushing & ~is_wiped & self.jobs_are_over):
                    m.d.sync += self.deletes_are_closed.eq(1)
                    m.next = "SETTLE"
            with m.State("SETTLE"):
                m.d.sync += [pause.eq(pause - 1), removed.eq(self.live_bundles)]
                with m.If(pause == 0):
                    m.d.sync += self.wipe_start.eq(1)
                    m.next = "WIPE"
        return m
