"""The list logic: what is read next, what is deleted, and how a walk ends."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import LIST_ADDRESS_BITS, TAG_BITS, Abi, FetchOutcome, Opcode, Status

from .budget import Budget
from .loop import LoopDetector
from .windows import WindowCheckSignature

UNANSWERED_BITS = 4
"""Deletes handed over and not answered: at 15 the next node waits. Tables answer in fewer clocks than 15 nodes take."""


class Walker(wiring.Component):
    """Follows one list at a time, deletes the handle of every good node once, and reports how it ended.

    No node is read before the node before it is known to be good, and none after the first that is not. A walk ends
    with the first that applies: OK (``Next`` is NULL), ABORTED, MISALIGNED, OUT_OF_WINDOW, LOOP, TOO_LONG, before the
    read; ABORTED, BUS_ERROR, TIMEOUT, BAD_HEADER, after it. A node is visited, and decided, when its handle is on the
    way to the table; an abort that comes later, with nothing left to visit, changes nothing. A list that is aborted
    before its head was judged is ABORTED even if it is empty.

    DELETE is a walk of one node that is not in memory: its handle is the head, and it is OK unless it was aborted in
    the queue. FLUSH is not for the walker.

    Parameters
    ----------
    config : :class:`EngineConfig`
        Width of a bus address, and what the loop detection needs to know of the windows.

    Members
    -------
    commands : ``In(stream of layouts.COMMAND)``
    command_is_aborted : ``In(1)``
        Belongs to the command on offer: it was aborted in the queue.
    results : ``Out(stream of layouts.COMPLETION)``
        One per command, once all its deletes are answered. ``fault_address`` is 0 unless a list address failed.
    deletes : ``Out(stream of layouts.DELETE_REQUEST)``
    delete_answers : ``In(stream of layouts.DELETE_ANSWER, always_ready=True)``
        One per delete, in order, in a later clock.
    do_abort, abort_tag, abort_is_all : ``In(1)``, ``In(32)``, ``In(1)``
        Strobe: abort what carries this tag, or whatever there is, also the command that is taken in this clock.
    abort_matches : ``Out(1)``
        In the clock after ``do_abort``: the active walk carries ``abort_tag`` and will be ABORTED.
    check : ``Out(WindowCheckSignature)``
    node_requests : ``Out(stream of layouts.node_request)``
    nodes : ``In(stream of layouts.NODE)``
    next_ahead : ``In(64)``
        With ``asks_early``: see :class:`.SerialFetch`.
    is_aborted : ``Out(1)``
        The active command was aborted: no read may begin.
    is_active : ``Out(1)``
        From the clock after a command was taken to the clock in which its result is.
    visited_node, visited_address : ``Out(1)``, ``Out(64)``
        Strobe: a node was visited, and its list address. A DELETE counts as one, at address 0.

    A head is asked for 2 clocks after its command was taken, a node 1 clock after the node before it was, or, with
    ``asks_early``, in the same clock; a result is
    offered 2 clocks after the last node was taken, or later if deletes are unanswered.
    """

    commands: stream.Interface
    command_is_aborted: Signal
    results: stream.Interface
    deletes: stream.Interface
    delete_answers: stream.Interface
    do_abort: Signal
    abort_tag: Signal
    abort_is_all: Signal
    abort_matches: Signal
    check: wiring.PureInterface
    node_requests: stream.Interface
    nodes: stream.Interface
    next_ahead: Signal
    is_aborted: Signal
    is_active: Signal
    visited_node: Signal
    visited_address: Signal

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "commands": In(stream.Signature(layouts.COMMAND)),
                "command_is_aborted": In(1),
                "results": Out(stream.Signature(layouts.COMPLETION)),
                "deletes": Out(stream.Signature(layouts.DELETE_REQUEST)),
                "delete_answers": In(stream.Signature(layouts.DELETE_ANSWER, always_ready=True)),
                "do_abort": In(1),
                "abort_tag": In(TAG_BITS),
                "abort_is_all": In(1),
                "abort_matches": Out(1),
                "check": Out(WindowCheckSignature(config)),
                "node_requests": Out(stream.Signature(layouts.node_request(config))),
                "nodes": In(stream.Signature(layouts.NODE)),
                "next_ahead": In(LIST_ADDRESS_BITS),
                "is_aborted": Out(1),
                "is_active": Out(1),
                "visited_node": Out(1),
                "visited_address": Out(LIST_ADDRESS_BITS),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.budget = budget = Budget()
        m.submodules.loop = loop = LoopDetector(self._config)
        command, node, result = self.commands.payload, self.nodes.payload, self.results.payload

        # The command, and the list address that is next: judged, asked for, waited for.
        tag_q = Signal(TAG_BITS)
        abi_q = Signal(Abi)
        address_q = Signal(LIST_ADDRESS_BITS)
        is_at_head_q = Signal()

        do_start = Signal()
        do_visit = Signal()
        can_visit = Signal()
        is_drained = Signal()
        self._add_deletes(m, do_start=do_start, do_visit=do_visit, can_visit=can_visit, is_drained=is_drained)

        # The node behind the one that is visited in this clock is asked for at once. It is judged by then, if its
        # address came before the last beat; the fetch takes no request in this clock otherwise.
        is_early = self._config.asks_early
        can_ask_early = Signal()
        do_ask_early = Signal()
        do_ask = self.node_requests.valid & self.node_requests.ready
        m.d.comb += do_ask_early.eq(can_ask_early & self.node_requests.ready)
        if is_early:
            m.d.comb += loop.do_save.eq(do_ask)
        else:
            # A clock late is early enough: no node comes back in the clock after its request.
            m.d.sync += loop.do_save.eq(do_ask)

        # Judging takes 1 clock. It begins while the node before is still being checked, with its `Next` as fetched.
        is_waiting_q = Signal()
        is_null_q = Signal()
        is_misaligned_q = Signal()
        is_too_long_q = Signal()
        m.d.comb += [
            self.check.address.eq(Mux(is_waiting_q, self.next_ahead if is_early else node.next, address_q)),
            self.check.abi.eq(abi_q),
            budget.budget.eq(command.budget),
            budget.is_loading.eq(self.commands.ready),
            budget.do_visit.eq(do_visit),
            loop.do_start.eq(do_start),
            loop.visited_count.eq(result.visited),
            loop.node_address.eq(Mux(do_ask_early, node.next, address_q)),
            loop.is_ahead.eq(is_waiting_q if is_early else 0),
            loop.next_address.eq(self.check.address),
        ]
        m.d.sync += [
            is_null_q.eq(self.check.address == 0),
            is_misaligned_q.eq(self.check.address[:2].any() | ((abi_q == Abi.X64) & self.check.address[2])),
        ]

        # An abort counts from the clock after its strobe, so that no decision waits for a comparison of tags.
        is_undecided = Signal()
        is_meant = Signal()
        is_meant_q = Signal()
        m.d.comb += is_meant.eq(self.do_abort & is_undecided & self._names(tag_q))
        m.d.sync += is_meant_q.eq(is_meant)
        with m.If(is_meant):
            m.d.sync += self.is_aborted.eq(1)

        def end_walk(status: Status) -> None:
            m.d.sync += result.status.eq(status)
            m.next = "REPORT"

        with m.FSM() as fsm:
            with m.State("ACCEPT"):
                m.d.comb += self.commands.ready.eq(1)
                with m.If(self.commands.valid):
                    m.d.comb += do_start.eq(1)
                    m.d.sync += [
                        tag_q.eq(command.tag),
                        abi_q.eq(command.abi),
                        address_q.eq(Mux(command.opcode == Opcode.DELETE, 0, command.head)),
                        is_at_head_q.eq(1),
                        is_too_long_q.eq(0),
                        self.is_aborted.eq(self.command_is_aborted | (self.do_abort & self._names(command.tag))),
                    ]
                    with m.If(command.opcode == Opcode.DELETE):
                        m.next = "DELETE"
                    with m.Else():
                        m.next = "JUDGE_HEAD"

            with m.State("DELETE"):
                with m.If(self.is_aborted):
                    end_walk(Status.ABORTED)
                with m.Else():
                    m.d.comb += do_visit.eq(1)
                    end_walk(Status.OK)

            with m.State("JUDGE_HEAD"):
                m.d.comb += [is_undecided.eq(1), budget.do_settle.eq(1)]
                m.next = "DECIDE"

            with m.State("DECIDE"):
                m.d.comb += is_undecided.eq(1)
                with m.If(is_null_q & ~(is_at_head_q & self.is_aborted)):
                    end_walk(Status.OK)
                with m.Elif(self.is_aborted):
                    end_walk(Status.ABORTED)
                with m.Elif(is_misaligned_q):
                    end_walk(Status.MISALIGNED)
                with m.Elif(~self.check.is_allowed):
                    end_walk(Status.OUT_OF_WINDOW)
                with m.Elif(loop.is_met):
                    end_walk(Status.LOOP)
                with m.Elif(is_too_long_q):
                    end_walk(Status.TOO_LONG)
                with m.Elif(self.node_requests.ready):
                    m.d.sync += is_waiting_q.eq(1)
                    m.next = "WAIT"
                with m.Else():
                    m.next = "ASK"

            with m.State("ASK"):
                m.d.comb += is_undecided.eq(1)
                with m.If(self.node_requests.ready):
                    m.d.sync += is_waiting_q.eq(1)
                    m.next = "WAIT"

            with m.State("WAIT"):
                m.d.comb += [is_undecided.eq(1), self.nodes.ready.eq(can_visit)]
                with m.If(self.nodes.valid & self.nodes.ready):
                    m.d.sync += is_waiting_q.eq(0)
                    with m.If(self.is_aborted):
                        end_walk(Status.ABORTED)
                    with m.Elif(node.outcome == FetchOutcome.BUS_ERROR):
                        end_walk(Status.BUS_ERROR)
                    with m.Elif(node.outcome == FetchOutcome.TIMEOUT):
                        end_walk(Status.TIMEOUT)
                    with m.Elif(node.outcome == FetchOutcome.BAD_HEADER):
                        end_walk(Status.BAD_HEADER)
                    with m.Else():
                        m.d.comb += do_visit.eq(1)
                        m.d.sync += [
                            address_q.eq(node.next),
                            is_too_long_q.eq(budget.is_last),
                            is_at_head_q.eq(0),
                        ]
                        m.next = "DECIDE"
                        if is_early:
                            m.d.comb += can_ask_early.eq(
                                self.check.is_allowed & ~(is_null_q | is_misaligned_q | budget.is_last | loop.is_met)
                            )
                            with m.If(do_ask_early):
                                m.d.sync += is_waiting_q.eq(1)
                                m.next = "WAIT"

            with m.State("REPORT"):
                m.d.comb += self.results.valid.eq(is_drained)
                with m.If(self.results.valid & self.results.ready):
                    m.next = "ACCEPT"

        m.d.comb += [
            # What DECIDE finds last, said flat: this is the way from `Next` to ARVALID.
            self.node_requests.valid.eq(
                fsm.ongoing("ASK")
                | can_ask_early
                | (
                    fsm.ongoing("DECIDE")
                    & self.check.is_allowed
                    & ~(is_null_q | is_misaligned_q | is_too_long_q | loop.is_met | self.is_aborted)
                )
            ),
            self.node_requests.payload.address.eq(self.check.bus_address),
            self.node_requests.payload.abi.eq(abi_q),
            # An abort in the clock of the last decision comes too late: by now that clock's outcome is known.
            self.abort_matches.eq(
                is_meant_q
                & ~(fsm.ongoing("DECIDE") & is_null_q & ~is_at_head_q)
                & ~(fsm.ongoing("REPORT") & (result.status != Status.ABORTED))
            ),
            self.is_active.eq(~fsm.ongoing("ACCEPT")),
            self.visited_node.eq(do_visit),
            self.visited_address.eq(address_q),
            result.tag.eq(tag_q),
            result.fault_address.eq(address_q),
        ]
        return m

    def _names(self, tag: Value) -> Value:
        """Whether the abort means what carries this tag."""
        return Value.cast(self.abort_is_all | (self.abort_tag == tag))

    def _add_deletes(
        self, m: Module, *, do_start: Signal, do_visit: Signal, can_visit: Signal, is_drained: Signal
    ) -> None:
        """Hands over the handle of each visit and counts. ``can_visit`` falls only if the table takes its time."""
        result, answer = self.results.payload, self.delete_answers.payload
        handle_q = self.deletes.payload.handle
        has_handle_q = Signal()
        unanswered_count = Signal(UNANSWERED_BITS)
        do_hand_over = Signal()

        m.d.comb += [
            can_visit.eq(~has_handle_q & ~unanswered_count.all()),
            is_drained.eq(~has_handle_q & ~unanswered_count.any()),
            self.deletes.valid.eq(has_handle_q),
            do_hand_over.eq(self.deletes.valid & self.deletes.ready),
        ]
        m.d.sync += unanswered_count.eq(unanswered_count + do_hand_over - self.delete_answers.valid)
        with m.If(do_hand_over):
            m.d.sync += has_handle_q.eq(0)
        with m.If(self.delete_answers.valid):
            with m.If(answer.found):
                m.d.sync += result.deleted.eq(result.deleted + 1)
            with m.Else():
                m.d.sync += result.not_found.eq(result.not_found + 1)

        # Follows what is on offer while it shows nothing of its own, so that 64 bits wait for no decision.
        with m.If(self.commands.ready):
            m.d.sync += handle_q.eq(self.commands.payload.head)
        with m.Elif(self.nodes.ready):
            m.d.sync += handle_q.eq(self.nodes.payload.handle)

        with m.If(do_start):
            m.d.sync += [result.visited.eq(0), result.deleted.eq(0), result.not_found.eq(0)]
        with m.If(do_visit):
            m.d.sync += [has_handle_q.eq(1), result.visited.eq(result.visited + 1)]
