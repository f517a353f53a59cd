"""Counts what happens while a table is filled and emptied, add by add."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from saoffload.hdl.layouts import AddResult

from .fill_plan import FillPlan

CLOCK_BITS = 32
COUNT_BITS = 24
ERRORS = 5
"""Kinds of errors: key lookup, handle lookup, delete, flush, latency."""


class EventCounts(wiring.Signature):
    """What was counted, seen from who counts.

    ``lookup_clocks``: in which lookups were to be asked; ``..._requests``, ``..._hits``: of each kind in them.
    ``delete_count``, ``delete_clocks``: answers, and clocks from the first of them to the last; ``delete_latency``: of
    the first. ``flush_clocks``: from offer to answer. ``error_count``; ``error_kinds``, ``error_number`` and
    ``error_clock`` of the first.
    """

    def __init__(self, plan: FillPlan):
        clocks, count = Out(CLOCK_BITS), Out(COUNT_BITS)
        super().__init__(
            {
                "lookup_clocks": clocks,
                "key_requests": clocks,
                "handle_requests": clocks,
                "key_hits": clocks,
                "handle_hits": clocks,
                "delete_count": count,
                "delete_clocks": count,
                "delete_latency": count,
                "flush_clocks": count,
                "error_count": count,
                "error_kinds": Out(ERRORS),
                "error_number": Out(range(plan.adds)),
                "error_clock": clocks,
            }
        )


class AddRecord(wiring.Signature):
    """What is known of one add, seen from who keeps it: ``clocks`` from the answer before to its own, ``moves``,
    ``result``. Of add ``number``, in the same clock.
    """

    def __init__(self, plan: FillPlan):
        super().__init__(
            {
                "number": In(range(plan.adds)),
                "clocks": Out(COUNT_BITS),
                "moves": Out(COUNT_BITS),
                "result": Out(AddResult),
            }
        )


class Events(wiring.Component):
    """Counts strobes, and keeps a record of every add.

    A chain of moves belongs to the add that was on offer when it began; it may end during the next one.

    Parameters: ``plan``.

    Members: ``number``: the add on offer while ``is_offered``; ``did_add`` with ``result``. ``did_move``, and
    ``is_new_chain`` with it. ``does_ask``, ``did_ask``, ``did_hit``: lookups. ``do_delete``, ``did_delete``.
    ``is_flushing``. ``errors`` with ``wrong_number``. ``is_clearing``: the record of ``number`` is made empty.
    ``counts``, ``record``.
    """

    def __init__(self, plan: FillPlan):
        self._plan = plan
        super().__init__(
            {
                "number": In(range(plan.adds)),
                "is_offered": In(1),
                "did_add": In(1),
                "result": In(AddResult),
                "did_move": In(1),
                "is_new_chain": In(1),
                "does_ask": In(1),
                "did_ask": In(2),
                "did_hit": In(2),
                "do_delete": In(1),
                "did_delete": In(1),
                "is_flushing": In(1),
                "errors": In(ERRORS),
                "wrong_number": In(range(plan.adds)),
                "is_clearing": In(1),
                "counts": Out(EventCounts(plan)),
                "record": Out(AddRecord(plan)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        counts = self.counts
        clock = Signal(CLOCK_BITS)
        m.d.sync += [
            clock.eq(clock + 1),
            counts.lookup_clocks.eq(counts.lookup_clocks + self.does_ask),
            counts.key_requests.eq(counts.key_requests + self.did_ask[0]),
            counts.handle_requests.eq(counts.handle_requests + self.did_ask[1]),
            counts.key_hits.eq(counts.key_hits + self.did_hit[0]),
            counts.handle_hits.eq(counts.handle_hits + self.did_hit[1]),
            counts.delete_count.eq(counts.delete_count + self.did_delete),
            counts.flush_clocks.eq(counts.flush_clocks + self.is_flushing),
            counts.error_count.eq(counts.error_count + self.errors.any()),
        ]
        with m.If((counts.error_count == 0) & self.errors.any()):
            m.d.sync += [
                counts.error_kinds.eq(self.errors),
                counts.error_number.eq(self.wrong_number),
                counts.error_clock.eq(clock),
            ]

        was_asked = Signal()
        since_first_answer = Signal(COUNT_BITS)
        with m.If(self.do_delete):
            m.d.sync += was_asked.eq(1)
        with m.If((was_asked | self.do_delete) & (counts.delete_count == 0) & ~self.did_delete):
            m.d.sync += counts.delete_latency.eq(counts.delete_latency + 1)
        with m.If((counts.delete_count != 0) | self.did_delete):
            m.d.sync += since_first_answer.eq(since_first_answer + 1)
            with m.If(self.did_delete):
                m.d.sync += counts.delete_clocks.eq(since_first_answer + 1)
        self._keep_records(m)
        return m

    def _keep_records(self, m: Module) -> None:
        plan = self._plan
        m.submodules.adds = adds = Memory(shape=COUNT_BITS + 4, depth=plan.adds, init=[])
        m.submodules.chains = chains = Memory(shape=COUNT_BITS, depth=plan.adds, init=[])
        add_write, add_read = adds.write_port(), adds.read_port(domain="comb")
        chain_write, chain_read = chains.write_port(), chains.read_port(domain="comb")
        clocks = Signal(COUNT_BITS)
        with m.If(self.did_add):
            m.d.sync += clocks.eq(0)
        with m.Elif(self.is_offered):
            m.d.sync += clocks.eq(clocks + 1)
        mover = Signal(range(plan.adds))
        moves = Signal(COUNT_BITS)
        chain = Mux(self.is_new_chain, self.number, mover)
        length = Mux(self.is_new_chain, 1, moves + 1)
        with m.If(self.did_move):
            m.d.sync += [mover.eq(chain), moves.eq(length)]
        m.d.comb += [
            add_write.en.eq(self.did_add),
            add_write.addr.eq(self.number),
            add_write.data.eq((clocks + 1)[:COUNT_BITS] | self.result.as_value() << COUNT_BITS),
            chain_write.en.eq(self.did_move | self.is_clearing),
            chain_write.addr.eq(Mux(self.is_clearing, self.number, chain)),
            chain_write.data.eq(Mux(self.is_clearing, 0, length)),
            add_read.addr.eq(self.record.number),
            chain_read.addr.eq(self.record.number),
            self.record.clocks.eq(add_read.data[:COUNT_BITS]),
            self.record.result.eq(add_read.data[COUNT_BITS:]),
            self.record.moves.eq(chain_read.data),
        ]
