"""The engine's event counters, read so that no carry between their words is ever seen."""

from dataclasses import dataclass, fields
from typing import Self

from .capabilities import Capabilities
from .register_map import Register
from .registers import Registers


@dataclass(frozen=True, kw_only=True)
class CounterValues:
    """One snapshot. Every number counts events since reset, modulo 2 to the power of the engine's counter width."""

    #: Receive lookups answered, and those that hit.
    key_lookups: int
    key_hits: int
    #: Transmit lookups answered, and those that hit.
    handle_lookups: int
    handle_hits: int
    #: Clocks in which a lookup waited for the limit of unretired answers.
    key_waits: int
    handle_waits: int
    visited_nodes: int
    #: Handles that walks and deletes removed, and that named nothing. Flushes count in their completions only.
    deleted_handles: int
    not_found_handles: int
    completions: int
    refused_doorbells: int
    refused_windows: int
    refused_adds: int
    unknown_aborts: int
    #: Read beats dropped because nothing was outstanding under their ID.
    unknown_beats: int
    #: Retires that named no unretired answer.
    bad_retires: int

    def since(self, earlier: Self, *, width: int = 64) -> Self:
        """What was counted between ``earlier`` and this snapshot, counters ``width`` bits wide that may have wrapped
        once.
        """
        names = [field.name for field in fields(self)]
        return type(self)(**{name: (getattr(self, name) - getattr(earlier, name)) % (1 << width) for name in names})


class Counters:
    """Reads the event counters. All 64-bit counters share one latch for the high word, so one snapshot is taken at a
    time.
    """

    def __init__(self, registers: Registers) -> None:
        self._registers = registers
        self._lock = registers.transport.make_lock()
        self._is_wide = True

    def attach(self, capabilities: Capabilities) -> None:
        """Serve the engine just identified: high words are read only where there are any."""
        self._is_wide = capabilities.counter_width > 32

    async def read(self) -> CounterValues:
        """Every counter. Each value is exact at one moment; the moments of different counters differ by some clocks."""
        async with self._lock:
            return CounterValues(**{field.name: await self._read(field.name) for field in fields(CounterValues)})

    async def _read(self, name: str) -> int:
        low = Register[f"{name.upper()}_LOW"]
        if not self._is_wide:
            return await self._registers.read(low)
        return await self._registers.read_wide(low, Register[f"{name.upper()}_HIGH"])
