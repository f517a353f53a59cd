"""The delete pipeline: one handle per clock."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig

from .named_bundle import NamedBundle
from .records import record_layout
from .timing import LIVE_TO_ANSWER


class DeletePipe(wiring.Component):
    """Deletes the bundle that the handle names. Answers once per request, in order.

    A handle that names nothing is not an error: ``found`` is 0. Two deletes of one handle back to back find it once.

    Parameters: ``config``.

    Members: ``deletes``: always taken. ``delete_answers``. ``index`` to the record memory, ``record`` from it,
    ``live``. ``do_delete``, ``delete_index``, ``delete_key_count``: take this live bit away now.

    Latency: 4 clocks, one request per clock. The live bit goes in the clock after the request and lookups that saw
    it are answered at most ``LIVE_TO_ANSWER`` clocks later: so the answer comes one clock after that.
    """

    LATENCY = 2 + LIVE_TO_ANSWER

    def __init__(self, config: EngineConfig):
        self._config = config
        index = range(config.bundles)
        super().__init__(
            {
                "deletes": In(stream.Signature(layouts.DELETE_REQUEST, always_ready=True)),
                "delete_answers": Out(stream.Signature(layouts.DELETE_ANSWER, always_ready=True)),
                "index": Out(index),
                "record": In(record_layout(config)),
                "live": In(config.bundles),
                "do_delete": Out(1),
                "delete_index": Out(index),
                "delete_key_count": Out(range(3)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.judge = judge = NamedBundle(self._config)
        m.d.comb += [
            judge.do_request.eq(self.deletes.valid),
            judge.handle.eq(self.deletes.payload.handle),
            judge.record.eq(self.record),
            judge.live.eq(self.live),
            self.index.eq(judge.index),
            self.do_delete.eq(judge.is_named),
            self.delete_index.eq(judge.named_index),
            self.delete_key_count.eq(self.record.key_count),
        ]
        depth = LIVE_TO_ANSWER + 1
        is_asked = Signal(depth)
        found = Signal(depth)
        m.d.sync += [
            is_asked.eq(Cat(judge.is_asked, is_asked[:-1])),
            found.eq(Cat(judge.is_named, found[:-1])),
        ]
        m.d.comb += [
            self.delete_answers.valid.eq(is_asked[-1]),
            self.delete_answers.payload.found.eq(found[-1]),
        ]
        return m
