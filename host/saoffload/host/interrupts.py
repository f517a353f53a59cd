"""The interrupt line: which events raise it, and how to wait for it."""

from enum import IntFlag

from .register_map import InterruptEnableFields, InterruptStatusFields, Register
from .registers import Registers


class Event(IntFlag):
    """What can raise the interrupt line. A set of events is a sum: ``Event.COMPLETION | Event.TABLE_LOST``."""

    NONE = 0
    #: A completion was put into the queue.
    COMPLETION = InterruptStatusFields.COMPLETION.mask
    #: An add was answered.
    ADD_DONE = InterruptStatusFields.ADD_DONE.mask
    #: The table became ready.
    READY = InterruptStatusFields.READY.mask
    #: The table was lost.
    TABLE_LOST = InterruptStatusFields.TABLE_LOST.mask
    #: A doorbell, a window write or an add was refused.
    REFUSED = InterruptStatusFields.REFUSED.mask
    #: The packet path keeps an answer that a completion or an index waits for.
    RETIRE_LATE = InterruptStatusFields.RETIRE_LATE.mask


COLLECTED = Event.COMPLETION | Event.TABLE_LOST
"""The events that end a wait for completions: with both enabled, ``Completions`` sleeps on the interrupt line."""

ENABLE_MASK = (
    InterruptEnableFields.COMPLETION.mask
    | InterruptEnableFields.ADD_DONE.mask
    | InterruptEnableFields.READY.mask
    | InterruptEnableFields.TABLE_LOST.mask
    | InterruptEnableFields.REFUSED.mask
    | InterruptEnableFields.RETIRE_LATE.mask
)


WATCHDOG_POLLS = 256
"""Poll intervals after which a sleep on the interrupt line ends anyway: a reset of the engine disables its interrupts,
so the line alone would never tell of it."""


class Interrupts:
    """Enables, shows and clears events. An event stays pending until it is cleared, enabled or not."""

    def __init__(self, registers: Registers) -> None:
        self._registers = registers
        self._enabled = Event.NONE

    @property
    def enabled(self) -> Event:
        """The events that raise the line, as this driver set them last."""
        return self._enabled

    async def enable(self, events: Event) -> None:
        """Let exactly ``events`` raise the line. One that is pending already raises it at once."""
        await self._registers.write(Register.INTERRUPT_ENABLE, events & ENABLE_MASK)
        self._enabled = events

    async def pending(self) -> Event:
        """The events that came since they were last cleared."""
        return Event(await self._registers.read(Register.INTERRUPT_STATUS) & ENABLE_MASK)

    async def clear(self, events: Event) -> None:
        """Clear ``events`` and no others. One that comes in the same clock stays pending."""
        await self._registers.write(Register.INTERRUPT_STATUS, events)

    async def wait(self, events: Event, seconds: float) -> None:
        """Wait for one of ``events``, at most ``seconds``: on the interrupt line when it can announce all of them,
        else for one poll interval. Returns early now and then; the caller looks at the registers.
        """
        transport = self._registers.transport
        if transport.has_interrupt and events & self._enabled == events:
            await transport.wait_for_interrupt(min(seconds, WATCHDOG_POLLS * transport.poll_interval))
        else:
            await transport.pause(min(seconds, transport.poll_interval))
