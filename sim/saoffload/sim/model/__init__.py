"""A reference model of IPsec SA management in a NIC: bundles, handles, lookups, and walks of delete lists.

Plain Python on ``bytes`` and ``dict``, written from the contract alone. It shares no code with any hardware or
driver, so that both can be compared with it: give it the same memory, windows and table, and it returns every
read, every visited node, every delete and the completion, in order. ::

    from saoffload.sim.model import Bundle, Key, Memory, SaTable, Window, WindowTable, walk, write_node

    table = SaTable(bundles=64)
    table.add(Bundle((Key.of(0x1001, "192.0.2.1"),)), requested=0x80000000)
    memory = Memory()
    memory.add(0x1000, write_node(handle=0x80000000))
    result = walk(memory=memory, windows=WindowTable.of(Window(0x1000, 0x1000, 0x1000)), table=table, head=0x1000)
    print(result.completion)

``walk`` runs one list; ``Walker`` runs it a node at a time; ``Engine`` adds commands, aborts, flushes and grace
periods; ``SaTable`` alone follows a table. Where the contract leaves hardware a choice, tell the model what the
hardware chose, and it checks that the choice is allowed (``DisagreementError`` if not).
"""

from .bundles import AH, ESP, IPV4, IPV6, AddAnswer, AddResult, Bundle, Direction, Key, Lookup
from .compare import difference, first_difference
from .drain import Drain, LookupKind, MustWaitError
from .engine import Command, Engine, Job, JobState, Opcode, Refusal
from .events import Completion, Deleted, DisagreementError, Event, NotFound, Read, Status, Visited
from .memory import Fault, Fetch, Memory, Region
from .nodes import LAYOUTS, Abi, Field, Node, NodeLayout, read_node, write_node
from .slots import Slot, Slots
from .table import SaTable
from .walk import NodeResult, Walk, Walker, node_results, walk
from .windows import Span, Window, WindowTable

__all__ = [
    "AH",
    "ESP",
    "IPV4",
    "IPV6",
    "LAYOUTS",
    "Abi",
    "AddAnswer",
    "AddResult",
    "Bundle",
    "Command",
    "Completion",
    "Deleted",
    "Direction",
    "DisagreementError",
    "Drain",
    "Engine",
    "Event",
    "Fault",
    "Fetch",
    "Field",
    "Job",
    "JobState",
    "Key",
    "Lookup",
    "LookupKind",
    "Memory",
    "MustWaitError",
    "Node",
    "NodeLayout",
    "NodeResult",
    "NotFound",
    "Opcode",
    "Read",
    "Refusal",
    "Region",
    "SaTable",
    "Slot",
    "Slots",
    "Span",
    "Status",
    "Visited",
    "Walk",
    "Walker",
    "Window",
    "WindowTable",
    "difference",
    "first_difference",
    "node_results",
    "read_node",
    "walk",
    "write_node",
]
