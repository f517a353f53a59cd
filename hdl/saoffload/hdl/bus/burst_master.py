"""Reads of host memory for a walker with many IDs: longer bursts, and little state per ID."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, ValueLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.lut_memory import LutMemory

from .axi4 import BURST_INCR, Axi4ReadSignature, Response

BYTES_PER_WORD = 8


class BurstMaster(wiring.Component):
    """Does what :class:`.ReadMaster` promises, clock by clock, and numbers the words of each read. One promise less: it
    does not make a request wait for its ID. Whoever asks looks at ``busy_ids`` first.

    What is kept of each ID as a number stands in memories, one writer each: the length of its read is written with its
    address, the words that came are counted with its beats. Single bits are registers. Whether a word is the last is
    found out a word before, so that it is known as it comes.

    On a bus of 128 bits every beat still carries one word, in the half that its address names. So no read reaches
    beyond what was asked for, and a window's edge needs no care.

    Parameters
    ----------
    config : :class:`EngineConfig`
        Widths of the bus, ``longest_read``, ARCACHE and ARPROT.

    Members
    -------
    requests, beats, abandons, busy_ids, lost_id_count, is_awaited, unknown_beat, axi
        As :class:`.ReadMaster` has them. ``beats.payload.number`` counts the words of a read from 0.

    A request passes to AXI in its own clock, and a beat to ``beats`` in its own clock: 0 clocks of latency each way,
    1 request and 1 beat per clock. An ID can be used again in the clock after its RLAST.
    """

    requests: stream.Interface
    beats: stream.Interface
    abandons: stream.Interface
    busy_ids: Signal
    lost_id_count: Signal
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
            lengths.do_write.eq(is_accepted),
            lengths.write_address.eq(request.id),
            lengths.write_data.is_single.eq(request.beat_count == 1),
            lengths.write_data.is_double.eq(request.beat_count == 2),
            lengths.write_data.before_last.eq(request.beat_count - 2),
        ]
        # An acceptance is noted in its clock, and told to its ID in the next: there the note is looked at, too.
        was_accepted_q, was_abandoned_q = Signal(), Signal()
        accepted_q = Signal.like(request.id)
        m.d.sync += [
            was_accepted_q.eq(is_accepted),
            was_abandoned_q.eq(is_offer_abandoned),
            accepted_q.eq(request.id),
        ]

        def of(bits: Signal, read_id: Value, noted: ValueLike) -> Value:
            return Value.cast(Mux(was_accepted_q & (accepted_q == read_id), noted, bits.bit_select(read_id, 1)))

        m.d.sync += is_offer_abandoned_q.eq(axi.arvalid & ~axi.arready & is_offer_abandoned)

        # Beats.
        number = Signal.like(beat.number)
        is_last_expected = Signal()
        is_fresh = of(is_fresh_q, axi.rid, 1)
        before, size = numbers.read_data[0], lengths.read_data[0]
        m.d.comb += [
            axi.rready.eq(1),
            lengths.read_addresses[0].eq(axi.rid),
            numbers.read_addresses[0].eq(axi.rid),
            number.eq(Mux(is_fresh, 0, before.number)),
            is_last_expected.eq(Mux(is_fresh, size.is_single, before.is_last)),
            self.beats.valid.eq(axi.rvalid & of(is_expected_q, axi.rid, ~was_abandoned_q)),
            beat.id.eq(axi.rid),
            beat.data.eq(self._add_word(m, number)),
            beat.number.eq(number),
            beat.failed.eq((axi.rresp != Response.OKAY) | (axi.rlast != is_last_expected)),
            beat.is_final.eq(axi.rlast | is_last_expected),
            self.unknown_beat.eq(axi.rvalid & ~of(is_outstanding_q, axi.rid, 1)),
            numbers.do_write.eq(axi.rvalid),
            numbers.write_address.eq(axi.rid),
            numbers.write_data.is_last.eq(Mux(is_fresh, size.is_double, before.number == size.before_last)),
            numbers.write_data.number.eq(number + 1),
        ]

        # What comes later prevails: a beat, an end, an abandon.
        with m.If(was_accepted_q):
            m.d.sync += [
                is_outstanding_q.bit_select(accepted_q, 1).eq(1),
                is_muted_q.bit_select(accepted_q, 1).eq(was_abandoned_q),
                is_expected_q.bit_select(accepted_q, 1).eq(~was_abandoned_q),
                is_fresh_q.bit_select(accepted_q, 1).eq(1),
            ]
        loses_reader = self.beats.valid & is_last_expected & ~axi.rlast
        with m.If(axi.rvalid):
            m.d.sync += is_fresh_q.bit_select(axi.rid, 1).eq(0)
        with m.If(loses_reader):
            m.d.sync += [is_muted_q.bit_select(axi.rid, 1).eq(1), is_expected_q.bit_select(axi.rid, 1).eq(0)]
        with m.If(axi.rvalid & axi.rlast):
            m.d.sync += [
                is_expected_q.bit_select(axi.rid, 1).eq(0),
                is_outstanding_q.bit_select(axi.rid, 1).eq(0),
                self.busy_ids.bit_select(axi.rid, 1).eq(0),
            ]
        with m.If(self.abandons.valid):
            abandoned = self.abandons.payload.id
            m.d.sync += [is_muted_q.bit_select(abandoned, 1).eq(1), is_expected_q.bit_select(abandoned, 1).eq(0)]
        # After the clearing above: a stray RLAST does not free an ID whose address is still on offer.
        with m.If(axi.arvalid):
            m.d.sync += self.busy_ids.bit_select(request.id, 1).eq(1)

        m.d.sync += self.is_awaited.eq(axi.arvalid | was_accepted_q | (is_outstanding_q & ~is_muted_q).any())
        # Of the IDs that are lost, what changes is counted. Of the read on offer: lost from its abandon until RLAST,
        # whether or not it is accepted meanwhile.
        abandoned = self.abandons.payload.id
        is_over = axi.rvalid & axi.rlast & of(is_outstanding_q, axi.rid, 1)
        was_lost = is_over & of(is_muted_q, axi.rid, was_abandoned_q)
        meets_beat = abandoned == axi.rid
        loses_by_abandon = (
            self.abandons.valid
            & of(is_outstanding_q, abandoned, 1)
            & ~of(is_muted_q, abandoned, was_abandoned_q)
            & ~(meets_beat & (is_over | loses_reader))
        )
        loses_offer = axi.arvalid & is_offer_abandoned & ~is_offer_abandoned_q
        events_q = Signal(4)
        m.d.sync += [
            events_q.eq(Cat(loses_reader, loses_by_abandon, loses_offer, was_lost)),
            self.lost_id_count.eq(self.lost_id_count + events_q[0] + events_q[1] + events_q[2] - events_q[3]),
        ]
        return m

    def _add_word(self, m: Module, number: Signal) -> Signal:
        """The half of the beat that holds the word."""
        axi = self.axi
        word = Signal(layouts.WORD_DATA_BITS)
        if self._config.data_width == layouts.WORD_DATA_BITS:
            m.d.comb += word.eq(axi.rdata)
            return word
        m.submodules.halves = halves = LutMemory(shape=1, depth=2**self._config.id_width)
        m.d.comb += [
            halves.do_write.eq(axi.arvalid & axi.arready),
            halves.write_address.eq(axi.arid),
            halves.write_data.eq(axi.araddr[3]),
            halves.read_addresses[0].eq(axi.rid),
            word.eq(axi.rdata.word_select(halves.read_data[0] ^ number[0], layouts.WORD_DATA_BITS)),
        ]
        return word
