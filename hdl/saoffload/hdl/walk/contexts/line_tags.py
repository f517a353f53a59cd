"""Which lines a line buffer holds, and how much of each has come."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import WORDS_PER_LINE, EngineConfig
from saoffload.hdl.layouts import LIST_ADDRESS_BITS
from saoffload.hdl.lut_memory import LutMemory

LINE_BITS = LIST_ADDRESS_BITS - 9
"""Bits of the number of a line of 512 bytes."""
WORD_BITS = 6
"""Bits of a word's place in its line."""


class LineTags(wiring.Component):
    """Says whether a node lies in lines that are here, and whether all its words are.

    A line has one place, given by the lowest bits of its number. Lines that follow each other have places that do, so a
    node across two lines needs no more care than that both are here. Words of a line come in order.

    Parameters
    ----------
    config : :class:`EngineConfig`
        ``lines``, ``windows``.

    Members
    -------
    address, last_word : In
        The node looked for, and how many words it has besides the first. Clock 0.
    is_here, is_whole : Out
        Clock 1. ``is_here``: its lines are here or on their way, both out of ``window``. ``is_whole``: so are its
        words.
    place, place_last_word : In
        A node's first word in the buffer, and the same again. Clock 0.
    place_is_whole, place_is_dead : Out
        Clock 1: its words are here; some will never come.
    probe : In
        The number of a line. Clock 0.
    probe_is_held, probe_is_busy : Out
        Clock 1: it is here or on its way; its place waits for the words of some line.
    do_allocate, line, line_window, before : In
        From now on the place of ``line`` waits for its words. ``before`` is ``line`` minus the lines of the buffer.
    do_fill, fill_place, fill_number, fill_is_final : In
        This word of the line of this place comes. After the final one its place no longer waits.
    do_drop, drop_place : In
        No more words will come for this place, and what came is not to be used.
    do_clear : In
        No line is here any longer; places that wait for words go on waiting.
    is_awaited : ``Out(lines)``
        Of each place: words that come are to be kept.
    """

    def __init__(self, config: EngineConfig):
        self._lines = config.lines
        self._place_bits = config.lines.bit_length() - 1
        self._tag_bits = LINE_BITS - self._place_bits
        window = range(max(2, config.windows))
        self._tag = data.StructLayout({"tag": self._tag_bits, "window": window})
        super().__init__(
            {
                "address": In(LIST_ADDRESS_BITS),
                "last_word": In(2),
                "is_here": Out(1),
                "is_whole": Out(1),
                "window": Out(window),
                "place": In(self._place_bits + WORD_BITS),
                "place_last_word": In(2),
                "place_is_whole": Out(1),
                "place_is_dead": Out(1),
                "probe": In(LINE_BITS),
                "probe_is_held": Out(1),
                "probe_is_busy": Out(1),
                "do_allocate": In(1),
                "line": In(LINE_BITS),
                "line_window": In(window),
                "before": In(LINE_BITS),
                "do_fill": In(1),
                "fill_place": In(self._place_bits),
                "fill_number": In(WORD_BITS),
                "fill_is_final": In(1),
                "do_drop": In(1),
                "drop_place": In(self._place_bits),
                "do_clear": In(1),
                "is_awaited": Out(config.lines),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        place_bits, lines = self._place_bits, self._lines
        m.submodules.tags = tags = LutMemory(shape=self._tag, depth=lines, readers=3)
        m.submodules.counts = counts = LutMemory(shape=WORD_BITS + 1, depth=lines, readers=4)
        is_valid_q, is_empty_q, is_filling_q = (
            Signal(lines, name=name) for name in ("is_valid_q", "is_empty_q", "is_filling_q")
        )
        # What the tag of place 0 would be one round earlier: the line behind that of the last place.
        before_q = Signal(self._tag_bits)

        def count_at(reader: int, place: Value) -> Value:
            m.d.comb += counts.read_addresses[reader].eq(place)
            return Mux(is_empty_q.bit_select(place, 1), 0, counts.read_data[reader])

        def extent(reader: int, first: Value, last_word: Value) -> tuple[Value, Value]:
            """Whether all words of a node are here, and whether some will never be."""
            offset, place = first[:WORD_BITS], first[WORD_BITS:]
            behind = Signal(place_bits, name=f"behind_{reader}")
            end = Signal(WORD_BITS + 1, name=f"end_{reader}")
            m.d.comb += [behind.eq(place + 1), end.eq(offset + last_word)]
            crosses = end[WORD_BITS]
            has_first = count_at(reader, place) > Mux(crosses, WORDS_PER_LINE - 1, end[:WORD_BITS])
            has_second = ~crosses | (count_at(reader + 1, behind) > end[:WORD_BITS])
            is_first_dead = ~has_first & ~is_filling_q.bit_select(place, 1)
            is_second_dead = ~has_second & ~is_filling_q.bit_select(behind, 1)
            return has_first & has_second, is_first_dead | is_second_dead

        # A node by its address.
        first = self.address[3 : 3 + WORD_BITS + place_bits]
        place, tag = first[WORD_BITS:], self.address[9 + place_bits :]
        behind = Signal(place_bits)
        end = Signal(WORD_BITS + 1)
        m.d.comb += [
            behind.eq(place + 1),
            end.eq(first[:WORD_BITS] + self.last_word),
            tags.read_addresses[0].eq(place),
            tags.read_addresses[1].eq(behind),
        ]
        crosses = end[WORD_BITS]
        is_last_place = place == lines - 1
        held, held_behind = tags.read_data[0], tags.read_data[1]
        is_first_here = is_valid_q.bit_select(place, 1) & (held.tag == tag)
        is_second_here = is_valid_q.bit_select(behind, 1) & (Mux(is_last_place, before_q, held_behind.tag) == tag)
        is_whole, is_dead = extent(0, first, self.last_word)
        m.d.sync += [
            self.is_here.eq(
                is_first_here & (~crosses | (is_second_here & (held.window == held_behind.window))) & ~is_dead
            ),
            self.is_whole.eq(is_whole),
            self.window.eq(held.window),
        ]
        place_is_whole, place_is_dead = extent(2, self.place, self.place_last_word)
        m.d.sync += [self.place_is_whole.eq(place_is_whole), self.place_is_dead.eq(place_is_dead)]

        # A line by its number.
        probed, probed_tag = self.probe[:place_bits], self.probe[place_bits:]
        m.d.comb += tags.read_addresses[2].eq(probed)
        m.d.sync += [
            self.probe_is_held.eq(is_valid_q.bit_select(probed, 1) & (tags.read_data[2].tag == probed_tag)),
            self.probe_is_busy.eq(is_filling_q.bit_select(probed, 1)),
        ]

        # Changes.
        new = self.line[:place_bits]
        m.d.comb += [
            self.is_awaited.eq(is_valid_q & is_filling_q),
            tags.do_write.eq(self.do_allocate),
            tags.write_address.eq(new),
            tags.write_data.tag.eq(self.line[place_bits:]),
            tags.write_data.window.eq(self.line_window),
            counts.do_write.eq(self.do_fill),
            counts.write_address.eq(self.fill_place),
            counts.write_data.eq(self.fill_number + Const(1, 1)),
        ]
        with m.If(self.do_fill):
            m.d.sync += is_empty_q.bit_select(self.fill_place, 1).eq(0)
            with m.If(self.fill_is_final):
                m.d.sync += is_filling_q.bit_select(self.fill_place, 1).eq(0)
        with m.If(self.do_drop):
            m.d.sync += [
                is_valid_q.bit_select(self.drop_place, 1).eq(0),
                is_filling_q.bit_select(self.drop_place, 1).eq(0),
            ]
        with m.If(self.do_allocate):
            m.d.sync += [
                is_valid_q.bit_select(new, 1).eq(1),
                is_empty_q.bit_select(new, 1).eq(1),
                is_filling_q.bit_select(new, 1).eq(1),
            ]
            with m.If(new == 0):
                m.d.sync += before_q.eq(self.before[place_bits:])
        with m.If(self.do_clear):
            m.d.sync += is_valid_q.eq(0)
        return m


def words_behind_first(is_x86: Value) -> Value:
    """How many words a node has besides its first."""
    return Value.cast(Cat(is_x86, ~is_x86))
