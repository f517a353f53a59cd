"""The transmit pipeline: by handle."""

from itertools import pairwise

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig

from .named_bundle import NamedBundle
from .records import context_layout, record_layout
from .timing import LIVE_TO_ANSWER


class HandleLookup(wiring.Component):
    """Answers transmit lookups: the live outbound bundle that the handle names.

    Parameters: ``config``.

    Members: ``do_request`` with ``handle``; ``did_answer`` with ``answer`` (its epoch is not set here). ``index`` to
    records and contexts, ``record`` and ``context`` from them; ``live``.

    Latency: 3 clocks, one request per clock. The live bit is read in the clock after the request. Without ``hit`` the
    other fields of ``answer`` mean nothing.
    """

    LATENCY = 1 + LIVE_TO_ANSWER

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "do_request": In(1),
                "handle": In(layouts.WIDE_HANDLE_BITS),
                "did_answer": Out(1),
                "answer": Out(layouts.lookup_answer(config)),
                "index": Out(range(config.bundles)),
                "record": In(record_layout(config)),
                "context": In(context_layout(config)),
                "live": In(config.bundles),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.judge = judge = NamedBundle(self._config)
        m.d.comb += [
            judge.do_request.eq(self.do_request),
            judge.handle.eq(self.handle),
            judge.record.eq(self.record),
            judge.live.eq(self.live),
            self.index.eq(judge.index),
        ]
        stages = [
            (Signal(name=f"is_asked_{stage}"), Signal(self.answer.shape(), name=f"answer_{stage}"))
            for stage in range(LIVE_TO_ANSWER)
        ]
        is_asked, answer = stages[0]
        m.d.sync += [
            is_asked.eq(judge.is_asked),
            answer.hit.eq(judge.is_named & (self.record.direction == layouts.Direction.OUTBOUND)),
            answer.handle.eq(judge.named_handle),
            answer.direction.eq(layouts.Direction.OUTBOUND),
            answer.context.eq(self.context.context),
        ]
        for (before_is_asked, before), (is_asked, answer) in pairwise(stages):
            m.d.sync += [is_asked.eq(before_is_asked), answer.eq(before)]
        m.d.comb += [self.did_answer.eq(stages[-1][0]), self.answer.eq(stages[-1][1])]
        return m
