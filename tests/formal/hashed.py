"""What the proofs of the hash table share: a small table, and what its live store holds of one index."""

from amaranth.hdl import Module, Signal, Value
from tests.formal.prover import Spec

from saoffload.hdl.config import EngineConfig, HashSizes
from saoffload.hdl.table.hashed.live import LiveStore
from saoffload.hdl.table.hashed.states import BundleState
from saoffload.hdl.table.hashed.timing import DELETE_WRITE_DELAY, STATE_WRITE_DELAY

CONFIG = EngineConfig(
    name="formal-hash",
    bundles=3,
    keys=4,
    context_width=0,
    hashed=HashSizes(ways=2, way_depth=4, overflow=2, wildcards=2, rounds=2, max_moves=2),
)
"""Three bundles, so that not every index is one; two ways of four rows."""

BUNDLES = CONFIG.bundles

REST = 8
"""Clocks for which an index has been free, at least, when an add issues it."""


def ago(spec: Spec, m: Module, value: Value, clocks: int) -> Value:
    """What ``value`` was so many clocks ago; 0 in the first clocks after the reset."""
    for _ in range(clocks):
        value = spec.before(m, value)
    return value


class StoredState:
    """The state of one index, as reads of this clock find it, told by the ports of the live store alone.

    What it is at first is what the memory of the deletes, whose word is ``kept``, then holds.

    ``word``; ``is_written``: it changes with the end of this clock, ``is_managed`` by a write of the management;
    ``dies``: a delete wrote it so many clocks ago.
    """

    def __init__(self, spec: Spec, m: Module, store: LiveStore, index: Value, kept: Value):
        deletes = store.delete_write.do & (store.delete_write.index == index)
        change = store.manage.write
        manages = change.do & store.manage.write_is_ready & (change.index == index)
        self.word = Signal(4, name="stored_state", reset_less=True)
        self.kept = kept
        spec.assume(m, self.word == kept, given=~spec.before(m, spec.is_running))
        self.dies = [Value.cast(deletes)]
        dead = Value.cast(store.delete_write.state)
        for _ in range(DELETE_WRITE_DELAY):
            self.dies.append(spec.before(m, self.dies[-1]))
            dead = spec.before(m, dead)
        managed = ago(spec, m, Value.cast(manages), STATE_WRITE_DELAY)
        state = ago(spec, m, Value.cast(change.state), STATE_WRITE_DELAY)
        self.is_managed = managed
        self.is_written = self.dies[-1] | managed
        with m.If(self.dies[-1]):
            m.d.sync += self.word.eq(dead)
        with m.Elif(managed):
            m.d.sync += self.word.eq(state)

    def holds(self, state: BundleState) -> Value:
        """Whether it is this one."""
        return self.word == state.value
