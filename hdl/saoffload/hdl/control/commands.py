"""The command queue: what the driver stages and submits, in order, until the walker takes it."""

from amaranth.hdl import Array, Cat, Const, Module, Signal, Value
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import COMMAND, COUNT_BITS, TAG_BITS, Opcode
from saoffload.hdl.memory import BlockMemory

from .marks import are_apart
from .own_word import own_word
from .upper_bits import has_any


class DoorbellResult(enum.Enum, shape=3):
    """What became of a doorbell: accepted, or the first reason against it, in this order."""

    NONE = 0
    ACCEPTED = 1
    NOT_READY = 2
    BAD_OPCODE = 3
    INCOMPLETE = 4
    QUEUE_FULL = 5
    FLUSH_BUSY = 6


#: Bits of a doorbell that mean something: the opcode in 1:0, the ABI in 8.
DOORBELL_BITS = 0x103


class CommandQueue(wiring.Component):
    """Takes a command at each doorbell, or refuses it and says why; gives the accepted ones to the walker in order.

    The four staged words belong to one command: an accepted doorbell uses them up, a refused one keeps them. So they
    need no registers: they are written straight into the queue's next free row. A flush uses the tag alone and does
    not pass through the queue: it is accepted here and handed out as ``do_flush`` with ``flush_tag`` in the doorbell's
    clock.

    An abort takes effect three clocks after ``do_abort``, in the clock of ``do_mark``: it marks every queued command of
    its tag, the one that is offered too; a command that is taken in that clock is the taker's to mark. ``do_find`` says
    that the queue holds the tag. With ``abort_is_all`` every tag is meant.

    What the driver does comes at most in every fifth clock, and ``write_data`` stands from the clock before until the
    third clock after: a doorbell is known before it rings, and an abort has found what it looks for before anything can
    be staged or submitted.

    Parameters
    ----------
    config : EngineConfig
        ``command_depth`` commands can wait, the offered one included.

    Members
    -------
    write_data : ``In(32)``
        What is staged, the doorbell's bits, or the tag to abort.
    do_stage_tag, do_stage_head_low, do_stage_head_high, do_stage_budget, do_ring, do_abort : ``In(1)``
        One of them in five clocks.
    abort_is_all : ``In(1)``
        Belongs to ``do_abort``: whatever waits is aborted.
    is_ready : ``In(1)``
        Commands are refused while it is 0.
    may_flush : ``In(1)``
        A flush can be taken now.
    do_flush, flush_tag : Out
        A flush was accepted.
    may_offer : ``In(1)``
        A place for a completion is free and nothing else speaks against a command leaving.
    do_reserve : ``Out(1)``
        That place is taken for the command that will be offered from the next clock on.
    commands, command_is_aborted : Out
        The command and, beside it, its mark, which belongs to a command on offer and may rise while that waits.
    result : ``Out(DoorbellResult)``
        What became of the last doorbell, from the clock after it.
    do_refuse, do_mark, mark_is_all, do_find, is_full, is_empty : ``Out(1)``
        ``mark_is_all`` belongs to ``do_mark``. ``is_empty``: no command is accepted and not yet taken.

    Three clocks from a doorbell to the offer; one command every 3 clocks.
    """

    commands: stream.Interface

    def __init__(self, config: EngineConfig):
        self._depth = config.command_depth
        self._config = config
        self._in_block_ram = config.prefers_block_ram
        super().__init__(
            {
                "write_data": In(32),
                "do_stage_tag": In(1),
                "do_stage_head_low": In(1),
                "do_stage_head_high": In(1),
                "do_stage_budget": In(1),
                "do_ring": In(1),
                "do_abort": In(1),
                "abort_is_all": In(1),
                "is_ready": In(1),
                "may_flush": In(1),
                "do_flush": Out(1),
                "flush_tag": Out(TAG_BITS),
                "may_offer": In(1),
                "do_reserve": Out(1),
                "commands": Out(stream.Signature(COMMAND)),
                "command_is_aborted": Out(1),
                "result": Out(DoorbellResult),
                "do_refuse": Out(1),
                "do_mark": Out(1),
                "mark_is_all": Out(1),
                "do_find": Out(1),
                "is_full": Out(1),
                "is_empty": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        # Twice as many rows as commands: the row being staged is never one that waits.
        slot_bits = ceil_log2(self._depth)
        write_row = Signal(slot_bits + 1)
        read_row = Signal(slot_bits + 1)
        is_reading = Signal()
        is_offered = Signal()
        do_accept = Signal()
        do_take = Signal()

        self._add_fill(m, write_row=write_row, read_row=read_row, do_accept=do_accept, do_take=do_take)
        m.d.comb += [
            self.do_reserve.eq(~self.is_empty & ~is_offered & ~is_reading & self.may_offer),
            self.commands.valid.eq(is_offered),
            do_take.eq(is_offered & self.commands.ready),
        ]
        # Two clocks of reading: tag and budget share a memory.
        m.d.sync += is_reading.eq(self.do_reserve)
        with m.If(is_reading):
            m.d.sync += is_offered.eq(1)
        with m.Elif(do_take):
            m.d.sync += is_offered.eq(0)
        # What is known last only enables: the sums are ready.
        with m.If(do_accept):
            m.d.sync += write_row.eq(write_row + 1)
        with m.If(do_take):
            m.d.sync += read_row.eq(read_row + 1)

        self._add_doorbell(m, do_accept=do_accept)
        own = own_word(m, self.write_data, self._config)
        self._add_rows(m, own=own, write_row=write_row, read_row=read_row, is_reading=is_reading)
        self._add_tags(m, own=own, write_row=write_row, read_row=read_row, do_accept=do_accept, do_take=do_take)
        return m

    def _add_fill(self, m: Module, *, write_row: Signal, read_row: Signal, do_accept: Signal, do_take: Signal) -> None:
        """Full and empty are registers: a doorbell waits for them, and what waits for the doorbell is far away."""
        is_empty = Signal(init=1)
        is_full = Signal()
        with m.If(do_accept & ~do_take):
            m.d.sync += [is_empty.eq(0), is_full.eq(are_apart(write_row, read_row, self._depth - 1))]
        with m.Elif(do_take & ~do_accept):
            m.d.sync += [is_empty.eq(are_apart(write_row, read_row, 1)), is_full.eq(0)]
        m.d.comb += [self.is_empty.eq(is_empty), self.is_full.eq(is_full)]

    def _add_doorbell(self, m: Module, *, do_accept: Signal) -> None:
        """Decides on each doorbell, the first reason that applies. What it says is judged in the clock before."""
        opcode = self.write_data[: Opcode.as_shape().width]
        has_other_bits = self.write_data[2:8].any() | has_any(self.write_data, DOORBELL_BITS.bit_length())
        # Right in the clock after a reset, too.
        is_flush = Signal(reset_less=True)
        is_known = Signal(reset_less=True)
        stages = Cat(self.do_stage_tag, self.do_stage_head_low, self.do_stage_head_high, self.do_stage_budget)
        has_q = Signal(4)
        is_complete = Signal()
        # The same in one bit each: much and far is what waits for an acceptance.
        may_submit = Signal()
        may_begin_flush = Signal()
        result = Signal(DoorbellResult)

        # Nothing is staged in the clock before a doorbell.
        will_be_flush = opcode == Opcode.FLUSH
        will_be_known = ~has_other_bits & (opcode <= Opcode.FLUSH)
        will_be_complete = Signal()
        with m.Switch(opcode):
            with m.Case(Opcode.FLUSH):
                m.d.comb += will_be_complete.eq(has_q[0])
            with m.Case(Opcode.DELETE):
                m.d.comb += will_be_complete.eq(has_q[:3].all())
            with m.Default():
                m.d.comb += will_be_complete.eq(has_q.all())
        is_good = will_be_known & will_be_complete
        m.d.sync += [
            is_flush.eq(will_be_flush),
            is_known.eq(will_be_known),
            is_complete.eq(will_be_complete),
            may_submit.eq(is_good & ~will_be_flush),
            may_begin_flush.eq(is_good & will_be_flush),
        ]

        with m.If(~self.is_ready):
            m.d.comb += result.eq(DoorbellResult.NOT_READY)
        with m.Elif(~is_known):
            m.d.comb += result.eq(DoorbellResult.BAD_OPCODE)
        with m.Elif(~is_complete):
            m.d.comb += result.eq(DoorbellResult.INCOMPLETE)
        with m.Elif(~is_flush & self.is_full):
            m.d.comb += result.eq(DoorbellResult.QUEUE_FULL)
        with m.Elif(is_flush & ~self.may_flush):
            m.d.comb += result.eq(DoorbellResult.FLUSH_BUSY)
        with m.Else():
            m.d.comb += result.eq(DoorbellResult.ACCEPTED)

        m.d.comb += [
            do_accept.eq(self.do_ring & self.is_ready & may_submit & ~self.is_full),
            self.do_flush.eq(self.do_ring & self.is_ready & may_begin_flush & self.may_flush),
            self.do_refuse.eq(self.do_ring & (result != DoorbellResult.ACCEPTED)),
        ]
        with m.If(self.do_ring):
            m.d.sync += self.result.eq(result)
        with m.If(do_accept):
            m.d.sync += has_q.eq(0)
        with m.Elif(self.do_flush):
            m.d.sync += has_q[0].eq(0)
        with m.Else():
            m.d.sync += has_q.eq(has_q | stages)

    def _add_rows(self, m: Module, *, own: Value, write_row: Signal, read_row: Signal, is_reading: Signal) -> None:
        """The memories: for the staged words, and one for what the doorbell says."""
        payload = self.commands.payload
        rows = 1 << len(write_row)
        lanes = {
            "head_low": (payload.head[:32], own, self.do_stage_head_low),
            "head_high": (payload.head[32:], own, self.do_stage_head_high),
            # Written by a refused doorbell too: the next one writes it again.
            "kind": (
                Cat(payload.opcode.as_value(), payload.abi.as_value()),
                Cat(own[: Opcode.as_shape().width], own[8]),
                self.do_ring,
            ),
        }
        for name, (target, source, do_write) in lanes.items():
            # The narrow lane is a few flip-flops where the wide ones would be hundreds.
            in_block_ram = self._in_block_ram and len(target) >= COUNT_BITS
            m.submodules[name] = lane = BlockMemory(width=len(target), depth=rows, in_block_ram=in_block_ram)
            m.d.comb += [
                lane.write_address.eq(write_row),
                lane.write_data.eq(source),
                lane.do_write.eq(do_write),
                # Only rows of accepted commands matter, so never the one that is written. They are read all the time,
                # in the clock of `do_reserve` too: what tells that one comes from far away.
                lane.read_address.eq(read_row),
                lane.do_read.eq(1),
                target.eq(lane.read_data),
            ]

        # Two words a row: the tag is read first and kept while the budget is read.
        # The budget goes on to the walker in the clock in which it is read: a block RAM would tell it late.
        m.submodules.tag_budget = pair = BlockMemory(
            width=TAG_BITS, depth=2 * rows, in_block_ram=self._in_block_ram, in_luts=not self._in_block_ram
        )
        m.d.comb += [
            pair.write_address.eq(Cat(self.do_stage_budget, write_row)),
            pair.write_data.eq(own),
            pair.do_write.eq(self.do_stage_tag | self.do_stage_budget),
            pair.read_address.eq(Cat(is_reading, read_row)),
            pair.do_read.eq(self.do_reserve | is_reading),
            payload.budget.eq(pair.read_data),
        ]
        with m.If(is_reading):
            m.d.sync += payload.tag.eq(pair.read_data)

    def _add_tags(
        self, m: Module, *, own: Value, write_row: Signal, read_row: Signal, do_accept: Signal, do_take: Signal
    ) -> None:
        """The tags of the waiting commands once more, in memories of two slots each, so that an abort compares them all
        in two clocks and marks in the third. Outside these clocks the memories show the row being staged.
        """
        slot_bits = len(write_row) - 1
        slot_count = 1 << slot_bits
        write_slot, read_slot = write_row[:slot_bits], read_row[:slot_bits]
        # Which of the slot's two rows a command that waits in it has, or the next one will have: they take turns.
        turn = Signal(slot_count)
        is_waiting = Signal(slot_count)
        is_aborted = Signal(slot_count)
        is_found = Signal(slot_count)
        reads_second = Signal()
        compares_second = Signal()
        tags = []

        m.d.sync += [
            reads_second.eq(self.do_abort),
            compares_second.eq(reads_second),
            self.do_mark.eq(compares_second),
        ]
        with m.If(self.do_abort):
            m.d.sync += self.mark_is_all.eq(self.abort_is_all)
        for number in range(slot_count // 2):
            m.submodules[f"tags_{number}"] = pair = BlockMemory(
                width=TAG_BITS, depth=4, in_block_ram=self._in_block_ram
            )
            tags.append(pair.read_data)
            first, second = 2 * number, 2 * number + 1
            is_first_match = Signal(name=f"is_match_{first}")
            is_second_match = Signal(name=f"is_match_{second}")
            m.d.comb += [
                pair.write_address.eq(Cat(write_row[0], write_row[-1])),
                pair.write_data.eq(own),
                pair.do_write.eq(self.do_stage_tag & (write_slot[1:] == number)),
                pair.read_address.eq(Cat(write_row[0], write_row[-1])),
                pair.do_read.eq(1),
                is_found[first].eq((is_first_match | self.mark_is_all) & is_waiting[first]),
                is_found[second].eq((is_second_match | self.mark_is_all) & is_waiting[second]),
            ]
            with m.If(self.do_abort):
                m.d.comb += pair.read_address.eq(Cat(Const(0, 1), turn[first]))
            with m.Elif(reads_second):
                m.d.comb += pair.read_address.eq(Cat(Const(1, 1), turn[second]))
            # The comparison of the first goes by the second's place.
            m.d.sync += [
                is_second_match.eq(pair.read_data == own),
                is_first_match.eq(is_second_match),
            ]

        for slot in range(slot_count):
            with m.If(do_accept & (write_slot == slot)):
                m.d.sync += [is_waiting[slot].eq(1), is_aborted[slot].eq(0)]
            with m.Elif(do_take & (read_slot == slot)):
                m.d.sync += is_waiting[slot].eq(0)
            with m.If(self.do_mark & is_found[slot]):
                m.d.sync += is_aborted[slot].eq(1)

        # The mark of the head goes far, so it is a register: the head stands two clocks before it is offered. So it may
        # be known a clock late which it is, one bit each, which is a level less than by its number.
        is_head = Signal(slot_count, init=1)
        m.d.sync += [
            is_head.eq((1 << read_slot)[:slot_count]),
            turn.eq(turn ^ (is_head & do_take.replicate(slot_count))),
            self.command_is_aborted.eq(
                (is_head & (is_aborted | (is_found & self.do_mark.replicate(slot_count)))).any()
            ),
        ]
        m.d.comb += [
            self.flush_tag.eq(Array(tags)[write_slot[1:]]),
            self.do_find.eq(self.do_mark & is_found.any()),
        ]
