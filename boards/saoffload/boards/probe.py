"""The packet path by hand: lookups, answers and retires as registers, where a NIC would have its packet pipeline.

Without it nothing on a board would ask the table, and synthesis would rightly remove the table. It sees what a packet
path sees, contexts too, so it belongs on a board for trials and in no product.
"""

from typing import Any

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.bus.axi4 import Response
from saoffload.hdl.config import EngineConfig

from .local_bus import PAGE_BITS, LocalBusSignature

IDENTIFICATION = 0x53415042
"""The bytes of "SAPB", most significant first."""

CONTEXT_WORDS = 0x40
"""Address of the first context word; it has all addresses up to 0xFC."""
MOST_CONTEXT_WORDS = 48


class Kind(enum.Enum, shape=1):
    """Kind of a lookup."""

    KEY = 0
    HANDLE = 1


class Register(enum.Enum, shape=8):
    """Addresses in the probe's page."""

    #: Read: ``IDENTIFICATION``.
    ID = 0x00
    #: Read: bytes of host memory on the chip.
    MEMORY_BYTES = 0x04
    #: Read: bit 0 answered, 1 waiting, 2 hit, 3 SA number, 4 direction, 5 kind, 15:8 epoch.
    STATUS = 0x08
    #: Read: handle of the last answer, 0 for a miss.
    ANSWER_HANDLE = 0x0C
    #: Write: bit 0 kind, 1 family, 2 protocol; starts a lookup of what the words hold.
    LOOKUP = 0x10
    #: Write: bit 0 kind, 15:8 epoch; retires one answer.
    RETIRE = 0x14
    #: Write: SPI, or the handle's bits 31:0.
    WORD0 = 0x20
    #: Write: destination bits 31:0, or the handle's bits 63:32.
    WORD1 = 0x24
    #: Write: destination bits 63:32; as the two below, only in an engine that has IPv6.
    WORD2 = 0x28
    #: Write: destination bits 95:64.
    WORD3 = 0x2C
    #: Write: destination bits 127:96.
    WORD4 = 0x30


class PacketProbe(wiring.Component):
    """Starts one lookup per write of ``LOOKUP`` and keeps its answer until the next; retires what ``RETIRE`` names.

    A ``LOOKUP`` before the last one's answer is refused with SLVERR and changes nothing; so is any access that the
    register does not take. Answers may be retired in any order and at any time, also after further lookups.

    Parameters: ``config``, the engine's sizes; ``memory_bytes``, what ``MEMORY_BYTES`` says.

    Members: ``bus``, the local bus; the others as in the table's signature, seen from the packet path.

    Raises ``ValueError`` for a context too wide for its registers.

    Latency: accesses are done in the clock in which they stand; a lookup is asked one clock later.
    """

    key_requests: stream.Interface
    key_answers: stream.Interface
    key_retires: stream.Interface
    handle_requests: stream.Interface
    handle_answers: stream.Interface
    handle_retires: stream.Interface

    def __init__(self, *, config: EngineConfig, memory_bytes: int):
        if config.context_width > 32 * MOST_CONTEXT_WORDS:
            raise ValueError(f"context_width must be at most {32 * MOST_CONTEXT_WORDS}, got {config.context_width}")
        self._config = config
        self._memory_bytes = memory_bytes
        answer = layouts.lookup_answer(config)
        epoch = layouts.epoch(config)
        super().__init__(
            {
                "bus": In(LocalBusSignature()),
                "key_requests": Out(stream.Signature(layouts.KEY)),
                "key_answers": In(stream.Signature(answer, always_ready=True)),
                "key_retires": Out(stream.Signature(epoch, always_ready=True)),
                "handle_requests": Out(stream.Signature(layouts.HANDLE_REQUEST)),
                "handle_answers": In(stream.Signature(answer, always_ready=True)),
                "handle_retires": Out(stream.Signature(epoch, always_ready=True)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        bus = self.bus

        words = [Signal(32, name=f"word{i}") for i in range(1 + self._config.destination_bits // 32)]
        kind = Signal(Kind)
        family = Signal(layouts.Family)
        protocol = Signal(layouts.Protocol)
        is_waiting = Signal()
        is_pending = Signal()
        is_answered = Signal()
        answer = Signal(layouts.lookup_answer(self._config))

        # Requests and answers.
        m.d.comb += [
            self.key_requests.valid.eq(is_waiting & (kind == Kind.KEY)),
            self.key_requests.p.spi.eq(words[0]),
            self.key_requests.p.destination.eq(Cat(words[1:])),
            self.key_requests.p.family.eq(family),
            self.key_requests.p.protocol.eq(protocol),
            self.handle_requests.valid.eq(is_waiting & (kind == Kind.HANDLE)),
            self.handle_requests.p.handle.eq(Cat(words[:2])),
        ]
        with m.If(Mux(kind == Kind.KEY, self.key_requests.ready, self.handle_requests.ready)):
            m.d.sync += is_waiting.eq(0)
        with m.If(self.key_answers.valid | self.handle_answers.valid):
            m.d.sync += [
                is_pending.eq(0),
                is_answered.eq(1),
                answer.eq(Mux(self.key_answers.valid, self.key_answers.payload, self.handle_answers.payload)),
            ]

        # Retires go out in the clock of their write.
        do_retire = Signal()
        for retires, its_kind in ((self.key_retires, Kind.KEY), (self.handle_retires, Kind.HANDLE)):
            m.d.comb += [
                retires.valid.eq(do_retire & (bus.write_data[0] == its_kind.value)),
                retires.p.epoch.eq(bus.write_data[8:16]),
            ]

        # Registers.
        status = Cat(
            is_answered, is_waiting, answer.hit, answer.sa_number, answer.direction, kind, C(0, 2), answer.epoch
        )
        readable: dict[int, Any] = {
            Register.ID.value: IDENTIFICATION,
            Register.MEMORY_BYTES.value: self._memory_bytes,
            Register.STATUS.value: status,
            Register.ANSWER_HANDLE.value: answer.handle,
        }
        context = Value.cast(answer.context)
        for n, low in enumerate(range(0, len(context), 32)):
            readable[CONTEXT_WORDS + 4 * n] = context[low : low + 32]

        do_lookup = Signal()
        m.d.comb += [bus.is_done.eq(bus.is_active), bus.response.eq(Response.SLVERR)]
        with m.If(~bus.is_write):
            with m.Switch(bus.address[:PAGE_BITS]):
                for address, value in readable.items():
                    with m.Case(address):
                        m.d.comb += [bus.read_data.eq(value), bus.response.eq(Response.OKAY)]
        with m.Elif(bus.is_active):
            with m.Switch(bus.address[:PAGE_BITS]):
                with m.Case(Register.LOOKUP.value):
                    m.d.comb += do_lookup.eq(~is_pending)
                    with m.If(~is_pending):
                        m.d.comb += bus.response.eq(Response.OKAY)
                with m.Case(Register.RETIRE.value):
                    m.d.comb += [do_retire.eq(1), bus.response.eq(Response.OKAY)]
                for n, word in enumerate(words):
                    with m.Case(Register.WORD0.value + 4 * n):
                        m.d.sync += word.eq(bus.write_data)
                        m.d.comb += bus.response.eq(Response.OKAY)
        with m.If(do_lookup):
            m.d.sync += [
                Cat(kind, family, protocol).eq(bus.write_data),
                is_waiting.eq(1),
                is_pending.eq(1),
                is_answered.eq(0),
            ]
        return m
