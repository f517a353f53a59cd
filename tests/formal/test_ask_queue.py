"""Reads of many walks on their way to the bus: each is the node that was asked for, in parts, one per page."""

from dataclasses import replace
from pathlib import Path

from amaranth.asserts import AnyConst
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from tests.formal.prover import Proof, Run, Spec, broken, mutant
from tests.formal.sizes import LINES

from saoffload.hdl.config import WORDS_PER_LINE
from saoffload.hdl.layouts import Abi
from saoffload.hdl.walk.contexts.asks import AskQueue

CONFIG = replace(LINES, windows=2)

READS = "a read of a context is the part of its node that was asked for, with the number of the context as ID"
NO_CROSSING = "no read crosses 4 KB, and each asks for a word at least"
ONE_LINE = "a line that was taken is offered as it was, once"
STANDS = "what is offered stands until it is accepted"
NOT_LOST = "what was asked for waits in the ring, or is on offer"


def words_of_first(address: Value, is_x86: Value) -> Value:
    """Words of a node in the page in which it begins."""
    words = Mux(is_x86, Const(2, 2), Const(3, 2))
    room = Const(512, 10) - address[3:12]
    return Value.cast(Mux(room < words, room, words)[:2])


class AsksContract(Spec):
    """One context, any. It asks for a node when none of it waits, and for a second part when the first was read."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        context = AnyConst(len(dut.context))
        reads, read, lines = dut.reads, dut.reads.payload, dut.lines

        def mine(strobe: Value, whose: Value) -> Value:
            return Value.cast(strobe & (whose == context))

        def of(bits: Value) -> Value:
            return Value.cast(bits.bit_select(context, 1))

        self.assume(m, dut.can_ask, given=dut.do_ask)
        self.assume(m, dut.do_note == dut.do_ask)
        self.assume(m, dut.do_ask & dut.may_be_parked, given=dut.ask_is_parked)
        is_x86 = Value.cast(dut.abi) == Abi.X86.value
        self.assume(m, (dut.address[:2] == 0) & (is_x86 | ~dut.address[2]), given=dut.do_ask)
        count = words_of_first(dut.address, is_x86)
        self.assume(m, dut.first_count == count, given=dut.do_ask)
        self.assume_stream(m, lines)
        line = lines.payload
        is_line = (line.beat_count == WORDS_PER_LINE) & (line.address[:9] == 0) & line.id[-1]
        self.assume(m, is_line, given=lines.valid)

        asks, wakes = mine(dut.do_ask, dut.context), mine(dut.do_wake, dut.wake_context)
        seconds, calls_off = mine(dut.do_second, dut.second_context), mine(dut.do_call_off, dut.call_off_context)
        # The node, which part of it is to be read, and how far that is.
        address, is_short = Signal.like(dut.address), Signal()
        wants_first, wants_second, is_parked, may_second, waits = (
            Signal(name=name) for name in ("wants_first", "wants_second", "is_parked", "may_second", "waits")
        )
        is_demand = reads.valid & ~read.id[-1]
        on_offer = is_demand & (read.id == context)
        accepts = on_offer & reads.ready
        was_held = self.before(m, reads.valid & ~reads.ready)
        is_old = self.before(m, on_offer & ~reads.ready)
        first = words_of_first(address, is_short)
        words = Mux(is_short, 2, 3)
        asked = asks & ~dut.ask_is_parked
        with m.If(asks):
            m.d.sync += [address.eq(dut.address), is_short.eq(is_x86), waits.eq(1)]
            m.d.sync += [wants_first.eq(asked), is_parked.eq(dut.ask_is_parked), may_second.eq(0)]
        with m.If(wakes):
            m.d.sync += [wants_first.eq(1), is_parked.eq(0)]
        with m.If(seconds):
            m.d.sync += [wants_second.eq(1), may_second.eq(0)]
        with m.If(accepts):
            m.d.sync += [wants_first.eq(0), wants_second.eq(0), may_second.eq((wants_first & waits) | asks)]
        # What leaves the ring as it is called off is offered all the same.
        with m.If(calls_off):
            m.d.sync += [waits.eq(0), is_parked.eq(0), may_second.eq(0)]
        with m.If(self.before(m, calls_off) & ~on_offer):
            m.d.sync += [wants_first.eq(0), wants_second.eq(0)]
        is_free = ~wants_first & ~wants_second & ~is_old & ~self.before(m, calls_off)
        self.assume(m, is_free & ~calls_off, given=asks)
        self.assume(m, is_parked & waits & ~asks & ~self.before(m, asks), given=wakes)
        self.assume(m, may_second & waits & (first < words) & ~asks, given=seconds)
        self.assume(m, of(dut.is_waiting) == waits)

        is_new_first = wants_first | asked
        due_address = Mux(asks, Cat(Const(0, 3), dut.address[3:]), Cat(Const(0, 3), address[3:]))
        page = (address[12:] + 1)[: len(address) - 12]
        is_first = is_new_first & (read.address == due_address) & (read.beat_count == Mux(asks, count, first))
        is_second = wants_second & (read.address == Cat(Const(0, 12), page)) & (read.beat_count == words - first)
        self.promise(m, READS, is_first | is_second, given=on_offer)
        end = read.address[:12] + (read.beat_count << 3)
        fits = (end <= 4096) & (read.beat_count != 0) & (read.address[:3] == 0)
        self.promise(m, NO_CROSSING, fits, given=on_offer | (reads.valid & read.id[-1]))
        payload = Value.cast(read)
        self.promise(m, STANDS, reads.valid & (payload == self.before(m, payload)), given=was_held)
        has_line, kept = Signal(), Signal.like(Value.cast(line))
        with m.If(reads.valid & read.id[-1] & reads.ready):
            m.d.sync += has_line.eq(0)
        with m.If(lines.valid & lines.ready):
            m.d.sync += [has_line.eq(1), kept.eq(Value.cast(line))]
        self.promise(m, ONE_LINE, (reads.valid & read.id[-1]) == has_line)
        self.promise(m, ONE_LINE, payload == kept, given=has_line)
        does_wait = self.before(m, asked & ~self.inside("can_be_fast"))
        is_there = of(dut.pending) | does_wait | is_old
        was_leaving = self.before(m, calls_off)
        self.promise(m, NOT_LOST, is_there | on_offer | was_leaving, given=wants_first | wants_second)
        self.reach(m, "a second part is read", accepts & wants_second)
        self.reach(m, "a parked node is woken", accepts & self._had(m, wakes))
        self.reach(m, "a line waits on the bus", has_line & self.before(m, has_line))

        is_early = wants_first | is_parked | may_second
        self._tie(m, context, is_early, wants_first, wants_second, address, first, words, waits)
        self.lemma(m, "one part at a time", ~(wants_first & (wants_second | is_parked | may_second)))
        self.lemma(m, "nor another", ~(wants_second & (is_parked | may_second)) & ~(is_parked & may_second))
        self.lemma(m, "a second part is one", first < words, given=wants_second)
        self.lemma(m, "it may wait for the first only", waits, given=is_parked | may_second)
        self.lemma(
            m, "who waits no more was called off", waits | is_old | was_leaving, given=wants_first | wants_second
        )
        self.lemma(m, "what is on offer is wanted", wants_first | wants_second, given=is_old)
        self.lemma(m, "what waits in the ring is wanted", wants_first | wants_second, given=of(dut.pending))
        self.lemma(m, "and is not on offer", ~is_old, given=of(dut.pending) | does_wait)
        self.lemma(m, "it does not wait twice", ~of(dut.pending), given=does_wait)

    def _tie(
        self,
        m: Module,
        context: Value,
        is_early: Value,
        wants_first: Signal,
        wants_second: Signal,
        address: Signal,
        first: Value,
        words: Value,
        waits: Signal,
    ) -> None:
        """What the ring keeps of the context."""
        dut = self.dut
        page = (address[12:] + 1)[: len(address) - 12]
        behind = (words - first)[:2]
        is_kept = wants_first | wants_second | waits
        noted = self.inside("noted_q")
        is_noted = self.inside("is_noted_q") & (self.inside("asked_context_q") == context)
        self.lemma(m, "its address is noted", noted[3:] == address[3:], given=is_noted & is_kept)
        counts = Cat(self.inside("noted_before_q"), self.inside("noted_behind_q"))
        self.lemma(m, "and its words", counts == Cat(first[:2], behind), given=is_noted & is_kept)
        for name, place in (("first", Cat(address[3:], first[:2])), ("second", Cat(page, behind))):
            word = self.word(f"{name}s", "memory", address=context)
            self.lemma(m, "its place is kept", word == place, given=is_kept & ~is_noted)
            self.lemma(m, "it is read", self.inside(f"local_{name}", "register") == dut.leaving_context)
        is_second = self._seconds(context)
        is_pending = dut.pending.bit_select(context, 1)
        self.lemma(m, "a second part is known", is_second, given=wants_second & is_pending)
        self.lemma(m, "and a first", ~is_second, given=is_early)
        self.lemma(m, "who has a second part waits", is_pending, given=is_second)
        leaving, leaves = dut.leaving_context, self.inside("is_leaving_q")
        leaver = self.inside("leavers").bit_select(context, 1)
        is_mine = leaves & (leaving == context)
        self.lemma(m, "it is known of each", leaver == is_mine)
        self.lemma(m, "nobody leaves as he is noted", ~is_noted, given=is_mine)
        is_there = (wants_first | wants_second) & is_pending
        self.lemma(m, "who leaves was there", is_there | ~waits, given=is_mine)
        is_held = self.inside("is_held_q")
        self.lemma(m, "nobody leaves while another is held", ~is_held, given=leaves)
        self.lemma(m, "what leaves is held next", self.inside("local_leaving", "register") == leaves)
        self.lemma(m, "what is parked is held", is_held, given=self.inside("is_parked_q"))

    def _seconds(self, context: Value) -> Value:
        """Whether the read of a context is that of a second part: of a register, its bit."""
        return Value.cast(self.inside("seconds_q").bit_select(context, 1))

    def _had(self, m: Module, condition: Value) -> Signal:
        had = Signal()
        with m.If(condition):
            m.d.sync += had.eq(1)
        return had


def asks(old: str = "", new: str = "") -> AsksContract:
    """The contract around the queue of reads, or around one of which a piece is replaced."""
    return AsksContract((mutant(AskQueue, old, new) if old else AskQueue)(CONFIG))


PROOFS = [
    Proof(
        name="asks",
        spec=asks,
        depth=6,
        reach_depth=20,
        broken_depth=20,
        is_nightly=True,
        broken=(
            broken(
                asks,
                "offers-what-is-parked",
                READS,
                "(is_held_q & ~is_parked_q) | is_fast",
                "is_held_q | is_fast",
            ),
            broken(
                asks,
                "reads-on-in-the-page",
                READS,
                "Cat(Const(0, PAGE_BITS), behind.page)",
                "Cat(Const(0, PAGE_BITS), found.word[PAGE_BITS - 3 :])",
            ),
            broken(
                asks,
                "reads-across-pages",
                NO_CROSSING,
                "behind.count, found.count)",
                "behind.count, 3)",
            ),
            broken(
                asks,
                "takes-a-line-late",
                ONE_LINE,
                "can_hold_line & self.lines.valid)",
                "can_hold_line & self.reads.ready)",
            ),
            broken(
                asks,
                "withdraws-an-offer",
                STANDS,
                "with m.If(self.reads.ready | is_parked_q):",
                "with m.If(self.reads.ready | is_parked_q | self.do_call_off):",
            ),
            broken(
                asks,
                "forgets-who-was-woken",
                NOT_LOST,
                "| (self.do_wake & (self.wake_context == number))",
                "",
            ),
        ),
    ),
]


def test_ask_queue(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
