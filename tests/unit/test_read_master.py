"""The read master against a memory that interleaves, stalls and lies; a model follows every clock."""

from collections import deque
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest
from amaranth.hdl import Cat, Value
from tests.unit.read_master_bench import (
    CONFIG,
    DECERR,
    EXOKAY,
    ID_COUNT,
    OKAY,
    SLVERR,
    Answer,
    Bed,
    Memory,
    RBeat,
    asked,
    contents,
    honest,
)
from tests.unit.streams import (
    STALL_PATTERNS,
    Probe,
    StallPattern,
    never,
    seeds,
    send,
    send_all,
)

from saoffload.hdl.bus.choice import read_master
from saoffload.hdl.config import preset

MASTERS = {
    "few": CONFIG,
    "many": replace(CONFIG, contexts=2),
    "few-128": replace(CONFIG, data_width=128),
    "many-128": replace(CONFIG, contexts=2, data_width=128),
}
"""Both masters, at both widths of the bus."""


@pytest.fixture(autouse=True, params=MASTERS)
def config(request: pytest.FixtureRequest) -> Any:
    """What every test of this file runs with."""
    return MASTERS[request.param]


# One read


@dataclass(frozen=True, kw_only=True)
class Case:
    """One read: what was asked, what the memory answers, and which ``(failed, is_final)`` come of it."""

    name: str
    beat_count: int
    answer: list[RBeat]
    delivered: list[tuple[int, int]]
    #: RLAST never came: the ID stays lost.
    is_lost: bool = False
    #: Beats after RLAST.
    unknown_count: int = 0

    def __str__(self) -> str:
        return self.name


def lasts(*flags: int) -> list[RBeat]:
    return [RBeat(contents(n), is_last=bool(flag)) for n, flag in enumerate(flags)]


def resps(*codes: int) -> list[RBeat]:
    return [RBeat(contents(n), resp=code, is_last=n == len(codes) - 1) for n, code in enumerate(codes)]


CASES = (
    Case(name="one-beat", beat_count=1, answer=lasts(1), delivered=[(0, 1)]),
    Case(name="two-beats", beat_count=2, answer=lasts(0, 1), delivered=[(0, 0), (0, 1)]),
    Case(name="three-beats", beat_count=3, answer=lasts(0, 0, 1), delivered=[(0, 0), (0, 0), (0, 1)]),
    Case(name="exokay", beat_count=1, answer=resps(EXOKAY), delivered=[(1, 1)]),
    Case(name="slverr", beat_count=1, answer=resps(SLVERR), delivered=[(1, 1)]),
    Case(name="decerr", beat_count=1, answer=resps(DECERR), delivered=[(1, 1)]),
    Case(name="exokay-first", beat_count=2, answer=resps(EXOKAY, OKAY), delivered=[(1, 0), (0, 1)]),
    Case(name="slverr-first", beat_count=3, answer=resps(SLVERR, 0, 0), delivered=[(1, 0), (0, 0), (0, 1)]),
    Case(name="decerr-middle", beat_count=3, answer=resps(0, DECERR, 0), delivered=[(0, 0), (1, 0), (0, 1)]),
    Case(name="slverr-last", beat_count=3, answer=resps(0, 0, SLVERR), delivered=[(0, 0), (0, 0), (1, 1)]),
    Case(name="all-beats-fail", beat_count=3, answer=resps(1, 2, 3), delivered=[(1, 0), (1, 0), (1, 1)]),
    Case(name="rlast-on-1-of-2", beat_count=2, answer=lasts(1), delivered=[(1, 1)]),
    Case(name="rlast-on-1-of-3", beat_count=3, answer=lasts(1), delivered=[(1, 1)]),
    Case(name="rlast-on-2-of-3", beat_count=3, answer=lasts(0, 1), delivered=[(0, 0), (1, 1)]),
    Case(name="rlast-early-beats-go-on", beat_count=3, answer=lasts(1, 0, 1), delivered=[(1, 1)], unknown_count=2),
    Case(name="rlast-late-by-1", beat_count=1, answer=lasts(0, 1), delivered=[(1, 1)]),
    Case(name="rlast-late-by-3", beat_count=3, answer=lasts(0, 0, 0, 0, 0, 1), delivered=[(0, 0), (0, 0), (1, 1)]),
    Case(name="rlast-very-late", beat_count=2, answer=lasts(*[0] * 40, 1), delivered=[(0, 0), (1, 1)]),
    Case(name="rlast-missing", beat_count=2, answer=lasts(0, 0), delivered=[(0, 0), (1, 1)], is_lost=True),
    Case(name="rlast-missing-on-1", beat_count=1, answer=lasts(0), delivered=[(1, 1)], is_lost=True),
)


@pytest.mark.parametrize("pattern", STALL_PATTERNS, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_read(case: Case, pattern: StallPattern, config: Any) -> None:
    bed = Bed(config)
    memory = Memory(
        bed, answer=lambda _address, _count: case.answer, ar_stalls=pattern.sink(1), r_stalls=pattern.source(2)
    )

    async def requester(ctx: Any) -> None:
        await bed.request(ctx, 2, 0x1000, case.beat_count, pattern.source(3))
        while len(bed.answers.transfers) < len(case.answer):
            await ctx.tick()

    bed.run(requester, background=memory.benches)
    assert [(beat["failed"], beat["is_final"]) for beat in bed.beats.payloads] == case.delivered
    assert [beat["data"] for beat in bed.beats.payloads] == [contents(n) for n in range(len(case.delivered))]
    assert {beat["id"] for beat in bed.beats.payloads} == {2}
    assert len(bed.answers.transfers) == len(case.answer)
    assert bed.busy.values[-1] == (0b100 if case.is_lost else 0)
    assert bed.lost.values[-1] == case.is_lost
    assert len(bed.unknown.high_clocks) == case.unknown_count


# The address channel


def test_address_fields(config: Any) -> None:
    bed = Bed(replace(config, arprot=0b101, arcache=0b1011))
    axi = bed.dut.axi
    seen = Probe(Cat(axi.arsize, axi.arburst, axi.arlock, axi.arcache, axi.arprot, axi.arqos))

    async def requester(ctx: Any) -> None:
        ctx.set(axi.arready, 1)
        for id_, beat_count in enumerate((1, 2, 3)):
            await bed.request(ctx, id_, 0xFFFF_FFFF_FFFF_F000 + 8 * id_, beat_count)

    bed.run(requester, background=[seen.watch])
    assert [bed.unpack(address) for address in bed.addresses.payloads] == [
        (0, 0xFFFF_FFFF_FFFF_F000, 0),
        (1, 0xFFFF_FFFF_FFFF_F008, 1),
        (2, 0xFFFF_FFFF_FFFF_F010, 2),
    ]
    size_8_bytes, incr, no_lock, no_qos = 3, 1 << 3, 0 << 5, 0 << 13
    assert set(seen.values) == {size_8_bytes | incr | no_lock | 0b1011 << 6 | 0b101 << 10 | no_qos}


def test_request_and_beat_pass_in_their_own_clock_one_each_clock(config: Any) -> None:
    """Single-beat reads with the IDs in turn: 1 request and 1 beat per clock, 0 clocks of latency both ways, 1 for
    beats where there are many IDs.
    """
    bed = Bed(config)
    memory = Memory(bed, answer=honest, ar_stalls=never(), r_stalls=never())

    async def requester(ctx: Any) -> None:
        await send_all(ctx, bed.dut.requests, [asked(n % ID_COUNT, 8 * n, 1) for n in range(32)])

    bed.run(requester, background=memory.benches)
    assert bed.requests.clocks == bed.addresses.offer_clocks == bed.addresses.clocks == list(range(32))
    assert bed.answers.clocks == list(range(bed.answers.clocks[0], bed.answers.clocks[0] + 32))
    assert bed.beats.clocks == [clock + bed.delay for clock in bed.answers.clocks]
    assert [beat["data"] for beat in bed.beats.payloads] == [contents(8 * n) for n in range(32)]


def test_a_request_waits_for_the_address_channel_alone(config: Any) -> None:
    """ARVALID rises in the request's clock and holds, ARREADY 0 or not; the other IDs' state does not matter."""
    bed = Bed(config)

    async def requester(ctx: Any) -> None:
        await bed.request(ctx, 1, 0x40, 3)

    async def memory(ctx: Any) -> None:
        await ctx.tick().repeat(25)
        ctx.set(bed.dut.axi.arready, 1)

    bed.run(requester, memory)
    assert bed.addresses.offer_clocks == [0]
    assert bed.addresses.clocks == [25]
    assert bed.busy.values[:3] == ([0, 0b10, 0b10] if config.is_serial else [0, 0, 0b10])


# IDs


def test_interleaved_out_of_order(config: Any) -> None:
    """Four reads back to back; the beats come last ID first, two IDs mixed, and each finds its own reader."""
    bed = Bed(config)
    order = [3, 3, 3, 1, 0, 1, 2, 0, 1, 2, 2, 0]

    async def requester(ctx: Any) -> None:
        ctx.set(bed.dut.axi.arready, 1)
        await send_all(ctx, bed.dut.requests, [asked(id_, 0x100 * id_, 3) for id_ in range(4)])

    async def memory(ctx: Any) -> None:
        await ctx.tick().repeat(6)
        left = {id_: deque(honest(0x100 * id_, 3)) for id_ in range(4)}
        for id_ in order:
            await bed.answer(ctx, id_, left[id_].popleft())

    bed.run(requester, memory)
    assert bed.addresses.clocks == [0, 1, 2, 3]
    assert [beat["id"] for beat in bed.beats.payloads] == order
    for id_ in range(4):
        beats = [beat for beat in bed.beats.payloads if beat["id"] == id_]
        assert [beat["data"] for beat in beats] == [contents(0x100 * id_ + 8 * n) for n in range(3)]
        assert [(beat["failed"], beat["is_final"]) for beat in beats] == [(0, 0), (0, 0), (0, 1)]
    assert bed.busy.values[-1] == 0


@pytest.mark.parametrize("missing_lasts", [0, 2], ids=["rlast-in-time", "rlast-late"])
def test_an_id_is_used_again_only_after_rlast(missing_lasts: int, config: Any) -> None:
    """A second request of the ID waits from the first's acceptance to RLAST, and goes out in the clock after it. With
    many IDs the requester waits, for the ID to be busy no longer.
    """
    bed = Bed(config)
    answer = lasts(0, 0, *[0] * missing_lasts, 1)

    async def requester(ctx: Any) -> None:
        ctx.set(bed.dut.axi.arready, 1)
        await bed.request(ctx, 2, 0, 3)
        await bed.request(ctx, 2, 0x40, 1)

    async def memory(ctx: Any) -> None:
        await ctx.tick().repeat(10)
        for beat in answer:
            await bed.answer(ctx, 2, beat)
        await ctx.tick().repeat(5)
        await bed.answer(ctx, 2, RBeat(77, is_last=True))

    bed.run(requester, memory)
    rlast_clock = bed.answers.clocks[len(answer) - 1]
    assert bed.addresses.offer_clocks == bed.addresses.clocks == [0, rlast_clock + 1]
    assert bed.beats.payloads[-1] == {"id": 2, "data": 77, "failed": 0, "is_final": 1}


def test_unknown_beats_are_dropped_and_counted(config: Any) -> None:
    """Beats of an ID without a read reach nobody, RLAST or not, while a read of another ID goes on undisturbed."""
    bed = Bed(config)

    async def requester(ctx: Any) -> None:
        ctx.set(bed.dut.axi.arready, 1)
        await ctx.tick().repeat(4)
        await bed.request(ctx, 1, 0, 2)

    async def memory(ctx: Any) -> None:
        await bed.answer(ctx, 1, RBeat(1))
        await bed.answer(ctx, 1, RBeat(2, is_last=True))
        await ctx.tick().repeat(4)
        await bed.answer(ctx, 0, RBeat(3, is_last=True))
        await bed.answer(ctx, 1, RBeat(4))
        await bed.answer(ctx, 3, RBeat(5, SLVERR))
        await bed.answer(ctx, 1, RBeat(6, is_last=True))
        await bed.answer(ctx, 1, RBeat(7, is_last=True))

    bed.run(requester, memory)
    assert bed.unknown.high_clocks == [clock + bed.delay for clock in (0, 1, 6, 8, 10)]
    assert bed.beats.payloads == [
        {"id": 1, "data": 4, "failed": 0, "is_final": 0},
        {"id": 1, "data": 6, "failed": 0, "is_final": 1},
    ]
    assert not any(bed.lost.values)


def test_an_unknown_beat_does_not_end_a_read_still_on_offer(config: Any) -> None:
    """The memory answers an ID whose address it has not accepted: the ID stays busy, the real answer is delivered."""
    bed = Bed(config)

    async def requester(ctx: Any) -> None:
        await bed.request(ctx, 0, 0, 1)

    async def memory(ctx: Any) -> None:
        await ctx.tick().repeat(3)
        await bed.answer(ctx, 0, RBeat(1, is_last=True))
        ctx.set(bed.dut.axi.arready, 1)
        # The clock of the acceptance itself is still too early.
        await bed.answer(ctx, 0, RBeat(2, is_last=True))
        await bed.answer(ctx, 0, RBeat(3, is_last=True))

    bed.run(requester, memory)
    assert bed.unknown.high_clocks == [3 + bed.delay, 4 + bed.delay]
    assert bed.beats.transfers == [(5 + bed.delay, {"id": 0, "data": 3, "failed": 0, "is_final": 1})]
    assert bed.busy.values[:7] == [0, int(config.is_serial), 1, 1, 1, 1, 0]


# Abandons

ACCEPTANCE_CLOCK = 10
BEAT_CLOCKS = (20, 21, 24)


@dataclass(frozen=True, kw_only=True)
class Abandon:
    """One read of 3 beats, accepted and answered at the clocks above, abandoned at ``clock``."""

    name: str
    clock: int
    delivered_count: int
    lost_clocks: range

    def __str__(self) -> str:
        return self.name


ABANDONS = (
    Abandon(name="as-offered", clock=0, delivered_count=0, lost_clocks=range(2, 26)),
    Abandon(name="on-offer", clock=5, delivered_count=0, lost_clocks=range(7, 26)),
    Abandon(name="just-before-acceptance", clock=9, delivered_count=0, lost_clocks=range(11, 26)),
    Abandon(name="with-acceptance", clock=10, delivered_count=0, lost_clocks=range(12, 26)),
    Abandon(name="just-after-acceptance", clock=11, delivered_count=0, lost_clocks=range(13, 26)),
    Abandon(name="before-first-beat", clock=19, delivered_count=0, lost_clocks=range(21, 26)),
    Abandon(name="with-first-beat", clock=20, delivered_count=1, lost_clocks=range(22, 26)),
    Abandon(name="with-second-beat", clock=21, delivered_count=2, lost_clocks=range(23, 26)),
    Abandon(name="between-beats", clock=22, delivered_count=2, lost_clocks=range(24, 26)),
    Abandon(name="with-rlast", clock=24, delivered_count=3, lost_clocks=range(0)),
    Abandon(name="after-rlast", clock=25, delivered_count=3, lost_clocks=range(0)),
)


@pytest.mark.parametrize("case", ABANDONS, ids=str)
def test_abandon(case: Abandon, config: Any) -> None:
    """ARVALID stays up (the monitor watches that), nothing of the read is delivered from the next clock on, the ID is
    busy until RLAST and lost while nobody waits for it, and the next read of the ID is delivered whole."""
    bed = Bed(config)

    async def requester(ctx: Any) -> None:
        await bed.request(ctx, 3, 0x80, 3)
        await bed.request(ctx, 3, 0x200, 2)

    async def abandoner(ctx: Any) -> None:
        for _ in range(case.clock):
            await ctx.tick()
        await bed.abandon(ctx, 3)

    async def memory(ctx: Any) -> None:
        await ctx.tick().repeat(ACCEPTANCE_CLOCK)
        ctx.set(bed.dut.axi.arready, 1)
        clock = ACCEPTANCE_CLOCK
        for beat, beat_clock in zip(honest(0x80, 3), BEAT_CLOCKS, strict=True):
            if beat_clock > clock:
                await ctx.tick().repeat(beat_clock - clock)
            await bed.answer(ctx, 3, beat)
            clock = beat_clock + 1
        # The second request went out in the clock after RLAST.
        await ctx.tick()
        for beat in honest(0x200, 2):
            await bed.answer(ctx, 3, beat)

    bed.run(requester, abandoner, memory)
    second_read_is_abandoned = case.name == "after-rlast"
    second_read = [] if second_read_is_abandoned else [26, 27]
    assert bed.addresses.clocks == [ACCEPTANCE_CLOCK, BEAT_CLOCKS[-1] + 1]
    assert bed.beats.clocks == [clock + bed.delay for clock in (*BEAT_CLOCKS[: case.delivered_count], *second_read)]
    lost_clocks = range(27, 29) if second_read_is_abandoned else case.lost_clocks
    # Counted a clock late, or four.
    more = 0 if config.is_serial else 3
    assert bed.lost.high_clocks == [clock + more for clock in lost_clocks]
    assert bed.busy.values[-1] == 0
    assert not bed.unknown.high_clocks


def test_abandon_of_a_free_id_means_nothing(config: Any) -> None:
    """Neither to the read of that ID that comes next, nor to one of another ID on offer or outstanding."""
    bed = Bed(config)

    async def requester(ctx: Any) -> None:
        # The idle request stream holds ID 0 here: an ID without `valid` is no request on offer.
        await bed.abandon(ctx, 0)
        await bed.request(ctx, 0, 0, 1)
        await bed.request(ctx, 2, 8, 1)

    async def abandoner(ctx: Any) -> None:
        await ctx.tick().repeat(3)
        await bed.abandon(ctx, 2)
        await bed.abandon(ctx, 1)

    async def memory(ctx: Any) -> None:
        await ctx.tick().repeat(7)
        ctx.set(bed.dut.axi.arready, 1)
        await ctx.tick().repeat(4)
        await bed.answer(ctx, 2, *honest(8, 1))
        await bed.answer(ctx, 0, *honest(0, 1))

    bed.run(requester, abandoner, memory)
    assert [beat["data"] for beat in bed.beats.payloads] == [contents(8), contents(0)]
    assert not any(bed.lost.values)


@pytest.mark.parametrize("abandon_clock", [2, 5])
def test_the_request_after_an_abandoned_one_is_not_abandoned(abandon_clock: int, config: Any) -> None:
    """Two IDs back to back behind a slow address channel: the first is given up before or in its acceptance."""
    bed = Bed(config)

    async def requester(ctx: Any) -> None:
        await bed.request(ctx, 1, 0, 1)
        await bed.request(ctx, 2, 8, 1)

    async def abandoner(ctx: Any) -> None:
        await ctx.tick().repeat(abandon_clock)
        await bed.abandon(ctx, 1)

    async def memory(ctx: Any) -> None:
        await ctx.tick().repeat(5)
        ctx.set(bed.dut.axi.arready, 1)
        await ctx.tick().repeat(4)
        await bed.answer(ctx, 1, *honest(0, 1))
        await bed.answer(ctx, 2, *honest(8, 1))

    bed.run(requester, abandoner, memory)
    assert bed.addresses.clocks == [5, 6]
    assert [beat["id"] for beat in bed.beats.payloads] == [2]


def test_every_id_lost_and_found(config: Any) -> None:
    """A memory that goes silent costs every ID; when it speaks again, all of them come back."""
    bed = Bed(config)

    async def requester(ctx: Any) -> None:
        ctx.set(bed.dut.axi.arready, 1)
        for id_ in range(ID_COUNT):
            await bed.request(ctx, id_, 0x100 * id_, 2)
        for id_ in range(ID_COUNT):
            await bed.abandon(ctx, id_)
        await ctx.tick().repeat(100)
        assert ctx.get(bed.dut.lost_id_count) == ID_COUNT
        assert ctx.get(bed.dut.busy_ids) == 2**ID_COUNT - 1
        for id_ in reversed(range(ID_COUNT)):
            for beat in honest(0x100 * id_, 2):
                await bed.answer(ctx, id_, beat)
        await bed.request(ctx, 0, 0, 1)
        await bed.answer(ctx, 0, RBeat(5, is_last=True))

    bed.run(requester)
    assert bed.beats.payloads == [{"id": 0, "data": 5, "failed": 0, "is_final": 1}]
    assert bed.lost.values[-1] == 0
    assert bed.busy.values[-1] == 0


# Everything at once

READ_COUNT = 80


def unreliable(seed: int) -> Answer:
    """Every third answer is wrong in some way; ID and length are right often enough to keep going."""
    random = Random(f"{seed} faults")

    def answer(address: int, beat_count: int) -> list[RBeat]:
        beats = honest(address, beat_count)
        fault = random.randrange(12)
        if fault == 0:
            victim = random.randrange(beat_count)
            beats[victim] = replace(beats[victim], resp=random.choice((EXOKAY, SLVERR, DECERR)))
        elif fault == 1:
            beats = beats[: random.randint(1, beat_count)]
            beats[-1] = replace(beats[-1], is_last=True)
        elif fault == 2:
            beats[-1] = replace(beats[-1], is_last=False)
            beats += lasts(*[0] * random.randrange(4), 1)
        elif fault == 3:
            beats += lasts(*(random.randrange(2) for _ in range(random.randint(1, 3))))
        return beats

    return answer


@pytest.mark.parametrize("id_width", [1, 2, 4])
@pytest.mark.parametrize("pattern", STALL_PATTERNS, ids=str)
@pytest.mark.parametrize("seed", seeds(2))
def test_random(seed: int, pattern: StallPattern, id_width: int, config: Any) -> None:
    """A requester that loses patience and sometimes asks for an ID in use, and a memory that keeps no rule."""
    bed = Bed(replace(config, id_width=id_width))
    random = Random(f"{seed} requester")
    memory = Memory(
        bed, answer=unreliable(seed), seed=seed, ar_stalls=pattern.sink(seed), r_stalls=pattern.source(seed)
    )
    is_done = False

    async def requester(ctx: Any) -> None:
        nonlocal is_done
        stalls = pattern.source(f"{seed} requests")
        for _ in range(READ_COUNT):
            choices: list[int] = []
            while not choices:
                busy = ctx.get(bed.dut.busy_ids)
                may_have_to_wait = random.random() < 0.1
                choices = [id_ for id_ in range(2**id_width) if may_have_to_wait or not busy >> id_ & 1]
                if not choices:
                    await ctx.tick()
            await bed.request(ctx, random.choice(choices), 8 * random.getrandbits(61), random.randint(1, 3), stalls)
        while ctx.get(bed.dut.busy_ids) or any(memory.pending.values()):
            await ctx.tick()
        is_done = True

    async def abandoner(ctx: Any) -> None:
        while not is_done:
            await ctx.tick().repeat(random.randint(1, 60))
            await bed.abandon(ctx, random.randrange(2**id_width))

    bed.run(requester, abandoner, background=memory.benches, deadline=30_000)
    assert len(bed.addresses.transfers) == READ_COUNT
    assert bed.busy.values[-1] == bed.lost.values[-1] == 0


def test_words_of_a_wide_bus(config: Any) -> None:
    """Reads of every length from both halves of a beat; in the other half stands what nobody asked for."""
    bed = Bed(replace(config, data_width=128))
    expected = []

    async def requester(ctx: Any) -> None:
        ctx.set(bed.dut.axi.arready, 1)
        for number, (start, count) in enumerate((start, count) for start in (0, 8) for count in (1, 2, 3)):
            await bed.request(ctx, number % 2, 0x1000 + start, count)
            for word in range(count):
                upper = (start // 8 + word) % 2
                expected.append(contents(100 * number + word))
                halves = [~expected[-1] % 2**64] * 2
                halves[upper] = expected[-1]
                beat = {"id": number % 2, "data": halves[0] | halves[1] << 64, "resp": OKAY, "last": word == count - 1}
                await send(ctx, bed.r, beat)

    bed.run(requester)
    assert [beat["data"] for beat in bed.beats.payloads] == expected


@pytest.mark.parametrize("name", ["tiny", "small", "medium", "huge"])
def test_widths_follow_the_preset(name: str) -> None:
    config = preset(name)
    dut = read_master(config)
    assert len(dut.axi.arid) == len(dut.axi.rid) == config.id_width
    assert len(dut.axi.araddr) == config.address_width
    assert len(dut.axi.rdata) == config.data_width
    assert len(Value.cast(dut.busy_ids)) == 2**config.id_width
