"""Reads of host memory for a walker with many IDs: longer bursts, and little state per ID."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.lut_memory import LutMemory

from .axi4 import BURST_INCR, Axi4ReadSignature, Response

BYTES_PER_WORD = 8
GROUP_BITS = 4
"""Of an ID: one bit of a group of that many is looked up in a clock."""


class BurstMaster(wiring.Component):
    """Does what :class:`.ReadMaster` promises, a clock later, and numbers the words of each read. One promise less: it
    does not make a request wait for its ID. Whoever asks looks at ``busy_ids`` first.

    What is kept of each ID as a number stands in memories, one writer each: the length of its read is written with its
    address, the words that came are counted with its beats. Single bits are registers. All that is looked up by the ID
    of a beat as it comes; what the beat is follows a clock later. That it comes is told at once. Whether a word is the
    last is found out a word before.

    On a bus of 128 bits every beat still carries one word, in the half that its address names. So no read reaches
    beyond what was asked for, and a window's edge needs no care.

    Parameters
    ----------
    config : :class:`EngineConfig`
        Widths of the bus, ``longest_read``, ARCACHE and ARPROT.

    Members
    -------
    requests, beats, abandons, busy_ids, lost_id_count, is_awaited, unknown_beat, axi
        As :class:`.ReadMaster` has them. ``beats.payload.number`` counts the words of a read from 0. ``beats`` and
        ``unknown_beat`` come a clock after the beat, ``lost_id_count`` is four clocks late. An ID is busy from the
        second clock after its offer.
    arrives, arriving_id, arriving_is_last, arriving_data : Out
        A beat comes, for whomever: RVALID, RID, RLAST and RDATA.

    A request passes to AXI in its own clock, and a beat to ``beats`` in the next: 0 and 1 clocks of latency, 1 request
    and 1 beat per clock. An ID can be used again in the clock after its RLAST.
    """

    requests: stream.Interface
    beats: stream.Interface
    abandons: stream.Interface
    busy_ids: Signal
    lost_id_count: Signal
    arrives: Signal
    arriving_id: Signal
    arriving_is_last: Signal
    arriving_data: Signal
    is_awaited: Signal
    unknown_beat: Signal

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "requests": In(stream.Signature(layouts.read_request(config))),
                "beats": Out(stream.Signature(layouts.read_beat(config), always_ready=True)),
                "abandons": In(stream.Signature(layouts.abandoned_read(config), always_ready=True)),
                "busy_ids": Out(2**config.id_width),
                "lost_id_count": Out(range(2**config.id_width + 1)),
                "is_awaited": Out(1),
                "unknown_beat": Out(1),
                "arrives": Out(1),
                "arriving_id": Out(config.id_width),
                "arriving_is_last": Out(1),
                "arriving_data": Out(config.data_width),
                "axi": Out(
                    Axi4ReadSignature(
                        address_width=config.address_width, data_width=config.data_width, id_width=config.id_width
                    )
                ),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        config = self._config
        m = Module()
        axi, request, beat = self.axi, self.requests.payload, self.beats.payload
        id_count = 2**config.id_width
        # Of a read: whether it has one word, whether it has two, and the number of the word before its last.
        length = data.StructLayout({"is_single": 1, "is_double": 1, "before_last": len(beat.number)})
        progress = data.StructLayout({"is_last": 1, "number": len(beat.number)})
        m.submodules.lengths = lengths = LutMemory(shape=length, depth=id_count)
        m.submodules.numbers = numbers = LutMemory(shape=progress, depth=id_count)

        # Of each ID: its address was accepted and RLAST has not come; nobody waits for more of it, or somebody does; no
        # beat has come.
        is_outstanding_q = Signal(id_count)
        is_muted_q = Signal(id_count)
        is_expected_q = Signal(id_count)
        is_fresh_q = Signal(id_count)
        is_offer_abandoned_q = Signal()

        was_offered_q, was_accepted_q, was_abandoned_q = (
            Signal(name=name) for name in ("was_offered_q", "was_accepted_q", "was_abandoned_q")
        )
        accepted_q = Signal.like(request.id)
        noted_length_q = Signal(length)

        # Addresses. A waiting request holds still, as a stream must, and that is AXI's rule too.
        is_accepted = Signal()
        is_offer_abandoned = Signal()
        m.d.comb += [
            axi.arid.eq(request.id),
            axi.araddr.eq(request.address),
            axi.arlen.eq((request.beat_count - 1)[: len(request.beat_count)]),
            axi.arsize.eq((BYTES_PER_WORD).bit_length() - 1),
            axi.arburst.eq(BURST_INCR),
            axi.arcache.eq(config.arcache),
            axi.arprot.eq(config.arprot),
            axi.arvalid.eq(self.requests.valid),
            self.requests.ready.eq(axi.arready),
            is_accepted.eq(axi.arvalid & axi.arready),
            is_offer_abandoned.eq(
                is_offer_abandoned_q | (self.abandons.valid & (self.abandons.payload.id == request.id))
            ),
            lengths.do_write.eq(was_offered_q),
            lengths.write_address.eq(accepted_q),
            lengths.write_data.eq(noted_length_q),
        ]
        # An offer and its acceptance are noted in their clock, and told to their ID in the next: there the note is
        # looked at, too.
        m.d.sync += [
            was_offered_q.eq(axi.arvalid),
            was_accepted_q.eq(is_accepted),
            was_abandoned_q.eq(is_offer_abandoned),
            accepted_q.eq(request.id),
            noted_length_q.is_single.eq(request.beat_count == 1),
            noted_length_q.is_double.eq(request.beat_count == 2),
            noted_length_q.before_last.eq(request.beat_count - 2),
        ]

        m.d.sync += is_offer_abandoned_q.eq(axi.arvalid & ~axi.arready & is_offer_abandoned)

        # Beats, as they come: what is known of their IDs is looked up.
        arrives_q, is_last_q, is_error_q = (Signal(name=name) for name in ("arrives_q", "is_last_q", "is_error_q"))
        data_q = Signal.like(axi.rdata)
        id_q = Signal.like(axi.rid)
        is_again_q, lost_reader_q = (Signal(name=name) for name in ("is_again_q", "lost_reader_q"))
        lost_id_q = Signal.like(axi.rid)
        before_q = Signal(progress)
        size_q = Signal(length)
        m.d.comb += [
            axi.rready.eq(1),
            self.arrives.eq(axi.rvalid),
            self.arriving_id.eq(axi.rid),
            self.arriving_is_last.eq(axi.rlast),
            self.arriving_data.eq(axi.rdata),
            lengths.read_addresses[0].eq(axi.rid),
            numbers.read_addresses[0].eq(axi.rid),
        ]
        is_meant = accepted_q == axi.rid
        is_noted = was_accepted_q & is_meant
        m.d.sync += [
            arrives_q.eq(axi.rvalid),
            is_last_q.eq(axi.rlast),
            is_error_q.eq(axi.rresp != Response.OKAY),
            data_q.eq(axi.rdata),
            id_q.eq(axi.rid),
            is_again_q.eq(arrives_q & (id_q == axi.rid)),
            before_q.eq(numbers.read_data[0]),
            size_q.eq(Mux(is_noted, noted_length_q, lengths.read_data[0])),
        ]
        has_lost = lost_reader_q & (lost_id_q == axi.rid)
        is_expected = _looked_up(
            m,
            "was_expected_q",
            is_expected_q,
            axi.rid,
            unless=~axi.rvalid | is_noted | has_lost,
            also=axi.rvalid & is_noted & ~was_abandoned_q,
        )
        is_fresh = _looked_up(m, "was_fresh_q", is_fresh_q, axi.rid, also=is_noted)
        is_known = _looked_up(m, "was_outstanding_q", is_outstanding_q, axi.rid, also=is_noted)

        # A clock later: what the beat is. The memory does not know of a beat just before it.
        number = Signal.like(beat.number)
        is_last_expected, loses_reader = (Signal(name=name) for name in ("is_last_expected", "loses_reader"))
        before, after, after_q = (Signal(progress, name=name) for name in ("before", "after", "after_q"))
        m.d.comb += [
            before.eq(Mux(is_again_q, after_q, before_q)),
            number.eq(Mux(is_fresh, 0, before.number)),
            is_last_expected.eq(Mux(is_fresh, size_q.is_single, before.is_last)),
            self.beats.valid.eq(is_expected & ~(is_again_q & lost_reader_q)),
            beat.id.eq(id_q),
            beat.data.eq(self._add_word(m, number, data_q, id_q)),
            beat.number.eq(number),
            beat.failed.eq(is_error_q | (is_last_q != is_last_expected)),
            beat.is_final.eq(is_last_q | is_last_expected),
            self.unknown_beat.eq(arrives_q & ~is_known),
            loses_reader.eq(self.beats.valid & is_last_expected & ~is_last_q),
            numbers.do_write.eq(arrives_q),
            numbers.write_address.eq(id_q),
            numbers.write_data.eq(after),
            after.is_last.eq(Mux(is_fresh, size_q.is_double, before.number == size_q.before_last)),
            after.number.eq(number + 1),
        ]
        m.d.sync += [lost_reader_q.eq(loses_reader), lost_id_q.eq(id_q), after_q.eq(after)]

        # What comes later prevails: a beat, an end, an abandon.
        with m.If(was_offered_q):
            m.d.sync += self.busy_ids.bit_select(accepted_q, 1).eq(1)
        with m.If(was_accepted_q):
            m.d.sync += [
                is_outstanding_q.bit_select(accepted_q, 1).eq(1),
                is_muted_q.bit_select(accepted_q, 1).eq(was_abandoned_q),
                is_expected_q.bit_select(accepted_q, 1).eq(~was_abandoned_q),
                is_fresh_q.bit_select(accepted_q, 1).eq(1),
            ]
        with m.If(axi.rvalid):
            m.d.sync += is_fresh_q.bit_select(axi.rid, 1).eq(0)
        with m.If(lost_reader_q):
            m.d.sync += [is_muted_q.bit_select(lost_id_q, 1).eq(1), is_expected_q.bit_select(lost_id_q, 1).eq(0)]
        with m.If(axi.rvalid & axi.rlast):
            m.d.sync += [
                is_expected_q.bit_select(axi.rid, 1).eq(0),
                is_outstanding_q.bit_select(axi.rid, 1).eq(0),
            ]
            # A stray RLAST does not free an ID whose address is still on offer.
            with m.If(~(was_offered_q & ~was_accepted_q & is_meant)):
                m.d.sync += self.busy_ids.bit_select(axi.rid, 1).eq(0)
        with m.If(self.abandons.valid):
            abandoned = self.abandons.payload.id
            m.d.sync += [is_muted_q.bit_select(abandoned, 1).eq(1), is_expected_q.bit_select(abandoned, 1).eq(0)]
        m.d.sync += self.is_awaited.eq(axi.arvalid | was_accepted_q | (is_outstanding_q & ~is_muted_q).any())
        # Lost IDs, summed up in three clocks. The read on offer counts, too: it is noted last of all.
        lost_q = Signal(id_count + 1)
        m.d.sync += lost_q.eq(
            Cat(is_outstanding_q & is_muted_q, is_offer_abandoned_q | (was_accepted_q & was_abandoned_q))
        )
        self._add_count(m, lost_q)
        return m

    def _add_count(self, m: Module, lost_q: Signal) -> None:
        """How many bits are 1: of four, of sixteen, of all."""
        few = [sum(lost_q[low : min(low + 4, len(lost_q))]) for low in range(0, len(lost_q), 4)]
        few_q = [Signal(range(5), name=f"few_{number}_q") for number in range(len(few))]
        m.d.sync += [count_q.eq(count) for count_q, count in zip(few_q, few, strict=True)]
        more = [sum(few_q[low : low + 4]) for low in range(0, len(few_q), 4)]
        more_q = [Signal(range(17), name=f"more_{number}_q") for number in range(len(more))]
        m.d.sync += [count_q.eq(count) for count_q, count in zip(more_q, more, strict=True)]
        m.d.sync += self.lost_id_count.eq(sum(more_q))

    def _add_word(self, m: Module, number: Value, data_q: Value, id_q: Value) -> Value:
        """The half of the beat that holds the word."""
        axi = self.axi
        if self._config.data_width == layouts.WORD_DATA_BITS:
            return data_q
        m.submodules.halves = halves = LutMemory(shape=1, depth=2**self._config.id_width)
        m.d.comb += [
            halves.do_write.eq(axi.arvalid & axi.arready),
            halves.write_address.eq(axi.arid),
            halves.write_data.eq(axi.araddr[3]),
            halves.read_addresses[0].eq(id_q),
        ]
        return Value.cast(data_q.word_select(halves.read_data[0] ^ number[0], layouts.WORD_DATA_BITS))


def _looked_up(m: Module, name: str, bits: Value, index: Value, *, also: Value, unless: Value | None = None) -> Value:
    """A bit of the clock before: one of each group is looked up before the registers, and they are joined behind them.
    It is 1 in any case if ``also`` was, else 0 if ``unless`` was.
    """
    group_bits = min(GROUP_BITS, len(index))
    size = 1 << group_bits
    found = []
    # One bit each instead of multiplexers: four levels of tables, what else is asked included, instead of five.
    is_index = Cat(index[:group_bits] == number for number in range(size))
    for number in range(len(bits) // size):
        bit = (bits[number * size : (number + 1) * size] & is_index).any()
        is_meant = index[group_bits:] == number
        is_left = is_meant if unless is None else is_meant & ~unless
        found.append((bit & is_left) | also if number == 0 else bit & is_left)
    found_q = Signal(len(found), name=name)
    m.d.sync += found_q.eq(Cat(found))
    return found_q.any()
