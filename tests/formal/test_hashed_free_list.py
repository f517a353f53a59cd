"""The free list of the hash table: who was longest free is offered first, and nobody twice."""

import itertools
from pathlib import Path

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from tests.formal.hashed import BUNDLES, CONFIG
from tests.formal.prover import Proof, Run, Spec, broken, mutant

from saoffload.hdl.table.hashed.free_list import FreeList

LONGEST_FREE = "the list offers the longest free index, and none when there is none"
ONCE = "what the list offers was given to it, and has not been taken since"


class FreeListContract(Spec):
    """In lockstep with a row of registers. The links lie in a memory that nobody else writes for a free index."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        order = Array(Signal(range(BUNDLES), name=f"order_{place}") for place in range(BUNDLES))
        level = Signal(range(BUNDLES + 1))
        is_listed = Signal(BUNDLES)
        links = Array(Signal(range(BUNDLES), name=f"link_{index}") for index in range(BUNDLES))
        write = dut.link_write
        with m.If(write.do):
            m.d.sync += links[write.index].eq(write.link)
        did_push, did_pop = self.before(m, dut.do_push), self.before(m, dut.do_pop)
        pushed = self.before(m, dut.pushed)
        with m.If(did_push):
            m.d.sync += [order[level].eq(pushed), level.eq(level + 1)]
        with m.Elif(did_pop):
            m.d.sync += [*(near.eq(far) for near, far in itertools.pairwise(order)), level.eq(level - 1)]
        with m.If(dut.do_clear):
            m.d.sync += level.eq(0)
        with m.If(dut.do_clear):
            m.d.sync += is_listed.eq(0)
        with m.Elif(dut.do_push):
            m.d.sync += is_listed.eq(is_listed | (1 << dut.pushed))
        with m.Elif(dut.do_pop):
            m.d.sync += is_listed.eq(is_listed & ~(1 << dut.head))

        self.assume(m, ~dut.do_pop & (dut.pushed < BUNDLES), given=dut.do_push)
        self.assume(m, ~is_listed.bit_select(dut.pushed, 1), given=dut.do_push)
        # Who pops read the head's word when nothing was on the way to it, and nothing has come since.
        is_quiet = Signal(2)
        m.d.sync += is_quiet.eq(Cat(~dut.do_push & ~dut.do_pop, is_quiet[0]))
        self.assume(m, ~dut.is_empty & is_quiet.all(), given=dut.do_pop)
        self.assume(m, (dut.next_head == links[dut.head]) | (level == 1), given=dut.do_pop)
        self.assume(m, ~dut.do_push & ~dut.do_pop & is_quiet[0], given=dut.do_clear)

        self.promise(m, LONGEST_FREE, dut.is_empty == (level == 0))
        self.promise(m, LONGEST_FREE, dut.head == order[0], given=level != 0)
        self.promise(m, ONCE, is_listed.bit_select(dut.head, 1), given=~dut.is_empty & ~did_pop)
        self.reach(m, "a full list is emptied", (level == 1) & did_pop & self._had(m, level == BUNDLES))

        tail = self.inside("tail")
        does_push, does_pop = self.inside("does_push"), self.inside("does_pop")
        self.lemma(m, "a change is a clock late", (does_push == did_push) & (does_pop == did_pop))
        self.lemma(m, "what is pushed is a clock late", self.inside("pushed") == pushed, given=did_push)
        self.lemma(m, "one change at a time", ~(did_push & did_pop))
        self.lemma(m, "who leaves was there", level != 0, given=did_pop)
        self.lemma(m, "it knows the last", self.inside("is_last") == (level == 1), given=did_pop)
        next_head = self.inside("next_head")
        self.lemma(m, "the next is known", (next_head == order[1]) | (level == 1), given=did_pop)
        self.lemma(m, "nobody is in twice", level + did_push <= BUNDLES)
        members = [place < level for place in range(BUNDLES)]
        for place, is_member in enumerate(members):
            self.lemma(m, "members are indices", order[place] < BUNDLES, given=is_member)
            if place:
                is_linked = links[order[place - 1]] == order[place]
                is_coming = write.do & (write.index == order[place - 1]) & (write.link == order[place])
                self.lemma(
                    m,
                    "members are linked",
                    Mux(write.do & (write.index == order[place - 1]), is_coming, is_linked),
                    given=is_member,
                )
                for other in range(place):
                    self.lemma(m, "members differ", order[other] != order[place], given=is_member)
            self.lemma(m, "the tail is the last", tail == order[place], given=level == place + 1)
        for index in range(BUNDLES):
            is_in = Cat(is_member & (order[place] == index) for place, is_member in enumerate(members)).any()
            listed = (is_in | (did_push & (pushed == index))) & ~(did_pop & (order[0] == index))
            self.lemma(m, "members are listed", is_listed[index] == listed)
            self.lemma(m, "what comes is new", ~is_in, given=did_push & (pushed == index))
        self.lemma(m, "only indices come", pushed < BUNDLES, given=did_push)

    def _had(self, m: Module, condition: Value) -> Signal:
        had = Signal()
        with m.If(condition):
            m.d.sync += had.eq(1)
        return had


def free_list(old: str = "", new: str = "") -> FreeListContract:
    """The contract around the free list, or around one of which a piece is replaced."""
    return FreeListContract((mutant(FreeList, old, new) if old else FreeList)(CONFIG))


PROOFS = [
    Proof(
        name="free-list",
        spec=free_list,
        depth=4,
        reach_depth=20,
        broken_depth=14,
        is_nightly=True,
        broken=(
            broken(
                free_list,
                "links-to-the-head",
                LONGEST_FREE,
                "self.link_write.index.eq(tail)",
                "self.link_write.index.eq(self.head)",
            ),
            broken(
                free_list,
                "is-never-empty-again",
                LONGEST_FREE,
                "self.is_empty.eq(is_last)",
                "self.is_empty.eq(0)",
            ),
            broken(free_list, "offers-what-was-taken", ONCE, "self.head.eq(next_head), ", ""),
        ),
    ),
]


def test_hashed_free_list(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
