"""Lookups and deletes around the live store: what was deleted never hits again until it is issued anew."""

from pathlib import Path
from typing import Any

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import wiring
from tests.formal.hashed import CONFIG, REST, StoredState, ago
from tests.formal.prover import Proof, Run, Spec, broken, mutant

from saoffload.hdl.table.handles import generation_of, index_of, is_well_formed
from saoffload.hdl.table.hashed.closure import SETTLE_CLOCKS
from saoffload.hdl.table.hashed.delete_pipe import DeletePipe
from saoffload.hdl.table.hashed.handle_lookup import HandleLookup
from saoffload.hdl.table.hashed.key_lookup import KeyLookup
from saoffload.hdl.table.hashed.live import LIVE, NOT_LIVE, LiveStore
from saoffload.hdl.table.hashed.states import BundleState, is_inbound, is_live
from saoffload.hdl.table.hashed.timing import (
    LIVE_TO_ANSWER,
    MEMORY_LATENCY,
    STATE_WRITE_DELAY,
    WORD_LATENCY,
    request_to_live,
)
from saoffload.hdl.table.hashed.wildcards import Wildcards
from saoffload.hdl.table.hashed.wipe import Wipe

NEVER_AGAIN = "no lookup that is answered with a delete of its handle, or later, hits, until the handle is issued anew"
KILLS_ONCE = "a delete writes over a bundle that lives, and once"
IN_TIME = "a delete is answered after as many clocks as it says"
AS_IT_LIVES = "a key of a bundle, exact or wildcard, is a hit if and only if the bundle lived so many clocks ago"


class Pipes(Elaboratable):
    """Both lookups and the deletes around the live store, as the table wires them."""

    def __init__(self, components: dict[str, type]):
        self.store = components.get("LiveStore", LiveStore)(CONFIG)
        self.deletes = components.get("DeletePipe", DeletePipe)(CONFIG)
        self.keys = components.get("KeyLookup", KeyLookup)(CONFIG)
        self.handles = components.get("HandleLookup", HandleLookup)(CONFIG)

    def elaborate(self, _platform: Any) -> Module:
        m = Module()
        m.submodules.store = store = self.store
        m.submodules.deletes = deletes = self.deletes
        m.submodules.keys = keys = self.keys
        m.submodules.handles = handles = self.handles
        m.d.comb += [
            store.exact_key.address.eq(keys.exact_index),
            keys.exact_is_live.eq(store.exact_key.is_live),
            store.wildcard_key.address.eq(keys.wildcard_index),
            keys.wildcard_is_live.eq(store.wildcard_key.is_live),
            store.handle.address.eq(handles.index),
            handles.is_live.eq(store.handle.is_live),
            *(reader.do_read.eq(1) for reader in (store.exact_key, store.wildcard_key, store.handle, store.deletes)),
            store.deletes.address.eq(deletes.state_index),
            deletes.state.eq(store.deletes.state),
            store.delete_write.do.eq(deletes.do_delete),
            store.delete_write.index.eq(deletes.delete_index),
            store.delete_write.state.eq(deletes.delete_state),
        ]
        return m


class PipesContract(Spec):
    """One handle, any, is watched, and one delete of it. Generations are a bit: whether the stored one is the handle's.

    No bit flips. Issued is an index by one write of the management, when it was free for some clocks.
    """

    def parts(self) -> list[wiring.Component]:
        dut = self.dut
        return [dut.store, dut.deletes, dut.keys, dut.handles]

    def describe(self, m: Module) -> None:
        store, deletes, keys, handles = self.parts()
        handle = AnyConst(32)
        self.assume(m, is_well_formed(CONFIG, Cat(handle, 0)))
        index = index_of(CONFIG, handle)
        stored = StoredState(self, m, store, index, self.word("store", "deletes", "memory", "memory", address=index))
        self.assume(m, ~store.manage.read.do, given=store.manage.write.do)
        for name in ("exact_key", "wildcard_key", "handle"):
            is_set = stored.word == BundleState.OUTBOUND.value if name == "handle" else is_inbound(stored.word)
            word = self.word("store", name, "memory", "memory", address=index)
            self.assume(m, word == Mux(is_set, LIVE, NOT_LIVE), given=~self.before(m, self.is_running))
            self.lemma(m, "lookups have it", word == Mux(is_set, LIVE, NOT_LIVE))
        self.lemma(m, "deletes have it", stored.kept == stored.word)

        # The generation: another one may come while nobody lives under the index, and stands from then on.
        is_named = Signal(reset_less=True)
        change = store.manage.write
        writes = change.do & store.manage.write_is_ready & (change.index == index)
        issues = writes & is_live(change.state)
        is_issued = Cat(ago(self, m, issues, clocks) for clocks in range(STATE_WRITE_DELAY + 1)).any()
        rest = Signal(range(REST + 1))
        with m.If(is_live(stored.word) | is_issued | Cat(stored.dies).any()):
            m.d.sync += rest.eq(0)
        with m.Elif(rest != REST):
            m.d.sync += rest.eq(rest + 1)
        self.assume(m, rest == REST, given=issues)
        # What lives is written over by a wipe alone, when deletes have been closed, and they are so until it has ended.
        state, is_closed = Value.cast(change.state), deletes.is_closed
        self.assume(m, is_live(state) | (state == BundleState.FREE.value), given=writes)
        closed = Signal(range(SETTLE_CLOCKS + 1))
        with m.If(~is_closed):
            m.d.sync += closed.eq(0)
        with m.Elif(closed != SETTLE_CLOCKS):
            m.d.sync += closed.eq(closed + 1)
        self.assume(m, closed == SETTLE_CLOCKS, given=writes & (is_live(stored.word) | is_issued))
        wiped = Cat(ago(self, m, writes & ~is_live(state), clocks) for clocks in range(Wipe.TAIL))
        self.assume(m, is_closed, given=self.before(m, is_closed) & wiped.any())
        renames = Signal()
        m.d.comb += renames.eq(AnySeq(1) & (rest == REST) & ~issues)
        with m.If(renames):
            m.d.sync += is_named.eq(~is_named)
        was_named = ago(self, m, is_named, MEMORY_LATENCY)
        generation = generation_of(CONFIG, handle)
        for pipe, address, latency in (
            (keys, keys.index, MEMORY_LATENCY),
            (handles, handles.index, MEMORY_LATENCY),
            (deletes, deletes.generation_index, WORD_LATENCY),
        ):
            is_mine = ago(self, m, address == index, latency)
            self.assume(m, (pipe.generation == generation) == was_named, given=is_mine)
            self.assume(m, pipe.generation_was_good)
        self.assume(m, keys.way_found.owner.as_value() == 0, given=~keys.way_found.is_found)
        self.assume(m, keys.overflow_found.owner.as_value() == 0, given=~keys.overflow_found.is_found)
        same = keys.way_found.owner.as_value() == keys.overflow_found.owner.as_value()
        self.assume(m, same, given=keys.way_found.is_found & keys.overflow_found.is_found)

        # One delete of the handle, and whether it was issued since.
        is_asked = Signal()
        latency = deletes.LATENCY
        age = Signal(range(latency + 1))
        asks = deletes.deletes.valid & (deletes.deletes.payload.handle == handle)
        with m.If(~is_asked):
            m.d.sync += [is_asked.eq(asks & AnySeq(1) & ~issues), age.eq(1)]
        with m.Else():
            with m.If(age != latency):
                m.d.sync += age.eq(age + 1)
            # While a flush is under way the gate is closed, and all goes.
            is_judged = age == DeletePipe.REQUEST_TO_WORDS + DeletePipe.WORDS_TO_VERDICT
            with m.If(issues | (deletes.is_closed & is_judged)):
                m.d.sync += is_asked.eq(0)
        is_answered = is_asked & (age == latency)
        for lookup in (keys, handles):
            hits = lookup.did_answer & lookup.answer.hit & (lookup.answer.handle == handle)
            self.promise(m, NEVER_AGAIN, ~hits, given=is_answered)
            self.reach(m, "a handle is found", hits)
        was_asked = ago(self, m, deletes.deletes.valid & self.is_running, latency)
        self.promise(m, IN_TIME, deletes.delete_answers.valid == was_asked)
        writes_death = deletes.do_delete & (deletes.delete_index == index)
        self.promise(m, KILLS_ONCE, is_live(stored.word) & ~Cat(stored.dies[1:]).any(), given=writes_death)
        self.reach(m, "a delete is answered", deletes.delete_answers.valid & deletes.delete_answers.payload.found)
        lives = is_live(stored.word) & is_named & ~stored.is_written
        is_dead = is_asked & (age >= DeletePipe.REQUEST_TO_DEATH)
        self.lemma(m, "it lives no more", ~lives, given=is_dead)
        self._watch_keys(m, stored, index)

    def _watch_keys(self, m: Module, stored: StoredState, index: Value) -> None:
        """A key of the watched bundle is on its way past the live bit."""
        keys = self.dut.keys
        exact = self.inside("keys", "exact")
        clocks = request_to_live(CONFIG) - Wildcards.LATENCY - 1
        wildcard = self.inside("keys", f"wildcard_{clocks}")
        is_exact = exact[0] & (exact[1 : 1 + len(index)] == index)
        is_wildcard = wildcard[0] & (wildcard[1 : 1 + len(index)] == index) & ~exact[0]
        lives = is_inbound(stored.word) & ~stored.is_written
        lived = ago(self, m, Cat(lives, is_exact | is_wildcard), LIVE_TO_ANSWER)
        hits = keys.answer.hit & (index_of(CONFIG, keys.answer.handle) == index)
        self.promise(m, AS_IT_LIVES, hits == lived[0], given=lived[1])


def pipes(component: type | None = None, old: str = "", new: str = "") -> PipesContract:
    """The contract around the pipelines, or around some of which one has a piece replaced."""
    components = {component.__name__: mutant(component, old, new)} if component else {}
    return PipesContract(Pipes(components))


PROOFS = [
    Proof(
        name="live-to-answer",
        spec=pipes,
        depth=18,
        reach_depth=34,
        broken_depth=34,
        is_nightly=True,
        is_cross_checked=False,
        broken=(
            broken(
                pipes,
                "answers-early",
                NEVER_AGAIN,
                DeletePipe,
                "LATENCY = REQUEST_TO_DEATH + LIVE_TO_ANSWER",
                "LATENCY = REQUEST_TO_DEATH + LIVE_TO_ANSWER - 1",
            ),
            broken(
                pipes,
                "forgets-an-answer",
                IN_TIME,
                DeletePipe,
                "Cat(self.deletes.valid, is_asked[:-1])",
                "Cat(self.deletes.valid & is_in_range(config, handle), is_asked[:-1])",
            ),
            broken(
                pipes, "forgets-a-delete-close-before", KILLS_ONCE, DeletePipe, "blind = MEMORY_LATENCY + ", "blind = "
            ),
            broken(
                pipes,
                "looks-at-half-a-generation",
                NEVER_AGAIN,
                DeletePipe,
                "equal_groups(generation_of(config, handles[-1]), self.generation)",
                "equal_groups(generation_of(config, handles[-2]), self.generation)",
            ),
            broken(
                pipes,
                "sees-the-exact-later",
                AS_IT_LIVES,
                KeyLookup,
                "late_exact.is_found & self.exact_is_live",
                "exact.is_found & self.exact_is_live",
            ),
        ),
    ),
]


def test_hashed_deletes(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
