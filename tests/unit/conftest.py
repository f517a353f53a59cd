"""Which combinations of parameters are left to the night, and the fixtures that tests of a room share."""

import pytest
from tests.unit import one_walk_bench
from tests.unit.control_bench import make_memories_wild

SLOW_TABLES = ("[hashed-tiny", "[hashed-bare")
"""The hash table is simulated slowly; by day it has one configuration of the table tests, the odd one."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(name in item.name for name in SLOW_TABLES):
            item.add_marker(pytest.mark.nightly)


@pytest.fixture
def wild_memories(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control room is built with memories that are as wild as hardware may be."""
    make_memories_wild(monkeypatch)


@pytest.fixture(params=one_walk_bench.KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The kind of walker that a bed has if it is given no configuration."""
    monkeypatch.setattr(one_walk_bench, "CONFIG", one_walk_bench.KINDS[request.param])
    return str(request.param)
