"""The queues of commands, deletes and completions: nothing is lost, doubled or reordered; each command ends once."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from tests.formal.prover import Broken, Proof, Run, Spec, mutant

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.control.commands import CommandQueue, DoorbellResult
from saoffload.hdl.control.completions import WORD_COUNT, Completions
from saoffload.hdl.layouts import Opcode, Status
from saoffload.hdl.walk.contexts.deletes import Deletes

CONFIG = EngineConfig(
    name="formal", bundles=2, keys=2, address_width=32, id_width=1, command_depth=2, completion_depth=2
)
MANY = replace(CONFIG, contexts=2)

IN_ORDER = "the command staged as the n-th is the n-th that leaves, and leaves once"
STANDS = "a command on offer stands until it is taken, but for its mark"
REFUSES = "a doorbell is refused for what the contract says, and a refused one changes nothing"
HAS_PLACE = "a command leaves only into a place that was reserved for it, one at a time"
MARKS = "a command is marked if and only if its tag was aborted while it waited"


class CommandContract(Spec):
    """One command, any, is watched: how many were accepted before it, and what was staged for it."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        depth = CONFIG.command_depth
        stages = Cat(dut.do_stage_tag, dut.do_stage_head_low, dut.do_stage_head_high, dut.do_stage_budget)
        strobes = Cat(stages, dut.do_ring, dut.do_abort)
        self._assume_pace(m, strobes)

        # What is staged for the next command.
        has = Signal(4)
        words = [Signal(32, name=name) for name in ("tag", "head_low", "head_high", "budget")]
        opcode = dut.write_data[:2]
        is_flush = opcode == Opcode.FLUSH
        needed = Mux(is_flush, 0b0001, Mux(opcode == Opcode.DELETE, 0b0111, 0b1111))
        count = Signal(range(depth + 1))
        result = Signal(3)
        bad = (dut.write_data & ~0x103).any() | (opcode == 3)
        with m.If(~dut.is_ready):
            m.d.comb += result.eq(DoorbellResult.NOT_READY)
        with m.Elif(bad):
            m.d.comb += result.eq(DoorbellResult.BAD_OPCODE)
        with m.Elif((needed & ~has).any()):
            m.d.comb += result.eq(DoorbellResult.INCOMPLETE)
        with m.Elif(~is_flush & (count == depth)):
            m.d.comb += result.eq(DoorbellResult.QUEUE_FULL)
        with m.Elif(is_flush & ~dut.may_flush):
            m.d.comb += result.eq(DoorbellResult.FLUSH_BUSY)
        with m.Else():
            m.d.comb += result.eq(DoorbellResult.ACCEPTED)
        is_accepted = Signal()
        accepts = Signal()
        takes = Signal()
        m.d.comb += [
            is_accepted.eq(dut.do_ring & (result == DoorbellResult.ACCEPTED)),
            accepts.eq(is_accepted & ~is_flush),
            takes.eq(dut.commands.valid & dut.commands.ready),
        ]
        m.d.sync += count.eq(count + accepts - takes)
        for number, word in enumerate(words):
            with m.If(stages[number]):
                m.d.sync += word.eq(dut.write_data)
        with m.If(accepts):
            m.d.sync += has.eq(0)
        with m.Elif(is_accepted):
            m.d.sync += has[0].eq(0)
        with m.Else():
            m.d.sync += has.eq(has | stages)
        rang = self.before(m, dut.do_ring)
        self.promise(m, REFUSES, dut.do_flush == (is_accepted & is_flush))
        self.promise(m, REFUSES, dut.flush_tag == words[0], given=dut.do_flush)
        self.promise(m, REFUSES, dut.do_refuse == (dut.do_ring & ~is_accepted))
        self.promise(m, REFUSES, Value.cast(dut.result) == self.before(m, result), given=rang)
        self.promise(m, REFUSES, (dut.is_full == (count == depth)) & (dut.is_empty == (count == 0)))

        self._places(m, takes, count)
        self._watch(m, words, count=count, accepts=accepts, takes=takes)
        self.lemma(m, "what is staged is known", self.inside("has_q") == has)

    def _assume_pace(self, m: Module, strobes: Value) -> None:
        """The driver does one thing in five clocks, and its data stands from the clock before to the third after."""
        dut = self.dut
        pause = Signal(3)
        with m.If(strobes.any()):
            m.d.sync += pause.eq(4)
        with m.Elif(pause != 0):
            m.d.sync += pause.eq(pause - 1)
        self.assume(m, ~strobes.any(), given=pause != 0)
        self.assume(m, (strobes & (strobes - 1)) == 0)
        self.assume(m, self.before(m, self.is_running), given=strobes.any())
        self.assume(m, dut.write_data == self.before(m, dut.write_data), given=strobes.any() | (pause > 1))

    def _places(self, m: Module, takes: Signal, count: Signal) -> None:
        dut = self.dut
        is_reserved = Signal()
        with m.If(dut.do_reserve):
            m.d.sync += is_reserved.eq(1)
        with m.Elif(takes):
            m.d.sync += is_reserved.eq(0)
        self.promise(m, HAS_PLACE, ~is_reserved & dut.may_offer & ~dut.is_empty, given=dut.do_reserve)
        self.promise(m, HAS_PLACE, is_reserved, given=dut.commands.valid)
        self.lemma(m, "one is read or offered", is_reserved == (self.inside("is_reading") | self.inside("is_offered")))
        self.lemma(m, "what is offered waits", count != 0, given=is_reserved)
        self.lemma(m, "it is not both", ~(self.inside("is_reading") & self.inside("is_offered")))

    def _watch(self, m: Module, words: list[Signal], *, count: Signal, accepts: Signal, takes: Signal) -> None:
        dut = self.dut
        payload = dut.commands.payload
        is_waiting = Signal()
        before_it = Signal.like(count)
        kind = Signal(3)
        copies = [Signal.like(word, name=f"{word.name}_copy") for word in words]
        is_chosen = Signal()
        m.d.comb += is_chosen.eq(accepts & AnySeq(1) & ~is_waiting)
        with m.If(is_chosen):
            m.d.sync += [
                is_waiting.eq(1),
                before_it.eq(count - takes),
                kind.eq(Cat(dut.write_data[:2], dut.write_data[8])),
                *(copy.eq(word) for copy, word in zip(copies, words, strict=True)),
            ]
        with m.Elif(is_waiting & takes):
            m.d.sync += before_it.eq(before_it - 1)
            with m.If(before_it == 0):
                m.d.sync += is_waiting.eq(0)
        is_head = is_waiting & (before_it == 0)
        offered = dut.commands.valid & is_head
        is_walk = kind[:2] == Opcode.WALK
        of_kind = Cat(payload.opcode.as_value(), payload.abi.as_value())
        self.promise(m, IN_ORDER, (of_kind == kind) & (payload.tag == copies[0]), given=offered)
        self.promise(m, IN_ORDER, (payload.head[:32] == copies[1]) & (payload.head[32:] == copies[2]), given=offered)
        self.promise(m, IN_ORDER, payload.budget == copies[3], given=offered & is_walk)
        self.promise(m, STANDS, self.keeps(m, dut.commands))

        is_marked = Signal()
        means_all = Signal()
        with m.If(dut.do_abort):
            m.d.sync += means_all.eq(dut.abort_is_all)
        self.promise(m, MARKS, dut.mark_is_all == means_all, given=dut.do_mark)
        self.lemma(m, "who is meant is known", self.dut.mark_is_all == means_all)
        is_meant = dut.do_mark & is_waiting & (means_all | (dut.write_data == copies[0]))
        with m.If(is_chosen):
            m.d.sync += is_marked.eq(0)
        with m.Elif(is_meant & ~(takes & is_head)):
            m.d.sync += is_marked.eq(1)
        self.promise(m, MARKS, dut.command_is_aborted == is_marked, given=offered)
        self.promise(m, MARKS, dut.do_find, given=is_meant)
        self.reach(m, "a marked command leaves", takes & is_head & is_marked)
        self._tie(m, words, count=count, is_waiting=is_waiting, before_it=before_it, kind=kind, copies=copies)
        self.lemma(m, "its mark is kept", self._slot("is_aborted", before_it) == is_marked, given=is_waiting)

    def _slot(self, name: str, before_it: Signal) -> Value:
        return Value.cast(self.inside(name).bit_select((self.inside("read_row") + before_it)[:1], 1))

    def _tie(
        self,
        m: Module,
        words: list[Signal],
        *,
        count: Signal,
        is_waiting: Signal,
        before_it: Signal,
        kind: Signal,
        copies: list[Signal],
    ) -> None:
        """Where the words stand: those of the watched command in its row, those being staged in the next free one."""
        dut = self.dut
        write_row, read_row = self.inside("write_row"), self.inside("read_row")
        row = Signal(2)
        m.d.comb += row.eq(read_row + before_it)
        self.lemma(m, "rows are counted", ((write_row - read_row)[:2] == count) & (count <= CONFIG.command_depth))
        self.lemma(m, "it is among those that wait", before_it < count, given=is_waiting)
        for slot in range(2):
            waits = (slot ^ read_row[0]) < count
            self.lemma(m, "slots are known", self.inside("is_waiting")[slot] == waits)
        staged = self.inside("has_q")
        tags = self.word("tags_0", "memory", address=write_row)
        for number, (name, at) in enumerate(
            (("tag_budget", 0), ("head_low", None), ("head_high", None), ("tag_budget", 1))
        ):
            mine, next_one = (Cat(Const(at, 1), place) if at is not None else place for place in (row, write_row))
            self.lemma(
                m,
                "its words are kept",
                self.word(name, "memory", address=mine) == copies[number],
                given=is_waiting & ((kind[:2] == Opcode.WALK) | (number != 3)),
            )
            self.lemma(
                m,
                "staged words are kept",
                self.word(name, "memory", address=next_one) == words[number],
                given=staged[number],
            )
        self.lemma(m, "its kind is kept", self.word("kind", "memory", address=row) == kind, given=is_waiting)
        self.lemma(
            m, "its tag is kept twice", self.word("tags_0", "memory", address=row) == copies[0], given=is_waiting
        )
        self.lemma(m, "the staged tag is kept twice", tags == words[0], given=staged[0])
        is_head = is_waiting & (before_it == 0)
        payload = dut.commands.payload
        is_reading = self.inside("is_reading")
        shows = is_head & (is_reading | dut.commands.valid)
        self.lemma(m, "its head is read", payload.head == Cat(copies[1:3]), given=shows)
        self.lemma(m, "its kind is read", Cat(payload.opcode.as_value(), payload.abi.as_value()) == kind, given=shows)
        self.lemma(m, "its tag is read", payload.budget == copies[0], given=is_head & is_reading)


TO_THE_TABLE = "handles go to the table in the order in which they were pushed, each once"
OFFER_STANDS = "a handle on offer stands until it is taken"
WHOSE = "an answer belongs to the context whose handle it answers"
COUNTS = "answers are counted for their context from its start on"
HAS_ROOM = "what is pushed while there is room, and a handle per context more, is never lost"


class DeletesContract(Spec):
    """One handle, any, is watched on its way; and the counts of one context, any."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        depth = 1 << (4 * MANY.contexts - 1).bit_length()
        pushes, sends, answers = dut.do_push, dut.deletes.valid & dut.deletes.ready, dut.delete_answers.valid
        waiting = Signal(range(2 * depth))
        owed = Signal(range(64))
        late_pushes = Signal(range(MANY.contexts + 1))
        m.d.sync += [waiting.eq(waiting + pushes - sends), owed.eq(owed + sends - answers)]
        with m.If(dut.has_room):
            m.d.sync += late_pushes.eq(0)
        with m.Elif(pushes):
            m.d.sync += late_pushes.eq(late_pushes + 1)
        self.assume(m, owed != 0, given=answers)
        self.assume(m, ~pushes, given=~dut.has_room & (late_pushes == MANY.contexts))
        self.promise(m, HAS_ROOM, waiting <= depth)
        self.promise(m, OFFER_STANDS, self.keeps(m, dut.deletes))
        self._watch_handle(m, pushes, sends, answers, waiting, owed)
        self._watch_counts(m, answers)

        written, sent = self.unnamed()
        read, answered = self.inside("read"), self.inside("answered")
        in_rows = Signal(4)
        m.d.comb += in_rows.eq(written - read)
        self.lemma(m, "rows are counted", waiting == in_rows + dut.deletes.valid)
        self.lemma(m, "answers are counted", (sent - answered)[:6] == owed)
        self.lemma(m, "owners have places", owed + dut.deletes.valid <= 32)
        self.lemma(m, "it is known that they have", owed + dut.deletes.valid <= 30, given=~self.inside("is_full_q"))
        was_few = self.before(m, in_rows) <= depth - 2 * MANY.contexts - 2
        self.lemma(m, "room is known a clock late", dut.has_room == was_few, given=self.before(m, self.is_running))
        self.lemma(m, "room is what it says", in_rows <= depth - 2 * MANY.contexts - 1, given=dut.has_room)
        self.lemma(m, "late ones have room", in_rows <= depth - 2 * MANY.contexts + late_pushes)
        self.lemma(m, "late ones are counted", late_pushes <= MANY.contexts)

    def _watch_handle(
        self, m: Module, pushes: Value, sends: Value, answers: Value, waiting: Signal, owed: Signal
    ) -> None:
        dut = self.dut
        is_waiting = Signal()
        is_sent = Signal()
        before_it = Signal(6)
        handle = Signal.like(dut.handle)
        context = Signal.like(dut.context)
        with m.If(pushes & AnySeq(1) & ~is_waiting & ~is_sent):
            m.d.sync += [
                is_waiting.eq(1),
                before_it.eq(waiting - sends),
                handle.eq(dut.handle),
                context.eq(dut.context),
            ]
        with m.Elif(is_waiting & sends):
            m.d.sync += before_it.eq(before_it - 1)
            with m.If(before_it == 0):
                m.d.sync += [is_waiting.eq(0), is_sent.eq(1), before_it.eq(owed - answers)]
        with m.Elif(is_sent & answers):
            m.d.sync += before_it.eq(before_it - 1)
            with m.If(before_it == 0):
                m.d.sync += is_sent.eq(0)
        offered = dut.deletes.valid & is_waiting & (before_it == 0)
        self.promise(m, TO_THE_TABLE, dut.deletes.payload.handle == handle, given=offered)
        self.promise(m, WHOSE, dut.answered_context == context, given=answers & is_sent & (before_it == 0))
        self.reach(m, "it is answered behind another", answers & is_sent & (before_it == 0) & self.before(m, answers))

        in_rows = before_it - dut.deletes.valid
        row = self.word("rows", "memory", address=(self.inside("read") + in_rows)[:3])
        self.lemma(m, "its row is kept", row == Cat(handle, context), given=is_waiting & ~offered)
        self.lemma(m, "its head is kept", self.inside("head_q") == Cat(handle, context), given=offered)
        self.lemma(m, "it is one of those that wait", before_it < waiting, given=is_waiting)
        owner = self.word("owners", "memory", address=(self.inside("answered") + before_it)[:5])
        self.lemma(m, "its owner is kept", owner == context, given=is_sent)
        self.lemma(m, "it is one of those that are owed", before_it < owed, given=is_sent)
        self.lemma(m, "it is at one place", ~(is_waiting & is_sent))

    def _watch_counts(self, m: Module, answers: Value) -> None:
        """What is answered shows three clocks later: whether it is the first is looked up, it is read, and written."""
        dut = self.dut
        watched = AnyConst(len(dut.context))
        is_mine = answers & (dut.answered_context == watched)
        starts = dut.do_start & (dut.start_context == watched)
        was_answered, was_found = self.before(m, is_mine), self.before(m, dut.delete_answers.payload.found)
        answered_q, found_q = self.before(m, was_answered), self.before(m, was_found)
        answered, deleted = Signal.like(dut.shown_answered), Signal.like(dut.shown_deleted)
        with m.If(starts):
            m.d.sync += [answered.eq(0), deleted.eq(0)]
        with m.Elif(answered_q):
            m.d.sync += [answered.eq(answered + 1), deleted.eq(deleted + found_q)]
        self.assume(m, ~(answered_q | was_answered), given=starts)
        has_started = Signal()
        with m.If(starts):
            m.d.sync += has_started.eq(1)
        self.assume(m, ~(answered_q | was_answered), given=~has_started)
        shown = has_started & (dut.shown_context == watched)
        self.promise(m, COUNTS, (dut.shown_answered == answered) & (dut.shown_deleted == deleted), given=shown)
        is_fresh = self.inside("is_fresh_q").bit_select(watched, 1)
        is_uncounted = self.inside("is_uncounted_q").bit_select(watched, 1)
        counts = self.word("counts", "memory", address=watched)
        kept = Mux(is_uncounted, 0, counts)
        self.lemma(m, "its counts are kept", kept == Cat(answered, deleted), given=has_started)
        mine = self.inside("answered_q") & (self.inside("context_q") == watched)
        self.lemma(m, "whose it is was kept", mine == was_answered)
        self.lemma(m, "what it found was kept", self.inside("found_q") == was_found, given=mine)
        counted = self.inside("counted_q") & (self.inside("counted_context_q") == watched)
        self.lemma(m, "whose it is was kept", counted == answered_q)
        self.lemma(m, "what it found was kept", self.inside("counts_found_q") == found_q, given=counted)
        self.lemma(m, "the first is known", self.inside("is_first_q") == is_uncounted, given=counted & has_started)
        self.lemma(m, "it is fresh until then", is_fresh == (is_uncounted & ~counted), given=has_started)


COMPLETES_ONCE = "every result becomes one completion, in order, with its words as they were"
HOLDS_BACK = "no completion shows before its grace period, asked for with its result, is over"
KEEPS_PLACES = "no more places are given away than there are"
READS_HEAD = "a word of the head is read in the next clock, and 0 where there is none"
IN_TIME = "a result whose grace period is over is a completion within 10 clocks"


class CompletionContract(Spec):
    """One result, any, is watched, and one of its words, any."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        depth = CONFIG.completion_depth
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
        grants_before = Signal(range(CONFIG.completion_depth + 2))
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

        reads = dut.do_read & dut.is_valid
        asked = self.before(m, reads & is_head & (dut.word == number))
        self.promise(m, COMPLETES_ONCE, dut.read_data == self.before(m, copy), given=asked)
        self.promise(m, READS_HEAD, dut.read_data == 0, given=~self.before(m, reads))
        self.reach(m, "the second of two completions is read", asked & (copy == 0xCAFE))

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


def commands(old: str = "", new: str = "") -> CommandContract:
    """The contract around the command queue, or around one of which a piece is replaced."""
    return CommandContract((mutant(CommandQueue, old, new) if old else CommandQueue)(CONFIG))


def deletes(old: str = "", new: str = "") -> DeletesContract:
    """The contract around the queue of deletes, or around one of which a piece is replaced."""
    return DeletesContract((mutant(Deletes, old, new) if old else Deletes)(MANY))


def completions(old: str = "", new: str = "") -> CompletionContract:
    """The contract around the completion queue, or around one of which a piece is replaced."""
    return CompletionContract((mutant(Completions, old, new) if old else Completions)(CONFIG))


def broken(spec: Callable[..., Spec], name: str, breaks: str, old: str, new: str) -> Broken:
    return Broken(name=name, spec=lambda: spec(old, new), breaks=breaks)


PROOFS = [
    Proof(
        name="command-queue",
        spec=commands,
        depth=6,
        reach_depth=30,
        broken_depth=28,
        is_nightly=True,
        broken=(
            broken(
                commands,
                "reads-the-row-behind",
                IN_ORDER,
                "lane.read_address.eq(read_row)",
                "lane.read_address.eq(read_row ^ 1)",
            ),
            broken(commands, "budget-of-another", IN_ORDER, "Cat(is_reading, read_row)", "Cat(is_reading, write_row)"),
            broken(commands, "offers-for-one-clock", STANDS, "with m.Elif(do_take):", "with m.Elif(is_offered):"),
            broken(
                commands,
                "takes-without-a-tag",
                REFUSES,
                "is_complete.eq(has_q[:3].all())",
                "is_complete.eq(has_q[1:3].all())",
            ),
            broken(commands, "leaves-without-a-place", HAS_PLACE, "& ~is_reading & self.may_offer", "& ~is_reading"),
            broken(
                commands,
                "marks-one-slot-only",
                MARKS,
                "(is_first_match | self.mark_is_all)",
                "(is_second_match | self.mark_is_all)",
            ),
        ),
    ),
    Proof(
        name="deletes",
        spec=deletes,
        depth=5,
        reach_depth=12,
        broken_depth=14,
        rejects_nightly=True,
        broken=(
            broken(deletes, "loads-over-an-offer", TO_THE_TABLE, "& (~self.deletes.valid | self.deletes.ready)", ""),
            broken(deletes, "drops-an-offer", OFFER_STANDS, "with m.Elif(self.deletes.ready):", "with m.Else():"),
            broken(
                deletes,
                "owner-of-the-next",
                WHOSE,
                "owners.write_data.eq(head_q.context)",
                "owners.write_data.eq(self.context)",
            ),
            broken(
                deletes,
                "counts-from-before",
                COUNTS,
                "before.eq(Mux(is_first_q, 0, memory.read_data[0]))",
                "before.eq(memory.read_data[0])",
            ),
            broken(deletes, "says-room-too-long", HAS_ROOM, "<= depth - 2 * self._config.contexts - 2", "<= depth - 1"),
        ),
    ),
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
                "are_apart(reserved, popped, self._depth)",
                "are_apart(reserved, popped, self._depth + 1)",
            ),
            broken(
                completions,
                "both-at-once",
                COMPLETES_ONCE,
                "self.walk_results.ready.eq(~is_flush)",
                "self.walk_results.ready.eq(1)",
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
                "shows_word_q.eq(self.do_read & self.is_valid)",
                "shows_word_q.eq(self.do_read)",
            ),
        ),
    ),
]


def test_queues(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
