"""The keeper: one management job at a time, and the order between them."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.table.signature import HostPorts

from .add import Add
from .records import ManagementSignature
from .sweep import Sweep
from .timing import LIVE_TO_ANSWER

NOT_READY = layouts.ADD_ANSWER.const({"result": layouts.AddResult.NOT_READY, "handle": 0})


class Keeper(wiring.Component):
    """Runs the reset scrub, flushes, sweeps and adds, one at a time, each to its end.

    A flush comes before all else; it closes the gate in the clock of its offer, so that no lookup is answered with a
    hit any more, whatever job is still under way. Sweeps come before adds, because an add may wait for what they free.
    An add that has to wait, or meets a flush, is tried again after everything else had its turn.

    Parameters: ``config``.

    Members: ``HostPorts``; ``gate_is_closed``: lookup answers are misses; to
    the life cycle: ``do_flush``, ``do_begin_scrub``, ``do_end_scrub`` and what ``Add`` needs; ``store``.
    ``do_delete``: a bundle is being deleted in this clock (not the flush's, then).

    Latency: ready after ``3 * keys + 2 * bundles + 6`` clocks; a flush takes ``3 * used entries + 2 * bundles + 16``
    clocks after the job that it met; both longer where an entry's write takes more than a clock.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        index = range(config.bundles)
        super().__init__(
            {
                **HostPorts(config).members,
                "gate_is_closed": Out(1),
                "do_delete": In(1),
                "live": In(config.bundles),
                "scrubbing": In(config.bundles),
                "has_dead": In(1),
                "live_bundles": In(range(config.bundles + 1)),
                "live_keys": In(range(config.keys + 1)),
                "free_is_known": In(1),
                "free_index": In(index),
                "query_index": Out(index),
                "is_taken": In(1),
                "do_commit": Out(1),
                "commit_index": Out(index),
                "commit_key_count": Out(range(3)),
                "do_flush": Out(1),
                "do_begin_scrub": Out(1),
                "do_end_scrub": Out(1),
                "store": Out(ManagementSignature(config)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.sweep = sweep = Sweep(self._config)
        m.submodules.add = add = Add(self._config)
        used_limit = Signal(range(self._config.keys + 1))
        add_is_running = Signal()
        self._share_store(m, sweep, add, add_is_running)
        m.d.comb += [
            sweep.used_limit.eq(used_limit),
            sweep.scrubbing.eq(self.scrubbing),
            add.used_limit.eq(used_limit),
            add.request.eq(self.adds.payload),
            add.is_restoring.eq(self.is_restoring),
            add.live.eq(self.live),
            add.live_bundles.eq(self.live_bundles),
            add.live_keys.eq(self.live_keys),
            add.free_is_known.eq(self.free_is_known),
            add.free_index.eq(self.free_index),
            add.is_taken.eq(self.is_taken),
            self.query_index.eq(add.query_index),
            self.do_commit.eq(add.do_commit),
            self.commit_index.eq(add.commit_index),
            self.commit_key_count.eq(add.commit_key_count),
        ]
        with m.If(add.do_commit):
            m.d.sync += used_limit.eq(add.used_limit_after)
        # The first sweep is the reset scrub.
        with m.If(sweep.is_done):
            m.d.sync += [used_limit.eq(sweep.used_limit_after), self.is_ready.eq(1)]

        # The request stays on offer until its answer is taken, so nothing of either is kept here.
        is_refusing = Signal()
        m.d.comb += [
            self.add_answers.valid.eq(is_refusing | (add_is_running & add.is_done & ~add.must_wait)),
            self.add_answers.payload.eq(add.answer),
            self.adds.ready.eq(self.add_answers.valid & self.add_answers.ready),
            add.answer_is_taken.eq(self.adds.ready),
        ]
        with m.If(is_refusing):
            m.d.comb += self.add_answers.payload.eq(NOT_READY)

        # A bundle that appears is answered before the flush is taken, so that each was added before or after it.
        is_flushing = Signal()
        takes_flush = Signal()
        m.d.comb += [
            add.is_flushing.eq(is_flushing),
            self.flushes.ready.eq(self.is_ready & ~is_flushing & ~add.is_appearing),
            takes_flush.eq(self.flushes.valid & self.flushes.ready),
        ]
        with m.If(self.flushes.valid & self.is_ready):
            m.d.sync += self.gate_is_closed.eq(1)
        with m.If(takes_flush):
            m.d.sync += is_flushing.eq(1)

        may_end_restore = Signal()
        m.d.comb += [
            may_end_restore.eq(~self.gate_is_closed & (~self.adds.valid | self.adds.ready)),
            self.end_restores.ready.eq(may_end_restore | takes_flush | ~self.is_ready),
        ]
        with m.If(self.end_restores.valid & may_end_restore & self.is_ready):
            m.d.sync += self.is_restoring.eq(0)

        removed = self.flush_answers.payload.deleted
        flush_is_done = Signal()
        pause = Signal(range(LIVE_TO_ANSWER + 2))
        with m.FSM():
            with m.State("RESET"):
                m.d.comb += [sweep.do_start.eq(1), sweep.clears_all.eq(1)]
                m.next = "RESET_SCRUB"
            with m.State("RESET_SCRUB"):
                with m.If(self.is_ready):
                    m.next = "IDLE"
                with m.Elif(self.adds.valid):
                    m.next = "REFUSE"
            with m.State("REFUSE"):
                m.d.comb += is_refusing.eq(1)
                with m.If(self.adds.ready):
                    m.next = "RESET_SCRUB"

            with m.State("IDLE"):
                with m.If(is_flushing):
                    m.next = "FLUSH"
                with m.Elif(self.has_dead):
                    m.next = "BEGIN_SCRUB"
                with m.Elif(self.adds.valid):
                    m.d.comb += add.do_start.eq(1)
                    m.next = "ADD"

            with m.State("FLUSH"):
                m.d.comb += self.do_flush.eq(1)
                m.d.sync += [
                    removed.eq(self.live_bundles - self.do_delete),
                    flush_is_done.eq(1),
                    self.is_restoring.eq(1),
                ]
                m.next = "BEGIN_SCRUB"

            # Lookups that saw the last live bits still read records and contexts for LIVE_TO_ANSWER clocks.
            with m.State("BEGIN_SCRUB"):
                m.d.comb += self.do_begin_scrub.eq(1)
                m.d.sync += pause.eq(LIVE_TO_ANSWER + 1)
                m.next = "SETTLE"
            with m.State("SETTLE"):
                m.d.sync += pause.eq(pause - 1)
                with m.If(pause == 0):
                    m.d.comb += sweep.do_start.eq(1)
                    m.next = "SCRUB"
            with m.State("SCRUB"), m.If(sweep.is_done):
                m.d.comb += self.do_end_scrub.eq(1)
                m.d.sync += flush_is_done.eq(0)
                with m.If(flush_is_done):
                    m.d.comb += self.flush_answers.valid.eq(1)
                    m.d.sync += [is_flushing.eq(0), self.gate_is_closed.eq(0)]
                m.next = "IDLE"

            with m.State("ADD"):
                m.d.comb += add_is_running.eq(1)
                with m.If(add.is_done & add.must_wait):
                    m.d.sync += self.add_is_waiting.eq(1)
                    m.next = "IDLE"
                with m.Elif(self.adds.ready):
                    m.d.sync += self.add_is_waiting.eq(0)
                    m.next = "IDLE"
        return m

    def _share_store(self, m: Module, sweep: Sweep, add: Add, add_is_running: Signal) -> None:
        """The running job writes and addresses; both see what is read."""
        for name, member in self.store.signature.members.items():
            ours, of_sweep, of_add = (getattr(job.store, name) for job in (self, sweep, add))
            if member.flow == Out:
                m.d.comb += ours.eq(Mux(add_is_running, of_add, of_sweep))
            else:
                m.d.comb += [of_sweep.eq(ours), of_add.eq(ours)]
