"""Nodes from host memory, one at a time and only on demand."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, ValueLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import LIST_ADDRESS_BITS, Abi, FetchOutcome

from .ids import IdPicker
from .timer import TIMEOUT_BITS, Timer

PAGE_BITS = 12
WORDS_PER_PAGE = 4096 // 8

# First word of a node: type 0x80, revision 1, and the size of the structure in the upper half.
X64_HEADER = 24 << 16 | 0x0180
X86_HEADER = 12 << 16 | 0x0180


class SerialFetch(wiring.Component):
    """Reads each node it is asked for, and nothing else: one node per request, in order, whatever became of the read.

    A node that crosses 4 KB of bus address takes two reads, the second only after the first was good. A node is
    ``BUS_ERROR`` if any of its beats failed, once the read is over, and ``TIMEOUT`` if none did and a read was not over
    ``timeout`` clocks after ``ARVALID`` rose. At that clock the read ends in any case, and its ID is abandoned. A read
    whose final beat comes in just that clock is good. A node that was read is ``BAD_HEADER`` if its first 32-bit word
    differs in any bit from that of its ABI.

    Two more nodes are ``TIMEOUT``, without a read: one for which no ID is left, and one that waited for ``timeout``
    clocks behind an abandoned read whose address the bus has not accepted (it stays on offer, as AXI demands).

    Parameters
    ----------
    config : :class:`EngineConfig`
        Widths of the bus.

    Members
    -------
    requests : ``In(stream of layouts.node_request)``
    nodes : ``Out(stream of layouts.NODE)``
        Unless ``outcome`` is OK, the other fields mean nothing.
    reads : ``Out(stream of layouts.read_request)``
    beats : ``In(stream of layouts.read_beat, always_ready=True)``
        Of the read under way only: beats of abandoned reads stop in the read master.
    abandons : ``Out(stream of layouts.abandoned_read, always_ready=True)``
    busy_ids : ``In(2**id_width)``
        Bit n is 1 from the clock after a read of ID n is offered until it can be used again.
    timeout : ``In(32)``
        In clocks; 0 means never.
    next_ahead : ``Out(64)``
        With ``asks_early``: ``Next`` of the node under way from the clock of its beat on, one before ``nodes`` has it.
    is_cancelled : ``In(1)``
        While 1 no read begins: a node that needs one to begin is ``TIMEOUT``. A read on offer or under way is ended.

    A read is offered in the clock of its node's request. A node is handed over in the clock of its last beat if it is
    good and its ``Next`` came in an earlier beat, else 1 clock later. The next request is taken in the clock after:
    L+3 clocks per x64 node at L clocks from ``AR`` to the first beat. With ``asks_early`` it is taken in the very clock
    in which a good node is handed over with its last beat: L+2 clocks. The second read of a node is offered in the
    clock after the final beat of the first.
    """

    requests: stream.Interface
    nodes: stream.Interface
    reads: stream.Interface
    beats: stream.Interface
    abandons: stream.Interface
    busy_ids: Signal
    timeout: Signal
    next_ahead: Signal
    is_cancelled: Signal

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "requests": In(stream.Signature(layouts.node_request(config))),
                "nodes": Out(stream.Signature(layouts.NODE)),
                "reads": Out(stream.Signature(layouts.read_request(config))),
                "beats": In(stream.Signature(layouts.read_beat(config), always_ready=True)),
                "abandons": Out(stream.Signature(layouts.abandoned_read(config), always_ready=True)),
                "busy_ids": In(2**config.id_width),
                "timeout": In(TIMEOUT_BITS),
                "next_ahead": Out(LIST_ADDRESS_BITS),
                "is_cancelled": In(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.ids = ids = IdPicker(self._config)
        m.submodules.timer = timer = Timer()
        request, read, beat, node = (
            self.requests.payload,
            self.reads.payload,
            self.beats.payload,
            self.nodes.payload,
        )

        # The node under way. `position_q` is the number of its next beat, counted over both reads.
        address_q = Signal(self._config.address_width)
        is_x86_q = Signal()
        position_q = Signal(2)

        # The read on offer or under way. Its parameters come from the request itself in the clock in which it is first
        # offered, from registers after that. `is_held_q`: it was abandoned, but the bus has not accepted it.
        id_q = Signal(self._config.id_width)
        beat_count_q = Signal(2)
        has_failed_q = Signal()
        is_held_q = Signal()
        is_direct = Signal()
        can_begin = Signal()
        m.d.comb += [
            ids.busy_ids.eq(self.busy_ids),
            ids.do_take.eq(self.reads.valid & self.reads.ready),
            timer.clock_count.eq(self.timeout),
            can_begin.eq(ids.is_free & ~is_held_q & ~self.is_cancelled),
            read.id.eq(ids.id),
            read.address.eq(Cat(Const(0, 3), Mux(is_direct, request.address, address_q)[3:])),
            read.beat_count.eq(Mux(is_direct, self._first_beat_count(), beat_count_q)),
            self.abandons.payload.id.eq(id_q),
        ]
        with m.If(is_held_q):
            m.d.comb += self.reads.valid.eq(1)
            with m.If(self.reads.ready):
                m.d.sync += is_held_q.eq(0)

        # What the beats say. An x86 node may start in the upper half of a word: its fields are one half further on.
        low, high = beat.data[:32], beat.data[32:]
        is_odd_q = address_q[2]
        is_x86_odd_q = is_x86_q & is_odd_q
        is_last_beat = position_q == Mux(is_x86_q, 1, 2)
        # What each beat would be as the handle. After the first beat that is the header, which is judged there.
        handle_q = Signal.like(node.handle)
        is_header = Signal()
        is_header_q = Signal()
        header = Mux(is_x86_q, X86_HEADER, X64_HEADER)
        m.d.comb += is_header.eq(Mux(position_q == 1, handle_q[:32] == header, is_header_q))
        m.d.sync += is_header_q.eq(is_header)

        outcome_q = Signal(FetchOutcome)
        read_outcome = Mux(is_header, FetchOutcome.OK, FetchOutcome.BAD_HEADER)
        is_direct_node = Signal()
        m.d.comb += [
            node.outcome.eq(Mux(is_direct_node, read_outcome, outcome_q)),
            # In the upper half of a word no handle is handed over directly: there `Next` comes too late for that.
            node.handle.eq(Mux(is_direct_node, beat.data, handle_q) & Cat(Const(-1, 32), (~is_x86_q).replicate(32))),
        ]

        def begin_read() -> None:
            m.d.comb += self.reads.valid.eq(1)
            with m.If(self.reads.ready):
                m.next = "RECEIVE"
            with m.Else():
                m.next = "OFFER"

        def begin_node() -> None:
            m.d.comb += self.requests.ready.eq(1)
            begin_read()

        # Between nodes the registers follow the request, whether it is offered or not: that saves the wide registers
        # from waiting for the decision to ask. The next page is said so that an adder's LUT also takes the request in.
        do_turn_page = Signal()
        page = address_q[PAGE_BITS:]
        next_page = page - (~is_direct).replicate(len(page))
        with m.If(is_direct):
            m.d.sync += [
                address_q.eq(request.address),
                is_x86_q.eq(request.abi == Abi.X86),
                beat_count_q.eq(self._first_beat_count()),
                position_q.eq(0),
                has_failed_q.eq(0),
                id_q.eq(ids.id),
            ]
        with m.Elif(do_turn_page):
            # The lowest bits still say where in its word an x86 node starts.
            m.d.sync += [
                address_q.eq(Cat(address_q[:3], Const(0, PAGE_BITS - 3), next_page)),
                beat_count_q.eq(Mux(is_x86_q | position_q[0], 1, 2)),
            ]

        m.d.comb += self.next_ahead.eq(node.next)
        do_chain = Signal()

        def end_node(outcome: ValueLike) -> None:
            m.d.sync += outcome_q.eq(outcome)
            m.next = "DELIVER"

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [timer.do_start.eq(1), is_direct.eq(~is_held_q)]
                with m.If(self.requests.valid):
                    with m.If(can_begin):
                        begin_node()
                    with m.Else():
                        m.next = "WAIT"

            # For the bus to accept a held read, for as long as the timer lets it; or for a free ID, which is found
            # within 2**id_width clocks if there is one.
            with m.State("WAIT"):
                m.d.comb += is_direct.eq(~is_held_q)
                with m.If(can_begin):
                    m.d.comb += timer.do_start.eq(1)
                    begin_node()
                with m.Elif(self.is_cancelled | Mux(is_held_q, timer.is_expired, self.busy_ids.all())):
                    m.d.comb += self.requests.ready.eq(1)
                    end_node(FetchOutcome.TIMEOUT)

            with m.State("OFFER"):
                m.d.comb += self.reads.valid.eq(1)
                with m.If(timer.is_expired):
                    m.d.comb += self.abandons.valid.eq(1)
                    m.d.sync += is_held_q.eq(~self.reads.ready)
                    end_node(FetchOutcome.TIMEOUT)
                with m.Elif(self.reads.ready):
                    m.next = "RECEIVE"

            with m.State("RECEIVE"):
                with m.If(self.beats.valid):
                    m.d.sync += [
                        position_q.eq(position_q + 1),
                        handle_q.eq(Cat(Mux(is_x86_odd_q, high, low), high)),
                    ]
                    with m.If(beat.failed):
                        m.d.sync += has_failed_q.eq(1)
                    with m.If(position_q == 0):
                        m.d.sync += node.next.eq(high)
                    with m.Elif(~is_x86_q | is_odd_q):
                        with m.If(position_q == 1):
                            m.d.sync += node.next.eq(Mux(is_x86_q, low, beat.data))
                    if self._config.asks_early:
                        with m.If(position_q == 0):
                            m.d.comb += self.next_ahead.eq(high)
                        with m.Elif((~is_x86_q | is_odd_q) & (position_q == 1)):
                            m.d.comb += self.next_ahead.eq(Mux(is_x86_q, low, beat.data))
                with m.If(self.beats.valid & beat.is_final):
                    with m.If(beat.failed | has_failed_q):
                        end_node(FetchOutcome.BUS_ERROR)
                    with m.Elif(~is_last_beat):
                        m.d.comb += do_turn_page.eq(1)
                        m.next = "OFFER_SECOND"
                    with m.Elif(is_x86_odd_q):
                        end_node(read_outcome)
                    with m.Else():
                        m.d.comb += [self.nodes.valid.eq(1), is_direct_node.eq(1)]
                        with m.If(self.nodes.ready):
                            m.next = "IDLE"
                            if self._config.asks_early:
                                with m.If(self.requests.valid & can_begin):
                                    m.d.comb += [is_direct.eq(1), do_chain.eq(1), timer.do_start.eq(1)]
                                    begin_node()
                        with m.Else():
                            end_node(read_outcome)
                with m.Elif(timer.is_expired):
                    m.d.comb += self.abandons.valid.eq(1)
                    has_failed = has_failed_q | (self.beats.valid & beat.failed)
                    end_node(Mux(has_failed, FetchOutcome.BUS_ERROR, FetchOutcome.TIMEOUT))

            with m.State("OFFER_SECOND"):
                m.d.comb += timer.do_start.eq(1)
                m.d.sync += id_q.eq(ids.id)
                with m.If(can_begin):
                    begin_read()
                with m.Elif(self.is_cancelled):
                    end_node(FetchOutcome.TIMEOUT)

            with m.State("DELIVER"):
                m.d.comb += self.nodes.valid.eq(1)
                with m.If(self.nodes.ready):
                    m.next = "IDLE"

        # The node that follows at once begins as any other, whatever the beat of this clock did.
        with m.If(do_chain):
            m.d.sync += [position_q.eq(0), has_failed_q.eq(0)]
        return m

    def _first_beat_count(self) -> Value:
        """How many of the node's beats lie before 4 KB, of 3 (x64) or 2 (x86)."""
        request = self.requests.payload
        word = request.address[3:12]
        is_short = (word == WORDS_PER_PAGE - 2) | (request.abi == Abi.X86)
        return Mux(word == WORDS_PER_PAGE - 1, 1, Mux(is_short, 2, 3))
