"""How many bundles and keys live, and how many bundles are dead and not yet free."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig


class BundleCounts(wiring.Component):
    """Counts births, deaths and releases.

    Parameters: ``config``.

    Members: ``do_commit`` with ``commit_key_count``; ``do_delete`` with ``delete_key_count``; ``do_free``: a dead one
    became free; ``do_clear``: all are gone. ``live_bundles``, ``live_keys``. ``has_dead``: some are dead; also for two
    clocks after the last of them became free.

    Latency: changes show in the counts in the second clock, a delete in ``has_dead`` in the next. Any of them may come
    in one clock, but none in the clock of ``do_clear`` or the one before.
    """

    def __init__(self, config: EngineConfig):
        super().__init__(
            {
                "do_commit": In(1),
                "commit_key_count": In(range(3)),
                "do_delete": In(1),
                "delete_key_count": In(range(3)),
                "do_free": In(1),
                "do_clear": In(1),
                "live_bundles": Out(range(config.bundles + 1)),
                "live_keys": Out(range(config.keys + 1)),
                "has_dead": Out(1),
            }
        )
        self._bundles = config.bundles

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        dead_bundles = Signal(range(self._bundles + 1))
        # Whether something happened is known late in its clock.
        did_delete = Signal(2)
        did_commit = Signal()
        did_free = Signal()
        deleted_key_count = Signal.like(self.delete_key_count)
        born_key_count = Signal.like(self.commit_key_count)
        was_dead = Signal()
        m.d.sync += [
            did_delete.eq(Cat(self.do_delete, did_delete[0])),
            deleted_key_count.eq(self.delete_key_count & self.do_delete.replicate(2)),
            did_commit.eq(self.do_commit),
            born_key_count.eq(self.commit_key_count & self.do_commit.replicate(2)),
            did_free.eq(self.do_free),
            was_dead.eq(dead_bundles != 0),
        ]
        m.d.comb += self.has_dead.eq(was_dead | did_delete.any())
        with m.If(self.do_clear):
            m.d.sync += [self.live_bundles.eq(0), self.live_keys.eq(0), dead_bundles.eq(0)]
        with m.Else():
            m.d.sync += [
                self.live_bundles.eq(self.live_bundles + did_commit - did_delete[0]),
                self.live_keys.eq(self.live_keys + born_key_count - deleted_key_count),
                dead_bundles.eq(dead_bundles + did_delete[0] - did_free),
            ]
        return m
