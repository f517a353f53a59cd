"""The register bank: turns accesses of the register port into named strobes, and named values into read data."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.bus.lite_slave import RegisterPortSignature

from .register_map import MEMORIES, REGISTERS, Memory, Register

ADDRESS_WIDTH = 12
"""Bits of a register's byte address."""

WORD_ADDRESS_LOW = 2
"""The lowest bit of a byte address that tells registers apart."""


class RegisterBank(wiring.Component):
    """Serves the register map: every access of ``port`` is answered in the clock after its strobe, whatever it is.

    Built from ``register_map``; no register is named here. A register that is neither shown, kept nor a constant reads
    0. What is mapped is decided by the address alone: writing a read-only register is no error and changes nothing.

    Parameters
    ----------
    registers, memories : tuple
        The map; by default the engine's.

    Members
    -------
    port : ``In(RegisterPortSignature)``
        The accesses.
    values : In
        Per register that the hardware shows, its fields; sampled in the clock of the read strobe.
    settings : Out
        Per register that software keeps here (rw), its fields.
    writes : Out
        Per register or memory that software writes to and that is kept elsewhere, a strobe in the clock of the write
        strobe; ``write_data`` and ``address`` belong to it.
    reads : Out
        Per register that is external, a strobe in the clock of the read strobe. Its data is due on ``external_data``
        one clock later, which must be 0 otherwise.
    address, write_data : Out
        Those of the port.
    external_data : ``In(32)``
    do_reset : ``In(1)``
        ``settings`` become what they are after a reset.

    Latency 1 clock, one access per clock.
    """

    def __init__(self, *, registers: tuple[Register, ...] = REGISTERS, memories: tuple[Memory, ...] = MEMORIES):
        self._registers = registers
        self._memories = memories
        shown = [register for register in registers if not register.is_external and _has(register, "r", "w1c")]
        written = [register.name for register in registers if _has(register, "w", "w1c")]
        super().__init__(
            {
                "port": In(RegisterPortSignature(address_width=ADDRESS_WIDTH)),
                "values": In(data.StructLayout({register.name: _fields(register) for register in shown})),
                "settings": Out(
                    data.StructLayout(
                        {register.name: _fields(register) for register in registers if _has(register, "rw")}
                    ),
                    init={
                        register.name: {field.name: field.reset for field in register.fields}
                        for register in registers
                        if _has(register, "rw")
                    },
                ),
                "writes": Out(data.StructLayout(dict.fromkeys([*written, *(memory.name for memory in memories)], 1))),
                "reads": Out(data.StructLayout({register.name: 1 for register in registers if register.is_external})),
                "address": Out(ADDRESS_WIDTH),
                "write_data": Out(32),
                "external_data": In(32),
                "do_reset": In(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        port = self.port
        word_address = port.address[WORD_ADDRESS_LOW:]
        read_word = Signal(32)
        read_word_q = Signal(32)
        is_mapped = Signal()

        with m.Switch(word_address):
            for register in self._registers:
                with m.Case(register.offset >> WORD_ADDRESS_LOW):
                    m.d.comb += [is_mapped.eq(1), read_word.eq(self._word(register))]
                    self._add_strobes(m, register)
            for memory in self._memories:
                with m.Case(_pattern(memory)):
                    m.d.comb += [is_mapped.eq(1), self.writes[memory.name].eq(port.do_write)]

        m.d.sync += [port.is_mapped.eq(is_mapped), read_word_q.eq(read_word)]
        with m.If(self.do_reset):
            m.d.sync += [
                self.settings[register.name][field.name].eq(field.reset)
                for register in self._registers
                if _has(register, "rw")
                for field in register.fields
            ]
        m.d.comb += [
            port.read_data.eq(read_word_q | self.external_data),
            self.address.eq(port.address),
            self.write_data.eq(port.write_data),
        ]
        return m

    def _add_strobes(self, m: Module, register: Register) -> None:
        port = self.port
        if register.is_external:
            m.d.comb += self.reads[register.name].eq(port.do_read)
        if _has(register, "w", "w1c"):
            m.d.comb += self.writes[register.name].eq(port.do_write)
        if _has(register, "rw"):
            kept = self.settings[register.name]
            with m.If(port.do_write):
                for field in register.fields:
                    m.d.sync += kept[field.name].eq(port.write_data[field.low : field.low + field.width])

    def _word(self, register: Register) -> Value:
        """What a read gives, without what is external."""
        parts: list[Value] = []
        position = 0
        for field in () if register.is_external else register.fields:
            if field.access in {"r", "w1c"}:
                bits = Value.cast(self.values[register.name][field.name])
            elif field.access == "rw":
                bits = Value.cast(self.settings[register.name][field.name])
            else:
                bits = Const(field.reset, field.width)
            parts += [Const(0, field.low - position), bits]
            position = field.low + field.width
        return Value.cast(Cat(parts))


def _has(register: Register, *accesses: str) -> bool:
    return any(field.access in accesses for field in register.fields)


def _fields(register: Register) -> data.StructLayout:
    return data.StructLayout({field.name: field.width for field in register.fields})


def _pattern(memory: Memory) -> str:
    """The word addresses of a memory, as a pattern. Raises ``ValueError`` when one pattern cannot say them."""
    index_bits = memory.word_count.bit_length() - 1
    if memory.word_count != 1 << index_bits or memory.offset % (memory.word_count << WORD_ADDRESS_LOW) != 0:
        raise ValueError(f"memory {memory.name} must be a power of two of words, aligned to its size")
    head_bits = ADDRESS_WIDTH - WORD_ADDRESS_LOW - index_bits
    return f"{memory.offset >> (WORD_ADDRESS_LOW + index_bits):0{head_bits}b}" + "-" * index_bits
