"""The keeper: one management job at a time, and the order between them."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.table.signature import HostPorts

from .closure import Closure

NOT_READY = layouts.ADD_ANSWER.const({"result": layouts.AddResult.NOT_READY, "handle": 0})

ADDS_PER_STEP = 32
"""Adds after which the sweep gets a turn although nothing is dead: it looks for damaged rows as well."""


class Keeper(wiring.Component):
    """Runs adds, sweeps and the release of indices, so that no two of them meet, nor the wipe of a reset or a flush.

    A *pass* brings deleted bundles back: a sweep over all keys that begins after their death, a grace period that
    begins after the sweep, and a walk over all indices that frees those that died before the pass began. Passes go
    round for ever; without anything dead they are sweeps alone, which find damaged rows. Steps of a pass and adds take
    turns.

    Parameters: ``config``.

    Members: ``HostPorts``. ``gate_is_closed``: lookups are answered with
    misses; ``deletes_are_closed``: deletes find nothing. ``wipe_start``, ``wipe_is_done``, ``wipes_generations``;
    ``do_clear``: what is counted, parked or strung together is forgotten. ``add_*``, ``step_*``, ``walk_*``: strobes
    to and from ``Add``, ``Sweep`` and ``IndexWalk``; ``mover_is_idle``, ``do_retry``: try to put the parked key that
    the sweep met into a row; ``may_retry``: rows were cleared lately, so parked keys will be tried again.
    ``sweep_parity``: of the pass under way; ``is_linking``: the walk builds the free list.
    ``graces``/``grace_answers``.

    Latency: ready ``max(bundles, way_depth) + 16`` clocks after reset; a flush takes as long and the job that it met.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                **HostPorts(config).members,
                "graces": Out(stream.Signature(layouts.NOTHING, always_ready=True)),
                "grace_answers": In(stream.Signature(layouts.NOTHING, always_ready=True)),
                "gate_is_closed": Out(1, init=1),
                "deletes_are_closed": Out(1, init=1),
                "is_draining": Out(1, init=1),
                "live_bundles": In(range(config.bundles + 1)),
                "has_dead": In(1),
                "wipe_start": Out(1),
                "wipe_is_done": In(1),
                "wipes_generations": Out(1, init=1),
                "do_clear": Out(1),
                "add_start": Out(1),
                "add_is_done": In(1),
                "add_must_wait": In(1),
                "add_holds_flush": In(1),
                "add_answer": In(layouts.ADD_ANSWER),
                "add_answer_is_taken": Out(1),
                "mover_is_idle": In(1),
                "step_start": Out(1),
                "step_restart": Out(1),
                "step_is_idle": In(1),
                "pass_is_done": In(1),
                "place_is_stuck": In(1),
                "row_is_cleared": In(1),
                "do_retry": Out(1),
                "may_retry": Out(1),
                "walk_start": Out(1),
                "walk_restart": Out(1),
                "walk_is_idle": In(1),
                "walk_is_done": In(1),
                "walk_did_push": In(1),
                "sweep_parity": Out(1),
                "is_linking": Out(1),
                "may_push": Out(1),
                "is_flushing": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.closure = closure = Closure(self._config)
        self._wire_closure(m, closure)
        is_blocked = Signal()
        # The pass: what it has still to do.
        pass_is_new = Signal(init=1)
        pass_has_dead = Signal()
        must_drain = Signal()
        must_free = Signal()
        with m.If(self._elaborate_graces(m, must_drain, closure.flush_is_over)):
            m.d.sync += [must_drain.eq(0), must_free.eq(1)]

        # An add that has to wait is tried again when something has changed that it may wait for.
        has_changed = Signal()
        m.d.sync += has_changed.eq(
            self.grace_answers.valid | self.pass_is_done | self.walk_did_push | self.walk_is_done
        )
        with m.If(self.add_must_wait):
            m.d.sync += [self.add_is_waiting.eq(1), is_blocked.eq(1)]
        with m.Elif(has_changed):
            m.d.sync += is_blocked.eq(0)
        adds_since_step = Signal(range(ADDS_PER_STEP + 1))
        did_add = Signal()
        with m.If(did_add & (adds_since_step != ADDS_PER_STEP)):
            m.d.sync += adds_since_step.eq(adds_since_step + 1)
        step_is_due = Signal()
        m.d.sync += step_is_due.eq((adds_since_step == ADDS_PER_STEP) | ((adds_since_step != 0) & self.has_dead))

        # A parked key may find a row again once the sweep has cleared some.
        has_cleared = Signal(2)
        row_was_cleared = Signal()
        m.d.sync += [row_was_cleared.eq(self.row_is_cleared), self.may_retry.eq(has_cleared.any())]
        with m.If(row_was_cleared):
            m.d.sync += has_cleared[0].eq(1)
        m.d.comb += self.do_retry.eq(self.place_is_stuck & self.may_retry)

        # What is offered to the host hangs on registers alone.
        is_refusing = Signal()
        is_answering = Signal()
        m.d.comb += [
            self.add_answers.valid.eq(is_refusing | is_answering),
            self.add_answers.payload.eq(self.add_answer),
            self.adds.ready.eq(self.add_answers.valid & self.add_answers.ready),
            self.add_answer_is_taken.eq(is_answering & self.add_answers.ready),
            closure.add_is_offered.eq(is_answering),
        ]
        m.d.sync += did_add.eq(self.add_answer_is_taken)
        with m.If(is_refusing):
            m.d.comb += self.add_answers.payload.eq(NOT_READY)
            with m.If(self.add_answers.ready):
                m.d.sync += is_refusing.eq(0)
        with m.Elif(self.adds.valid & ~self.is_ready):
            m.d.sync += is_refusing.eq(1)
        can_add = self.adds.valid & ~is_refusing & ~is_blocked & ~step_is_due

        # The free list is built once restore mode has ended; until then, freed indices are not strung to it.
        must_link = Signal()
        has_ended = Signal()
        may_end_restore = Signal()
        m.d.comb += [
            may_end_restore.eq(~self.gate_is_closed & (~self.adds.valid | self.adds.ready)),
            self.end_restores.ready.eq(may_end_restore | closure.do_take | ~self.is_ready),
            self.may_push.eq(~self.is_restoring & ~has_ended & (self.is_linking | ~must_link)),
        ]
        ends_restore = self.end_restores.valid & may_end_restore & self.is_ready & self.is_restoring
        m.d.sync += has_ended.eq(ends_restore)
        with m.If(ends_restore):
            m.d.sync += self.is_restoring.eq(0)
        with m.If(has_ended):
            m.d.sync += [must_link.eq(1), is_blocked.eq(0)]

        # What comes of a job, in whatever state: it is under way alone.
        walk_restarts = Signal()
        m.d.comb += self.walk_restart.eq(walk_restarts | closure.wipe_start)
        with m.If(self.pass_is_done):
            m.d.sync += [has_cleared.eq(has_cleared << 1), pass_is_new.eq(1)]
            # A sweep that began before the drain did is not the pass's own.
            with m.If(~pass_is_new & pass_has_dead):
                m.d.sync += must_drain.eq(1)
        with m.If(self.walk_is_done):
            with m.If(self.is_linking):
                m.d.sync += [self.is_linking.eq(0), must_link.eq(0)]
            with m.Else():
                m.d.sync += must_free.eq(0)
        # The walk that frees the dead of the last pass knows them by its parity.
        with m.If(self.step_restart):
            m.d.sync += [
                self.sweep_parity.eq(~self.sweep_parity),
                pass_has_dead.eq(self.has_dead),
                pass_is_new.eq(0),
            ]

        # What starts a job is a register, set as its job is chosen, and tells all that was chosen with it.
        m.d.sync += [
            closure.jobs_are_over.eq(0),
            self.add_start.eq(0),
            self.step_start.eq(0),
            self.step_restart.eq(0),
            self.walk_start.eq(0),
            walk_restarts.eq(0),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += closure.jobs_are_over.eq(closure.jobs_must_wait & self.mover_is_idle)
                with m.If(~closure.jobs_must_wait):
                    with m.If(can_add):
                        m.d.sync += self.add_start.eq(1)
                        m.next = "START_ADD"
                    with m.Elif(self.mover_is_idle):
                        m.d.sync += adds_since_step.eq(0)
                        with m.If(must_link | must_free):
                            m.d.sync += [
                                self.walk_start.eq(1),
                                walk_restarts.eq(must_link & ~self.is_linking),
                                self.is_linking.eq(must_link),
                            ]
                            m.next = "START_WALK"
                        with m.Else():
                            m.d.sync += [self.step_start.eq(1), self.step_restart.eq(pass_is_new & ~must_drain)]
                            m.next = "START_STEP"
            with m.State("START_ADD"):
                m.next = "ADD"
            with m.State("ADD"), m.If(self.add_is_done):
                m.next = "IDLE"
                with m.If(~self.add_must_wait):
                    m.d.sync += is_answering.eq(1)
                    m.next = "ANSWER"
            with m.State("ANSWER"), m.If(self.add_answers.ready):
                m.d.sync += [is_answering.eq(0), self.add_is_waiting.eq(0)]
                m.next = "IDLE"

            with m.State("START_STEP"):
                m.next = "STEP"
            with m.State("STEP"), m.If(self.step_is_idle):
                m.next = "IDLE"
            with m.State("START_WALK"):
                m.next = "WALK"
            with m.State("WALK"), m.If(self.walk_is_idle):
                m.next = "IDLE"

        with m.If(closure.flush_is_over):
            m.d.sync += [
                self.is_restoring.eq(1),
                self.is_draining.eq(1),
                self.is_linking.eq(0),
                must_link.eq(0),
                is_blocked.eq(0),
                pass_is_new.eq(1),
                must_free.eq(0),
                must_drain.eq(0),
            ]
        return m

    def _wire_closure(self, m: Module, closure: Closure) -> None:
        connect(m, flipped(self.flushes), closure.flushes)
        connect(m, closure.flush_answers, flipped(self.flush_answers))
        m.d.comb += [
            closure.live_bundles.eq(self.live_bundles),
            closure.add_holds_flush.eq(self.add_holds_flush),
            closure.wipe_is_done.eq(self.wipe_is_done),
            self.do_clear.eq(closure.wipe_start),
        ]
        for name in (
            "is_ready",
            "is_flushing",
            "gate_is_closed",
            "deletes_are_closed",
            "wipe_start",
            "wipes_generations",
        ):
            m.d.comb += getattr(self, name).eq(getattr(closure, name))

    def _elaborate_graces(self, m: Module, must_drain: Signal, forgets: Signal) -> Value:
        """One grace period at a time, for the pass, for the flush before, or both. Returns: the pass has had its."""
        is_asked = Signal()
        serves_pass = Signal()
        serves_flush = Signal()
        m.d.sync += self.graces.valid.eq(0)
        with m.If(~is_asked & (must_drain | self.is_draining)):
            m.d.sync += [self.graces.valid.eq(1), is_asked.eq(1)]
            m.d.sync += [serves_pass.eq(must_drain), serves_flush.eq(self.is_draining)]
        with m.If(self.grace_answers.valid):
            m.d.sync += is_asked.eq(0)
            with m.If(serves_flush):
                m.d.sync += self.is_draining.eq(0)
        # What was asked for before a flush says nothing about what the flush removed.
        with m.If(forgets):
            m.d.sync += [serves_pass.eq(0), serves_flush.eq(0)]
        return Value.cast(self.grace_answers.valid & serves_pass & must_drain)
