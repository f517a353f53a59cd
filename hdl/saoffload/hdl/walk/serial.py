"""One list at a time, one node after the other: windows, fetch and list logic, wired together."""

from amaranth.hdl import Module
from amaranth.lib.wiring import connect, flipped

from .fetch import SerialFetch
from .signature import WalkComponent
from .walker import Walker
from .windows import WindowTable


class SerialWalk(WalkComponent):
    """What :class:`.WalkSignature` promises, for one command at a time, in the smallest space.

    The promises are those of :class:`.Walker`, :class:`.SerialFetch` and :class:`.WindowTable`; this only wires them.

    Parameters
    ----------
    config : :class:`EngineConfig`

    One list at a time. At L clocks from ``AR`` to the first beat, and a beat per clock, an x64 node takes L+3 clocks,
    an x86 node L+2 at a multiple of 8 and L+3 elsewhere. With ``asks_early`` an x64 node takes L+2 clocks and an x86
    node at a multiple of 8 L+1; then ARVALID is combinational from RVALID, RLAST and RRESP. A node across 4 KB of bus
    address waits for memory twice.
    """

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.windows = windows = WindowTable(self._config)
        m.submodules.fetch = fetch = SerialFetch(self._config)
        m.submodules.walker = walker = Walker(self._config)

        connect(m, walker.check, windows.check)
        connect(m, walker.node_requests, fetch.requests)
        connect(m, fetch.nodes, walker.nodes)
        m.d.comb += [fetch.is_cancelled.eq(walker.is_aborted), walker.next_ahead.eq(fetch.next_ahead)]

        connect(m, flipped(self.commands), walker.commands)
        connect(m, walker.results, flipped(self.results))
        connect(m, walker.deletes, flipped(self.deletes))
        connect(m, flipped(self.delete_answers), walker.delete_answers)
        connect(m, flipped(self.window_writes), windows.writes)
        connect(m, windows.write_answers, flipped(self.window_write_answers))
        connect(m, fetch.reads, flipped(self.reads))
        connect(m, flipped(self.beats), fetch.beats)
        connect(m, fetch.abandons, flipped(self.abandons))

        m.d.comb += [
            walker.command_is_aborted.eq(self.command_is_aborted),
            walker.do_abort.eq(self.do_abort),
            walker.abort_tag.eq(self.abort_tag),
            walker.abort_is_all.eq(self.abort_is_all),
            self.abort_matches.eq(walker.abort_matches),
            self.is_active.eq(walker.is_active),
            self.visited_handle.eq(walker.deletes.payload.handle),
            windows.is_locked.eq(self.window_is_locked | walker.is_active | self.busy_ids.any()),
            fetch.busy_ids.eq(self.busy_ids),
            fetch.timeout.eq(self.timeout),
        ]
        # The handle of a visit is handed over one clock after it, so all else waits as long.
        m.d.sync += [
            self.abort_is_done.eq(self.do_abort),
            self.visited_node.eq(walker.visited_node),
            self.visited_address.eq(walker.visited_address),
        ]
        return m
