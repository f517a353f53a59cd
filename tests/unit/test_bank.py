"""The register bank against the map that it is built from, at every address of its space."""

from random import Random
from typing import Any

import pytest
from tests.unit.streams import seeds, simulate

from saoffload.hdl.control.bank import ADDRESS_WIDTH, RegisterBank
from saoffload.hdl.control.register_map import MEMORIES, REGISTERS, Field, Memory, Register

ALL_ONES = 0xFFFF_FFFF
BY_OFFSET = {register.offset: register for register in REGISTERS}
MEMORY_OFFSETS = {memory.offset + 4 * word: memory.name for memory in MEMORIES for word in range(memory.word_count)}


def bit_of(strobes: Any, name: str | None) -> int:
    """The strobes' bits when the named one comes alone."""
    return 0 if name is None else 1 << strobes.shape()[name].offset


class Model:
    """What the bank must do, by dictionaries."""

    def __init__(self) -> None:
        self.shown = {
            (register.name, field.name): 0
            for register in REGISTERS
            for field in register.fields
            if field.access in {"r", "w1c"} and not register.is_external
        }
        self.kept = {
            (register.name, field.name): field.reset
            for register in REGISTERS
            for field in register.fields
            if field.access == "rw"
        }

    def read(self, address: int) -> int:
        register = BY_OFFSET.get(address)
        word = 0
        for field in register.fields if register is not None else ():
            name = (register.name, field.name)
            value = self.kept.get(name, self.shown.get(name, field.reset if field.access == "constant" else 0))
            word |= value << field.low
        return word

    def write(self, address: int, value: int) -> None:
        register = BY_OFFSET.get(address)
        for field in register.fields if register is not None else ():
            if field.access == "rw":
                self.kept[register.name, field.name] = value >> field.low & (1 << field.width) - 1

    def strobe(self, address: int) -> str | None:
        """The write strobe that must come."""
        register = BY_OFFSET.get(address)
        if register is None:
            return MEMORY_OFFSETS.get(address)
        return register.name if any(field.access in {"w", "w1c"} for field in register.fields) else None


class Bed:
    def __init__(self, *, is_small: bool = False) -> None:
        self.dut = RegisterBank(is_small=is_small)
        self.model = Model()

    def show(self, ctx: Any, random: Random) -> None:
        """New values on everything that the hardware shows."""
        for register, field in self.model.shown:
            target = self.dut.values[register][field]
            value = random.getrandbits(len(target))
            self.model.shown[register, field] = value
            ctx.set(target, value)

    async def access(self, ctx: Any, address: int, *, writes: bool, value: int = 0) -> tuple[int, int, int]:
        """One access: checks its strobes, and returns whether it was mapped, the word, and the one expected."""
        port, dut, register = self.dut.port, self.dut, BY_OFFSET.get(address)
        expected = self.model.read(address)
        external = 0xC0FFEE00 | (address & 0xFF) if register is not None and register.is_external else 0
        # The other kind's address is whatever it was.
        meant, other = (port.write_address, port.read_address) if writes else (port.read_address, port.write_address)
        ctx.set(meant, address)
        ctx.set(other, address ^ 0xFFC)
        ctx.set(port.write_data, value)
        ctx.set(port.do_write if writes else port.do_read, 1)
        _, _, early_writes, early_reads = await ctx.tick().sample(dut.writes.as_value(), dut.reads.as_value())
        assert (early_writes, early_reads) == (0, 0)
        ctx.set(port.do_write, 0)
        ctx.set(port.do_read, 0)
        # Whatever stands on the bus after the strobe's clock, and one more for the data, must not matter.
        ctx.set(meant, address ^ 0xFFC)
        _, _, write_strobes, read_strobes, given_address, given_data = await ctx.tick().sample(
            dut.writes.as_value(), dut.reads.as_value(), dut.address, dut.write_data
        )
        ctx.set(port.write_data, value ^ ALL_ONES)
        ctx.set(dut.external_data, 0 if writes else external)
        is_external = register is not None and register.is_external
        assert write_strobes == (bit_of(dut.writes, self.model.strobe(address)) if writes else 0)
        assert read_strobes == (bit_of(dut.reads, register.name) if is_external and not writes else 0)
        assert given_address == address >> 2
        assert given_data == value
        if writes:
            self.model.write(address, value)
        _, _, is_mapped, word = await ctx.tick().sample(port.is_mapped, port.read_data)
        return is_mapped, word, expected | external

    def check_settings(self, ctx: Any) -> None:
        for (register, field), value in self.model.kept.items():
            assert ctx.get(self.dut.settings[register][field]) == value


@pytest.mark.parametrize("is_small", [False, True])
def test_every_address(is_small: bool) -> None:
    """Each of the 1,024 words is read and written: mapped exactly where the map says, every strobe for itself alone."""
    bed = Bed(is_small=is_small)

    async def bench(ctx: Any) -> None:
        bed.show(ctx, Random("every address"))
        bed.check_settings(ctx)
        for address in range(0, 1 << ADDRESS_WIDTH, 4):
            is_mapped = address in BY_OFFSET or address in MEMORY_OFFSETS
            got_mapped, word, expected = await bed.access(ctx, address, writes=False)
            assert (got_mapped, word) == (is_mapped, expected), f"{address:#x}"
            got_mapped, _, _ = await bed.access(ctx, address, writes=True, value=address * 0x10001)
            assert got_mapped == is_mapped, f"{address:#x}"
        bed.check_settings(ctx)

    simulate(bed.dut, bench)


@pytest.mark.parametrize("is_small", [False, True])
@pytest.mark.parametrize("seed", seeds(2))
def test_random_accesses(seed: int, is_small: bool) -> None:
    bed = Bed(is_small=is_small)
    random = Random(seed)
    addresses = [*BY_OFFSET, *MEMORY_OFFSETS]

    async def bench(ctx: Any) -> None:
        for _ in range(300):
            if random.random() < 0.3:
                bed.show(ctx, random)
            address = random.choice(addresses)
            writes = random.random() < 0.5
            _, word, expected = await bed.access(ctx, address, writes=writes, value=random.getrandbits(32))
            assert writes or word == expected, f"seed {seed}: {address:#x}"
            bed.check_settings(ctx)

    simulate(bed.dut, bench)


def test_reset_values_reach_the_settings() -> None:
    registers = (Register("kept", 0, is_external=False, fields=(Field("low", 4, 8, "rw", 0xA5),)),)
    dut = RegisterBank(registers=registers, memories=())

    async def bench(ctx: Any) -> None:
        assert ctx.get(dut.settings.kept.low) == 0xA5
        await ctx.tick()

    simulate(dut, bench)


@pytest.mark.parametrize(("offset", "word_count"), [(0x800, 96), (0x100, 128)])
def test_memory_that_no_pattern_describes_is_refused(offset: int, word_count: int) -> None:
    dut = RegisterBank(memories=(Memory("odd", offset, word_count, "w"),))
    with pytest.raises(ValueError, match="odd"):
        dut.elaborate(None)
