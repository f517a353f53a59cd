"""Watching signals without waking at every clock."""

from collections.abc import AsyncIterator
from typing import Any

from cocotb.simtime import get_sim_time
from cocotb.triggers import RisingEdge
from cocotb.types import Logic

CLOCK_PS = 10_000
"""Period of the simulated clock."""


async def strobes(clock: Any, valid: Any) -> AsyncIterator[int]:
    """Yields the number of each clock at whose end ``valid`` is 1. Signals read then have the values of that clock.

    Sleeps while ``valid`` is 0, so that a simulation runs at full speed between two events.
    """
    while True:
        if valid.value != 1:
            await RisingEdge(valid)
        await RisingEdge(clock)
        while valid.value == 1:
            yield clock_number()
            await RisingEdge(clock)


def clock_number() -> int:
    """The number of the clock whose end, or whatever instant in it, is now."""
    return int(get_sim_time("ps")) // CLOCK_PS


def number(signal: Any) -> int:
    """The value of a signal as a number. Raises ``ValueError`` when a bit is unknown."""
    value = signal.value
    return int(value) if isinstance(value, Logic) else value.to_unsigned()
