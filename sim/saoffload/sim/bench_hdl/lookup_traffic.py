"""One kind of lookups under random traffic: asked at any rate, each answer retired after a time of its own."""

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig

from .dice import Dice

ITEMS = 64
"""What can be asked for."""
HELD = 16
"""Answers that are not retired, and requests that are not answered, together at most."""
IN_FLIGHT = 64
HOLD_BITS = 12
RATE_BITS = 8
LONG_HOLD = 3
"""One hold in 32 lasts 2**3 times as long."""


class LookupTraffic(wiring.Component):
    """Asks for random items of a list and retires each answer once, in any order.

    Parameters
    ----------
    config : EngineConfig
    request : the layout of a request.

    Members
    -------
    requests, answers, retires
        The streams of the table, seen from who asks.
    rate : ``In(8)``
        Requests begun per 256 clocks; 0: none.
    hold : ``In(12)``
        Mask of the random clocks for which an answer is held.
    is_frozen : ``In(1)``
        Nothing is retired.
    is_draining : ``In(1)``
        Nothing is asked, and everything is retired at once.
    seed, do_restart : ``In``
        See ``Dice``. A restart forgets what is not answered and not retired: for a table in reset.
    item_number, item : ``Out``, ``In``
        Whoever keeps the list: the item of that number, in the same clock.
    did_answer, asked, asked_number, answered_slot : ``Out``
        Strobe; for which item, and its number; and which of ``HELD`` slots remembers it.
    did_retire, retired_slot : ``Out``
    used_count : ``Out``
        Requests and answers that are not retired.
    """

    def __init__(self, config: EngineConfig, request: object):
        self._config = config
        self._width = request.size
        super().__init__(
            {
                "requests": Out(stream.Signature(request)),
                "answers": In(stream.Signature(layouts.lookup_answer(config), always_ready=True)),
                "retires": Out(stream.Signature(layouts.epoch(config), always_ready=True)),
                "rate": In(RATE_BITS),
                "hold": In(HOLD_BITS),
                "is_frozen": In(1),
                "is_draining": In(1),
                "seed": In(64),
                "do_restart": In(1),
                "item_number": Out(range(ITEMS)),
                "item": In(self._width),
                "did_answer": Out(1),
                "asked": Out(self._width),
                "asked_number": Out(range(ITEMS)),
                "answered_slot": Out(range(HELD)),
                "did_retire": Out(1),
                "retired_slot": Out(range(HELD)),
                "used_count": Out(range(HELD + 1)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.dice = dice = Dice()
        m.d.comb += [dice.seed.eq(self.seed), dice.do_restart.eq(self.do_restart)]
        self._ask(m, dice)
        self._retire(m, dice)
        with m.If(self.do_restart):
            m.d.sync += self.used_count.eq(0)
        return m

    def _ask(self, m: Module, dice: Dice) -> None:
        """A request stands still until it is taken; what it asks for is kept until its answer."""
        is_offered, item_q, number_q = Signal(), Signal(self._width), Signal.like(self.item_number)
        do_ask = Signal()
        is_taken = self.requests.valid & self.requests.ready
        m.d.comb += [
            self.item_number.eq(dice.bits[8:14]),
            self.requests.valid.eq(is_offered),
            self.requests.payload.as_value().eq(item_q),
            do_ask.eq(
                (~is_offered | self.requests.ready)
                & (dice.bits[:RATE_BITS] < self.rate)
                & (self.used_count < HELD)
                & ~self.is_draining
                & ~self.do_restart
            ),
        ]
        with m.If(do_ask):
            m.d.sync += [is_offered.eq(1), item_q.eq(self.item), number_q.eq(self.item_number)]
        with m.Elif(is_taken | self.do_restart):
            m.d.sync += is_offered.eq(0)
        m.d.sync += self.used_count.eq(self.used_count + do_ask - self.did_retire)

        m.submodules.asked = memory = Memory(shape=self._width + len(number_q), depth=IN_FLIGHT, init=[])
        write, read = memory.write_port(), memory.read_port(domain="comb")
        m.d.comb += [
            write.en.eq(is_taken),
            write.data.eq(Cat(item_q, number_q)),
            Cat(self.asked, self.asked_number).eq(read.data),
            self.did_answer.eq(self.answers.valid),
        ]
        m.d.sync += [write.addr.eq(write.addr + is_taken), read.addr.eq(read.addr + self.did_answer)]
        with m.If(self.do_restart):
            m.d.sync += [write.addr.eq(0), read.addr.eq(0)]

    def _retire(self, m: Module, dice: Dice) -> None:
        """Every slot waits for a clock of its own; of those whose clock has come one is retired per clock."""
        clock = Signal(HOLD_BITS + LONG_HOLD + 1)
        is_held, is_due = Signal(HELD), Signal(HELD)
        due_at = Array(Signal.like(clock, name=f"due_at_{number}") for number in range(HELD))
        epochs = Array(Signal(self._config.epoch_width, name=f"epoch_{number}") for number in range(HELD))
        m.d.sync += clock.eq(clock + 1)
        hold = Signal.like(clock)
        bits = dice.bits[14 : 14 + HOLD_BITS] & self.hold
        m.d.comb += hold.eq(bits)
        with m.If(dice.bits[30:35] == 0):
            m.d.comb += hold.eq(bits << LONG_HOLD)
        for number in range(HELD):
            with m.If(is_held[number] & ((due_at[number] == clock) | self.is_draining)):
                m.d.sync += is_due[number].eq(1)
        for number in reversed(range(HELD)):
            with m.If(~is_held[number]):
                m.d.comb += self.answered_slot.eq(number)
        with m.If(self.did_answer):
            m.d.sync += [
                is_held.bit_select(self.answered_slot, 1).eq(1),
                is_due.bit_select(self.answered_slot, 1).eq(0),
                due_at[self.answered_slot].eq(clock + hold + 1),
                epochs[self.answered_slot].eq(self.answers.payload.epoch),
            ]
        start = dice.bits[35:39]
        circle = Signal(2 * HELD)
        m.d.comb += circle.eq(Cat(is_due, is_due) >> start)
        for place in reversed(range(HELD)):
            with m.If(circle[place]):
                m.d.comb += self.retired_slot.eq(start + place)
        m.d.comb += [
            self.did_retire.eq((is_due != 0) & ~self.is_frozen),
            self.retires.valid.eq(self.did_retire),
            self.retires.payload.epoch.eq(epochs[self.retired_slot]),
        ]
        with m.If(self.did_retire):
            m.d.sync += [
                is_held.bit_select(self.retired_slot, 1).eq(0),
                is_due.bit_select(self.retired_slot, 1).eq(0),
            ]
        with m.If(self.do_restart):
            m.d.sync += [is_held.eq(0), is_due.eq(0)]
