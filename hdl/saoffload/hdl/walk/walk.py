"""Walks of lists in host memory: windows, fetch and list logic, wired together."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import LIST_ADDRESS_BITS, TAG_BITS

from .fetch import SerialFetch
from .timer import TIMEOUT_BITS
from .walker import Walker
from .windows import WindowTable


class Walk(wiring.Component):
    """Takes commands, reads their lists inside the windows, hands over each handle to be deleted, and reports results.

    The promises are those of :class:`.Walker`, :class:`.SerialFetch` and :class:`.WindowTable`; this only wires them.

    Parameters
    ----------
    config : :class:`EngineConfig`

    Members
    -------
    commands, command_is_aborted, do_abort, abort_tag, abort_matches, results, deletes, delete_answers,
    visited_node, visited_address :
        See :class:`.Walker`.
    is_active : ``Out(1)``
        From the clock after a command was taken to the clock in which its result is.
    window_writes, window_write_answers : streams of ``layouts.window_write`` and ``layouts.WINDOW_ANSWER``
        See :class:`.WindowTable`.
    window_is_locked : ``In(1)``
        Refuse window writes. They are refused without it too while ``is_active`` or a bit of ``busy_ids`` is 1.
    reads, beats, abandons, busy_ids, timeout :
        See :class:`.SerialFetch`; the other side is a :class:`~saoffload.hdl.bus.read_master.ReadMaster`.

    One list at a time. At L clocks from ``AR`` to the first beat, and a beat per clock, an x64 node takes L+3 clocks,
    an x86 node L+2 at a multiple of 8 and L+3 elsewhere; one across 4 KB of bus address waits for memory twice.
    """

    commands: stream.Interface
    command_is_aborted: Signal
    do_abort: Signal
    abort_tag: Signal
    abort_matches: Signal
    results: stream.Interface
    deletes: stream.Interface
    delete_answers: stream.Interface
    window_writes: stream.Interface
    window_write_answers: stream.Interface
    window_is_locked: Signal
    reads: stream.Interface
    beats: stream.Interface
    abandons: stream.Interface
    busy_ids: Signal
    timeout: Signal
    is_active: Signal
    visited_node: Signal
    visited_address: Signal

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "commands": In(stream.Signature(layouts.COMMAND)),
                "command_is_aborted": In(1),
                "do_abort": In(1),
                "abort_tag": In(TAG_BITS),
                "abort_matches": Out(1),
                "results": Out(stream.Signature(layouts.COMPLETION)),
                "deletes": Out(stream.Signature(layouts.DELETE_REQUEST)),
                "delete_answers": In(stream.Signature(layouts.DELETE_ANSWER, always_ready=True)),
                "window_writes": In(stream.Signature(layouts.window_write(config))),
                "window_write_answers": Out(stream.Signature(layouts.WINDOW_ANSWER)),
                "window_is_locked": In(1),
                "reads": Out(stream.Signature(layouts.read_request(config))),
                "beats": In(stream.Signature(layouts.read_beat(config), always_ready=True)),
                "abandons": Out(stream.Signature(layouts.abandoned_read(config), always_ready=True)),
                "busy_ids": In(2**config.id_width),
                "timeout": In(TIMEOUT_BITS),
                "is_active": Out(1),
                "visited_node": Out(1),
                "visited_address": Out(LIST_ADDRESS_BITS),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.windows = windows = WindowTable(self._config)
        m.submodules.fetch = fetch = SerialFetch(self._config)
        m.submodules.walker = walker = Walker(self._config)

        connect(m, walker.check, windows.check)
        connect(m, walker.node_requests, fetch.requests)
        connect(m, fetch.nodes, walker.nodes)
        m.d.comb += fetch.is_cancelled.eq(walker.is_aborted)

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
            self.abort_matches.eq(walker.abort_matches),
            self.is_active.eq(walker.is_active),
            self.visited_node.eq(walker.visited_node),
            self.visited_address.eq(walker.visited_address),
            windows.is_locked.eq(self.window_is_locked | walker.is_active | self.busy_ids.any()),
            fetch.busy_ids.eq(self.busy_ids),
            fetch.timeout.eq(self.timeout),
        ]
        return m
