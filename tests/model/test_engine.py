"""Rules 12, 15, 23 and 24: commands, completions and aborts."""

import pytest

from saoffload.sim.model import (
    Abi,
    Command,
    Completion,
    Deleted,
    DisagreementError,
    Job,
    JobState,
    Memory,
    NotFound,
    Opcode,
    Refusal,
    Status,
)

from .engines import NODES, PACKET, engine_of, submit
from .lists import BASE, LIVE, memory_of


def test_rule_18_a_walk_and_its_completion() -> None:
    engine = engine_of()
    job = submit(engine, 7)
    completion = Completion(7, Status.OK, 4, 4, 0, None)
    assert job.state is JobState.QUEUED
    assert engine.run(job) == completion
    assert job.state is JobState.DONE
    assert [node.handle for node in job.nodes] == [LIVE, LIVE + 1, LIVE + 2, LIVE + 3]
    assert engine.pop() == completion
    assert engine.pop() is None
    assert engine.jobs == ()


def test_rule_23_budget_and_abi_are_those_of_the_command() -> None:
    engine = engine_of(memory_of(NODES, abi=Abi.X86))
    assert engine.run(submit(engine, budget=2, abi=Abi.X86)).status is Status.TOO_LONG
    assert engine.run(submit(engine)).status is Status.BAD_HEADER


@pytest.mark.parametrize("handle", [LIVE, 0, LIVE | 1 << 40])
def test_rule_12_a_delete_by_register_is_a_walk_of_one_node(handle: int) -> None:
    engine = engine_of(Memory())
    job = submit(engine, 3, opcode=Opcode.DELETE, head=handle)
    found = handle == LIVE
    completion = Completion(3, Status.OK, 1, int(found), int(not found), None)
    assert engine.run(job) == completion
    assert job.events == [Deleted(handle) if found else NotFound(handle), completion]
    assert job.nodes == []


@pytest.mark.parametrize("opcode", [Opcode.WALK, Opcode.DELETE])
def test_rule_12_a_completion_waits_for_lookups_answered_before_its_last_node(opcode: Opcode) -> None:
    engine = engine_of(memory_of([BASE], handles=[LIVE]))
    job = submit(engine, opcode=opcode, head=BASE if opcode is Opcode.WALK else LIVE)
    before = engine.table.lookup_key(PACKET)
    assert before.hit
    engine.run(job)
    after = engine.table.lookup_key(PACKET)
    assert not after.hit
    assert engine.pop() is None
    with pytest.raises(DisagreementError, match="1 lookups"):
        engine.deliver(job)
    engine.table.retire_key(before.ticket)
    assert engine.deliver(job).deleted == 1


def test_rule_12_a_not_found_waits_as_a_deleted_does() -> None:
    engine = engine_of(memory_of([BASE], handles=[LIVE + 60]))
    ticket = engine.table.lookup_key(PACKET).ticket
    job = submit(engine, head=BASE)
    engine.run(job)
    assert not engine.may_deliver(job)
    engine.table.retire_key(ticket)
    assert engine.may_deliver(job)


def test_rule_12_an_empty_walk_waits_for_lookups_before_its_head_was_checked() -> None:
    engine = engine_of()
    job = submit(engine, head=0)
    ticket = engine.table.lookup_handle(LIVE).ticket
    engine.run(job)
    engine.table.lookup_handle(LIVE)
    assert not engine.may_deliver(job)
    engine.table.retire_handle(ticket)
    assert engine.may_deliver(job)


def test_rule_12_lookups_after_the_last_node_do_not_count() -> None:
    engine = engine_of()
    job = submit(engine)
    for _ in NODES:
        assert engine.step(job) is None
    engine.table.lookup_key(PACKET)
    assert engine.step(job) is not None
    assert engine.may_deliver(job)


def test_rule_23_exactly_one_completion() -> None:
    engine = engine_of()
    job = submit(engine)
    with pytest.raises(DisagreementError, match="before it was done"):
        engine.deliver(job)
    first = engine.run(job)
    assert engine.step(job) is first
    engine.deliver(job)
    with pytest.raises(DisagreementError, match="again"):
        engine.deliver(job)


def test_rule_23_completions_may_come_in_any_order_and_tags_may_repeat() -> None:
    engine = engine_of()
    jobs = [submit(engine, 5) for _ in range(3)]
    for job in reversed(jobs):
        engine.run(job)
    assert [job.completion.deleted for job in jobs if job.completion] == [0, 0, 4]
    engine.deliver(jobs[1])
    assert engine.jobs == (jobs[0], jobs[2])
    assert engine.pop() == jobs[0].completion


def test_rule_23_walks_take_turns_node_by_node() -> None:
    engine = engine_of()
    jobs = [submit(engine, tag) for tag in range(2)]
    while not all(job.completion for job in jobs):
        for job in jobs:
            engine.step(job)
    assert [job.completion and job.completion[2:5] for job in jobs] == [(4, 4, 0), (4, 0, 4)]


def test_rule_23_a_full_queue_refuses_at_the_doorbell() -> None:
    engine = engine_of(command_depth=2)
    jobs = [submit(engine, tag) for tag in range(2)]
    assert engine.submit(Command(2)) is Refusal.FULL
    assert engine.refused_command_count == 1
    engine.step(jobs[0])
    assert isinstance(engine.submit(Command(2)), Job)


def test_rule_23_a_refused_command_gets_no_completion() -> None:
    engine = engine_of(command_depth=1)
    submit(engine)
    engine.submit(Command(2))
    assert [job.command.tag for job in engine.jobs] == [1]


@pytest.mark.parametrize("fields", [{"tag": 1 << 32}, {"head": 1 << 64}, {"budget": 1 << 32}, {"tag": -1}])
def test_commands_that_do_not_fit_are_errors_of_the_caller(fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="of a command must be below"):
        engine_of().submit(Command(**({"tag": 0} | fields)))


@pytest.mark.parametrize(
    ("opcode", "head", "fault_address"),
    [(Opcode.WALK, NODES[0], NODES[0]), (Opcode.WALK, 0, 0), (Opcode.DELETE, LIVE, 0)],
)
def test_rule_24_aborted_in_the_queue(opcode: Opcode, head: int, fault_address: int) -> None:
    engine = engine_of()
    job = submit(engine, 9, opcode=opcode, head=head)
    assert engine.abort(9) == [job]
    assert job.completion == Completion(9, Status.ABORTED, 0, 0, 0, fault_address)
    assert job.events == [job.completion]
    assert len(engine.table) == 8


def test_rule_24_an_active_walk_is_aborted_between_nodes() -> None:
    engine = engine_of()
    job = submit(engine)
    engine.step(job)
    engine.abort(1)
    assert job.completion == Completion(1, Status.ABORTED, 1, 1, 0, NODES[1])
    assert engine.run(job) is job.completion


def test_rule_24_all_that_carry_the_tag() -> None:
    engine = engine_of()
    jobs = [submit(engine, tag) for tag in (1, 2, 1)]
    engine.step(jobs[0])
    assert engine.abort(1) == [jobs[0], jobs[2]]
    assert jobs[1].completion is None
    assert engine.unknown_abort_count == 0


def test_rule_24_an_abort_of_all_reaches_whatever_is_not_decided() -> None:
    engine = engine_of()
    jobs = [submit(engine, tag) for tag in (1, 2, 1)]
    engine.run(jobs[0])
    engine.step(jobs[1])
    assert engine.abort_all() == jobs[1:]
    assert [job.completion.status for job in jobs if job.completion] == [Status.OK, Status.ABORTED, Status.ABORTED]
    assert engine.abort_all() == []
    assert engine.unknown_abort_count == 0


def test_rule_24_an_unknown_tag_is_counted_and_changes_nothing() -> None:
    engine = engine_of()
    job = submit(engine)
    assert engine.abort(2) == []
    assert engine.unknown_abort_count == 1
    assert engine.run(job).status is Status.OK
    engine.deliver(job)
    assert engine.abort(1) == []
    assert engine.unknown_abort_count == 2


def test_rule_15_an_abort_after_the_last_node_is_too_late() -> None:
    engine = engine_of()
    job = submit(engine)
    for _ in NODES:
        engine.step(job)
    assert engine.abort(1) == []
    assert engine.abort_job(job) is None
    assert engine.run(job).status is Status.OK
    assert engine.abort_job(job) is None


def test_rule_12_an_aborted_command_has_its_grace_period_too() -> None:
    engine = engine_of()
    job = submit(engine)
    ticket = engine.table.lookup_key(PACKET).ticket
    engine.step(job)
    engine.abort_job(job)
    assert not engine.may_deliver(job)
    engine.table.retire_key(ticket)
    assert engine.deliver(job).status is Status.ABORTED


def test_a_wrong_answer_of_the_hardware_is_noticed_in_the_step_it_belongs_to() -> None:
    engine = engine_of()
    job = submit(engine)
    engine.step(job, found=True)
    with pytest.raises(DisagreementError, match=f"{LIVE + 1:#x} was not found"):
        engine.step(job, found=False)
