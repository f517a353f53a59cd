"""The read master with a memory that interleaves, stalls and lies, and the model that follows every clock."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from amaranth.hdl import Cat
from amaranth.lib import data
from tests.unit.streams import (
    Channel,
    Monitor,
    Probe,
    Stalls,
    send,
    simulate,
)

from saoffload.hdl.bus.choice import read_master
from saoffload.hdl.config import preset

CONFIG = replace(preset("small"), contexts=1, line_buffers=0)
ID_COUNT = 2**CONFIG.id_width
LOST_SETTLES = 7
"""Clocks after which many IDs' master has counted what is lost."""
OKAY, EXOKAY, SLVERR, DECERR = range(4)


@dataclass(frozen=True)
class RBeat:
    """One beat as the memory sends it."""

    data: int
    resp: int = OKAY
    is_last: bool = False


def honest(address: int, beat_count: int) -> list[RBeat]:
    """What a memory answers that does everything right: each beat holds its own address, scrambled."""
    return [RBeat(contents(address + 8 * n), is_last=n == beat_count - 1) for n in range(beat_count)]


def contents(address: int) -> int:
    return (address * 0x9E3779B97F4A7C15 + 1) % 2**64


Answer = Callable[[int, int], list[RBeat]]


class Bed:
    """A read master, its AXI channels as streams, a record of every clock, and the model that must agree with it."""

    def __init__(self, config: Any):
        self.config = config
        self.dut = dut = read_master(config)
        #: Clocks from a beat to its delivery, and to when it is told that nobody had asked for it.
        self.delay = 0 if config.is_serial else 1
        #: Of the last request.
        self.last_id: int | None = None
        axi = dut.axi
        r_layout = data.StructLayout({"id": config.id_width, "data": config.data_width, "resp": 2, "last": 1})
        self.ar = Channel(payload=Cat(axi.arid, axi.araddr, axi.arlen), valid=axi.arvalid, ready=axi.arready)
        self.r = Channel(
            payload=data.View(r_layout, Cat(axi.rid, axi.rdata, axi.rresp, axi.rlast)),
            valid=axi.rvalid,
            ready=axi.rready,
        )
        self.addresses = Monitor(self.ar, "AR")
        self.requests = Monitor(dut.requests, "requests")
        self.answers = Monitor(self.r, "R")
        self.beats = Monitor(dut.beats, "beats")
        self.abandons = Monitor(dut.abandons, "abandons")
        self.busy = Probe(dut.busy_ids)
        self.lost = Probe(dut.lost_id_count)
        self.unknown = Probe(dut.unknown_beat)
        self.offered = Probe(Cat(axi.arvalid, axi.arid))
        self.rready = Probe(axi.rready)

    def run(self, *benches: Any, **settings: Any) -> None:
        """Simulates and compares every clock with the model."""
        monitors = [self.addresses, self.requests, self.answers, self.beats, self.abandons]
        probes = [self.busy, self.lost, self.unknown, self.offered, self.rready]
        simulate(self.dut, *benches, monitors=[*monitors, *probes], **settings)
        assert all(self.rready.values), "RREADY fell"
        self.compare_with_model()

    async def request(self, ctx: Any, id_: int, address: int, beat_count: int, stalls: Stalls | None = None) -> None:
        """Where requests do not wait for their IDs, whoever asks does."""
        if not self.config.is_serial and self.last_id == id_:
            # That it is busy is told a clock later.
            await ctx.tick()
        self.last_id = id_
        while not self.config.is_serial and ctx.get(self.dut.busy_ids) >> id_ & 1:
            await ctx.tick()
        await send(ctx, self.dut.requests, asked(id_, address, beat_count), stalls=stalls)

    async def abandon(self, ctx: Any, id_: int) -> None:
        await send(ctx, self.dut.abandons, {"id": id_})

    async def answer(self, ctx: Any, id_: int, beat: RBeat, stalls: Stalls | None = None) -> None:
        # On a wide bus in both halves: which one is looked at is a test of its own.
        word = beat.data * (1 | 1 << 64) if self.config.data_width == 128 else beat.data
        payload = {"id": id_, "data": word, "resp": beat.resp, "last": beat.is_last}
        await send(ctx, self.r, payload, stalls=stalls)

    def compare_with_model(self) -> None:
        assert [(clock, a["id"], a["address"], a["beat_count"] - 1) for clock, a in self.requests.transfers] == [
            (clock, *self.unpack(address)) for clock, address in self.addresses.transfers
        ], "AR is not what was asked, in the same clock"
        accepted = dict(self.requests.transfers)
        answered = dict(self.answers.transfers)
        abandoned = dict(self.abandons.transfers)
        numbers = {clock: beat.pop("number") for clock, beat in self.beats.transfers}
        delivered = dict(self.beats.transfers)
        model = Model(is_wide=self.config.data_width == 128)
        lost: list[set[int]] = [set()]
        was_busy: set[int] = set()
        for clock in range(len(self.unknown.values) - self.delay):
            unknown = self.unknown.values[clock + self.delay]
            busy = {id_ for id_ in range(2**self.config.id_width) if self.busy.values[clock] >> id_ & 1}
            # Many IDs' master tells of an offer a clock later.
            known_busy = model.busy if self.config.is_serial else model.busy & was_busy
            assert busy == known_busy, f"clock {clock}: busy_ids"
            was_busy = model.busy
            is_settled = self.config.is_serial or all(ids == lost[-1] for ids in lost[-LOST_SETTLES:])
            assert not is_settled or self.lost.values[clock] == len(lost[-1]), f"clock {clock}: lost_id_count"
            lost.append(model.lost)
            offered = self.offered.values[clock]
            expected_beat, expected_unknown = model.step(
                offered=offered >> 1 if offered & 1 else None,
                accepted=accepted.get(clock),
                abandoned=abandoned.get(clock),
                answered=answered.get(clock),
            )
            assert delivered.get(clock + self.delay) == expected_beat, f"clock {clock}: beats"
            if expected_beat and not self.config.is_serial:
                assert numbers[clock + self.delay] == model.number, f"clock {clock}: number"
            assert unknown == expected_unknown, f"clock {clock}: unknown_beat"

    def unpack(self, address: int) -> tuple[int, int, int]:
        width = self.config.id_width
        return address % 2**width, (address >> width) % 2**64, address >> width + 64


def asked(id_: int, address: int, beat_count: int) -> dict[str, int]:
    return {"id": id_, "address": address, "beat_count": beat_count}


@dataclass
class Read:
    beat_count: int
    #: Of 8 bytes, on the bus.
    first_word: int = 0
    answered_count: int = 0
    has_reader: bool = True


class Model:
    """The promises of the read master as a program: what is delivered, dropped, busy and lost."""

    def __init__(self, *, is_wide: bool) -> None:
        self.is_wide = is_wide
        self.reads: dict[int, Read] = {}
        self.offered: int | None = None
        self.offer_has_reader = True
        #: Of the word that was answered last.
        self.number = 0

    @property
    def busy(self) -> set[int]:
        return set(self.reads) | ({self.offered} if self.offered is not None else set())

    @property
    def lost(self) -> set[int]:
        lost_offer = set() if self.offered is None or self.offer_has_reader else {self.offered}
        return {id_ for id_, read in self.reads.items() if not read.has_reader} | lost_offer

    def step(self, *, offered: Any, accepted: Any, abandoned: Any, answered: Any) -> tuple[dict[str, int] | None, bool]:
        beat, is_unknown = self._answer(answered) if answered else (None, False)
        if abandoned and abandoned["id"] in self.reads:
            self.reads[abandoned["id"]].has_reader = False
        if offered is not None:
            assert self.offered in (None, offered), "another ID took the place of the offered one"
            assert offered not in self.reads, "an ID is used that has a read outstanding"
            self.offered = offered
            self.offer_has_reader &= not (abandoned and abandoned["id"] == offered)
        if accepted:
            first_word = accepted["address"] // 8
            self.reads[accepted["id"]] = Read(accepted["beat_count"], first_word, has_reader=self.offer_has_reader)
            self.offered, self.offer_has_reader = None, True
        return beat, is_unknown

    def _answer(self, answered: dict[str, int]) -> tuple[dict[str, int] | None, bool]:
        id_, is_last = answered["id"], answered["last"]
        if id_ not in self.reads:
            return None, True
        read = self.reads[id_]
        read.answered_count += 1
        must_be_last = read.answered_count == read.beat_count
        beat = None
        if read.has_reader:
            is_bad = answered["resp"] != OKAY or bool(is_last) != must_be_last
            is_final = must_be_last or is_last
            self.number = read.answered_count - 1
            # A narrow bus has no upper half.
            word = answered["data"] >> 64 * ((read.first_word + self.number) % 2 & self.is_wide) & 2**64 - 1
            beat = {"id": id_, "data": word, "failed": int(is_bad), "is_final": int(is_final)}
            read.has_reader = not is_final
        if is_last:
            del self.reads[id_]
        return beat, False


class Memory:
    """Answers each burst by ``answer``, the bursts of different IDs interleaved at random."""

    def __init__(self, bed: Bed, *, answer: Answer, seed: int = 0, ar_stalls: Stalls, r_stalls: Stalls):
        self.bed, self.make_answer, self.random = bed, answer, Random(f"{seed} memory")
        self.ar_stalls, self.r_stalls = ar_stalls, r_stalls
        self.pending: dict[int, deque[RBeat]] = {}

    async def take_addresses(self, ctx: Any) -> None:
        axi = self.bed.dut.axi
        while True:
            is_ready = not next(self.ar_stalls)
            ctx.set(axi.arready, is_ready)
            _, _, is_valid, id_, address, arlen = await ctx.tick().sample(axi.arvalid, axi.arid, axi.araddr, axi.arlen)
            if is_valid and is_ready:
                self.pending.setdefault(id_, deque()).extend(self.make_answer(address, arlen + 1))

    async def send_beats(self, ctx: Any) -> None:
        while True:
            if not any(self.pending.values()):
                await ctx.tick()
                continue
            id_ = self.random.choice([id_ for id_, beats in self.pending.items() if beats])
            await self.bed.answer(ctx, id_, self.pending[id_].popleft(), stalls=self.r_stalls)

    @property
    def benches(self) -> list[Any]:
        return [self.take_addresses, self.send_beats]
