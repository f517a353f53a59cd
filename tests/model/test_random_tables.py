"""Tables under random adds, deletes, lookups and flushes, against an account written in another way."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saoffload.sim.model import (
    AH,
    AddResult,
    Bundle,
    Direction,
    Key,
    SaTable,
)

from .lists import LIVE, PROPERTY

KEYS = [
    Key(spi, destination, family, protocol)
    for spi in (0, 1)
    for destination in (0, 7)
    for family in (0, 1)
    for protocol in (0, AH)
]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.sampled_from(KEYS), min_size=1, max_size=2), st.sampled_from(Direction)),
        st.tuples(st.just("delete"), st.integers(0, 40)),
        st.tuples(st.just("key"), st.sampled_from(KEYS)),
        st.tuples(st.just("handle"), st.integers(0, 40)),
        st.tuples(st.just("retire"), st.integers(0, 40)),
        st.tuples(st.just("flush")),
    ),
    max_size=60,
)


def agrees(steps: Iterable[tuple]) -> set[object]:
    """Checks one history of a table. The second account keeps every bundle that ever was in one list and searches it.
    Returns the results that adds had, None for those that had to wait.
    """
    results: set[object] = set()
    table = SaTable(bundles=3, keys=4)
    table.end_restore()
    history: list[dict] = []
    unretired: list[tuple[str, int, int]] = []
    clock = 0

    def living() -> list[dict]:
        return [entry for entry in history if entry["died"] is None]

    for step in steps:
        clock += 1
        match step:
            case ("add", keys, direction):
                answer = table.add(Bundle(tuple(keys), direction))
                results.add(answer and answer.result)
                wanted = keys if direction is Direction.INBOUND else []
                held = [key for entry in living() for key in entry["keys"]]
                if len(set(wanted)) < len(wanted) or set(wanted) & set(held):
                    assert answer == (AddResult.DUPLICATE, 0)
                elif len(living()) == 3 or len(held) + len(wanted) > 4:
                    assert answer == (AddResult.FULL, 0)
                else:
                    blocked = {entry["handle"] & 3 for entry in living()}
                    for entry in history:
                        if entry["died"] and any(answered < entry["died"] for _, answered, _ in unretired):
                            blocked.add(entry["handle"] & 3)
                    if answer is None:
                        assert blocked == {0, 1, 2}
                        continue
                    assert answer.result is AddResult.OK
                    index = answer.handle & 3
                    assert index in {0, 1, 2} - blocked
                    owners = sum(entry["handle"] & 3 == index for entry in history)
                    assert answer.handle == LIVE | owners << 2 | index
                    history.append({"handle": answer.handle, "keys": wanted, "direction": direction, "died": None})
            case ("delete", number):
                handle = history[number % len(history)]["handle"] if history else number
                named = [entry for entry in living() if entry["handle"] == handle]
                assert table.delete(handle) == bool(named)
                for entry in named:
                    entry["died"] = clock
            case ("key", key):
                answer = table.lookup_key(key)
                exact = [entry for entry in living() if key in entry["keys"]]
                wild = [entry for entry in living() if key._replace(destination=0) in entry["keys"]]
                assert answer.hit == bool(exact or wild)
                if answer.hit:
                    assert answer.handle == (exact or wild)[0]["handle"]
                unretired.append(("key", clock, answer.ticket))
            case ("handle", number):
                handle = history[number % len(history)]["handle"] if history else number
                answer = table.lookup_handle(handle)
                outbound = [entry for entry in living() if entry["direction"] is Direction.OUTBOUND]
                assert answer.hit == any(entry["handle"] == handle for entry in outbound)
                unretired.append(("handle", clock, answer.ticket))
            case ("retire", number) if unretired:
                kind, _, ticket = unretired.pop(number % len(unretired))
                assert (table.retire_key if kind == "key" else table.retire_handle)(ticket)
            case ("flush", *_):
                table.begin_flush()
                assert table.end_flush() == len(living())
                for entry in living():
                    entry["died"] = clock
                table.end_restore()
        assert len(table) == len(living())
        assert table.live_key_count == sum(len(entry["keys"]) for entry in living())
        assert set(table) == {entry["handle"] for entry in living()}
    return results


@PROPERTY
@given(steps=steps)
def test_rules_1_to_13_agree_with_a_list_of_bundles(steps: list[tuple]) -> None:
    agrees(steps)


def random_step(source: random.Random) -> tuple:
    kind = source.choices(["add", "delete", "key", "handle", "retire", "flush"], [45, 10, 10, 10, 30, 1])[0]
    if kind == "add":
        return kind, source.choices(KEYS, k=source.choice([1, 2])), source.choice(list(Direction))
    return kind, source.choice(KEYS) if kind == "key" else source.randrange(1000)


@pytest.mark.parametrize("seed", range(10))
def test_rules_1_to_13_agree_with_a_list_of_bundles_in_random_histories(seed: int) -> None:
    source = random.Random(seed)
    results = agrees([random_step(source) for _ in range(400)])
    assert results == {AddResult.OK, AddResult.DUPLICATE, AddResult.FULL, None}
