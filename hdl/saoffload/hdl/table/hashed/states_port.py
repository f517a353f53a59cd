"""The live store's one port for the management: who asks, who writes, and in which order."""

from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig

from .live import LiveManagement
from .states import BundleState
from .wipe import WipeProgress


class StateQuestion(wiring.Signature):
    """A question for the state of an index, seen from who asks.

    ``do`` with ``index``, held until ``is_taken``; ``state`` comes ``STATE_LATENCY`` clocks after that.
    """

    def __init__(self, config: EngineConfig):
        super().__init__(
            {
                "do": Out(1),
                "index": Out(config.index_bits),
                "is_taken": In(1),
                "state": In(BundleState),
            }
        )


class StateChange(wiring.Signature):
    """A write of a state, seen from who writes: ``do`` with ``index`` and ``state``, held until ``is_taken``."""

    def __init__(self, config: EngineConfig):
        super().__init__(
            {
                "do": Out(1),
                "index": Out(config.index_bits),
                "state": Out(BundleState),
                "is_taken": In(1),
            }
        )


class StatesPort(wiring.Component):
    """Takes one question or one change of a state per clock, from all of the management, to the live store.

    A move's question goes first: keys hang on it. Then those of the placer and of the add, and the add's commit. Sweep,
    audit and index walk ask, and the walk releases, only while nobody else does, so they need not look at the others.
    While the wipe runs it alone writes.

    Parameters: ``config``.

    Members: the questions ``moves``, ``placements``, ``adds``, ``sweeps``, ``audits``, ``walks``; the changes
    ``commits``, ``releases``; ``wipe``, whose indices become FREE, and ``wipe_must_hold``: not in this clock.
    ``store``: the live store.

    Latency: none.
    """

    def __init__(self, config: EngineConfig):
        question = In(StateQuestion(config))
        change = In(StateChange(config))
        super().__init__(
            {
                "moves": question,
                "placements": question,
                "adds": question,
                "sweeps": question,
                "audits": question,
                "walks": question,
                "commits": change,
                "releases": change,
                "wipe": In(WipeProgress(config)),
                "wipe_must_hold": Out(1),
                "store": Out(LiveManagement(config)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        store = self.store
        ordered = (self.moves, self.placements, self.adds)
        alone = (self.sweeps, self.audits, self.walks)
        askers = (*ordered, *alone)
        m.d.comb += store.read.do.eq(Cat(asker.do for asker in askers).any())
        is_free = store.read_is_ready
        for asker in ordered:
            m.d.comb += asker.is_taken.eq(is_free & asker.do)
            is_free = is_free & ~asker.do
        for asker in alone:
            m.d.comb += asker.is_taken.eq(store.read_is_ready & asker.do)
        for asker in askers:
            m.d.comb += asker.state.eq(store.state)
        # The last one's index is there for nothing when nobody asks: whether it asks is known too late to choose by.
        m.d.comb += store.read.index.eq(self.walks.index)
        for asker in reversed(askers[:-1]):
            with m.If(asker.do):
                m.d.comb += store.read.index.eq(asker.index)

        # Nothing is read in the clock of a write, and only a mover is at work beside an add.
        may_commit = ~self.moves.do
        with m.If(self.wipe.is_running):
            m.d.comb += [
                store.write.do.eq(self.wipe.has_index),
                store.write.index.eq(self.wipe.position),
                store.write.state.eq(BundleState.FREE),
            ]
        with m.Elif(self.releases.do):
            m.d.comb += [
                store.write.do.eq(1),
                store.write.index.eq(self.releases.index),
                store.write.state.eq(self.releases.state),
            ]
        with m.Else():
            m.d.comb += [
                store.write.do.eq(self.commits.do & may_commit),
                store.write.index.eq(self.commits.index),
                store.write.state.eq(self.commits.state),
            ]
        m.d.comb += [
            self.releases.is_taken.eq(store.write_is_ready & self.releases.do),
            self.commits.is_taken.eq(store.write_is_ready & self.commits.do & may_commit),
            # Whether or not there is something to write: what tells it comes from registers.
            self.wipe_must_hold.eq(~store.write_is_ready),
        ]
        return m
