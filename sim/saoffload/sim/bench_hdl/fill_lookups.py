"""Random lookups of both kinds in every clock, and the judgement of every answer."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig

from .fill_plan import FillPlan

IN_FLIGHT = 128
"""Lookups of a kind that can be unanswered."""
LATENCY_BITS = 24
MULTIPLIER, INCREMENT = 6364136223846793005, 1442695040888963407
"""Knuth's linear congruence for 64 bits; its upper bits are random enough to choose questions."""
RECENT = 16


class AskedMember(wiring.Signature):
    """One kind of lookups as a table has it, and what whoever keeps the books knows, seen from who asks.

    ``requests``, ``answers``, ``retires``: the streams. ``owner``: the add whose ``handle`` and ``is_alive`` are wanted
    in this clock, before what happens in it.
    """

    def __init__(self, config: EngineConfig, plan: FillPlan, request: object):
        answer = layouts.lookup_answer(config)
        super().__init__(
            {
                "requests": Out(stream.Signature(request)),
                "answers": In(stream.Signature(answer, always_ready=True)),
                "retires": Out(stream.Signature(layouts.epoch(config), always_ready=True)),
                "owner": Out(range(plan.adds)),
                "handle": In(32),
                "is_alive": In(1),
            }
        )


class CheckedLookups(wiring.Component):
    """Asks for a random key and for a random handle in every clock, and says which answers were wrong.

    A quarter of the keys are of the latest adds. Half of the handles are of outbound bundles; one in four has one bit
    above its index flipped, and names nothing. A bundle lives from the clock in which its add is answered to the clock
    before that in which its delete is. While its add is on offer either answer will do.

    Parameters: ``config``, ``plan``.

    Members: ``seed``, looked at while nobody ``does_ask``. ``is_adding``/``adding``: this add has no answer yet.
    ``does_appear``: it is answered OK in this clock. ``does_vanish``/``vanishing``: the delete of that bundle is
    answered in this clock. ``key``, ``handle``: see ``AskedMember``. ``key_number`` of which ``key_bits`` are wanted,
    ``handle_number`` of which ``asked_handle`` and ``asked_is_alive``. Strobes per kind, key first: ``did_ask``,
    ``did_answer``, ``did_hit``, ``is_wrong``, ``latency_changed``; ``latency`` of the last answer.
    """

    def __init__(self, config: EngineConfig, plan: FillPlan):
        self._config = config
        self._plan = plan
        add = range(plan.adds)
        super().__init__(
            {
                "seed": In(layouts.SEED_BITS),
                "does_ask": In(1),
                "is_adding": In(1),
                "adding": In(add),
                "does_appear": In(1),
                "does_vanish": In(1),
                "vanishing": In(add),
                "key": Out(AskedMember(config, plan, layouts.KEY)),
                "handle": Out(AskedMember(config, plan, layouts.HANDLE_REQUEST)),
                "key_number": Out(range(plan.keys)),
                "key_bits": In(layouts.KEY.size),
                "handle_number": Out(add),
                "asked_handle": In(32),
                "asked_is_alive": In(1),
                **{name: Out(2) for name in ("did_ask", "did_answer", "did_hit", "is_wrong", "latency_changed")},
                "latency": Out(LATENCY_BITS).array(2),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        plan = self._plan
        clock = Signal(LATENCY_BITS)
        state = Signal(64)
        m.d.sync += [
            clock.eq(clock + 1),
            state.eq(Mux(self.does_ask, state * MULTIPLIER + INCREMENT, self.seed)),
        ]
        bits = state[20:]
        m.d.comb += [
            self.key.requests.valid.eq(self.does_ask),
            self.handle.requests.valid.eq(self.does_ask),
            Value.cast(self.key.requests.payload).eq(self.key_bits),
        ]

        recent = Signal(range(plan.keys))
        single = self.adding + plan.pairs - plan.outbound
        m.d.comb += [
            recent.eq(Mux(self.adding > plan.outbound + plan.pairs + RECENT, single - bits[2:6], 0)),
            self.key_number.eq(Mux(bits[:2] == 0, recent, self._scaled(bits[6:24], plan.keys))),
            self.handle_number.eq(
                Mux(bits[24], self._scaled(bits[2:20], plan.adds), self._scaled(bits[2:20], plan.outbound))
            ),
        ]
        is_flipped = (bits[25:27] == 0) & self.asked_handle[31]
        # Not in the index: that would be the handle of another.
        low = self._config.index_bits
        flipped = Mux(is_flipped, Const(1 << low, 64) << self._scaled(bits[27:33], 64 - low), 0)
        m.d.comb += self.handle.requests.payload.handle.eq(self.asked_handle ^ flipped)

        of_pair = self.key_number < 2 * plan.pairs
        owner = Mux(of_pair, plan.outbound + (self.key_number >> 1), self.key_number + plan.outbound - plan.pairs)
        # Asked: which add, which of its SAs, whether a hit is possible at all, and when.
        key_asked = Cat(clock, Const(1, 1), of_pair & self.key_number[0], owner)
        was_known = self.asked_is_alive & ~is_flipped
        is_outbound = self.handle_number < plan.outbound
        handle_asked = Cat(clock, was_known & is_outbound, Const(0, 1), self.handle_number)
        for number, (kind, asked) in enumerate(((self.key, key_asked), (self.handle, handle_asked))):
            self._judge(m, number, kind, asked, clock)
        return m

    @staticmethod
    def _scaled(bits: Value, count: int) -> Value:
        """A number below ``count``, all about equally often."""
        return (bits * count) >> len(bits)

    def _lives(self, add: Value, is_alive: Value) -> Value:
        """Whether the bundle of this add lives in this clock, for those answered in it."""
        appears = self.does_appear & (self.adding == add)
        vanishes = self.does_vanish & (self.vanishing == add)
        return (is_alive | appears) & ~vanishes

    def _judge(self, m: Module, number: int, kind: wiring.PureInterface, asked: Value, clock: Signal) -> None:
        """Remember each question until its answer comes."""
        add_bits = len(Value.cast(kind.owner))
        m.submodules[f"asked_{number}"] = memory = Memory(shape=LATENCY_BITS + 2 + add_bits, depth=IN_FLIGHT, init=[])
        write, read = memory.write_port(), memory.read_port(domain="comb")
        did_ask = kind.requests.valid & kind.requests.ready
        m.d.comb += [write.en.eq(did_ask), write.data.eq(asked), self.did_ask[number].eq(did_ask)]
        m.d.sync += write.addr.eq(write.addr + did_ask)

        answer = kind.answers.payload
        did_answer = kind.answers.valid
        question = Signal(len(read.data), name=f"question_{number}")
        asked_at, may_hit, sa_number = question[:LATENCY_BITS], question[LATENCY_BITS], question[LATENCY_BITS + 1]
        m.d.comb += [
            question.eq(read.data),
            kind.owner.eq(question[LATENCY_BITS + 2 :]),
            kind.retires.valid.eq(did_answer),
            kind.retires.payload.epoch.eq(answer.epoch),
            self.did_answer[number].eq(did_answer),
            self.did_hit[number].eq(did_answer & answer.hit),
        ]
        m.d.sync += read.addr.eq(read.addr + did_answer)

        is_hit = may_hit & self._lives(kind.owner, kind.is_alive)
        appears = self.does_appear & (self.adding == kind.owner)
        is_other = (answer.sa_number != sa_number) | (~appears & (answer.handle != kind.handle))
        is_open = self.is_adding & (self.adding == kind.owner)
        latency = Signal(LATENCY_BITS, name=f"latency_{number}")
        is_measured = Signal(name=f"is_measured_{number}")
        m.d.comb += [
            latency.eq(clock - asked_at),
            self.is_wrong[number].eq(did_answer & ~is_open & ((answer.hit != is_hit) | (answer.hit & is_other))),
            self.latency_changed[number].eq(did_answer & is_measured & (latency != self.latency[number])),
        ]
        with m.If(did_answer):
            m.d.sync += [self.latency[number].eq(latency), is_measured.eq(1)]
