"""The delete pipeline: one handle per clock."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import HANDLE_BITS, EngineConfig
from saoffload.hdl.local_copy import local_copy
from saoffload.hdl.table.handles import generation_of, index_of, is_in_range

from .states import BundleState, dead_state, is_live, key_count_of
from .timing import DELETE_WRITE_DELAY, LIVE_TO_ANSWER, MEMORY_LATENCY, WORD_LATENCY
from .trees import JOINED_BITS, equal_groups


class DeletePipe(wiring.Component):
    """Deletes the bundle that the handle names. Answers once per request, in order.

    A handle that names nothing is not an error: ``found`` is 0. Deletes of one handle close behind each other find it
    once: what the memory does not know yet is compared here.

    Parameters: ``config``.

    Members: ``deletes``: always taken. ``delete_answers``. ``do_read`` with ``generation_index`` to a memory of
    ``WORD_LATENCY`` clocks: ``generation``, and a clock later ``generation_was_good``. ``state_index`` to one of
    ``MEMORY_LATENCY``: ``state``, in the clock of the generation. ``sweep_parity``: in which sweep the dead are taken
    up; ``is_closed``: every delete finds nothing. ``do_delete``, ``delete_index``, ``delete_state``: write this;
    ``delete_key_count``. ``do_scrub`` with ``scrub_index``: no lookup uses the context of this bundle any more.

    Latency: ``LATENCY`` clocks, one request per clock.
    """

    #: Clocks from the request to that in which its words are there: register, memory.
    REQUEST_TO_WORDS = 1 + WORD_LATENCY
    #: Clocks from there to the verdict: the words are compared, and judged together.
    WORDS_TO_VERDICT = 2
    #: Clocks from the request to the clock in which the bundle dies.
    REQUEST_TO_DEATH = REQUEST_TO_WORDS + WORDS_TO_VERDICT + DELETE_WRITE_DELAY
    LATENCY = REQUEST_TO_DEATH + LIVE_TO_ANSWER

    def __init__(self, config: EngineConfig):
        self._config = config
        index = range(config.bundles)
        super().__init__(
            {
                "deletes": In(stream.Signature(layouts.DELETE_REQUEST, always_ready=True)),
                "delete_answers": Out(stream.Signature(layouts.DELETE_ANSWER, always_ready=True)),
                "do_read": Out(1),
                "generation_index": Out(index),
                "generation": In(config.generation_bits),
                "generation_was_good": In(1),
                "state_index": Out(index),
                "state": In(BundleState),
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
        verdict = self.REQUEST_TO_WORDS + self.WORDS_TO_VERDICT

        # handles[n] and is_possible[n]: those of the request of n + 1 clocks ago; the first of the latter is a guess.
        handles = [Signal(HANDLE_BITS, name=f"handle_{clock + 1}", reset_less=True) for clock in range(verdict - 2)]
        indices = [
            Signal(range(config.bundles), name=f"index_{clock + 1}", reset_less=True) for clock in range(self.LATENCY)
        ]
        is_possible = Signal(verdict - 1)
        is_asked = Signal(self.LATENCY)
        # The upper half of a handle is looked at in two clocks; its words are read meanwhile, whatever it is.
        handle = self.deletes.payload.handle
        lows = range(HANDLE_BITS, len(handle), JOINED_BITS)
        is_set = Signal(len(lows), reset_less=True)
        will_read = self.deletes.valid & is_in_range(config, handle)
        names_handle = is_possible[0] & handles[0][HANDLE_BITS - 1] & ~is_set.any()
        m.d.sync += [
            is_set.eq(Cat(handle[low : low + JOINED_BITS].any() for low in lows)),
            handles[0].eq(handle),
            *(later.eq(earlier) for earlier, later in pairwise(handles)),
            indices[0].eq(index_of(config, handle)),
            *(later.eq(earlier) for earlier, later in pairwise(indices)),
            is_possible.eq(Cat(will_read, names_handle, is_possible[1:-1])),
            is_asked.eq(Cat(self.deletes.valid, is_asked[:-1])),
        ]
        m.d.comb += [
            # Whoever shares the memory waits for it, far from where the handles go on.
            self.do_read.eq(local_copy(m, "read", will_read)),
            self.generation_index.eq(indices[0]),
            self.state_index.eq(indices[self.REQUEST_TO_WORDS - MEMORY_LATENCY - 1]),
        ]

        # The words are compared in one clock and judged in the next, in which the generation's parity is known.
        groups = equal_groups(generation_of(config, handles[-1]), self.generation)
        is_generation = Signal(len(groups), reset_less=True)
        was_live = Signal(reset_less=True)
        key_count = [Signal(range(3), name=f"key_count_{clock}", reset_less=True) for clock in range(2)]
        is_named = Signal()
        m.d.sync += [
            is_generation.eq(groups),
            was_live.eq(is_live(self.state)),
            key_count[0].eq(key_count_of(self.state)),
            key_count[1].eq(key_count[0]),
            is_named.eq(is_possible[-1] & is_generation.all() & was_live & self.generation_was_good),
        ]

        # A delete that read the state before an earlier one had written it. A read in the very clock of the write sees
        # no live bundle. Which of the earlier ones are of the same index is compared a clock ahead.
        blind = MEMORY_LATENCY + self.WORDS_TO_VERDICT + DELETE_WRITE_DELAY - 1
        is_same = Signal(blind, reset_less=True)
        is_recent = Signal(blind)
        found = Signal()
        judged = indices[verdict - 1]
        m.d.comb += [
            found.eq(is_named & ~(is_recent & is_same).any() & ~self.is_closed),
            self.do_delete.eq(found),
            self.delete_index.eq(judged),
            self.delete_state.eq(dead_state(self.sweep_parity)),
            self.delete_key_count.eq(key_count[1]),
        ]
        m.d.sync += [
            is_same.eq(Cat(indices[verdict - 2] == indices[verdict - 1 + age] for age in range(blind))),
            is_recent.eq(Cat(found, is_recent[:-1])),
        ]

        # Lookups that saw the bundle alive have addressed its context before the delete is answered.
        late_found = Signal(self.LATENCY - verdict)
        m.d.sync += late_found.eq(Cat(found, late_found[:-1]))
        m.d.comb += [
            self.delete_answers.valid.eq(is_asked[-1]),
            self.delete_answers.payload.found.eq(late_found[-1]),
            self.do_scrub.eq(late_found[-1]),
            self.scrub_index.eq(indices[-1]),
        ]
        return m
