"""The driver and the seed of the table's hash, against a small engine behind a register file."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from tests.unit.host_engine import CLOCK_HZ, AsyncTransport, FakeEngine, FakeTransport
from tests.unit.streams import seeds

from saoffload.host.bundles import Bundle, Sa
from saoffload.host.completions import Completion
from saoffload.host.driver import Driver
from saoffload.host.errors import (
    AddBusyError,
    AddRefusedError,
    CommandsOutstandingError,
    FlushBusyError,
    NoSeedError,
    ReseedError,
    TableLostError,
    WaitTimeoutError,
)
from saoffload.host.register_map import AddResult, DoorbellResult, Opcode, Register
from saoffload.host.transport import run

SEED = 0x0123_4567_89AB_CDEF
BUNDLES = tuple(Bundle(sas=(Sa(spi=place),), handle=0x8000_0010 + place) for place in range(1, 5))


def restores(staged: dict[int, int]) -> tuple[int, int]:
    """The answer of a table in restore mode that has room."""
    return AddResult.OK, staged[Register.ADD_HANDLE_LOW]


def started(*, seed: int | None = None, **dials: Any) -> tuple[FakeEngine, Driver]:
    engine = FakeEngine(**{"has_seed": True, "add_result": restores, **dials})
    driver = Driver(FakeTransport(engine), clock_hz=CLOCK_HZ, seed=seed)
    run(driver.start())
    return engine, driver


def seeds_written(engine: FakeEngine) -> list[int]:
    """Every seed, its low word written right before its high word."""
    found = [
        high << 32 | low
        for (first, low), (second, high) in pairwise(engine.writes)
        if (first, second) == (Register.SEED_LOW, Register.SEED_HIGH)
    ]
    assert sum(address in (Register.SEED_LOW, Register.SEED_HIGH) for address, _ in engine.writes) == 2 * len(found)
    return found


def spis_added(engine: FakeEngine) -> list[int]:
    return [staged[Register.ADD_SA_0_SPI] for staged in engine.added]


def test_a_driver_draws_a_seed_of_its_own() -> None:
    drawn = [seeds_written(started()[0]) for _ in range(4)]
    assert all(len(seeds) == 1 for seeds in drawn)
    assert len({seed for seeds in drawn for seed in seeds}) == 4
    assert max(max(seeds) for seeds in drawn) >> 48, "16 bits are 0 in all of them"


def test_a_given_seed_is_set_before_anything_is_added() -> None:
    engine, driver = started(seed=SEED)
    assert seeds_written(engine) == [SEED]
    assert run(driver.status()).seed_is_open


def test_a_seed_is_set_anew_after_a_reset() -> None:
    engine, driver = started(seed=SEED)
    engine.reset()
    run(driver.recover())
    assert seeds_written(engine) == [SEED, SEED]
    drawing, driver = started()
    drawing.reset()
    run(driver.recover())
    assert len(set(seeds_written(drawing))) == 2


def test_an_engine_without_a_seed_is_not_given_one() -> None:
    engine, driver = started(has_seed=False, seed=SEED)
    assert not driver.capabilities.has_seed
    engine.writes.clear()
    for call in (driver.table.set_seed(1), driver.reseed(BUNDLES)):
        with pytest.raises(NoSeedError):
            run(call)
    assert seeds_written(engine) == []
    assert engine.submitted == []


@pytest.mark.parametrize("seed", [-1, 1 << 64])
def test_a_seed_has_64_bits(seed: int) -> None:
    with pytest.raises(ValueError, match="seed"):
        Driver(FakeTransport(FakeEngine()), clock_hz=CLOCK_HZ, seed=seed)
    engine, driver = started(seed=SEED)
    for call in (driver.table.set_seed(seed), driver.reseed(BUNDLES, seed=seed)):
        with pytest.raises(ValueError, match="seed"):
            run(call)
    assert seeds_written(engine) == [SEED]
    assert engine.submitted == []


def test_the_driver_says_when_a_seed_counts() -> None:
    engine, driver = started()
    assert run(driver.table.set_seed(1))
    run(driver.table.add(BUNDLES[0]))
    assert not run(driver.table.set_seed(SEED))
    assert seeds_written(engine)[1:] == [1, SEED]


def test_a_reseed_sets_the_seed_flushes_and_restores() -> None:
    engine, driver = started(seed=SEED, is_restore_stuck=False)
    run(driver.table.end_restore())
    engine.writes.clear()
    run(driver.reseed(BUNDLES, seed=7))
    assert seeds_written(engine) == [7]
    assert [command.opcode for command in engine.submitted] == [Opcode.FLUSH]
    order = (Register.SEED_HIGH, Register.DOORBELL, Register.ADD_GO, Register.END_RESTORE)
    assert [address for address, _ in engine.writes if address in order] == [
        *order[:2],
        *[Register.ADD_GO] * 4,
        order[3],
    ]
    assert spis_added(engine) == [1, 2, 3, 4]
    assert not engine.is_restoring
    assert driver.completions.outstanding == ()


def test_a_reseed_draws_a_seed_whatever_the_driver_was_given() -> None:
    engine, driver = started(seed=SEED)
    run(driver.reseed(BUNDLES))
    run(driver.reseed(BUNDLES))
    assert len(set(seeds_written(engine))) == 3


@pytest.mark.parametrize(
    ("bundles", "complaint"),
    [((*BUNDLES, Bundle(sas=(Sa(spi=9),))), "names its handle"), ((*BUNDLES, BUNDLES[0]), "two bundles .* 0x80000011")],
)
def test_bundles_that_cannot_be_restored_are_refused_before_the_flush(
    bundles: tuple[Bundle, ...], complaint: str
) -> None:
    engine, driver = started(seed=SEED)
    with pytest.raises(ValueError, match=complaint):
        run(driver.reseed(bundles))
    assert engine.submitted == []
    assert seeds_written(engine) == [SEED]


def test_outstanding_work_is_to_be_finished_first() -> None:
    engine, driver = started(seed=SEED)
    tag = run(driver.commands.submit_delete(BUNDLES[0].handle))
    with pytest.raises(CommandsOutstandingError) as refusal:
        run(driver.reseed(BUNDLES))
    assert refusal.value.tags == (tag,)
    run(driver.completions.wait(tag))
    engine.add_clocks = 10_000
    with pytest.raises(WaitTimeoutError):
        run(driver.table.add(BUNDLES[0], timeout_ms=0.01))
    with pytest.raises(AddBusyError, match="finish_add"):
        run(driver.reseed(BUNDLES))
    assert [command.opcode for command in engine.submitted] == [Opcode.DELETE_ONE]
    assert seeds_written(engine) == [SEED]


def test_a_refused_flush_leaves_the_bundles_where_they_are() -> None:
    engine, driver = started(seed=SEED)
    engine.refuses_doorbell = DoorbellResult.FLUSH_BUSY
    with pytest.raises(FlushBusyError):
        run(driver.reseed(BUNDLES))
    assert engine.added == []
    engine.refuses_doorbell = None
    run(driver.reseed(BUNDLES))
    assert spis_added(engine) == [1, 2, 3, 4]


def test_a_bundle_that_finds_no_room_again_is_told_and_a_second_reseed_mends_it() -> None:
    def is_full_at_the_third(staged: dict[int, int]) -> tuple[int, int]:
        return (AddResult.FULL, 0) if staged[Register.ADD_SA_0_SPI] == 3 else restores(staged)

    engine, driver = started(add_result=is_full_at_the_third)
    run(driver.table.end_restore())
    with pytest.raises(ReseedError, match="2 of 4") as failure:
        run(driver.reseed(BUNDLES))
    assert failure.value.missing == tuple(bundle.handle for bundle in BUNDLES[2:])
    assert isinstance(failure.value.__cause__, AddRefusedError)
    assert engine.is_restoring
    engine.add_result = restores
    run(driver.reseed(BUNDLES))
    assert spis_added(engine)[-4:] == [1, 2, 3, 4]
    assert not engine.is_restoring


def test_a_flush_that_does_not_end_leaves_all_bundles_missing() -> None:
    engine, driver = started()
    engine.command_clocks = lambda: 10**9
    with pytest.raises(ReseedError, match="0 of 4") as failure:
        run(driver.reseed(BUNDLES, timeout_ms=1))
    assert failure.value.missing == tuple(bundle.handle for bundle in BUNDLES)
    assert isinstance(failure.value.__cause__, WaitTimeoutError)
    assert len(driver.completions.outstanding) == 1


def test_an_end_of_restore_that_does_not_come_is_told() -> None:
    _, driver = started(is_restore_stuck=True)
    with pytest.raises(ReseedError, match="4 of 4") as failure:
        run(driver.reseed(BUNDLES, timeout_ms=1))
    assert failure.value.missing == ()


def test_a_reset_under_a_reseed_is_a_lost_table() -> None:
    engine, driver = started(add_clocks=200)
    engine.at(600, engine.reset)
    with pytest.raises(TableLostError):
        run(driver.reseed(BUNDLES))
    run(driver.recover())
    run(driver.reseed(BUNDLES))
    assert spis_added(engine)[-4:] == [1, 2, 3, 4]


def test_a_flush_whose_completion_somebody_else_collected_is_over() -> None:
    engine, driver = started()
    assert isinstance(driver.transport, FakeTransport)
    collected: list[Completion] = []

    def intrude(_number: int, _kind: str, address: int) -> None:
        if address == Register.DOORBELL_RESULT:
            engine.advance(100)
            collected.extend(run(driver.completions.collect()))

    driver.transport.after = intrude
    run(driver.reseed(BUNDLES))
    assert len(collected) == 1
    assert spis_added(engine) == [1, 2, 3, 4]


@pytest.mark.parametrize("number", seeds(5))
def test_a_delete_submitted_meanwhile_waits_so_that_nothing_comes_back(number: int) -> None:
    """A delete between the flush and the restore would find nothing, and its bundle would live again."""
    flush_has_begun = asyncio.Event()

    def begin() -> int:
        flush_has_begun.set()
        return 20

    engine = FakeEngine(has_seed=True, add_result=restores, add_clocks=50, command_clocks=begin)

    async def everybody() -> None:
        driver = Driver(AsyncTransport(engine, number), clock_hz=CLOCK_HZ)
        await driver.start()

        async def delete_late() -> None:
            await flush_has_begun.wait()
            tag = await driver.commands.submit_delete(BUNDLES[-1].handle)
            assert len(engine.added) == len(BUNDLES), f"seed {number}: deleted before it was restored"
            assert not engine.is_restoring
            await driver.completions.wait(tag)

        async def collect_all() -> None:
            while len(engine.added) < len(BUNDLES):
                await driver.completions.collect(timeout_ms=0.001)

        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(driver.reseed(BUNDLES))
            group.create_task(delete_late())
            group.create_task(collect_all())

    asyncio.run(everybody())
    assert [command.opcode for command in engine.submitted] == [Opcode.FLUSH, Opcode.DELETE_ONE]
