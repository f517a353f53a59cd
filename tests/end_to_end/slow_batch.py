"""Work for a cluster that takes long enough to be killed in, and leaves a trace of who did it."""

import os
import time
from collections import Counter
from pathlib import Path

from saoffload.sim.fuzz.runner import Batch, Outcome

SECONDS = 0.4
TRACES = "SAOFFLOAD_TEST_TRACES"


def sleep_through(batch: Batch) -> Outcome:
    """Begins, sleeps, ends."""
    trace = Path(os.environ[TRACES]) / f"{batch.first}-{os.getpid()}"
    trace.write_text("began")
    time.sleep(SECONDS)
    trace.write_text("ended")
    return Outcome(batch=batch, done=batch.count, failure=None, counts=Counter(nodes=batch.count))
