"""The AXI4-Lite subordinate between a manager whose channels run apart and a bank that answers for one clock only."""

from random import Random
from typing import Any

import pytest
from amaranth.hdl import Cat
from amaranth.lib import data
from tests.unit.streams import (
    STALL_PATTERNS,
    Channel,
    Monitor,
    Probe,
    StallPattern,
    receive,
    receive_all,
    seeds,
    send,
    send_all,
    simulate,
)

from saoffload.hdl.bus.lite_slave import LiteSlave

OKAY, SLVERR = 0b00, 0b10
LATENCY = 4
MAPPED_END = 0x200
"""The bank of this file maps the words below."""


class Bed:
    """A subordinate, its channels as streams, and a bank that is right two clocks after a strobe and wild in all
    others. After each run everything that was promised of every access is compared."""

    def __init__(self, address_width: int = 12):
        self.dut = dut = LiteSlave(address_width=address_width)
        axi, port = dut.axi, dut.registers
        w_layout = data.StructLayout({"data": 32, "strb": 4})
        r_layout = data.StructLayout({"data": 32, "resp": 2})
        self.aw = Channel(payload=axi.awaddr, valid=axi.awvalid, ready=axi.awready)
        self.w = Channel(payload=data.View(w_layout, Cat(axi.wdata, axi.wstrb)), valid=axi.wvalid, ready=axi.wready)
        self.b = Channel(payload=axi.bresp, valid=axi.bvalid, ready=axi.bready)
        self.ar = Channel(payload=axi.araddr, valid=axi.arvalid, ready=axi.arready)
        self.r = Channel(payload=data.View(r_layout, Cat(axi.rdata, axi.rresp)), valid=axi.rvalid, ready=axi.rready)
        self.aws, self.ws, self.bs = Monitor(self.aw, "AW"), Monitor(self.w, "W"), Monitor(self.b, "B")
        self.ars, self.rs = Monitor(self.ar, "AR"), Monitor(self.r, "R")
        self.reading, self.writing = Probe(port.do_read), Probe(port.do_write)
        self.words: dict[int, int] = {}
        self.reads: list[tuple[int, int]] = []
        self.writes: list[tuple[int, int]] = []

    async def bank(self, ctx: Any) -> None:
        port = self.dut.registers
        random = Random("what a bank says when nobody asked")
        is_mapped, read_data = 0, 0
        while True:
            _, _, do_read, do_write, read_address, write_address, write_data = await ctx.tick().sample(
                port.do_read, port.do_write, port.read_address, port.write_address, port.write_data
            )
            address = write_address if do_write else read_address
            assert not (do_read and do_write), "both strobes in one clock"
            ctx.set(port.is_mapped, is_mapped)
            ctx.set(port.read_data, read_data)
            is_mapped, read_data = random.getrandbits(1), random.getrandbits(32)
            if do_read or do_write:
                assert address % 4 == 0
                is_mapped = address < MAPPED_END
            if do_read:
                read_data = self.words.get(address, initial(address)) if is_mapped else read_data | 1
                self.reads.append((address, read_data if is_mapped else 0))
            if do_write:
                self.writes.append((address, write_data))
                if is_mapped:
                    self.words[address] = write_data

    def run(self, *benches: Any, **settings: Any) -> None:
        monitors = [self.aws, self.ws, self.bs, self.ars, self.rs, self.reading, self.writing]
        simulate(self.dut, *benches, monitors=monitors, background=[self.bank], **settings)
        self.compare_writes()
        self.compare_reads()

    @property
    def write_starts(self) -> list[int]:
        """For each write the clock of the later handshake."""
        return [max(clocks) for clocks in zip(self.aws.clocks, self.ws.clocks, strict=True)]

    def compare_writes(self) -> None:
        asked = [
            (address & ~3, w["data"], w["strb"]) for address, w in zip(self.aws.payloads, self.ws.payloads, strict=True)
        ]
        assert self.writes == [(address, value) for address, value, strb in asked if strb == 0b1111]
        assert self.bs.payloads == [
            OKAY if strb == 0b1111 and address < MAPPED_END else SLVERR for address, _, strb in asked
        ]
        assert self.bs.offer_clocks == [start + LATENCY for start in self.write_starts]

    def compare_reads(self) -> None:
        assert [address for address, _ in self.reads] == [address & ~3 for address in self.ars.payloads]
        assert self.rs.payloads == [
            {"data": value, "resp": OKAY if address < MAPPED_END else SLVERR} for address, value in self.reads
        ]
        writes = set(self.write_starts)
        assert self.rs.offer_clocks == [clock + LATENCY + (clock in writes) for clock in self.ars.clocks]

    async def write(self, ctx: Any, address: int, value: int, strb: int = 0b1111) -> int:
        """Address and data together; returns BRESP."""
        axi = self.dut.axi
        ctx.set(axi.awaddr, address)
        ctx.set(self.w.payload, {"data": value, "strb": strb})
        waits = [(axi.awvalid, axi.awready), (axi.wvalid, axi.wready)]
        for valid, _ in waits:
            ctx.set(valid, 1)
        while waits:
            _, _, *readies = await ctx.tick().sample(*(ready for _, ready in waits))
            for (valid, _), is_ready in zip(waits, readies, strict=True):
                ctx.set(valid, not is_ready)
            waits = [pair for pair, is_ready in zip(waits, readies, strict=True) if not is_ready]
        return await receive(ctx, self.b)

    async def read(self, ctx: Any, address: int) -> tuple[int, int]:
        """Returns data and RRESP."""
        await send(ctx, self.ar, address)
        answer = await receive(ctx, self.r)
        return answer["data"], answer["resp"]


def initial(address: int) -> int:
    """What a word of the bank holds before it is written."""
    return (address * 0x01000193 + 0x811C9DC5) % 2**32


def word(value: int, strb: int = 0b1111) -> dict[str, int]:
    return {"data": value, "strb": strb}


def test_write_and_read_back() -> None:
    bed = Bed()

    async def manager(ctx: Any) -> None:
        assert await bed.read(ctx, 0x40) == (initial(0x40), OKAY)
        assert await bed.write(ctx, 0x40, 0xDEADBEEF) == OKAY
        assert await bed.read(ctx, 0x40) == (0xDEADBEEF, OKAY)
        assert await bed.read(ctx, 0x44) == (initial(0x44), OKAY)

    bed.run(manager)
    assert len(bed.reads) == 3
    assert len(bed.writes) == 1


def test_strobe_comes_in_the_clock_after_the_handshake() -> None:
    bed = Bed()

    async def manager(ctx: Any) -> None:
        await bed.write(ctx, 0, 1)
        await bed.read(ctx, 0)

    bed.run(manager)
    assert bed.writing.high_clocks == [bed.write_starts[0] + 1]
    assert bed.reading.high_clocks == [bed.ars.clocks[0] + 1]


@pytest.mark.parametrize("strb", range(16))
def test_only_whole_words_are_written(strb: int) -> None:
    """A partial write is refused in the time of a whole one, and the next write is not harmed."""
    bed = Bed()

    async def manager(ctx: Any) -> None:
        assert await bed.write(ctx, 0x10, 0x12345678, strb) == (OKAY if strb == 0b1111 else SLVERR)
        assert await bed.read(ctx, 0x10) == (0x12345678 if strb == 0b1111 else initial(0x10), OKAY)
        assert await bed.write(ctx, 0x10, 0x55AA55AA) == OKAY
        assert await bed.read(ctx, 0x10) == (0x55AA55AA, OKAY)

    bed.run(manager)


@pytest.mark.parametrize("address", [MAPPED_END, MAPPED_END + 4, 0xFFC])
def test_unmapped_is_slverr_and_reads_as_zero(address: int) -> None:
    bed = Bed()

    async def manager(ctx: Any) -> None:
        assert await bed.read(ctx, address) == (0, SLVERR)
        assert await bed.write(ctx, address, 0xFFFFFFFF) == SLVERR
        assert await bed.read(ctx, MAPPED_END - 4) == (initial(MAPPED_END - 4), OKAY)

    bed.run(manager)


@pytest.mark.parametrize("low_bits", range(4))
@pytest.mark.parametrize("prot", [0b000, 0b111])
def test_prot_and_low_address_bits_are_ignored(low_bits: int, prot: int) -> None:
    bed = Bed()

    async def manager(ctx: Any) -> None:
        ctx.set(bed.dut.axi.awprot, prot)
        ctx.set(bed.dut.axi.arprot, prot)
        assert await bed.write(ctx, 0x1FC + low_bits, 7) == OKAY
        assert await bed.read(ctx, 0x1FC + low_bits) == (7, OKAY)

    bed.run(manager)
    assert bed.words == {0x1FC: 7}


@pytest.mark.parametrize(("address_clock", "data_clock"), [(0, 0), (0, 1), (1, 0), (0, 50), (50, 0)])
def test_address_and_data_of_a_write_in_any_order(address_clock: int, data_clock: int) -> None:
    """Each is taken at once, and what came first is kept; both channels then hold other values."""
    bed = Bed()

    async def address_end(ctx: Any) -> None:
        for _ in range(address_clock):
            await ctx.tick()
        await send(ctx, bed.aw, 0x20)

    async def data_end(ctx: Any) -> None:
        for _ in range(data_clock):
            await ctx.tick()
        await send(ctx, bed.w, word(0xCAFE))

    async def answer_end(ctx: Any) -> None:
        assert await receive(ctx, bed.b) == OKAY

    bed.run(address_end, data_end, answer_end)
    assert (bed.aws.clocks, bed.ws.clocks) == ([address_clock], [data_clock])
    assert bed.words == {0x20: 0xCAFE}


@pytest.mark.parametrize("late_end", ["address", "data"])
def test_the_second_half_of_the_next_write_does_not_overtake(late_end: str) -> None:
    """Two writes whose addresses come long before their data, or the other way round: each finds its own half."""
    bed = Bed()

    async def addresses(ctx: Any) -> None:
        await ctx.tick().repeat(20 if late_end == "address" else 1)
        await send_all(ctx, bed.aw, [0x20, 0x24])

    async def words(ctx: Any) -> None:
        await ctx.tick().repeat(20 if late_end == "data" else 1)
        await send_all(ctx, bed.w, [word(1), word(2)])

    async def answers(ctx: Any) -> None:
        assert await receive_all(ctx, bed.b, 2) == [OKAY, OKAY]

    bed.run(addresses, words, answers)
    assert bed.words == {0x20: 1, 0x24: 2}


@pytest.mark.parametrize("end", ["address", "data"])
def test_half_a_write_is_no_write(end: str) -> None:
    """An address alone, or data alone, does nothing and holds up no read."""
    bed = Bed()

    async def half(ctx: Any) -> None:
        await (send(ctx, bed.aw, 0x20) if end == "address" else send(ctx, bed.w, word(1)))

    async def reader(ctx: Any) -> None:
        for address in range(0, 0x40, 4):
            assert await bed.read(ctx, address) == (initial(address), OKAY)

    simulate(bed.dut, half, reader, background=[bed.bank])
    assert not bed.writes


def test_read_and_write_in_one_clock() -> None:
    """The write goes first, the read one clock later: it reads what was written."""
    bed = Bed()

    async def writer(ctx: Any) -> None:
        assert await bed.write(ctx, 0x30, 99) == OKAY

    async def reader(ctx: Any) -> None:
        assert await bed.read(ctx, 0x30) == (99, OKAY)

    bed.run(writer, reader)
    assert bed.write_starts == bed.ars.clocks == [0]
    assert bed.bs.offer_clocks == [LATENCY]
    assert bed.rs.offer_clocks == [LATENCY + 1]


def test_an_answer_not_taken_holds_up_its_own_kind_only() -> None:
    bed = Bed()

    async def lazy_writer(ctx: Any) -> None:
        await send(ctx, bed.aw, 0)
        await send(ctx, bed.w, word(1))
        await ctx.tick().repeat(100)
        assert await receive(ctx, bed.b) == OKAY

    async def reader(ctx: Any) -> None:
        for _ in range(10):
            await bed.read(ctx, 4)
        await send(ctx, bed.ar, 8)
        await ctx.tick().repeat(200)
        await receive(ctx, bed.r)

    async def late_writer(ctx: Any) -> None:
        await ctx.tick().repeat(150)
        for value in range(10):
            assert await bed.write(ctx, 0x10, value) == OKAY

    bed.run(lazy_writer, reader, late_writer)
    assert bed.rs.clocks[9] < bed.bs.clocks[0]
    assert bed.bs.clocks[-1] < bed.rs.clocks[-1]


def test_one_read_and_one_write_every_five_clocks() -> None:
    bed = Bed()
    count = 20

    async def addresses(ctx: Any) -> None:
        await send_all(ctx, bed.aw, [4 * n for n in range(count)])

    async def words(ctx: Any) -> None:
        await send_all(ctx, bed.w, [word(n) for n in range(count)])

    async def reads(ctx: Any) -> None:
        await ctx.tick().repeat(2)
        await send_all(ctx, bed.ar, [4 * n for n in range(count)])

    async def answers(ctx: Any) -> None:
        await receive_all(ctx, bed.b, count)

    async def values(ctx: Any) -> None:
        await receive_all(ctx, bed.r, count)

    bed.run(addresses, words, reads, answers, values)
    assert bed.aws.clocks == bed.ws.clocks == [5 * n for n in range(count)]
    assert bed.ars.clocks == [5 * n + 2 for n in range(count)]
    assert bed.writing.high_clocks == [5 * n + 1 for n in range(count)]
    assert bed.reading.high_clocks == [5 * n + 3 for n in range(count)]


@pytest.mark.parametrize("pattern", STALL_PATTERNS, ids=str)
@pytest.mark.parametrize("seed", seeds(3))
def test_random(seed: int, pattern: StallPattern) -> None:
    """Five channels, each with stalls of its own; every access is compared with the bank, in value and in time."""
    bed = Bed()
    random = Random(f"{seed} accesses")
    count = 60

    def address() -> int:
        return random.choice((random.randrange(MAPPED_END), random.randrange(2**12), 4 * random.randrange(4)))

    write_addresses = [address() for _ in range(count)]
    read_addresses = [address() for _ in range(count)]
    strobes = [random.choice((0b1111, 0b1111, 0b1111, random.randrange(16))) for _ in range(count)]
    values = [word(random.getrandbits(32), strb) for strb in strobes]

    async def aw(ctx: Any) -> None:
        await send_all(ctx, bed.aw, write_addresses, stalls=pattern.source(f"{seed} aw"))

    async def w(ctx: Any) -> None:
        await send_all(ctx, bed.w, values, stalls=pattern.source(f"{seed} w"))

    async def b(ctx: Any) -> None:
        await receive_all(ctx, bed.b, count, stalls=pattern.sink(f"{seed} b"))

    async def ar(ctx: Any) -> None:
        await send_all(ctx, bed.ar, read_addresses, stalls=pattern.source(f"{seed} ar"))

    async def r(ctx: Any) -> None:
        await receive_all(ctx, bed.r, count, stalls=pattern.sink(f"{seed} r"))

    bed.run(aw, w, b, ar, r)
    assert len(bed.bs.transfers) == len(bed.rs.transfers) == count
    assert bed.aws.payloads == write_addresses
    assert bed.ars.payloads == read_addresses


@pytest.mark.parametrize("address_width", [3, 12, 32, 64])
def test_address_width(address_width: int) -> None:
    """The highest word of any address width arrives whole."""
    bed = Bed(address_width)
    top = 2**address_width - 4
    is_mapped = top < MAPPED_END

    async def manager(ctx: Any) -> None:
        assert await bed.write(ctx, top, 3) == (OKAY if is_mapped else SLVERR)
        assert await bed.read(ctx, top) == ((3, OKAY) if is_mapped else (0, SLVERR))

    bed.run(manager)
    assert bed.writes == [(top, 3)]


@pytest.mark.parametrize(
    ("address_width", "error"), [(2, ValueError), (65, ValueError), (True, TypeError), ("12", TypeError)]
)
def test_bad_address_width(address_width: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=repr(address_width)):
        LiteSlave(address_width=address_width)
