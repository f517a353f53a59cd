"""The window table: what is refused, what is allowed, and where it lies; plain integers say what must come out."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from tests.unit.streams import Monitor, receive, seeds, send, simulate

from saoffload.hdl.config import EngineConfig, preset
from saoffload.hdl.layouts import Abi
from saoffload.hdl.walk.windows import WindowTable

CONFIG = preset("small")
KINDS = {"serial": CONFIG, "contexts": replace(CONFIG, contexts=2)}
"""With contexts the registers of a check stand elsewhere."""


@pytest.fixture(autouse=True, params=KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration that every test here starts from."""
    monkeypatch.setattr(__name__ + ".CONFIG", KINDS[request.param])


TOP = 1 << 64
Window = tuple[int, int, int]

# Each in a table of 4 windows on 64 address bits: (index, base, size, bus_base), refused?
WRITES: dict[str, tuple[tuple[int, int, int, int], bool]] = {
    "usual": ((0, 0x1000, 0x1000, 0x5000), False),
    "last index": ((3, 0x1008, 0x10, 0x5008), False),
    "base not a multiple of 8": ((0, 0x1004, 0x1000, 0x5004), True),
    "size not a multiple of 8": ((0, 0x1000, 0x1004, 0x5000), True),
    "bus base not a multiple of 8": ((0, 0x1000, 0x1000, 0x5001), True),
    "pages out of step": ((0, 0x1000, 0x1000, 0x5008), True),
    "pages out of step by the highest bit": ((0, 0x1000, 0x1000, 0x5800), True),
    "ends at 2**64": ((0, TOP - 0x1000, 0x1000, 0x5000), False),
    "ends above 2**64": ((0, TOP - 0x1000, 0x1008, 0x5000), True),
    "wraps by far": ((0, TOP - 0x1000, TOP - 8, 0), True),
    "bus ends at 2**64": ((0, 0x1000, 0x1000, TOP - 0x1000), False),
    "bus ends above 2**64": ((0, 0x1000, 0x1008, TOP - 0x1000), True),
    "as large as can be": ((0, 0, TOP - 8, 0), False),
    "off": ((0, 0, 0, 0), False),
    "off, but crooked": ((0, 1, 0, 1), True),
    "off at the top": ((0, TOP - 8, 0, TOP - 8), False),
}


def is_refused(config: EngineConfig, index: int, base: int, size: int, bus_base: int) -> bool:
    is_crooked = base % 8 or size % 8 or bus_base % 8 or base % 4096 != bus_base % 4096
    is_too_high = base + size > TOP or bus_base + size > 1 << config.address_width
    return bool(is_crooked or is_too_high or index >= config.windows)


def place(windows: list[Window], address: int, abi: Abi) -> int | None:
    """The bus address of a node, or None where it may not be read."""
    size = 12 if abi is Abi.X86 else 24
    if abi is Abi.X86 and address + size > 1 << 32:
        return None
    places = (
        bus - base + address for base, length, bus in windows if base <= address and address + size <= base + length
    )
    return next(places, None)


class Bed:
    """A table, and the rows that must be in it."""

    def __init__(self, config: EngineConfig | None = None):
        config = config or CONFIG
        self.config = config
        self.dut = WindowTable(config)
        self.rows: list[Window] = [(0, 0, 0)] * config.windows
        self.monitors = [Monitor(self.dut.writes, "writes"), Monitor(self.dut.write_answers, "write_answers")]

    async def write(self, ctx: Any, index: int, base: int, size: int, bus_base: int) -> bool:
        await send(ctx, self.dut.writes, {"index": index, "base": base, "size": size, "bus_base": bus_base})
        refused = bool((await receive(ctx, self.dut.write_answers))["refused"])
        if not refused:
            self.rows[index] = (base, size, bus_base)
        return refused

    async def check(self, ctx: Any, address: int, abi: Abi) -> None:
        check = self.dut.check
        ctx.set(check.address, address)
        ctx.set(check.abi, abi)
        await ctx.tick()
        expected = place(self.rows, address, abi)
        assert ctx.get(check.is_allowed) == (expected is not None), f"{abi} {address:#x} in {self.rows}"
        if expected is not None:
            assert ctx.get(check.bus_address) == expected, f"{abi} {address:#x} in {self.rows}"

    async def check_edges(self, ctx: Any) -> None:
        """Both ABIs around both ends of every window, and around 2**32."""
        for base, size, _ in [*self.rows, (1 << 32, 0, 0)]:
            for abi, step in ((Abi.X64, 8), (Abi.X86, 4)):
                for near in (base, base + size):
                    for address in range(near // step * step - 5 * 8, near + 3 * 8, step):
                        if 0 <= address < TOP:
                            await self.check(ctx, address, abi)


@pytest.mark.parametrize("name", WRITES)
def test_writes(name: str) -> None:
    """Refused or not; a refused write leaves the window as it was."""
    row, refused = WRITES[name]
    assert is_refused(CONFIG, *row) == refused
    bed = Bed()

    async def bench(ctx: Any) -> None:
        assert not await bed.write(ctx, row[0], 0x77000, 0x100, 0x99000)
        assert await bed.write(ctx, *row) == refused
        await bed.check_edges(ctx)
        await bed.check(ctx, 0x77000, Abi.X64)

    simulate(bed.dut, bench, monitors=bed.monitors)


def test_nothing_is_allowed_after_reset() -> None:
    bed = Bed()

    async def bench(ctx: Any) -> None:
        for address in (0, 8, 0x1000, TOP - 24, TOP - 16, TOP - 8):
            for abi in Abi:
                await bed.check(ctx, address, abi)

    simulate(bed.dut, bench)


@pytest.mark.parametrize("size", [0, 8, 16, 24, 32])
@pytest.mark.parametrize("base", [0, 8, 0x1000, (1 << 32) - 16, (1 << 32) - 8])
def test_small_windows_hold_whole_nodes_only(base: int, size: int) -> None:
    bed = Bed()

    async def bench(ctx: Any) -> None:
        assert not await bed.write(ctx, 1, base, size, base)
        await bed.check_edges(ctx)
        await bed.check(ctx, TOP - 8, Abi.X64)

    simulate(bed.dut, bench)


def test_bus_of_32_bits() -> None:
    """Windows must fit the bus; translation is exact for list addresses far above it."""
    bed = Bed(replace(CONFIG, address_width=32))

    async def bench(ctx: Any) -> None:
        assert not await bed.write(ctx, 0, 0xFFFF_F800_1234_5000, 0x1000, 0xFFFF_F000)
        assert await bed.write(ctx, 1, 0x1000, 0x1008, 0xFFFF_F000)
        assert await bed.write(ctx, 1, 0x1000, 0x1000, 0x1_0000_0000)
        await bed.check_edges(ctx)
        await bed.check(ctx, 0x1000, Abi.X64)

    simulate(bed.dut, bench)


# Each in a table for a bus of 32 bits: (base, size, bus_base), refused?
WRITES_FOR_32_BITS: dict[str, tuple[Window, bool]] = {
    "all of the bus": ((0, 1 << 32, 0), False),
    "all of the bus, across 4 GB": ((0x1_8000_0000, 1 << 32, 0), False),
    "all of the bus, one word across 4 GB": ((0x5_0000_0000 - 0x1000, 1 << 32, 0), False),
    "all of the bus at the top": ((TOP - (1 << 32), 1 << 32, 0), False),
    "one word more than the bus": ((0, (1 << 32) + 8, 0), True),
    "two words more than the bus": ((0, (1 << 32) + 16, 0), True),
    "all of the bus, one page up": ((0, 1 << 32, 0x1000), True),
    "twice the bus": ((0, 1 << 33, 0), True),
    "a size of one high bit": ((0, 1 << 63, 0), True),
    "to the end of the bus": ((0x1000, 0x1000, 0xFFFF_F000), False),
    "one word above the bus": ((0x1000, 0x1008, 0xFFFF_F000), True),
    "off, at the end of the bus": ((0x1000, 0, 1 << 32), False),
    "off, one page above the bus": ((0x1000, 0, (1 << 32) + 0x1000), True),
    "off, far above the bus": ((0x1000, 0, 1 << 33), True),
    "one word, at the end of the bus": ((0xFF8, 8, 0xFFFF_FFF8), False),
    "one word, above the bus": ((0x1000, 8, 1 << 32), True),
    "two words, above the bus": ((0x1000, 16, 1 << 32), True),
    "two words, at the end of the bus": ((0xFF0, 16, 0xFFFF_FFF0), False),
    "ends at 2**64": ((TOP - 0x1000, 0x1000, 0x5000), False),
    "ends above 2**64": ((TOP - 0x1000, 0x1008, 0x5000), True),
    "ends far above 2**64": ((TOP - 0x1000, 0x8000_0000, 0x5000), True),
    "across 4 GB": ((0xFFFF_F000, 0x2000, 0x7000), False),
    "across 4 GB by 8": ((0x1_FFFF_F000, 0x1008, 0x7000), False),
    "across 4 GB by 16": ((0x1_FFFF_F000, 0x1010, 0x7000), False),
    "across 4 GB by 24": ((0x1_FFFF_F000, 0x1018, 0x7000), False),
    "across all upper bits": ((0x7FFF_FFFF_FFFF_F000, 0x2000, 0x7000), False),
}


@pytest.mark.parametrize("name", WRITES_FOR_32_BITS)
def test_writes_on_a_bus_of_32_bits(name: str) -> None:
    """Also an address that differs from one inside in any one of its upper bits."""
    row, refused = WRITES_FOR_32_BITS[name]
    bed = Bed(replace(CONFIG, address_width=32, windows=1))
    assert is_refused(bed.config, 0, *row) == refused

    async def bench(ctx: Any) -> None:
        assert not await bed.write(ctx, 0, 0x77000, 0x100, 0x99000)
        assert await bed.write(ctx, 0, *row) == refused
        await bed.check_edges(ctx)
        base, size, _ = bed.rows[0]
        for bit in range(28, 64):
            for address in (base, base + size // 2 // 8 * 8, max(base, base + size - 24)):
                await bed.check(ctx, address ^ 1 << bit, Abi.X64)
                await bed.check(ctx, (address + (1 << bit)) % TOP, Abi.X64)

    simulate(bed.dut, bench)


@pytest.mark.parametrize("window_count", [1, 3, 5])
def test_index_that_names_no_window(window_count: int) -> None:
    bed = Bed(replace(CONFIG, windows=window_count))

    async def bench(ctx: Any) -> None:
        for index in range(2 if window_count == 1 else 1 << (window_count - 1).bit_length()):
            assert await bed.write(ctx, index, 0x1000 * index, 0x1000, 0x5000) == (index >= window_count)
        await bed.check_edges(ctx)

    simulate(bed.dut, bench)


@pytest.mark.parametrize("clock_count", range(6))
def test_lock_in_any_clock_of_a_write_refuses_it(clock_count: int) -> None:
    """From its first offer (clock 0) to its commit (clock 2, with contexts 3)."""
    bed = Bed()
    commit = 2 if CONFIG.is_serial else 3

    async def write(ctx: Any) -> None:
        await ctx.tick().repeat(5)
        assert await bed.write(ctx, 0, 0x1000, 0x1000, 0x5000) == (clock_count <= commit)
        ctx.set(bed.dut.is_locked, 0)
        await bed.check_edges(ctx)

    async def lock(ctx: Any) -> None:
        await ctx.tick().repeat(5 + clock_count)
        ctx.set(bed.dut.is_locked, 1)
        await ctx.tick()
        ctx.set(bed.dut.is_locked, 0)

    simulate(bed.dut, write, lock, monitors=bed.monitors)
    assert bed.monitors[1].offer_clocks == [bed.monitors[0].offer_clocks[0] + commit + 1]


@pytest.mark.parametrize("seed", seeds(4))
def test_random_tables(seed: int) -> None:
    """Overlapping windows of every kind, written and checked at random. Replay with SAOFFLOAD_SEED."""
    random = Random(f"windows {seed}")
    bed = Bed(replace(CONFIG, windows=random.choice([1, 2, 4, 7]), address_width=random.choice([32, 40, 64])))
    corners = [0, 0x1000, 0x7_0000, 1 << 31, 1 << 32, 3 << 32, 1 << 40, TOP]

    def near_a_corner(step: int) -> int:
        return (random.choice(corners) + random.randrange(-0x80, 0x80) * step) % TOP

    async def bench(ctx: Any) -> None:
        refused_count = 0
        for _ in range(60):
            base = near_a_corner(8)
            bus_base = (random.choice(corners) // 4096 * 4096 + base % 4096) % TOP
            size = random.choice([0, 8, 16, 24, 32, 0x100, 0x1000, (TOP - base) & -8, near_a_corner(8)])
            if random.random() < 0.2:
                bus_base ^= 1 << random.randrange(64)
            row = (random.randrange(bed.config.windows), base, size % TOP, bus_base)
            refused = await bed.write(ctx, *row)
            assert refused == is_refused(bed.config, *row), f"{row}"
            refused_count += refused
            for _ in range(8):
                abi = random.choice(list(Abi))
                step = 4 if abi is Abi.X86 else 8
                base, size, _ = random.choice(bed.rows)
                offset = random.choice([0, size]) + step * random.randrange(-8, 8)
                await bed.check(ctx, random.choice([(base + offset) % TOP, near_a_corner(step)]) // step * step, abi)
        assert 0 < refused_count < 60

    simulate(bed.dut, bench, monitors=bed.monitors)
