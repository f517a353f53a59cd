"""The port of the management to the live store: answers are of the index asked for, writes of who asked for them."""

from pathlib import Path

from amaranth.hdl import Cat, Module, Value
from tests.formal.hashed import CONFIG
from tests.formal.prover import Broken, Proof, Run, Spec, mutant

from saoffload.hdl.table.hashed.states import BundleState
from saoffload.hdl.table.hashed.states_port import StatesPort

OWN_INDEX = "a question that is taken is asked of the live store in that clock, for its own index, and one at a time"
OWN_CHANGE = "a change that is taken is written in that clock, and nothing is written that nobody had written"
WIPES = "while the wipe runs each of its positions that is an index becomes free, unless it is told to hold"
APART = "nothing is asked in the clock of a write"


class PortContract(Spec):
    """What the keeper promises: one job at a time, and beside an add a mover alone."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        store, wipe = dut.store, dut.wipe
        ordered = (dut.moves, dut.placements, dut.adds)
        alone = (dut.sweeps, dut.audits, dut.walks)
        askers = (*ordered, *alone)
        asks = Cat(asker.do for asker in askers)
        for place, asker in enumerate(alone, len(ordered)):
            self.assume(m, asks == 1 << place, given=asker.do)
        self.assume(m, ~asks[1:].any(), given=dut.commits.do)
        self.assume(m, ~asks.any() & ~dut.commits.do, given=dut.releases.do)
        self.assume(m, ~asks.any() & ~dut.commits.do & ~dut.releases.do, given=wipe.is_running)
        self.assume(m, wipe.is_running, given=wipe.has_index)

        is_asked = store.read.do & store.read_is_ready
        taken = Cat(asker.is_taken for asker in askers)
        self.promise(m, OWN_INDEX, (taken & (taken - 1)[: len(taken)]) == 0)
        self.promise(m, OWN_INDEX, taken.any() == is_asked)
        for asker in askers:
            is_own = asker.do & is_asked & (store.read.index == asker.index)
            self.promise(m, OWN_INDEX, is_own, given=asker.is_taken)
            self.promise(m, OWN_INDEX, Value.cast(asker.state) == Value.cast(store.state))
        self.promise(m, APART, ~store.read.do, given=store.write.do)

        is_written = store.write.do & store.write_is_ready
        state = Value.cast(store.write.state)
        changes = (dut.commits, dut.releases)
        for change in changes:
            is_own = (store.write.index == change.index) & (state == Value.cast(change.state))
            self.promise(m, OWN_CHANGE, change.do & is_written & is_own, given=change.is_taken)
        wipes = wipe.has_index & ~dut.wipe_must_hold
        self.promise(m, OWN_CHANGE, is_written == (wipes | Cat(change.is_taken for change in changes).any()))
        is_freed = is_written & (store.write.index == wipe.position) & (state == BundleState.FREE.value)
        self.promise(m, WIPES, is_freed, given=wipes)
        self.reach(m, "a placer waits for a mover", dut.moves.is_taken & dut.placements.do)
        self.reach(m, "a commit waits for a mover", dut.commits.do & dut.moves.is_taken)
        self.reach(m, "a commit is taken", dut.commits.is_taken)
        self.reach(m, "the wipe waits", wipe.has_index & dut.wipe_must_hold)


def port(old: str = "", new: str = "") -> PortContract:
    """The contract around the port, or around one of which a piece is replaced."""
    return PortContract((mutant(StatesPort, old, new) if old else StatesPort)(CONFIG))


def broken(name: str, breaks: str, old: str, new: str) -> Broken:
    return Broken(name=name, spec=lambda: port(old, new), breaks=breaks)


PROOFS = [
    Proof(
        name="states-port",
        spec=port,
        depth=2,
        reach_depth=4,
        broken_depth=4,
        is_nightly=True,
        broken=(
            broken("takes-two-questions", OWN_INDEX, "is_free = is_free & ~asker.do", "pass"),
            broken("asks-for-the-walk", OWN_INDEX, "reversed(askers[:-1])", "reversed(askers[:-2])"),
            broken("commits-over-a-question", APART, "may_commit = ~self.moves.do", "may_commit = 1"),
            broken(
                "takes-a-release-early",
                OWN_CHANGE,
                "self.releases.is_taken.eq(store.write_is_ready & self.releases.do)",
                "self.releases.is_taken.eq(self.releases.do)",
            ),
            broken("wipes-on", WIPES, "self.wipe_must_hold.eq(~store.write_is_ready)", "self.wipe_must_hold.eq(0)"),
        ),
    )
]


def test_hashed_ports(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
