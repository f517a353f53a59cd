"""Lists, tables and settings that the tests of the model share."""

import random
from collections.abc import Mapping, Sequence

from hypothesis import settings

from saoffload.sim.model import Abi, Bundle, Key, Memory, SaTable, Status, Walk, Window, WindowTable, walk, write_node

BASE = 0x10_0000
SIZE = 0x10_0000
LIVE = 0x8000_0000

PROPERTY = settings(derandomize=True, deadline=None, max_examples=80, database=None)
"""Every run of a property tries the same examples, so that a failure is there again when it is run again."""


def table_of(count: int, *, bundles: int = 64, keys: int = 96) -> SaTable:
    """A table in which the handles LIVE to LIVE + count - 1 live."""
    table = SaTable(bundles=bundles, keys=keys)
    for number in range(count):
        answer = table.add(Bundle((Key(0x1000 + number, 0xC0000201),)), requested=LIVE + number)
        assert answer is not None
        assert answer.handle == LIVE + number
    table.end_restore()
    return table


def memory_of(
    addresses: Sequence[int],
    *,
    abi: Abi = Abi.X64,
    last_next: int = 0,
    handles: Sequence[int] | None = None,
    headers: Mapping[int, int] | None = None,
) -> Memory:
    """Zeros from BASE on, in which nodes at these addresses are linked in this order; the last one's ``Next`` is
    ``last_next``. ``headers`` replaces the header of the nodes with those numbers."""
    memory = Memory()
    memory.add(BASE, bytes(SIZE))
    for number, address in enumerate(addresses):
        following = addresses[number + 1] if number + 1 < len(addresses) else last_next
        handle = handles[number] if handles is not None else LIVE + number
        header = (headers or {}).get(number)
        memory.write(address, write_node(abi=abi, next_address=following, handle=handle, header=header))
    return memory


def scattered(count: int, *, seed: int = 1, slot: int = 32) -> list[int]:
    """Addresses in random order, none twice."""
    slots = random.Random(seed).sample(range(1, SIZE // slot), count)
    return [BASE + slot * number for number in slots]


def whole_window() -> WindowTable:
    """One window over all the memory of ``memory_of``, at the same address on the bus."""
    return WindowTable.of(Window(BASE, SIZE, BASE))


def go(memory: Memory, head: int, **options: object) -> Walk:
    """Walks with a table of 8 living bundles and one window over everything, unless told otherwise."""
    chosen = {"table": table_of(8), "windows": whole_window()} | options
    return walk(memory=memory, head=head, **chosen)


def ends(result: Walk, status: Status, visited: int, fault_address: int | None) -> bool:
    """Whether the walk ended so; the counts must add up whatever it did."""
    completion = result.completion
    assert completion.visited == completion.deleted + completion.not_found == len(result.nodes)
    assert result.events[-1] is completion
    return (completion.status, completion.visited, completion.fault_address) == (status, visited, fault_address)
