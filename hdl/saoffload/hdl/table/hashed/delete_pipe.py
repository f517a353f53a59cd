"""The delete pipeline: one handle per clock."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import HANDLE_BITS, EngineConfig
from saoffload.hdl.table.handles import generation_of, index_of, is_well_formed

from .states import BundleState, dead_state, is_live, key_count_of
from .timing import LIVE_TO_ANSWER, LIVE_WRITE_DELAY, MEMORY_LATENCY


class DeletePipe(wiring.Component):
    """Deletes the bundle that the handle names. Answers once per request, in order.

    A handle that names nothing is not an error: ``found`` is 0. Deletes of one handle close behind each other find it
    once: what the memory does not know yet is compared here.

    Parameters: ``config``.

    Members: ``deletes``: always taken. ``delete_answers``. ``do_read`` with ``index`` to memories of 2 clocks:
    ``state``, ``generation``, ``generation_is_damaged``. ``sweep_parity``: in which sweep the dead are taken up;
    ``is_closed``: every delete finds nothing. ``do_delete``, ``delete_index``, ``delete_state``: write this;
    ``delete_key_count``. ``do_scrub`` with ``scrub_index``: no lookup uses the context of this bundle any more.

    Latency: ``LATENCY`` clocks, one request per clock.
    """

    #: Clocks from the request to the clock in which the bundle dies: register, memory, judgement, the write's register.
    REQUEST_TO_DEATH = 1 + MEMORY_LATENCY + 1 + LIVE_WRITE_DELAY
    LATENCY = REQUEST_TO_DEATH + LIVE_TO_ANSWER

    def __init__(self, config: EngineConfig):
        self._config = config
        index = range(config.bundles)
        super().__init__(
            {
                "deletes": In(stream.Signature(layouts.DELETE_REQUEST, always_ready=True)),
                "delete_answers": Out(stream.Signature(layouts.DELETE_ANSWER, always_ready=True)),
                "do_read": Out(1),
                "index": Out(index),
                "state": In(BundleState),
                "generation": In(config.generation_bits),
                "generation_is_damaged": In(1),
                "sweep_parity": In(1),
                "is_closed": In(1),
                "do_delete": Out(1),
                "delete_index": Out(index),
                "delete_state": Out(BundleState),
                "delete_key_count": Out(range(3)),
                "do_scrub": Out(1),
                "scrub_index": Out(index),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self._config
        handle = [Signal(HANDLE_BITS, name=f"handle_{clock}", reset_less=True) for clock in range(1 + MEMORY_LATENCY)]
        is_possible = Signal(1 + MEMORY_LATENCY)
        is_well = self.deletes.valid & is_well_formed(config, self.deletes.payload.handle)
        m.d.sync += [
            handle[0].eq(self.deletes.payload.handle),
            is_possible.eq(Cat(is_well, is_possible[:-1])),
            *(later.eq(earlier) for earlier, later in pairwise(handle)),
        ]
        m.d.comb += [self.do_read.eq(is_possible[0]), self.index.eq(index_of(config, handle[0]))]

        # Judged when the memories have answered.
        is_named = Signal()
        index = Signal(range(config.bundles), reset_less=True)
        key_count = Signal(range(3), reset_less=True)
        is_generation = generation_of(config, handle[-1]) == self.generation
        m.d.sync += [
            is_named.eq(is_possible[-1] & is_live(self.state) & is_generation & ~self.generation_is_damaged),
            index.eq(index_of(config, handle[-1])),
            key_count.eq(key_count_of(self.state)),
        ]

        # A delete that read the state before an earlier one had written it. The write is registered once before it
        # reaches the memory, and a read in its very clock sees no live bundle.
        blind = MEMORY_LATENCY + LIVE_WRITE_DELAY
        recent = [Signal(range(config.bundles), name=f"recent_{age}", reset_less=True) for age in range(blind)]
        is_recent = Signal(blind)
        is_double = Cat(is_recent[age] & (recent[age] == index) for age in range(blind)).any()
        found = Signal()
        m.d.comb += [
            found.eq(is_named & ~is_double & ~self.is_closed),
            self.do_delete.eq(found),
            self.delete_index.eq(index),
            self.delete_state.eq(dead_state(self.sweep_parity)),
            self.delete_key_count.eq(Mux(found, key_count, 0)),
        ]
        m.d.sync += [
            is_recent.eq(Cat(found, is_recent[:-1])),
            *(later.eq(earlier) for earlier, later in zip([index, *recent], recent, strict=False)),
        ]

        judged = self.REQUEST_TO_DEATH - LIVE_WRITE_DELAY
        is_asked = Signal(self.LATENCY)
        late_found = Signal(self.LATENCY - judged)
        m.d.sync += [
            is_asked.eq(Cat(self.deletes.valid, is_asked[:-1])),
            late_found.eq(Cat(found, late_found[:-1])),
        ]
        m.d.comb += [
            self.delete_answers.valid.eq(is_asked[-1]),
            self.delete_answers.payload.found.eq(late_found[-1]),
        ]
        # Lookups that saw the bundle alive have addressed its context before their answers come.
        late_index = [Signal.like(index, name=f"late_index_{clock}") for clock in range(len(late_found))]
        m.d.sync += [later.eq(earlier) for earlier, later in zip([index, *late_index], late_index, strict=False)]
        m.d.comb += [self.do_scrub.eq(late_found[-1]), self.scrub_index.eq(late_index[-1])]
        return m
