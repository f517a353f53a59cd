"""Fills a table, deletes half of it and flushes the rest, with lookups of both kinds in every clock."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import AddResult
from saoffload.hdl.table.choice import sa_table
from saoffload.hdl.table.hashed.mover import Mover

from .fill_events import AddRecord, EventCounts, Events
from .fill_lookups import CheckedLookups
from .fill_plan import FillPlan

DRAIN_CLOCKS = 128
"""Clocks after the last lookup in which all of them are answered."""
LONGEST_MOVE = 2 * Mover.CLOCKS_PER_MOVE
"""Two moves that lie further apart than this belong to two adds: chains are slower to begin than to go on."""


class FillHarness(wiring.Component):
    """Adds the bundles of a ``FillPlan`` back to back up to the first that is refused, deletes every second one, one
    per clock, and flushes the rest. In every clock of adds and deletes a random key and a random handle are looked up,
    and each answer is judged, to the clock.

    Parameters: ``config``.

    Members: ``load``, ``load_number``, ``load_key``: give the keys before ``do_start``, at any time after the reset.
    ``seed`` of the table and of the lookups. ``is_done``; ``added``: adds that were answered, a refused one included.
    ``key_latency``, ``handle_latency``. ``counts``: see ``EventCounts``. ``record``: see ``AddRecord``.

    Latency: the first add comes as many clocks after the reset as there are adds, if the table is ready by then.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        self._plan = FillPlan(config)
        super().__init__(
            {
                "load": In(1),
                "load_number": In(range(self._plan.keys)),
                "load_key": In(layouts.KEY.size),
                "seed": In(layouts.SEED_BITS),
                "do_start": In(1),
                "is_done": Out(1),
                "added": Out(range(self._plan.adds + 1)),
                "key_latency": Out(8),
                "handle_latency": Out(8),
                "counts": Out(EventCounts(self._plan)),
                "record": Out(AddRecord(self._plan)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        plan = self._plan
        m.submodules.table = table = sa_table(self._config)
        m.submodules.keys = keys = Memory(shape=layouts.KEY.size, depth=plan.keys, init=[])
        m.submodules.handles = handles = Memory(shape=32, depth=plan.adds, init=[])
        m.submodules.alive = alive = Memory(shape=1, depth=plan.adds, init=[])
        m.submodules.lookups = lookups = CheckedLookups(self._config, plan)
        m.submodules.events = events = Events(plan)
        connect(m, events.counts, flipped(self.counts))
        connect(m, events.record, flipped(self.record))

        write_key = keys.write_port()
        m.d.comb += [
            write_key.en.eq(self.load),
            write_key.addr.eq(self.load_number),
            write_key.data.eq(self.load_key),
            table.seed.eq(self.seed),
            lookups.seed.eq(self.seed),
        ]
        number = self.added
        is_offered = Signal()
        self._offer_add(m, table, keys, number, is_offered)
        result = table.add_answers.payload.result
        is_answered = table.add_answers.valid & is_offered
        is_added = is_answered & (result == AddResult.OK)

        # Every second bundle is deleted; answers come in the order of requests.
        victim = Signal(range(plan.adds + 2), init=1)
        buried = Signal(range(plan.adds + 2), init=1)
        is_deleting = Signal()
        is_deleted = table.delete_answers.valid
        victim_handle = handles.read_port(domain="comb")
        m.d.comb += [
            victim_handle.addr.eq(victim),
            table.deletes.valid.eq(is_deleting),
            table.deletes.payload.handle.eq(victim_handle.data),
        ]
        m.d.sync += [victim.eq(victim + Mux(is_deleting, 2, 0)), buried.eq(buried + Mux(is_deleted, 2, 0))]

        # What lives, as the answers have told so far.
        write_handle, write_alive = handles.write_port(), alive.write_port()
        position = Signal(range(plan.adds))
        is_clearing = Signal(init=1)
        living = Signal(range(plan.adds + 1))
        m.d.sync += living.eq(living + is_added - is_deleted)
        m.d.comb += [
            write_handle.en.eq(is_clearing | is_added),
            write_handle.addr.eq(Mux(is_clearing, position, number)),
            write_handle.data.eq(Mux(is_clearing, 0, table.add_answers.payload.handle)),
            write_alive.en.eq(is_clearing | is_added | is_deleted),
            write_alive.addr.eq(Mux(is_clearing, position, Mux(is_added, number, buried))),
            write_alive.data.eq(is_added & ~is_clearing),
            lookups.is_adding.eq(is_offered & ~is_answered),
            lookups.adding.eq(number),
            lookups.does_appear.eq(is_added),
            lookups.does_vanish.eq(is_deleted),
            lookups.vanishing.eq(buried),
        ]
        self._ask(m, table, lookups, keys, handles, alive)

        pause = Signal(range(DRAIN_CLOCKS + 1))
        flush_is_taken = Signal()
        m.d.comb += table.add_answers.ready.eq(1)
        with m.FSM():
            with m.State("CLEAR"):
                with m.If(position != plan.adds - 1):
                    m.d.sync += position.eq(position + 1)
                with m.Else():
                    m.d.sync += is_clearing.eq(0)
                    m.next = "WAIT"
            with m.State("WAIT"), m.If(self.do_start & table.is_ready):
                m.next = "END_RESTORE"
            with m.State("END_RESTORE"):
                m.d.comb += table.end_restores.valid.eq(1)
                with m.If(table.end_restores.ready):
                    m.d.sync += is_offered.eq(1)
                    m.next = "ADD"
            with m.State("ADD"):
                m.d.comb += lookups.does_ask.eq(1)
                with m.If(is_answered & (~is_added | (number == plan.adds - 1))):
                    m.d.sync += is_offered.eq(0)
                    m.next = "DELETE"
            # The last add was refused: below it all are to be deleted.
            with m.State("DELETE"):
                m.d.comb += [lookups.does_ask.eq(1), is_deleting.eq(victim + 1 < number)]
                m.d.sync += pause.eq(DRAIN_CLOCKS)
                with m.If(buried + 1 >= number):
                    m.next = "DRAIN"
            with m.State("DRAIN"):
                m.d.sync += pause.eq(pause - 1)
                with m.If(pause == 0):
                    m.next = "FLUSH"
            with m.State("FLUSH"):
                m.d.comb += [table.flushes.valid.eq(~flush_is_taken), events.is_flushing.eq(1)]
                with m.If(table.flushes.ready):
                    m.d.sync += flush_is_taken.eq(1)
                with m.If(table.flush_answers.valid):
                    m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.is_done.eq(1)

        since_move = Signal(range(LONGEST_MOVE + 1))
        m.d.sync += since_move.eq(Mux(table.moved, 0, since_move + (since_move != LONGEST_MOVE)))
        m.d.comb += [
            events.number.eq(Mux(is_clearing, position, number)),
            events.is_clearing.eq(is_clearing),
            events.is_offered.eq(is_offered),
            events.did_add.eq(is_answered),
            events.result.eq(result),
            events.did_move.eq(table.moved),
            events.is_new_chain.eq(since_move == LONGEST_MOVE),
            events.does_ask.eq(lookups.does_ask),
            events.did_ask.eq(lookups.did_ask),
            events.did_hit.eq(lookups.did_hit),
            events.do_delete.eq(is_deleting),
            events.did_delete.eq(is_deleted),
            events.errors[:2].eq(lookups.is_wrong),
            events.errors[2].eq(is_deleted & ~table.delete_answers.payload.found),
            events.errors[3].eq(table.flush_answers.valid & (table.flush_answers.payload.deleted != living)),
            events.errors[4].eq(lookups.latency_changed.any()),
            events.wrong_number.eq(Mux(lookups.is_wrong[0], lookups.key.owner, lookups.handle.owner)),
            self.key_latency.eq(lookups.latency[0]),
            self.handle_latency.eq(lookups.latency[1]),
        ]
        return m

    def _offer_add(self, m: Module, table: wiring.Component, keys: Memory, number: Value, is_offered: Value) -> None:
        """The bundle of this number until it is taken, and the next one in the clock after its answer."""
        plan = self._plan
        is_outbound = number < plan.outbound
        is_pair = ~is_outbound & (number < plan.outbound + plan.pairs)
        first = Signal(range(plan.keys))
        was_taken = Signal()
        request = table.adds.payload
        m.d.comb += [
            table.adds.valid.eq(is_offered & ~was_taken),
            first.eq(Mux(is_pair, (number - plan.outbound) << 1, number + plan.pairs - plan.outbound)),
            request.direction.eq(Mux(is_outbound, layouts.Direction.OUTBOUND, layouts.Direction.INBOUND)),
            request.sa_count.eq(Mux(is_pair, 2, 1)),
        ]
        for place, key in enumerate((first, first | 1)):
            read = keys.read_port(domain="comb")
            m.d.comb += [read.addr.eq(key), Value.cast(request.keys[place]).eq(read.data)]
        with m.If(is_offered & table.add_answers.valid):
            m.d.sync += [was_taken.eq(0), number.eq(number + 1)]
        with m.Elif(table.adds.valid & table.adds.ready):
            m.d.sync += was_taken.eq(1)

    @staticmethod
    def _ask(
        m: Module, table: wiring.Component, lookups: CheckedLookups, keys: Memory, handles: Memory, alive: Memory
    ) -> None:
        """Lookups between the table and the books."""
        key = keys.read_port(domain="comb")
        m.d.comb += [key.addr.eq(lookups.key_number), lookups.key_bits.eq(key.data)]
        owners = (lookups.handle_number, lookups.key.owner, lookups.handle.owner)
        states = (
            (lookups.asked_handle, lookups.asked_is_alive),
            (lookups.key.handle, lookups.key.is_alive),
            (lookups.handle.handle, lookups.handle.is_alive),
        )
        for owner, (handle, is_alive) in zip(owners, states, strict=True):
            handle_read, alive_read = handles.read_port(domain="comb"), alive.read_port(domain="comb")
            m.d.comb += [
                handle_read.addr.eq(owner),
                alive_read.addr.eq(owner),
                handle.eq(handle_read.data),
                is_alive.eq(alive_read.data),
            ]
        for name in ("key", "handle"):
            kind = getattr(lookups, name)
            connect(m, kind.requests, getattr(table, f"{name}_requests"))
            connect(m, getattr(table, f"{name}_answers"), kind.answers)
            connect(m, kind.retires, getattr(table, f"{name}_retires"))
