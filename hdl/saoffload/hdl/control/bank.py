"""The register bank: turns accesses of the register port into named strobes, and named values into read data."""

from collections.abc import Iterable, Mapping

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.bus.lite_slave import RegisterPortSignature

from .register_map import MEMORIES, REGISTERS, Memory, Register

ADDRESS_WIDTH = 12
"""Bits of a register's byte address."""

WORD_ADDRESS_LOW = 2
"""The lowest bit of a byte address that tells registers apart."""


class RegisterBank(wiring.Component):
    """Serves the register map: every access of ``port`` is answered two clocks after its strobe, whatever it is.

    Built from ``register_map``; no register is named here. A register that is neither shown, kept nor a constant reads
    0. What is mapped is decided by the address alone: writing a read-only register is no error and changes nothing.

    Parameters
    ----------
    registers, memories : tuple
        The map; by default the engine's.
    external_groups : mapping of str to register names
        External registers that share a strobe; by default each has its own.
    is_small : bool
        Keeps the address and decodes it where it acts: fewer gates and flip-flops, and a longer way.

    Members
    -------
    port : ``In(RegisterPortSignature)``
        The accesses.
    values : In
        Per register that the hardware shows, its fields; sampled in the clock after the read strobe.
    settings : Out
        Per register that software keeps here (rw), its fields.
    writes : Out
        Per register or memory that software writes to and that is kept elsewhere, a strobe in the clock after the write
        strobe; ``write_data`` and ``address`` belong to it.
    reads : Out
        Per group of external registers, a strobe in the clock after the read strobe. Its data is due on
        ``external_data`` one clock later, which must be 0 otherwise.
    address, write_data : Out
        The number of the word that is read or written, in the clock after the port's strobe, and the port's data.
    external_data : ``In(32)``
    do_reset : ``In(1)``
        ``settings`` become what they are after a reset.

    Latency 2 clocks: in the first it is decoded which register is meant (unless ``is_small``), in the second that one
    is read or written. One access per clock.
    """

    def __init__(
        self,
        *,
        registers: tuple[Register, ...] = REGISTERS,
        memories: tuple[Memory, ...] = MEMORIES,
        external_groups: Mapping[str, Iterable[str]] | None = None,
        is_small: bool = False,
    ):
        self._is_small = is_small
        self._registers = registers
        self._memories = memories
        offsets = {register.name: register.offset for register in registers if register.is_external}
        if external_groups is None:
            external_groups = {name: (name,) for name in offsets}
        self._external_groups = {group: [offsets[name] for name in names] for group, names in external_groups.items()}
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
                "reads": Out(data.StructLayout(dict.fromkeys(self._external_groups, 1))),
                "address": Out(ADDRESS_WIDTH - WORD_ADDRESS_LOW),
                "write_data": Out(32),
                "external_data": In(32),
                "do_reset": In(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        port = self.port
        do_read: Signal = port.do_read
        do_write: Signal = port.do_write
        # Each kind is decoded from its own address: to choose between them first would be a level more.
        read_address = port.read_address[WORD_ADDRESS_LOW:]
        write_address = port.write_address[WORD_ADDRESS_LOW:]
        read_word = Value.cast(Const(0, 32))

        m.d.sync += [
            self.address.eq(Mux(do_write, write_address, read_address)),
            port.is_mapped.eq(self.address.matches(*self._mapped())),
        ]
        # What is decoded meets a register behind the decoding, or has met it before.
        decoded = m.d.sync
        if self._is_small:
            decoded, read_address, write_address = m.d.comb, self.address, self.address
            do_read = Signal(name="do_read_q")
            do_write = Signal(name="do_write_q")
            m.d.sync += [do_read.eq(port.do_read), do_write.eq(port.do_write)]
        for register in self._registers:
            number = register.offset >> WORD_ADDRESS_LOW
            is_meant = write_address == number
            if _has(register, "w", "w1c"):
                decoded += self.writes[register.name].eq(do_write & is_meant)
            if _has(register, "rw"):
                do_keep = Signal(name=f"do_keep_{register.name}")
                decoded += do_keep.eq(do_write & is_meant)
                self._add_kept(m, register, do_keep)
            if not register.is_external and _has(register, "r", "rw", "w1c", "constant"):
                is_shown = Signal(name=f"shows_{register.name}")
                decoded += is_shown.eq(read_address == number)
                read_word = read_word | (self._word(register) & is_shown.replicate(32))
        for memory in self._memories:
            decoded += self.writes[memory.name].eq(do_write & write_address.matches(_pattern(memory)))
        for group, offsets in self._external_groups.items():
            patterns = _cover({offset >> WORD_ADDRESS_LOW for offset in offsets})
            decoded += self.reads[group].eq(do_read & read_address.matches(*patterns))

        read_word_q = Signal(32)
        m.d.sync += read_word_q.eq(read_word)
        with m.If(self.do_reset):
            m.d.sync += [
                self.settings[register.name][field.name].eq(field.reset)
                for register in self._registers
                if _has(register, "rw")
                for field in register.fields
            ]
        m.d.comb += [port.read_data.eq(read_word_q | self.external_data), self.write_data.eq(port.write_data)]
        return m

    def _mapped(self) -> list[str]:
        """The word addresses at which there is something."""
        words = {register.offset >> WORD_ADDRESS_LOW for register in self._registers}
        return [*_cover(words), *(_pattern(memory) for memory in self._memories)]

    def _add_kept(self, m: Module, register: Register, do_keep: Signal) -> None:
        kept = self.settings[register.name]
        with m.If(do_keep):
            for field in register.fields:
                m.d.sync += kept[field.name].eq(self.port.write_data[field.low : field.low + field.width])

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


def _cover(words: set[int]) -> list[str]:
    """Patterns that match these word addresses and no other: each stands for an aligned block, the largest there is."""
    address_bits = ADDRESS_WIDTH - WORD_ADDRESS_LOW
    left = set(words)
    patterns: list[str] = []
    for index_bits in range(address_bits, -1, -1):
        for block in range(1 << (address_bits - index_bits)):
            inside = set(range(block << index_bits, (block + 1) << index_bits))
            if inside <= left:
                left -= inside
                head_bits = address_bits - index_bits
                patterns.append((f"{block:0{head_bits}b}" if head_bits else "") + "-" * index_bits)
    return patterns
