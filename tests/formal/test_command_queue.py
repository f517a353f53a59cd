"""The queue of commands: nothing is lost, doubled or reordered, and each has a place for its end."""

from pathlib import Path

from amaranth.asserts import AnySeq
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from tests.formal.prover import Proof, Run, Spec, broken, mutant
from tests.formal.sizes import SERIAL

from saoffload.hdl.control.commands import CommandQueue, DoorbellResult
from saoffload.hdl.layouts import Opcode

IN_ORDER = "the command staged as the n-th is the n-th that leaves, and leaves once"
STANDS = "a command on offer stands until it is taken, but for its mark"
REFUSES = "a doorbell is refused for what the contract says, and a refused one changes nothing"
HAS_PLACE = "a command leaves only into a place that was reserved for it, one at a time"
MARKS = "a command is marked if and only if its tag was aborted while it waited"


class CommandContract(Spec):
    """One command, any, is watched: how many were accepted before it, and what was staged for it."""

    def describe(self, m: Module) -> None:
        dut = self.dut
        depth = SERIAL.command_depth
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
        self.lemma(m, "rows are counted", ((write_row - read_row)[:2] == count) & (count <= SERIAL.command_depth))
        fill = (self.dut.is_empty == (count == 0)) & (self.dut.is_full == (count == SERIAL.command_depth))
        self.lemma(m, "whether there are any is known, and whether there is room", fill)
        is_good = self.inside("is_known") & self.inside("is_complete")
        is_flush = self.inside("is_flush")
        self.lemma(m, "what may be submitted is known", self.inside("may_submit") == (is_good & ~is_flush))
        self.lemma(m, "and what may flush", self.inside("may_begin_flush") == (is_good & is_flush))
        self.lemma(m, "it is among those that wait", before_it < count, given=is_waiting)
        for slot in range(2):
            waits = (slot ^ read_row[0]) < count
            self.lemma(m, "slots are known", self.inside("is_waiting")[slot] == waits)
            turn = read_row[1] ^ (read_row[0] > slot)
            self.lemma(m, "the row of each is known", self.inside("turn")[slot] == turn)
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


def commands(old: str = "", new: str = "") -> CommandContract:
    """The contract around the command queue, or around one of which a piece is replaced."""
    return CommandContract((mutant(CommandQueue, old, new) if old else CommandQueue)(SERIAL))


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
                "will_be_complete.eq(has_q[:3].all())",
                "will_be_complete.eq(has_q[1:3].all())",
            ),
            broken(commands, "leaves-without-a-place", HAS_PLACE, "& ~is_reading & self.may_offer", "& ~is_reading"),
            broken(
                commands,
                "marks-one-slot-only",
                MARKS,
                "(is_first_match | self.mark_is_all)",
                "(is_second_match | self.mark_is_all)",
            ),
            broken(
                commands,
                "marks-the-offered-one-late",
                MARKS,
                " | (is_found & self.do_mark.replicate(slot_count))",
                "",
            ),
        ),
    ),
]


def test_command_queue(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
