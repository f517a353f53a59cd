"""The transmit pipeline: from a handle to the live bundle that it names."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import HANDLE_BITS, EngineConfig
from saoffload.hdl.table.handles import generation_of, index_of, is_well_formed

from .timing import LIVE_TO_ANSWER, MEMORY_LATENCY
from .trees import equal_groups


class HandleLookup(wiring.Component):
    """Answers transmit lookups: the live outbound bundle that the handle names.

    Parameters: ``config``.

    Members: ``do_request`` with ``handle``; ``did_answer`` with ``answer`` (its epoch is not set here, and without
    ``hit`` the other fields mean nothing). ``index`` to memories of 2 clocks: ``is_live`` (as an outbound bundle),
    ``generation`` (and a clock later ``generation_was_good``), ``context``.

    Latency: ``LATENCY`` (8) clocks, one request per clock. The live bit is addressed in the clock after the request.
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
                "is_live": In(1),
                "generation": In(config.generation_bits),
                "generation_was_good": In(1),
                "context": In(config.context_width),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self._config
        is_asked = Signal(self.LATENCY)
        m.d.sync += is_asked.eq(Cat(self.do_request, is_asked[:-1]))
        m.d.comb += self.did_answer.eq(is_asked[-1])

        handle = [Signal(HANDLE_BITS, name=f"handle_{clock}", reset_less=True) for clock in range(1 + MEMORY_LATENCY)]
        is_possible = Signal(1 + MEMORY_LATENCY)
        m.d.sync += [
            handle[0].eq(self.handle),
            is_possible.eq(Cat(is_well_formed(config, self.handle), is_possible[:-1])),
            *(later.eq(earlier) for earlier, later in pairwise(handle)),
        ]
        m.d.comb += self.index.eq(index_of(config, handle[0]))

        # Compared in one clock, judged in the next, in which the generation's parity is known.
        groups = equal_groups(generation_of(config, handle[-1]), self.generation)
        is_generation = Signal(len(groups), reset_less=True)
        was_live = Signal()
        was_named = Signal(HANDLE_BITS, reset_less=True)
        context_q = Signal.like(self.context, reset_less=True)
        depth = LIVE_TO_ANSWER - MEMORY_LATENCY - 1
        answers = [Signal(self.answer.shape(), name=f"answer_{clock}", reset_less=True) for clock in range(depth)]
        m.d.sync += [
            is_generation.eq(groups),
            was_live.eq(is_possible[-1] & self.is_live),
            was_named.eq(handle[-1]),
            context_q.eq(self.context),
            answers[0].hit.eq(is_generation.all() & was_live & self.generation_was_good),
            answers[0].handle.eq(was_named),
            answers[0].direction.eq(layouts.Direction.OUTBOUND),
            answers[0].context.eq(context_q),
            *(later.eq(earlier) for earlier, later in pairwise(answers)),
        ]
        m.d.comb += self.answer.eq(answers[-1])
        return m
