"""Registers over a serial line: what the host and the UART bridge of a board say to each other.

The line is 8N1. The host sends one request and waits for its answer; the bridge may ignore what arrives while it works.

Every frame begins with a header byte whose bit 7 is 1. All its other bytes have bit 7 = 0 and carry 7 bits each, so
the stream synchronises itself: a header always starts a new frame, whatever was under way, and a byte with bit 7 = 0
outside a frame is ignored. No timer, no escape bytes, and a frame cut short can never swallow the next one.

| frame | bytes |
|---|---|
| read request | header, address bits 8:2, check |
| write request | header, address bits 8:2, five data bytes, check |
| read answer | header, five data bytes, check |
| write answer | header, check |

- Request header: bit 6 is_write, bits 5:3 sequence, bits 2:0 address bits 11:9.
- Answer header: bit 6 is_write, bits 5:3 the request's sequence, bit 2 zero, bits 1:0 the AXI response.
- Data bytes: bits 6:0, 13:7, 20:14, 27:21, 31:28 (the upper three bits of the last are zero).
- Check: CRC-7/UMTS (polynomial 0x45, initial value 0, not reflected, nothing added) over all bytes before it. It finds
  every error of up to three bits in the longest frame; a byte lost is found always, and any other damage in 127 of 128
  cases.

A request with a wrong check is not executed and not answered; the host repeats it after a timeout, with the same
sequence. **A write takes effect exactly once**, because the bridge remembers the sequence and the response of the last
write it executed (both 0 after reset):

- write of sequence 0, the *hello* that opens a session: nothing is written, the memory becomes sequence 0 and response
  OKAY, and that is the answer;
- write of the remembered sequence: a repetition; nothing is written, the remembered response is the answer;
- any other write: executed, remembered, answered.

Reads are always executed and change no memory. The host opens every session with the hello and numbers its writes 1, 2,
... 7, 1, ... .
"""

import importlib
from typing import Protocol, Self

from .errors import HostError
from .transport import AxiResponse, Transport, TransportError, check_access

DEFAULT_BAUD_RATE = 115_200

ADDRESS_LIMIT = 1 << 12
CRC_POLYNOMIAL = 0x45
CRC_BITS = 7
HEADER_MARK = 0x80
WRITE_MARK = 0x40
SEQUENCE_SHIFT = 3
SEQUENCE_COUNT = 8
HELLO_SEQUENCE = 0
DATA_BYTES = 5
READ_ANSWER_BYTES = 7
WRITE_ANSWER_BYTES = 2


def check_byte(frame: bytes) -> int:
    """CRC-7/UMTS of ``frame``, the byte that ends it."""
    remainder = 0
    for byte in frame:
        for bit in range(7, -1, -1):
            carry = remainder >> (CRC_BITS - 1) ^ byte >> bit & 1
            remainder = remainder << 1 & (1 << CRC_BITS) - 1 ^ (CRC_POLYNOMIAL if carry else 0)
    return remainder


def spread(data: int) -> bytes:
    """32 bits as five bytes of seven bits."""
    return bytes(data >> 7 * position & 0x7F for position in range(DATA_BYTES))


def gather(spread_data: bytes) -> int:
    """The 32 bits that ``spread`` made into five bytes."""
    return sum(byte << 7 * position for position, byte in enumerate(spread_data)) & 0xFFFF_FFFF


def request_frame(address: int, sequence: int, data: int | None = None) -> bytes:
    """The frame that reads ``address``, or writes ``data`` to it."""
    check_access(address, data or 0)
    if address >= ADDRESS_LIMIT:
        raise ValueError(f"the bridge reaches addresses below {ADDRESS_LIMIT:#x}, got {address:#x}")
    header = HEADER_MARK | sequence << SEQUENCE_SHIFT | address >> 9
    if data is not None:
        header |= WRITE_MARK
    frame = bytes((header, address >> 2 & 0x7F)) + (b"" if data is None else spread(data))
    return frame + bytes((check_byte(frame),))


class Port(Protocol):
    """What is needed of a serial port; pyserial's ``Serial`` is one."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes: fewer when no more arrived within the port's timeout."""
        ...

    def write(self, data: bytes, /) -> int | None:
        """Send all of ``data``."""
        ...

    def reset_input_buffer(self) -> None:
        """Forget what has arrived."""
        ...

    def close(self) -> None:
        """Release the device."""
        ...


class SerialTransport(Transport):
    """Reads and writes the registers of the engine behind ``port``. A lost or damaged frame is repeated up to
    ``attempts`` times in all, and no write is ever done twice.

    Raises ``TransportError`` when the engine answers with an error response or when no attempt was answered.
    One access takes ten bytes on the line and is answered within the time of these bytes and 40 engine clocks.
    """

    poll_interval = 0.0

    def __init__(self, port: Port, *, attempts: int = 4) -> None:
        if attempts < 1:
            raise ValueError(f"attempts must be at least 1, got {attempts}")
        self._port = port
        self._attempts = attempts
        self._write_sequence = HELLO_SEQUENCE
        self._read_sequence = 0
        self._is_greeted = False

    @classmethod
    def open(
        cls, device: str, *, baud_rate: int = DEFAULT_BAUD_RATE, timeout_ms: float = 250, attempts: int = 4
    ) -> Self:
        """Open ``device`` (``/dev/ttyUSB0``, ``COM3``) with pyserial. ``timeout_ms`` bounds the wait for one answer.
        Raises ``HostError`` naming the cure when pyserial is missing or the device cannot be opened.
        """
        try:
            pyserial = importlib.import_module("serial")
        except ImportError:
            raise HostError("pyserial is missing: install it with  pip install 'saoffload[boards]'") from None
        try:
            return cls(pyserial.Serial(device, baud_rate, timeout=timeout_ms / 1000), attempts=attempts)
        except OSError as error:
            raise HostError(f"cannot open {device}: {error}") from None

    def close(self) -> None:
        """Close the port."""
        self._port.close()

    async def read32(self, address: int) -> int:
        """The register at byte ``address``, repeated until answered: a read changes nothing but a latch."""
        self._greet()
        # A sequence of its own for every read, so that a late answer to the one before is not taken for this one's.
        self._read_sequence = (self._read_sequence + 1) % SEQUENCE_COUNT
        answer = self._exchange("read", address, self._read_sequence, None)
        return gather(answer[1:-1])

    async def write32(self, address: int, data: int) -> None:
        """Write the register at byte ``address`` exactly once, however often the frame must be repeated."""
        self._greet()
        self._write_sequence = self._write_sequence % (SEQUENCE_COUNT - 1) + 1
        self._exchange("write", address, self._write_sequence, data)

    def _greet(self) -> None:
        if not self._is_greeted:
            self._exchange("write", 0, HELLO_SEQUENCE, 0)
            self._is_greeted = True

    def _exchange(self, operation: str, address: int, sequence: int, data: int | None) -> bytes:
        request = request_frame(address, sequence, data)
        try:
            answer = self._repeat_until_answered(request, READ_ANSWER_BYTES if data is None else WRITE_ANSWER_BYTES)
        except OSError as error:
            self._is_greeted = False
            raise TransportError(operation, address, None, str(error)) from error
        if answer is None:
            # Whether the bridge took a write is unknown, so is the sequence it remembers: greet it before the next.
            self._is_greeted = False
            raise TransportError(operation, address, None, f"{self._attempts} attempts")
        response = AxiResponse(answer[0] & 0b11)
        if response is not AxiResponse.OKAY:
            raise TransportError(operation, address, response)
        return answer

    def _repeat_until_answered(self, request: bytes, answer_length: int) -> bytes | None:
        for _ in range(self._attempts):
            self._port.reset_input_buffer()
            self._port.write(request)
            answer = self._receive(request[0] & ~0b111, answer_length)
            if answer is not None:
                return answer
        return None

    def _receive(self, expected_header: int, length: int) -> bytes | None:
        """The next whole, undamaged answer with that header (response aside); None when the port falls silent or an
        endless stream of something else arrives.
        """
        frame = b""
        for _ in range(self._attempts * READ_ANSWER_BYTES):
            received = self._port.read(max(1, length - len(frame)))
            if not received:
                return None
            frame += received
            # Whatever stands before the last header belongs to a frame cut short.
            start = max((at for at, byte in enumerate(frame) if byte & HEADER_MARK), default=len(frame))
            frame = frame[start:]
            if len(frame) < length:
                continue
            frame = frame[:length]
            if frame[0] & ~0b11 == expected_header and check_byte(frame[:-1]) == frame[-1]:
                return frame
            frame = b""
        return None
