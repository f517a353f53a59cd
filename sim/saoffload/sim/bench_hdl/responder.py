"""A host memory on AXI4 that misbehaves as its words say: the answers come late, mixed, wrong, or not at all."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, enum, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from saoffload.hdl.bus.axi4 import Axi4ReadSignature, Response

from .dice import BITS, Dice

WORD_BITS = 64
CLOCK_BITS = 16
RATE_BITS = 8
"""Stalls are so many of 256 clocks."""


class Timing(enum.Enum, shape=2):
    """When the beat of a word comes."""

    RIGHT = 0
    #: ``late_clocks`` after its turn; once per read.
    LATE = 1
    #: Once ``do_release`` is 1.
    NEVER = 2
    #: In its turn, after a beat with an ID under which nobody reads; once per read.
    ALIEN = 3


class Last(enum.Enum, shape=2):
    """Where RLAST stands."""

    RIGHT = 0
    #: On the beat of this word, which ends the read.
    EARLY = 1
    #: If this is the read's last word: on a further beat, once ``do_release`` is 1.
    MISSING = 2
    #: If this is the read's last word: on a further beat, at once.
    LATE = 3


#: One word of the memory and how it is answered.
FAULTY_WORD = data.StructLayout({"data": WORD_BITS, "response": Response, "last": Last, "timing": Timing})


class Responder(wiring.Component):
    """Answers reads of 8-byte beats from words that say what goes wrong with them.

    The reads of different IDs are answered in any order, and their beats mixed if ``does_mix``; those of one read in
    order. An ID has one read at a time: another one strobes ``is_doubled`` and is lost.

    Parameters
    ----------
    address_width, data_width, id_width : int
        Bits, as ``Axi4ReadSignature`` has them. Beats are 8 bytes wide whatever the bus; other lanes carry rubbish.
    size : int
        Bytes from bus address 0 on, a power of two. Beats outside answer DECERR.

    Members
    -------
    axi : ``In(Axi4ReadSignature)``
        RREADY is not looked at: for readers that take every beat.
    latency, spread : ``In(16)``
        Clocks from an address to its first beat at least, at least 1, and the mask of the random ones on top.
    late_clocks : ``In(16)``
    address_stall, beat_stall : ``In(8)``
        How often, of 256 clocks, no address is taken, and no beat given.
    does_mix : ``In(1)``
    seed, do_restart : ``In``
        See ``Dice``. A restart forgets all reads: for a reader in reset.
    do_release : ``In(1)``
        While it is 1 nothing is withheld, and what was comes.
    word_address, word : ``Out``, ``In(FAULTY_WORD)``
        Whoever keeps the words: the one of that number, in the same clock.
    is_held, held_id : ``Out``
        Strobe: the read of that ID will not go on in its turn.
    is_over, over_id : ``Out``
        Strobe: the read of that ID, which was held, has ended.
    is_alien : ``Out(1)``
        Strobe: a beat under an ID that nobody reads with.
    is_doubled : ``Out(1)``
    """

    def __init__(self, *, address_width: int, data_width: int, id_width: int, size: int):
        if size & (size - 1):
            raise ValueError(f"size must be a power of two, got {size}")
        self._size = size
        self._id_count = 2**id_width
        self._lanes = data_width // WORD_BITS
        super().__init__(
            {
                "axi": In(Axi4ReadSignature(address_width=address_width, data_width=data_width, id_width=id_width)),
                "latency": In(CLOCK_BITS),
                "spread": In(CLOCK_BITS),
                "late_clocks": In(CLOCK_BITS),
                "address_stall": In(RATE_BITS),
                "beat_stall": In(RATE_BITS),
                "does_mix": In(1),
                "seed": In(64),
                "do_restart": In(1),
                "do_release": In(1),
                "word_address": Out(range(size // (WORD_BITS // 8))),
                "word": In(FAULTY_WORD),
                "is_held": Out(1),
                "held_id": Out(id_width),
                "is_over": Out(1),
                "over_id": Out(id_width),
                "is_alien": Out(1),
                "is_doubled": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        axi, count = self.axi, self._id_count
        m.submodules.dice = dice = Dice()
        m.d.comb += [dice.seed.eq(self.seed), dice.do_restart.eq(self.do_restart)]
        word_bits = len(self.word_address)
        read_layout = data.StructLayout(
            {"word": unsigned(word_bits), "is_outside": unsigned(1), "last_beat": unsigned(8)}
        )
        m.submodules.reads = reads = Memory(shape=read_layout, depth=count, init=[])
        new, current = reads.write_port(), reads.read_port(domain="comb")

        clock = Signal(CLOCK_BITS)
        # Bit n is about the read of ID n.
        busy, due, waits, was_held, was_late, was_alien, is_extra = (
            Signal(count, name=name)
            for name in ("busy", "due", "waits", "was_held", "was_late", "was_alien", "is_extra")
        )
        due_at = Array(Signal(CLOCK_BITS, name=f"due_at_{number}") for number in range(count))
        beat = Array(Signal(8, name=f"beat_{number}") for number in range(count))
        m.d.sync += clock.eq(clock + 1)
        for number in range(count):
            with m.If(waits[number] & (due_at[number] == clock)):
                m.d.sync += [due[number].eq(1), waits[number].eq(0)]
        with m.If(self.do_release):
            m.d.sync += due.eq(busy & ~waits)

        # Addresses.
        do_take = Signal()
        m.d.comb += [
            axi.arready.eq(dice.bits[:RATE_BITS] >= self.address_stall),
            do_take.eq(axi.arvalid & axi.arready),
            self.is_doubled.eq(do_take & busy.bit_select(axi.arid, 1)),
            new.en.eq(do_take),
            new.addr.eq(axi.arid),
            new.data.word.eq(axi.araddr >> 3),
            new.data.is_outside.eq((axi.araddr >> (word_bits + 3)) != 0),
            new.data.last_beat.eq(axi.arlen),
        ]

        # Whose turn it is: the first in a circle that begins anywhere, or the one of before until its read has ended.
        turn, kept, start = Signal(axi.arid.shape()), Signal(axi.arid.shape()), Signal(axi.arid.shape())
        m.d.comb += [
            start.eq(dice.bits[RATE_BITS : RATE_BITS + len(start)]),
            turn.eq(kept),
        ]
        circle = Signal(2 * count)
        m.d.comb += circle.eq(Cat(due, due) >> start)
        with m.If(self.does_mix | ~due.bit_select(kept, 1)):
            for place in reversed(range(count)):
                with m.If(circle[place]):
                    m.d.comb += turn.eq(start + place)
        has_turn = Signal()
        stall = dice.bits[BITS - RATE_BITS :]
        m.d.comb += has_turn.eq((due != 0) & (stall >= self.beat_stall))
        m.d.sync += kept.eq(turn)

        # What becomes of it.
        word, place = self.word, Signal(8)
        is_final, gives, ends, holds = Signal(), Signal(), Signal(), Signal()
        is_free = Signal(count)
        spare = Signal(axi.arid.shape())
        m.d.comb += [
            current.addr.eq(turn),
            place.eq(beat[turn]),
            self.word_address.eq(current.data.word + place),
            is_final.eq(place == current.data.last_beat),
            is_free.eq(~busy),
            axi.rid.eq(turn),
            axi.rdata.eq(self._lanes_of(m, current.data.word + place)),
            axi.rresp.eq(Mux(current.data.is_outside, Response.DECERR, word.response)),
        ]
        for number in range(count):
            with m.If(is_free[number] & ~(axi.arvalid & (axi.arid == number))):
                m.d.comb += spare.eq(number)
        has_spare = (is_free & ~Mux(axi.arvalid, 1 << axi.arid, 0)).any()
        with m.If(has_turn):
            with m.If(is_extra.bit_select(turn, 1)):
                m.d.comb += [gives.eq(1), ends.eq(1), axi.rlast.eq(1), axi.rresp.eq(Response.OKAY)]
            with m.Elif((word.timing == Timing.ALIEN) & ~was_alien.bit_select(turn, 1) & has_spare):
                m.d.comb += [self.is_alien.eq(1), axi.rid.eq(spare), axi.rlast.eq(1)]
                m.d.sync += was_alien.bit_select(turn, 1).eq(1)
            with m.Elif((word.timing == Timing.LATE) & ~was_late.bit_select(turn, 1)):
                m.d.comb += holds.eq(1)
                m.d.sync += [
                    due_at[turn].eq(clock + self.late_clocks),
                    waits.bit_select(turn, 1).eq(1),
                    was_late.bit_select(turn, 1).eq(1),
                ]
            with m.Elif((word.timing == Timing.NEVER) & ~self.do_release):
                m.d.comb += holds.eq(1)
            with m.Else():
                m.d.comb += gives.eq(1)
                with m.If(word.last == Last.EARLY):
                    m.d.comb += [axi.rlast.eq(1), ends.eq(1)]
                with m.Elif(is_final & (word.last == Last.RIGHT)):
                    m.d.comb += [axi.rlast.eq(1), ends.eq(1)]
                with m.Elif(is_final):
                    m.d.sync += is_extra.bit_select(turn, 1).eq(1)
                    m.d.comb += holds.eq((word.last == Last.MISSING) & ~self.do_release)
                m.d.sync += beat[turn].eq(place + 1)
            with m.If(holds):
                m.d.sync += [due.bit_select(turn, 1).eq(0), was_held.bit_select(turn, 1).eq(1)]
            with m.If(ends):
                m.d.sync += [due.bit_select(turn, 1).eq(0), busy.bit_select(turn, 1).eq(0)]
        m.d.comb += [
            axi.rvalid.eq(gives | self.is_alien),
            self.is_held.eq(holds),
            self.held_id.eq(turn),
            self.is_over.eq(ends & was_held.bit_select(turn, 1)),
            self.over_id.eq(turn),
        ]

        # Behind the clearing above: an ID may read again in the clock after its last beat, not before.
        with m.If(do_take):
            m.d.sync += [
                busy.bit_select(axi.arid, 1).eq(1),
                beat[axi.arid].eq(0),
                due_at[axi.arid].eq(clock + self.latency + (dice.bits[16:32] & self.spread) - 1),
                waits.bit_select(axi.arid, 1).eq(1),
                *(bits.bit_select(axi.arid, 1).eq(0) for bits in (due, was_held, was_late, was_alien, is_extra)),
            ]
            # The shortest latency has no clock to wait in.
            with m.If(self.latency + (dice.bits[16:32] & self.spread) == 1):
                m.d.sync += [due.bit_select(axi.arid, 1).eq(1), waits.bit_select(axi.arid, 1).eq(0)]
        with m.If(self.do_restart):
            m.d.sync += [bits.eq(0) for bits in (busy, due, waits)]
        return m

    def _lanes_of(self, m: Module, number: Signal) -> Signal:
        """The word in its lane, and something else in the other."""
        lanes = Signal(WORD_BITS * self._lanes)
        m.d.comb += lanes.eq(
            Cat(*(self.word.data if self._lanes == 1 else ~self.word.data for _ in range(self._lanes)))
        )
        if self._lanes > 1:
            lane = Signal(range(self._lanes))
            m.d.comb += [lane.eq(number), lanes.word_select(lane, WORD_BITS).eq(self.word.data)]
        return lanes
