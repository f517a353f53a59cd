"""The table of security associations, as the contract describes it: a few dicts."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from .bundles import IPV6, AddAnswer, AddResult, Bundle, Direction, Key, Lookup
from .drain import Drain, LookupKind
from .events import DisagreementError
from .slots import Slot, Slots

_SA_COUNTS = (1, 2)
_HIT = True


class _Owner(NamedTuple):
    handle: int
    sa_number: int
    bundle: Bundle


class SaTable:
    """Answers adds, deletes and lookups as hardware must. A bundle appears and vanishes as a whole, in one call.

    Every call happens at one moment; call in the order in which the hardware answers. Where the contract leaves
    the hardware a choice, the hardware's choice can be given (``chosen``, ``found``): the table then follows it, or
    raises ``DisagreementError`` when the choice is not allowed.

    A new table is as after a reset whose scrub is done: ready and in restore mode.

    Parameters: ``bundles`` and ``keys``, the two capacities; ``ipv6``, whether IPv6 bundles are supported;
    ``context_width`` in bits; ``unretired_limit``, the lookup answers of a kind that may be unretired.
    """

    def __init__(
        self,
        *,
        bundles: int,
        keys: int | None = None,
        ipv6: bool = True,
        context_width: int = 32,
        unretired_limit: int = 4096,
    ) -> None:
        #: The lookup answers that are not retired, and with them every grace period.
        self.drain = Drain(unretired_limit=unretired_limit)
        #: The indices, their generations, and which may be issued.
        self.slots = Slots(bundles=bundles, drain=self.drain)
        self.key_capacity = bundles if keys is None else keys
        if self.key_capacity < 1:
            raise ValueError(f"keys must be at least 1, got {keys}")
        if context_width < 0:
            raise ValueError(f"context_width must not be negative, got {context_width}")
        self.ipv6 = ipv6
        self.context_width = context_width
        self.is_ready = True
        self.is_restoring = True
        self.is_flushing = False
        self._flush_ends_restoring = False
        self._live: dict[int, Bundle] = {}
        self._keys: dict[Key, _Owner] = {}
        self._condemned: set[int] = set()
        self._index_mask = (1 << self.slots.index_bits) - 1

    def __len__(self) -> int:
        return len(self._live)

    def __iter__(self) -> Iterator[int]:
        return iter(self._live)

    def __contains__(self, handle: object) -> bool:
        return handle in self._live

    @property
    def capacity(self) -> int:
        """Bundles that can live at a time."""
        return self.slots.bundles

    @property
    def live(self) -> Mapping[int, Bundle]:
        """The living bundles by their handle, read-only."""
        return MappingProxyType(self._live)

    @property
    def live_key_count(self) -> int:
        """Keys of the living bundles."""
        return len(self._keys)

    def add(self, bundle: Bundle, *, requested: int = 0, chosen: int | None = None) -> AddAnswer | None:
        """Adds a bundle, all or nothing. None: the add waits, since only drains, or a flush, keep room from being
        free; ask again when answers were retired or the flush has ended.

        ``requested`` is the handle that the host restores (looked at in restore mode only), ``chosen`` the one that
        the hardware answered with; without it the lowest index is taken. Raises ``ValueError`` when a field does
        not fit, ``DisagreementError`` when the hardware's choice is not allowed.
        """
        for key in bundle.sas:
            key.checked()
        if not 0 <= bundle.context < 1 << self.context_width:
            raise ValueError(f"the context has {self.context_width} bits, got {bundle.context:#x}")
        if self.is_flushing:
            return self._wait(chosen, "a flush is under way (rule 26)")
        refusal = self.refusal(bundle, requested)
        if refusal is not None:
            return AddAnswer(refusal)
        slot = self._restored(requested, chosen) if self.is_restoring else self._choose(chosen)
        if slot is None:
            return self._wait(chosen, "only answers that are not retired keep room from being free (rules 7 and 13)")
        handle = self.slots.occupy(slot)
        self._live[handle] = bundle
        for number, key in enumerate(bundle.keys):
            self._keys[key] = _Owner(handle, number, bundle)
        return AddAnswer(AddResult.OK, handle)

    def refusal(self, bundle: Bundle, requested: int) -> AddResult | None:
        """The first result that refuses this add now, or None. Nothing changes."""
        if not self.is_ready:
            return AddResult.NOT_READY
        if len(bundle.sas) not in _SA_COUNTS or (not self.ipv6 and any(key.family == IPV6 for key in bundle.sas)):
            return AddResult.UNSUPPORTED
        if self.is_restoring:
            slot = self.slots.split(requested)
            if requested == 0:
                return AddResult.RESTORE_MODE
            if slot is None:
                return AddResult.BAD_HANDLE
            if self.slots.is_taken(slot.index):
                return AddResult.HANDLE_IN_USE
        keys = bundle.keys
        if len(set(keys)) < len(keys) or any(key in self._keys for key in keys):
            return AddResult.DUPLICATE
        if len(self._live) == self.capacity or len(self._keys) + len(keys) > self.key_capacity:
            return AddResult.FULL
        return None

    def delete(self, handle: int, *, found: bool | None = None) -> bool:
        """Deletes the bundle that the handle names; False: it names none, which is no error.

        ``found`` is what the hardware answered. It matters while a flush is under way, when a bundle that lived
        before may be found or not; at any other time a difference raises ``DisagreementError``.
        """
        bundle = self._live.get(handle)
        if bundle is None:
            if found and handle not in self._condemned:
                raise DisagreementError(f"handle {handle:#x} was deleted but names nothing (rule 9)")
            if found:
                self._condemned.remove(handle)
            return bool(found)
        if found is False:
            raise DisagreementError(f"handle {handle:#x} was not found but its bundle lives (rule 10)")
        del self._live[handle]
        for key in bundle.keys:
            del self._keys[key]
        self.slots.release(handle & self._index_mask)
        return True

    def lookup_key(self, key: Key) -> Lookup:
        """A receive lookup, answered now. An exact match wins over the wildcard of the same family; inbound bundles
        only. Raises ``MustWaitError`` when the hardware would not take the request yet.
        """
        key.checked()
        ticket = self.drain.answer(LookupKind.KEY)
        owner = self._keys.get(key) or self._keys.get(key.wildcard)
        if owner is None:
            return Lookup(ticket)
        return Lookup(ticket, _HIT, owner.handle, owner.sa_number, owner.bundle.direction, owner.bundle.context)

    def lookup_handle(self, handle: int) -> Lookup:
        """A transmit lookup, answered now; outbound bundles only. Raises ``MustWaitError`` like ``lookup_key``."""
        ticket = self.drain.answer(LookupKind.HANDLE)
        bundle = self._live.get(handle)
        if bundle is None or bundle.direction is not Direction.OUTBOUND:
            return Lookup(ticket)
        return Lookup(ticket, _HIT, handle, 0, bundle.direction, bundle.context)

    def retire_key(self, ticket: int) -> bool:
        """The packet path is done with a receive lookup. False: a bad retire, which changes nothing."""
        return self.drain.retire(LookupKind.KEY, ticket)

    def retire_handle(self, ticket: int) -> bool:
        """The packet path is done with a transmit lookup. False: a bad retire, which changes nothing."""
        return self.drain.retire(LookupKind.HANDLE, ticket)

    def begin_flush(self) -> None:
        """A flush is accepted: from now on every lookup misses and adds wait. Raises ``RuntimeError`` when a flush
        is under way or the table is not ready.
        """
        if self.is_flushing or not self.is_ready:
            raise RuntimeError("a flush needs a table that is ready and not being flushed")
        self.is_flushing = True
        self._flush_ends_restoring = False
        for handle in self._live:
            self.slots.release(handle & self._index_mask)
        self._condemned = set(self._live)
        self._live.clear()
        self._keys.clear()

    def end_flush(self) -> int:
        """The flush is done: the number of bundles that it removed itself, without those that a delete was told to
        have found meanwhile. The table is in restore mode, unless ``end_restore`` was called meanwhile; generations are
        kept.
        """
        if not self.is_flushing:
            raise RuntimeError("no flush is under way")
        deleted_count = len(self._condemned)
        self._condemned.clear()
        self.is_flushing = False
        self.is_restoring = not self._flush_ends_restoring
        return deleted_count

    def end_restore(self) -> None:
        """Leaves restore mode: from now on the table chooses the handles. Changes nothing when not in it, or before the
        table is ready; while a flush is under way it happens when that ends.
        """
        if self.is_flushing:
            self._flush_ends_restoring = True
        elif self.is_ready:
            self.is_restoring = False

    def reset(self, *, is_scrubbed: bool = True) -> None:
        """Loses everything, generations too, and enters restore mode. With ``is_scrubbed`` False the table is not
        ready until ``end_scrub``.
        """
        self._live.clear()
        self._keys.clear()
        self._condemned.clear()
        self.slots.reset()
        self.drain.reset()
        self.is_flushing = False
        self.is_restoring = True
        self.is_ready = is_scrubbed

    def end_scrub(self) -> None:
        """The scrub that follows a reset is done."""
        self.is_ready = True

    def _restored(self, requested: int, chosen: int | None) -> Slot | None:
        """The slot that the host asked for; None while it is drained."""
        if chosen is not None and chosen != requested:
            raise DisagreementError(f"{requested:#010x} was restored as {chosen:#010x} (rule 28)")
        slot = self.slots.split(requested)
        return slot if slot is not None and self.slots.is_free(slot.index) else None

    def _choose(self, chosen: int | None) -> Slot | None:
        """The slot that the hardware chose, or the lowest; None while every free index is drained."""
        if chosen is None:
            index = self.slots.lowest_free()
            return None if index is None else self.slots.split(self.slots.next_handle(index))
        slot = self.slots.split(chosen)
        if slot is None:
            raise DisagreementError(f"{chosen:#x} is no handle of a table of {self.capacity} bundles (rule 1)")
        if self.slots.is_taken(slot.index):
            raise DisagreementError(f"{chosen:#010x} was issued while index {slot.index} has an owner (rule 13)")
        expected = self.slots.next_handle(slot.index)
        if chosen != expected:
            raise DisagreementError(
                f"{chosen:#010x} was issued; the next owner of index {slot.index} is {expected:#010x}"
            )
        return slot if self.slots.is_free(slot.index) else None

    @staticmethod
    def _wait(chosen: int | None, reason: str) -> None:
        if chosen is not None:
            raise DisagreementError(f"an add was answered with {chosen:#010x} while it had to wait: {reason}")
