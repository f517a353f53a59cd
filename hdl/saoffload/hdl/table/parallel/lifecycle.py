"""What each bundle index is: free, live, dead, being scrubbed or drained. One live bit per handle decides."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig


class BundleLifecycle(wiring.Component):
    """Keeps the live bit of every bundle and brings a deleted index back to free, never too early.

    An index goes free -> live (``do_commit``) -> dead (``do_delete`` or ``do_flush``) -> scrubbing
    (``do_begin_scrub`` takes all that are dead) -> drained -> free. Scrubbing never waits for the packet path, so
    secrets go at once; only becoming free waits for the grace period that is asked for when the scrub ended. Deaths
    after ``do_begin_scrub`` wait for the next scrub.

    Parameters: ``config`` (``bundles`` indices).

    Members: ``live``: one bit per index. ``scrubbing``: the indices of the scrub under way. ``has_dead``: a scrub has
    work to begin. ``free_is_known``, ``free_index``: an index that is free and stays so until committed. ``is_taken``:
    whether ``query_index`` is anything but free. ``do_commit``/``commit_index``/``commit_key_count``;
    ``do_delete``/``delete_index``/``delete_key_count``: the index must be live; ``do_flush``: every live bundle dies
    in one clock, ``do_delete`` in the same clock wins its bundle. ``live_bundles``, ``live_keys``.
    ``graces``/``grace_answers``: to the drain, at most one unanswered.

    Latency: every change shows in the next clock. A free index is found within ``bundles`` clocks.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        index = range(config.bundles)
        grace = stream.Signature(layouts.NOTHING, always_ready=True)
        super().__init__(
            {
                "live": Out(config.bundles),
                "scrubbing": Out(config.bundles),
                "has_dead": Out(1),
                "free_is_known": Out(1),
                "free_index": Out(index),
                "query_index": In(index),
                "is_taken": Out(1),
                "do_commit": In(1),
                "commit_index": In(index),
                "commit_key_count": In(range(3)),
                "do_delete": In(1),
                "delete_index": In(index),
                "delete_key_count": In(range(3)),
                "do_flush": In(1),
                "do_begin_scrub": In(1),
                "do_end_scrub": In(1),
                "live_bundles": Out(range(config.bundles + 1)),
                "live_keys": Out(range(config.keys + 1)),
                "graces": Out(grace),
                "grace_answers": In(grace),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        bundles = self._config.bundles
        dead = Signal(bundles)
        # After a reset that left the packet path alone, answers of before may still be in use.
        drain_next = Signal(bundles, init=-1)
        draining = Signal(bundles)
        is_draining = Signal()
        taken = Signal(bundles)
        m.d.comb += [
            taken.eq(self.live | dead | self.scrubbing | drain_next | draining),
            self.is_taken.eq(taken.bit_select(self.query_index, 1)),
            self.has_dead.eq(dead.any()),
        ]

        born = self._one_hot(self.do_commit, self.commit_index)
        died = self._one_hot(self.do_delete, self.delete_index)
        dying = Mux(self.do_flush, self.live, died)
        m.d.sync += [
            self.live.eq(Mux(self.do_flush, 0, (self.live | born) & ~died)),
            dead.eq(Mux(self.do_begin_scrub, 0, dead) | dying),
        ]
        with m.If(self.do_begin_scrub):
            m.d.sync += self.scrubbing.eq(dead)
        with m.If(self.do_end_scrub):
            m.d.sync += self.scrubbing.eq(0)

        with m.If(self.do_flush):
            m.d.sync += [self.live_bundles.eq(0), self.live_keys.eq(0)]
        with m.Else():
            m.d.sync += [
                self.live_bundles.eq(self.live_bundles + self.do_commit - self.do_delete),
                self.live_keys.eq(
                    self.live_keys
                    + Mux(self.do_commit, self.commit_key_count, 0)
                    - Mux(self.do_delete, self.delete_key_count, 0)
                ),
            ]

        # One grace period at a time; what was scrubbed meanwhile shares the next one.
        scrubbed = Mux(self.do_end_scrub, self.scrubbing, 0)
        does_start = ~is_draining & drain_next.any()
        m.d.comb += self.graces.valid.eq(does_start)
        with m.If(does_start):
            m.d.sync += [is_draining.eq(1), draining.eq(drain_next), drain_next.eq(scrubbed)]
        with m.Else():
            m.d.sync += drain_next.eq(drain_next | scrubbed)
        with m.If(self.grace_answers.valid):
            m.d.sync += [is_draining.eq(0), draining.eq(0)]

        self._elaborate_free_search(m, taken)
        return m

    def _one_hot(self, strobe: Value, index: Value) -> Value:
        return Value.cast((strobe << index)[: self._config.bundles])

    def _elaborate_free_search(self, m: Module, taken: Signal) -> None:
        """Look at one index per clock, round and round, until one is free; reuse is as late as the table is large."""
        is_last = self.free_index == Const(self._config.bundles - 1, self.free_index.shape())
        following = Mux(is_last, 0, self.free_index + 1)
        with m.If(self.do_commit & (self.commit_index == self.free_index)):
            m.d.sync += [self.free_is_known.eq(0), self.free_index.eq(following)]
        with m.Elif(~self.free_is_known):
            with m.If(taken.bit_select(self.free_index, 1)):
                m.d.sync += self.free_index.eq(following)
            with m.Else():
                m.d.sync += self.free_is_known.eq(1)
