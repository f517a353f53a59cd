"""An engine with work to do, for the tests of commands."""

from saoffload.sim.model import Command, Engine, Job, Key, Memory

from .lists import memory_of, scattered, table_of, whole_window

NODES = scattered(4)
PACKET = Key(0x1000, 0xC0000201)


def engine_of(memory: Memory | None = None, **options: int) -> Engine:
    """An engine with 8 living bundles and a list of 4 nodes."""
    return Engine(memory=memory or memory_of(NODES), windows=whole_window(), table=table_of(8), **options)


def submit(engine: Engine, tag: int = 1, **fields: object) -> Job:
    job = engine.submit(Command(**({"tag": tag, "head": NODES[0]} | fields)))
    assert isinstance(job, Job)
    return job
