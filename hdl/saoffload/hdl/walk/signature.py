"""The ports of the walk, the same for each of its implementations."""

from amaranth.hdl import Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import LIST_ADDRESS_BITS, TAG_BITS, WIDE_HANDLE_BITS

from .timer import TIMEOUT_BITS


class WalkSignature(wiring.Signature):
    """Takes commands, reads their lists inside the windows, hands over each handle to be deleted, and reports results.

    Parameters
    ----------
    config : :class:`EngineConfig`

    Members
    -------
    commands : ``In(stream of layouts.COMMAND)``
    command_is_aborted : ``In(1)``
        Belongs to the command on offer: it was aborted in the queue.
    do_abort, abort_tag, abort_is_all : ``In(1)``, ``In(32)``, ``In(1)``
        Strobe, at most in every fourth clock: abort what carries this tag, or all that there is, also the command that
        is taken in this clock.
    abort_is_done, abort_matches : ``Out(1)``
        Strobe, 1 to 4 clocks after ``do_abort``; with it ``abort_matches``: an active command carries ``abort_tag`` and
        will be ABORTED for it.
    results : ``Out(stream of layouts.COMPLETION)``
        One per command, in any order, once all its deletes are answered. ``fault_address`` is 0 unless a list address
        failed.
    deletes : ``Out(stream of layouts.DELETE_REQUEST)``
    delete_answers : ``In(stream of layouts.DELETE_ANSWER, always_ready=True)``
        One per delete, in order, in a later clock.
    window_writes, window_write_answers : streams of ``layouts.window_write`` and ``layouts.WINDOW_ANSWER``
        See :class:`.WindowTable`.
    window_is_locked : ``In(1)``
        Refuse window writes. They are refused without it too while ``is_active`` or a bit of ``busy_ids`` is 1,
        and in the two clocks after that by a walker of many lists.
    reads : ``Out(stream of layouts.read_request)``
    beats : ``In(stream of layouts.read_beat, always_ready=True)``
        To a walker of many lists a clock after their arrival.
    arrives, arriving_id, arriving_is_last, arriving_data : In
        A beat arrives, of a read with this ID, perhaps for nobody; RLAST and RDATA. Only a walker of many lists has
        them.
    abandons : ``Out(stream of layouts.abandoned_read, always_ready=True)``
    busy_ids : ``In(2**id_width)``
        Bit n is 1 from the clock after a read of ID n is offered until it can be used again.
    timeout : ``In(32)``
        In clocks; 0 means never.
    is_active : ``Out(1)``
        From the clock after a command was taken to the clock in which the last result is.
    visited_node, visited_context, visited_address, visited_handle : Out
        Strobe: a node was visited; by whom, its list address, its handle. A DELETE counts as one, at address 0.
    command_context, answered_context, result_context : Out
        Whose the command is that is taken in this clock, the delete that is answered, the result on offer.
    """

    def __init__(self, config: EngineConfig):
        context = range(max(2, config.contexts))
        arrivals = {
            "arrives": In(1),
            "arriving_id": In(config.id_width),
            "arriving_is_last": In(1),
            "arriving_data": In(config.data_width),
        }
        super().__init__(
            {
                "commands": In(stream.Signature(layouts.COMMAND)),
                "command_is_aborted": In(1),
                "do_abort": In(1),
                "abort_tag": In(TAG_BITS),
                "abort_is_all": In(1),
                "abort_is_done": Out(1),
                "abort_matches": Out(1),
                "results": Out(stream.Signature(layouts.COMPLETION)),
                "deletes": Out(stream.Signature(layouts.DELETE_REQUEST)),
                "delete_answers": In(stream.Signature(layouts.DELETE_ANSWER, always_ready=True)),
                "window_writes": In(stream.Signature(layouts.window_write(config))),
                "window_write_answers": Out(stream.Signature(layouts.WINDOW_ANSWER)),
                "window_is_locked": In(1),
                "reads": Out(stream.Signature(layouts.read_request(config))),
                "beats": In(stream.Signature(layouts.read_beat(config), always_ready=True)),
                **({} if config.is_serial else arrivals),
                "abandons": Out(stream.Signature(layouts.abandoned_read(config), always_ready=True)),
                "busy_ids": In(2**config.id_width),
                "timeout": In(TIMEOUT_BITS),
                "is_active": Out(1),
                "visited_node": Out(1),
                "visited_context": Out(context),
                "visited_address": Out(LIST_ADDRESS_BITS),
                "visited_handle": Out(WIDE_HANDLE_BITS),
                "command_context": Out(context),
                "answered_context": Out(context),
                "result_context": Out(context),
            }
        )


class WalkComponent(wiring.Component):
    """A component with these ports and no behaviour of its own."""

    commands: stream.Interface
    command_is_aborted: Signal
    do_abort: Signal
    abort_tag: Signal
    abort_is_all: Signal
    abort_is_done: Signal
    abort_matches: Signal
    results: stream.Interface
    deletes: stream.Interface
    delete_answers: stream.Interface
    window_writes: stream.Interface
    window_write_answers: stream.Interface
    window_is_locked: Signal
    reads: stream.Interface
    beats: stream.Interface
    arrives: Signal
    arriving_id: Signal
    arriving_is_last: Signal
    arriving_data: Signal
    abandons: stream.Interface
    busy_ids: Signal
    timeout: Signal
    is_active: Signal
    visited_node: Signal
    visited_context: Signal
    visited_address: Signal
    visited_handle: Signal
    command_context: Signal
    answered_context: Signal
    result_context: Signal

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(WalkSignature(config))
