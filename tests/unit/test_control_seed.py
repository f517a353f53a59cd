"""The control room and the seed of the table's hash."""

from typing import Any

import pytest
from tests.unit.control_bench import SMALL, TINY, Bed
from tests.unit.streams import Probe

from saoffload.host.register_map import (
    Register,
)

pytestmark = pytest.mark.usefixtures("wild_memories")


def test_the_table_never_sees_half_of_a_seed() -> None:
    bed = Bed(SMALL)
    seed = Probe(bed.dut.seed)
    chosen = (0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210)

    async def bench(ctx: Any) -> None:
        for value in chosen:
            await bed.write(ctx, Register.SEED_LOW, value & 0xFFFF_FFFF)
            await ctx.tick().repeat(5)
            await bed.write(ctx, Register.SEED_HIGH, value >> 32)
            assert ctx.get(bed.dut.seed) == value
        # A high word alone takes the low one as it was last written.
        await bed.write(ctx, Register.SEED_HIGH, 0)
        assert ctx.get(bed.dut.seed) == chosen[-1] & 0xFFFF_FFFF

    bed.run(bench, monitors=[seed])
    assert list(dict.fromkeys(seed.values)) == [0, *chosen, chosen[-1] & 0xFFFF_FFFF]


def test_a_table_without_a_seed_is_not_given_one() -> None:
    bed = Bed(TINY)
    seed = Probe(bed.dut.seed)

    async def bench(ctx: Any) -> None:
        await bed.write(ctx, Register.SEED_LOW, 0xFFFF_FFFF)
        await bed.write(ctx, Register.SEED_HIGH, 0xFFFF_FFFF)

    bed.run(bench, monitors=[seed])
    assert set(seed.values) == {0}
