"""The serial bridge: frames of bytes in, register accesses out, frames with the answers back.

The frames are those of the host's serial transport. A frame begins with a byte whose bit 7 is 1 and holds no other such
byte, so a receiver is in step again at the next frame whatever was lost; a check of 7 bits ends it, and a sequence
number keeps a repeated write from being done twice.
"""

from amaranth.hdl import C, Cat, Module, Mux, Signal, ValueLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.bus.axi4 import Response

from .local_bus import ADDRESS_BITS, EMPTY_PAGE, ENGINE_PAGE, PAGE_BITS, LocalBusSignature

CHECK_POLYNOMIAL = 0x45
"""CRC-7/UMTS: most significant bit first, initial value 0, nothing inverted."""
CHECK_BITS = 7

PAGE_REGISTER = 0xFFC
"""In every page, the word that selects the page; it hides the same word of the engine, which has none there."""

#: Bytes that carry one data word, 7 bits each.
DATA_BYTES = 5


def next_check(check: ValueLike, byte: ValueLike) -> list[ValueLike]:
    """The check's bits, low first, after one more byte."""
    bits = [check[i] for i in range(CHECK_BITS)]
    for i in reversed(range(8)):
        feedback = bits[-1] ^ byte[i]
        bits = [C(0, 1), *bits[:-1]]
        bits = [bit ^ feedback if CHECK_POLYNOMIAL >> n & 1 else bit for n, bit in enumerate(bits)]
    return bits


class SerialBridge(wiring.Component):
    """Executes the accesses that arrive as frames and answers each; a frame with a wrong check is neither executed nor
    answered. A write is executed once however often its frame comes.

    The frame's 12 address bits name a word of the selected page. ``PAGE_REGISTER`` selects the page, bits 15:12 of the
    bus address, with data bits 3:0. A write of sequence 0 is the host's hello: nothing is written, the sequence starts
    anew and the engine's page is selected. Before the first hello the empty page is: a host that slept through a reset
    is answered DECERR and does not reach another register than it meant.

    Members: ``received``, bytes of the line, ignored while an access is executed or answered; ``sent``, bytes to the
    line; ``bus``, the accesses.

    Latency: the access stands one clock after the check byte, the answer's first byte one clock after it is done.
    """

    received: stream.Interface
    sent: stream.Interface

    def __init__(self):
        super().__init__(
            {
                "received": In(stream.Signature(8, always_ready=True)),
                "sent": Out(stream.Signature(8)),
                "bus": Out(LocalBusSignature()),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        bus, byte = self.bus, self.received.payload

        # One frame at a time: the same registers hold the request and then its answer.
        is_write = Signal()
        sequence = Signal(3)
        address = Signal(PAGE_BITS - 2)
        data = Signal(7 * DATA_BYTES)
        data_count = Signal(range(DATA_BYTES))
        check = Signal(CHECK_BITS)
        response = Signal(Response)

        page = Signal(ADDRESS_BITS - PAGE_BITS, init=EMPTY_PAGE)
        last_sequence = Signal(3)
        last_response = Signal(Response)

        m.d.comb += [
            bus.is_write.eq(is_write),
            bus.address.eq(Cat(C(0, 2), address, page)),
            bus.write_data.eq(data),
        ]

        # Received and sent bytes run through the same check; only a header has bit 7 and begins it anew.
        line_byte = Signal(8)
        do_check = Signal()
        m.d.comb += line_byte.eq(Mux(self.sent.valid, self.sent.payload, byte))
        with m.If(do_check):
            m.d.sync += check.eq(Cat(next_check(Mux(line_byte[7], 0, check), line_byte)))

        is_body = self.received.valid & ~byte[7]
        is_last_data = data_count == DATA_BYTES - 1

        def begin_frame() -> None:
            """A header counts in every state that receives, and drops what was under way."""
            with m.If(self.received.valid & byte[7]):
                m.d.comb += do_check.eq(1)
                m.d.sync += [Cat(address[7:], sequence, is_write).eq(byte), data_count.eq(0)]
                m.next = "RECEIVE_ADDRESS"

        def shift_data() -> None:
            m.d.comb += do_check.eq(1)
            m.d.sync += [data.eq(Cat(data[7:], byte[:7])), data_count.eq(Mux(is_last_data, 0, data_count + 1))]

        def answer(value: ValueLike) -> None:
            m.d.sync += response.eq(value)
            m.next = "SEND_HEADER"

        with m.FSM():
            with m.State("AWAIT_HEADER"):
                begin_frame()
            with m.State("RECEIVE_ADDRESS"):
                with m.If(is_body):
                    m.d.comb += do_check.eq(1)
                    m.d.sync += address[:7].eq(byte)
                    m.next = "RECEIVE_CHECK"
                    with m.If(is_write):
                        m.next = "RECEIVE_DATA"
                begin_frame()
            with m.State("RECEIVE_DATA"):
                with m.If(is_body):
                    shift_data()
                    with m.If(is_last_data):
                        m.next = "RECEIVE_CHECK"
                begin_frame()
            with m.State("RECEIVE_CHECK"):
                with m.If(is_body):
                    m.next = "AWAIT_HEADER"
                    with m.If(byte[:7] == check):
                        m.next = "EXECUTE"
                begin_frame()

            with m.State("EXECUTE"):
                with m.If(is_write & (sequence == 0)):
                    m.d.sync += [page.eq(ENGINE_PAGE), last_sequence.eq(0), last_response.eq(Response.OKAY)]
                    answer(Response.OKAY)
                with m.Elif(is_write & (sequence == last_sequence)):
                    answer(last_response)
                with m.Elif(address == PAGE_REGISTER >> 2):
                    m.d.sync += data.eq(page)
                    with m.If(is_write):
                        m.d.sync += [page.eq(data), last_sequence.eq(sequence), last_response.eq(Response.OKAY)]
                    answer(Response.OKAY)
                with m.Else():
                    m.d.comb += bus.is_active.eq(1)
                    with m.If(bus.is_done):
                        m.d.sync += data.eq(Mux(bus.response == Response.OKAY, bus.read_data, 0))
                        with m.If(is_write):
                            m.d.sync += [last_sequence.eq(sequence), last_response.eq(bus.response)]
                        answer(bus.response)

            with m.State("SEND_HEADER"):
                m.d.comb += [
                    self.sent.valid.eq(1),
                    self.sent.payload.eq(Cat(response, C(0, 1), sequence, is_write, C(1, 1))),
                ]
                with m.If(self.sent.ready):
                    m.d.comb += do_check.eq(1)
                    m.next = "SEND_DATA"
                    with m.If(is_write):
                        m.next = "SEND_CHECK"
            with m.State("SEND_DATA"):
                m.d.comb += [self.sent.valid.eq(1), self.sent.payload.eq(data[:7])]
                with m.If(self.sent.ready):
                    shift_data()
                    with m.If(is_last_data):
                        m.next = "SEND_CHECK"
            with m.State("SEND_CHECK"):
                m.d.comb += [self.sent.valid.eq(1), self.sent.payload.eq(check)]
                with m.If(self.sent.ready):
                    m.next = "AWAIT_HEADER"
        return m
