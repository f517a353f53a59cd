"""Rules 22 and 24 to 27: windows, quiescence, lost IDs, flushes and resets."""

import pytest

from saoffload.sim.model import (
    Bundle,
    Command,
    Completion,
    DisagreementError,
    Job,
    Opcode,
    Refusal,
    Status,
    Window,
)

from .engines import NODES, PACKET, engine_of, submit
from .lists import BASE, LIVE, SIZE, memory_of


def test_rule_24_quiesced_when_nothing_is_under_way() -> None:
    engine = engine_of()
    assert engine.is_quiesced
    job = submit(engine)
    assert not engine.is_quiesced
    engine.run(job)
    assert not engine.is_quiesced
    engine.deliver(job)
    assert engine.is_quiesced


def test_rule_22_windows_are_locked_while_a_command_is_active() -> None:
    engine = engine_of()
    off = Window(0, 0, 0)
    job = submit(engine)
    assert not engine.set_window(0, off)
    engine.run(job)
    engine.pop()
    assert engine.set_window(0, off)
    assert not engine.set_window(0, Window(4, 0, 4))
    assert engine.refused_window_count == 2
    assert engine.run(submit(engine)).status is Status.OUT_OF_WINDOW


def test_rule_25_a_lost_id_stays_out_of_use_until_its_answer() -> None:
    memory = memory_of(NODES)
    memory.fail(NODES[1], Status.TIMEOUT)
    engine = engine_of(memory, id_count=2)
    for count in (1, 2):
        assert engine.run(submit(engine)).status is Status.TIMEOUT
        engine.pop()
        assert engine.lost_id_count == count
        assert not engine.is_quiesced
        assert not engine.set_window(0, Window(0, 0, 0))
    job = submit(engine)
    assert engine.run(job) == Completion(1, Status.TIMEOUT, 0, 0, 0, NODES[0])
    assert job.events == [job.completion]
    memory.heal(NODES[1])
    engine.pop()
    engine.answer_lost_read()
    assert engine.run(submit(engine)).status is Status.OK
    engine.answer_lost_read()
    engine.pop()
    assert engine.is_quiesced
    with pytest.raises(ValueError, match="no bus ID is lost"):
        engine.answer_lost_read()


def test_rule_26_a_flush_takes_effect_at_the_doorbell() -> None:
    engine = engine_of()
    walk = submit(engine, 1)
    assert engine.table.lookup_key(PACKET).hit
    flush = submit(engine, 2, opcode=Opcode.FLUSH)
    assert not engine.table.lookup_key(PACKET).hit
    assert engine.step(walk, found=True) is None
    assert engine.step(walk, found=False) is None
    assert engine.run(flush) == Completion(2, Status.OK, 7, 7, 0, None)
    assert engine.run(walk) == Completion(1, Status.OK, 4, 1, 3, None)
    assert engine.table.is_restoring


def test_rule_26_a_flush_ends_under_rule_12() -> None:
    engine = engine_of()
    ticket = engine.table.lookup_key(PACKET).ticket
    flush = submit(engine, opcode=Opcode.FLUSH)
    engine.table.lookup_key(PACKET)
    engine.run(flush)
    assert not engine.may_deliver(flush)
    engine.table.retire_key(ticket)
    assert engine.may_deliver(flush)


def test_rule_26_one_flush_at_a_time_and_none_is_aborted() -> None:
    engine = engine_of()
    flush = submit(engine, opcode=Opcode.FLUSH)
    assert engine.submit(Command(1, opcode=Opcode.FLUSH)) is Refusal.FULL
    assert engine.abort(1) == []
    assert engine.run(flush).deleted == 8
    assert engine.run(submit(engine, opcode=Opcode.FLUSH)).deleted == 0


def test_rule_27_commands_are_refused_until_the_scrub_is_done() -> None:
    engine = engine_of()
    engine.reset(is_scrubbed=False)
    assert [engine.submit(Command(1, opcode=opcode)) for opcode in Opcode] == [Refusal.NOT_READY] * 3
    engine.table.end_scrub()
    assert isinstance(engine.submit(Command(1)), Job)


def test_rule_23_and_27_a_reset_discards_every_command_and_says_so() -> None:
    engine = engine_of()
    assert engine.is_table_lost
    engine.clear_table_lost()
    job = submit(engine)
    engine.run(job)
    engine.reset()
    assert engine.is_table_lost
    assert engine.pop() is None
    with pytest.raises(DisagreementError, match="after a reset"):
        engine.deliver(job)
    assert engine.is_quiesced
    assert len(engine.table) == 0
    assert engine.set_window(0, Window(BASE, SIZE, BASE))
    assert engine.run(submit(engine)).deleted == 0


def test_rule_27_keys_do_not_survive_a_reset() -> None:
    engine = engine_of()
    engine.reset()
    assert not engine.table.lookup_key(PACKET).hit
    engine.table.add(Bundle((PACKET,)), requested=LIVE + 5)
    assert engine.table.lookup_key(PACKET).handle == LIVE + 5
