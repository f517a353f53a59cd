"""Both AXI4 read masters: the rules of the bus, and that every beat reaches who asked for it and nobody else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from amaranth.asserts import AnyConst
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from tests.formal.prover import Broken, Proof, Run, Spec, mutant
from tests.formal.sizes import LINES, MANY, SERIAL
from tests.unit.streams import Channel

from saoffload.hdl.bus.axi4 import BURST_INCR, Response
from saoffload.hdl.bus.burst_master import BurstMaster
from saoffload.hdl.bus.read_master import ReadMaster
from saoffload.hdl.config import EngineConfig

WORD_BYTES = 8
PAGE_BYTES = 4096

STANDS = "an address on offer stands until it is accepted"
ASKS = "what is offered is what was asked for, in whole words, and crosses no 4 KB"
ONE_READ = "an ID has one read outstanding at most"
WAITS_FOR_NOBODY = "an address is offered as soon as its ID is free, whoever is ready"
ALWAYS_READY = "beats are always taken"
DELIVERS = "a reader gets every beat of its read, nobody else's, and none after the final one or the abandon"
SAYS_TRUE = "a beat says its data, its number, whether it failed, and whether it is final"
KNOWS_BUSY = "an ID is busy from the clock after its offer to its RLAST"
KNOWS_UNKNOWN = "a beat without a read is dropped and told"
KNOWS_AWAITED = "who waits for a read is told of, a clock late"
KNOWS_LOST = "lost IDs are counted, a clock late"
COUNTS_LOST = "lost IDs are counted, once they have been the same for some clocks"
TELLS = "a beat is told of as it arrives"

SETTLES = 7
"""Clocks after which the master of many IDs has counted the lost ones."""


class Contract(Spec):
    """The memory may answer anything at any time. ``ids`` are watched: all there are, or any one."""

    def __init__(self, dut: Any, config: EngineConfig, *, watches_all: bool):
        super().__init__(dut)
        self._config = config
        self._watches_all = watches_all
        self._is_burst = type(dut).__name__ == BurstMaster.__name__

    def describe(self, m: Module) -> None:
        dut, axi, request = self.dut, self.dut.axi, self.dut.requests.payload
        byte_count = request.beat_count * WORD_BYTES
        self.assume_stream(m, dut.requests)
        self.assume(m, (request.beat_count >= 1) & (request.beat_count <= self._config.longest_read))
        self.assume(m, request.address[:3] == 0)
        self.assume(m, request.address[:12] + byte_count <= PAGE_BYTES)
        if self._is_burst:
            # Whoever asks looks first whether the ID is busy.
            begins = dut.requests.valid & ~self.before(m, dut.requests.valid & ~dut.requests.ready)
            self.assume(m, ~dut.busy_ids.bit_select(request.id, 1), given=begins)
            # That the ID is busy is told in the second clock after its offer.
            was_asked = self.before(m, dut.requests.valid) & (self.before(m, request.id) == request.id)
            self.assume(m, ~was_asked, given=begins)

        fields = Cat(axi.arid, axi.araddr, axi.arlen, axi.arsize, axi.arburst, axi.arlock, axi.arcache, axi.arprot)
        self.promise(m, STANDS, self.keeps(m, Channel(payload=fields, valid=axi.arvalid, ready=axi.arready)))
        self.promise(m, ALWAYS_READY, axi.rready)
        self.promise(m, ASKS, (axi.arid == request.id) & (axi.araddr == request.address), given=axi.arvalid)
        self.promise(m, ASKS, (axi.arlen + 1) * WORD_BYTES == byte_count, given=axi.arvalid)
        self.promise(m, ASKS, (axi.arsize == 3) & (axi.arburst == BURST_INCR), given=axi.arvalid)
        self.promise(m, ASKS, axi.araddr[:12] + (axi.arlen + 1) * WORD_BYTES <= PAGE_BYTES, given=axi.arvalid)
        self.promise(m, ASKS, dut.requests.ready == axi.arready, given=axi.arvalid)
        self.promise(m, ASKS, ~dut.requests.ready, given=~axi.arvalid & dut.requests.valid)

        if self._watches_all:
            watched = [self._watch(m, Const(number, len(axi.arid))) for number in range(2**self._config.id_width)]
            lost, awaited = zip(*watched, strict=True)
            self._lost(m, list(lost))
            self.promise(m, KNOWS_AWAITED, dut.is_awaited, given=self.before(m, axi.arvalid | Cat(*awaited).any()))
        else:
            self._watch(m, AnyConst(len(axi.arid)))

    def _watch(self, m: Module, watched: Value) -> tuple[Value, Value]:
        """What one ID owes to whom. Returns whether the ID is lost, and whether somebody reads."""
        dut, axi, request, beat = self.dut, self.dut.axi, self.dut.requests.payload, self.dut.beats.payload
        is_outstanding = Signal()
        has_reader = Signal()
        total = Signal.like(request.beat_count)
        given = Signal.like(request.beat_count)
        starts_upper = Signal()
        offer_is_abandoned = Signal()

        offers = axi.arvalid & (axi.arid == watched)
        answers = axi.rvalid & (axi.rid == watched)
        abandons = dut.abandons.valid & (dut.abandons.payload.id == watched)
        is_last = given + 1 == total
        # The master of many IDs hands a beat over, and tells of it, a clock later.
        handed_over = dut.beats.valid & (beat.id == watched)
        delivers = (answers & is_outstanding & has_reader) if self._is_burst else handed_over
        m.d.sync += offer_is_abandoned.eq(offers & ~axi.arready & (offer_is_abandoned | abandons))
        with m.If(delivers):
            m.d.sync += given.eq(given + 1)
        with m.If((delivers & (is_last | axi.rlast)) | abandons):
            m.d.sync += has_reader.eq(0)
        with m.If(answers & axi.rlast):
            m.d.sync += is_outstanding.eq(0)
        with m.If(offers & axi.arready):
            m.d.sync += [
                is_outstanding.eq(1),
                has_reader.eq(~(offer_is_abandoned | abandons)),
                total.eq(request.beat_count),
                given.eq(0),
                starts_upper.eq(axi.araddr[3]),
            ]

        self.promise(m, ONE_READ, ~is_outstanding, given=offers)
        self.promise(m, WAITS_FOR_NOBODY, offers == (dut.requests.valid & (request.id == watched) & ~is_outstanding))
        half = axi.rdata.word_select(starts_upper ^ given[0], 64) if self._config.data_width == 128 else axi.rdata
        has_failed = (axi.rresp != Response.OKAY) | (axi.rlast != is_last)
        if self._is_burst:
            was_delivered = self.before(m, delivers)
            self.promise(m, DELIVERS, handed_over == was_delivered)
            self.promise(m, SAYS_TRUE, beat.data == self.before(m, half), given=was_delivered)
            self.promise(m, SAYS_TRUE, beat.failed == self.before(m, has_failed), given=was_delivered)
            self.promise(m, SAYS_TRUE, beat.is_final == self.before(m, is_last | axi.rlast), given=was_delivered)
            self.promise(m, SAYS_TRUE, beat.number == self.before(m, given), given=was_delivered)
            unknown = self.before(m, answers & ~is_outstanding)
            self.promise(m, KNOWS_UNKNOWN, dut.unknown_beat == unknown, given=self.before(m, answers))
            self.promise(m, KNOWS_UNKNOWN, ~dut.unknown_beat, given=~self.before(m, axi.rvalid))
            self.promise(m, TELLS, dut.arrives == axi.rvalid)
            told = (dut.arriving_id == axi.rid) & (dut.arriving_is_last == axi.rlast)
            self.promise(m, TELLS, told, given=axi.rvalid)
        else:
            self.promise(m, DELIVERS, delivers == (answers & is_outstanding & has_reader))
            self.promise(m, SAYS_TRUE, beat.data == half, given=delivers)
            self.promise(m, SAYS_TRUE, beat.failed == has_failed, given=delivers)
            self.promise(m, SAYS_TRUE, beat.is_final == (is_last | axi.rlast), given=delivers)
            self.promise(m, KNOWS_UNKNOWN, dut.unknown_beat == ~is_outstanding, given=answers)
            self.promise(m, KNOWS_UNKNOWN, ~dut.unknown_beat, given=~axi.rvalid)
        was_on_offer = self.before(m, offers & ~axi.arready)
        is_busy = is_outstanding | was_on_offer
        if self._is_burst:
            is_busy &= self.before(m, is_busy)
        self.promise(m, KNOWS_BUSY, dut.busy_ids.bit_select(watched, 1) == is_busy)

        self.reach(m, "a read of the longest kind ends well", delivers & is_last & axi.rlast & (given == 2))
        self.reach(m, "an abandoned read is read to its end", answers & axi.rlast & is_outstanding & ~has_reader)
        self.reach(m, "an offer is abandoned and accepted", offers & axi.arready & offer_is_abandoned)
        self._tie(m, watched, is_outstanding, has_reader, total, given, starts_upper, offer_is_abandoned)
        self.lemma(m, "an offer that was abandoned is still there", offers, given=offer_is_abandoned)
        self.lemma(m, "who reads has a read", is_outstanding & (given < total), given=has_reader)
        self.lemma(m, "reads have words", (total != 0) & (total <= self._config.longest_read), given=is_outstanding)
        return (is_outstanding & ~has_reader) | offer_is_abandoned, has_reader

    def _tie(
        self,
        m: Module,
        watched: Value,
        is_outstanding: Signal,
        has_reader: Signal,
        total: Signal,
        given: Signal,
        starts_upper: Signal,
        offer_is_abandoned: Signal,
    ) -> None:
        """What the registers know of the ID."""
        axi = self.dut.axi
        told = self.inside("is_offer_abandoned_q")
        self.lemma(m, "the offer is known to be abandoned", told == offer_is_abandoned, given=axi.arid == watched)
        self.lemma(m, "only an offer is abandoned", axi.arvalid, given=told)
        if not self._is_burst:
            read = self.inside("reads_q").word_select(watched, 3)
            left = Mux(has_reader, total - given, 0)
            self.lemma(m, "the read is known", read[0] == is_outstanding)
            self.lemma(m, "its words are counted", read[1:] == left, given=is_outstanding)
            if self._config.data_width == 128:
                half = self.inside("is_upper_q").bit_select(watched, 1)
                self.lemma(m, "the half is known", half == (starts_upper ^ given[0]), given=has_reader)
            return
        # An acceptance is told to its ID a clock late, and so is the loss of a reader by a missing RLAST.
        was_accepted, was_abandoned = self.inside("was_accepted_q"), self.inside("was_abandoned_q")
        is_noted = was_accepted & (self.inside("accepted_q") == watched)
        arrived = self.inside("arrives_q") & (self.inside("id_q") == watched)
        loses = self.inside("loses_reader") & arrived
        has_lost = loses | (self.inside("lost_reader_q") & (self.inside("lost_id_q") == watched))

        def known(name: str, noted: Value | int) -> Value:
            return Value.cast(Mux(is_noted, noted, self.inside(name).bit_select(watched, 1)))

        is_fresh = known("is_fresh_q", 1)
        self.lemma(m, "the read is known", known("is_outstanding_q", 1) == is_outstanding)
        is_muted = known("is_muted_q", was_abandoned) | has_lost
        self.lemma(m, "its reader is known", is_muted == ~has_reader, given=is_outstanding)
        is_expected = known("is_expected_q", ~was_abandoned) & ~has_lost
        self.lemma(m, "beats are expected", is_expected == has_reader)
        # What is known of the words is written a clock after the beat.
        progress = self.word("numbers", "memory", address=watched)
        known_progress = Mux(arrived, Value.cast(self.inside("after")), progress)
        length = self.word("lengths", "memory", address=watched)
        self.lemma(m, "its words are counted", Mux(is_fresh, 0, known_progress[1:]) == given, given=has_reader)
        self.lemma(m, "the last is known", known_progress[0] == (given + 1 == total), given=has_reader & ~is_fresh)
        sizes = Cat(total == 1, total == 2, (total - 2)[: len(length) - 2])
        known_length = Mux(is_noted, Value.cast(self.inside("noted_length_q")), length)
        self.lemma(m, "its length is known", known_length == sizes, given=is_outstanding)
        if self._config.data_width == 128:
            half = self.word("halves", "memory", address=watched)
            self.lemma(m, "the half is known", half == starts_upper, given=is_outstanding)

    def _lost(self, m: Module, lost: list[Value]) -> None:
        count = Signal(range(len(lost) + 1))
        m.d.comb += count.eq(sum(lost))
        if self._is_burst:
            stood = Signal(range(SETTLES + 1))
            is_same = Cat(lost) == self.before(m, Cat(lost))
            with m.If(~is_same):
                m.d.sync += stood.eq(0)
            with m.Elif(stood != SETTLES):
                m.d.sync += stood.eq(stood + 1)
            self.promise(m, COUNTS_LOST, self.dut.lost_id_count == count, given=is_same & (stood == SETTLES))
        else:
            self.promise(m, KNOWS_LOST, self.dut.lost_id_count == self.before(m, count))
        self.reach(m, "all IDs are lost", self.dut.lost_id_count == len(lost))


WIDE = 128


def master(component: type, config: EngineConfig, old: str = "", new: str = "") -> Contract:
    """The contract around a read master, or around one of which a piece is replaced."""
    dut = (mutant(component, old, new) if old else component)(config)
    return Contract(dut, config, watches_all=config.id_width == 1)


def broken(name: str, component: type, breaks: str, old: str, new: str) -> Broken:
    config = SERIAL if component is ReadMaster else MANY
    return Broken(name=name, spec=lambda: master(component, config, old, new), breaks=breaks)


def proof(name: str, component: type, config: EngineConfig, *others: Broken, is_nightly: bool = True) -> Proof:
    return Proof(
        name=name,
        spec=lambda: master(component, config),
        depth=4 if component is ReadMaster else SETTLES + 2,
        reach_depth=12,
        broken_depth=12 if component is ReadMaster else 18,
        broken=others,
        is_nightly=is_nightly,
        rejects_nightly=component is ReadMaster,
    )


PROOFS = [
    proof(
        "read-master",
        ReadMaster,
        SERIAL,
        broken(
            "withdraws-an-offer",
            ReadMaster,
            STANDS,
            "axi.arvalid.eq(self.requests.valid",
            "axi.arvalid.eq(self.requests.valid & ~self.abandons.valid",
        ),
        broken("asks-for-more", ReadMaster, ASKS, "(request.beat_count - 1)[:2]", "request.beat_count"),
        broken(
            "two-of-one-id",
            ReadMaster,
            ONE_READ,
            "self.requests.valid & ~requested_read.is_outstanding",
            "self.requests.valid",
        ),
        broken(
            "waits-for-arready",
            ReadMaster,
            WAITS_FOR_NOBODY,
            "axi.arvalid.eq(self.requests.valid",
            "axi.arvalid.eq(axi.arready & self.requests.valid",
        ),
        broken("pauses-beats", ReadMaster, ALWAYS_READY, "axi.rready.eq(1)", "axi.rready.eq(~axi.arvalid)"),
        broken(
            "a-beat-hides-an-abandon",
            ReadMaster,
            DELIVERS,
            "with m.If(self.abandons.valid):",
            "with m.If(self.abandons.valid & ~self.beats.valid):",
        ),
        broken("trusts-rlast", ReadMaster, SAYS_TRUE, "axi.rlast != is_last_expected", "0"),
        broken("ends-at-rlast-only", ReadMaster, SAYS_TRUE, "axi.rlast | is_last_expected", "axi.rlast"),
        broken(
            "a-stray-rlast-frees",
            ReadMaster,
            KNOWS_BUSY,
            "with m.If(axi.arvalid):",
            "with m.If(axi.arvalid & ~(axi.rvalid & axi.rlast)):",
        ),
        broken("keeps-quiet", ReadMaster, KNOWS_UNKNOWN, "axi.rvalid & ~answered_read.is_outstanding", "Signal()"),
        broken("forgets-the-offer", ReadMaster, KNOWS_LOST, "sum(is_lost) + is_offer_abandoned_q", "sum(is_lost)"),
        is_nightly=False,
    ),
    proof("read-master-wide", ReadMaster, replace(SERIAL, data_width=WIDE)),
    proof(
        "burst-master",
        BurstMaster,
        MANY,
        broken(
            "forgets-who-was-just-accepted",
            BurstMaster,
            DELIVERS,
            "also=axi.rvalid & is_noted & ~was_abandoned_q",
            "also=Signal()",
        ),
        broken("says-nobody-waits", BurstMaster, KNOWS_AWAITED, "axi.arvalid | was_accepted_q |", "axi.arvalid |"),
        broken(
            "hands-over-what-comes-behind-the-last",
            BurstMaster,
            DELIVERS,
            "is_expected & ~(is_again_q & lost_reader_q)",
            "is_expected",
        ),
        broken(
            "hands-over-what-comes-two-behind-the-last",
            BurstMaster,
            DELIVERS,
            "lost_reader_q & (lost_id_q == axi.rid)",
            "Signal()",
        ),
        broken(
            "a-beat-hides-an-abandon",
            BurstMaster,
            DELIVERS,
            "with m.If(self.abandons.valid):",
            "with m.If(self.abandons.valid & ~axi.rvalid):",
        ),
        broken(
            "numbers-go-on",
            BurstMaster,
            SAYS_TRUE,
            "number.eq(Mux(is_fresh, 0, before.number))",
            "number.eq(before.number)",
        ),
        broken(
            "forgets-a-number-just-written",
            BurstMaster,
            SAYS_TRUE,
            "before.eq(Mux(is_again_q, after_q, before_q))",
            "before.eq(before_q)",
        ),
        broken(
            "forgets-the-offer-that-was-accepted",
            BurstMaster,
            COUNTS_LOST,
            "is_offer_abandoned_q | (was_accepted_q & was_abandoned_q)",
            "is_offer_abandoned_q",
        ),
        is_nightly=False,
    ),
    proof("burst-master-wide", BurstMaster, replace(MANY, data_width=WIDE)),
    proof("burst-master-lines", BurstMaster, LINES),
    proof("burst-master-lines-wide", BurstMaster, replace(LINES, data_width=WIDE)),
]


def test_read_masters(run: Run, tmp_path: Path) -> None:
    run(tmp_path)
