"""The walker that everybody would write first: what ours is compared with."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.bus.axi4 import BURST_INCR, Axi4ReadSignature, Response

ADDRESS_WIDTH = 64
NODE_WORDS = 3
WORD_BYTES = 8
PAGE_BITS = 12
HEADER = 0x0018_0180


class SerialWalker(wiring.Component):
    """Follows one list of x64 nodes: asks for a node, waits for its beats, looks at them, asks for the next.

    A plain state machine, without windows, loop detection or deletes. It stops at NULL, at a wrong header and at a
    beat that failed.

    Parameters
    ----------
    data_width : int
        64 or 128.

    Members
    -------
    axi : ``Out(Axi4ReadSignature)``
        One read at a time, with ID 0. List addresses are bus addresses.
    head : ``In(64)``
    do_start : ``In(1)``
        Strobe: walk the list at ``head``. Only while no list is walked.
    is_done : ``Out(1)``
        Strobe: the walk has ended.
    has_failed : ``Out(1)``
        The latest walk ended with something else than NULL.
    visited_count : ``Out(32)``
        Nodes visited by all walks.

    At L clocks from an address to its first beat a node takes L + 4 clocks at 64 bits and L + 3 at 128; a node across
    4 KB takes L more. The last node's end shows 1 clock later, and so does an empty list's.

    Raises ``ValueError`` for another width.
    """

    axi: wiring.PureInterface
    head: Signal
    do_start: Signal
    is_done: Signal
    has_failed: Signal
    visited_count: Signal

    def __init__(self, *, data_width: int):
        if data_width not in (64, 128):
            raise ValueError(f"data_width must be 64 or 128, got {data_width}")
        self._lanes = data_width // 64
        super().__init__(
            {
                "axi": Out(Axi4ReadSignature(address_width=ADDRESS_WIDTH, data_width=data_width, id_width=1)),
                "head": In(ADDRESS_WIDTH),
                "do_start": In(1),
                "is_done": Out(1),
                "has_failed": Out(1),
                "visited_count": Out(32),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        axi, lanes = self.axi, self._lanes
        beat_bits = (WORD_BYTES * lanes).bit_length() - 1
        address_q = Signal(ADDRESS_WIDTH)
        words_q = [Signal(64, name=f"word_{number}_q") for number in range(NODE_WORDS)]
        beat_q = Signal(2)
        has_beat_failed_q = Signal()

        # Beats of the node, and how many of them lie before 4 KB.
        first_lane = Signal(range(max(lanes, 2)))
        beat_count = Signal(2)
        beats_to_page_end = Signal(PAGE_BITS)
        m.d.comb += [
            first_lane.eq(address_q[3:beat_bits]),
            beat_count.eq(-(-NODE_WORDS // lanes)),
            beats_to_page_end.eq((1 << PAGE_BITS - beat_bits) - address_q[beat_bits:PAGE_BITS]),
        ]
        is_second = beat_q != 0
        is_split = beats_to_page_end < beat_count
        first_count = Mux(is_split, beats_to_page_end, beat_count)
        first_address = Cat(Const(0, beat_bits), address_q[beat_bits:])
        next_page = Cat(Const(0, PAGE_BITS), address_q[PAGE_BITS:] + 1)
        m.d.comb += [
            axi.araddr.eq(Mux(is_second, next_page, first_address)),
            axi.arlen.eq(Mux(is_second, beat_count - beat_q, first_count) - 1),
            axi.arsize.eq(beat_bits),
            axi.arburst.eq(BURST_INCR),
            axi.rready.eq(1),
        ]

        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [address_q.eq(self.head), has_beat_failed_q.eq(0), beat_q.eq(0)]
                with m.If(self.do_start):
                    m.d.sync += self.has_failed.eq(0)
                    m.next = "END"
                    with m.If(self.head != 0):
                        m.next = "ASK"

            with m.State("ASK"):
                m.d.comb += axi.arvalid.eq(1)
                with m.If(axi.arready):
                    m.next = "RECEIVE"

            with m.State("RECEIVE"):
                with m.If(axi.rvalid):
                    m.d.sync += [
                        beat_q.eq(beat_q + 1),
                        has_beat_failed_q.eq(has_beat_failed_q | (axi.rresp != Response.OKAY)),
                    ]
                    for number, word_q in enumerate(words_q):
                        for lane in range(lanes):
                            place = number + lane
                            with m.If((first_lane == lane) & (beat_q == place // lanes)):
                                m.d.sync += word_q.eq(axi.rdata.word_select(place % lanes, 64))
                    with m.If(axi.rlast):
                        m.next = "LOOK"
                        with m.If(beat_q + 1 != beat_count):
                            m.next = "ASK"

            with m.State("LOOK"):
                m.d.sync += [address_q.eq(words_q[1]), beat_q.eq(0)]
                m.next = "ASK"
                with m.If(has_beat_failed_q | (words_q[0][:32] != HEADER)):
                    m.d.sync += self.has_failed.eq(1)
                    m.next = "END"
                with m.Else():
                    m.d.sync += self.visited_count.eq(self.visited_count + 1)
                    with m.If(words_q[1] == 0):
                        m.next = "END"

            with m.State("END"):
                m.d.comb += self.is_done.eq(1)
                m.next = "IDLE"
        return m
