"""A serial line, 8 data bits, no parity, 1 stop bit: receiver and transmitter."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

#: Clocks per bit below which the middle of a bit is not found well enough.
SHORTEST_BIT = 8


def clocks_per_bit(*, clock_hz: int, baud_rate: int) -> int:
    """Clocks that one bit lasts, rounded. Raises ``ValueError`` when the clock is too slow for the baud rate or the
    rounding makes the line more than 2 % wrong, which a receiver does not forgive.
    """
    clocks = round(clock_hz / baud_rate)
    if clocks < SHORTEST_BIT:
        raise ValueError(f"{clock_hz} Hz is too slow for {baud_rate} baud: at least {SHORTEST_BIT} clocks per bit")
    if abs(clock_hz / clocks / baud_rate - 1) > 0.02:
        raise ValueError(f"{clock_hz} Hz does not divide into {baud_rate} baud within 2 %")
    return clocks


def _check_bit_clocks(bit_clocks: int) -> int:
    if not isinstance(bit_clocks, int) or isinstance(bit_clocks, bool):
        raise TypeError(f"bit_clocks must be an integer, got {bit_clocks!r}")
    if bit_clocks < SHORTEST_BIT:
        raise ValueError(f"bit_clocks must be at least {SHORTEST_BIT}, got {bit_clocks}")
    return bit_clocks


class UartReceiver(wiring.Component):
    """Turns the line into bytes. A byte whose stop bit is low is dropped, a pulse shorter than half a bit is no start
    bit, and after a line held low the next byte begins with the next falling edge.

    Parameters: ``bit_clocks``, clocks per bit.

    Members: ``rx``, the line, asynchronous, idle high; ``received``, bytes, which must be taken at once.

    Raises ``TypeError`` or ``ValueError`` for less than 8 clocks per bit.

    Latency: the byte comes in the middle of its stop bit plus 2 clocks of synchronizer.
    """

    received: stream.Interface

    def __init__(self, *, bit_clocks: int):
        self._bit_clocks = _check_bit_clocks(bit_clocks)
        super().__init__({"rx": In(1, init=1), "received": Out(stream.Signature(8, always_ready=True))})

    def elaborate(self, _platform: object) -> Module:
        m = Module()

        line = Signal(init=1)
        line_q = Signal(init=1)
        m.submodules.line = FFSynchronizer(self.rx, line, init=1)
        m.d.sync += line_q.eq(line)

        # Ten samples shift in from the top over ones; the start bit at the bottom says that all are there.
        samples = Signal(10, init=0x3FF)
        is_receiving = Signal()
        clocks_left = Signal(range(self._bit_clocks))

        m.d.comb += self.received.payload.eq(samples[1:9])
        m.d.sync += clocks_left.eq(Mux(clocks_left == 0, self._bit_clocks - 1, clocks_left - 1))
        with m.If(~is_receiving):
            m.d.sync += [
                is_receiving.eq(line_q & ~line),
                clocks_left.eq(self._bit_clocks // 2),
                samples.eq(0x3FF),
            ]
        with m.Elif(~samples[0]):
            m.d.comb += self.received.valid.eq(samples[9])
            m.d.sync += is_receiving.eq(0)
        with m.Elif(clocks_left == 0):
            m.d.sync += samples.eq(Cat(samples[1:], line))
            with m.If(samples.all() & line):
                m.d.sync += is_receiving.eq(0)
        return m


class UartTransmitter(wiring.Component):
    """Sends bytes, one after the other, with at least one stop bit between them.

    Parameters: ``bit_clocks``, clocks per bit.

    Members: ``bytes``, to send; ``tx``, the line, from a register.

    Raises ``TypeError`` or ``ValueError`` for less than 8 clocks per bit.

    Throughput: one byte in 10 * ``bit_clocks`` clocks.
    """

    bytes: stream.Interface

    def __init__(self, *, bit_clocks: int):
        self._bit_clocks = _check_bit_clocks(bit_clocks)
        super().__init__({"bytes": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()

        # Zeros follow the stop bit, so a lone one at the bottom is the stop bit, or the idle line.
        frame = Signal(10, init=1)
        clocks_left = Signal(range(self._bit_clocks))
        is_bit_over = clocks_left == 0

        m.d.comb += [
            self.tx.eq(frame[0]),
            self.bytes.ready.eq(is_bit_over & (frame[1:] == 0)),
        ]
        with m.If(~is_bit_over):
            m.d.sync += clocks_left.eq(clocks_left - 1)
        with m.Elif(frame[1:] != 0):
            m.d.sync += [frame.eq(frame >> 1), clocks_left.eq(self._bit_clocks - 1)]
        with m.Elif(self.bytes.valid):
            m.d.sync += [frame.eq(Cat(0, self.bytes.payload, 1)), clocks_left.eq(self._bit_clocks - 1)]
        return m
