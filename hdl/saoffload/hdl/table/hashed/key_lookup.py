"""The receive pipeline: from a key to the live bundle that has it."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.table.handles import to_handle

from .entry import KEY_BITS, found_layout, sizes_of
from .permutation import SEED_BITS, Permutation
from .timing import LIVE_TO_ANSWER, MEMORY_LATENCY, request_to_live
from .trees import parity_groups
from .wildcards import NAME, Wildcards, name_of


class KeyLookup(wiring.Component):
    """Answers receive lookups: the live inbound bundle whose SA has the key, an exact match before a wildcard.

    Parameters: ``config``.

    Members: ``seed`` of the permutation. ``do_request`` with ``key``; ``did_answer`` with ``answer`` (its epoch is not
    set here, and without ``hit`` the other fields mean nothing). ``search``, ``search_parity`` to the first way;
    ``way_found`` from the last, ``overflow_found``, in the same clock. ``name`` to the wildcards and
    ``wildcard_found``. ``exact_index``/``exact_is_live``, ``wildcard_index``/``wildcard_is_live``, ``index`` with
    ``generation`` (and a clock later ``generation_was_good``) and ``context``: memories of 2 clocks.

    Latency: ``request_to_live(config) + LIVE_TO_ANSWER`` clocks, one request per clock.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        index = range(config.bundles)
        super().__init__(
            {
                "seed": In(SEED_BITS),
                "do_request": In(1),
                "key": In(layouts.KEY),
                "did_answer": Out(1),
                "answer": Out(layouts.lookup_answer(config)),
                "search": Out(KEY_BITS),
                "search_parity": Out(1),
                "way_found": In(found_layout(config)),
                "overflow_found": In(found_layout(config)),
                "name": Out(NAME.size),
                "wildcard_found": In(found_layout(config)),
                "exact_index": Out(index),
                "exact_is_live": In(1),
                "wildcard_index": Out(index),
                "wildcard_is_live": In(1),
                "index": Out(index),
                "generation": In(config.generation_bits),
                "generation_was_good": In(1),
                "context": In(config.context_width),
            }
        )

    @staticmethod
    def latency(config: EngineConfig) -> int:
        """Clocks from request to answer."""
        return request_to_live(config) + LIVE_TO_ANSWER

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self._config
        is_asked = Signal(self.latency(config))
        m.d.sync += is_asked.eq(Cat(self.do_request, is_asked[:-1]))
        m.d.comb += self.did_answer.eq(is_asked[-1])

        m.submodules.permutation = permutation = Permutation(rounds=sizes_of(config).rounds)
        parities = parity_groups(permutation.permuted)
        parities_q = Signal(len(parities), reset_less=True)
        m.d.comb += [
            permutation.seed.eq(self.seed),
            permutation.key.eq(self.key),
            self.search.eq(permutation.permuted),
        ]
        # All wildcards compare it: from a register, which costs no time, because they wait for the ways.
        m.d.sync += self.name.eq(name_of(self.key))
        m.d.sync += [parities_q.eq(parities), self.search_parity.eq(parities_q.xor())]

        # The candidates: exact as the ways and the overflow found it, the wildcard after waiting for them.
        exact = Signal(found_layout(config), reset_less=True)
        m.d.sync += exact.eq(self.way_found.as_value() | self.overflow_found.as_value())
        wildcard = self._delayed(
            m, self.wildcard_found.as_value(), request_to_live(config) - Wildcards.LATENCY - 1, "wildcard"
        )
        wildcard = found_layout(config)(wildcard)
        m.d.comb += [self.exact_index.eq(exact.owner.index), self.wildcard_index.eq(wildcard.owner.index)]

        # A dead exact entry must not hide a live wildcard, so both live bits are read.
        late_exact = found_layout(config)(self._delayed(m, exact.as_value(), MEMORY_LATENCY, "exact"))
        late_wildcard = found_layout(config)(self._delayed(m, wildcard.as_value(), MEMORY_LATENCY, "late_wildcard"))
        exact_is_live = late_exact.is_found & self.exact_is_live
        chosen = Signal(found_layout(config), reset_less=True)
        m.d.sync += [
            chosen.is_found.eq(exact_is_live | (late_wildcard.is_found & self.wildcard_is_live)),
            chosen.owner.eq(Mux(exact_is_live, late_exact.owner.as_value(), late_wildcard.owner.as_value())),
        ]
        m.d.comb += self.index.eq(chosen.owner.index)

        # Generation and context come with what was chosen, the generation's parity a clock later.
        late = found_layout(config)(self._delayed(m, chosen.as_value(), MEMORY_LATENCY + 1, "chosen"))
        generation_q = Signal.like(self.generation, reset_less=True)
        context_q = Signal.like(self.context, reset_less=True)
        m.d.sync += [
            generation_q.eq(self.generation),
            context_q.eq(self.context),
            self.answer.hit.eq(late.is_found & self.generation_was_good),
            self.answer.handle.eq(to_handle(config, late.owner.index, generation_q)),
            self.answer.sa_number.eq(late.owner.sa_number),
            self.answer.direction.eq(layouts.Direction.INBOUND),
            self.answer.context.eq(context_q),
        ]
        return m

    @staticmethod
    def _delayed(m: Module, value: Value, clocks: int, name: str) -> Signal:
        """The value of so many clocks ago, without reset: what it means is known from elsewhere."""
        for clock in range(clocks):
            later = Signal(len(value), name=f"{name}_{clock + 1}", reset_less=True)
            m.d.sync += later.eq(value)
            value = later
        assert isinstance(value, Signal)
        return value
