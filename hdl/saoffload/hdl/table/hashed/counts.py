"""How many bundles and keys live, and how many bundles are dead and not yet free."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig


class BundleCounts(wiring.Component):
    """Counts births, deaths and releases.

    Parameters: ``config``.

    Members: ``do_commit`` with ``commit_key_count``; ``do_delete`` with ``delete_key_count``; ``do_free``: a dead one
    became free; ``do_clear``: all are gone. ``live_bundles``, ``live_keys``, ``dead_bundles``.

    Latency: changes show in the next clock; any of them may come in one clock, but nothing beside ``do_clear``.
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
                "dead_bundles": Out(range(config.bundles + 1)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        with m.If(self.do_clear):
            m.d.sync += [self.live_bundles.eq(0), self.live_keys.eq(0), self.dead_bundles.eq(0)]
        with m.Else():
            born_keys = self.commit_key_count & self.do_commit.replicate(2)
            dead_keys = self.delete_key_count & self.do_delete.replicate(2)
            m.d.sync += [
                self.live_bundles.eq(self.live_bundles + self.do_commit - self.do_delete),
                self.live_keys.eq(self.live_keys + born_keys - dead_keys),
                self.dead_bundles.eq(self.dead_bundles + self.do_delete - self.do_free),
            ]
        return m
