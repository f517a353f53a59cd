"""The keyed permutation of keys: what makes the rows of a hash table unpredictable and its entries exact.

A permutation, not a hash: no two keys have the same permuted bits, so a way that is addressed by some of them need
store only the others. Way ``w`` of a table with ``2**n`` rows is addressed by bits ``n*w`` up to ``n*w + n - 1``.

Every round does the same, to 162 bits:

1. Boxes: bits 0 to 155 pass 39 boxes of 4 bits, the rest two boxes of 3 bits, each box on neighbouring bits.
2. The round key is XORed. Its bit ``i`` is bit ``i % 64`` of the schedule, XOR bit ``i`` of ``PATTERN``. The schedule
   starts as the seed; after each round it is rotated left by 19 and XORed with ``STEP``.
3. Wires: bit ``i`` goes to bit ``(97 * i + 56) % 162``.

The 4-bit box is SPONGENT's (Bogdanov et al., CHES 2011), the 3-bit box PRINTcipher's (Knudsen et al., CHES 2010). Both
are optimal against differences and linear relations; a difference of one bit leaves the 4-bit box as two at least.
The wires take the bits of each box to as many other boxes, and those of a row of 11 bits come from 11 boxes; after 5
rounds every bit depends on all. Of a hundred factors and offsets that do this, 97 and 56 were one of the two pairs
that gave differences inside one box the least chance to end in one row after 5 and 6 rounds. ``STEP`` and ``PATTERN``
are the first binary places of pi and e. As ``STEP`` has an odd number of ones, no two rounds that follow each other
have the same round key, whatever the seed.

Eight rounds are the fewest after which ``python -m saoffload.sim.fill_study`` tells no family of keys from random
ones. Keys chosen to differ inside one box still meet in a row about half a percent more often than chance would have
it; after seven rounds it is 15 percent. This is no cipher: whoever learns rows may learn the seed.
"""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts

KEY_BITS = layouts.KEY.size
SEED_BITS = layouts.SEED_BITS
ROUNDS = 8

BOX = (0xE, 0xD, 0xB, 0x0, 0x2, 0x1, 0x4, 0xF, 0x7, 0xA, 0x8, 0x5, 0x9, 0xC, 0x3, 0x6)
SMALL_BOX = (0, 1, 3, 6, 7, 4, 5, 2)
SMALL_BOXES = 2
ROTATION = 19
STEP = 0x243F6A88_85A308D3
PATTERN = 0x2_DF85458A_2BB4A9AA_FDC56202_73D3CF1D_8B9C583C
FACTOR = 97
OFFSET = 56


def boxes(state: Signal) -> list[Value]:
    """The bits after the first step of a round: each becomes a function of the three or four of its box."""
    small_width = (len(SMALL_BOX) - 1).bit_length()
    width = (len(BOX) - 1).bit_length()
    border = len(state) - SMALL_BOXES * small_width
    starts = [(start, width, BOX) for start in range(0, border, width)]
    starts += [(start, small_width, SMALL_BOX) for start in range(border, len(state), small_width)]
    bits = []
    for start, size, box in starts:
        for number in range(size):
            truth_table = sum((output >> number & 1) << value for value, output in enumerate(box))
            bits.append(Const(truth_table, len(box)).bit_select(state[start : start + size], 1))
    return bits


def one_round(state: Signal, schedule: Signal) -> Value:
    """The state after one round: each bit is a function of four bits of the state and one of the schedule."""
    after: dict[int, Value] = {}
    for place, bit in enumerate(boxes(state)):
        mixed = bit ^ schedule[place % len(schedule)] ^ (PATTERN >> place & 1)
        after[(FACTOR * place + OFFSET) % len(state)] = mixed
    return Value.cast(Cat(after[place] for place in range(len(state))))


def next_schedule(schedule: Signal) -> Value:
    """The schedule of the next round: wires and inverters."""
    return schedule.rotate_left(ROTATION) ^ STEP


class Permutation(wiring.Component):
    """Permutes one key per clock.

    Members: ``seed``: constant while the answers count. ``key``; ``permuted``, ``LATENCY`` clocks later.

    Latency: ``LATENCY`` clocks, one key per clock. No reset: what leaves first after one is arbitrary.
    """

    LATENCY = ROUNDS

    def __init__(self, *, rounds: int = ROUNDS):
        self._rounds = rounds
        super().__init__({"seed": In(SEED_BITS), "key": In(KEY_BITS), "permuted": Out(KEY_BITS)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        state, schedule = self.key, self.seed
        for number in range(self._rounds):
            state_after = Signal(KEY_BITS, name=f"state_{number + 1}", reset_less=True)
            schedule_after = Signal(SEED_BITS, name=f"schedule_{number + 1}")
            m.d.sync += state_after.eq(one_round(state, schedule))
            m.d.comb += schedule_after.eq(next_schedule(schedule))
            state, schedule = state_after, schedule_after
        m.d.comb += self.permuted.eq(state)
        return m


class SerialPermutation(wiring.Component):
    """Permutes one key at a time on the hardware of one round.

    Members: ``seed``: looked at with ``do_start`` alone. ``do_start`` with ``key``; a start before the answer abandons
    the first one. ``is_done``: strobe, ``LATENCY`` clocks later; ``permuted`` stands from then on to the clock of the
    next start, included.

    Latency: ``LATENCY`` clocks, one of them to take the key; the next start may come in the clock of ``is_done``.
    """

    LATENCY = 1 + ROUNDS

    def __init__(self, *, rounds: int = ROUNDS):
        self._rounds = rounds
        super().__init__(
            {
                "seed": In(SEED_BITS),
                "do_start": In(1),
                "key": In(KEY_BITS),
                "is_done": Out(1),
                "permuted": Out(KEY_BITS),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        state = Signal(KEY_BITS, reset_less=True)
        schedule = Signal(SEED_BITS, reset_less=True)
        rounds_left = Signal(range(self._rounds + 1))
        is_running = Signal()
        m.d.comb += self.permuted.eq(state)
        m.d.sync += is_running.eq(self.do_start | (is_running & (rounds_left != 1)))
        with m.If(self.do_start):
            m.d.sync += [state.eq(self.key), schedule.eq(self.seed), rounds_left.eq(self._rounds)]
        with m.Elif(is_running):
            m.d.sync += [
                state.eq(one_round(state, schedule)),
                schedule.eq(next_schedule(schedule)),
                rounds_left.eq(rounds_left - 1),
            ]
        m.d.sync += self.is_done.eq((rounds_left == 1) & ~self.do_start)
        return m
