"""Bounded waits: every wait of the driver ends, with its event or with ``WaitTimeoutError``."""

from collections.abc import Awaitable, Callable

from .errors import WaitTimeoutError
from .transport import Transport

DEFAULT_TIMEOUT_MS = 1000.0


class Deadline:
    """A moment ``milliseconds`` from now on the transport's clock. Raises ``ValueError`` for a negative number."""

    def __init__(self, transport: Transport, milliseconds: float) -> None:
        # Written so that a NaN, which would never expire, is refused too.
        if not 0 <= milliseconds < float("inf"):
            raise ValueError(f"a wait lasts a number of milliseconds from 0 up, got {milliseconds}")
        self._transport = transport
        self._milliseconds = milliseconds
        self._end = transport.now() + milliseconds / 1000

    @property
    def seconds_left(self) -> float:
        """0 when the moment has come."""
        return max(0.0, self._end - self._transport.now())

    def error(self, what: str) -> WaitTimeoutError:
        """What to raise once the moment has come: ``what`` says what should have happened until then."""
        return WaitTimeoutError(what, self._milliseconds)


async def wait_until(
    transport: Transport, look: Callable[[], Awaitable[bool]], *, what: str, timeout_ms: float
) -> None:
    """Look until ``look`` sees it, at least once and once more when the time is over.
    Raises ``WaitTimeoutError`` saying ``what`` when it has not come within ``timeout_ms``.
    """
    deadline = Deadline(transport, timeout_ms)
    while True:
        # Asked before looking, so that what came while we paused is never missed.
        is_last_look = deadline.seconds_left == 0
        if await look():
            return
        if is_last_look:
            raise deadline.error(what)
        await transport.pause(min(transport.poll_interval, deadline.seconds_left))
