"""Completions: each exactly once, whatever comes between any two register accesses."""

import asyncio
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from tests.unit.host_engine import CLOCK_HZ, AsyncTransport, FakeEngine, FakeTransport, InterruptTransport, Outcome
from tests.unit.streams import seeds

from saoffload.host.driver import Driver
from saoffload.host.errors import HostError, QueueFullError, TableLostError, UnknownTagError, WaitTimeoutError
from saoffload.host.interrupts import Event
from saoffload.host.register_map import CompletionStatus, Register
from saoffload.host.transport import TransportError, run

MS = 1000 / CLOCK_HZ
TRANSPORTS = pytest.mark.parametrize("transport", [FakeTransport, InterruptTransport], ids=["poll", "interrupt"])


def started(transport: Callable[[FakeEngine], FakeTransport] = FakeTransport, **dials) -> tuple[FakeEngine, Driver]:
    engine = FakeEngine(**dials)
    driver = Driver(transport(engine), clock_hz=CLOCK_HZ)
    run(driver.start())
    return engine, driver


@TRANSPORTS
def test_a_completion_carries_every_field(transport):
    outcome = Outcome(
        status=6, visited=0xFFFF_FFFF, deleted=0x8000_0001, not_found=0x7FFF_FFFE, fault=0xFFFF_0000_1234_5678
    )
    _, driver = started(transport, outcome=lambda _command: outcome)
    tag = run(driver.commands.submit_walk(8))
    completion = run(driver.completions.wait(tag))
    assert completion.tag == tag
    assert completion.status is CompletionStatus.TIMEOUT
    assert (completion.visited, completion.deleted, completion.not_found) == (0xFFFF_FFFF, 0x8000_0001, 0x7FFF_FFFE)
    assert completion.fault_address == 0xFFFF_0000_1234_5678
    assert driver.completions.outstanding == ()


@pytest.mark.parametrize("status", list(CompletionStatus))
def test_the_fault_address_is_absent_only_for_ok(status):
    _, driver = started(outcome=lambda _command: Outcome(status=status, fault=0))
    completion = run(driver.completions.wait(run(driver.commands.submit_walk(8))))
    assert completion.status is status
    assert completion.fault_address == (None if status is CompletionStatus.OK else 0)


@TRANSPORTS
def test_completions_are_sorted_out_by_tag(transport):
    engine, driver = started(transport)
    clocks = iter([900, 500, 100])
    engine.command_clocks = lambda: next(clocks)
    first, second, third = (run(driver.commands.submit_walk(8)) for _ in range(3))
    assert run(driver.completions.wait(first)).tag == first
    assert run(driver.completions.wait(second)).tag == second
    assert [completion.tag for completion in run(driver.completions.collect())] == [third]
    assert run(driver.completions.collect()) == []
    assert engine.popped == 3


@TRANSPORTS
def test_collect_waits_for_as_many_as_asked_and_no_longer_than_asked(transport):
    engine, driver = started(transport, command_clocks=iter([300, 600, 10**6]).__next__)
    tags = [run(driver.commands.submit_walk(8)) for _ in range(3)]
    begin = engine.clock
    got = run(driver.completions.collect(count=2, timeout_ms=1))
    assert [completion.tag for completion in got] == tags[:2]
    assert (engine.clock - begin) * MS < 0.1
    begin = engine.clock
    assert run(driver.completions.collect(timeout_ms=1)) == []
    assert 1 <= (engine.clock - begin) * MS < 1.1


@TRANSPORTS
def test_waits_are_bounded_and_lose_nothing(transport):
    engine, driver = started(transport, command_clocks=lambda: 100_000)
    tag = run(driver.commands.submit_walk(8))
    begin = engine.clock
    with pytest.raises(WaitTimeoutError, match=f"completion of tag {tag:#x}"):
        run(driver.completions.wait(tag, timeout_ms=0.5))
    assert 0.5 <= (engine.clock - begin) * MS < 0.6
    with pytest.raises(WaitTimeoutError, match="1 commands"):
        run(driver.completions.wait_all(timeout_ms=0.1))
    assert driver.completions.outstanding == (tag,)
    assert run(driver.completions.wait(tag)).tag == tag


@TRANSPORTS
def test_a_wait_given_up_leaves_the_completion_to_collect(transport):
    _, driver = started(transport, command_clocks=lambda: 5000)
    tag = run(driver.commands.submit_walk(8))
    with pytest.raises(WaitTimeoutError):
        run(driver.completions.wait(tag, timeout_ms=0.01))
    assert [completion.tag for completion in run(driver.completions.collect(timeout_ms=1))] == [tag]


def test_a_wait_sleeps_on_the_line_instead_of_spinning():
    engine, driver = started(InterruptTransport)
    run(driver.completions.wait(run(driver.commands.submit_walk(8))))
    assert not engine.irq
    engine.command_clocks = lambda: 50_000
    tag = run(driver.commands.submit_walk(8))
    begin = driver.transport.access_count
    run(driver.completions.wait(tag))
    assert driver.transport.access_count - begin < 100


def test_a_tag_that_nothing_carries_is_not_waited_for():
    _, driver = started()
    with pytest.raises(UnknownTagError, match="0x63"):
        run(driver.completions.wait(99))
    tag = run(driver.commands.submit_walk(8))
    run(driver.completions.wait(tag))
    with pytest.raises(UnknownTagError):
        run(driver.completions.wait(tag))


def test_completions_nobody_asked_for_are_reported_and_not_handed_out():
    engine, driver = started()
    engine.complete(77, Outcome())
    tag = run(driver.commands.submit_walk(8))
    assert [completion.tag for completion in run(driver.completions.wait_all())] == [tag]
    engine.complete(tag, Outcome())
    assert run(driver.completions.collect()) == []
    assert [stray.tag for stray in driver.completions.strays] == [77, tag]


def test_an_engine_whose_pop_does_nothing_is_found_out():
    engine, driver = started()
    engine.complete(77, Outcome())
    pop = engine.write
    engine.write = lambda address, data: None if address == Register.COMPLETION_POP else pop(address, data)
    with pytest.raises(HostError, match="never becomes empty"):
        run(driver.completions.collect())


def test_a_status_that_is_no_status_is_an_error():
    _, driver = started(outcome=lambda _command: Outcome(status=15))
    tag = run(driver.commands.submit_walk(8))
    with pytest.raises(HostError, match="status 15"):
        run(driver.completions.wait(tag))


# Between any two accesses.


def accesses_of(scenario: Callable[[FakeEngine, Driver], None], transport: type[FakeTransport]) -> int:
    """How many accesses the scenario takes when nothing interferes."""
    engine, driver = started(transport)
    begin = driver.transport.access_count
    scenario(engine, driver)
    return driver.transport.access_count - begin


@TRANSPORTS
def test_a_completion_at_any_access_is_neither_lost_nor_doubled(transport):
    def collect_two(_engine, driver):
        tags = [run(driver.commands.submit_walk(8)) for _ in range(2)]
        for tag in tags:
            run(driver.completions.wait(tag))

    for moment in range(1, accesses_of(collect_two, transport) + 3):
        # Commands end only when told to: one at once, one before access number `moment` of the collection.
        engine, driver = started(transport, command_clocks=lambda: 10**9)
        tags = [run(driver.commands.submit_walk(8)) for _ in range(2)]
        engine.complete(tags[0], Outcome())
        begin = driver.transport.access_count

        def arrive(number, _kind, _address, engine=engine, tag=tags[1], at=begin + moment):
            if number == at:
                engine.complete(tag, Outcome())

        driver.transport.before = arrive
        got = [run(driver.completions.wait(tags[0])).tag]
        while driver.transport.access_count < begin + moment:
            got += [completion.tag for completion in run(driver.completions.collect())]
        if len(got) < 2:
            got.append(run(driver.completions.wait(tags[1], timeout_ms=1)).tag)
        assert sorted(got) == tags, f"moment {moment}"
        assert run(driver.completions.collect()) == []
        assert driver.completions.strays == ()
        assert engine.popped == 2


def test_an_interrupt_is_never_slept_through():
    """The event of a completion that comes while the queue is being emptied still raises the line."""
    for moment in range(1, 40):
        engine, driver = started(InterruptTransport, command_clocks=lambda: 10**9)
        tags = [run(driver.commands.submit_walk(8)) for _ in range(2)]
        engine.complete(tags[0], Outcome())
        begin = driver.transport.access_count

        def arrive(number, _kind, _address, engine=engine, tag=tags[1], at=begin + moment):
            if number == at:
                engine.complete(tag, Outcome())

        driver.transport.before = arrive
        run(driver.completions.wait(tags[0]))
        if driver.transport.access_count >= begin + moment:
            taken = driver.completions.outstanding == ()
            assert taken or engine.irq, f"moment {moment}"


@pytest.mark.parametrize("moment", range(1, 30))
@pytest.mark.parametrize("took_effect", [False, True], ids=["before", "after"])
def test_a_broken_link_at_any_access_costs_no_completion(moment, took_effect):
    engine, driver = started(command_clocks=lambda: 10**9)
    tags = [run(driver.commands.submit_walk(8)) for _ in range(3)]
    for place, tag in enumerate(tags):
        engine.complete(tag, Outcome(visited=place, deleted=place))
    begin = driver.transport.access_count

    def fail(number, kind, address):
        if number == begin + moment:
            raise TransportError(kind, address, None)

    setattr(driver.transport, "after" if took_effect else "before", fail)
    got = []
    try:
        got += run(driver.completions.collect())
    except TransportError:
        got += run(driver.completions.collect())
    assert [(completion.tag, completion.visited) for completion in got] == [(tag, at) for at, tag in enumerate(tags)]
    assert driver.completions.strays == ()
    driver.transport.before = driver.transport.after = lambda *_: None
    assert run(driver.completions.collect()) == []


# The table lost.


@TRANSPORTS
@pytest.mark.parametrize("moment", range(1, 32))
def test_a_reset_at_any_access_never_makes_up_a_completion(transport, moment):
    outcome = Outcome(status=3, visited=9, deleted=4, not_found=5, fault=0x1_0000_0008)
    engine, driver = started(transport, command_clocks=lambda: 10**9)
    tags = [run(driver.commands.submit_walk(8, tag=tag)) for tag in (0, 5)]
    for tag in tags:
        engine.complete(tag, outcome)
    begin = driver.transport.access_count

    def reset(number, _kind, _address):
        if number == begin + moment:
            engine.reset()

    driver.transport.before = reset
    got = []

    def collect_until_the_loss():
        for _ in range(100):
            got.extend(run(driver.completions.collect(timeout_ms=0.01)))

    with pytest.raises(TableLostError) as loss:
        collect_until_the_loss()
    for completion in got:
        assert completion.tag in tags
        assert (completion.visited, completion.deleted, completion.not_found) == (9, 4, 5)
        assert completion.fault_address == 0x1_0000_0008
    # A completion is handed out or its tag is void, never both, never neither.
    assert sorted([completion.tag for completion in got] + list(loss.value.void_tags)) == tags
    driver.transport.before = lambda *_: None
    assert run(driver.recover()) == loss.value.void_tags
    assert driver.completions.strays == ()


@TRANSPORTS
def test_a_wait_ends_when_the_table_is_lost(transport):
    engine, driver = started(transport, command_clocks=lambda: 10**9, scrub_clocks=3000)
    tag = run(driver.commands.submit_walk(8))
    engine.at(2000, engine.reset)
    with pytest.raises(TableLostError, match="1 outstanding commands are void"):
        run(driver.completions.wait(tag, timeout_ms=1000))
    # The reset has disabled the interrupts: the line itself never tells of it.
    assert engine.clock * MS < 0.2
    with pytest.raises(TableLostError):
        run(driver.completions.wait_all())
    assert run(driver.recover()) == (tag,)
    assert run(driver.status()).is_ready
    assert driver.interrupts.enabled == engine.enabled == Event.COMPLETION | Event.TABLE_LOST
    engine.command_clocks = lambda: 10
    tag = run(driver.commands.submit_walk(8, tag=tag))
    assert run(driver.completions.wait(tag)).tag == tag


def test_completions_of_a_damaged_table_are_dropped():
    """A table error leaves commands running: their completions still come, and mean nothing."""
    clocks = iter([20, 20, 5000])
    engine, driver = started(command_clocks=lambda: next(clocks))
    tags = [run(driver.commands.submit_walk(8)) for _ in range(3)]
    engine.advance(100)
    engine.pending |= 1 << 3
    with pytest.raises(TableLostError):
        run(driver.completions.collect())
    assert run(driver.recover()) == tuple(tags)
    assert engine.popped == 3
    assert run(driver.completions.collect(timeout_ms=0.1)) == []
    assert driver.completions.strays == ()


def test_completions_read_before_the_loss_outlive_it():
    engine, driver = started(command_clocks=lambda: 10**9)
    first, second, third = (run(driver.commands.submit_walk(8)) for _ in range(3))
    engine.complete(first, Outcome())
    engine.complete(second, Outcome(visited=7, deleted=7))
    run(driver.completions.wait(first))
    engine.reset()
    assert run(driver.recover()) == (third,)
    assert [completion.visited for completion in run(driver.completions.collect())] == [7]


def test_a_completion_in_doubt_does_not_outlive_the_loss():
    engine, driver = started(command_clocks=lambda: 10**9)
    tag = run(driver.commands.submit_walk(8))
    engine.complete(tag, Outcome())

    def fail(_number, kind, address):
        if address == Register.COMPLETION_POP:
            raise TransportError(kind, address, None)

    driver.transport.after = fail
    with pytest.raises(TransportError):
        run(driver.completions.collect())
    driver.transport.after = lambda *_: None
    engine.reset()
    assert run(driver.recover()) == (tag,)
    assert run(driver.completions.collect()) == []
    assert driver.completions.strays == ()


# Many at once.


@pytest.mark.parametrize("seed", seeds(12))
def test_many_coroutines_share_one_driver(seed):
    random = Random(seed)
    engine = FakeEngine(scrub_clocks=10, command_clocks=lambda: random.randrange(1, 400))

    async def client(driver: Driver, how: str, got: list[int], sent: list[int]) -> None:
        for _ in range(20):
            tag = await driver.commands.submit_walk(8)
            sent.append(tag)
            if how == "wait":
                got.append((await driver.completions.wait(tag, timeout_ms=100)).tag)

    async def collector(driver: Driver, got: list[int]) -> None:
        while len(got) < 40:
            got += [completion.tag for completion in await driver.completions.collect(timeout_ms=100)]

    async def everybody() -> None:
        driver = Driver(AsyncTransport(engine, seed), clock_hz=CLOCK_HZ)
        await driver.start()
        sent: list[int] = []
        waited: list[int] = []
        collected: list[int] = []
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for how in ("wait", "wait", "wait", "collect", "collect"):
                group.create_task(client(driver, how, waited, sent))
            group.create_task(collector(driver, collected))
        assert Counter(waited + collected) == Counter(sent), f"seed {seed}"
        assert len(set(sent)) == 100
        assert driver.completions.strays == ()
        assert driver.completions.outstanding == ()
        assert engine.popped == 100

    asyncio.run(everybody())


def test_a_full_queue_is_emptied_and_tried_again():
    engine, driver = started()
    engine.refuses_doorbell = 5
    with pytest.raises(QueueFullError):
        run(driver.commands.submit_walk(8))
    engine.refuses_doorbell = None
    tag = run(driver.commands.submit_walk(8))
    assert run(driver.completions.wait(tag)).tag == tag
