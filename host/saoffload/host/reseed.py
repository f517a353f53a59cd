"""Another seed for a table that is in use: every bundle leaves it and comes back under its handle."""

from collections.abc import Iterable
from contextlib import suppress

from .bundles import Bundle
from .commands import Commands
from .completions import Completions
from .errors import AddBusyError, HostError, ReseedError, TableLostError, UnknownTagError
from .table import Table


async def reseed(
    table: Table,
    commands: Commands,
    completions: Completions,
    bundles: Iterable[Bundle],
    *,
    seed: int,
    timeout_ms: float,
) -> None:
    """What ``Driver.reseed`` promises, under ``seed``."""
    missing = _by_handle(bundles)
    if table.has_unanswered_add:
        raise AddBusyError("an add is under way, or its answer was not collected: call finish_add first")
    count = len(missing)
    async with commands.flushing() as submit_flush:
        # A table in use takes the seed with the flush, so no add can come between the two.
        await table.set_seed(seed)
        tag = await submit_flush()
        try:
            # Somebody who collects whatever comes may have got the completion already.
            with suppress(UnknownTagError):
                await completions.wait(tag, timeout_ms=timeout_ms)
            for handle in tuple(missing):
                (await table.add(missing[handle], timeout_ms=timeout_ms)).expect_handle()
                del missing[handle]
            await table.end_restore(timeout_ms=timeout_ms)
        except TableLostError:
            raise
        except HostError as error:
            raise ReseedError(tuple(missing), count) from error


def _by_handle(bundles: Iterable[Bundle]) -> dict[int, Bundle]:
    """Each bundle by the handle that it names. Raises ``ValueError`` for one without, and for two of one handle."""
    named: dict[int, Bundle] = {}
    for bundle in bundles:
        if not bundle.handle:
            raise ValueError(f"a bundle to restore names its handle, got {bundle}")
        if bundle.handle in named:
            raise ValueError(f"two bundles to restore name the handle {bundle.handle:#010x}")
        named[bundle.handle] = bundle
    return named
