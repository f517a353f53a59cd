"""The memories inside a simulated component, whose bits a test can flip."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from amaranth.lib.memory import Memory

from saoffload.hdl import dual_port


@contextmanager
def dual_port_contents() -> Iterator[list[Any]]:
    """While it lasts, the contents of each dual port memory that is elaborated are put into the list, in that order.

    ``ctx.get(contents[index])`` and ``ctx.set`` in a test bench reach a word.
    """
    contents = []

    class RecordedMemory(Memory):
        def elaborate(self, platform: Any) -> Any:
            contents.append(self.data)
            return super().elaborate(platform)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dual_port, "Memory", RecordedMemory)
        yield contents
