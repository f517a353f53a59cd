"""The control room through its registers: what it is, and the state that it shows."""

from random import Random
from typing import Any

import pytest
from tests.unit.control_bench import OKAY, SLVERR, SMALL, TINY, Bed

from saoffload.hdl.config import PRESETS, EngineConfig
from saoffload.host.register_map import (
    BusFeaturesFields,
    Memory,
    QueueDepthsFields,
    Register,
    TableFeaturesFields,
)

pytestmark = pytest.mark.usefixtures("wild_memories")


@pytest.mark.parametrize("name", PRESETS)
def test_identification_and_capabilities(name: str) -> None:
    config = PRESETS[name]
    bed = Bed(config)

    async def bench(ctx: Any) -> None:
        expected = {
            Register.ID: 0x53414F46,
            Register.VERSION: 0x0001_0001,
            Register.CAPACITY_BUNDLES: config.bundles,
            Register.CAPACITY_KEYS: config.keys,
            Register.TABLE_FEATURES: TableFeaturesFields.INDEX_BITS.put(config.index_bits)
            | TableFeaturesFields.IPV6.put(config.ipv6)
            | TableFeaturesFields.SEED.put(config.hashed is not None)
            | TableFeaturesFields.RETIRE_WATCH.put(config.watches_retires)
            | TableFeaturesFields.EPOCH_WIDTH.put(config.epoch_width),
            Register.CONTEXT_WIDTH: config.context_width,
            Register.UNRETIRED_LIMIT: config.unretired_limit,
            Register.BUS_FEATURES: BusFeaturesFields.DATA_WIDTH.put(config.data_width)
            | BusFeaturesFields.ADDRESS_WIDTH.put(config.address_width)
            | BusFeaturesFields.ID_WIDTH.put(config.id_width),
            Register.QUEUE_DEPTHS: QueueDepthsFields.COMMAND_DEPTH.put(config.command_depth)
            | QueueDepthsFields.COMPLETION_DEPTH.put(config.completion_depth),
            Register.WINDOW_COUNT: config.windows,
            Register.COUNTER_WIDTH: config.counter_width,
        }
        for register, value in expected.items():
            assert await bed.read(ctx, register) == value, register.name

    bed.run(bench)


@pytest.mark.parametrize("config", [TINY, SMALL], ids=lambda config: config.name)
def test_the_map_is_the_same_for_all_presets(config: EngineConfig) -> None:
    bed = Bed(config)
    random = Random("map")

    async def bench(ctx: Any) -> None:
        for register in Register:
            assert (await bed.try_read(ctx, register))[0] == OKAY, register.name
        for word in random.sample(range(128), 10):
            assert await bed.try_read(ctx, Memory.ADD_CONTEXT + 4 * word) == (OKAY, 0)
            assert await bed.try_write(ctx, Memory.ADD_CONTEXT + 4 * word, 0xFFFF_FFFF) == OKAY
        for address in (0x038, 0x064, 0x07C, 0x0E0, 0x180, 0x1FC, 0x218, 0x238, 0x260, 0x7FC, 0xA00, 0xFFC):
            assert await bed.try_read(ctx, address) == (SLVERR, 0)
            assert await bed.try_write(ctx, address, 0xFFFF_FFFF) == SLVERR
        assert await bed.try_write(ctx, Register.TIMEOUT, 0x1234, strobe=0b0111) == SLVERR
        assert await bed.read(ctx, Register.TIMEOUT) == 0
        await bed.write(ctx, Register.TIMEOUT, 0x1234)
        assert ctx.get(bed.dut.timeout) == await bed.read(ctx, Register.TIMEOUT) == 0x1234
        await bed.write(ctx, Register.ID, 0)
        assert await bed.read(ctx, Register.ID) == 0x53414F46

    bed.run(bench)


def test_state_of_the_rest_is_shown() -> None:
    bed = Bed()

    async def bench(ctx: Any) -> None:
        assert await bed.status(ctx) == {"READY", "QUIESCED", "TABLE_LOST"}
        for port, bit in (
            ("is_restoring", "RESTORING"),
            ("add_is_waiting", "ADD_WAITING"),
            ("seed_is_open", "SEED_OPEN"),
        ):
            ctx.set(getattr(bed.dut, port), 1)
            assert bit in await bed.status(ctx)
        ctx.set(bed.dut.busy_ids, 0b10)
        assert "QUIESCED" not in await bed.status(ctx)
        ctx.set(bed.dut.is_active, 1)
        assert "WALK_ACTIVE" in await bed.status(ctx)
        ctx.set(bed.dut.busy_ids, 0)
        # The walker is told to be active a clock longer than it is.
        assert {"QUIESCED", "WALK_ACTIVE"} & await bed.status(ctx) == {"QUIESCED"}
        ctx.set(bed.dut.live_bundles, 5)
        ctx.set(bed.dut.live_keys, 7)
        ctx.set(bed.dut.lost_id_count, 2)
        assert await bed.read(ctx, Register.LIVE_BUNDLES) == 5
        assert await bed.read(ctx, Register.LIVE_KEYS) == 7
        assert await bed.read(ctx, Register.LOST_IDS) == 2

    bed.run(bench)
