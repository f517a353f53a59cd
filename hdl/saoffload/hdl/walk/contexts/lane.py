"""Words of nodes as they come from the bus: what each is, and when a node is complete."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import LIST_ADDRESS_BITS, WIDE_HANDLE_BITS, WORD_DATA_BITS, Abi
from saoffload.hdl.lut_memory import LutMemory

#: First word of a node: type 0x80, revision 1, and the size of the structure in the upper half.
X64_HEADER = 24 << 16 | 0x0180
X86_HEADER = 12 << 16 | 0x0180

WORDS_PER_PAGE = 512


class Lane(wiring.Component):
    """Tells the words of nodes apart as they come, and keeps what a decision about the node needs.

    A word belongs to the context whose number is its read's ID. Words of different contexts may come in any order.
    A node that crosses 4 KB is read in two parts; the second is called for when the first is over and was good. A node
    is *over* with its last word, or with the last word that will come of a part in which a word failed.

    Parameters
    ----------
    config : :class:`EngineConfig`
        ``contexts``.

    Members
    -------
    beats : ``In(stream of layouts.read_beat, always_ready=True)``
        Words of lines (``is_line``) are not looked at.
    do_ask, ask_context, ask_address, ask_abi : In
        A node was asked for: nothing is known of it. ``ask_address`` is its place in its page.
    next_is_coming, next_context, next_abi : Out
        The word of this clock holds the ``Next`` of that context's node.
    has_word, context : Out
        A clock after the word: what follows is about it.
    has_next, next : Out
        It held this ``Next``.
    has_handle, handle : Out
        It held this handle.
    is_over, is_end_over : Out
        The node is over with it. ``is_end_over``: it is the last word of the node, so it would be over anyway.
    is_part_over : Out
        The first part is over with it, and was good.
    word_failed : Out
        It failed.
    failed : ``Out(contexts)``
        Of each context: a word of its node failed, as known a clock after its ``has_word``.
    is_bad : ``Out(contexts)``
        Of each context: the header is not that of its ABI, a clock after the header's ``has_word``.
    """

    beats: stream.Interface

    def __init__(self, config: EngineConfig):
        self._config = config
        context = range(max(2, config.contexts))
        super().__init__(
            {
                "beats": In(stream.Signature(layouts.read_beat(config), always_ready=True)),
                "do_ask": In(1),
                "ask_context": In(context),
                "ask_address": In(12),
                "ask_abi": In(Abi),
                "next_is_coming": Out(1),
                "next_context": Out(context),
                "next_abi": Out(Abi),
                "has_word": Out(1),
                "context": Out(context),
                "has_next": Out(1),
                "next": Out(LIST_ADDRESS_BITS),
                "has_handle": Out(1),
                "handle": Out(WIDE_HANDLE_BITS),
                "is_over": Out(1),
                "is_end_over": Out(1),
                "is_part_over": Out(1),
                "word_failed": Out(1),
                "failed": Out(config.contexts),
                "is_bad": Out(config.contexts),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        beat = self.beats.payload
        contexts = self._config.contexts
        # What a node is, and the number of its next word, counted over both parts.
        kind = data.StructLayout({"is_x86": 1, "is_odd": 1})
        m.submodules.kinds = kinds = LutMemory(shape=kind, depth=contexts)
        m.submodules.positions = positions = LutMemory(shape=2, depth=contexts)
        is_fresh_q = Signal(contexts)

        # As the word comes.
        is_demand = self.beats.valid & ~is_line(self._config, beat.id)
        context = beat.id[: len(self.context)]
        found = kinds.read_data[0]
        position = Signal(2)
        is_end = Signal()
        holds_next = Signal()
        m.d.comb += [
            kinds.do_write.eq(self.do_ask),
            kinds.write_address.eq(self.ask_context),
            kinds.write_data.is_x86.eq(self.ask_abi == Abi.X86),
            kinds.write_data.is_odd.eq(self.ask_address[2]),
            kinds.read_addresses[0].eq(context),
            positions.read_addresses[0].eq(context),
            position.eq(positions.read_data[0] & (~is_fresh_q.bit_select(context, 1)).replicate(2)),
            positions.do_write.eq(is_demand),
            positions.write_address.eq(context),
            positions.write_data.eq(position + 1),
            is_end.eq(position == Mux(found.is_x86, 1, 2)),
            holds_next.eq(position == Mux(found.is_x86 & ~found.is_odd, 0, 1)),
            self.next_is_coming.eq(is_demand & holds_next),
            self.next_context.eq(context),
            self.next_abi.eq(Mux(found.is_x86, Abi.X86, Abi.X64)),
        ]
        with m.If(is_demand):
            m.d.sync += is_fresh_q.bit_select(context, 1).eq(0)
        with m.If(self.do_ask):
            m.d.sync += is_fresh_q.bit_select(self.ask_context, 1).eq(1)

        # A clock later.
        data_q = Signal(WORD_DATA_BITS)
        kind_q = Signal(kind)
        holds_next_q, holds_header_q, is_end_q, has_failed_q, is_final_q = (
            Signal(name=name) for name in ("holds_next_q", "holds_header_q", "is_end_q", "has_failed_q", "is_final_q")
        )
        m.d.sync += [
            self.has_word.eq(is_demand),
            self.context.eq(context),
            data_q.eq(beat.data),
            kind_q.eq(found),
            holds_next_q.eq(holds_next),
            holds_header_q.eq(position == 0),
            is_end_q.eq(is_end),
            has_failed_q.eq(beat.failed),
            is_final_q.eq(beat.is_final),
        ]
        low_q, high_q = data_q[:32], data_q[32:]
        failed = self.failed.bit_select(self.context, 1)
        has_failed = failed | has_failed_q
        m.d.comb += [
            self.has_next.eq(self.has_word & holds_next_q),
            self.next.eq(next_of(low_q, high_q, is_x86=kind_q.is_x86, is_odd=kind_q.is_odd)),
            self.has_handle.eq(self.has_word & is_end_q),
            self.handle.eq(handle_of(low_q, high_q, is_x86=kind_q.is_x86, is_odd=kind_q.is_odd)),
            self.is_end_over.eq(self.has_word & is_final_q & is_end_q),
            self.is_over.eq(self.has_word & is_final_q & (is_end_q | has_failed)),
            self.is_part_over.eq(self.has_word & is_final_q & ~is_end_q & ~has_failed),
            self.word_failed.eq(self.has_word & has_failed_q),
        ]
        header = Mux(kind_q.is_x86 & kind_q.is_odd, high_q, low_q)
        is_header_bad = header != Mux(kind_q.is_x86, X86_HEADER, X64_HEADER)
        with m.If(self.has_word):
            with m.If(has_failed_q):
                m.d.sync += failed.eq(1)
            with m.If(holds_header_q):
                m.d.sync += self.is_bad.bit_select(self.context, 1).eq(is_header_bad)
        with m.If(self.do_ask):
            m.d.sync += self.failed.bit_select(self.ask_context, 1).eq(0)
        return m


def is_line(config: EngineConfig, id_: Value) -> Value:
    """Whether reads of this ID are lines: those whose ID has its highest bit set, if there are any."""
    return Value.cast(id_[-1] if config.line_buffers else 0)


def first_count(address: Value, abi: Value) -> Value:
    """How many of a node's words lie before 4 KB, of 3 (x64) or 2 (x86)."""
    word = address[3:12]
    is_short = (word == WORDS_PER_PAGE - 2) | (abi == Abi.X86)
    return Mux(word == WORDS_PER_PAGE - 1, 1, Mux(is_short, 2, 3))


def next_of(low: Value, high: Value, *, is_x86: Value, is_odd: Value) -> Value:
    """``Next`` in the word that holds it; an x86 node may begin in the upper half of a word."""
    return Value.cast(Cat(Mux(is_x86 & ~is_odd, high, low), high & (~is_x86).replicate(32)))


def handle_of(low: Value, high: Value, *, is_x86: Value, is_odd: Value) -> Value:
    """The handle in the word that holds it."""
    return Value.cast(Cat(Mux(is_x86 & is_odd, high, low), high & (~is_x86).replicate(32)))
