"""The serial line of a board: receiver and transmitter, alone and wired to each other."""

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from tests.unit.streams import STALL_PATTERNS, Monitor, Probe, Random, seeds, send_all, simulate

from saoffload.boards.catalogue import BAUD_RATE, BOARDS
from saoffload.boards.uart import UartReceiver, UartTransmitter, clocks_per_bit

BIT = 8
EDGE_BYTES = [0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80, 0x00]


class Loop(wiring.Component):
    """A transmitter whose line goes to a receiver."""

    def __init__(self, *, bit_clocks):
        self.transmitter = UartTransmitter(bit_clocks=bit_clocks)
        self.receiver = UartReceiver(bit_clocks=bit_clocks)
        super().__init__(
            {"bytes": In(stream.Signature(8)), "received": Out(stream.Signature(8, always_ready=True)), "line": Out(1)}
        )

    def elaborate(self, _platform):
        m = Module()
        m.submodules += [self.transmitter, self.receiver]
        connect(m, flipped(self.bytes), self.transmitter.bytes)
        connect(m, self.receiver.received, flipped(self.received))
        m.d.comb += [self.receiver.rx.eq(self.transmitter.tx), self.line.eq(self.transmitter.tx)]
        return m


def levels(byte, *, stop=1):
    return [0, *(byte >> n & 1 for n in range(8)), stop]


async def drive(ctx, dut, bits, *, bit_clocks=BIT):
    for bit in bits:
        ctx.set(dut.rx, bit)
        await ctx.tick().repeat(bit_clocks)
    ctx.set(dut.rx, 1)


@pytest.mark.parametrize("pattern", STALL_PATTERNS, ids=str)
@pytest.mark.parametrize("bit_clocks", [8, 11])
@pytest.mark.parametrize("seed", seeds(1))
def test_every_byte_sent_is_received_once_in_order(pattern, bit_clocks, seed):
    payloads = EDGE_BYTES + [Random(seed).randrange(256) for _ in range(4)]
    dut = Loop(bit_clocks=bit_clocks)
    received = Monitor(dut.received)
    line = Probe(dut.line)

    async def source(ctx):
        await send_all(ctx, dut.bytes, payloads, stalls=pattern.source(seed))

    simulate(dut, source, monitors=[received, line], drain=12 * bit_clocks)
    assert received.payloads == payloads, f"seed {seed}"
    assert line.values[-1] == 1
    if pattern.name == "none":
        periods = {later - earlier for earlier, later in zip(received.clocks, received.clocks[1:], strict=False)}
        assert periods == {10 * bit_clocks}


def test_line_has_the_levels_of_8n1():
    dut = UartTransmitter(bit_clocks=BIT)
    line = Probe(dut.tx)

    async def source(ctx):
        await send_all(ctx, dut.bytes, [0x35])

    simulate(dut, source, monitors=[line], drain=12 * BIT)
    start = line.values.index(0)
    assert set(line.values[:start]) == {1}
    assert line.values[start::BIT][:10] == levels(0x35)
    assert line.values[start : start + 10 * BIT] == [level for level in levels(0x35) for _ in range(BIT)]
    assert set(line.values[start + 10 * BIT :]) == {1}


@pytest.mark.parametrize("sender_bit_clocks", [96, 98, 100, 102, 104])
def test_receiver_bears_a_sender_up_to_four_percent_off(sender_bit_clocks):
    dut = UartReceiver(bit_clocks=100)
    received = Monitor(dut.received)

    async def line(ctx):
        for byte in (0xA5, 0x00, 0xFF):
            await drive(ctx, dut, levels(byte), bit_clocks=sender_bit_clocks)

    simulate(dut, line, monitors=[received], drain=200)
    assert received.payloads == [0xA5, 0x00, 0xFF]


def test_receiver_drops_a_byte_without_stop_bit_and_goes_on():
    dut = UartReceiver(bit_clocks=BIT)
    received = Monitor(dut.received)

    async def line(ctx):
        await drive(ctx, dut, levels(0x42, stop=0))
        await drive(ctx, dut, [1, *levels(0x43)])

    simulate(dut, line, monitors=[received], drain=3 * BIT)
    assert received.payloads == [0x43]


def test_receiver_takes_no_byte_from_a_break_or_a_glitch():
    dut = UartReceiver(bit_clocks=BIT)
    received = Monitor(dut.received)

    async def line(ctx):
        await drive(ctx, dut, [0] * 35)
        await drive(ctx, dut, [1, 1])
        await drive(ctx, dut, [0], bit_clocks=BIT // 2 - 1)
        await drive(ctx, dut, [1] * 12)
        await drive(ctx, dut, levels(0x99))

    simulate(dut, line, monitors=[received], drain=3 * BIT)
    assert received.payloads == [0x99]


@pytest.mark.parametrize("phase", [0, 30, 60, 90])
@pytest.mark.parametrize("sender_bit_clocks", [97, 103])
def test_receiver_finds_the_middle_of_bits_anew_after_a_glitch(phase, sender_bit_clocks):
    dut = UartReceiver(bit_clocks=100)
    received = Monitor(dut.received)

    async def line(ctx):
        await drive(ctx, dut, [0], bit_clocks=40)
        await drive(ctx, dut, [1], bit_clocks=200 + phase)
        await drive(ctx, dut, levels(0xA5), bit_clocks=sender_bit_clocks)

    simulate(dut, line, monitors=[received], drain=200)
    assert received.payloads == [0xA5]


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board.name)
def test_boards_hit_their_baud_rate_within_one_percent(board):
    clocks = clocks_per_bit(clock_hz=board.clock_hz, baud_rate=BAUD_RATE)
    assert abs(board.clock_hz / clocks / BAUD_RATE - 1) < 0.01


@pytest.mark.parametrize(("clock_hz", "baud_rate"), [(115200 * 7, 115200), (1_000_000, 117_000)])
def test_baud_rates_that_the_clock_cannot_make_are_refused(clock_hz, baud_rate):
    with pytest.raises(ValueError, match=str(clock_hz)):
        clocks_per_bit(clock_hz=clock_hz, baud_rate=baud_rate)


@pytest.mark.parametrize("part", [UartReceiver, UartTransmitter])
def test_sizes_are_checked(part):
    with pytest.raises(ValueError, match="7"):
        part(bit_clocks=7)
    with pytest.raises(TypeError, match=r"10\.5"):
        part(bit_clocks=10.5)
