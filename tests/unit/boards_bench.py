"""The host's end of a board's byte streams, for the host's own serial transport."""

from collections.abc import Callable, Iterable
from typing import Any

from amaranth.hdl import Const
from amaranth.sim import Simulator
from tests.unit.streams import Bench


class BytePort:
    """A serial port whose line takes one byte per clock. Time passes on the board only while the host reads.

    ``dut`` has the streams ``received`` and ``sent``. ``disturb`` gets every byte that crosses the line, either way,
    and returns what arrives in its place. ``background`` runs beside it. A read gives up after ``silence_clocks``.
    """

    def __init__(
        self,
        dut: Any,
        *,
        background: Iterable[Bench] = (),
        silence_clocks: int = 300,
        disturb: Callable[[int], list[int]] = lambda byte: [byte],
    ):
        self._dut = dut
        self._silence_clocks = silence_clocks
        self._disturb = disturb
        self._to_board: list[int] = []
        self._arrived = bytearray()
        self._clock = 0
        self._simulator = Simulator(dut)
        self._simulator.add_clock(1e-6)
        for bench in (self._line, *background):
            self._simulator.add_testbench(bench, background=True)

    async def _line(self, ctx: Any) -> None:
        received, sent = self._dut.received, self._dut.sent
        if not isinstance(sent.ready, Const):
            ctx.set(sent.ready, 1)
        while True:
            is_offered = bool(self._to_board)
            ctx.set(received.valid, is_offered)
            ctx.set(received.payload, self._to_board[0] if is_offered else 0xFF)
            _, _, is_taken, is_valid, byte = await ctx.tick().sample(received.ready, sent.valid, sent.payload)
            self._clock += 1
            if is_offered and is_taken:
                self._to_board.pop(0)
            if is_valid:
                self._arrived += bytes(self._disturb(byte))

    def write(self, data: bytes) -> int:
        for byte in data:
            self._to_board += self._disturb(byte)
        return len(data)

    def read(self, size: int) -> bytes:
        deadline = self._clock + self._silence_clocks
        while len(self._arrived) < size and self._clock < deadline:
            self._simulator.advance()
        data = bytes(self._arrived[:size])
        del self._arrived[:size]
        return data

    def reset_input_buffer(self) -> None:
        self._arrived.clear()

    def close(self) -> None:
        pass
