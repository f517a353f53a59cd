"""Nodes out of a line buffer: three words in three clocks, the next node's as soon as it is known where it is."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.dual_port import DualPortMemory
from saoffload.hdl.layouts import LIST_ADDRESS_BITS, WIDE_HANDLE_BITS, WORD_DATA_BITS

from .lane import X64_HEADER, X86_HEADER, handle_of, next_of
from .line_tags import WORD_BITS


class Kind(enum.Enum, shape=2):
    """What a word is read for."""

    NONE = 0
    NEXT = 1
    HEADER = 2
    HANDLE = 3


class LineReader(wiring.Component):
    """Reads ``Next``, header and handle of a node, in this order, and begins with the next node at once.

    ``Next`` comes first, because everything waits for it: it is judged while header and handle are read. In the clock
    after, its node is read on trust, whether its line is here or not; the decision about it comes two clocks later,
    with the ``Next`` of the node that was read on trust: all that is forgotten a clock later unless that decision asks
    for it.

    Parameters
    ----------
    config : :class:`EngineConfig`
        ``lines``.

    Members
    -------
    do_write, write_place, write_data, write_failed : In
        A word comes into the buffer.
    is_x86 : In
        ABI of the list.
    is_decided, do_start, start_place, start_is_odd, start_is_whole : In
        Three clocks after a ``Next`` was taken: it is decided. ``do_start``: that node is asked for, from here;
        ``start_is_whole``, a clock later: its words are here. ``do_start`` comes without ``is_decided``, too, for a
        ``Next`` from elsewhere.
    is_elsewhere : Out
        A clock after ``do_start``: the node is another one than was read on trust, ``place`` is it from the next clock
        on.
    place, place_is_whole : Out, In
        The node asked for; whether its words are here, three clocks late. It is read once they are.
    is_stuck : Out
        It waits for its words, and has waited for a clock at least.
    do_give_up : In
        Only while ``is_stuck``: the node is not wanted any longer.
    do_stop : In
        Forget everything.
    next_is_coming, next_address, next_is_taken, next_is_void : Out, Out, In, Out
        A ``Next``. If it is not taken its node is read again. ``next_is_void``, a clock later: it was read on trust,
        and is not wanted.
    is_bad, failed : Out
        Two clocks after a ``Next`` was taken: the header is wrong; one of the three words failed.
    handle : Out
        A clock later.

    3 clocks per node. The first ``Next`` comes 7 clocks after ``do_start``.
    """

    def __init__(self, config: EngineConfig):
        self._lines = config.lines
        place = (config.lines.bit_length() - 1) + WORD_BITS
        super().__init__(
            {
                "do_write": In(1),
                "write_place": In(place),
                "write_data": In(WORD_DATA_BITS),
                "write_failed": In(1),
                "is_x86": In(1),
                "is_decided": In(1),
                "do_start": In(1),
                "start_is_whole": In(1),
                "start_place": In(place),
                "start_is_odd": In(1),
                "place": Out(place),
                "place_is_whole": In(1),
                "is_elsewhere": Out(1),
                "is_stuck": Out(1),
                "do_give_up": In(1),
                "do_stop": In(1),
                "next_is_coming": Out(1),
                "next_address": Out(LIST_ADDRESS_BITS),
                "next_is_taken": In(1),
                "next_is_void": Out(1),
                "is_bad": Out(1),
                "failed": Out(1),
                "handle": Out(WIDE_HANDLE_BITS),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        word = data.StructLayout({"data": WORD_DATA_BITS, "failed": 1})
        m.submodules.memory = memory = DualPortMemory(width=WORD_DATA_BITS + 1, depth=self._lines << WORD_BITS)
        m.d.comb += [
            memory.b_address.eq(self.write_place),
            memory.b_do_write.eq(self.do_write),
            memory.b_write_data.eq(Cat(self.write_data, self.write_failed)),
        ]

        # The node that is read, or will be.
        is_odd_q = Signal()
        reads_header_q = Signal()
        reads_handle_q = Signal()
        # Words on their way through the memory: what they are.
        step = data.StructLayout({"kind": Kind, "is_odd": 1})
        steps = [Signal(step, name=f"step_{number}") for number in (1, 2)]
        address = memory.a_address
        kind = Signal(Kind)
        is_odd = Signal()
        do_forget = Signal()
        # Where the words stand is added up a clock before they are read.
        handle_place_q, first_place_q = (
            Signal.like(self.place, name=name) for name in ("handle_place_q", "first_place_q")
        )
        m.d.sync += [
            handle_place_q.eq(self.place + Mux(self.is_x86, 1, 2)),
            first_place_q.eq(self.place + ~(self.is_x86 & ~is_odd_q)),
        ]
        m.d.comb += [is_odd.eq(is_odd_q), address.eq(self.place)]
        with m.If(reads_header_q):
            m.d.comb += kind.eq(Kind.HEADER)
        with m.Elif(reads_handle_q):
            m.d.comb += [kind.eq(Kind.HANDLE), address.eq(handle_place_q)]
        m.d.sync += [reads_header_q.eq(0), reads_handle_q.eq(reads_header_q)]
        for step_q, before_kind, before_odd in (
            (steps[0], kind, is_odd),
            (steps[1], steps[0].kind, steps[0].is_odd),
        ):
            m.d.sync += [
                step_q.kind.eq(Mux(do_forget, Kind.NONE, before_kind)),
                step_q.is_odd.eq(before_odd),
            ]
        # Others wait for this one: it has a register of its own.
        m.d.sync += self.next_is_coming.eq((steps[0].kind == Kind.NEXT) & ~do_forget)

        def begin(place: Signal, is_odd_there: Signal, first_place: Signal) -> None:
            m.d.comb += [
                kind.eq(Kind.NEXT),
                is_odd.eq(is_odd_there),
                address.eq(first_place),
            ]
            m.d.sync += [self.place.eq(place), is_odd_q.eq(is_odd_there), reads_header_q.eq(1)]

        out = data.View(word, memory.a_data)
        out_step = steps[1]
        low, high = out.data[:32], out.data[32:]
        m.d.comb += [
            self.next_address.eq(next_of(low, high, is_x86=self.is_x86, is_odd=out_step.is_odd)),
        ]

        # The place that a `Next` names, a clock after it was taken.
        node_bits = slice(3, 3 + len(self.place))
        was_taken_q = Signal()
        next_place_q = Signal.like(self.place)
        next_is_odd_q = Signal()
        next_first_place_q = Signal.like(self.place)
        m.d.sync += [
            was_taken_q.eq(self.next_is_coming & self.next_is_taken),
            next_place_q.eq(self.next_address[node_bits]),
            next_is_odd_q.eq(self.next_address[2]),
            next_first_place_q.eq(self.next_address[node_bits] + ~(self.is_x86 & ~self.next_address[2])),
        ]
        # What was decided is known a clock later.
        is_trust_lost = Signal()
        is_restarting = Signal()
        was_decided_q = Signal()
        starts_q = Signal()
        start_place_q = Signal.like(self.place)
        start_is_odd_q = Signal()
        m.d.sync += [
            was_decided_q.eq(self.is_decided),
            # A node that was read on trust and is not whole has its place already.
            self.is_elsewhere.eq(self.do_start & ~self.is_decided),
            starts_q.eq(self.do_start),
            start_place_q.eq(self.start_place),
            start_is_odd_q.eq(self.start_is_odd),
        ]
        m.d.comb += [
            is_trust_lost.eq(Mux(starts_q, ~(was_decided_q & self.start_is_whole), was_decided_q)),
            is_restarting.eq(starts_q & is_trust_lost),
            self.next_is_void.eq(is_trust_lost | self.do_stop),
            do_forget.eq(self.next_is_void | (self.next_is_coming & ~self.next_is_taken)),
        ]

        # A bit for each state: none is 1 while nothing is asked for, or what is asked for is being read. Three clocks
        # for the words to be looked at; a `Next` that was not taken may turn out to be void in the first of them.
        waits_q, looks_q, joins_q, checks_q = (
            Signal(name=name) for name in ("waits_q", "looks_q", "joins_q", "checks_q")
        )
        is_at_rest = ~(waits_q | looks_q | joins_q | checks_q)
        m.d.comb += self.is_stuck.eq(checks_q & ~self.place_is_whole)
        m.d.sync += [
            waits_q.eq(is_restarting | (is_at_rest & self.next_is_coming & ~self.next_is_taken & ~self.next_is_void)),
            looks_q.eq(waits_q & ~self.next_is_void),
            joins_q.eq(looks_q & ~self.do_stop),
            checks_q.eq((joins_q | (self.is_stuck & ~self.do_give_up)) & ~self.do_stop),
        ]
        with m.If(was_taken_q):
            begin(next_place_q, next_is_odd_q, next_first_place_q)
        with m.If(checks_q):
            m.d.comb += address.eq(first_place_q)
            with m.If(self.place_is_whole & ~self.do_stop):
                begin(self.place, is_odd_q, first_place_q)
        with m.If(is_restarting):
            m.d.sync += [self.place.eq(start_place_q), is_odd_q.eq(start_is_odd_q)]
        with m.If(do_forget):
            m.d.sync += [reads_header_q.eq(0), reads_handle_q.eq(0)]

        failed_q = Signal()
        header = Mux(self.is_x86 & out_step.is_odd, high, low)
        # Half by half, joined behind registers.
        wanted = Mux(self.is_x86, X86_HEADER, X64_HEADER)
        is_bad_q = Signal(2)
        m.d.comb += self.is_bad.eq(is_bad_q.any())
        m.d.comb += self.failed.eq(failed_q | ((out_step.kind == Kind.HANDLE) & out.failed))
        m.d.sync += [
            failed_q.eq(out.failed | (failed_q & (out_step.kind == Kind.HEADER))),
            is_bad_q.eq(Cat((header ^ wanted)[low : low + 16].any() for low in range(0, 32, 16))),
            self.handle.eq(handle_of(low, high, is_x86=self.is_x86, is_odd=out_step.is_odd)),
        ]
        return m
