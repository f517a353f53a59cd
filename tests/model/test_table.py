"""Rules 1 to 10: handles, keys, bundles, results of adds, lookups and deletes."""

import pytest

from saoffload.sim.model import (
    AH,
    ESP,
    IPV4,
    IPV6,
    AddAnswer,
    AddResult,
    Bundle,
    Direction,
    DisagreementError,
    Key,
    SaTable,
    Slot,
)

from .lists import LIVE

A = Key.of(0x1001, "192.0.2.1")
B = Key.of(0x1002, "192.0.2.1")
OUT = Direction.OUTBOUND


def open_table(**sizes: int) -> SaTable:
    """A table outside restore mode."""
    table = SaTable(**({"bundles": 4, "keys": 6} | sizes))
    table.end_restore()
    return table


def result(answer: AddAnswer | None) -> AddResult:
    assert answer is not None
    assert (answer.handle != 0) == (answer.result is AddResult.OK)
    return answer.result


@pytest.mark.parametrize(
    ("bundles", "bits"), [(2, 1), (3, 2), (4, 2), (5, 3), (64, 6), (65, 7), (1000, 10), (1024, 10)]
)
def test_rule_1_index_bits(bundles: int, bits: int) -> None:
    assert SaTable(bundles=bundles).slots.index_bits == bits


def test_rule_1_the_first_handle_of_index_0() -> None:
    assert open_table().add(Bundle((A,))) == (AddResult.OK, 0x80000000)


def test_rule_1_generations_count_up_and_come_round() -> None:
    table = SaTable(bundles=4)
    last = LIVE | ((1 << 29) - 1) << 2 | 1
    table.add(Bundle((A,)), requested=last)
    table.end_restore()
    table.delete(last)
    assert table.slots.next_handle(1) == LIVE | 1
    assert table.slots.next_handle(0) == LIVE
    assert table.add(Bundle((A,)), chosen=LIVE | 1) == (AddResult.OK, LIVE | 1)
    table.delete(LIVE | 1)
    assert table.slots.next_handle(1) == LIVE | 1 << 2 | 1


@pytest.mark.parametrize(
    "handle",
    [
        0,
        LIVE | 1,
        LIVE | 4,
        LIVE | 3,
        0x8000_0000_8000_0000,
        LIVE | 1 << 32,
        LIVE | 1 << 63,
        0xFFFF_FFFF_8000_0000,
        1,
    ],
)
def test_rule_1_and_9_every_bit_of_a_handle_counts(handle: int) -> None:
    table = open_table(bundles=3)
    table.add(Bundle((A,), OUT))
    assert not table.delete(handle)
    assert not table.lookup_handle(handle).hit
    assert table.delete(LIVE)


def test_rule_1_an_index_at_the_capacity_names_nothing() -> None:
    assert SaTable(bundles=3).slots.split(LIVE | 3) is None
    assert SaTable(bundles=4).slots.split(LIVE | 3) == Slot(3, 0)
    assert SaTable(bundles=3).slots.split(LIVE | 4) == Slot(0, 1)


@pytest.mark.parametrize("bundles", [0, 1, -1])
def test_rule_1_capacity_is_at_least_2(bundles: int) -> None:
    with pytest.raises(ValueError, match=f"got {bundles}"):
        SaTable(bundles=bundles)


def test_rule_2_the_hardware_chooses_the_index() -> None:
    table = open_table()
    assert table.add(Bundle((A,)), chosen=LIVE | 2) == (AddResult.OK, LIVE | 2)
    assert table.add(Bundle((B,))) == (AddResult.OK, LIVE)


@pytest.mark.parametrize("chosen", [LIVE | 3, LIVE | 4, 2, 0x1_8000_0002, LIVE | 1])
def test_rule_2_the_hardware_may_not_choose_anything_else(chosen: int) -> None:
    table = open_table(bundles=3)
    table.add(Bundle((A,)), chosen=LIVE | 1)
    with pytest.raises(DisagreementError):
        table.add(Bundle((B,)), chosen=chosen)
    assert len(table) == 1


def test_rule_3_key_lookups_find_inbound_and_handle_lookups_outbound_bundles_only() -> None:
    table = open_table()
    table.add(Bundle((A,), context=7))
    table.add(Bundle((B,), OUT, context=9))
    assert table.lookup_key(A)[1:] == (True, LIVE, 0, Direction.INBOUND, 7)
    assert table.lookup_handle(LIVE | 1)[1:] == (True, LIVE | 1, 0, OUT, 9)
    assert not table.lookup_key(B).hit
    assert not table.lookup_handle(LIVE).hit
    assert table.delete(LIVE)
    assert table.delete(LIVE | 1)


def test_rule_3_each_sa_has_its_key_and_a_hit_says_which() -> None:
    table = open_table()
    other = A._replace(protocol=AH)
    table.add(Bundle((A, other)))
    assert [table.lookup_key(key).sa_number for key in (A, other)] == [0, 1]
    assert table.live_key_count == 2


def test_rule_4_numbers() -> None:
    assert Key.of(1, "192.0.2.1") == (1, 0xC0000201, IPV4, ESP)
    assert Key.of(1, "2001:db8::1", AH) == (1, 0x20010DB8 << 96 | 1, IPV6, AH)
    assert Key.of(0, "any") == (0, 0, IPV4, ESP)
    assert Key.of(0, "::") == (0, 0, IPV6, ESP)


@pytest.mark.parametrize(
    "key", [Key(1 << 32, 1), Key(-1, 1), Key(1, 1 << 32), Key(1, 1 << 128, IPV6), Key(1, 1, 2), Key(1, 1, 0, 2)]
)
def test_rule_4_keys_that_do_not_fit_are_errors_of_the_caller(key: Key) -> None:
    table = open_table()
    with pytest.raises(ValueError, match=r"got|fit"):
        table.lookup_key(key)
    with pytest.raises(ValueError, match=r"got|fit"):
        table.add(Bundle((key,)))


def test_rule_5_an_exact_match_wins_over_a_wildcard() -> None:
    table = open_table()
    wild = Key.of(A.spi, "any")
    table.add(Bundle((wild,)))
    assert table.lookup_key(A).handle == LIVE
    table.add(Bundle((A,)))
    assert table.lookup_key(A).handle == LIVE | 1
    assert table.lookup_key(A._replace(destination=5)).handle == LIVE
    table.delete(LIVE | 1)
    assert table.lookup_key(A).handle == LIVE, "a dead exact entry hides no live wildcard"
    assert not table.lookup_key(A._replace(protocol=AH)).hit
    assert not table.lookup_key(A._replace(spi=2)).hit


def test_rule_5_a_packet_to_zero_matches_wildcards_only() -> None:
    table = open_table()
    table.add(Bundle((A,)))
    assert not table.lookup_key(A.wildcard).hit
    table.add(Bundle((A.wildcard,)))
    assert table.lookup_key(A.wildcard).handle == LIVE | 1


def test_rule_5_a_wildcard_is_one_of_its_own_family() -> None:
    table = open_table()
    four, six = Key.of(1, "any"), Key.of(1, "::")
    table.add(Bundle((four,)))
    assert not table.lookup_key(Key.of(1, "2001:db8::1")).hit
    assert result(table.add(Bundle((six,)))) is AddResult.OK
    assert table.lookup_key(Key.of(1, "2001:db8::1")).handle == LIVE | 1
    assert result(table.add(Bundle((four,)))) is AddResult.DUPLICATE
    assert result(table.add(Bundle((four._replace(protocol=AH),)))) is AddResult.OK


def test_rule_5_the_same_number_in_the_other_family_is_another_destination() -> None:
    table = open_table()
    table.add(Bundle((Key(1, 5, IPV4),)))
    assert not table.lookup_key(Key(1, 5, IPV6)).hit
    assert result(table.add(Bundle((Key(1, 5, IPV6),)))) is AddResult.OK


def test_rule_6_zeros_are_ordinary_values() -> None:
    table = open_table()
    zero = Key(0, 0)
    assert not table.lookup_key(zero).hit
    assert table.add(Bundle((zero,))) == (AddResult.OK, LIVE)
    assert table.lookup_key(zero).hit
    assert table.delete(LIVE)
    assert not table.lookup_key(zero).hit
    assert not table.lookup_handle(0).hit


SIX = Key.of(9, "2001:db8::9")
RESTORE_ADDS = [
    (AddResult.UNSUPPORTED, Bundle(()), 0),
    (AddResult.UNSUPPORTED, Bundle((A, B, B)), 0),
    (AddResult.UNSUPPORTED, Bundle((SIX,)), 0),
    (AddResult.UNSUPPORTED, Bundle((B, SIX), OUT), 5),
    (AddResult.RESTORE_MODE, Bundle((A,)), 0),
    (AddResult.BAD_HANDLE, Bundle((A,)), 3),
    (AddResult.BAD_HANDLE, Bundle((A,)), LIVE | 3),
    (AddResult.BAD_HANDLE, Bundle((A,)), 1 << 32 | LIVE),
    (AddResult.HANDLE_IN_USE, Bundle((A,)), LIVE),
    (AddResult.HANDLE_IN_USE, Bundle((A,)), LIVE | 4),
    (AddResult.DUPLICATE, Bundle((A, B)), LIVE | 1),
    (AddResult.DUPLICATE, Bundle((B, B)), LIVE | 1),
    (AddResult.FULL, Bundle((B, B._replace(spi=3))), LIVE | 1),
    (AddResult.OK, Bundle((B,)), LIVE | 1),
    (AddResult.OK, Bundle((A, A), OUT), LIVE | 1),
]


@pytest.mark.parametrize(("expected", "bundle", "requested"), RESTORE_ADDS)
def test_rule_7_the_first_result_that_applies(expected: AddResult, bundle: Bundle, requested: int) -> None:
    table = SaTable(bundles=3, keys=2, ipv6=False)
    assert result(table.add(Bundle((A,)), requested=LIVE)) is AddResult.OK
    assert result(table.add(bundle, requested=requested)) is expected
    table.reset(is_scrubbed=False)
    assert result(table.add(bundle, requested=requested)) is AddResult.NOT_READY


@pytest.mark.parametrize(("expected", "bundle", "requested"), RESTORE_ADDS)
def test_rule_7_anything_but_ok_leaves_nothing_behind(expected: AddResult, bundle: Bundle, requested: int) -> None:
    table = SaTable(bundles=3, keys=2, ipv6=False)
    table.add(Bundle((A,)), requested=LIVE)
    table.add(bundle, requested=requested)
    if expected is not AddResult.OK:
        assert dict(table.live) == {LIVE: Bundle((A,))}
        assert table.live_key_count == 1
        assert not table.lookup_key(B).hit


def test_rule_7_a_bundle_with_itself() -> None:
    assert result(open_table().add(Bundle((A, A)))) is AddResult.DUPLICATE


def test_rule_7_and_8_full_counts_bundles_and_keys() -> None:
    table = open_table(bundles=3, keys=3)
    assert result(table.add(Bundle((A, B)))) is AddResult.OK
    two = Bundle((A._replace(spi=5), B._replace(spi=6)))
    assert result(table.add(two)) is AddResult.FULL
    assert result(table.add(two._replace(direction=OUT))) is AddResult.OK
    assert result(table.add(Bundle((SIX,)))) is AddResult.OK
    assert result(table.add(Bundle((A._replace(spi=7),), OUT))) is AddResult.FULL
    assert result(table.add(Bundle((A,)))) is AddResult.DUPLICATE
    assert (len(table), table.live_key_count) == (3, 3)


def test_rule_9_delete_is_idempotent() -> None:
    table = open_table()
    table.add(Bundle((A, B)))
    assert [table.delete(LIVE) for _ in range(3)] == [True, False, False]
    assert (len(table), table.live_key_count) == (0, 0)


def test_rule_9_a_stale_handle_does_not_hit_the_new_owner() -> None:
    table = open_table(bundles=2)
    table.add(Bundle((A,), OUT))
    table.delete(LIVE)
    assert table.add(Bundle((A,), OUT)) == (AddResult.OK, LIVE | 2)
    assert not table.delete(LIVE)
    assert not table.lookup_handle(LIVE).hit
    assert table.lookup_handle(LIVE | 2).hit


@pytest.mark.parametrize(("handle", "found"), [(LIVE, False), (LIVE | 1, True), (0, True)])
def test_rule_9_and_10_a_wrong_answer_to_a_delete_is_noticed(handle: int, *, found: bool) -> None:
    table = open_table()
    table.add(Bundle((A,)))
    with pytest.raises(DisagreementError):
        table.delete(handle, found=found)
    assert list(table) == [LIVE]


def test_rule_10_both_sas_vanish_together() -> None:
    table = open_table()
    table.add(Bundle((A, B)))
    assert table.lookup_key(A).hit
    assert table.lookup_key(B).hit
    table.delete(LIVE)
    assert not table.lookup_key(A).hit
    assert not table.lookup_key(B).hit
    assert table.lookup_key(A)[1:] == (False, 0, 0, Direction.INBOUND, 0)


@pytest.mark.parametrize("context", [-1, 1 << 8])
def test_a_context_has_its_width(context: int) -> None:
    table = SaTable(bundles=2, context_width=8)
    with pytest.raises(ValueError, match="8 bits"):
        table.add(Bundle((A,), context=context), requested=LIVE)


def test_the_table_reads_like_a_collection_of_handles() -> None:
    table = open_table()
    table.add(Bundle((A,)))
    assert LIVE in table
    assert LIVE | 1 not in table
    assert list(table) == [LIVE]
    assert table.capacity == 4
    assert table.key_capacity == 6
    assert SaTable(bundles=5).key_capacity == 5
    with pytest.raises(ValueError, match="keys"):
        SaTable(bundles=2, keys=0)
    with pytest.raises(ValueError, match="context_width"):
        SaTable(bundles=2, context_width=-1)
