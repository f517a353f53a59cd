"""Wildcards: a name is stored once, whoever adds it is told so, and lookups find it with its owner."""

from dataclasses import replace
from pathlib import Path

from amaranth.asserts import AnyConst
from amaranth.hdl import Array, Cat, Const, Module, Signal, Value
from tests.formal.hashed import CONFIG, ago
from tests.formal.prover import Proof, Run, Spec, broken, mutant

from saoffload.hdl.table.hashed.entry import sizes_of
from saoffload.hdl.table.hashed.wildcards import NAME, Wildcards

COUNT = 2
SMALL = replace(CONFIG, hashed=replace(sizes_of(CONFIG), wildcards=COUNT))

ONCE = "a name is stored in one entry at most"
TOLD = "whoever scans for a name is told whether it is stored, and for whom"
ROOM = "a scan counts the unused entries, up to two"
SPARES = "a stored name keeps its entry and its owner until it is cleared or added again"
FOUND = "a lookup finds a stored name with its owner, and no other"


class WildcardsContract(Spec):
    """One name, any. Names are scanned for, written if there is room or a twin, and cleared while nobody adds."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        name = AnyConst(NAME.size)
        (used,) = (signal for signal in self._named(("is_used",)) if len(signal) == COUNT)
        names = [self.inside(f"name_{entry}") for entry in range(COUNT)]
        holds = [used[entry] & (names[entry] == name) for entry in range(COUNT)]
        kept = [self.word("owners", "memory", address=entry) for entry in range(COUNT)]
        read = [self.word("names", "memory", address=entry) for entry in range(COUNT)]
        owner_bits = len(Value.cast(dut.owner))

        # An add scans for its key, and writes it or does not; the sweep clears when nobody adds.
        is_adding, is_told = Signal(), Signal()
        wrote = self.before(m, dut.do_write)
        with m.If(dut.do_write):
            m.d.sync += [is_adding.eq(0), is_told.eq(0)]
        with m.Elif(dut.do_scan):
            m.d.sync += [is_adding.eq(1), is_told.eq(0)]
        with m.Elif(is_adding & dut.scan_is_done):
            m.d.sync += is_told.eq(1)
        self.assume(m, (~is_adding | is_told) & ~wrote & ~dut.do_write & ~dut.do_clear, given=dut.do_scan)
        self.assume(m, dut.name == self.before(m, dut.name), given=is_adding | wrote)
        self.assume(m, is_told & (dut.has_twin | (dut.free_count != 0)), given=dut.do_write)
        self.assume(m, ~is_adding & ~wrote & (dut.number < COUNT), given=dut.do_clear)
        self.assume(m, dut.number < COUNT)

        is_mine = dut.name == name
        is_stored = Cat(holds).any()
        does_write, does_clear = self.inside("does_write"), self.inside("does_clear")
        number = self.inside("write_number")
        self.promise(m, ONCE, sum(holds, start=Const(0, 1)) <= 1)
        has_scanned = is_adding & dut.scan_is_done
        self.promise(m, TOLD, dut.has_twin == is_stored, given=has_scanned & is_mine)
        for entry in range(COUNT):
            right = Value.cast(dut.twin_owner) == kept[entry][:owner_bits]
            self.promise(m, TOLD, right, given=has_scanned & is_mine & holds[entry])
        unused = sum((~used)[entry] for entry in range(COUNT))
        self.promise(m, ROOM, dut.free_count == self._most(unused, 2), given=has_scanned)
        changes = self.before(m, does_write | does_clear)
        written_name = self.before(m, dut.name)
        for entry in range(COUNT):
            held = self.before(m, holds[entry])
            was_cleared = self.before(m, does_clear & self.inside("is_addressed")[entry])
            is_same = kept[entry] == self.before(m, kept[entry])
            added = self.before(m, does_write) & (written_name == name)
            self.promise(m, SPARES, holds[entry] & (is_same | added), given=held & ~was_cleared)
        since = Signal(range(Wildcards.LATENCY + 2))
        with m.If(does_write | does_clear):
            m.d.sync += since.eq(0)
        with m.Elif(since != Wildcards.LATENCY + 1):
            m.d.sync += since.eq(since + 1)
        is_quiet = since == Wildcards.LATENCY + 1
        asked = ago(self, m, self.is_running & (dut.search == name), Wildcards.LATENCY)
        self.promise(m, FOUND, dut.found.is_found == is_stored, given=asked & is_quiet)
        for entry in range(COUNT):
            right = Value.cast(dut.found.owner) == kept[entry][:owner_bits]
            self.promise(m, FOUND, right, given=asked & is_quiet & holds[entry])
        self.reach(m, "a twin is found behind an unused entry", has_scanned & dut.has_twin & ~used[0])
        self.reach(m, "the table is full", has_scanned & used.all() & ~dut.has_twin)
        self.reach(m, "a wildcard gets a new owner", changes & holds[1] & (kept[1] != self.before(m, kept[1])))

        is_scanning, is_reading = self.inside("is_scanning"), self.inside("is_reading")
        self.lemma(m, "it scans for an add", is_adding & ~is_told, given=is_scanning | is_reading.any())
        self.lemma(m, "it has scanned", dut.scan_is_done & ~is_scanning & ~is_reading.any(), given=is_told)
        self.lemma(m, "it scans or has", is_scanning | dut.scan_is_done, given=is_adding)
        at_end, cursor = self.inside("is_at_end"), self.inside("cursor")
        self.lemma(m, "it scans entries", cursor < COUNT, given=is_scanning & ~at_end)
        self.lemma(m, "who is told adds", is_adding, given=is_told)
        self.lemma(m, "a write was told", does_write == wrote)
        self.lemma(m, "nothing is cleared then", ~does_clear, given=is_adding & does_write)
        for entry in range(COUNT):
            is_copy = read[entry][: NAME.size] == names[entry]
            self.lemma(m, "both copies are the same", is_copy, given=used[entry])
            self.lemma(m, "owners are good", ~kept[entry].xor(), given=used[entry])
        is_over = has_scanned | wrote
        is_used = (used.bit_select(number, 1)) & (number < COUNT)
        is_twin = is_used & (Array([*names, *names])[number] == dut.name)
        self.lemma(m, "the twin is written", is_twin, given=is_over & dut.has_twin)
        is_new = ~dut.has_twin & (dut.free_count != 0)
        self.lemma(m, "or what is unused", ~is_used & (number < COUNT), given=is_over & is_new)
        self.lemma(m, "it is written there", self.inside("is_written") == (1 << number)[:COUNT], given=does_write)
        self.lemma(m, "an entry is written", (dut.free_count != 0) | dut.has_twin, given=wrote)

    def _most(self, value: Value, limit: int) -> Value:
        return Value.cast(Array([*range(limit + 1), *[limit] * (COUNT - limit)])[value])


def wildcards(old: str = "", new: str = "") -> WildcardsContract:
    """The contract around the wildcards, or around such of which a piece is replaced."""
    return WildcardsContract((mutant(Wildcards, old, new) if old else Wildcards)(SMALL))


PROOFS = [
    Proof(
        name="wildcards",
        spec=wildcards,
        depth=12,
        reach_depth=44,
        broken_depth=44,
        is_nightly=True,
        broken=(
            broken(
                wildcards,
                "writes-beside-its-twin",
                ONCE,
                "self.twin_owner.eq(owner_q), write_number.eq(cursors[-1])]",
                "self.twin_owner.eq(owner_q)]",
            ),
            broken(
                wildcards,
                "misses-the-last",
                TOLD,
                "is_twin.eq(is_reading[2]",
                "is_twin.eq(is_reading[2] & is_reading[1]",
            ),
            broken(
                wildcards, "tells-the-owner-behind", TOLD, "self.twin_owner.eq(owner_q)", "self.twin_owner.eq(owner)"
            ),
            broken(
                wildcards, "counts-one", ROOM, "with m.If(self.free_count != 2):", "with m.If(self.free_count != 1):"
            ),
            broken(
                wildcards,
                "overwrites-another",
                SPARES,
                "is_free.eq(is_reading[2] & ~was_used)",
                "is_free.eq(is_reading[2])",
            ),
            broken(
                wildcards,
                "finds-the-unused",
                FOUND,
                "equal.eq(Cat(groups, is_used[entry]))",
                "equal.eq(Cat(groups, 1))",
            ),
        ),
    ),
]


def test_hashed_wildcards(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
