"""What goes onto a board: the engine, host memory, the packet probe, and a serial line that reaches all of them."""

from typing import Any

from amaranth.build import Subsignal
from amaranth.hdl import Module
from amaranth.lib import io, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.engine import PACKET_PATH, Engine

from .bridge import SerialBridge
from .catalogue import BAUD_RATE, Board
from .local_bus import LiteManager, LocalBusDecoder
from .memory import HostMemory
from .probe import PacketProbe
from .uart import UartReceiver, UartTransmitter, clocks_per_bit


class BoardSystem(wiring.Component):
    """A whole engine behind a stream of bytes: every register, all of host memory and every lookup is reached from it.

    Parameters: ``config``, the engine; ``memory_bytes``, host memory.

    Members: ``received`` and ``sent``, the bytes of the serial line; ``is_ready``, the engine's table is scrubbed;
    ``irq``, the engine's interrupt.

    Raises what its parts raise for sizes that they do not have.
    """

    received: stream.Interface
    sent: stream.Interface

    def __init__(self, *, config: EngineConfig, memory_bytes: int):
        self._engine = Engine(config)
        self._memory = HostMemory(config=config, byte_count=memory_bytes)
        self._probe = PacketProbe(config=config, memory_bytes=memory_bytes)
        super().__init__(
            {
                "received": In(stream.Signature(8, always_ready=True)),
                "sent": Out(stream.Signature(8)),
                "is_ready": Out(1),
                "irq": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.engine = engine = self._engine
        m.submodules.memory = memory = self._memory
        m.submodules.probe = probe = self._probe
        m.submodules.bridge = bridge = SerialBridge()
        m.submodules.decoder = decoder = LocalBusDecoder()
        m.submodules.manager = manager = LiteManager()

        connect(m, flipped(self.received), bridge.received)
        connect(m, bridge.sent, flipped(self.sent))
        connect(m, bridge.bus, decoder.initiator)
        connect(m, decoder.engine, manager.bus)
        connect(m, decoder.probe, probe.bus)
        connect(m, decoder.memory, memory.bus)
        connect(m, manager.axil, engine.s_axil)
        connect(m, engine.m_axi, memory.axi)
        for name in PACKET_PATH:
            connect(m, getattr(probe, name), getattr(engine, name))
        m.d.comb += [self.is_ready.eq(engine.is_ready), self.irq.eq(engine.irq)]
        return m


class BoardTop(wiring.Component):
    """The system on the pins of one board: its first serial line, LED 0 on when ready, LED 1 on while ``irq`` is 1.

    Parameters: ``board``, from the catalogue; ``config``, the engine.
    """

    def __init__(self, *, board: Board, config: EngineConfig):
        bit_clocks = clocks_per_bit(clock_hz=board.clock_hz, baud_rate=BAUD_RATE)
        self._system = BoardSystem(config=config, memory_bytes=board.memory_bytes)
        self._receiver = UartReceiver(bit_clocks=bit_clocks)
        self._transmitter = UartTransmitter(bit_clocks=bit_clocks)
        super().__init__({})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.system = system = self._system
        m.submodules.receiver = receiver = self._receiver
        m.submodules.transmitter = transmitter = self._transmitter
        connect(m, receiver.received, system.received)
        connect(m, system.sent, transmitter.bytes)

        # Some boards have modem lines as well; every line of the resource is taken as a bare port.
        lines = [part.name for part in platform.lookup("uart", 0).ios if isinstance(part, Subsignal)]
        uart = platform.request("uart", 0, dir=dict.fromkeys(lines, "-"))
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.submodules.led_ready = led_ready = io.Buffer("o", platform.request("led", 0, dir="-"))
        m.submodules.led_irq = led_irq = io.Buffer("o", platform.request("led", 1, dir="-"))
        m.d.comb += [
            receiver.rx.eq(rx.i),
            tx.o.eq(transmitter.tx),
            led_ready.o.eq(system.is_ready),
            led_irq.o.eq(system.irq),
        ]
        return m
