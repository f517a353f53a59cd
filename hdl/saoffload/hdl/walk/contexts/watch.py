"""Which reads take too long: one clock for all contexts, looked at in turn."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.local_copy import local_copy
from saoffload.hdl.lut_memory import LutMemory
from saoffload.hdl.walk.timer import TIMEOUT_BITS

PERIOD_AT_LEAST = 4


class Watch(wiring.Component):
    """Says which waiter has waited for ``timeout`` clocks since its last start.

    Each is looked at once per round of ``period`` clocks (the number of waiters, at least 4), so a start is noted, and
    the end of a wait is seen, up to a round late: never early, and at most two rounds and 6 clocks late.

    Parameters: ``waiters``.

    Members
    -------
    timeout : ``In(32)``
        In clocks; 0 means never.
    do_start : ``In(waiters)``
        Strobe for each: the wait begins.
    is_waiting : ``In(waiters)``
    expires : ``Out(waiters)``
        Strobe for each: it has waited too long, unless ``do_start`` says in the same clock that it begins anew.
    looked_at : Out
        Goes round; for others that look at one waiter per clock.
    """

    def __init__(self, *, waiters: int):
        self._waiters = waiters
        self._period = max(PERIOD_AT_LEAST, waiters)
        super().__init__(
            {
                "timeout": In(TIMEOUT_BITS),
                "do_start": In(waiters),
                "is_waiting": In(waiters),
                "expires": Out(waiters),
                "looked_at": Out(range(self._period)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        # One bit more than a timeout has: what is looked at every round cannot wrap unseen.
        now = Signal(TIMEOUT_BITS + 1)
        m.submodules.starts = starts = LutMemory(shape=TIMEOUT_BITS + 1, depth=self._period)
        must_note_q = Signal(self._period)
        start_q = Signal(self._waiters)
        will_look = Mux(self.looked_at == self._period - 1, 0, self.looked_at + 1)[: len(self.looked_at)]
        looked_at = local_copy(m, "looked_at", will_look)
        m.d.sync += [now.eq(now + 1), self.looked_at.eq(will_look)]

        must_note = must_note_q.bit_select(self.looked_at, 1)
        m.d.comb += [
            starts.read_addresses[0].eq(looked_at),
            starts.write_address.eq(looked_at),
            starts.write_data.eq(now),
            starts.do_write.eq(must_note),
        ]
        m.d.sync += [
            start_q.eq(self.do_start),
            must_note_q.eq((must_note_q & ~(1 << self.looked_at)[: self._period]) | start_q),
        ]

        # Two clocks: the time that passed, and whether that is too long.
        elapsed_q = Signal(TIMEOUT_BITS + 1)
        is_counting_q = Signal()
        seen_q = Signal.like(self.looked_at)
        is_long_q = Signal()
        late_q = Signal.like(self.looked_at)
        m.d.sync += [
            elapsed_q.eq(now - starts.read_data[0]),
            is_counting_q.eq(~must_note),
            seen_q.eq(self.looked_at),
            is_long_q.eq(is_counting_q & (elapsed_q >= self.timeout) & self.timeout.any()),
            late_q.eq(seen_q),
        ]
        # Whoever began anew meanwhile is not meant.
        is_new = must_note_q[: self._waiters] | start_q
        expires_q = Signal(self._waiters)
        m.d.sync += expires_q.eq(
            Cat(is_long_q & (late_q == number) for number in range(self._waiters)) & self.is_waiting & ~is_new
        )
        m.d.comb += self.expires.eq(expires_q & ~is_new)
        return m
