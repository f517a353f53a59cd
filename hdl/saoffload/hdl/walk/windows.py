"""Which host memory may be read, and where it lies on the bus."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import LIST_ADDRESS_BITS, Abi

from .first import First, first_of

# All that windows are made of is a multiple of 8, so that addresses are compared as numbers of 8-byte words.
WORD_BITS = LIST_ADDRESS_BITS - 3
PAGE_BITS = 12
SUM_PARTS = 2
"""Of the sums whose carries are noted."""
LOW_EIGHTHS = 5
"""Of a sum in two clocks: what is chosen from it afterwards is deeper than what it is chosen from."""


class WindowCheckSignature(wiring.Signature):
    """One address per clock to be judged and translated, seen from the side that asks.

    ``is_allowed``, ``bus_address`` and ``window``, its number, belong to the ``address`` and ``abi`` of the clock
    before. The latter mean something only where ``is_allowed`` is 1, and all only for an address aligned as ``abi``
    demands.

    Parameter: ``config`` (``windows``, ``address_width``).
    """

    def __init__(self, config: EngineConfig):
        super().__init__(
            {
                "address": Out(LIST_ADDRESS_BITS),
                "abi": Out(Abi),
                "is_allowed": In(1),
                "bus_address": In(config.address_width),
                "window": In(range(max(2, config.windows))),
            }
        )


class WindowTable(wiring.Component):
    """Allows a node where one window holds all its bytes, and gives its bus address; the lowest such window decides.

    A node has 24 bytes (x64) or 12 (x86), and an x86 node ends at or below 2**32. The arithmetic is exact: nothing
    wraps at 2**64. No window is set after reset, so everything is refused.

    A write is refused, and changes nothing, if the index names no window, if base, size or bus_base is no multiple of
    8, if base and bus_base differ modulo 4096, if the window would end above 2**64 or above the last bus address, or if
    ``is_locked`` was 1 in any clock from when it is first looked at (with its first offer, or once the answer before is
    taken) to its acceptance, in which it is committed.

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

    A check takes 1 clock, one per clock. A write is taken 2 clocks after its first offer, with contexts 3, and answered
    in the next; checks asked in the clock of its answer or later know of it. With contexts ``bus_address`` means
    nothing if a write is committed in the clock of its check. The next write is looked at after the answer.
    """

    writes: stream.Interface
    write_answers: stream.Interface
    is_locked: Signal
    check: wiring.PureInterface

    def __init__(self, config: EngineConfig):
        self._config = config
        # A window is no larger than the bus, so most of the arithmetic is about so many bits only.
        self._low_bits = config.address_width - 3
        # What a check needs of a window. A window that cannot hold any node is off. The last x86 word is the last word
        # in which an x86 node may start; an x64 node, one word longer, must start before it. Its upper bits are those
        # of the first word, plus 1 if it `crosses` into what they count. Both are kept as complements: to subtract them
        # is to add. Bus and list addresses agree modulo 4096: their difference is a number of pages.
        self._window = data.StructLayout(
            {
                "is_on": 1,
                "not_first_word": WORD_BITS,
                "not_last_x86_low": self._low_bits,
                "crosses": 1,
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
        last = [check.address[3:17].all(), check.address[17:32].all()]
        beyond = [check.address[low : low + 8].any() for low in range(32, 64, 8)]
        is_in_abi = ~Cat(
            Cat(self._noted(m, f"is_last_{number}_q", is_x86 & part) for number, part in enumerate(last)).all(),
            *(self._noted(m, f"is_beyond_{number}_q", is_x86 & part) for number, part in enumerate(beyond)),
        ).any()

        bus_pages, holds = [], []
        for number, window_q in enumerate(windows_q):
            bus_pages.append(self._bus_page(m, number, page, window_q.page_offset))
            is_on = self._noted(m, f"is_on_{number}_q", window_q.is_on)
            holds.append(is_on & self._is_inside(m, number, word, is_x86, window_q))
        # Which window it is does not wait for the ABI: it means nothing if that forbids the address.
        if self._config.is_serial:
            holds, is_in_abi = [hold & is_in_abi for hold in holds], Const(1, 1)
            holds_q = [Signal(name=f"hold_{number}_q") for number in range(len(holds))]
            m.d.sync += [hold_q.eq(hold) for hold_q, hold in zip(holds_q, holds, strict=True)]
            holds = holds_q

        in_page_q = Signal(PAGE_BITS)
        m.d.sync += in_page_q.eq(check.address[:PAGE_BITS])
        found = first_of(
            [
                First(is_any=hold, index=Const(0, 0), mark=bus_page)
                for hold, bus_page in zip(holds, bus_pages, strict=True)
            ]
        )
        m.d.comb += [
            check.is_allowed.eq(found.is_any & is_in_abi),
            check.window.eq(found.index),
            check.bus_address.eq(Cat(in_page_q, found.mark)),
        ]

    def _bus_page(self, m: Module, number: int, page: Value, offset: Value) -> Value:
        """The page on the bus of the page of the clock before. With contexts, its upper part is added up a clock later
        than its lower part.
        """
        low = len(page) * LOW_EIGHTHS // 8
        if self._config.is_serial or not low:
            bus_page_q = Signal(len(page), name=f"bus_page_{number}_q")
            m.d.sync += bus_page_q.eq(page + offset)
            return bus_page_q
        low_q = Signal(low + 1, name=f"bus_page_{number}_low_q")
        high_q = self._noted(m, f"bus_page_{number}_high_q", page[low:])
        m.d.sync += low_q.eq(page[:low] + offset[:low])
        carry = low_q[low]
        high = (Cat(Const(1, 1), high_q) + Cat(carry, offset[low:]))[1:]
        return Value.cast(Cat(low_q[:low], high[: len(high_q)]))

    def _is_inside(self, m: Module, number: int, word: Value, is_x86: Value, window: data.View) -> Value:
        """Whether ``word`` lies from the window's first to its last word for a node of this ABI."""
        if self._low_bits == WORD_BITS and not self._config.is_serial:
            behind = self._carry(m, f"behind_start_{number}", word, window.not_first_word, Const(1, 1))
            return behind & ~self._carry(m, f"past_last_{number}", word, window.not_last_x86_low, ~is_x86)
        # Subtractions, as sums with a complement. The carry into the last of them makes "beyond" (x86) "at or beyond".
        past_first = (Cat(Const(1, 1), word) + Cat(Const(1, 1), window.not_first_word))[1:]
        past_last = (Cat(~is_x86, word[: self._low_bits]) + Cat(~is_x86, window.not_last_x86_low))[1:]
        is_below_end = self._noted(m, f"is_below_end_{number}_q", ~past_last[self._low_bits])
        if self._low_bits == WORD_BITS:
            return self._noted(m, f"is_behind_start_{number}_q", past_first[WORD_BITS]) & is_below_end
        # Nearer to the first word than the bus is large: so the upper bits are those of the first word, or 1 more. They
        # say whether the end, which may have 1 more too, is still far, to be looked at, or behind.
        is_near = self._noted(m, f"is_near_{number}_q", ~past_first[self._low_bits : WORD_BITS].any())
        is_in_first_part = self._noted(
            m, f"is_in_first_part_{number}_q", word[self._low_bits] != window.not_first_word[self._low_bits]
        )
        crosses = self._noted(m, f"crosses_{number}_q", window.crosses)
        return is_near & Mux(is_in_first_part, crosses | is_below_end, crosses & is_below_end)

    def _carry(self, m: Module, name: str, left: Value, right: Value, carry_in: Value) -> Value:
        """The carry of a sum of the clock before: of its lowest part, and of the others for both cases."""
        size = -(-len(left) // SUM_PARTS)
        carry = None
        for low in range(0, len(left), size):
            bits = slice(low, min(low + size, len(left)))

            def noted(what: str, first: Value, bits: slice = bits) -> Value:
                total = (Cat(first, left[bits]) + Cat(first, right[bits]))[1:]
                return self._noted(m, f"{name}_{bits.start}_{what}_q", total[len(left[bits])])

            if carry is None:
                carry = noted("carry", carry_in)
            else:
                carry = noted("carry", Const(0, 1)) | (carry & noted("more", Const(1, 1)))
        assert carry is not None
        return Value.cast(carry)

    def _noted(self, m: Module, name: str, value: Value) -> Value:
        """What a check comes to is told by a register at the end of its clock, in the smallest space. With contexts,
        which have no room for it in that clock, the registers stand behind the sums.
        """
        if self._config.is_serial:
            return value
        noted = Signal(len(value), name=name)
        m.d.sync += noted.eq(value)
        return noted

    def _add_writes(self, m: Module, windows_q: data.View) -> None:
        config = self._config
        write = self.writes.payload
        base, size, bus_base = write.base[3:], write.size[3:], write.bus_base[3:]
        low, high = slice(0, self._low_bits), slice(self._low_bits, WORD_BITS)

        # A size is used less 2 words: what a node needs at least. So it always fits, and no window below that is on.
        is_empty_q = Signal()
        carries_q, bus_carries_q = Signal(name="carries_q"), Signal(name="bus_carries_q")
        offset = Signal(config.address_width - PAGE_BITS)
        shorter_q = Signal(self._low_bits)
        shorter = size[low] - 2
        is_below_2 = shorter[self._low_bits]

        # `base` + `shorter` in COMMIT; and whether one more is past what the bits can name, after JUDGE: then the end
        # lies beyond it. In the smallest space one adder does both. With contexts, where four windows hang on the sum
        # and the way there is long, what is added up stands in registers.
        is_judging = Signal()
        last_x86 = Signal(self._low_bits + 1)
        if config.is_serial:
            m.d.comb += [
                last_x86.eq((Cat(Const(1, 1), base[low]) + Cat(is_judging, shorter_q))[1:]),
                offset.eq(write.bus_base[PAGE_BITS:] - write.base[PAGE_BITS:]),
            ]
            bus_end = Cat(Const(1, 1), bus_base[low]) + Cat(Const(1, 1), shorter_q)
            with m.If(is_judging):
                m.d.sync += [carries_q.eq(last_x86[self._low_bits]), bus_carries_q.eq(bus_end[self._low_bits + 1])]
        else:
            m.d.sync += [
                last_x86.eq(base[low] + shorter_q),
                offset.eq(write.bus_base[PAGE_BITS:] - write.base[PAGE_BITS:]),
            ]
            m.d.comb += [
                carries_q.eq(self._carry(m, "past_memory", base[low], shorter_q, Const(1, 1))),
                bus_carries_q.eq(self._carry(m, "past_bus", bus_base[low], shorter_q, Const(1, 1))),
            ]

        # Upper bits of a size or a bus base are 0, or they are 1 in the few cases in which the end still is in reach.
        is_size_large, is_bus_far = Const(0, 1), bus_carries_q & ~is_empty_q
        is_far_off, is_base_last = Const(0, 1), Const(1, 1)
        is_small = is_below_2
        if self._low_bits < WORD_BITS:
            is_small = is_below_2 & ~size[self._low_bits]
            is_size_large = size[self._low_bits] & ~is_below_2
            is_far_off = (size[high][1:] | bus_base[high][1:]).any()
            is_bus_far = Mux(bus_base[self._low_bits], ~is_empty_q | bus_carries_q, is_bus_far)
            is_base_last = base[high].all()
        is_past = (carries_q & is_base_last & ~is_empty_q) | is_bus_far

        is_refused_q = Signal()
        is_answering_q = Signal()
        m.d.comb += [
            self.write_answers.valid.eq(is_answering_q),
            self.write_answers.payload.refused.eq(is_refused_q),
        ]
        with m.If(self.write_answers.ready):
            m.d.sync += is_answering_q.eq(0)

        # The write stays on offer until it is done, so little of it is kept here.
        commits = Signal(config.windows)
        meant = Cat((write.index == number) & ~is_refused_q & ~is_past for number in range(config.windows))
        meant_q = Signal(config.windows)
        if not config.is_serial:
            # What is known last opens hundreds of flip-flops.
            m.d.sync += meant_q.eq(0)
            m.d.comb += commits.eq(meant_q & ~self.is_locked.replicate(config.windows))
        with m.FSM():
            with m.State("ALIGN"), m.If(self.writes.valid & ~is_answering_q):
                is_unaligned = (write.base | write.size | write.bus_base)[:3].any()
                is_off_page = write.base[:PAGE_BITS] != write.bus_base[:PAGE_BITS]
                m.d.sync += [
                    shorter_q.eq(shorter),
                    is_empty_q.eq(is_small),
                    is_refused_q.eq(
                        self.is_locked
                        | is_unaligned
                        | is_off_page
                        | is_far_off
                        | is_size_large
                        | (write.index >= config.windows)
                    ),
                ]
                m.next = "JUDGE"
            with m.State("JUDGE"):
                m.d.comb += is_judging.eq(1)
                m.d.sync += is_refused_q.eq(is_refused_q | self.is_locked)
                m.next = "COMMIT" if config.is_serial else "WEIGH"
            if not config.is_serial:
                with m.State("WEIGH"):
                    m.d.sync += [
                        is_refused_q.eq(is_refused_q | is_past | self.is_locked),
                        meant_q.eq(meant & ~self.is_locked.replicate(config.windows)),
                    ]
                    m.next = "COMMIT"
            with m.State("COMMIT"):
                m.d.comb += self.writes.ready.eq(1)
                if config.is_serial:
                    m.d.comb += commits.eq(meant & ~self.is_locked.replicate(config.windows))
                is_past_now = is_past if config.is_serial else Const(0, 1)
                m.d.sync += [is_refused_q.eq(is_refused_q | is_past_now | self.is_locked), is_answering_q.eq(1)]
                m.next = "ALIGN"
        for window, does_commit in zip(windows_q, commits, strict=True):
            with m.If(does_commit):
                m.d.sync += [
                    window.is_on.eq(~is_empty_q),
                    window.not_first_word.eq(~base),
                    window.not_last_x86_low.eq(~last_x86[low]),
                    window.crosses.eq(last_x86[self._low_bits]),
                    window.page_offset.eq(offset),
                ]
