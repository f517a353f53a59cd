"""The driver's commands, against a small engine behind a register file."""

import pytest
from tests.unit.host_engine import started

from saoffload.host.errors import (
    BadOpcodeError,
    FlushBusyError,
    HostError,
    NotReadyError,
    QueueFullError,
    StagingLostError,
    TagInUseError,
)
from saoffload.host.register_map import Abi, Opcode, Register
from saoffload.host.tags import TagAccount
from saoffload.host.transport import AxiResponse, TransportError, run


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
    run(driver.commands.abort_all())
    assert engine.aborted == [5, None]


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
