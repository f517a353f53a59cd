"""Fuzzing on a Dask cluster: a real scheduler and two real workers, one of which is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from tests.end_to_end.command import run_command
from tests.end_to_end.slow_batch import TRACES, sleep_through

from saoffload.sim.fuzz.runner import Batch
from saoffload.sim.fuzz.spread import spread

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
BATCHES = 12


class Cluster:
    """A scheduler and its workers, each a process of its own. ``traces``: where workers leave theirs."""

    def __init__(self, folder: Path) -> None:
        self.traces = folder / "traces"
        self.traces.mkdir()
        self._file = folder / "scheduler.json"
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), TRACES: str(self.traces)}
        options = ("--scheduler-file", str(self._file), "--no-dashboard")
        self.scheduler = self._start("scheduler", "--port", "0", "--host", "127.0.0.1", *options)
        deadline = time.monotonic() + START_SECONDS
        while not self._file.exists():
            assert time.monotonic() < deadline, "the scheduler did not start"
            time.sleep(0.1)
        worker = ("worker", *options, "--nthreads", "1", "--no-nanny")
        self.workers = [self._start(*worker) for _ in range(2)]
        self.address: str = json.loads(self._file.read_text())["address"]

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{arguments[0]}", *arguments[1:]]
        return subprocess.Popen(
            command, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.traces
        )

    def wait(self) -> None:
        """Until both workers are there."""
        from distributed import Client

        with Client(self.address, timeout=START_SECONDS) as client:
            client.wait_for_workers(2, timeout=START_SECONDS)

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    try:
        made.wait()
        yield made
    finally:
        made.stop()


def test_a_worker_killed_half_way_loses_no_seed_and_doubles_none(cluster: Cluster) -> None:
    victim = cluster.workers[0]
    given = 0

    def batches() -> Iterator[Batch]:
        nonlocal given
        for number in range(BATCHES):
            given = number
            yield Batch(engine="serial", seed=1, first=10 * number, count=10)

    def is_over() -> bool:
        # In the middle of one of its batches.
        begun = [trace for trace in cluster.traces.iterdir() if trace.read_text() == "began"]
        mine = [trace for trace in begun if trace.name.endswith(f"-{victim.pid}")]
        if given >= BATCHES // 2 and mine and victim.poll() is None:
            victim.send_signal(signal.SIGKILL)
            victim.wait()
        return False

    outcomes = list(spread(batches(), work=sleep_through, jobs=1, scheduler=cluster.address, is_over=is_over))
    assert sorted(outcome.batch.first for outcome in outcomes) == [10 * number for number in range(BATCHES)]
    assert sum(outcome.counts["nodes"] for outcome in outcomes) == 10 * BATCHES
    # One was cut off, and done again by the other worker.
    assert victim.poll() == -signal.SIGKILL
    cut = [trace.name for trace in cluster.traces.iterdir() if trace.read_text() == "began"]
    assert cut
    for name in cut:
        first, _, pid = name.partition("-")
        assert int(pid) == victim.pid
        assert (cluster.traces / f"{first}-{cluster.workers[1].pid}").read_text() == "ended"


def test_when_it_is_over_no_more_is_begun(cluster: Cluster) -> None:
    done = 0

    def is_over() -> bool:
        return done >= 3

    batches = (Batch(engine="serial", seed=1, first=number, count=1) for number in count())
    for _ in spread(batches, work=sleep_through, jobs=1, scheduler=cluster.address, is_over=is_over):
        done += 1
    # What was under way is done, and no more: two workers, and one batch that waits.
    assert 3 <= done <= 6


@pytest.mark.rtl
def test_simulators_on_the_workers(cluster: Cluster) -> None:
    options = ["--engine", "serial", "--nodes", "1000", "--seed", "3", "--scheduler", cluster.address]
    ran = run_command("fuzz", *options, "--json")
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert result["agree"] is True
    assert result["nodes"] >= 1000


def test_no_scheduler_there() -> None:
    ran = run_command("fuzz", "--engine", "serial", "--scheduler", "tcp://127.0.0.1:9")
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr.startswith("error: --scheduler tcp://127.0.0.1:9: no Dask scheduler answers there")
    assert ran.stderr.count("\n") == 1
