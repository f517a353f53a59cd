"""The queue of completions: each command ends once, and not before its grace period."""

from dataclasses import replace
from pathlib import Path

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from tests.formal.prover import Proof, Run, Spec, broken, mutant
from tests.formal.sizes import SERIAL

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.control.completions import WORD_COUNT, Completions
from saoffload.hdl.layouts import Status

COMPLETES_ONCE = "every result becomes one completion, in order, with its words as they were"
HOLDS_BACK = "no completion shows before its grace period, asked for with its result, is over"
KEEPS_PLACES = "no more places are given away than there are"
READS_HEAD = "a word of the head of the clock before is read in the next clock, and 0 where there was none"
IN_TIME = "a result whose grace period is over is a completion within 10 clocks"

SMALL = replace(SERIAL, prefers_block_ram=True)


class CompletionContract(Spec):
    """One result, any, is watched, and one of its words, any."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        depth = SERIAL.completion_depth
        walks, flushes = dut.walk_results, dut.flush_results
        reserved, written, popped_room = (Signal(range(depth + 1), name=n) for n in ("active", "written", "places"))
        ungranted = Signal(range(depth + 2))
        takes = Signal()
        pops = Signal()
        m.d.comb += [
            takes.eq((walks.valid & walks.ready) | (flushes.valid & flushes.ready)),
            pops.eq(dut.do_pop & dut.is_valid),
        ]
        # Commands that hold a place and have no result; results not yet popped; places in use.
        m.d.sync += [
            reserved.eq(reserved + dut.do_reserve - takes),
            written.eq(written + takes - pops),
            popped_room.eq(popped_room + dut.do_reserve - pops),
            ungranted.eq(ungranted + dut.graces.valid - dut.grace_answers.valid),
        ]
        self.assume(m, dut.may_reserve, given=dut.do_reserve)
        self.assume_stream(m, walks)
        self.assume_stream(m, flushes)
        self.assume(m, walks.valid + flushes.valid <= reserved)
        self.assume(m, ungranted != 0, given=dut.grace_answers.valid)
        self.promise(m, KEEPS_PLACES, (popped_room <= depth) & (dut.may_reserve == (popped_room != depth)))
        self.promise(m, KEEPS_PLACES, popped_room == reserved + written)
        self.promise(m, COMPLETES_ONCE, ~(walks.ready & flushes.ready))
        self.promise(m, HOLDS_BACK, dut.graces.valid == self._begins(m, takes))
        self._watch(m, takes=takes, pops=pops, written=written, ungranted=ungranted)

        marks = {name: self.inside(name) for name in ("reserved", "written", "granted", "posted", "popped")}
        ahead = {name: (mark - marks["popped"])[:2] for name, mark in marks.items()}
        in_writer = self.state("writer", "WRITE")
        self.lemma(m, "places are counted", ahead["reserved"] == popped_room)
        self.lemma(m, "results are counted", ahead["written"] == written)
        self.lemma(m, "graces are counted", (ahead["granted"] + ungranted)[:2] == (written + in_writer)[:2])
        self.lemma(m, "no grace is ahead", ungranted <= written + in_writer)
        self.lemma(m, "what shows is granted", (ahead["posted"] <= written) & (ahead["posted"] <= ahead["granted"]))
        self.lemma(m, "who writes has a result", reserved != 0, given=in_writer)
        offered = Mux(self.inside("is_flush"), flushes.valid, walks.valid)
        self.lemma(m, "who writes has it on offer", offered, given=in_writer)
        self.lemma(m, "words are counted", self.inside("word") < WORD_COUNT)
        self.lemma(m, "words begin at 0", self.inside("word") == 0, given=~in_writer)
        is_last = in_writer & (self.inside("word") == WORD_COUNT - 1)
        self.lemma(m, "a walk's last word is known", self.inside("ends_walk") == (is_last & ~self.inside("is_flush")))
        self.lemma(m, "a flush's last word is known", self.inside("ends_flush") == (is_last & self.inside("is_flush")))

    def _begins(self, m: Module, takes: Signal) -> Value:
        """The first clock in which a result is on offer and none is being written."""
        dut = self.dut
        is_writing = Signal()
        begins = (dut.walk_results.valid | dut.flush_results.valid) & ~is_writing
        with m.If(begins):
            m.d.sync += is_writing.eq(1)
        with m.Elif(takes):
            m.d.sync += is_writing.eq(0)
        self.lemma(m, "the writer is known", is_writing == self.state("writer", "WRITE"))
        return begins

    def _words(self) -> tuple[list[Value], list[Value]]:
        walk, flush = self.dut.walk_results.payload, self.dut.flush_results.payload
        valid = 1 << 8
        walks = [
            Value.cast(walk.status.as_value() | valid),
            walk.tag,
            walk.visited,
            walk.deleted,
            walk.not_found,
            walk.fault_address[:32],
            walk.fault_address[32:],
        ]
        return walks, [Const(valid | Status.OK.value, 32), flush.tag, flush.deleted, flush.deleted, *[Const(0, 32)] * 3]

    def _watch(self, m: Module, *, takes: Signal, pops: Signal, written: Signal, ungranted: Signal) -> None:
        dut = self.dut
        number = AnyConst(3)
        self.assume(m, number < WORD_COUNT)
        walks, flushes = (Array(words) for words in self._words())
        word = Signal(32)
        m.d.comb += word.eq(Mux(dut.flush_results.ready, flushes[number], walks[number]))
        is_here = Signal()
        before_it = Signal.like(written)
        copy = Signal(32)
        is_granted = Signal()
        grants_before = Signal(range(SERIAL.completion_depth + 2))
        with m.If(takes & AnySeq(1) & ~is_here):
            m.d.sync += [
                is_here.eq(1),
                before_it.eq(written - pops),
                copy.eq(word),
                # Its own grace period is the last one that was asked for.
                is_granted.eq((ungranted - dut.grace_answers.valid) == 0),
                grants_before.eq(ungranted - dut.grace_answers.valid - 1),
            ]
        with m.Else():
            with m.If(is_here & pops):
                m.d.sync += before_it.eq(before_it - 1)
                with m.If(before_it == 0):
                    m.d.sync += is_here.eq(0)
            with m.If(is_here & ~is_granted & dut.grace_answers.valid):
                m.d.sync += [grants_before.eq(grants_before - 1), is_granted.eq(grants_before == 0)]
        is_head = is_here & (before_it == 0)
        self.promise(m, HOLDS_BACK, is_granted, given=is_head & dut.is_valid)
        self.promise(m, HOLDS_BACK, ~dut.is_valid, given=written == 0)

        reads = dut.do_read & self.before(m, dut.is_valid)
        self.assume(m, ~self.before(m, dut.do_read), given=dut.do_read)
        asked = self.before(m, reads & self.before(m, is_head & (dut.word == number)))
        self.promise(m, COMPLETES_ONCE, dut.read_data == self.before(m, self.before(m, copy)), given=asked)
        self.promise(m, READS_HEAD, dut.read_data == 0, given=~self.before(m, reads))
        self.reach(m, "the second of two completions is read", asked & (dut.read_data == 0xCAFE))

        # In time: counted from the clock in which both are there.
        waits = Signal(range(4))
        with m.If(is_head & is_granted & ~dut.is_valid):
            m.d.sync += waits.eq(waits + (waits != 3))
        with m.Else():
            m.d.sync += waits.eq(0)
        self.promise(m, IN_TIME, waits <= 1)
        since_offer = Signal(range(16))
        offered = dut.walk_results.valid | dut.flush_results.valid
        with m.If(offered & ~takes):
            m.d.sync += since_offer.eq(since_offer + (since_offer != 15))
        with m.Else():
            m.d.sync += since_offer.eq(0)
        self.promise(m, IN_TIME, since_offer <= 7)
        self.lemma(m, "each word takes a clock", since_offer == self.inside("word") + 1, given=since_offer != 0)
        self.lemma(m, "who writes was offered", (since_offer != 0) == self.state("writer", "WRITE"))

        popped = self.inside("popped")
        slot = (popped + before_it)[:1]
        self.lemma(
            m,
            "its word is kept",
            self.word("rows", "memory", address=Cat(number, slot)) == copy,
            given=is_here,
        )
        chosen = Mux(self.inside("is_flush"), flushes[number], walks[number])
        being_written = self.word("rows", "memory", address=Cat(number, self.inside("written")[:1]))
        in_writer = self.state("writer", "WRITE")
        self.lemma(
            m,
            "words written so far are there",
            being_written == chosen,
            given=in_writer & (number < self.inside("word")),
        )
        self.lemma(m, "it is one of those that stand", before_it < written, given=is_here)
        ahead = (self.inside("granted") - popped)[:2]
        self.lemma(m, "its grace is known", is_granted == (ahead > before_it), given=is_here)
        self.lemma(m, "those before it are known", grants_before == before_it - ahead, given=is_here & ~is_granted)


def completions(old: str = "", new: str = "", *, config: EngineConfig = SERIAL) -> CompletionContract:
    """The contract around the completion queue, or around one of which a piece is replaced."""
    return CompletionContract((mutant(Completions, old, new) if old else Completions)(config))


def small_completions(old: str = "", new: str = "") -> CompletionContract:
    """The same of the smallest space, in which the memory itself keeps the word that is read."""
    return completions(old, new, config=SMALL)


PROOFS = [
    Proof(
        name="completions",
        spec=completions,
        depth=4,
        reach_depth=24,
        broken_depth=14,
        rejects_nightly=True,
        broken=(
            broken(completions, "shows-before-the-grace", HOLDS_BACK, "& (posted != granted)", ""),
            broken(
                completions,
                "asks-late",
                HOLDS_BACK,
                "self.graces.valid.eq(self.flush_results.valid | self.walk_results.valid)",
                "self.graces.valid.eq(self.walk_results.valid)",
            ),
            broken(
                completions,
                "one-place-too-many",
                KEEPS_PLACES,
                "are_apart(reserved, popped, self._depth - 1)",
                "are_apart(reserved, popped, self._depth)",
            ),
            broken(
                completions,
                "both-at-once",
                COMPLETES_ONCE,
                "ends_walk.eq((word == WORD_COUNT - 2) & ~is_flush)",
                "ends_walk.eq(word == WORD_COUNT - 2)",
            ),
            broken(
                completions,
                "forgets-the-last-word",
                IN_TIME,
                "do_finish.eq(word == WORD_COUNT - 1)",
                "do_finish.eq(word == WORD_COUNT)",
            ),
            broken(
                completions,
                "shows-what-is-not",
                READS_HEAD,
                "self.do_read & was_valid",
                "self.do_read",
            ),
            broken(
                completions,
                "shows-the-head-of-now",
                READS_HEAD,
                "self.do_read & was_valid",
                "self.do_read & self.is_valid",
            ),
        ),
    ),
    Proof(
        name="small-completions",
        spec=small_completions,
        depth=4,
        reach_depth=24,
        broken_depth=14,
        broken=(
            broken(
                small_completions,
                "reads-on",
                COMPLETES_ONCE,
                "rows.do_read.eq(~self.do_read)",
                "rows.do_read.eq(1)",
            ),
        ),
    ),
]


def test_completion_queue(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
