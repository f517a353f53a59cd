"""The ports of the management to what is stored: answers are of the index asked for, writes of who asked for them."""

from dataclasses import replace
from pathlib import Path

from amaranth.hdl import Cat, Module, Value
from tests.formal.hashed import CONFIG
from tests.formal.prover import Proof, Run, Spec, broken, mutant

from saoffload.hdl.table.hashed.states import BundleState
from saoffload.hdl.table.hashed.states_port import StatesPort
from saoffload.hdl.table.hashed.words_port import WordsPort

OWN_INDEX = "a question that is taken is asked of the live store in that clock, for its own index, and one at a time"
OWN_CHANGE = "a change that is taken is written in that clock, and nothing is written that nobody had written"
WIPES = "while the wipe runs each of its positions that is an index becomes free, unless it is told to hold"
APART = "nothing is asked in the clock of a write"


class StatesContract(Spec):
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


def states(old: str = "", new: str = "") -> StatesContract:
    """The contract around the port, or around one of which a piece is replaced."""
    return StatesContract((mutant(StatesPort, old, new) if old else StatesPort)(CONFIG))


OWN_WORDS = "an add reads and writes all words of its own index in the clock in which it is told so"
LINKS = "a link of the free list is written in its clock"
AUDITS = "an audit that is taken reads all that is stored of its index"
WIPES_WORDS = "the wipe writes each context, and after a reset generation and link, unless it is told to hold"
NOTHING_ELSE = "nothing is written but for an add, the free list and the wipe"


class WordsContract(Spec):
    """What the keeper promises: one job at a time; an add neither reads nor writes when a link comes."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        add, link, wipe = dut.add, dut.link_write, dut.wipe
        generations, links, contexts = dut.generations, dut.links, dut.contexts
        users = Cat(add.do_read, add.do_write, dut.do_audit, link.do, wipe.is_running)
        self.assume(m, (users & (users - 1)[: len(users)]) == 0)
        self.assume(m, wipe.is_running, given=wipe.has_index)
        # The links are a memory that lookups read on its other port.
        self.assume(m, links.is_ready)

        reads = add.do_read & add.is_read
        writes = add.do_write & add.is_written
        audits = dut.do_audit & dut.audit_is_taken
        wipes = wipe.has_index & ~dut.wipe_must_hold
        for words, answer in ((generations, add.generation), (links, add.link)):
            is_read = words.do_read & words.is_ready & ~words.do_write
            is_written = words.do_write & words.is_ready & ~words.do_read
            is_own = words.index == add.index
            self.promise(m, OWN_WORDS, is_read & is_own, given=reads)
            self.promise(m, OWN_WORDS, answer == words.data[: len(answer)])
            is_right = words.write_data == add.written_generation
            self.promise(m, OWN_WORDS, is_written & is_own & is_right, given=writes)
            self.promise(m, AUDITS, is_read & (words.index == dut.audit_index), given=audits)
            is_wiped = is_written & (words.index == wipe.position) & words.write_data.all()
            self.promise(m, WIPES_WORDS, is_wiped, given=wipes & dut.wipes_generations)
        is_written = contexts.do_write & contexts.is_ready
        is_right = (contexts.index == add.index) & (contexts.write_data == add.context)
        self.promise(m, OWN_WORDS, is_written & is_right, given=writes)
        is_audited = contexts.do_audit & contexts.is_ready & ~contexts.do_write & (contexts.index == dut.audit_index)
        self.promise(m, AUDITS, is_audited, given=audits)
        is_wiped = is_written & (contexts.index == wipe.position) & ~contexts.write_data.any()
        self.promise(m, WIPES_WORDS, is_wiped, given=wipes)
        is_linked = links.do_write & (links.index == link.index) & (links.write_data == link.link)
        self.promise(m, LINKS, is_linked, given=link.do)
        self.promise(m, NOTHING_ELSE, add.do_write | wipe.has_index, given=contexts.do_write)
        wipes_words = wipe.has_index & dut.wipes_generations
        self.promise(m, NOTHING_ELSE, add.do_write | wipes_words, given=generations.do_write)
        self.promise(m, NOTHING_ELSE, add.do_write | wipes_words | link.do, given=links.do_write)
        self.reach(m, "a write waits for the context", add.do_write & generations.is_ready & ~add.is_written)
        self.reach(m, "a read waits for a delete", add.do_read & ~add.is_read)
        self.reach(m, "an audit is taken", audits)
        self.reach(m, "the wipe goes on", wipes & dut.wipes_generations)


def words(old: str = "", new: str = "") -> WordsContract:
    """The contract around the port to the words, or around one of which a piece is replaced."""
    return WordsContract((mutant(WordsPort, old, new) if old else WordsPort)(replace(CONFIG, context_width=4)))


PROOFS = [
    Proof(
        name="states-port",
        spec=states,
        depth=2,
        reach_depth=4,
        broken_depth=4,
        is_nightly=True,
        broken=(
            broken(states, "takes-two-questions", OWN_INDEX, "is_free = is_free & ~asker.do", "pass"),
            broken(states, "asks-for-the-walk", OWN_INDEX, "reversed(askers[:-1])", "reversed(askers[:-2])"),
            broken(states, "commits-over-a-question", APART, "may_commit = ~self.moves.do", "may_commit = 1"),
            broken(
                states,
                "takes-a-release-early",
                OWN_CHANGE,
                "self.releases.is_taken.eq(store.write_is_ready & self.releases.do)",
                "self.releases.is_taken.eq(self.releases.do)",
            ),
            broken(
                states, "wipes-on", WIPES, "self.wipe_must_hold.eq(~store.write_is_ready)", "self.wipe_must_hold.eq(0)"
            ),
        ),
    ),
    Proof(
        name="words-port",
        spec=words,
        depth=2,
        reach_depth=4,
        broken_depth=4,
        is_nightly=True,
        broken=(
            broken(words, "writes-in-part", OWN_WORDS, "generations.is_ready & ~context_waits", "generations.is_ready"),
            broken(words, "lets-a-link-wait", LINKS, "link_write.do | add.do_write", "add.do_write"),
            broken(words, "audits-in-part", AUDITS, "generations.is_ready & contexts.is_ready", "contexts.is_ready"),
            broken(words, "wipes-on", WIPES_WORDS, "~generations.is_ready | ~contexts.is_ready", "~contexts.is_ready"),
            broken(
                words,
                "wipes-generations-at-a-flush",
                NOTHING_ELSE,
                "wipe.has_index & self.wipes_generations",
                "wipe.has_index",
            ),
        ),
    ),
]


def test_hashed_ports(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
