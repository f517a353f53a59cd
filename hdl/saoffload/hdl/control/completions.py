"""The completion queue: what became of each command, held back until no packet can use what it deleted."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import COMPLETION, NOTHING, Status, flush_result
from saoffload.hdl.memory import BlockMemory

from .marks import are_apart

#: Words of a completion, in the order of their registers.
WORD_COUNT = 7

#: Bits that tell the words of one completion apart.
WORD_BITS = 3


class Completions(wiring.Component):
    """Shows each completion at the queue's head once its grace period is over; it stands there until it is popped.

    Places are reserved before a command leaves, so there is always room for a result, and walks never wait here. A
    result is written into its row at once and its grace period begins in the same clock; it becomes visible when both
    are done. Results of both streams share the queue; a flush goes first.

    Parameters
    ----------
    config : EngineConfig
        ``completion_depth`` places.

    Members
    -------
    may_reserve, do_reserve
        While ``may_reserve`` is 1, ``do_reserve`` takes a place.
    walk_results, flush_results : ``In(stream of COMPLETION)``, ``In(stream of layouts.flush_result)``
        What became of the commands that hold a place, one result each. A flush visits what it deletes, so that
        ``visited = deleted + not_found`` holds for every command.
    graces, grace_answers : streams of ``NOTHING``, always ready
        To and from the table.
    word, do_read : In
        Reads a word of what was the head in the clock before ``do_read``, in which ``word`` must stand already.
        ``read_data`` holds it in the clock after, and is 0 in every other clock, and if there was no completion. A read
        in every second clock at most.
    do_pop : ``In(1)``
        Removes the head; changes nothing when there is none.
    is_valid : ``Out(1)``
        A completion stands at the head.
    do_post : ``Out(1)``
        A completion becomes visible in the next clock.
    is_idle : ``Out(1)``
        Every command that holds a place has its completion in the queue.

    From a result to its completion: 10 clocks, or the grace period if that is longer. One result every 8 clocks.
    """

    walk_results: stream.Interface
    flush_results: stream.Interface
    graces: stream.Interface
    grace_answers: stream.Interface

    def __init__(self, config: EngineConfig):
        self._depth = config.completion_depth
        self._is_small = config.prefers_block_ram
        super().__init__(
            {
                "may_reserve": Out(1),
                "do_reserve": In(1),
                "walk_results": In(stream.Signature(COMPLETION)),
                "flush_results": In(stream.Signature(flush_result(config))),
                "graces": Out(stream.Signature(NOTHING, always_ready=True)),
                "grace_answers": In(stream.Signature(NOTHING, always_ready=True)),
                "word": In(WORD_BITS),
                "do_read": In(1),
                "read_data": Out(32),
                "do_pop": In(1),
                "is_valid": Out(1),
                "do_post": Out(1),
                "is_idle": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        slot_bits = ceil_log2(self._depth)
        # A command passes these marks in this order; each counts the commands that passed it.
        reserved, written, granted, posted, popped = (
            Signal(slot_bits + 1, name=name) for name in ("reserved", "written", "granted", "posted", "popped")
        )
        do_finish = Signal()
        do_pop = Signal()
        # Whether a place is free is a register: doorbells wait for it, and what waits for them is far away.
        is_taken = Signal()
        with m.If(self.do_reserve & ~do_pop):
            m.d.sync += is_taken.eq(are_apart(reserved, popped, self._depth - 1))
        with m.Elif(do_pop & ~self.do_reserve):
            m.d.sync += is_taken.eq(0)
        m.d.comb += [
            do_pop.eq(self.do_pop & self.is_valid),
            self.may_reserve.eq(~is_taken),
            self.is_valid.eq(posted != popped),
            self.do_post.eq((posted != written) & (posted != granted)),
            self.is_idle.eq(reserved == posted),
        ]
        # What is known last only enables: the sums are ready.
        for passes, mark in (
            (self.do_reserve, reserved),
            (do_finish, written),
            (self.grace_answers.valid, granted),
            (self.do_post, posted),
            (do_pop, popped),
        ):
            with m.If(passes):
                m.d.sync += mark.eq(mark + 1)

        # No row is written while it is read: what is read is posted, and its place is still taken.
        m.submodules.rows = rows = BlockMemory(width=32, depth=1 << (slot_bits + WORD_BITS))
        m.d.comb += rows.read_address.eq(Cat(self.word, popped[:slot_bits]))
        self._add_reader(m, rows)
        self._add_writer(m, rows, slot=written[:slot_bits], do_finish=do_finish)
        return m

    def _add_reader(self, m: Module, rows: BlockMemory) -> None:
        """The memory is read a clock ahead: a block RAM tells its word late in a clock, and the bus is far."""
        was_valid = Signal()
        m.d.sync += was_valid.eq(self.is_valid)
        shows_word = self.do_read & was_valid
        if self._is_small:
            # Flip-flops are few and ways short: the memory itself keeps the word.
            shows_word_q = Signal()
            m.d.sync += shows_word_q.eq(shows_word)
            m.d.comb += [
                rows.do_read.eq(~self.do_read),
                self.read_data.eq(rows.read_data & shows_word_q.replicate(32)),
            ]
        else:
            m.d.comb += rows.do_read.eq(1)
            m.d.sync += self.read_data.eq(Mux(shows_word, rows.read_data, 0))

    def _add_writer(self, m: Module, rows: BlockMemory, *, slot: Signal, do_finish: Signal) -> None:
        """Writes one result after the other, word by word, and asks for its grace period at the first."""
        is_flush = Signal()
        word = Signal(WORD_BITS)
        # Whose last word it is, known a clock before: who sent the result is far away.
        ends_walk = Signal()
        ends_flush = Signal()
        walk, flush = self.walk_results.payload, self.flush_results.payload
        # The valid bit of the status register: a row is seen only while it is valid.
        valid = Const(1 << 8, 32)
        fault_words = (walk.fault_address[:32], walk.fault_address[32:])
        walk_words = (
            valid | walk.status.as_value(),
            walk.tag,
            walk.visited,
            walk.deleted,
            walk.not_found,
            *fault_words,
        )
        flush_words = (valid | Status.OK.value, flush.tag, flush.deleted, flush.deleted, 0, 0, 0)
        m.d.comb += rows.write_address.eq(Cat(word, slot))
        # Words are chosen, not results, and by one bit each: what a flush lacks costs no multiplexer.
        chosen = Value.cast(0)
        for number, (walk_word, flush_word) in enumerate(zip(walk_words, flush_words, strict=True)):
            if_walk = (word == number) & ~is_flush
            if_flush = (word == number) & is_flush
            chosen = (
                chosen | Value.cast(walk_word) & if_walk.replicate(32) | Value.cast(flush_word) & if_flush.replicate(32)
            )
        m.d.comb += rows.write_data.eq(chosen)

        with m.FSM(name="writer"):
            with m.State("CHOOSE"):
                m.d.comb += self.graces.valid.eq(self.flush_results.valid | self.walk_results.valid)
                m.d.sync += is_flush.eq(self.flush_results.valid)
                with m.If(self.graces.valid):
                    m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += [rows.do_write.eq(1), do_finish.eq(word == WORD_COUNT - 1)]
                m.d.sync += word.eq(word + 1)
                with m.If(do_finish):
                    m.d.sync += word.eq(0)
                    m.next = "CHOOSE"
        m.d.sync += [
            ends_walk.eq((word == WORD_COUNT - 2) & ~is_flush),
            ends_flush.eq((word == WORD_COUNT - 2) & is_flush),
        ]
        m.d.comb += [self.walk_results.ready.eq(ends_walk), self.flush_results.ready.eq(ends_flush)]
