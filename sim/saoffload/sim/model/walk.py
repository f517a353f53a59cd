"""One list followed from its head to its end, node by node, as the contract prescribes."""

from typing import NamedTuple

from .events import Completion, Deleted, Event, NotFound, Read, Status, Visited
from .memory import Memory
from .nodes import LAYOUTS, Abi
from .table import SaTable
from .windows import PAGE, WindowTable

BUDGET_END = 1 << 32
ADDRESS_END = 1 << 64

_IN_PAGE = PAGE - 1
_NO_REGION = 1, 0, memoryview(b"")
# Makes a NamedTuple from all its fields in half the time that calling it takes.
_new = tuple.__new__


class NodeResult(NamedTuple):
    """One visited node and what became of its handle."""

    address: int
    handle: int
    is_deleted: bool


class Walk(NamedTuple):
    """A finished walk: everything that happened, in order; the last event is the completion."""

    events: list[Event]
    completion: Completion

    @property
    def reads(self) -> list[Read]:
        """The reads of a fetch that reads by demand."""
        return [event for event in self.events if isinstance(event, Read)]

    @property
    def nodes(self) -> list[NodeResult]:
        """The visited nodes, each with its result."""
        return node_results(self.events)


def node_results(events: list[Event]) -> list[NodeResult]:
    """The visited nodes among the events of one walk, each with its result."""
    nodes: list[NodeResult] = []
    address = 0
    for event in events:
        if isinstance(event, Visited):
            address = event.address
        elif isinstance(event, Deleted | NotFound):
            nodes.append(NodeResult(address, event.handle, isinstance(event, Deleted)))
    return nodes


class Walker:
    """Follows one list, as many nodes at a time as it is told, so that several walks and lookups can take turns.

    Parameters: ``memory``, ``windows`` and ``table``, which it reads and deletes in; ``head``, 64 bits for either
    ABI; ``budget``, the most nodes to visit, 0 meaning 2**32-1; ``tag``, given back in the completion;
    ``can_read`` False: every bus ID is lost, so a read times out before it is made.
    """

    def __init__(
        self,
        *,
        memory: Memory,
        windows: WindowTable,
        table: SaTable,
        head: int,
        abi: Abi = Abi.X64,
        budget: int = 0,
        tag: int = 0,
        can_read: bool = True,
    ) -> None:
        if not 0 <= head < ADDRESS_END:
            raise ValueError(f"a list address has 64 bits, got {head:#x}")
        if not 0 <= budget < BUDGET_END:
            raise ValueError(f"a budget has 32 bits, got {budget:#x}")
        self.events: list[Event] = []
        self.completion: Completion | None = None
        self.visited = 0
        self.deleted = 0
        #: The list address that is decided on next.
        self.address = head
        #: A read was made that will never be answered: its bus ID is lost.
        self.is_id_lost = False
        self._memory = memory
        self._windows = windows
        self._table = table
        self._abi = abi
        self._budget = budget or BUDGET_END - 1
        self._tag = tag
        #: False: every bus ID is lost.
        self.can_read = can_read
        self._is_aborted = False
        # Brent: the address of the 1st, 2nd, 4th, 8th ... accepted node.
        self._saved: int | None = None
        self._save_at = 1

    @property
    def is_decided(self) -> bool:
        """Whether the last node is decided, so that an abort changes nothing."""
        return self.completion is not None or (self.visited > 0 and self.address == 0)

    def abort(self) -> bool:
        """An abort arrives between two nodes. False: too late, the real status stands."""
        if self.is_decided:
            return False
        self._is_aborted = True
        return True

    def step(self, *, found: bool | None = None) -> Completion | None:
        """Visits one node, or ends the walk. ``found`` is the hardware's answer to the delete of that node."""
        return self._run(1, found=found)

    def run(self, node_limit: int | None = None) -> Completion | None:
        """Visits at most ``node_limit`` nodes, without it all. Returns the completion when the walk has ended."""
        return self._run(node_limit, found=None)

    def finish(self) -> Completion:
        """Visits all the nodes that are left."""
        completion = self.run()
        if completion is None:
            raise AssertionError("a walk without a node limit comes to an end")
        return completion

    def _run(self, node_limit: int | None, *, found: bool | None) -> Completion | None:
        if self.completion is not None:
            return self.completion
        if self._is_aborted:
            return self._end(Status.ABORTED)
        stop = BUDGET_END if node_limit is None else self.visited + node_limit
        status = self._visit_until(stop, found=found)
        return None if status is None else self._end(status)

    def _visit_until(self, stop: int, *, found: bool | None) -> Status | None:
        """Visits nodes until ``stop`` are visited (None) or an address ends the walk (its status).

        The one loop that has to be quick: the state lives in local names, whole nodes are unpacked in place, and
        only what is rare (page borders, holes, faults) is left to ``_fetch``.
        """
        size, alignment, header, _, _, reader = LAYOUTS[self._abi]
        misaligned, last_in_page = alignment - 1, PAGE - size
        unpack, spans = reader.unpack_from, self._windows.spans(self._abi)
        append, budget = self.events.append, self._budget
        live, delete = self._table.live, self._table.delete
        address, visited, deleted = self.address, self.visited, self.deleted
        saved, save_at = self._saved, self._save_at
        is_quick = self.can_read and not self._memory.has_faults
        start, last_start, data = _NO_REGION
        status: Status | None = None
        while visited < stop:
            if not address:
                status = Status.OK
                break
            if address & misaligned:
                status = Status.MISALIGNED
                break
            for first, last, delta in spans:
                if first <= address <= last:
                    bus_address = address + delta
                    break
            else:
                status = Status.OUT_OF_WINDOW
                break
            if address == saved:
                status = Status.LOOP
                break
            if visited == budget:
                status = Status.TOO_LONG
                break
            if start <= bus_address <= last_start and bus_address & _IN_PAGE <= last_in_page:
                append(_new(Read, (bus_address, size, "read")))
                word, following, handle = unpack(data, bus_address - start)
            else:
                fetched = self._fetch(bus_address, size)
                if isinstance(fetched, Status):
                    status = fetched
                    break
                word, following, handle = unpack(fetched)
                region = self._memory.region(bus_address) if is_quick else None
                if region is not None:
                    start, last_start, data = region.start, region.end - size, region.data
            if word != header:
                status = Status.BAD_HEADER
                break
            append(_new(Visited, (address, handle, "visited")))
            if (handle in live or found) and delete(handle, found=found):
                append(_new(Deleted, (handle, "deleted")))
                deleted += 1
            else:
                append(_new(NotFound, (handle, "not_found")))
            visited += 1
            if visited == save_at:
                saved, save_at = address, save_at * 2
            address = following
        self.address, self.visited, self.deleted = address, visited, deleted
        self._saved, self._save_at = saved, save_at
        return status

    def _fetch(self, bus_address: int, size: int) -> bytes | Status:
        """Reads one node, with two reads across a page border, and no second read after a failed first."""
        if not self.can_read:
            return Status.TIMEOUT
        data = b""
        while len(data) < size:
            address = bus_address + len(data)
            length = min(size - len(data), PAGE - address % PAGE)
            self.events.append(Read(address, length))
            fetch = self._memory.fetch(address, length)
            if fetch.status is not None:
                self.is_id_lost = fetch.is_unanswered
                return fetch.status
            data += fetch.data
        return data

    def _end(self, status: Status) -> Completion:
        fault_address = None if status is Status.OK else self.address
        not_found = self.visited - self.deleted
        self.completion = Completion(self._tag, status, self.visited, self.deleted, not_found, fault_address)
        self.events.append(self.completion)
        return self.completion


def walk(
    *,
    memory: Memory,
    windows: WindowTable,
    table: SaTable,
    head: int,
    abi: Abi = Abi.X64,
    budget: int = 0,
    tag: int = 0,
    abort_after: int | None = None,
) -> Walk:
    """Walks one list to its end and says what happened. The bundles that the list names are gone from ``table`` then.

    With ``abort_after`` an abort arrives when that many nodes are decided: it ends the walk as ABORTED unless the
    walk has ended by then. 0 is a command aborted in the queue. The other parameters are those of ``Walker``.
    """
    walker = Walker(memory=memory, windows=windows, table=table, head=head, abi=abi, budget=budget, tag=tag)
    if abort_after is not None:
        walker.run(abort_after)
        walker.abort()
    return Walk(walker.events, walker.finish())
