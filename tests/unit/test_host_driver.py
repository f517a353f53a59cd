"""The driver against a small engine behind a register file: identification, windows, adds, commands, counters."""

import re
from dataclasses import fields

import pytest
from tests.unit.host_engine import ACCESS_CLOCKS, CLOCK_HZ, READY, TABLE_LOST, FakeEngine, FakeTransport

from saoffload.host.bundles import ANY, Bundle, Destination, Sa
from saoffload.host.counters import CounterValues
from saoffload.host.driver import WAIT_FOR_EVER, Driver
from saoffload.host.errors import (
    AddBusyError,
    AddRefusedError,
    BadOpcodeError,
    FlushBusyError,
    HostError,
    NotReadyError,
    NotRestoredError,
    QueueFullError,
    StagingLostError,
    TableLostError,
    TagInUseError,
    WaitTimeoutError,
    WindowRefusedError,
    WrongEngineError,
)
from saoffload.host.interrupts import Event
from saoffload.host.register_map import Abi, AddResult, Direction, Memory, Opcode, Protocol, Register
from saoffload.host.tags import TagAccount
from saoffload.host.transport import AxiResponse, TransportError, UncontendedLock, run
from saoffload.host.windows import Window

MS = 1000 / CLOCK_HZ
"""Milliseconds of one clock."""


def started(**dials) -> tuple[FakeEngine, Driver]:
    engine = FakeEngine(**dials)
    driver = Driver(FakeTransport(engine), clock_hz=CLOCK_HZ)
    run(driver.start())
    engine.writes.clear()
    return engine, driver


# Identification and start.


def test_capabilities_are_what_the_engine_says():
    _, driver = started()
    known = driver.capabilities
    assert known.version == (1, 3)
    assert (known.bundles, known.keys, known.index_bits, known.has_ipv6) == (64, 96, 6, True)
    assert (known.context_width, known.epoch_width, known.unretired_limit) == (40, 2, 4096)
    assert (known.data_width, known.address_width, known.id_width) == (64, 48, 2)
    assert (known.command_depth, known.completion_depth) == (16, 8)
    assert (known.window_count, known.counter_width) == (4, 64)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({Register.ID: 0}, "identification 0x00000000"),
        ({Register.ID: 0xFFFF_FFFF}, "identification 0xffffffff"),
        ({Register.VERSION: 2 << 16}, "register map 2.0"),
        ({Register.VERSION: 9}, "register map 0.9"),
    ],
)
def test_a_wrong_engine_is_refused_and_left_alone(words, complaint):
    engine = FakeEngine(words=words)
    with pytest.raises(WrongEngineError, match=complaint):
        run(Driver(FakeTransport(engine), clock_hz=CLOCK_HZ).start())
    assert engine.writes == []


def test_start_waits_until_ready_and_arms_the_interrupts():
    engine, driver = started(scrub_clocks=5000)
    assert engine.clock >= 5000
    assert engine.pending & (READY | TABLE_LOST) == 0
    assert engine.enabled == Event.COMPLETION | Event.TABLE_LOST == driver.interrupts.enabled
    status = run(driver.status())
    assert status.is_ready
    assert status.is_restoring
    assert status.is_quiesced
    assert not status.table_was_lost


def test_an_engine_that_never_gets_ready_is_given_up_in_time():
    engine = FakeEngine(scrub_clocks=10**9)
    with pytest.raises(WaitTimeoutError, match=r"ready: not within 0\.1 ms"):
        run(Driver(FakeTransport(engine), clock_hz=CLOCK_HZ).start(timeout_ms=0.1))
    assert 0.1 <= engine.clock * MS < 0.11


def test_a_wait_looks_once_more_after_its_last_pause():
    engine = FakeEngine(scrub_clocks=10_000)
    driver = Driver(FakeTransport(engine), clock_hz=CLOCK_HZ)
    driver.transport.poll_interval = 1.0
    run(driver.wait_ready(timeout_ms=10_000 * MS))


def test_a_wait_looks_once_more_when_its_time_ends_during_a_look():
    engine = FakeEngine(scrub_clocks=ACCESS_CLOCKS + 1)
    run(Driver(FakeTransport(engine), clock_hz=CLOCK_HZ).wait_ready(timeout_ms=(ACCESS_CLOCKS - 1) * MS))


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf")])
def test_an_unbounded_wait_is_refused(timeout):
    _, driver = started()
    with pytest.raises(ValueError, match="milliseconds"):
        run(driver.wait_ready(timeout_ms=timeout))


@pytest.mark.parametrize("frequency", [0, -1.0, float("nan"), float("inf")])
def test_a_clock_frequency_must_be_one(frequency):
    with pytest.raises(ValueError, match="clock_hz"):
        Driver(FakeTransport(FakeEngine()), clock_hz=frequency)


def test_what_needs_the_capabilities_says_so_before_the_start():
    driver = Driver(FakeTransport(FakeEngine()), clock_hz=CLOCK_HZ)
    with pytest.raises(RuntimeError, match="start"):
        _ = driver.capabilities
    with pytest.raises(RuntimeError, match="start"):
        run(driver.table.add(Bundle(sas=(Sa(spi=1),))))


@pytest.mark.parametrize(
    ("milliseconds", "clocks"), [(WAIT_FOR_EVER, 0), (1, 100_000), (1e-9, 1), (0.000015, 2), (42949.67295, 0xFFFF_FFFF)]
)
def test_read_timeouts_are_never_shorter_than_asked(milliseconds, clocks):
    engine, driver = started()
    assert run(driver.set_read_timeout(milliseconds)) == clocks
    assert engine.writes == [(Register.TIMEOUT, clocks)]


@pytest.mark.parametrize("milliseconds", [-1, float("nan"), float("inf"), 42949.67296])
def test_read_timeouts_that_do_not_fit_are_refused(milliseconds):
    engine, driver = started()
    with pytest.raises(ValueError, match="read timeout"):
        run(driver.set_read_timeout(milliseconds))
    assert engine.writes == []


def test_the_longest_read_timeout_fills_the_register():
    engine = FakeEngine()
    driver = Driver(FakeTransport(engine), clock_hz=1000.0)
    assert run(driver.set_read_timeout((1 << 32) - 1)) == (1 << 32) - 1
    with pytest.raises(ValueError, match="the engine counts 32 bits"):
        run(driver.set_read_timeout(1 << 32))
    assert engine.words[Register.TIMEOUT] == (1 << 32) - 1


def test_quiesce_is_waited_for_and_bounded():
    engine, driver = started(command_clocks=lambda: 3000)
    run(driver.commands.submit_walk(0x1000))
    run(driver.wait_quiesced())
    assert engine.clock > 3000
    engine.lost_reads = 2
    with pytest.raises(WaitTimeoutError, match="quiesced"):
        run(driver.wait_quiesced(timeout_ms=1))
    assert run(driver.lost_ids()) == 2


def test_an_error_response_names_the_address():
    _, driver = started()
    with pytest.raises(TransportError, match="read of register address 0xffc: SLVERR") as failure:
        run(driver.transport.read32(0xFFC))
    assert failure.value.response is AxiResponse.SLVERR


# Windows.


def test_a_window_arrives_whole():
    engine, driver = started()
    run(driver.windows.set(2, Window(base=0xFFFF_8000_0000_0000, size=0x1_0000_0008, bus_base=0x1234_0000_0000)))
    assert engine.windows == {2: (0xFFFF_8000_0000_0000, 0x1_0000_0008, 0x1234_0000_0000)}
    run(driver.windows.clear(2))
    assert engine.windows == {2: (0, 0, 0)}


def test_a_refused_window_says_why():
    engine, driver = started()

    def reason(index, **window):
        engine.refuses_window = True
        with pytest.raises(WindowRefusedError) as refusal:
            run(driver.windows.set(index, Window(**{"base": 0, "size": 8, "bus_base": 0, **window})))
        return str(refusal.value)

    assert "has 4 windows" in reason(4)
    assert "base 0x4 is not a multiple of 8" in reason(0, base=4)
    assert "size 0x9 is not a multiple of 8" in reason(0, size=9)
    assert "bus_base 0x1001 is not a multiple of 8" in reason(0, bus_base=0x1001)
    assert "differ modulo 4096" in reason(0, base=0x1008)
    assert "ends beyond 64 bits" in reason(0, base=0xFFFF_FFFF_FFFF_F000, size=0x1008)
    assert "do not fit 48 bits" in reason(0, bus_base=0xFFFF_FFFF_F000, size=0x1008)
    assert "wait_quiesced first" in reason(0)
    assert engine.windows == {}


def test_windows_at_the_very_end_have_no_problem():
    assert Window(base=0xFFFF_FFFF_FFFF_F000, size=0x1000, bus_base=0xF000).problem(16) is None
    assert Window(base=0, size=0, bus_base=0).problem(32) is None


def test_a_window_that_never_settles_is_given_up():
    _, driver = started(window_clocks=10**9)
    with pytest.raises(WaitTimeoutError, match="window commit"):
        run(driver.windows.set(0, Window(base=0, size=8, bus_base=0), timeout_ms=1))


def test_a_window_refuses_numbers_that_no_register_holds():
    with pytest.raises(ValueError, match="size has 64 bits"):
        Window(base=0, size=1 << 64, bus_base=0)


# Adds.

TWO_SAS = Bundle(
    sas=(
        Sa(spi=0x1001, destination=Destination.parse("2001:db8::1"), protocol=Protocol.ESP),
        Sa(spi=0xFFFF_FFFF, destination=Destination.parse("192.0.2.1"), protocol=Protocol.AH),
    ),
    direction=Direction.OUTBOUND,
    context=0xAB_CDEF_0123,
    handle=0x1_8000_0005,
)
TWO_SAS_WORDS = {
    Register.ADD_HANDLE_LOW: 0x8000_0005,
    Register.ADD_HANDLE_HIGH: 1,
    Register.ADD_CONTROL: 1 | 2 << 4,
    Register.ADD_SA_0_SPI: 0x1001,
    Register.ADD_SA_0_DESTINATION_0: 1,
    Register.ADD_SA_0_DESTINATION_3: 0x2001_0DB8,
    Register.ADD_SA_0_FLAGS: 0b01,
    Register.ADD_SA_1_SPI: 0xFFFF_FFFF,
    Register.ADD_SA_1_DESTINATION_0: 0xC000_0201,
    Register.ADD_SA_1_FLAGS: 0b10,
    Memory.ADD_CONTEXT: 0xCDEF_0123,
    Memory.ADD_CONTEXT + 4: 0xAB,
}


def nonzero(words):
    return {address: value for address, value in words.items() if value}


def test_an_add_stages_every_word():
    engine, driver = started(add_result=lambda _staged: (AddResult.BAD_HANDLE, 0))
    assert run(driver.table.add(TWO_SAS)).result is AddResult.BAD_HANDLE
    assert nonzero(engine.added[0]) == TWO_SAS_WORDS
    assert engine.writes[-1][0] == Register.ADD_GO


def test_the_first_add_overwrites_what_somebody_else_staged():
    engine, driver = started()
    rubbish = dict.fromkeys(range(Register.ADD_SA_0_SPI, Register.ADD_SA_0_FLAGS + 4, 4), 0xFFFF_FFFF) | {
        Register.ADD_HANDLE_LOW: 7,
        Memory.ADD_CONTEXT: 9,
        Memory.ADD_CONTEXT + 4: 9,
    }
    engine.staging.update(rubbish)
    run(driver.table.add(Bundle(sas=(Sa(spi=0),))))
    assert nonzero(engine.added[0]) == {Register.ADD_CONTROL: 1 << 4}


def test_later_adds_write_only_what_is_not_zero():
    engine, driver = started()
    bundle = Bundle(sas=(Sa(spi=5, destination=ANY),))
    run(driver.table.add(bundle))
    engine.writes.clear()
    run(driver.table.add(bundle))
    assert [address for address, _ in engine.writes] == [Register.ADD_CONTROL, Register.ADD_SA_0_SPI, Register.ADD_GO]
    assert engine.added[1] == {Register.ADD_CONTROL: 1 << 4, Register.ADD_SA_0_SPI: 5}


def test_after_a_failed_add_everything_is_written_again():
    engine, driver = started()
    bundle = Bundle(sas=(Sa(spi=5),))
    run(driver.table.add(bundle))

    def fail(_number, _kind, address):
        if address == Register.ADD_SA_0_SPI:
            raise TransportError("write", address, None)

    driver.transport.after = fail
    with pytest.raises(TransportError):
        run(driver.table.add(Bundle(sas=(Sa(spi=9),), context=3)))
    driver.transport.after = lambda *_: None
    run(driver.table.add(Bundle(sas=(Sa(spi=0),))))
    assert nonzero(engine.added[1]) == {Register.ADD_CONTROL: 1 << 4}


@pytest.mark.parametrize("result", list(AddResult))
def test_every_add_result_is_returned_by_its_name(result):
    _, driver = started(add_result=lambda _staged: (result, 0x8000_0000 if result is AddResult.OK else 0))
    answer = run(driver.table.add(Bundle(sas=())))
    assert answer.result is result
    if result is AddResult.OK:
        assert answer.expect_handle() == 0x8000_0000
    else:
        assert answer.handle == 0
        with pytest.raises(AddRefusedError, match=result.name):
            answer.expect_handle()


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_the_engine_is_told_how_many_sas_there_are(count):
    engine, driver = started()
    run(driver.table.add(Bundle(sas=(Sa(spi=1),) * count)))
    assert engine.added[0][Register.ADD_CONTROL] == count << 4


def test_an_add_that_no_register_can_hold_is_refused_before_anything_is_written():
    engine, driver = started()
    with pytest.raises(ValueError, match="does not fit"):
        run(driver.table.add(Bundle(sas=(Sa(spi=1),) * 4)))
    with pytest.raises(ValueError, match="the context has 40 bits"):
        run(driver.table.add(Bundle(sas=(Sa(spi=1),), context=1 << 40)))
    assert engine.writes == []


def test_an_engine_without_contexts_takes_context_0_only():
    engine, driver = started(words={Register.CONTEXT_WIDTH: 0})
    run(driver.table.add(Bundle(sas=(Sa(spi=1),))))
    assert Memory.ADD_CONTEXT not in engine.added[0]
    with pytest.raises(ValueError, match="the context has 0 bits"):
        run(driver.table.add(Bundle(sas=(Sa(spi=1),), context=1)))


def test_an_add_that_waits_is_finished_later_and_never_forgotten():
    engine, driver = started(add_clocks=10_000, add_result=lambda _staged: (0, 0x8000_0040))
    with pytest.raises(WaitTimeoutError, match="answer to an add"):
        run(driver.table.add(Bundle(sas=(Sa(spi=1),)), timeout_ms=0.01))
    engine.writes.clear()
    with pytest.raises(AddBusyError, match="finish_add"):
        run(driver.table.add(Bundle(sas=(Sa(spi=2),))))
    assert engine.writes == []
    with pytest.raises(WaitTimeoutError):
        run(driver.table.finish_add(timeout_ms=0.01))
    answer = run(driver.table.finish_add())
    assert answer is not None
    assert answer.expect_handle() == 0x8000_0040
    assert run(driver.table.finish_add()) is None
    run(driver.table.add(Bundle(sas=(Sa(spi=2),))))
    assert [staged[Register.ADD_SA_0_SPI] for staged in engine.added] == [1, 2]


def test_an_add_of_somebody_else_is_noticed():
    engine, driver = started(add_clocks=10_000)
    engine.add_word = 1
    with pytest.raises(AddBusyError, match="does not know"):
        run(driver.table.add(Bundle(sas=(Sa(spi=1),))))
    assert run(driver.table.finish_add()) is None


def test_a_reset_under_an_add_is_a_lost_table():
    engine, driver = started(add_clocks=10_000)
    tag = run(driver.commands.submit_delete(1))
    engine.at(500, engine.reset)
    with pytest.raises(TableLostError) as loss:
        run(driver.table.add(Bundle(sas=(Sa(spi=1),))))
    assert loss.value.void_tags == (tag,)
    assert run(driver.recover()) == (tag,)
    engine.add_clocks = 0
    assert run(driver.table.add(Bundle(sas=(Sa(spi=1),)))).is_ok


def test_the_end_of_restore_is_waited_for_and_bounded():
    engine, driver = started()
    run(driver.table.end_restore())
    assert not run(driver.status()).is_restoring
    engine.is_restore_stuck = True
    with pytest.raises(WaitTimeoutError, match="restore"):
        run(driver.table.end_restore(timeout_ms=0.1))


def test_the_end_of_restore_takes_its_turn_among_the_adds():
    engine, driver = started()
    refused = []

    def intrude(_number, _kind, address):
        if address == Register.END_RESTORE:
            with pytest.raises(RuntimeError, match="two coroutines") as refusal:
                run(driver.table.add(Bundle(sas=(Sa(spi=1),))))
            refused.append(refusal)

    driver.transport.after = intrude
    run(driver.table.end_restore())
    assert len(refused) == 1
    assert engine.added == []


def test_a_bundle_under_another_handle_than_it_named_is_told():
    engine, driver = started(add_result=lambda _staged: (0, 0x8000_0000))
    with pytest.raises(NotRestoredError, match="0x80000105 lives under 0x80000000") as found:
        run(driver.table.add(Bundle(sas=(Sa(spi=1),), handle=0x8000_0105)))
    assert (found.value.named, found.value.handle) == (0x8000_0105, 0x8000_0000)
    assert run(driver.table.add(Bundle(sas=(Sa(spi=1),), handle=0x8000_0000))).is_ok
    assert run(driver.table.add(Bundle(sas=(Sa(spi=2),)))).is_ok
    engine.add_clocks = 10_000
    with pytest.raises(WaitTimeoutError):
        run(driver.table.add(Bundle(sas=(Sa(spi=3),), handle=0x8000_0105), timeout_ms=0.01))
    with pytest.raises(NotRestoredError):
        run(driver.table.finish_add())


def test_live_counts_come_from_the_engine():
    engine, driver = started()
    engine.words |= {Register.LIVE_BUNDLES: 7, Register.LIVE_KEYS: 11}
    assert (run(driver.table.live_bundles()), run(driver.table.live_keys())) == (7, 11)


# Commands.


def test_commands_arrive_whole():
    engine, driver = started()
    run(driver.commands.submit_walk(0xFFFF_8000_0000_1000, abi=Abi.X86, budget=77, tag=0xFFFF_FFFF))
    run(driver.commands.submit_delete(0x1_8000_0001, tag=0))
    run(driver.commands.submit_flush(tag=5))
    walk, delete, flush = engine.submitted
    assert (walk.opcode, walk.abi, walk.tag, walk.head, walk.budget) == (
        Opcode.WALK,
        Abi.X86,
        0xFFFF_FFFF,
        0xFFFF_8000_0000_1000,
        77,
    )
    assert (delete.opcode, delete.tag, delete.head) == (Opcode.DELETE_ONE, 0, 0x1_8000_0001)
    assert (flush.opcode, flush.tag) == (Opcode.FLUSH, 5)
    run(driver.commands.abort(5))
    assert engine.aborted == [5]


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (2, NotReadyError),
        (3, BadOpcodeError),
        (4, StagingLostError),
        (5, QueueFullError),
        (6, FlushBusyError),
        (0, HostError),
    ],
)
def test_every_refusal_has_its_exception_and_leaves_nothing_outstanding(result, error):
    engine, driver = started()
    engine.refuses_doorbell = result
    for call in (
        driver.commands.submit_walk(8, tag=3),
        driver.commands.submit_delete(1, tag=3),
        driver.commands.submit_flush(tag=3),
    ):
        with pytest.raises(error) as refusal:
            run(call)
        assert type(refusal.value) is error
    assert driver.completions.outstanding == ()
    engine.refuses_doorbell = None
    assert run(driver.commands.submit_walk(8, tag=3)) == 3


def test_a_tag_in_use_is_refused_unless_shared():
    engine, driver = started()
    run(driver.commands.submit_walk(8, tag=3))
    with pytest.raises(TagInUseError, match="0x3"):
        run(driver.commands.submit_delete(8, tag=3))
    run(driver.commands.submit_delete(8, tag=3, shares_tag=True))
    assert driver.completions.outstanding == (3, 3)
    assert len(engine.submitted) == 2
    assert [completion.tag for completion in run(driver.completions.wait_all())] == [3, 3]


@pytest.mark.parametrize(
    "call",
    [
        lambda commands: commands.submit_walk(1 << 64),
        lambda commands: commands.submit_walk(-8),
        lambda commands: commands.submit_walk(8, budget=1 << 32),
        lambda commands: commands.submit_walk(8, tag=1 << 32),
        lambda commands: commands.submit_delete(1 << 64),
        lambda commands: commands.submit_flush(tag=-1),
        lambda commands: commands.abort(1 << 32),
    ],
)
def test_values_that_no_register_holds_are_refused_before_anything_is_written(call):
    engine, driver = started()
    with pytest.raises(ValueError, match="bits"):
        run(call(driver.commands))
    assert engine.writes == []
    assert driver.completions.outstanding == ()


@pytest.mark.parametrize("response", [AxiResponse.SLVERR, None])
@pytest.mark.parametrize("address", [Register.COMMAND_HEAD_LOW, Register.DOORBELL])
def test_a_broken_submission_is_outstanding_only_if_it_may_have_been_accepted(address, response):
    _, driver = started()

    def fail(_number, _kind, accessed):
        if accessed == address:
            raise TransportError("write", accessed, response)

    driver.transport.before = fail
    with pytest.raises(TransportError):
        run(driver.commands.submit_walk(8, tag=9))
    may_be_accepted = address == Register.DOORBELL and response is None
    assert driver.completions.outstanding == ((9,) if may_be_accepted else ())


def test_issued_tags_are_unique_and_wrap_around():
    account = TagAccount()
    first = account.reserve(None, is_shared=False)
    account._next = (1 << 32) - 1
    assert account.reserve(None, is_shared=False) == (1 << 32) - 1
    assert account.reserve(None, is_shared=False) == 0
    following = account.reserve(None, is_shared=False)
    assert following not in {first, 0}
    assert account.settle(first)
    assert not account.settle(first)


# Counters.


def test_a_carry_between_two_reads_is_never_seen():
    engine, driver = started()

    def count() -> None:
        for address in range(Register.KEY_LOOKUPS_LOW, Register.BAD_RETIRES_HIGH, 8):
            engine.counters[address] = engine.counters.get(address, 0xFFFF_FFFF - 10) + 1

    count()
    engine.counts_while_read = count
    values = run(driver.counters.read())
    expected = [0xFFFF_FFFF - 9 + place for place in range(16)]
    assert [getattr(values, field.name) for field in fields(values)] == expected


def test_every_counter_register_has_a_name_in_the_snapshot():
    registers = {
        register.name.removesuffix("_LOW").lower()
        for register in Register
        if Register.KEY_LOOKUPS_LOW <= register <= Register.BAD_RETIRES_HIGH and register.name.endswith("_LOW")
    }
    assert registers == {field.name for field in fields(CounterValues)}


def test_narrow_counters_cost_one_read_each():
    engine, driver = started(words={Register.COUNTER_WIDTH: 32})
    engine.counters[Register.COMPLETIONS_LOW] = 41
    before = driver.transport.access_count
    assert run(driver.counters.read()).completions == 41
    assert driver.transport.access_count - before == len(fields(CounterValues))


def test_differences_survive_a_wrap():
    names = [field.name for field in fields(CounterValues)]
    earlier = CounterValues(**dict.fromkeys(names, (1 << 32) - 3))
    later = CounterValues(**dict.fromkeys(names, 4))
    assert later.since(earlier, width=32).visited_nodes == 7


# Running without a scheduler.


def test_run_refuses_a_coroutine_that_suspends():
    class Suspend:
        def __await__(self):
            yield

    async def waits():
        await Suspend()

    with pytest.raises(RuntimeError, match="suspended"):
        run(waits())


def test_the_lock_of_blocking_transports_finds_a_second_user():
    async def enter_twice(lock):
        async with lock:
            async with lock:
                pass

    lock = UncontendedLock()
    with pytest.raises(RuntimeError, match="two coroutines"):
        run(enter_twice(lock))


def test_the_host_side_needs_nothing_but_python():
    """Every module of the host imports without the RTL, the simulation or any package."""
    import subprocess
    import sys
    from pathlib import Path

    import saoffload.host.driver

    folder = Path(saoffload.host.driver.__file__).parent
    modules = ", ".join(f"saoffload.host.{path.stem}" for path in sorted(folder.glob("[!_]*.py")))
    # -I and -S: neither the environment's packages nor the paths it adds.
    script = f"import sys; sys.path.insert(0, {str(folder.parents[1])!r}); import {modules}"
    subprocess.run([sys.executable, "-I", "-S", "-c", script], check=True)


def test_no_offset_stands_in_the_driver_as_a_number():
    from pathlib import Path

    import saoffload.host.driver

    folder = Path(saoffload.host.driver.__file__).parent
    for name in ("driver", "table", "windows", "commands", "completions", "counters", "interrupts", "capabilities"):
        text = (folder / f"{name}.py").read_text()
        assert not re.search(r"(read|write)(32|_wide|_all)?\((0x|\d)", text), name
