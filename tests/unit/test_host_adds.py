"""The driver's adds, against a small engine behind a register file."""

import pytest
from tests.unit.host_engine import started

from saoffload.host.bundles import ANY, Bundle, Destination, Sa
from saoffload.host.errors import (
    AddBusyError,
    AddRefusedError,
    NotRestoredError,
    TableLostError,
    WaitTimeoutError,
)
from saoffload.host.register_map import AddResult, Direction, Memory, Protocol, Register
from saoffload.host.transport import TransportError, run

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
