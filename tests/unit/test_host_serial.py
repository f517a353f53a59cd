"""The serial transport against a bridge written from the protocol, over a pseudo terminal and a lossy line."""

import os
import random
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from saoffload.host.serial import SerialTransport, check_byte, gather, request_frame, spread
from saoffload.host.transport import AxiResponse, TransportError, run

UNMAPPED = 0x800


class Bridge:
    """The other end: bytes in, bytes out, one register file, every executed write recorded."""

    def __init__(self) -> None:
        self.registers: dict[int, int] = {}
        self.writes: list[tuple[int, int]] = []
        self.hello_count = 0
        self._frame = bytearray()
        self._last_sequence = 0
        self._last_response = 0

    def take(self, byte: int) -> bytes:
        if byte & 0x80:
            self._frame = bytearray([byte])
        elif self._frame:
            self._frame.append(byte)
        is_write = bool(self._frame) and bool(self._frame[0] & 0x40)
        if len(self._frame) < (8 if is_write else 3):
            return b""
        frame, self._frame = bytes(self._frame), bytearray()
        if crc7(frame[:-1]) != frame[-1]:
            return b""
        sequence = frame[0] >> 3 & 7
        address = (frame[0] & 7) << 9 | frame[1] << 2
        if is_write:
            self._write(sequence, address, sum(part << 7 * place for place, part in enumerate(frame[2:7])))
            answer = bytes([0xC0 | sequence << 3 | self._last_response])
        else:
            value = self.registers.get(address, 0)
            response = 2 if address >= UNMAPPED else 0
            answer = bytes([0x80 | sequence << 3 | response, *(value >> shift & 0x7F for shift in range(0, 35, 7))])
        return answer + bytes([crc7(answer)])

    def _write(self, sequence: int, address: int, data: int) -> None:
        if sequence == 0:
            self.hello_count += 1
            self._last_response = 0
        elif sequence != self._last_sequence:
            self.writes.append((address, data))
            self._last_response = 2 if address >= UNMAPPED else 0
            if address < UNMAPPED:
                self.registers[address] = data
        self._last_sequence = sequence


def crc7(data: bytes) -> int:
    """CRC-7/UMTS as long division of one big number, unlike the transport's shift register."""
    value, generator = int.from_bytes(data, "big") << 7, 0b1_1000101
    while value.bit_length() > 7:
        value ^= generator << value.bit_length() - 8
    return value


class LossyPort:
    """A port whose line damages bytes: ``disturb`` gets every byte that crosses it, either way."""

    def __init__(self, bridge: Bridge, disturb: Callable[[int], bytes]) -> None:
        self.bridge = bridge
        self.disturb = disturb
        self.arrived = bytearray()
        self.is_closed = False

    def read(self, size: int) -> bytes:
        taken, self.arrived = bytes(self.arrived[:size]), self.arrived[size:]
        return taken

    def write(self, data: bytes) -> int:
        for byte in data:
            for received in self.disturb(byte):
                for answer in self.bridge.take(received):
                    self.arrived += self.disturb(answer)
        return len(data)

    def reset_input_buffer(self) -> None:
        self.arrived.clear()

    def close(self) -> None:
        self.is_closed = True


def intact(byte: int) -> bytes:
    return bytes([byte])


@contextmanager
def bridge_on_a_terminal(bridge: Bridge) -> Iterator[str]:
    """Serves ``bridge`` on a pseudo terminal and gives the device's name."""
    ours, theirs = os.openpty()
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            if select.select([ours], [], [], 0.02)[0]:
                for byte in os.read(ours, 64):
                    os.write(ours, bridge.take(byte))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield os.ttyname(theirs)
    finally:
        stop.set()
        thread.join()
        os.close(ours)
        os.close(theirs)


def test_a_terminal_carries_reads_and_writes():
    bridge = Bridge()
    bridge.registers[0x7FC] = 0xFFFF_FFFF
    with bridge_on_a_terminal(bridge) as device:
        link = SerialTransport.open(device, timeout_ms=2000)
        assert run(link.read32(0x7FC)) == 0xFFFF_FFFF
        for step in range(20):
            run(link.write32(4 * step, 0x8000_0001 * (step + 1) & 0xFFFF_FFFF))
            assert run(link.read32(4 * step)) == 0x8000_0001 * (step + 1) & 0xFFFF_FFFF
        link.close()
    assert len(bridge.writes) == 20
    assert bridge.hello_count == 1


def test_a_missing_device_is_one_line_that_names_it():
    with pytest.raises(Exception, match=r"cannot open /dev/no-such-port") as failure:
        SerialTransport.open("/dev/no-such-port")
    assert "\n" not in str(failure.value)


def test_a_missing_pyserial_names_the_cure(monkeypatch):
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", absent)
    with pytest.raises(Exception, match=r"pip install 'saoffload\[boards\]'"):
        SerialTransport.open("/dev/ttyUSB0")


def test_the_session_opens_with_a_hello_before_anything_else():
    bridge = Bridge()
    link = SerialTransport(LossyPort(bridge, intact))
    run(link.read32(0))
    assert bridge.hello_count == 1


def test_a_new_session_is_not_taken_for_a_repetition():
    bridge = Bridge()
    for _ in range(3):
        run(SerialTransport(LossyPort(bridge, intact)).write32(0x10, 1))
    assert bridge.writes == [(0x10, 1)] * 3


@pytest.mark.parametrize("operation", ["read", "write"])
def test_an_error_response_carries_address_and_response(operation):
    link = SerialTransport(LossyPort(Bridge(), intact))
    call = link.read32(0x804) if operation == "read" else link.write32(0x804, 1)
    with pytest.raises(TransportError, match=f"{operation} of register address 0x804: SLVERR") as failure:
        run(call)
    assert failure.value.address == 0x804
    assert failure.value.response is AxiResponse.SLVERR


def test_a_dead_line_ends_in_an_error_and_is_greeted_again():
    bridge = Bridge()
    port = LossyPort(bridge, intact)
    link = SerialTransport(port, attempts=3)
    run(link.write32(0, 1))
    port.disturb = lambda _byte: b""
    with pytest.raises(TransportError, match="no answer") as failure:
        run(link.write32(0, 2))
    assert failure.value.response is None
    port.disturb = intact
    run(link.write32(0, 3))
    assert bridge.writes == [(0, 1), (0, 3)]
    assert bridge.hello_count == 2


def test_a_port_that_breaks_is_a_transport_error():
    port = LossyPort(Bridge(), intact)
    link = SerialTransport(port)

    def vanish(_data: bytes) -> int:
        raise OSError("device disconnected")

    port.write = vanish
    with pytest.raises(TransportError, match="device disconnected"):
        run(link.read32(0))


def test_a_late_answer_is_not_taken_for_the_next_one():
    bridge = Bridge()
    bridge.registers |= {0: 0xAAAA_AAAA, 4: 0xBBBB_BBBB}
    port = LossyPort(bridge, intact)
    link = SerialTransport(port)
    late: list[bytes] = []
    discard = port.reset_input_buffer

    def answer_of_before_arrives_after_the_discard() -> None:
        late.append(bytes(port.arrived))
        discard()
        port.arrived += late[-1]

    run(link.read32(0))
    request = request_frame(0, 1)
    for byte in request:
        port.arrived += bridge.take(byte)
    port.reset_input_buffer = answer_of_before_arrives_after_the_discard
    assert run(link.read32(4)) == 0xBBBB_BBBB
    assert late != [b""]


def test_endless_noise_does_not_hang():
    port = LossyPort(Bridge(), intact)
    generator = random.Random(1)
    port.read = generator.randbytes
    start = time.monotonic()
    with pytest.raises(TransportError):
        run(SerialTransport(port).read32(0))
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("kind", ["flip", "drop", "mixed"])
def test_writes_happen_exactly_once_on_a_bad_line(kind, seed):
    generator = random.Random(f"{kind}-{seed}")

    def disturb(byte: int) -> bytes:
        if generator.random() > 0.02:
            return bytes([byte])
        action = generator.choice(["flip", "drop"]) if kind == "mixed" else kind
        return bytes([byte ^ 1 << generator.randrange(8)]) if action == "flip" else b""

    bridge = Bridge()
    link = SerialTransport(LossyPort(bridge, disturb), attempts=50)
    wanted = [(4 * generator.randrange(512), generator.getrandbits(32)) for _ in range(100)]
    for address, data in wanted:
        run(link.write32(address, data))
        assert run(link.read32(address)) == data, f"seed {kind}-{seed}"
    assert bridge.writes == wanted, f"seed {kind}-{seed}"


def test_the_check_finds_every_error_of_three_bits():
    frame = request_frame(0xABC, 5, 0x1234_5678)
    bits = [1 << bit for bit in range(7)]
    bits += [check_byte(flipped(7, at)) for at in range(56)]
    assert len(set(bits)) == 63
    assert 0 not in bits
    pairs = {first ^ second for place, first in enumerate(bits) for second in bits[place + 1 :]}
    assert pairs.isdisjoint(bits)
    assert check_byte(b"123456789") == crc7(b"123456789") == 0x61
    assert crc7(frame[:-1]) == frame[-1]


def flipped(length: int, bit: int) -> bytes:
    return (1 << bit).to_bytes(length, "big")


@pytest.mark.parametrize("data", [0, 1, 0x7F, 0x80, 0xFFFF_FFFF, 0x8000_0000])
def test_only_the_header_has_bit_seven(data):
    frame = request_frame(0xFFC, 7, data)
    assert [byte >> 7 for byte in frame] == [1] + [0] * 7
    assert gather(spread(data)) == data


@pytest.mark.parametrize(("address", "data"), [(2, 0), (-4, 0), (0x1000, 0), (0, 1 << 32), (0, -1)])
def test_impossible_accesses_are_refused_before_the_line(address, data):
    with pytest.raises(ValueError, match="0x"):
        request_frame(address, 1, data)


def test_attempts_must_be_positive():
    with pytest.raises(ValueError, match="attempts"):
        SerialTransport(LossyPort(Bridge(), intact), attempts=0)
