"""Which host memory may be read, and where it lies on the bus."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import LIST_ADDRESS_BITS, Abi

# All that windows are made of is a multiple of 8, so that addresses are compared as numbers of 8-byte words.
WORD_BITS = LIST_ADDRESS_BITS - 3
PAGE_BITS = 12


class WindowCheckSignature(wiring.Signature):
    """One address per clock to be judged and translated, seen from the side that asks.

    ``is_allowed`` and ``bus_address`` belong to the ``address`` and ``abi`` of the clock before. ``bus_address`` means
    something only where ``is_allowed`` is 1, and both only for an address aligned as ``abi`` demands.

    Parameter: ``config`` (``address_width``).
    """

    def __init__(self, config: EngineConfig):
        super().__init__(
            {
                "address": Out(LIST_ADDRESS_BITS),
                "abi": Out(Abi),
                "is_allowed": In(1),
                "bus_address": In(config.address_width),
            }
        )


class WindowTable(wiring.Component):
    """Allows a node where one window holds all its bytes, and gives its bus address; the lowest such window decides.

    A node has 24 bytes (x64) or 12 (x86), and an x86 node ends at or below 2**32. The arithmetic is exact: nothing
    wraps at 2**64. No window is set after reset, so everything is refused.

    A write is refused, and changes nothing, if the index names no window, if base, size or bus_base is no multiple of
    8, if base and bus_base differ modulo 4096, if the window would end above 2**64 or above the last bus address, or if
    ``is_locked`` was 1 in any clock from its first offer to its acceptance, in which it is committed.

    Parameters
    ----------
    config : :class:`EngineConfig`
        ``windows`` and ``address_width``.

    Members
    -------
    writes : ``In(stream of layouts.window_write)``
    write_answers : ``Out(stream of layouts.WINDOW_ANSWER)``
        One per write.
    is_locked : ``In(1)``
        A command is active or a read outstanding.
    check : ``In(WindowCheckSignature)``

    A check takes 1 clock, one per clock. A write is taken 2 clocks after its first offer and answered in the next;
    checks asked in the clock of its answer or later know of it. The next write is looked at after the answer.
    """

    writes: stream.Interface
    write_answers: stream.Interface
    is_locked: Signal
    check: wiring.PureInterface

    def __init__(self, config: EngineConfig):
        self._config = config
        # What a check needs of a window. A window that cannot hold any node is off. `last_x86_word` is the last word in
        # which an x86 node may start; an x64 node, one word longer, must start before it. Bus and list addresses agree
        # modulo 4096, so their difference is a number of pages.
        self._window = data.StructLayout(
            {
                "is_on": 1,
                "first_word": WORD_BITS,
                "last_x86_word": WORD_BITS,
                "page_offset": config.address_width - PAGE_BITS,
            }
        )
        super().__init__(
            {
                "writes": In(stream.Signature(layouts.window_write(config))),
                "write_answers": Out(stream.Signature(layouts.WINDOW_ANSWER)),
                "is_locked": In(1),
                "check": In(WindowCheckSignature(config)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        windows_q = Signal(data.ArrayLayout(self._window, self._config.windows))
        self._add_check(m, windows_q)
        self._add_writes(m, windows_q)
        return m

    def _add_check(self, m: Module, windows_q: data.View) -> None:
        check = self.check
        word = check.address[3:]
        page = check.address[PAGE_BITS : self._config.address_width]
        is_x86 = check.abi == Abi.X86

        # Below 2**32 - 12 as an x86 node must start: in the low 32 bits, and not in their last word.
        is_in_abi = Signal()
        m.d.comb += is_in_abi.eq(~is_x86 | (~check.address[32:].any() & ~check.address[3:32].all()))

        bus_address = Signal.like(check.bus_address)
        bus_addresses_q = []
        holds_q = []
        for number, window_q in enumerate(windows_q):
            hold_q = Signal(name=f"hold_{number}_q")
            bus_page_q = Signal(self._config.address_width - PAGE_BITS, name=f"bus_page_{number}_q")
            # One bit below the words makes "at most" (x86) of "below" (x64), at no comparator's cost.
            ends_inside = Cat(is_x86, window_q.last_x86_word) > Cat(Const(0, 1), word)
            m.d.sync += [
                hold_q.eq(window_q.is_on & is_in_abi & (word >= window_q.first_word) & ends_inside),
                bus_page_q.eq(page + window_q.page_offset),
            ]
            holds_q.append(hold_q)
            bus_addresses_q.append(bus_page_q)

        in_page_q = Signal(PAGE_BITS)
        m.d.sync += in_page_q.eq(check.address[:PAGE_BITS])
        m.d.comb += bus_address.eq(Cat(in_page_q, bus_addresses_q[-1]))
        for hold_q, bus_page_q in reversed(list(zip(holds_q, bus_addresses_q, strict=True))[:-1]):
            with m.If(hold_q):
                m.d.comb += bus_address[PAGE_BITS:].eq(bus_page_q)
        m.d.comb += [check.is_allowed.eq(Cat(holds_q).any()), check.bus_address.eq(bus_address)]

    def _add_writes(self, m: Module, windows_q: data.View) -> None:
        config = self._config
        write = self.writes.payload
        # One bit more than a word number has: what ends at the very top is allowed, what wraps is not.
        end_word_q = Signal(WORD_BITS + 1)
        is_refused_q = Signal()
        is_answering_q = Signal()
        m.d.comb += [
            self.write_answers.valid.eq(is_answering_q),
            self.write_answers.payload.refused.eq(is_refused_q),
        ]
        with m.If(self.write_answers.ready):
            m.d.sync += is_answering_q.eq(0)

        # The write stays on offer until it is done, so nothing of it is kept here.
        with m.FSM():
            with m.State("ALIGN"), m.If(self.writes.valid & ~is_answering_q):
                is_unaligned = (write.base | write.size | write.bus_base)[:3].any()
                is_off_page = write.base[:PAGE_BITS] != write.bus_base[:PAGE_BITS]
                m.d.sync += [
                    end_word_q.eq(write.base[3:] + write.size[3:]),
                    is_refused_q.eq(self.is_locked | is_unaligned | is_off_page | (write.index >= config.windows)),
                ]
                m.next = "JUDGE"
            with m.State("JUDGE"):
                bus_end_word = write.bus_base[3:] + write.size[3:]
                m.d.sync += is_refused_q.eq(
                    is_refused_q
                    | self.is_locked
                    | (end_word_q > 1 << WORD_BITS)
                    | (bus_end_word > 1 << (config.address_width - 3))
                )
                m.next = "COMMIT"
            with m.State("COMMIT"):
                m.d.comb += self.writes.ready.eq(1)
                m.d.sync += [is_refused_q.eq(is_refused_q | self.is_locked), is_answering_q.eq(1)]
                with m.If(~is_refused_q & ~self.is_locked):
                    window = windows_q[write.index]
                    m.d.sync += [
                        window.is_on.eq(write.size[3:] >= 2),
                        window.first_word.eq(write.base[3:]),
                        window.last_x86_word.eq(end_word_q - 2),
                        window.page_offset.eq(write.bus_base[PAGE_BITS:] - write.base[PAGE_BITS:]),
                    ]
                m.next = "ALIGN"
