"""Rules 11 to 13, 26 to 28: unretired lookups, grace periods, reuse of an index, flush, reset and restore."""

import pytest

from saoffload.sim.model import (
    AddResult,
    Bundle,
    Direction,
    DisagreementError,
    Drain,
    Key,
    LookupKind,
    MustWaitError,
    SaTable,
)

from .lists import LIVE, table_of

A = Key.of(0x2001, "192.0.2.1")
B = Key.of(0x2002, "192.0.2.1")


def test_rule_11_every_answer_is_retired_once_in_any_order() -> None:
    table = table_of(1)
    tickets = [table.lookup_key(A).ticket for _ in range(3)]
    assert table.drain.unretired_count(LookupKind.KEY) == 3
    assert [table.retire_key(tickets[number]) for number in (2, 0, 1)] == [True] * 3
    assert [table.retire_key(ticket) for ticket in tickets] == [False] * 3
    assert table.drain.bad_retire_count == 3
    assert table.drain.unretired_count(LookupKind.KEY) == 0


def test_rule_11_each_kind_has_its_own_retire_stream() -> None:
    table = table_of(1)
    ticket = table.lookup_key(A).ticket
    assert not table.retire_handle(ticket)
    assert table.retire_key(ticket)


def test_rule_11_the_limit_is_of_one_kind_and_the_only_reason_to_wait() -> None:
    table = SaTable(bundles=2, unretired_limit=2)
    tickets = [table.lookup_key(A).ticket for _ in range(2)]
    with pytest.raises(MustWaitError, match="2 answers to key lookups"):
        table.lookup_key(A)
    assert not table.lookup_handle(LIVE).hit
    table.retire_key(tickets[1])
    table.lookup_key(A)
    assert SaTable(bundles=2).drain.unretired_limit == 4096
    with pytest.raises(ValueError, match="unretired_limit"):
        Drain(unretired_limit=0)


@pytest.mark.parametrize("kind", list(LookupKind))
def test_rule_12_a_grace_period_waits_for_the_answers_before_it_only(kind: LookupKind) -> None:
    drain = Drain()
    before = [drain.answer(kind) for _ in range(2)]
    mark = drain.mark()
    after = drain.answer(kind)
    assert not drain.is_over(mark)
    assert drain.waiting_for(mark) == 2
    drain.retire(kind, before[1])
    assert not drain.is_over(mark)
    drain.retire(kind, after)
    assert not drain.is_over(mark)
    drain.retire(kind, before[0])
    assert drain.is_over(mark)
    assert drain.is_over(drain.mark())


def test_rule_12_a_grace_period_waits_for_both_kinds() -> None:
    drain = Drain()
    tickets = {kind: drain.answer(kind) for kind in LookupKind}
    mark = drain.mark()
    for kind, ticket in tickets.items():
        assert not drain.is_over(mark)
        drain.retire(kind, ticket)
    assert drain.is_over(mark)


def test_rule_13_an_index_is_issued_again_after_its_drain() -> None:
    table = table_of(2, bundles=2)
    ticket = table.lookup_key(Key(1, 1)).ticket
    table.delete(LIVE)
    table.lookup_handle(LIVE)
    assert table.add(Bundle((A,))) is None
    assert table.slots.free_indices() == set()
    with pytest.raises(DisagreementError, match="had to wait"):
        table.add(Bundle((B,)), chosen=LIVE | 2)
    table.retire_key(ticket)
    assert table.slots.free_indices() == {0}
    assert table.add(Bundle((A,)), chosen=LIVE | 2) == (AddResult.OK, LIVE | 2)


def test_rule_13_another_free_index_does_not_wait() -> None:
    table = table_of(1, bundles=2)
    table.lookup_handle(LIVE)
    table.delete(LIVE)
    with pytest.raises(DisagreementError, match="had to wait"):
        table.add(Bundle((A,)), chosen=LIVE | 2)
    assert table.add(Bundle((A,))) == (AddResult.OK, LIVE | 1)


def test_rule_13_an_index_that_was_free_once_is_not_free_while_it_is_drained_again() -> None:
    table = table_of(1, bundles=2)
    table.delete(LIVE)
    assert table.add(Bundle((A,))) == (AddResult.OK, LIVE | 2)
    table.lookup_handle(0)
    table.delete(LIVE | 2)
    assert table.add(Bundle((A,))) == (AddResult.OK, LIVE | 1)


def test_rule_7_an_add_that_only_drains_hold_up_waits_and_is_not_full() -> None:
    table = table_of(2, bundles=2)
    assert table.add(Bundle((A._replace(spi=9),))) == (AddResult.FULL, 0)
    ticket = table.lookup_key(A).ticket
    table.delete(LIVE | 1)
    assert table.add(Bundle((A._replace(spi=9),))) is None
    assert table.add(Bundle((A._replace(spi=0x1000),))) == (AddResult.DUPLICATE, 0)
    table.retire_key(ticket)
    assert table.add(Bundle((A._replace(spi=9),))) == (AddResult.OK, LIVE | 3)


def test_rule_26_a_flush_hides_everything_from_its_acceptance_on() -> None:
    table = table_of(3)
    outbound = table.add(Bundle((B._replace(spi=1),), Direction.OUTBOUND))
    assert outbound is not None
    table.begin_flush()
    assert not table.lookup_key(A).hit
    assert not table.lookup_handle(outbound.handle).hit
    assert table.add(Bundle((A,)), requested=LIVE) is None
    with pytest.raises(DisagreementError, match="flush"):
        table.add(Bundle((A,)), chosen=LIVE | 4)
    assert table.end_flush() == 4
    assert len(table) == 0


@pytest.mark.parametrize("found", [None, False, True])
def test_rule_26_walks_see_each_handle_deleted_or_not_found(*, found: bool | None) -> None:
    table = table_of(3)
    table.begin_flush()
    assert table.delete(LIVE, found=found) == bool(found)
    assert not table.delete(LIVE + 3)
    with pytest.raises(DisagreementError):
        table.delete(LIVE + 3, found=True)
    assert table.end_flush() + bool(found) == 3
    assert not table.delete(LIVE + 1)


def test_rule_26_a_deleted_handle_is_not_deleted_by_the_flush_again() -> None:
    table = table_of(1)
    table.begin_flush()
    assert table.delete(LIVE, found=True)
    with pytest.raises(DisagreementError):
        table.delete(LIVE, found=True)
    assert table.end_flush() == 0


def test_rule_26_one_flush_at_a_time() -> None:
    table = table_of(1)
    with pytest.raises(RuntimeError, match="no flush"):
        table.end_flush()
    table.begin_flush()
    with pytest.raises(RuntimeError, match="not being flushed"):
        table.begin_flush()


def test_rule_27_until_the_scrub_is_done_nothing_is_there() -> None:
    table = table_of(2)
    table.reset(is_scrubbed=False)
    assert not table.is_ready
    assert not table.lookup_key(A).hit
    assert not table.delete(LIVE)
    assert table.add(Bundle((A,)), requested=LIVE) == (AddResult.NOT_READY, 0)
    table.end_restore()
    with pytest.raises(RuntimeError, match="ready"):
        table.begin_flush()
    table.end_scrub()
    assert table.is_restoring
    assert table.add(Bundle((A,)), requested=LIVE) == (AddResult.OK, LIVE)


def test_rule_27_a_reset_voids_unretired_answers() -> None:
    table = table_of(1)
    ticket = table.lookup_key(A).ticket
    table.reset()
    assert table.drain.is_over(table.drain.mark())
    assert table.lookup_key(A).ticket != ticket
    assert not table.retire_key(ticket)


def test_rule_28_a_new_table_and_a_flushed_one_are_in_restore_mode() -> None:
    table = SaTable(bundles=4)
    assert table.is_restoring
    assert table.add(Bundle((A,))) == (AddResult.RESTORE_MODE, 0)
    table.end_restore()
    table.add(Bundle((A,)))
    table.begin_flush()
    table.end_flush()
    assert table.add(Bundle((A,))) == (AddResult.RESTORE_MODE, 0)


def test_rule_28_a_flush_enters_restore_mode_whatever_end_of_it_came_before() -> None:
    table = table_of(1)
    table.end_restore()
    table.begin_flush()
    table.end_flush()
    assert table.is_restoring
    table.begin_flush()
    table.end_restore()
    table.end_flush()
    assert not table.is_restoring


def test_rule_28_lookups_and_deletes_work_in_restore_mode() -> None:
    table = SaTable(bundles=4)
    table.add(Bundle((A,)), requested=LIVE | 2)
    assert table.lookup_key(A).handle == LIVE | 2
    assert table.delete(LIVE | 2)


def test_rule_28_a_restored_handle_sets_the_generation() -> None:
    table = SaTable(bundles=4)
    handle = LIVE | 0x123_4567 << 2 | 1
    table.add(Bundle((A,)), requested=handle)
    table.end_restore()
    table.delete(handle)
    assert table.slots.next_handle(1) == LIVE | 0x123_4568 << 2 | 1
    assert table.slots.next_handle(3) == LIVE | 3


def test_rule_28_a_restored_bundle_gets_the_handle_it_asked_for() -> None:
    table = SaTable(bundles=4)
    with pytest.raises(DisagreementError, match="rule 28"):
        table.add(Bundle((A,)), requested=LIVE, chosen=LIVE | 1)
    assert table.add(Bundle((A,)), requested=LIVE, chosen=LIVE) == (AddResult.OK, LIVE)


def test_rule_28_the_free_list_is_what_is_unused() -> None:
    table = SaTable(bundles=4)
    for index in (0, 2):
        table.add(Bundle((A._replace(spi=index),)), requested=LIVE | index)
    table.end_restore()
    assert table.slots.free_indices() == {1, 3}
    assert [table.add(Bundle((A._replace(spi=spi),))) for spi in (5, 6, 7)] == [
        (AddResult.OK, LIVE | 1),
        (AddResult.OK, LIVE | 3),
        (AddResult.FULL, 0),
    ]


def test_rule_28_flush_keeps_generations_and_reset_clears_them() -> None:
    table = table_of(1, bundles=2)
    table.begin_flush()
    table.end_flush()
    table.end_restore()
    assert table.slots.next_handle(0) == LIVE | 2
    table.reset()
    assert table.slots.next_handle(0) == LIVE


def test_rule_28_restoring_an_index_waits_for_its_drain() -> None:
    table = table_of(1, bundles=2)
    ticket = table.lookup_key(Key(0x1000, 0xC0000201)).ticket
    table.begin_flush()
    table.end_flush()
    assert table.add(Bundle((A,)), requested=LIVE) is None
    assert table.add(Bundle((A,)), requested=LIVE | 1) == (AddResult.OK, LIVE | 1)
    table.retire_key(ticket)
    assert table.add(Bundle((B,)), requested=LIVE) == (AddResult.OK, LIVE)


def test_requested_handles_are_not_looked_at_outside_restore_mode() -> None:
    table = SaTable(bundles=4)
    table.end_restore()
    assert table.add(Bundle((A,)), requested=LIVE | 3) == (AddResult.OK, LIVE)
