"""The live store of the hash table: what is told of a bundle, to whom, and in one clock."""

from pathlib import Path

from amaranth.asserts import AnyConst
from amaranth.hdl import Cat, Module, Mux, Signal, Value
from tests.formal.hashed import BUNDLES, CONFIG, StoredState, ago
from tests.formal.prover import Proof, Run, Spec, broken, mutant

from saoffload.hdl.table.hashed.live import LIVE, NOT_LIVE, LiveStore
from saoffload.hdl.table.hashed.states import BundleState, is_inbound, is_live
from saoffload.hdl.table.hashed.timing import (
    MEMORY_LATENCY,
    STATE_LATENCY,
)

TOGETHER = "exact keys and wildcards are told in one clock that a bundle lives, and in one clock that it does not"
BY_KIND = "handle lookups see live outbound bundles, and deletes see the state as it is"
MANAGES = "the management reads what was written before it asked"


class StoreContract(Spec):
    """One index, any, is watched, from its first write on."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        index = AnyConst(CONFIG.index_bits)
        self.assume(m, index < BUNDLES)
        self.assume(m, ~dut.manage.read.do, given=dut.manage.write.do)
        stored = StoredState(self, m, dut, index, self.word("deletes", "memory", "memory", address=index))
        is_known = Signal()
        with m.If(stored.is_written):
            m.d.sync += is_known.eq(1)
        knew = ago(self, m, is_known, MEMORY_LATENCY)
        state = ago(self, m, Mux(stored.is_written, BundleState.FREE.value, stored.word), MEMORY_LATENCY)
        reads = {
            name: ago(self, m, getattr(dut, name).do_read & (getattr(dut, name).address == index), MEMORY_LATENCY)
            for name in ("exact_key", "wildcard_key", "handle", "deletes")
        }
        for name in ("exact_key", "wildcard_key"):
            lives = getattr(dut, name).is_live
            self.promise(m, TOGETHER, lives == is_inbound(state), given=knew & reads[name])
        is_outbound = state == BundleState.OUTBOUND.value
        self.promise(m, BY_KIND, dut.handle.is_live == is_outbound, given=knew & reads["handle"])
        self.promise(m, BY_KIND, Value.cast(dut.deletes.state) == state, given=knew & reads["deletes"])
        self.promise(m, BY_KIND, dut.deletes.is_live == is_live(state), given=knew & reads["deletes"])
        asks = dut.manage.read.do & dut.manage.read_is_ready & (dut.manage.read.index == index)
        # It has the memories in the second clock.
        in_store = ago(self, m, Cat(stored.word, is_known), MEMORY_LATENCY)
        asked = ago(self, m, asks, STATE_LATENCY)
        self.promise(m, MANAGES, Value.cast(dut.manage.state) == in_store[:-1], given=asked & in_store[-1])
        self.reach(m, "a bundle is found", dut.exact_key.is_live & knew & reads["exact_key"])
        self.reach(
            m,
            "and is no more",
            ~dut.exact_key.is_live & self.before(m, dut.exact_key.is_live) & knew & reads["exact_key"],
        )

        self.lemma(m, "deletes have it", stored.kept == stored.word, given=is_known)
        inbound, outbound = is_inbound(stored.word), stored.word == BundleState.OUTBOUND.value
        for name, is_set in (("exact_key", inbound), ("wildcard_key", inbound), ("handle", outbound)):
            word = self.word(name, "memory", "memory", address=index)
            self.lemma(m, "lookups have it", word == Mux(is_set, LIVE, NOT_LIVE), given=is_known)


def store(old: str = "", new: str = "") -> StoreContract:
    """The contract around the live store, or around one of which a piece is replaced."""
    return StoreContract((mutant(LiveStore, old, new) if old else LiveStore)(CONFIG))


PROOFS = [
    Proof(
        name="live-store",
        spec=store,
        depth=6,
        reach_depth=12,
        broken_depth=12,
        rejects_nightly=True,
        broken=(
            broken(
                store,
                "wildcards-see-one-key-alone",
                TOGETHER,
                '"wildcard_key": is_inbound(code_q)',
                '"wildcard_key": code_q == BundleState.INBOUND_1.value',
            ),
            broken(store, "answers-amid-a-write", TOGETHER, "is_read[1] & ~collision.collided", "is_read[1]"),
            broken(
                store,
                "writes-a-delete-early",
                BY_KIND,
                "Mux(does_delete[1], deleted_qq, managed_q)",
                "Mux(does_delete[1], deleted_q, managed_q)",
            ),
            broken(
                store,
                "reads-amid-a-delete",
                MANAGES,
                "self.manage.read_is_ready.eq(~does_delete[0])",
                "self.manage.read_is_ready.eq(1)",
            ),
        ),
    ),
]


def test_hashed_live_store(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
