"""The receive pipeline: by key."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.table.handles import to_handle

from .match import is_storable, stored_key, to_stored
from .records import context_layout, owner_layout, record_layout


class KeyLookup(wiring.Component):
    """Answers receive lookups: the live inbound bundle whose SA has the key, an exact match before a wildcard.

    Parameters: ``config``.

    Members: ``do_request`` with ``key``; ``did_answer`` with ``answer`` (its epoch is not set here, and without
    ``hit`` the other fields mean nothing). To the comparators:
    ``search`` and their four results; to the owner memory: ``exact_entry_q``/``exact_owner``,
    ``wildcard_entry_q``/``wildcard_owner``; to records and contexts: ``index``, ``record``, ``context``. ``live``.

    Latency: 6 clocks, one request per clock. The comparators judge in the 1st clock after the request, the live bit is
    read in the 4th.
    """

    LATENCY = 6

    def __init__(self, config: EngineConfig):
        self._config = config
        entry = range(config.keys)
        super().__init__(
            {
                "do_request": In(1),
                "key": In(layouts.KEY),
                "did_answer": Out(1),
                "answer": Out(layouts.lookup_answer(config)),
                "search": Out(stored_key(config)),
                "exact_found": In(1),
                "exact_entry": In(entry),
                "wildcard_found": In(1),
                "wildcard_entry": In(entry),
                "owner_addresses": Out(entry).array(2),
                "owners": In(owner_layout(config)).array(2),
                "live": In(config.bundles),
                "index": Out(range(config.bundles)),
                "record": In(record_layout(config)),
                "context": In(context_layout(config)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self._config

        is_asked = Signal(self.LATENCY)
        m.d.sync += is_asked.eq(Cat(self.do_request, is_asked[:-1]))
        # A key that this table cannot hold is searched like any other and its result dropped.
        can_match = Signal(3)
        m.d.sync += [
            self.search.eq(to_stored(config, self.key)),
            can_match.eq(Cat(self.do_request & is_storable(config, self.key), can_match[:-1])),
        ]

        # Clocks 1 and 2 belong to the comparators; clock 3 reads the owners of the two candidates.
        exact_found_q = Signal()
        wildcard_found_q = Signal()
        m.d.comb += [
            self.owner_addresses[0].eq(self.exact_entry),
            self.owner_addresses[1].eq(self.wildcard_entry),
        ]
        m.d.sync += [
            exact_found_q.eq(self.exact_found & can_match[2]),
            wildcard_found_q.eq(self.wildcard_found & can_match[2]),
        ]

        # Clock 4: a dead exact entry must not hide a live wildcard, so both live bits are read.
        exact, wildcard = self.owners
        exact_is_live = Signal()
        wildcard_is_live = Signal()
        found = Signal()
        sa_number = Signal()
        m.d.comb += [
            exact_is_live.eq(exact_found_q & self.live.bit_select(exact.index, 1)),
            wildcard_is_live.eq(wildcard_found_q & self.live.bit_select(wildcard.index, 1)),
        ]
        m.d.sync += [
            found.eq(exact_is_live | wildcard_is_live),
            self.index.eq(Mux(exact_is_live, exact.index, wildcard.index)),
            sa_number.eq(Mux(exact_is_live, exact.sa_number, wildcard.sa_number)),
        ]

        # Clock 5 reads record and context; clock 6 answers.
        found_q = Signal()
        sa_number_q = Signal()
        index_q = Signal.like(self.index)
        m.d.sync += [found_q.eq(found), sa_number_q.eq(sa_number), index_q.eq(self.index)]
        m.d.comb += self.did_answer.eq(is_asked[-1])
        m.d.comb += [
            self.answer.hit.eq(found_q),
            self.answer.handle.eq(to_handle(config, index_q, self.record.generation)),
            self.answer.sa_number.eq(sa_number_q),
            self.answer.direction.eq(layouts.Direction.INBOUND),
            self.answer.context.eq(self.context.context),
        ]
        return m
