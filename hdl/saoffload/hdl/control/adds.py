"""Adding a bundle by register: its words are staged, one write submits them, and nothing of them stays behind."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import HANDLE_BITS, EngineConfig
from saoffload.hdl.layouts import ADD_ANSWER, DESTINATION_BITS, AddResult, add_request

from .own_word import own_word
from .upper_bits import has_any

#: Context words that have an address, whatever the preset keeps.
CONTEXT_WORDS = 128

#: An SA count that no table supports.
UNSUPPORTED_SA_COUNT = 3

#: Destination words of one SA.
DESTINATION_WORDS = DESTINATION_BITS // 32


class Adds(wiring.Component):
    """Submits what is staged as one add, and keeps the answer until the next. Staged words are 0 from the second clock
    after they were taken.

    Keys and context can be written, never read. Refused, changing nothing and strobed: a ``do_go`` while an add is
    under way, and words staged while the table has not yet taken what was staged before. An add with a reserved bit in
    its control word or in the flags of an SA becomes one of 3 SAs, which no table supports.

    Parameters
    ----------
    config : EngineConfig
        ``ipv6`` and ``context_width``: what cannot be stored is not staged; of a destination word, whether it is 0.

    Members
    -------
    write_data : ``In(32)``
        Stands from the clock before a strobe on: there it is seen which bits it has.
    do_stage_handle_low, do_stage_handle_high, do_stage_control, do_stage_context : ``In(1)``
    context_word : In
        Number of the context word.
    do_stage_spi, do_stage_flags : ``In(2)``
        Per SA.
    do_stage_destination : ``In(8)``
        Per word of SA 0, then per word of SA 1.
    do_go : ``In(1)``
        Submits.
    adds, add_answers : streams
        To and from the table.
    is_busy, is_staged, is_done, was_refused : ``Out(1)``
        An add is under way; the table has not taken it yet; it was answered; the last ``do_go`` was refused.
    result, handle : Out
        The last answer.
    do_finish, do_refuse : ``Out(1)``
        An answer came; something was refused.

    One clock from ``do_go`` to the request, one from the answer to ``is_done``.
    """

    adds: stream.Interface
    add_answers: stream.Interface

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "write_data": In(32),
                "do_stage_handle_low": In(1),
                "do_stage_handle_high": In(1),
                "do_stage_control": In(1),
                "do_stage_context": In(1),
                "context_word": In(range(CONTEXT_WORDS)),
                "do_stage_spi": In(2),
                "do_stage_destination": In(2 * DESTINATION_WORDS),
                "do_stage_flags": In(2),
                "do_go": In(1),
                "adds": Out(stream.Signature(add_request(config))),
                "add_answers": In(stream.Signature(ADD_ANSWER, always_ready=True)),
                "is_busy": Out(1),
                "is_staged": Out(1),
                "is_done": Out(1),
                "was_refused": Out(1),
                "result": Out(AddResult),
                "handle": Out(HANDLE_BITS),
                "do_finish": Out(1),
                "do_refuse": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        do_start = Signal()
        do_take = Signal()
        do_stage = Signal()
        # What was staged is cleared a clock after it is taken: who takes it is far away, and it is wide.
        was_taken = Signal()

        m.d.sync += was_taken.eq(do_take)
        m.d.comb += [
            self.adds.valid.eq(self.is_staged & ~was_taken),
            do_start.eq(self.do_go & ~self.is_busy),
            do_take.eq(self.adds.valid & self.adds.ready),
            self.do_finish.eq(self.add_answers.valid),
            self.do_refuse.eq((self.do_go & self.is_busy) | (do_stage & self.is_staged)),
        ]
        with m.If(self.do_go):
            m.d.sync += self.was_refused.eq(self.is_busy)
        with m.If(do_start):
            m.d.sync += [self.is_busy.eq(1), self.is_staged.eq(1), self.is_done.eq(0)]
        with m.Elif(was_taken):
            m.d.sync += self.is_staged.eq(0)
        with m.If(self.add_answers.valid):
            answer = self.add_answers.payload
            m.d.sync += [
                self.is_busy.eq(0),
                self.is_done.eq(1),
                self.result.eq(answer.result),
                self.handle.eq(answer.handle),
            ]
        self._add_staging(m, do_stage=do_stage, do_clear=was_taken)
        return m

    def _add_staging(self, m: Module, *, do_stage: Signal, do_clear: Signal) -> None:
        staged = Signal.like(self.adds.payload)
        has_bad_flags = Signal(2)
        # Right in the clock after a reset, too.
        has_reserved = Signal(reset_less=True)
        has_any_bit = Signal(reset_less=True)
        words = self.write_data
        own = own_word(m, words, self._config)
        m.d.comb += self.adds.payload.eq(staged)
        with m.If(has_bad_flags[0] | (has_bad_flags[1] & (staged.sa_count == 2))):
            m.d.comb += self.adds.payload.sa_count.eq(UNSUPPORTED_SA_COUNT)
        m.d.comb += do_stage.eq(
            self.do_stage_handle_low
            | self.do_stage_handle_high
            | self.do_stage_control
            | self.do_stage_context
            | self.do_stage_spi.any()
            | self.do_stage_destination.any()
            | self.do_stage_flags.any()
        )
        m.d.sync += [has_reserved.eq(words[1:4].any() | has_any(words, 6)), has_any_bit.eq(has_any(words, 0))]
        with m.If(do_clear):
            m.d.sync += [staged.eq(0), has_bad_flags.eq(0)]
        with m.Elif(~self.is_staged):
            with m.If(self.do_stage_handle_low):
                m.d.sync += staged.handle[:32].eq(own)
            with m.If(self.do_stage_handle_high):
                # A handle with any upper bit is a bad handle: one bit tells that as well as 32.
                m.d.sync += staged.handle[32].eq(has_any_bit)
            with m.If(self.do_stage_control):
                m.d.sync += [
                    staged.direction.eq(own[0]),
                    staged.sa_count.eq(Mux(has_reserved, UNSUPPORTED_SA_COUNT, own[4:6])),
                ]
            for sa in range(2):
                self._add_key(m, sa, staged.keys[sa], own, has_any_bit)
                with m.If(self.do_stage_flags[sa]):
                    m.d.sync += has_bad_flags[sa].eq(has_any(own, 2))
            for low in range(0, self._config.context_width, 32):
                with m.If(self.do_stage_context & (self.context_word == low // 32)):
                    m.d.sync += staged.context[low : low + 32].eq(own)

    def _add_key(self, m: Module, sa: int, key: data.View, own: Value, has_any_bit: Signal) -> None:
        with m.If(self.do_stage_spi[sa]):
            m.d.sync += key.spi.eq(own)
        for word in range(DESTINATION_WORDS):
            low = 32 * word
            with m.If(self.do_stage_destination[sa * DESTINATION_WORDS + word]):
                if low < self._config.destination_bits:
                    m.d.sync += key.destination[low : low + 32].eq(own)
                else:
                    # The table refuses what is longer than it can keep: one bit tells that as well as 32.
                    m.d.sync += key.destination[low].eq(has_any_bit)
        with m.If(self.do_stage_flags[sa]):
            m.d.sync += [key.family.eq(own[0]), key.protocol.eq(own[1])]
