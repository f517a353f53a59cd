"""Which lines a line buffer holds, and how much of each has come."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import LIST_ADDRESS_BITS
from saoffload.hdl.lut_memory import LutMemory

LINE_BITS = LIST_ADDRESS_BITS - 9
"""Bits of the number of a line of 512 bytes."""
WORD_BITS = 6
"""Bits of a word's place in its line."""
PARTS = 5
"""Of a comparison of tags."""


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
    checked_window : In
        Clock 1: the window that it lies in.
    is_here, is_whole : Out
        Clock 2, as things stood in clock 1. ``is_here``: its lines are here or on their way, both out of that window,
        or were and are dead. ``is_whole``: its words are here, told in clock 3.
    place, place_last_word : In
        A node's first word in the buffer, and the same again. Clock 0.
    place_is_whole, place_is_dead : Out
        Clock 3, as things stood in clock 1: its words are here; some will never come.
    probe : In
        The number of a line. Clock 0.
    probe_is_held, probe_is_busy : Out
        Clock 2: it is here or on its way; its place waits for the words of some line.
    do_allocate, line, line_window, before : In
        From now on the place of ``line`` waits for its words. ``before`` is ``line`` minus the lines of the buffer.
        Both have stood for a clock at least.
    do_fill, fill_place, fill_number, fill_is_final : In
        This word of the line of this place comes. After the final one its place no longer waits.
    do_drop, drop_place : In
        No more words will come for this place, and what came is not to be used.
    do_clear : In
        No line is here any longer; places that wait for words go on waiting.
    is_awaited : ``Out(lines)``
        Of each place: words that come are to be kept; a clock late.
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
                "checked_window": In(window),
                "is_whole": Out(1),
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

        def extent(name: str, reader: int, first: Value, last_word: Value) -> "_Extent":
            """Where a node of the clock before ends, and, in the next, what is here of it and what may still come."""
            end, first_q, behind_q = (
                Signal(bits, name=f"{name}_{what}")
                for what, bits in (("end", WORD_BITS + 1), ("first_q", place_bits), ("behind_q", place_bits))
            )
            end_q = Signal.like(end, name=f"{name}_end_q")
            m.d.comb += end.eq(first[:WORD_BITS] + last_word)
            m.d.sync += [
                end_q.eq(end),
                first_q.eq(first[WORD_BITS:]),
                behind_q.eq(first[WORD_BITS:] + 1),
            ]
            m.d.comb += [
                counts.read_addresses[reader].eq(first_q),
                counts.read_addresses[reader + 1].eq(behind_q),
            ]
            crosses = end_q[WORD_BITS]
            count, count_behind = counts.read_data[reader], counts.read_data[reader + 1]
            # Across the border there are one or two words, since a node has three.
            is_far_behind = ~end_q[0] | count_behind[1:].any()
            is_empty, is_full, is_far, crosses_first = (
                Signal(name=f"{name}_{what}") for what in ("is_empty", "is_full", "is_far", "crosses_first")
            )
            has_second, may_first, may_second = (
                Signal(name=f"{name}_{what}") for what in ("has_second", "may_first", "may_second")
            )
            m.d.sync += [
                is_empty.eq(is_empty_q.bit_select(first_q, 1)),
                is_full.eq(count[WORD_BITS]),
                is_far.eq(count > end_q[:WORD_BITS]),
                crosses_first.eq(crosses),
                has_second.eq(~crosses | (~is_empty_q.bit_select(behind_q, 1) & is_far_behind)),
                may_first.eq(is_filling_q.bit_select(first_q, 1)),
                may_second.eq(is_filling_q.bit_select(behind_q, 1)),
            ]
            has_first = ~is_empty & Mux(crosses_first, is_full, is_far)
            return _Extent(
                first=first_q,
                behind=behind_q,
                crosses=crosses,
                is_whole=has_first & has_second,
                is_dead=~((has_first | may_first) & (has_second | may_second)),
            )

        # A node by its address.
        tag_q = Signal(self._tag_bits)
        m.d.sync += tag_q.eq(self.address[9 + place_bits :])
        node = extent("node", 0, self.address[3 : 3 + WORD_BITS + place_bits], self.last_word)
        m.d.comb += [tags.read_addresses[0].eq(node.first), tags.read_addresses[1].eq(node.behind)]
        held, held_behind = tags.read_data[0], tags.read_data[1]
        is_last_place_q = Signal()
        m.d.sync += is_last_place_q.eq(self.address[9 : 9 + place_bits] == lines - 1)
        behind_tag = Mux(is_last_place_q, before_q, held_behind.tag)
        is_first_held = _equal(m, "first", held.tag, tag_q)
        is_second_held = _equal(m, "second", behind_tag, tag_q)
        is_first_valid_q, is_second_valid_q, is_second_right_q, is_window_right_q = (
            Signal(name=name)
            for name in ("is_first_valid_q", "is_second_valid_q", "is_second_right_q", "is_window_right_q")
        )
        crosses_q = Signal()
        m.d.sync += [
            crosses_q.eq(node.crosses),
            is_first_valid_q.eq(is_valid_q.bit_select(node.first, 1)),
            is_second_valid_q.eq(is_valid_q.bit_select(node.behind, 1)),
            is_second_right_q.eq(held.window == held_behind.window),
            is_window_right_q.eq(held.window == self.checked_window),
            self.is_whole.eq(node.is_whole),
        ]
        is_second_here = ~crosses_q | (is_second_valid_q & is_second_right_q & is_second_held)
        m.d.comb += self.is_here.eq(is_first_valid_q & is_window_right_q & is_first_held & is_second_here)

        # A node by its place.
        placed = extent("placed", 2, self.place, self.place_last_word)
        m.d.sync += [
            self.place_is_whole.eq(placed.is_whole),
            self.place_is_dead.eq(placed.is_dead),
        ]

        # A line by its number.
        probed, probed_tag = self.probe[:place_bits], self.probe[place_bits:]
        m.d.comb += tags.read_addresses[2].eq(probed)
        is_probe_held = _equal(m, "probe", tags.read_data[2].tag, probed_tag)
        is_probe_valid_q = Signal()
        is_probe_busy_q = Signal()
        m.d.sync += [
            is_probe_valid_q.eq(is_valid_q.bit_select(probed, 1)),
            is_probe_busy_q.eq(is_filling_q.bit_select(probed, 1)),
            self.probe_is_held.eq(is_probe_valid_q & is_probe_held),
            self.probe_is_busy.eq(is_probe_busy_q),
        ]

        # Changes.
        m.d.sync += self.is_awaited.eq(is_valid_q & is_filling_q)
        new = self.line[:place_bits]
        m.d.comb += [
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
        # The line stands for a while before its place is given to it.
        is_new_q = Signal(lines)
        m.d.sync += is_new_q.eq(Cat(new == place for place in range(lines)))
        with m.If(self.do_allocate & is_new_q[0]):
            m.d.sync += before_q.eq(self.before[place_bits:])
        for place in range(lines):
            with m.If(self.do_allocate & is_new_q[place]):
                m.d.sync += [is_valid_q[place].eq(1), is_empty_q[place].eq(1), is_filling_q[place].eq(1)]
        with m.If(self.do_clear):
            m.d.sync += is_valid_q.eq(0)
        return m


@dataclass(frozen=True, kw_only=True)
class _Extent:
    """Of a node in the buffer: its places, whether it crosses from one to the next; a clock later: what is there."""

    first: Value
    behind: Value
    crosses: Value
    is_whole: Value
    is_dead: Value


def _equal(m: Module, name: str, held: Value, wanted: Value) -> Value:
    """Whether two tags of the clock before were equal: in parts before the registers, all of them behind."""
    size = -(-len(wanted) // PARTS)
    same = ~(Value.cast(held) ^ wanted)
    parts_q = Signal(PARTS, name=f"{name}_parts_q")
    m.d.sync += parts_q.eq(Cat(same[low : low + size].all() for low in range(0, len(wanted), size)))
    return parts_q.all()


def words_behind_first(is_x86: Value) -> Value:
    """How many words a node has besides its first."""
    return Value.cast(Cat(is_x86, ~is_x86))
