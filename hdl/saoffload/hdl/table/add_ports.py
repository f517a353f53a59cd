"""What is asked of the machine that adds a bundle, the same in both tables."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig


class AddPorts(wiring.Signature):
    """How the keeper has one bundle added, seen from who adds it: all or nothing, or it is said why not, or that room
    will come: then it is to be tried again. The result is the first that applies, in the order of
    ``layouts.AddResult``.

    ``do_start`` with ``request``, which stands until it is done; ``is_done``: for one clock with ``must_wait``, or with
    ``answer`` until ``answer_is_taken``. ``is_restoring``. ``is_flushing``: a flush was taken; nothing becomes live
    then, and no answer begins. ``live_bundles``, ``live_keys``: now. ``commit_key_count``: of the bundle.
    """

    def __init__(self, config: EngineConfig):
        super().__init__(
            {
                "do_start": In(1),
                "request": In(layouts.add_request(config)),
                "is_done": Out(1),
                "must_wait": Out(1),
                "answer_is_taken": In(1),
                "answer": Out(layouts.ADD_ANSWER),
                "is_restoring": In(1),
                "is_flushing": In(1),
                "live_bundles": In(range(config.bundles + 1)),
                "live_keys": In(range(config.keys + 1)),
                "commit_key_count": Out(range(3)),
            }
        )
