"""The sweep: looks at every stored key again and again, and clears those whose bundle is dead."""

from itertools import pairwise
from math import ceil

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig

from .entry import owner_layout, sizes_of
from .states import is_live
from .states_port import StateQuestion
from .timing import STATE_LATENCY
from .way import Way


def steps_of(config: EngineConfig) -> int:
    """Steps of a pass."""
    sizes = sizes_of(config)
    return max(sizes.way_depth, sizes.overflow, sizes.wildcards)


class SweptKeys(wiring.Signature):
    """How the sweep reaches what is stored, seen from the sweep: in each way row ``position``, the overflow's place and
    the wildcard of that number. These are the candidates, in this order.

    ``is_stepping``: a step is under way. ``reads_row``: from the next clock on the ways shall read row ``position``.
    What the candidates hold: ``is_used`` and ``owners``; ``is_damaged``: per way. ``do_clear``: one bit per candidate.
    """

    def __init__(self, config: EngineConfig):
        ways = sizes_of(config).ways
        super().__init__(
            {
                "is_stepping": Out(1),
                "position": Out(range(steps_of(config))),
                "reads_row": Out(1),
                "is_used": In(ways + 2),
                "owners": In(owner_layout(config)).array(ways + 2),
                "is_damaged": In(ways),
                "do_clear": Out(ways + 2),
            }
        )


class Sweep(wiring.Component):
    """Each step looks at one row of all ways, one overflow place and one wildcard together, and clears what is dead or
    damaged. A pass is as many steps as it takes to see all of them. Beside that each step has some indices *audited*:
    all that is stored of them is read, so that flipped bits are found; a pass audits every index.

    It must not run while a key is on the move, nor while a bundle is being added: that one looks dead.

    Parameters: ``config``.

    Members: ``do_step``; ``is_idle``; ``pass_is_done``: strobe, this step was the last of a pass. ``do_restart``: the
    next step begins a pass. ``keys``: see ``SweptKeys``; ``question``: to the live store. ``row_is_cleared``: strobe.
    ``place_is_stuck``: strobe in the next clock; the place holds a key that lives. ``was_damaged``: strobe, a row with
    wrong parity was found (and cleared). ``do_audit`` with ``audit_index``, held until ``audit_is_taken``.

    Latency: a step takes a clock per candidate and index, and ``20`` more.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        sizes = sizes_of(config)
        self._candidates = sizes.ways + 2
        self._steps = steps_of(config)
        self._audits_per_step = ceil(config.bundles / self._steps)
        super().__init__(
            {
                "do_step": In(1),
                "do_restart": In(1),
                "is_idle": Out(1, init=1),
                "pass_is_done": Out(1),
                "keys": Out(SweptKeys(config)),
                "question": Out(StateQuestion(config)),
                "row_is_cleared": Out(1),
                "was_damaged": Out(1),
                "place_is_stuck": Out(1),
                "do_audit": Out(1),
                "audit_index": Out(range(config.bundles)),
                "audit_is_taken": In(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        keys, question = self.keys, self.question
        sizes = sizes_of(self._config)
        count = self._candidates
        cursor = Signal(range(count + 1))
        number = Signal(range(count))
        has_number = Signal()
        is_stuck = Signal()
        # Set as their states are entered: what hangs on them is wide.
        is_reading = Signal()
        is_checking = Signal()
        pause = Signal(range(Way.READ_LATENCY + 2))
        # Places and wildcards are fewer than the steps: beyond them there is nothing.
        is_used = Signal(count)
        is_there = Cat([1] * sizes.ways, keys.position < sizes.overflow, keys.position < sizes.wildcards)
        is_last = Signal()
        is_damaged = Signal(sizes.ways)
        # What the candidates hold is taken while they are read, and then shifted: the first is the one at the cursor.
        owners = [Signal.like(owner.index, name=f"owner_{number}") for number, owner in enumerate(keys.owners)]
        waits = Signal(count)
        does_shift = Signal()
        m.d.comb += does_shift.eq(is_checking & (~has_number | question.is_taken))
        m.d.sync += [is_last.eq(keys.position == self._steps - 1), is_used.eq(keys.is_used & is_there)]
        is_at_end = cursor == count
        with m.If(does_shift):
            # One candidate after the other comes into a register, from where its owner is asked for.
            m.d.sync += [question.index.eq(owners[0]), number.eq(cursor), has_number.eq(waits[0])]
            with m.If(~is_at_end):
                m.d.sync += cursor.eq(cursor + 1)
            m.d.sync += [waits.eq(waits >> 1), *(first.eq(second) for first, second in pairwise(owners))]
        with m.Elif(is_reading):
            m.d.sync += [
                waits.eq(keys.is_used & is_there),
                *(near.eq(owner.index) for near, owner in zip(owners, keys.owners, strict=True)),
            ]

        # What many hang on comes from registers.
        m.d.sync += [keys.do_clear.eq(0), self.place_is_stuck.eq(0), self.pass_is_done.eq(0)]
        m.d.comb += self.row_is_cleared.eq(keys.do_clear[: sizes.ways].any())

        # The answer is registered before it is judged.
        asked = [Signal(range(count), name=f"asked_{clock}") for clock in range(STATE_LATENCY + 1)]
        is_asked = Signal(STATE_LATENCY + 1)
        was_dead = Signal()
        dead = Signal(count)
        is_over = Signal()
        m.d.comb += [question.do.eq(has_number), keys.is_stepping.eq(~self.is_idle)]
        m.d.sync += [
            asked[0].eq(number),
            *(later.eq(earlier) for earlier, later in pairwise(asked)),
            is_asked.eq(Cat(question.do & question.is_taken, is_asked[:-1])),
            was_dead.eq(~is_live(question.state.as_value())),
            is_over.eq(is_at_end & ~has_number & ~is_asked.any()),
        ]
        with m.If(is_asked[-1] & was_dead):
            m.d.sync += dead.eq(dead | (1 << asked[-1]))

        audits_left = Signal(range(self._audits_per_step + 1))
        is_last_index = Signal(init=self._config.bundles == 1)
        with m.If(self.do_audit & self.audit_is_taken):
            m.d.sync += [
                audits_left.eq(audits_left - 1),
                self.do_audit.eq(audits_left != 1),
                self.audit_index.eq(Mux(is_last_index, 0, self.audit_index + 1)),
                is_last_index.eq(self.audit_index == self._config.bundles - 2),
            ]

        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += audits_left.eq(self._audits_per_step)
                m.d.sync += [pause.eq(Way.READ_LATENCY + 1), cursor.eq(0), dead.eq(0)]
                with m.If(self.do_restart):
                    m.d.sync += keys.position.eq(0)
                with m.If(self.do_step):
                    m.d.sync += [self.is_idle.eq(0), is_reading.eq(1)]
                    m.next = "READ"
            with m.State("READ"):
                m.d.comb += keys.reads_row.eq(1)
                m.d.sync += pause.eq(pause - 1)
                with m.If(pause == 0):
                    m.d.sync += [is_reading.eq(0), is_checking.eq(1)]
                    m.next = "CHECK"
            with m.State("CHECK"):
                m.d.comb += keys.reads_row.eq(1)
                with m.If(is_over):
                    m.d.sync += [is_checking.eq(0), self.do_audit.eq(1)]
                    m.next = "AUDIT"
            with m.State("AUDIT"):
                m.d.comb += keys.reads_row.eq(1)
                with m.If(~self.do_audit):
                    m.next = "CLEAR"
            with m.State("CLEAR"):
                m.d.comb += keys.reads_row.eq(1)
                m.d.sync += [
                    is_damaged.eq(keys.is_damaged),
                    keys.do_clear.eq(dead | keys.is_damaged),
                    is_stuck.eq(is_used[sizes.ways] & ~dead[sizes.ways]),
                ]
                m.next = "CLEARED"
            with m.State("CLEARED"):
                m.d.comb += self.was_damaged.eq(is_damaged.any())
                m.d.sync += [self.place_is_stuck.eq(is_stuck), self.pass_is_done.eq(is_last)]
                m.next = "ADVANCE"
            with m.State("ADVANCE"):
                with m.If(is_last):
                    m.d.sync += keys.position.eq(0)
                with m.Else():
                    m.d.sync += keys.position.eq(keys.position + 1)
                m.d.sync += self.is_idle.eq(1)
                m.next = "IDLE"
        return m
