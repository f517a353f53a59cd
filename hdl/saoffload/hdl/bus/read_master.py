"""Reads of host memory: requests go out on AXI4, beats come back, and nobody waits for ever."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig

from .axi4 import BURST_INCR, Axi4ReadSignature, Response


class ReadMaster(wiring.Component):
    """Reads what is asked, hands over every beat in the clock in which it comes, and says which beats to trust.

    Each request becomes one INCR burst of whole beats. Its beats arrive at ``beats`` in order, those of different
    IDs interleaved as the memory likes, until the one marked ``is_final``. After that one, nothing more of the request
    is delivered. A beat ``failed`` if its response is not OKAY, if RLAST came before the last beat asked for, or if
    the last beat asked for came without RLAST.

    An ID has at most one read outstanding, from the acceptance of its address to the beat with RLAST, whatever the
    requester heard in between: a request of an ID with a read outstanding waits, and ``ARVALID`` is 0 meanwhile. An ID
    that is outstanding or on offer without a reader is *lost*: its request was abandoned, or had its final beat without
    RLAST. It stays lost until RLAST, and its beats reach nobody.

    Parameters
    ----------
    config : :class:`EngineConfig`
        Widths of the bus, ARCACHE and ARPROT.

    Members
    -------
    requests : ``In(stream of layouts.read_request)``
        Bursts of 1 to 3 beats that do not cross 4 KB, at a multiple of the beat's bytes: the requester sees to that.
    beats : ``Out(stream of layouts.read_beat, always_ready=True)``
        The answers. Beats of the clock in which their ID is abandoned are still delivered.
    abandons : ``In(stream of layouts.abandoned_read, always_ready=True)``
        The requester no longer waits for this ID. A request on offer remains so, as AXI4 wants. An ID without a request
        loses nothing.
    busy_ids : ``Out(2**id_width)``
        Bit n is 1 from the clock after ARVALID rose for ID n to the clock of its RLAST.
    lost_id_count : ``Out``
        How many IDs are lost, one clock late.
    is_awaited : ``Out(1)``
        A read is on offer, or outstanding and not lost; one clock late.
    unknown_beat : ``Out(1)``
        Strobe: a beat of an ID with no read outstanding came and was dropped.
    axi : ``Out(Axi4ReadSignature)``
        RREADY is always 1.

    A request passes to AXI in its own clock, and a beat to ``beats`` in its own clock: 0 clocks of latency each way,
    1 request and 1 beat per clock. An ID can be used again in the clock after its RLAST.

    On a bus of 128 bits every beat still carries one word, in the half that its address names. So no read reaches
    beyond what was asked for, and a window's edge needs no care.

    A memory that sends RLAST early and then goes on cannot be told from one that answers the next read of that ID:
    requesters rotate their IDs to keep the two apart.
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
        m = Module()
        axi, request, beat = self.axi, self.requests.payload, self.beats.payload
        id_count = 2**self._config.id_width

        # What is known of the read of each ID. `remaining_count` counts the beats still to deliver, so that an ID that
        # is outstanding with none remaining is lost, whichever way it came to that.
        read_layout = data.StructLayout({"is_outstanding": 1, "remaining_count": unsigned(2)})
        reads_q = Signal(data.ArrayLayout(read_layout, id_count))
        is_offer_abandoned_q = Signal()

        # Addresses. A waiting request holds still, as a stream must, and that is AXI's rule too.
        requested_read = reads_q[request.id]
        is_accepted = Signal()
        is_offer_abandoned = Signal()
        m.d.comb += [
            axi.arid.eq(request.id),
            axi.araddr.eq(request.address),
            axi.arlen.eq((request.beat_count - 1)[:2]),
            axi.arsize.eq((layouts.WORD_DATA_BITS // 8).bit_length() - 1),
            axi.arburst.eq(BURST_INCR),
            axi.arcache.eq(self._config.arcache),
            axi.arprot.eq(self._config.arprot),
            axi.arvalid.eq(self.requests.valid & ~requested_read.is_outstanding),
            self.requests.ready.eq(axi.arready & ~requested_read.is_outstanding),
            is_accepted.eq(axi.arvalid & axi.arready),
            is_offer_abandoned.eq(
                is_offer_abandoned_q | (self.abandons.valid & (self.abandons.payload.id == request.id))
            ),
        ]
        m.d.sync += is_offer_abandoned_q.eq(axi.arvalid & ~axi.arready & is_offer_abandoned)

        # Beats.
        answered_read = reads_q[axi.rid]
        is_last_expected = Signal()
        m.d.comb += [
            axi.rready.eq(1),
            is_last_expected.eq(answered_read.remaining_count == 1),
            self.beats.valid.eq(axi.rvalid & answered_read.is_outstanding & answered_read.remaining_count.any()),
            beat.id.eq(axi.rid),
            beat.data.eq(self._add_word(m)),
            beat.failed.eq((axi.rresp != Response.OKAY) | (axi.rlast != is_last_expected)),
            beat.is_final.eq(axi.rlast | is_last_expected),
            self.unknown_beat.eq(axi.rvalid & ~answered_read.is_outstanding),
        ]

        # An acceptance and a beat of one ID never meet: the ID is free at the one, outstanding at the other. An abandon
        # may meet either, and prevails.
        with m.If(self.beats.valid):
            m.d.sync += answered_read.remaining_count.eq(answered_read.remaining_count - 1)
        with m.If(axi.rvalid & axi.rlast):
            m.d.sync += [answered_read.is_outstanding.eq(0), self.busy_ids.bit_select(axi.rid, 1).eq(0)]
        with m.If(self.abandons.valid):
            m.d.sync += reads_q[self.abandons.payload.id].remaining_count.eq(0)
        with m.If(is_accepted):
            m.d.sync += [
                requested_read.is_outstanding.eq(1),
                requested_read.remaining_count.eq(Mux(is_offer_abandoned, 0, request.beat_count)),
            ]

        # After the clearing above: a stray RLAST does not free an ID whose address is still on offer.
        with m.If(axi.arvalid):
            m.d.sync += self.busy_ids.bit_select(request.id, 1).eq(1)

        is_awaited = Cat(read.is_outstanding & read.remaining_count.any() for read in reads_q).any()
        m.d.sync += self.is_awaited.eq(axi.arvalid | is_awaited)
        is_lost = [read.is_outstanding & ~read.remaining_count.any() for read in reads_q]
        m.d.sync += self.lost_id_count.eq(sum(is_lost) + is_offer_abandoned_q)
        return m

    def _add_word(self, m: Module) -> Value:
        """The half of the beat that holds the word: the next word of the read is in the other one."""
        axi = self.axi
        if self._config.data_width == layouts.WORD_DATA_BITS:
            return axi.rdata
        is_upper_q = Signal(2**self._config.id_width)
        is_upper = is_upper_q.bit_select(axi.rid, 1)
        with m.If(self.beats.valid):
            m.d.sync += is_upper.eq(~is_upper)
        with m.If(axi.arvalid & axi.arready):
            m.d.sync += is_upper_q.bit_select(axi.arid, 1).eq(axi.araddr[3])
        return axi.rdata.word_select(is_upper, layouts.WORD_DATA_BITS)
