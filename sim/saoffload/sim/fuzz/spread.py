"""Batches over the workers of a Dask cluster: this machine's cores, or any number of machines."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from distributed import Client, Future, KilledWorker, LocalCluster, as_completed
from distributed.client import FutureCancelledError

from saoffload.sim.toolchain import SimulatorError

from .runner import Batch, Outcome

CONNECT_SECONDS = 5
MOST_ATTEMPTS = 5
"""A batch whose workers die again and again is what kills them."""

_QUIET: dict[str, Any] = {"dashboard_address": None}
"""No web server."""


class ClusterError(SimulatorError):
    """The cluster cannot be reached, or a batch does not survive on it."""


def spread(
    batches: Iterator[Batch],
    *,
    work: Callable[[Batch], Outcome],
    jobs: int,
    scheduler: str | None = None,
    is_over: Callable[[], bool],
) -> Iterator[Outcome]:
    """Does ``work`` on ``batches``, and yields what became of each, in the order in which they end. Once ``is_over``
    no more is begun, and what is under way is waited for.

    ``scheduler`` is the address of a Dask scheduler; None starts a cluster of ``jobs`` workers on this machine. A batch
    whose worker ends before it is done again by another one: none is lost, and none comes twice.

    Raises ``ClusterError``, and whatever ``work`` raises.
    """
    with _client(scheduler, jobs) as client:
        under_way: dict[Future, tuple[Batch, int]] = {}
        ended = as_completed()

        def begin(batch: Batch, attempt: int) -> None:
            future = client.submit(work, batch, key=f"fuzz-{batch.engine}-{batch.seed}-{batch.first}-{attempt}")
            under_way[future] = batch, attempt
            ended.add(future)

        def fill() -> None:
            # One more than can run, so that no worker waits for us.
            while len(under_way) <= max(1, _thread_count(client)) and not is_over():
                batch = next(batches, None)
                if batch is None:
                    return
                begin(batch, 1)

        fill()
        while under_way:
            future = next(ended)
            batch, attempt = under_way.pop(future)
            try:
                outcome = future.result()
            except (KilledWorker, FutureCancelledError):
                if attempt == MOST_ATTEMPTS:
                    raise ClusterError(
                        f"scenarios from {batch.seed_of(0)} on end every worker they are given to"
                    ) from None
                begin(batch, attempt + 1)
                continue
            yield outcome
            fill()


def _thread_count(client: Client) -> int:
    threads: Any = client.nthreads()
    return sum(threads.values())


@contextmanager
def _client(scheduler: str | None, jobs: int) -> Iterator[Client]:
    if scheduler is None:
        with (
            LocalCluster(n_workers=jobs, threads_per_worker=1, silence_logs=logging.CRITICAL, **_QUIET) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"--scheduler {scheduler}: no Dask scheduler answers there ({error}); start one, or leave it out"
        ) from None
    with client:
        if not _thread_count(client):
            raise ClusterError(f"--scheduler {scheduler}: it has no workers; start some: dask worker {scheduler}")
        yield client
