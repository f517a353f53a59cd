"""Words of nodes as they come from the bus: what each is, and when a node is complete."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import LIST_ADDRESS_BITS, WIDE_HANDLE_BITS, Abi
from saoffload.hdl.lut_memory import LutMemory

#: First word of a node: type 0x80, revision 1, and the size of the structure in the upper half.
X64_HEADER = 24 << 16 | 0x0180
X86_HEADER = 12 << 16 | 0x0180


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
    arrives, arriving_id, arriving_is_last, arriving_data : In
        A beat comes, of a read with this ID, perhaps for nobody; it is the last; what it holds.
    beats : ``In(stream of layouts.read_beat, always_ready=True)``
        That word, a clock later, if it is for somebody. Words of lines are not looked at.
    do_ask, ask_context, ask_address, ask_abi : In
        A node was asked for: nothing is known of it. ``ask_address`` is its place in its page.
    next_is_coming, next_context, next_abi : Out
        The word that arrives in this clock should hold the ``Next`` of that context's node. A guess, wrong for a word
        that is for nobody, and for nodes in two parts: ``has_next`` tells.
    has_word, context : Out
        A clock after the word's arrival: there is one, for this context. What follows is about it.
    has_next, next : Out
        It held this ``Next``.
    may_have_next : Out
        Early in that clock: 1 if ``has_next`` is, and for a word that came for nobody it may be.
    has_handle, handle : Out
        It held this handle.
    is_over : Out
        The node is over with it.
    is_end : Out
        Early, and whether there is a word or not: it is the last one of its read and of its node, which is over with it
        whether it failed or not.
    is_part_over : Out
        The first part is over with it, and was good.
    word_failed : Out
        It failed.
    failed : ``Out(contexts)``
        Of each context: a word of its node failed, as known a clock later.
    has_header, header_context, header_is_bad : Out
        Two clocks after its arrival: the word held the header, which is not that of its ABI.
    is_bad : ``Out(contexts)``
        Of each context: that of the last header, a clock later.
    """

    beats: stream.Interface

    def __init__(self, config: EngineConfig):
        self._config = config
        context = range(max(2, config.contexts))
        super().__init__(
            {
                "arrives": In(1),
                "arriving_id": In(config.id_width),
                "arriving_is_last": In(1),
                "arriving_data": In(config.data_width),
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
                "may_have_next": Out(1),
                "next": Out(LIST_ADDRESS_BITS),
                "has_handle": Out(1),
                "handle": Out(WIDE_HANDLE_BITS),
                "is_over": Out(1),
                "is_end": Out(1),
                "is_part_over": Out(1),
                "word_failed": Out(1),
                "failed": Out(config.contexts),
                "has_header": Out(1),
                "header_context": Out(context),
                "header_is_bad": Out(1),
                "is_bad": Out(config.contexts),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        beat = self.beats.payload
        contexts = self._config.contexts
        # What a node is, whether its first word holds its `Next`; the number of its next word, counted over both parts.
        kind = data.StructLayout({"is_x86": 1, "is_odd": 1, "next_is_first": 1})
        m.submodules.kinds = kinds = LutMemory(shape=kind, depth=contexts)
        m.submodules.positions = positions = LutMemory(shape=2, depth=contexts)
        # Words of the read so far. Whether the next one holds the `Next` is told when the node is asked for, and again
        # with each word: two bits, which differ if it does, so that each has one writer.
        m.submodules.guesses = guesses = LutMemory(shape=2, depth=contexts)
        m.submodules.at_first = at_first = LutMemory(shape=1, depth=contexts)
        m.submodules.since_then = since_then = LutMemory(shape=1, depth=contexts, readers=2)
        is_fresh_q = Signal(contexts)

        # As the word arrives. Its number in its read is guessed from the words before it, whoever they were for.
        arriving = self.arriving_id[: len(self.context)]
        is_demand = self.arrives & ~is_line(self._config, self.arriving_id)
        found, guess = kinds.read_data[0], guesses.read_data[0]
        m.d.comb += [
            kinds.do_write.eq(self.do_ask),
            kinds.write_address.eq(self.ask_context),
            kinds.write_data.is_x86.eq(self.ask_abi == Abi.X86),
            kinds.write_data.is_odd.eq(self.ask_address[2]),
            kinds.write_data.next_is_first.eq((self.ask_abi == Abi.X86) & ~self.ask_address[2]),
            kinds.read_addresses[0].eq(arriving),
            guesses.read_addresses[0].eq(arriving),
            guesses.do_write.eq(is_demand),
            guesses.write_address.eq(arriving),
            guesses.write_data.eq(Mux(self.arriving_is_last, 0, guess + 1)),
            at_first.read_addresses[0].eq(arriving),
            since_then.read_addresses[0].eq(arriving),
            since_then.read_addresses[1].eq(self.ask_context),
            at_first.do_write.eq(self.do_ask),
            at_first.write_address.eq(self.ask_context),
            at_first.write_data.eq(kinds.write_data.next_is_first ^ since_then.read_data[1]),
            since_then.do_write.eq(is_demand),
            since_then.write_address.eq(arriving),
            since_then.write_data.eq(
                (~self.arriving_is_last & ~found.next_is_first & (guess == 0)) ^ at_first.read_data[0]
            ),
            positions.read_addresses[0].eq(arriving),
            self.next_is_coming.eq(is_demand & (at_first.read_data[0] ^ since_then.read_data[0])),
            self.next_context.eq(arriving),
            self.next_abi.eq(Mux(found.is_x86, Abi.X86, Abi.X64)),
        ]

        # A clock later the number is known: as it was looked up, or that of the word before plus 1.
        has_word = self.has_word
        m.d.comb += has_word.eq(self.beats.valid & ~is_line(self._config, beat.id))
        kind_q = Signal(kind)
        low, high = beat.data[:32], beat.data[32:]
        next_ = self._next(m, low, high, kind=found)
        looked_up_q = Signal(2)
        following_q = Signal(2)
        follows_q = Signal()
        position = Signal(2)
        is_last_word = Signal()
        holds_next = Signal()
        was_demand_q = Signal()
        m.d.sync += [
            was_demand_q.eq(is_demand),
            kind_q.eq(found),
            looked_up_q.eq(positions.read_data[0] & (~is_fresh_q.bit_select(arriving, 1)).replicate(2)),
            follows_q.eq(has_word & (self.context == arriving)),
            following_q.eq(position + 1),
        ]
        m.d.comb += [
            self.context.eq(beat.id[: len(self.context)]),
            position.eq(Mux(follows_q, following_q, looked_up_q)),
            positions.do_write.eq(has_word),
            positions.write_address.eq(self.context),
            positions.write_data.eq(position + 1),
            is_last_word.eq(position == Mux(kind_q.is_x86, 1, 2)),
            holds_next.eq(position == ~kind_q.next_is_first),
        ]
        with m.If(has_word):
            m.d.sync += is_fresh_q.bit_select(self.context, 1).eq(0)
        with m.If(self.do_ask):
            m.d.sync += is_fresh_q.bit_select(self.ask_context, 1).eq(1)

        # Whether a word before it failed is looked up, or known of the word just before it.
        failed_looked_up_q, failed_before_q = Signal(name="failed_looked_up_q"), Signal(name="failed_before_q")
        has_failed = Mux(follows_q, failed_before_q, failed_looked_up_q) | beat.failed
        m.d.sync += [failed_looked_up_q.eq(self.failed.bit_select(arriving, 1)), failed_before_q.eq(has_failed)]
        m.d.comb += [
            self.has_next.eq(has_word & holds_next),
            self.may_have_next.eq(was_demand_q & holds_next),
            self.next.eq(next_),
            self.has_handle.eq(has_word & is_last_word),
            self.handle.eq(handle_of(low, high, is_x86=kind_q.is_x86, is_odd=kind_q.is_odd)),
            self.is_end.eq(beat.is_final & is_last_word),
            self.is_over.eq(has_word & beat.is_final & (is_last_word | has_failed)),
            self.is_part_over.eq(has_word & beat.is_final & ~is_last_word & ~has_failed),
            self.word_failed.eq(has_word & beat.failed),
        ]
        with m.If(self.word_failed):
            m.d.sync += self.failed.bit_select(self.context, 1).eq(1)
        with m.If(self.do_ask):
            m.d.sync += self.failed.bit_select(self.ask_context, 1).eq(0)

        # Headers are compared in parts: the words of both ABIs that hold one differ in one half of it only.
        header_q = Signal(2)
        low_bits, size_bits = slice(0, 16), slice(16, 32)
        header = Mux(kind_q.is_x86 & kind_q.is_odd, high, low)
        m.d.sync += [
            self.has_header.eq(has_word & (position == 0)),
            self.header_context.eq(self.context),
            header_q.eq(
                Cat(
                    header[low_bits] != X64_HEADER & 0xFFFF,
                    header[size_bits] != Mux(kind_q.is_x86, X86_HEADER >> 16, X64_HEADER >> 16),
                )
            ),
        ]
        m.d.comb += self.header_is_bad.eq(header_q.any())
        with m.If(self.has_header):
            m.d.sync += self.is_bad.bit_select(self.header_context, 1).eq(self.header_is_bad)
        return m

    def _next(self, m: Module, low: Value, high: Value, *, kind: data.View) -> Value:
        """The ``Next`` in a word; ``kind`` is that of the word which arrives.

        The sums of the windows wait for it: where a beat is a word, it is chosen as the word arrives.
        """
        if self._config.data_width != layouts.WORD_DATA_BITS:
            kind_q = Signal(kind.shape(), name="next_kind_q")
            m.d.sync += kind_q.eq(kind)
            return Value.cast(Cat(Mux(kind_q.next_is_first, high, low), high & (~kind_q.is_x86).replicate(32)))
        next_q = Signal(64)
        low, high = self.arriving_data[:32], self.arriving_data[32:]
        m.d.sync += next_q.eq(Cat(Mux(kind.next_is_first, high, low), high & (~kind.is_x86).replicate(32)))
        return next_q


def is_line(config: EngineConfig, id_: Value) -> Value:
    """Whether reads of this ID are lines: those whose ID has its highest bit set, if there are any."""
    return Value.cast(id_[-1] if config.line_buffers else 0)


def next_of(low: Value, high: Value, *, is_x86: Value, is_odd: Value) -> Value:
    """``Next`` in the word that holds it; an x86 node may begin in the upper half of a word."""
    return Value.cast(Cat(Mux(is_x86 & ~is_odd, high, low), high & (~is_x86).replicate(32)))


def handle_of(low: Value, high: Value, *, is_x86: Value, is_odd: Value) -> Value:
    """The handle in the word that holds it."""
    return Value.cast(Cat(Mux(is_x86 & is_odd, high, low), high & (~is_x86).replicate(32)))
