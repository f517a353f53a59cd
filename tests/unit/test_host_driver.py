"""The driver against a small engine behind a register file: identification, start, waits, and what it runs on."""

import re

import pytest
from tests.unit.host_engine import ACCESS_CLOCKS, CLOCK_HZ, MS, READY, TABLE_LOST, FakeEngine, FakeTransport, started

from saoffload.host.bundles import Bundle, Sa
from saoffload.host.driver import WAIT_FOR_EVER, Driver
from saoffload.host.errors import (
    WaitTimeoutError,
    WrongEngineError,
)
from saoffload.host.interrupts import Event
from saoffload.host.register_map import Register, StatusFields, TableFeaturesFields
from saoffload.host.transport import AxiResponse, TransportError, UncontendedLock, run

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


def test_a_reset_by_register_voids_everything_and_begins_anew():
    engine, driver = started(command_clocks=lambda: 10**9)
    tag = run(driver.commands.submit_walk(8))
    assert run(driver.reset()) == (tag,)
    assert (Register.RESET, 1) in engine.writes
    status = run(driver.status())
    assert status.is_ready
    assert not status.is_resetting
    assert not status.table_was_lost
    assert driver.completions.outstanding == ()


def test_what_the_packet_path_keeps_is_shown():
    engine, driver = started()
    engine.words[Register.UNRETIRED_AGE] = 70_000
    engine.words[Register.TABLE_FEATURES] |= TableFeaturesFields.RETIRE_WATCH.mask
    engine.pending |= Event.RETIRE_LATE
    assert run(driver.unretired_age()) == 70_000
    assert run(driver.identify()).has_retire_watch
    assert Event.RETIRE_LATE in run(driver.interrupts.pending())
    engine.words[Register.STATUS] = StatusFields.RETIRE_DUE.mask | StatusFields.RESETTING.mask
    status = run(driver.status())
    assert status.retire_is_due
    assert status.is_resetting
