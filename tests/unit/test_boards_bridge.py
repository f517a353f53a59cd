"""The serial bridge: against a model of its frames, and by the host's own transport over a simulated line."""

from dataclasses import dataclass, field
from random import Random

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from tests.unit.boards_bench import BytePort
from tests.unit.streams import STALL_PATTERNS, Monitor, never, randomly, receive, receive_all, seeds, send_all, simulate

from saoffload.boards.bridge import PAGE_REGISTER, SerialBridge
from saoffload.boards.local_bus import LiteManager, LocalBusDecoder
from saoffload.boards.memory import HostMemory
from saoffload.boards.uart import UartReceiver, UartTransmitter
from saoffload.hdl.bus.lite_slave import LiteSlave, RegisterPortSignature
from saoffload.hdl.config import preset
from saoffload.host.serial import SerialTransport
from saoffload.host.transport import AxiResponse, TransportError, run

OKAY, SLVERR, DECERR = 0, 2, 3
ERROR_ADDRESS = 0x800
BIT = 8


def crc7(data):
    """CRC-7/UMTS by long division."""
    value = int.from_bytes(data, "big") << 7
    while value.bit_length() > 7:
        value ^= 0b1_1000101 << value.bit_length() - 8
    return value


def spread(value):
    return bytes(value >> shift & 0x7F for shift in range(0, 35, 7))


def frame(address, sequence, data=None):
    head = bytes([0x80 | (data is not None) << 6 | sequence << 3 | address >> 9, address >> 2 & 0x7F])
    body = head + (b"" if data is None else spread(data))
    return body + bytes([crc7(body)])


@dataclass
class Registers:
    """What the bus reaches: words that keep what is written; addresses from ``ERROR_ADDRESS`` of a page are errors."""

    words: dict[int, int] = field(default_factory=dict)
    accesses: list[tuple] = field(default_factory=list)

    def access(self, address, data):
        """Returns (response, read data) and records the access; ``data`` is None to read."""
        self.accesses.append((address, data))
        if address & 0xFFF >= ERROR_ADDRESS:
            return SLVERR, 0xBAD0BAD0
        if data is not None:
            self.words[address] = data
        return OKAY, self.words.get(address, address * 0x10001 ^ 0x80000000)


@dataclass
class BridgeModel:
    """The frames as the host's documentation tells them."""

    registers: Registers = field(default_factory=Registers)
    page: int = 1
    last: tuple[int, int] = (0, OKAY)
    pending: bytes = b""

    def take(self, byte):
        """One byte in, the answer's bytes out."""
        if byte & 0x80:
            self.pending = bytes([byte])
        elif self.pending:
            self.pending += bytes([byte])
        is_write = bool(self.pending and self.pending[0] & 0x40)
        if len(self.pending) < (8 if is_write else 3):
            return b""
        done, self.pending = self.pending, b""
        if crc7(done[:-1]) != done[-1]:
            return b""
        sequence, address = done[0] >> 3 & 7, (done[0] & 7) << 9 | done[1] << 2
        if not is_write:
            response, value = self.read(address)
            answer = bytes([0x80 | sequence << 3 | response]) + spread(value if response == OKAY else 0)
        else:
            data = sum(part << 7 * n for n, part in enumerate(done[2:7])) & 0xFFFFFFFF
            answer = bytes([0xC0 | sequence << 3 | self.write(sequence, address, data)])
        return answer + bytes([crc7(answer)])

    def read(self, address):
        if address == PAGE_REGISTER:
            return OKAY, self.page
        return self.registers.access(self.page << 12 | address, None)

    def write(self, sequence, address, data):
        if sequence == 0:
            self.page, self.last = 0, (0, OKAY)
        elif sequence != self.last[0]:
            if address == PAGE_REGISTER:
                self.page, response = data & 0xF, OKAY
            else:
                response, _ = self.registers.access(self.page << 12 | address, data)
            self.last = (sequence, response)
        return self.last[1]


async def serve(ctx, bus, registers, stalls):
    """The targets of the bus: each access is done after the clocks that ``stalls`` asks for."""
    while True:
        _, _, is_active = await ctx.tick().sample(bus.is_active)
        if not is_active:
            continue
        while next(stalls):
            await ctx.tick()
        address, is_write, data = ctx.get(bus.address), ctx.get(bus.is_write), ctx.get(bus.write_data)
        response, value = registers.access(address, data if is_write else None)
        ctx.set(bus.response, response)
        ctx.set(bus.read_data, value)
        ctx.set(bus.is_done, 1)
        await ctx.tick()
        ctx.set(bus.is_done, 0)
        ctx.set(bus.read_data, 0x5A5A5A5A)


def exchange(frames, *, stalls=None, sink=None):
    """Sends each frame, waits for what the model would answer, and returns answers and accesses of both."""
    dut, model, registers = SerialBridge(), BridgeModel(), Registers()
    sent = Monitor(dut.sent)
    answers = []

    async def line(ctx):
        for request in frames:
            expected = b"".join(model.take(byte) for byte in request)
            await send_all(ctx, dut.received, request)
            answers.append((expected, bytes([await receive(ctx, dut.sent, stalls=sink or never()) for _ in expected])))
            await ctx.tick().repeat(3)

    async def targets(ctx):
        await serve(ctx, dut.bus, registers, stalls or never())

    simulate(dut, line, background=[targets], monitors=[sent], deadline=100_000, drain=40)
    assert len(sent.payloads) == sum(len(expected) for expected, _ in answers), "an answer nobody asked for"
    return answers, model.registers.accesses, registers.accesses


def check_exchange(frames, **stalls):
    answers, expected_accesses, accesses = exchange(frames, **stalls)
    for request, (expected, answer) in zip(frames, answers, strict=True):
        assert answer.hex(" ") == expected.hex(" "), f"to {request.hex(' ')}"
    assert accesses == expected_accesses
    return answers, accesses


HELLO = frame(0, 0, 0)


def random_frames(seed, count):
    """Accesses, repetitions, hellos, page changes, and frames that are damaged, cut, or followed by noise."""
    random = Random(seed)
    frames = [HELLO]
    for _ in range(count):
        address = random.choice([0, 4, 0x7FC, 0x800, 0xFF8, PAGE_REGISTER, 4 * random.randrange(1024)])
        data = random.choice([None, 0, 0xFFFFFFFF, 0x80000001, random.getrandbits(32)])
        request = frame(address, random.randrange(8), data)
        match random.randrange(8):
            case 0:
                damaged = bytearray(request)
                damaged[random.randrange(len(request))] ^= 1 << random.randrange(8)
                frames.append(bytes(damaged))
            case 1:
                frames.append(request[: random.randrange(1, len(request))])
            case 2:
                frames.append(bytes(random.randrange(128) for _ in range(random.randrange(1, 12))))
            case 3:
                frames += [request, request]
            case _:
                frames.append(request)
    return frames


@pytest.mark.parametrize("pattern", STALL_PATTERNS, ids=str)
@pytest.mark.parametrize("seed", seeds(2))
def test_bridge_answers_like_its_model(pattern, seed):
    stalls = {"stalls": pattern.source(f"{seed} bus"), "sink": pattern.sink(seed)}
    _, accesses = check_exchange(random_frames(seed, 60), **stalls)
    assert len(accesses) > 10, f"seed {seed}"


def test_check_value_of_the_catalogue():
    assert crc7(b"123456789") == 0x61


def test_every_single_bit_error_is_neither_executed_nor_answered():
    request = frame(0x124, 1, 0xDEADBEEF)
    damaged = []
    for bit in range(8 * len(request)):
        flipped_bits = bytearray(request)
        flipped_bits[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(flipped_bits))
    # A damaged header may make a frame longer than what was sent: the hello after each must still be heard.
    frames = [HELLO] + [part for bad in damaged for part in (bad, HELLO)]
    answers, accesses = check_exchange(frames)
    assert accesses == []
    assert all(answer == (b"" if n % 2 else answers[0][1]) for n, (_, answer) in enumerate(answers))


@pytest.mark.parametrize("length", range(1, 8))
def test_a_frame_cut_short_never_swallows_the_next(length):
    whole = frame(0x20, 2, 0x11223344)
    _, accesses = check_exchange([HELLO, whole[:length], frame(0x24, 3, 0x55667788), frame(0x24, 4)])
    assert accesses == [(0x24, 0x55667788), (0x24, None)]


def test_a_repeated_write_is_done_once_with_the_same_answer():
    write, bad = frame(0x10, 1, 5), frame(0x900, 2, 6)
    answers, accesses = check_exchange([HELLO, write, write, frame(0x10, 1), write, bad, bad])
    assert accesses == [(0x10, 5), (0x10, None), (0x900, 6)]
    assert [answer[0] & 3 for _, answer in answers] == [OKAY] * 5 + [SLVERR] * 2


def test_hello_starts_the_sequence_anew():
    write = frame(0x10, 1, 5)
    _, accesses = check_exchange([HELLO, write, HELLO, write])
    assert accesses == [(0x10, 5), (0x10, 5)]


def test_pages_reach_the_whole_bus_and_begin_at_the_empty_one():
    frames = [frame(0x10, 1), frame(0x10, 2, 7), HELLO, frame(0x10, 3)]
    frames += [part for page in range(16) for part in (frame(PAGE_REGISTER, 1 + page % 7, page), frame(0x7FC, 0))]
    frames += [frame(PAGE_REGISTER, 5), HELLO, frame(PAGE_REGISTER, 5), frame(0x10, 3)]
    answers, accesses = check_exchange(frames)
    pages = [address >> 12 for address, _ in accesses]
    assert pages == [1, 1, 0, *range(16), 0]
    assert answers[-4][1][1] == 15
    assert answers[-2][1][1] == 0


def test_frames_that_arrive_while_an_access_is_done_are_ignored_and_harm_nothing():
    dut, registers = SerialBridge(), Registers()
    answer = []

    async def line(ctx):
        await send_all(ctx, dut.received, HELLO)
        for _ in range(2):
            await receive(ctx, dut.sent)
        await send_all(ctx, dut.received, frame(0x10, 1))
        await send_all(ctx, dut.received, frame(0x20, 2, 9))
        answer.extend(await receive_all(ctx, dut.sent, 7, stalls=randomly(1)))

    async def targets(ctx):
        await serve(ctx, dut.bus, registers, iter([True] * 20 + [False]))

    simulate(dut, line, background=[targets])
    assert registers.accesses == [(0x10, None)]
    assert answer[0] == 0x88
    assert answer[-1] == crc7(bytes(answer[:-1]))


class ByteBoard(wiring.Component):
    """Everything between the bytes and the targets, with plain registers for an engine."""

    def __init__(self):
        super().__init__(
            {
                "received": In(stream.Signature(8, always_ready=True)),
                "sent": Out(stream.Signature(8)),
                "registers": Out(RegisterPortSignature(address_width=12)),
            }
        )

    def elaborate(self, _platform):
        m = Module()
        m.submodules.bridge = bridge = SerialBridge()
        m.submodules.decoder = decoder = LocalBusDecoder()
        m.submodules.manager = manager = LiteManager()
        m.submodules.slave = slave = LiteSlave(address_width=12)
        m.submodules.memory = memory = HostMemory(config=preset("tiny"), byte_count=2048)
        connect(m, flipped(self.received), bridge.received)
        connect(m, bridge.sent, flipped(self.sent))
        connect(m, bridge.bus, decoder.initiator)
        connect(m, decoder.engine, manager.bus)
        connect(m, decoder.memory, memory.bus)
        connect(m, manager.axil, slave.axi)
        connect(m, slave.registers, flipped(self.registers))
        return m


class LineBoard(wiring.Component):
    """The same behind a serial line, with bytes at the host's end again."""

    def __init__(self):
        self.board = ByteBoard()
        self.registers = self.board.registers
        super().__init__({"received": In(stream.Signature(8)), "sent": Out(stream.Signature(8, always_ready=True))})

    def elaborate(self, _platform):
        m = Module()
        m.submodules.board = board = self.board
        m.submodules.to_board = to_board = UartReceiver(bit_clocks=BIT)
        m.submodules.from_board = from_board = UartTransmitter(bit_clocks=BIT)
        m.submodules.from_host = from_host = UartTransmitter(bit_clocks=BIT)
        m.submodules.to_host = to_host = UartReceiver(bit_clocks=BIT)
        m.d.comb += [to_board.rx.eq(from_host.tx), to_host.rx.eq(from_board.tx)]
        connect(m, flipped(self.received), from_host.bytes)
        connect(m, to_board.received, board.received)
        connect(m, board.sent, from_board.bytes)
        connect(m, to_host.received, flipped(self.sent))
        return m


class Engine:
    """The registers of an engine: what was written, in order, and the words that stand."""

    def __init__(self, port):
        self.port = port
        self.words = {}
        self.writes = []

    async def serve(self, ctx):
        port = self.port
        async for _, _, do_read, do_write, read_address, write_address, data in ctx.tick().sample(
            port.do_read, port.do_write, port.read_address, port.write_address, port.write_data
        ):
            address = write_address if do_write else read_address
            if do_read or do_write:
                ctx.set(port.is_mapped, address < ERROR_ADDRESS)
            if do_read:
                ctx.set(port.read_data, self.words.get(address, 0))
            if do_write:
                self.writes.append((address, data))
                self.words[address] = data


def test_host_driver_reaches_engine_registers_and_memory():
    board = ByteBoard()
    engine = Engine(board.registers)
    transport = SerialTransport(BytePort(board, background=[engine.serve]))
    run(transport.write32(0x014, 0xCAFEF00D))
    assert run(transport.read32(0x014)) == 0xCAFEF00D
    with pytest.raises(TransportError) as refused:
        run(transport.write32(ERROR_ADDRESS, 1))
    assert refused.value.response is AxiResponse.SLVERR

    run(transport.write32(PAGE_REGISTER, 8))
    for n, value in enumerate((0x00180180, 0, 0x12345678, 0xFFFFFFFF)):
        run(transport.write32(4 * n, value))
    assert [run(transport.read32(4 * n)) for n in range(4)] == [0x00180180, 0, 0x12345678, 0xFFFFFFFF]
    with pytest.raises(TransportError) as refused:
        run(transport.read32(0x800))
    assert refused.value.response is AxiResponse.SLVERR
    run(transport.write32(PAGE_REGISTER, 1))
    with pytest.raises(TransportError) as refused:
        run(transport.read32(0))
    assert refused.value.response is AxiResponse.DECERR
    run(transport.write32(PAGE_REGISTER, 0))
    assert run(transport.read32(0x014)) == 0xCAFEF00D
    assert engine.writes == [(0x014, 0xCAFEF00D), (ERROR_ADDRESS, 1)]


@pytest.mark.parametrize("seed", seeds(1))
def test_host_driver_gets_through_a_lossy_line_and_writes_once(seed):
    random = Random(seed)

    def disturb(byte):
        match random.randrange(40):
            case 0:
                return []
            case 1:
                return [byte ^ 1 << random.randrange(8)]
            case 2:
                return [byte, random.randrange(128)]
            case _:
                return [byte]

    board = ByteBoard()
    engine = Engine(board.registers)
    transport = SerialTransport(BytePort(board, background=[engine.serve], disturb=disturb), attempts=20)
    expected = [(4 * n, random.getrandbits(32)) for n in range(6)]
    for address, value in expected:
        run(transport.write32(address, value))
        assert run(transport.read32(address)) == value, f"seed {seed}"
    assert engine.writes == expected, f"seed {seed}"


def test_host_driver_over_the_serial_line():
    board = LineBoard()
    engine = Engine(board.registers)
    transport = SerialTransport(BytePort(board, background=[engine.serve], silence_clocks=30 * 10 * BIT))
    run(transport.write32(0x014, 0xCAFEF00D))
    assert run(transport.read32(0x014)) == 0xCAFEF00D
    assert engine.writes == [(0x014, 0xCAFEF00D)]
