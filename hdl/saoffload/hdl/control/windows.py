"""Window registers: six words are staged, one write commits them."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import WINDOW_ANSWER, window_write

from .own_word import own_word
from .upper_bits import has_any

#: Words of a window, in the order of their registers.
WORD_NAMES = ("base_low", "base_high", "size_low", "size_high", "bus_low", "bus_high")


class WindowStaging(wiring.Component):
    """Commits the staged words into one window, or refuses to; whatever is refused changes nothing and is strobed.

    Refused here: a window that is not there, a commit while another is under way, and words staged meanwhile, because
    they would change what is being written. Everything else is for the window table to judge. It is told whether it
    must refuse as that was in the clock of the commit: commands must not be offered to the walker while ``is_busy`` is
    1.

    Parameters
    ----------
    config : EngineConfig
        ``windows``.

    Members
    -------
    write_data : ``In(32)``
        Stands from the clock before a strobe on.
    do_stage : ``In(6)``
        Per word of ``WORD_NAMES``: stages ``write_data``.
    do_commit : ``In(1)``
        ``write_data`` is the number of the window; it is judged in the clock before, where it stands already.
    is_quiesced : ``In(1)``
        No command is active and no read outstanding.
    writes, write_answers : streams
        To and from the window table; ``is_locked`` belongs to ``writes``.
    is_busy : ``Out(1)``
        A commit is under way: it must not happen that a command begins now.
    was_refused : ``Out(1)``
        The last commit was refused; means nothing while ``is_busy`` is 1.
    do_refuse : ``Out(1)``
        Something was refused.

    One clock from the commit to the request, one from the answer to ``was_refused``.
    """

    writes: stream.Interface
    write_answers: stream.Interface

    def __init__(self, config: EngineConfig):
        self._window_count = config.windows
        self._config = config
        self._address_width = config.address_width
        super().__init__(
            {
                "write_data": In(32),
                "do_stage": In(len(WORD_NAMES)),
                "do_commit": In(1),
                "is_quiesced": In(1),
                "writes": Out(stream.Signature(window_write(config))),
                "write_answers": In(stream.Signature(WINDOW_ANSWER, always_ready=True)),
                "is_locked": Out(1),
                "is_busy": Out(1),
                "was_refused": Out(1),
                "do_refuse": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        staged = self.writes.payload
        refuses_commit = Signal()
        refuses_answer = Signal()
        is_requested = Signal()
        words = [half for word in (staged.base, staged.size, staged.bus_base) for half in (word[:32], word[32:])]
        # On the bus one number alone counts above the last address, 2**address_width: a window may end there. What is
        # larger is refused as one larger number is: the bit above tells it, and the bits above that one are not kept.
        kept_bits = self._address_width + 1 - 32
        own = own_word(m, self.write_data, self._config)
        folded_word = Cat(own[:kept_bits], has_any(own, kept_bits)) if kept_bits < len(own) else own
        on_bus = ("size_high", "bus_high")

        for name, do_stage, word in zip(WORD_NAMES, self.do_stage, words, strict=True):
            with m.If(do_stage & ~self.is_busy):
                m.d.sync += word.eq(folded_word if name in on_bus else own)

        index_bits = (self._window_count - 1).bit_length()
        # Right in the clock after a reset, too.
        names_none = Signal(reset_less=True)
        m.d.sync += names_none.eq(
            has_any(self.write_data, index_bits) | (self.write_data[:index_bits] >= self._window_count)
        )
        m.d.comb += [
            self.writes.valid.eq(is_requested),
            refuses_commit.eq(self.do_commit & (self.is_busy | names_none)),
            refuses_answer.eq(self.write_answers.valid & self.write_answers.payload.refused),
            self.do_refuse.eq(refuses_commit | refuses_answer | (self.do_stage.any() & self.is_busy)),
        ]
        with m.If(self.do_commit & ~refuses_commit):
            if self._window_count > 1:
                m.d.sync += staged.index.eq(own)
            m.d.sync += [self.is_busy.eq(1), is_requested.eq(1), self.is_locked.eq(~self.is_quiesced)]
        with m.Elif(self.write_answers.valid):
            m.d.sync += [self.is_busy.eq(0), self.was_refused.eq(self.write_answers.payload.refused)]
        with m.Elif(refuses_commit & ~self.is_busy):
            m.d.sync += self.was_refused.eq(1)
        with m.If(is_requested & self.writes.ready):
            m.d.sync += is_requested.eq(0)
        return m
