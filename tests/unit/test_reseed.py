"""The seed of the hash through the host driver, on whole engines: what it changes, how a table in use gets another."""

from collections import defaultdict
from random import Random
from typing import Any

import pytest
from tests.unit.lite_master import CLOCK_HZ, SimulatedTransport
from tests.unit.streams import receive, seeds, send, simulate

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig, HashSizes
from saoffload.hdl.engine import Engine
from saoffload.host.bundles import Bundle, Destination, Sa
from saoffload.host.driver import Driver
from saoffload.host.errors import NoSeedError
from saoffload.host.register_map import AddResult, Direction, Family
from saoffload.sim.permutation import KeyedPermutation, key_bits, row_of

SIZES = HashSizes(ways=2, way_depth=8, overflow=2, wildcards=2, rounds=4, max_moves=12)
HASHED = EngineConfig(name="hashed", bundles=12, keys=16, context_width=8, hashed=SIZES)
PARALLEL = EngineConfig(name="parallel", bundles=4, keys=4, context_width=8)
ROOM_OF_COLLIDING = SIZES.ways + SIZES.overflow
"""Keys with the same rows in all ways that a table holds: one in each row, the others parked."""


class Bed:
    """An engine, its driver, and the packet path."""

    def __init__(self, config: EngineConfig, *, seed: int | None = None) -> None:
        self.engine = Engine(config)
        self._seed = seed

    def run(self, script: Any) -> None:
        async def bench(ctx: Any) -> None:
            self.ctx = ctx
            self.driver = Driver(SimulatedTransport(ctx, self.engine.s_axil), clock_hz=CLOCK_HZ, seed=self._seed)
            await self.driver.start()
            await script(self)

        simulate(self.engine, bench, deadline=60_000)

    async def look_up(self, bundle: Bundle) -> int:
        """The handle under which the packet path finds the bundle's last SA, retired at once; 0 for a miss."""
        engine = self.engine
        if bundle.direction is Direction.OUTBOUND:
            requests, answers, retires = engine.handle_requests, engine.handle_answers, engine.handle_retires
            asked: dict[str, Any] = {"handle": bundle.handle}
        else:
            requests, answers, retires = engine.key_requests, engine.key_answers, engine.key_retires
            sa = bundle.sas[-1]
            asked = {
                "spi": sa.spi,
                "destination": sa.destination.value or 0xC000_0207,
                "family": layouts.Family(sa.destination.family),
                "protocol": layouts.Protocol(sa.protocol),
            }
        await send(self.ctx, requests, asked)
        answer = await receive(self.ctx, answers)
        await send(self.ctx, retires, {"epoch": answer["epoch"]})
        assert not answer["hit"] or answer["context"] == bundle.context
        return answer["handle"] if answer["hit"] else 0

    async def find_all(self, bundles: list[Bundle]) -> None:
        for bundle in bundles:
            assert await self.look_up(bundle) == bundle.handle, bundle

    async def add(self, bundle: Bundle) -> Bundle:
        """Adds the bundle; returns it with its handle."""
        handle = (await self.driver.table.add(bundle)).expect_handle()
        return Bundle(sas=bundle.sas, direction=bundle.direction, context=bundle.context, handle=handle)


def inbound(sa: Sa, *others: Sa, context: int = 0) -> Bundle:
    return Bundle(sas=(sa, *others), context=context)


def colliding(random: Random, *, seed: int, count: int) -> list[Sa]:
    """So many SAs whose keys have the same rows in all ways under ``seed``."""
    permutation = KeyedPermutation(seed=seed, rounds=SIZES.rounds)
    found: dict[tuple[int, ...], list[Sa]] = defaultdict(list)
    while True:
        sa = Sa(spi=random.getrandbits(32), destination=Destination(random.getrandbits(128) | 1, Family.IPV6))
        permuted = permutation.forward(key_bits(spi=sa.spi, destination=sa.destination.value, family=1))
        rows = tuple(row_of(permuted, way=way, row_bits=SIZES.row_bits) for way in range(SIZES.ways))
        found[rows].append(sa)
        if len(found[rows]) == count:
            return found[rows]


@pytest.mark.parametrize("number", seeds(2))
def test_keys_that_collide_under_one_seed_fit_under_another_and_all_keep_their_handles(number: int) -> None:
    random = Random(number)
    first, second = random.getrandbits(64), random.getrandbits(64)
    sas = colliding(random, seed=first, count=ROOM_OF_COLLIDING + 3)
    bed = Bed(HASHED, seed=first)

    async def script(bed: Bed) -> None:
        driver = bed.driver
        assert driver.capabilities.has_seed
        await driver.table.end_restore()
        bundles = [await bed.add(inbound(sa, context=place)) for place, sa in enumerate(sas[:ROOM_OF_COLLIDING])]
        refused = inbound(sas[ROOM_OF_COLLIDING])
        assert (await driver.table.add(refused)).result is AddResult.FULL, "they do not collide"
        wild = Sa(spi=random.getrandbits(32))
        bundles += [
            await bed.add(inbound(wild, context=0x77)),
            await bed.add(Bundle(sas=wild_pair(random), direction=Direction.OUTBOUND, context=0x78)),
        ]
        await bed.find_all(bundles)

        # In use, the table does not follow: everything is where it was, and what found no room finds none.
        assert not await driver.table.set_seed(second)
        await bed.find_all(bundles)
        assert (await driver.table.add(refused)).result is AddResult.FULL
        await bed.find_all(bundles)

        await driver.reseed(bundles, seed=second)
        assert not (await driver.status()).is_restoring
        await bed.find_all(bundles)
        assert await driver.table.live_bundles() == len(bundles)
        bundles += [await bed.add(inbound(sa)) for sa in sas[ROOM_OF_COLLIDING:]]
        await bed.find_all(bundles)

    bed.run(script)


def wild_pair(random: Random) -> tuple[Sa, Sa]:
    return Sa(spi=random.getrandbits(32)), Sa(spi=random.getrandbits(32))


def test_a_seed_counts_at_once_from_a_reset_or_a_flush_to_the_first_add() -> None:
    random = Random("at once")
    final = random.getrandbits(64)
    sas = colliding(random, seed=final, count=ROOM_OF_COLLIDING + 1)
    bed = Bed(HASHED, seed=random.getrandbits(64))

    async def script(bed: Bed) -> None:
        table = bed.driver.table
        assert await table.set_seed(random.getrandbits(64))
        await table.end_restore()
        assert await table.set_seed(final), "the end of restore mode is no add"
        results = [(await table.add(inbound(sa))).result for sa in sas]
        assert results == [AddResult.OK] * ROOM_OF_COLLIDING + [AddResult.FULL], "the last seed set is not in use"
        assert not await table.set_seed(random.getrandbits(64))
        assert not (await bed.driver.status()).seed_is_open
        tag = await bed.driver.commands.submit_flush()
        await bed.driver.completions.wait(tag)
        assert (await bed.driver.status()).seed_is_open
        assert await table.set_seed(0)

    bed.run(script)


def test_a_flush_takes_the_seed_that_was_set_before_it() -> None:
    random = Random("flush")
    second = random.getrandbits(64)
    sas = colliding(random, seed=second, count=ROOM_OF_COLLIDING + 1)
    bed = Bed(HASHED, seed=random.getrandbits(64))

    async def script(bed: Bed) -> None:
        table = bed.driver.table
        await table.end_restore()
        await bed.add(inbound(Sa(spi=1, destination=Destination(1))))
        assert not await table.set_seed(second)
        await bed.driver.completions.wait(await bed.driver.commands.submit_flush())
        await table.end_restore()
        results = [(await table.add(inbound(sa))).result for sa in sas]
        assert results == [AddResult.OK] * ROOM_OF_COLLIDING + [AddResult.FULL]

    bed.run(script)


def test_a_parallel_table_has_no_seed_and_lives_on() -> None:
    bed = Bed(PARALLEL)

    async def script(bed: Bed) -> None:
        assert not bed.driver.capabilities.has_seed
        await bed.driver.table.end_restore()
        bundle = await bed.add(inbound(Sa(spi=5, destination=Destination(6)), context=9))
        for call in (bed.driver.table.set_seed(1), bed.driver.reseed([bundle])):
            with pytest.raises(NoSeedError):
                await call
        assert not (await bed.driver.status()).seed_is_open
        await bed.find_all([bundle])

    bed.run(script)
