"""The memory that fuzzing reads: each fault is the one that was asked for, and nothing else goes wrong."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from amaranth.hdl import Elaboratable, Module, Value
from amaranth.lib.memory import Memory
from amaranth.sim import Simulator

from saoffload.hdl.bus.axi4 import Response
from saoffload.sim.bench_hdl.responder import FAULTY_WORD, Last, Responder, Timing

WORDS = 16
LATENCY, LATE, RELEASE = 5, 30, 100
CLOCKS = 130
IDS = 4


class Beat(NamedTuple):
    clock: int
    id: int
    data: int
    response: int
    is_last: bool


class Bench(Elaboratable):
    """A responder on words whose content is their number plus 100, but for ``faults``, by number."""

    def __init__(self, faults: dict[int, dict[str, Any]], data_width: int) -> None:
        self.responder = Responder(address_width=32, data_width=data_width, id_width=2, size=8 * WORDS)
        self._words = [{"data": number + 100, **faults.get(number, {})} for number in range(WORDS)]

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.responder = responder = self.responder
        m.submodules.words = words = Memory(shape=FAULTY_WORD, depth=WORDS, init=self._words)
        read = words.read_port(domain="comb")
        m.d.comb += [read.addr.eq(responder.word_address), Value.cast(responder.word).eq(Value.cast(read.data))]
        return m


class Run:
    """Asks for ``reads`` (clock, ID, word, beats), and notes all beats and strobes, with their clocks from 0 on."""

    def __init__(
        self,
        reads: Sequence[tuple[int, int, int, int]],
        faults: dict[int, dict[str, Any]] | None = None,
        *,
        data_width: int = 64,
        **settings: int,
    ) -> None:
        bench = Bench(faults or {}, data_width)
        dut = bench.responder
        axi = dut.axi
        self.beats: list[Beat] = []
        self.strobes: list[tuple[int, str]] = []
        self.taken: list[int] = []

        async def drive(ctx: Any) -> None:
            ctx.set(axi.rready, 1)
            for name, value in ({"latency": LATENCY, "late_clocks": LATE} | settings).items():
                ctx.set(getattr(dut, name), value)
            ctx.set(dut.do_restart, 1)
            await ctx.tick()
            ctx.set(dut.do_restart, 0)
            waiting = list(reads)
            for clock in range(CLOCKS):
                ctx.set(dut.do_release, clock >= RELEASE)
                asks = bool(waiting) and waiting[0][0] <= clock
                ctx.set(axi.arvalid, asks)
                if asks:
                    _, identity, word, count = waiting[0]
                    ctx.set(axi.arid, identity)
                    ctx.set(axi.araddr, 8 * word)
                    ctx.set(axi.arlen, count - 1)
                if ctx.get(axi.arvalid & axi.arready):
                    self.taken.append(clock)
                    waiting.pop(0)
                if ctx.get(axi.rvalid):
                    fields = (axi.rid, axi.rdata, axi.rresp, axi.rlast)
                    identity, data, response, is_last = (ctx.get(Value.cast(field)) for field in fields)
                    self.beats.append(Beat(clock, identity, data, response, bool(is_last)))
                for name in ("is_held", "is_over", "is_alien", "is_doubled"):
                    if ctx.get(getattr(dut, name)):
                        self.strobes.append((clock, name))
                await ctx.tick()

        simulator = Simulator(bench)
        simulator.add_clock(1e-8)
        simulator.add_testbench(drive)
        simulator.run()


def clean(identity: int, word: int, count: int, clock: int) -> list[Beat]:
    """An answer as it should be."""
    return [
        Beat(clock + number, identity, word + number + 100, Response.OKAY.value, number == count - 1)
        for number in range(count)
    ]


@pytest.mark.parametrize("latency", [1, 2, 5, 40])
def test_the_first_beat_comes_after_exactly_the_latency(latency: int) -> None:
    run = Run([(3, 1, 2, 3)], latency=latency)
    assert run.beats == clean(1, 2, 3, 3 + latency)
    assert run.strobes == []


def test_an_id_can_read_again_in_the_clock_after_its_last_beat() -> None:
    run = Run([(0, 0, 0, 2), (LATENCY + 2, 0, 4, 1)])
    assert run.beats == [*clean(0, 0, 2, LATENCY), *clean(0, 4, 1, 2 * LATENCY + 2)]
    assert run.strobes == []


def test_a_second_read_of_an_id_is_told() -> None:
    assert (1, "is_doubled") in Run([(0, 0, 0, 2), (1, 0, 4, 1)]).strobes


@pytest.mark.parametrize("word", [0, 3, 10, 11])
def test_on_a_wide_bus_the_word_stands_in_its_lane(word: int) -> None:
    (beat,) = Run([(0, 0, word, 1)], data_width=128).beats
    lanes = [beat.data & (1 << 64) - 1, beat.data >> 64]
    assert lanes[word % 2] == word + 100
    assert lanes[1 - word % 2] != word + 100


def test_outside_of_memory_every_beat_fails() -> None:
    beats = Run([(0, 0, WORDS, 2)]).beats
    assert [beat.response for beat in beats] == [Response.DECERR.value] * 2


@pytest.mark.parametrize("response", [Response.EXOKAY, Response.SLVERR, Response.DECERR])
def test_a_response_is_that_of_its_word_alone(response: Response) -> None:
    beats = Run([(0, 0, 0, 3)], {1: {"response": response}}).beats
    assert [beat.response for beat in beats] == [Response.OKAY.value, response.value, Response.OKAY.value]
    assert [beat.data for beat in beats] == [100, 101, 102]


def test_early_ends_the_read() -> None:
    run = Run([(0, 0, 0, 3)], {1: {"last": Last.EARLY}})
    assert run.beats == clean(0, 0, 2, LATENCY)
    assert run.strobes == []


@pytest.mark.parametrize("last", [Last.MISSING, Last.LATE])
def test_the_end_of_a_read_may_lack_rlast_and_get_it_with_a_further_beat(last: Last) -> None:
    run = Run([(0, 0, 0, 3), (0, 1, 1, 2)], {1: {"last": last}, 2: {"last": last}})
    mine = [beat for beat in run.beats if beat.id == 0]
    assert [beat.is_last for beat in mine] == [False, False, False, True]
    assert [beat.data for beat in mine[:3]] == [100, 101, 102]
    if last is Last.LATE:
        assert mine[3].clock < LATENCY + 10
        assert run.strobes == []
    else:
        assert mine[3].clock > RELEASE
        assert [name for _, name in run.strobes] == ["is_held", "is_held", "is_over", "is_over"]


def test_in_the_middle_of_a_read_these_have_no_effect() -> None:
    assert Run([(0, 0, 0, 3)], {1: {"last": Last.MISSING}}).beats == clean(0, 0, 3, LATENCY)


def test_late_holds_up_its_read_and_no_other() -> None:
    run = Run([(0, 0, 0, 3), (1, 1, 8, 2)], {1: {"timing": Timing.LATE}, 2: {"timing": Timing.LATE}})
    mine = [beat.clock for beat in run.beats if beat.id == 0]
    assert mine[0] == LATENCY
    # Once per read: the last word comes in its turn.
    assert LATENCY + LATE <= mine[1] <= LATENCY + LATE + 4
    assert mine[2] == mine[1] + 1
    assert max(beat.clock for beat in run.beats if beat.id == 1) < LATENCY + 8
    assert [name for _, name in run.strobes] == ["is_held", "is_over"]


def test_never_comes_with_the_release() -> None:
    run = Run([(0, 0, 0, 3)], {1: {"timing": Timing.NEVER}})
    assert run.beats[0].clock == LATENCY
    assert run.beats[1].clock > RELEASE
    assert [beat.data for beat in run.beats] == [100, 101, 102]
    assert run.beats[2].is_last


def test_an_alien_beat_has_an_id_under_which_nobody_reads() -> None:
    run = Run([(0, 0, 0, 3), (0, 2, 8, 2)], {1: {"timing": Timing.ALIEN}})
    aliens = [beat for beat in run.beats if beat.id not in (0, 2)]
    assert len(aliens) == [name for _, name in run.strobes].count("is_alien") == 1
    assert [beat.data for beat in run.beats if beat.id == 0] == [100, 101, 102]


def test_ids_are_answered_in_any_order_and_mixed_only_when_asked() -> None:
    reads = [(0, identity, 3 * identity, 3) for identity in range(IDS)]
    orders = set()
    for mixes in (0, 1):
        for seed in range(1, 5):
            run = Run(reads, seed=seed * 0x9E37_79B9_7F4A_7C15 % (1 << 64), does_mix=mixes, spread=7)
            order = [beat.id for beat in run.beats]
            orders.add(tuple(order))
            for identity in range(IDS):
                data = [beat.data for beat in run.beats if beat.id == identity]
                assert data == [100 + 3 * identity + number for number in range(3)]
    assert len(orders) > 3
    whole = {order for order in orders if all(len(set(order[at : at + 3])) == 1 for at in range(0, 3 * IDS, 3))}
    assert whole
    assert orders - whole


def test_stalls_keep_everything_and_slow_it_down() -> None:
    run = Run([(0, identity, 4 * identity, 4) for identity in range(IDS)], address_stall=128, beat_stall=128)
    assert sorted(beat.data for beat in run.beats) == [100 + number for number in range(4 * IDS)]
    assert run.beats[-1].clock > LATENCY + 4 * IDS + 4


def test_a_size_that_is_no_power_of_two_is_refused() -> None:
    with pytest.raises(ValueError, match="size must be a power of two, got 24"):
        Responder(address_width=32, data_width=64, id_width=2, size=24)
