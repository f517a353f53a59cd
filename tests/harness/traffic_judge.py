"""What must be true of a table under traffic, clock by clock, told by a dict of the living bundles."""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import AddResult

from .traffic import EVENTS, FRAME

NO_KEY = -1
ANSWERED = 1
"""The lane of a miss; that of no answer is 0."""
REFUSALS = (
    AddResult.UNSUPPORTED,
    AddResult.RESTORE_MODE,
    AddResult.BAD_HANDLE,
    AddResult.HANDLE_IN_USE,
    AddResult.DUPLICATE,
    AddResult.FULL,
)
"""In the order in which they apply."""
_EVENT = {name: (item.offset, (1 << item.width) - 1) for name, item in EVENTS}
_IS_ADDED, _IS_DELETED, _FLUSH_IS_ANSWERED, _END_RESTORE = (
    1 << _EVENT[name][0] for name in ("is_added", "is_deleted", "flush_is_answered", "end_restore_is_taken")
)
_FLUSH_IS_OFFERED, _FLUSH_IS_TAKEN = (1 << _EVENT[name][0] for name in ("flush_is_offered", "flush_is_taken"))
_MOVED, _GRACE, _WAITING = (1 << _EVENT[name][0] for name in ("moved", "grace_is_answered", "add_is_waiting"))
_WRONG = sum(1 << _EVENT[name][0] for name in ("bad_retire", "is_damaged"))


@dataclass(frozen=True)
class TrafficKey:
    """A key by the number that it is asked for with. ``wild``: the number of its wildcard; its own for a wildcard."""

    number: int
    bits: int
    wild: int
    is_wildcard: bool


@dataclass(frozen=True)
class TrafficBundle:
    """A bundle to add. ``handle`` is what a restore names."""

    keys: tuple[int, ...]
    is_outbound: bool
    sa_count: int
    context: int
    handle: int


@dataclass
class TrafficJudge:
    """Holds each answer against what lives in its clock: a bundle lives from the answer of its add to the answer of its
    delete, that clock excluded. While its add is on offer it may live already; once it was seen it does.
    """

    config: EngineConfig
    keys: list[TrafficKey]
    key_latency: int
    handle_latency: int
    clock: int = 0
    live: dict[int, TrafficBundle] = field(default_factory=dict)
    adding: TrafficBundle | None = None
    seen_handle: int | None = None
    reasons: set[AddResult] = field(default_factory=set)
    is_restoring: bool = True
    gate_is_closed: bool = False
    is_flushing: bool = False
    generations: dict[int, int] = field(default_factory=dict)
    issued: deque[int] = field(default_factory=lambda: deque(maxlen=64))
    deletes: deque[int] = field(default_factory=deque)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._owner: dict[int, int] = {}
        self._lane: dict[int, int] = {}
        self._named = {key.wild: [one.number for one in self.keys if one.wild == key.wild] for key in self.keys}
        self._misses = {**{key.number: ANSWERED for key in self.keys}, NO_KEY: 0}
        self._codes = dict(self._misses)
        self._handle_codes: dict[int, int] = {NO_KEY: 0}
        self._keys_due = [NO_KEY] * self.key_latency
        self._handles_due = [NO_KEY] * self.handle_latency

    # What the program does

    def offer_add(self, bundle: TrafficBundle) -> None:
        """From the next frame on this bundle is on offer."""
        assert self.adding is None
        self.adding = bundle
        self.reasons = self.refusals()

    def frame(self, lanes: tuple[int, ...], keys: list[int], handles: list[int], deleted: list[int]) -> None:
        """One frame of the trace, what was asked in its clocks (``NO_KEY``: nothing), and what was deleted."""
        self.deletes.extend(deleted)
        keys_due, handles_due = self._keys_due + keys, self._handles_due + handles
        self._keys_due, self._handles_due = keys_due[FRAME:], handles_due[FRAME:]
        missed: dict[int, int] = {NO_KEY: 0}
        for place in range(FRAME):
            events = lanes[3 * place + 2]
            if events:
                self._see(events)
            key, handle = keys_due[place], handles_due[place]
            is_open = not self.gate_is_closed
            if lanes[3 * place] != (self._codes if is_open else self._misses)[key]:
                self._judge_key(key, lanes[3 * place])
            if lanes[3 * place + 1] != (self._handle_codes if is_open else missed).get(handle, ANSWERED):
                self._judge_handle(handle, lanes[3 * place + 1])
            if events & _FLUSH_IS_OFFERED:
                self.gate_is_closed = True
                if events & _FLUSH_IS_TAKEN:
                    self.is_flushing = True
            if events & _END_RESTORE and not self.is_flushing:
                self.is_restoring = False
            self.clock += 1
        self.counts["lookups"] += FRAME - keys_due[:FRAME].count(NO_KEY)
        self.counts["lookups"] += FRAME - handles_due[:FRAME].count(NO_KEY)

    # What is true now

    def refusals(self) -> set[AddResult]:
        """Why the bundle on offer would be refused now."""
        bundle = self.adding
        assert bundle is not None
        found: set[AddResult] = set()
        if bundle.sa_count not in (1, 2):
            found.add(AddResult.UNSUPPORTED)
        if self.is_restoring:
            index = bundle.handle & (1 << self.config.index_bits) - 1
            if bundle.handle == 0:
                found.add(AddResult.RESTORE_MODE)
            if bundle.handle >> 31 != 1 or index >= self.config.bundles:
                found.add(AddResult.BAD_HANDLE)
            elif any(handle & (1 << self.config.index_bits) - 1 == index for handle in self.live):
                found.add(AddResult.HANDLE_IN_USE)
        keys = () if bundle.is_outbound else bundle.keys
        if len(set(keys)) != len(keys) or any(key in self._owner for key in keys):
            found.add(AddResult.DUPLICATE)
        live_wildcards = sum(self.keys[key].is_wildcard for key in self._owner)
        wildcards = sum(self.keys[key].is_wildcard for key in keys)
        assert self.config.hashed is not None
        if (
            len(self.live) >= self.config.bundles
            or len(self._owner) + len(keys) > self.config.keys
            or (wildcards and live_wildcards + wildcards > self.config.hashed.wildcards)
        ):
            found.add(AddResult.FULL)
        return found

    def _apply(self, handle: int, bundle: TrafficBundle) -> None:
        lane = ANSWERED | 2 | handle << 2 | bundle.is_outbound << 35 | bundle.context << 36
        if bundle.is_outbound:
            self._handle_codes[handle] = lane
        else:
            for number, key in enumerate(bundle.keys):
                self._owner[key] = handle
                self._lane[key] = lane | number << 34
                self._refresh(key)
        self.live[handle] = bundle

    def _remove(self, handle: int) -> None:
        bundle = self.live.pop(handle)
        self._handle_codes.pop(handle, None)
        for key in () if bundle.is_outbound else bundle.keys:
            del self._owner[key], self._lane[key]
            self._refresh(key)

    def _refresh(self, key: int) -> None:
        wild = self.keys[key].wild
        for one in self._named[wild] if self.keys[key].is_wildcard else (key,):
            self._codes[one] = self._lane.get(one) or self._lane.get(wild) or ANSWERED

    # What happened

    def _see(self, events: int) -> None:
        assert not events & _WRONG, f"clock {self.clock}: {self._fields(events)}"
        if events & _IS_DELETED:
            self._answer_delete(self._field(events, "found"))
        if events & _IS_ADDED:
            self._answer_add(AddResult(self._field(events, "result")), self._field(events, "handle"))
        if events & _FLUSH_IS_ANSWERED:
            self._answer_flush(self._field(events, "flush_deleted"))
        self.counts["moves"] += bool(events & _MOVED)
        self.counts["graces"] += bool(events & _GRACE)
        self.counts["waits"] += bool(events & _WAITING)
        self.counts["end_restores"] += bool(events & _END_RESTORE)

    @staticmethod
    def _field(events: int, name: str) -> int:
        offset, mask = _EVENT[name]
        return events >> offset & mask

    @classmethod
    def _fields(cls, events: int) -> dict[str, int]:
        return {name: cls._field(events, name) for name in _EVENT}

    def _answer_delete(self, found: int) -> None:
        handle = self.deletes.popleft()
        lives = handle in self.live
        if self.is_flushing:  # the flush and the delete may come in either order
            assert not found or lives, f"clock {self.clock}: nothing to delete under {handle:#x}"
        else:
            assert found == lives, f"clock {self.clock}: delete of {handle:#x} answered {found}"
        if found:
            self._remove(handle)
        self.counts["deletes"] += 1
        self.counts["deleted"] += found

    def _answer_add(self, result: AddResult, handle: int) -> None:
        bundle, text = self.adding, f"clock {self.clock}: add of {self.adding} answered {result}, {handle:#x}"
        assert bundle is not None, text
        assert not self.is_flushing, text
        if self.seen_handle is not None:
            assert (result, handle) == (AddResult.OK, self.seen_handle), f"{text}, and was seen before"
        else:
            still = self.refusals()
            if result == AddResult.OK:
                assert not still, f"{text}; expected one of {still}"
            else:
                is_crowded = result == AddResult.FULL and 2 * len(self._owner) >= self.config.keys
                assert result in self.reasons | still or is_crowded, f"{text}; there was no reason"
                first = REFUSALS.index(result)
                assert not still & set(REFUSALS[:first]), f"{text}; expected one of {still}"
                assert handle == 0, text
                self.counts["refused_for_rows"] += is_crowded and result not in self.reasons | still
        if result == AddResult.OK:
            self._issue(handle, bundle, text)
        self.counts["adds"] += 1
        self.counts[result.name] += 1
        self.counts["restores"] += self.is_restoring
        self.adding = self.seen_handle = None

    def _issue(self, handle: int, bundle: TrafficBundle, text: str) -> None:
        bits = self.config.index_bits
        index, generation = handle & (1 << bits) - 1, (handle & 0x7FFF_FFFF) >> bits
        assert handle >> 31 == 1, text
        assert index < self.config.bundles, text
        assert all(other == handle or other & (1 << bits) - 1 != index for other in self.live), text
        if self.is_restoring:
            assert handle == bundle.handle, text
        else:
            assert generation == self.generations.get(index, 0), text
        self.generations[index] = (generation + 1) % (1 << self.config.generation_bits)
        self.issued.append(handle)
        if self.seen_handle is None:
            self._apply(handle, bundle)

    def _answer_flush(self, deleted: int) -> None:
        assert self.seen_handle is None, f"clock {self.clock}: an add that was seen is not answered before the flush"
        assert deleted == len(self.live), f"clock {self.clock}: a flush of {len(self.live)} bundles counted {deleted}"
        for handle in list(self.live):
            self._remove(handle)
        self.gate_is_closed = self.is_flushing = False
        self.is_restoring = True
        self.counts["flushes"] += 1
        if self.adding is not None:
            self.reasons |= self.refusals()

    def _judge_key(self, key: int, lane: int) -> None:
        text = f"clock {self.clock}: key {key} answered {lane:#x}"
        bundle = self.adding
        assert key != NO_KEY, f"{text} although nothing was asked"
        assert lane & ANSWERED, f"{text}: no answer in time"
        assert not self.gate_is_closed, f"{text} while a flush is under way"
        expected = f"{text}, expected {self._codes[key]:#x}"
        assert bundle is not None, expected
        assert self.seen_handle is None, expected
        assert not bundle.is_outbound, expected
        self._see_early(lane >> 2 & 0xFFFF_FFFF, bundle, expected)
        assert lane == self._codes[key], f"{text} of a bundle being added, expected {self._codes[key]:#x}"

    def _judge_handle(self, handle: int, lane: int) -> None:
        text = f"clock {self.clock}: handle {handle:#x} answered {lane:#x}"
        bundle = self.adding
        expected = f"{text}, expected {self._handle_codes.get(handle, ANSWERED):#x}"
        assert not self.gate_is_closed, f"{text} while a flush is under way"
        assert bundle is not None, expected
        assert self.seen_handle is None, expected
        assert bundle.is_outbound, expected
        self._see_early(handle, bundle, expected)
        assert lane == self._handle_codes[handle], expected

    def _see_early(self, handle: int, bundle: TrafficBundle, text: str) -> None:
        """A lookup hit the bundle that is being added."""
        assert handle not in self.live, text
        assert not self.refusals(), text
        self._apply(handle, bundle)
        self.seen_handle = handle
        self.counts["seen_early"] += 1

    def summary(self) -> dict[str, Any]:
        """What was done and seen."""
        names = ("adds", "deletes", "flushes", "end_restores")
        return {"clocks": self.clock, "operations": sum(self.counts[name] for name in names), **self.counts}
