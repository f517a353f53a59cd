"""Which combinations of parameters are left to the night."""

import pytest

SLOW_TABLES = ("[hashed-tiny", "[hashed-bare")
"""The hash table is simulated slowly; by day it has one configuration of the table tests, the odd one."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(name in item.name for name in SLOW_TABLES):
            item.add_marker(pytest.mark.nightly)
