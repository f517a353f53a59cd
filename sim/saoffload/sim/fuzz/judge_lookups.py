"""Every answer that a packet got, and that each was retired once."""

from saoffload.sim.model import Bundle, Direction, Key, Lookup

from .case import Case
from .image import asked_keys
from .judge_table import TableJudge
from .records import Record

_HANDLE = 0xFFFF_FFFF


class LookupJudge:
    """Follows both kinds of lookups."""

    def __init__(self, case: Case, table: TableJudge) -> None:
        self._case = case
        self._table = table
        self._keys = asked_keys(case.scenario)
        self._tickets: dict[tuple[bool, int], int] = {}
        #: By kind, receive first: how many were answered, and hit.
        self.answer_counts = [0, 0]
        self.hit_counts = [0, 0]

    def key_answer(self, record: Record) -> None:
        """A receive lookup was answered."""
        self._answer(record, is_key=True)

    def handle_answer(self, record: Record) -> None:
        """A transmit lookup was answered."""
        self._answer(record, is_key=False)

    def key_retire(self, record: Record) -> None:
        """The packet path is done with a receive lookup."""
        self._case.table.retire_key(self._tickets.pop((True, record.small)))

    def handle_retire(self, record: Record) -> None:
        """The packet path is done with a transmit lookup."""
        self._case.table.retire_handle(self._tickets.pop((False, record.small)))

    @property
    def unretired_count(self) -> int:
        """Answers that the packet path keeps."""
        return len(self._tickets)

    def _answer(self, record: Record, *, is_key: bool) -> None:
        table = self._case.table
        expected = table.lookup_key(self._keys[record.x]) if is_key else table.lookup_handle(record.x)
        self._tickets[is_key, record.small >> 4] = expected.ticket
        self.answer_counts[is_key] += 1
        self.hit_counts[is_key] += record.small & 1
        flags = expected.hit | expected.sa_number << 1 | (expected.direction is Direction.OUTBOUND) << 2
        if (record.small & 0b1111, record.y) != (flags, expected.handle | expected.context << 32):
            self._explain(record, expected, is_key=is_key)

    def _explain(self, record: Record, expected: Lookup, *, is_key: bool) -> None:
        """The answer is another one: right only while an add or a flush is taking effect."""
        table, handle = self._case.table, record.y & _HANDLE
        asked = self._keys[record.x] if is_key else record.x
        if record.small & 1:
            bundle = self._table.lived_before_flush(handle)
            if bundle is None and handle not in table and self._table.appears(handle):
                bundle = table.live[handle]
            number = None if bundle is None else _match(bundle, asked)
            if (
                bundle is not None
                and number is not None
                and not (expected.hit and is_key and not _beats(bundle, number))
            ):
                is_outbound = bundle.direction is Direction.OUTBOUND
                flags = 1 | number << 1 | is_outbound << 2
                if (record.small & 0b1111, record.y) == (flags, handle | bundle.context << 32):
                    return
        seen = f"a hit of {handle:#x}" if record.small & 1 else "a miss"
        wanted = f"a hit of {expected.handle:#x}" if expected.hit else "a miss"
        details = f"flags {record.small & 0b1111:#06b}, context {record.y >> 32:#x}"
        self._case.fail(
            f"lookup of {asked if is_key else hex(record.x)}: the model has {wanted}, the engine {seen}, {details}"
        )


def _match(bundle: Bundle, asked: Key | int) -> int | None:
    """Which SA of the bundle is asked for, None: none."""
    if isinstance(asked, int):
        return 0 if bundle.direction is Direction.OUTBOUND else None
    for wanted in (asked, asked.wildcard):
        if wanted in bundle.keys:
            return bundle.keys.index(wanted)
    return None


def _beats(bundle: Bundle, number: int) -> bool:
    """Whether this SA is exact, which wins over a wildcard that lives longer."""
    return bundle.keys[number].destination != 0
