"""The keyed permutation of the hash table, as a program: forward, backward, and the rows that follow from it.

The rule: a state of 162 bits passes ``ROUNDS`` rounds. In each, neighbouring bits go through SPONGENT's 4-bit box (39
times, from bit 0 on) and PRINTcipher's 3-bit box (twice); the round key is XORed; bit ``i`` moves to place
``97 i + 56`` modulo 162. A round key is the 64-bit schedule, repeated, XOR the first 162 binary places of e. The
schedule of the first round is the seed; each further one is the one before, rotated left by 19, XOR the first 64 binary
places of pi.
"""

from functools import cache

KEY_BITS = 162
SEED_BITS = 64
ROUNDS = 8

_SPONGENT_BOX = tuple(int(digit, 16) for digit in "EDB0214F7A859C36")
_PRINT_BOX = tuple(int(digit) for digit in "01367452")
_BOXES = [_SPONGENT_BOX] * 39 + [_PRINT_BOX] * 2
_ROTATION = 19
_SEED_MASK = (1 << SEED_BITS) - 1


def _places_of_pi(count: int) -> int:
    """The first binary places, by Machin's formula."""
    one = 1 << count + 64

    def arc_cotangent(number: int) -> int:
        power, total, odd = one // number, 0, 1
        while power:
            total += power // odd if odd % 4 == 1 else -(power // odd)
            power //= number * number
            odd += 2
        return total

    return 4 * (4 * arc_cotangent(5) - arc_cotangent(239)) % one >> 64


def _places_of_e(count: int) -> int:
    """The first binary places, by the series of reciprocal factorials."""
    term, total, number = 1 << count + 64, 0, 2
    while term:
        term //= number
        total += term
        number += 1
    return total >> 64


_STEP = _places_of_pi(SEED_BITS)
_PATTERN = _places_of_e(KEY_BITS)


def place_after_wires(bit: int) -> int:
    """Where a bit stands after the last step of a round."""
    return (97 * bit + 56) % KEY_BITS


def _moved(state: int) -> int:
    return sum(1 << place_after_wires(bit) for bit in range(KEY_BITS) if state >> bit & 1)


@cache
def _forward_tables() -> list[tuple[int, int, list[int]]]:
    """For each box its lowest bit, its mask, and what each of its inputs contributes to the state after the round."""
    tables, low = [], 0
    for box in _BOXES:
        tables.append((low, len(box) - 1, [_moved(output << low) for output in box]))
        low += len(box).bit_length() - 1
    return tables


def _unmoved(state: int) -> int:
    return sum(1 << bit for bit in range(KEY_BITS) if state >> place_after_wires(bit) & 1)


@cache
def _backward_tables() -> list[tuple[int, int, list[int], list[int]]]:
    """For each box its lowest bit, its mask, and what each of its outputs says of the state before the round, as it is
    and as it was before the wires of the round before.
    """
    tables, low = [], 0
    for box in _BOXES:
        inputs = [box.index(output) << low for output in range(len(box))]
        tables.append((low, len(box) - 1, inputs, [_unmoved(state) for state in inputs]))
        low += len(box).bit_length() - 1
    return tables


class KeyedPermutation:
    """The permutation under one seed. ``rounds`` other than ``ROUNDS`` are for studies of the rule alone.

    Raises ``ValueError`` for a seed of more than 64 bits, or no rounds.
    """

    def __init__(self, *, seed: int, rounds: int = ROUNDS) -> None:
        if not 0 <= seed <= _SEED_MASK:
            raise ValueError(f"seed must be 0 to 2**{SEED_BITS} - 1, got {seed}")
        if rounds < 1:
            raise ValueError(f"rounds must be at least 1, got {rounds}")
        schedule = seed
        self.round_keys: list[int] = []
        for _ in range(rounds):
            repeated = schedule | schedule << SEED_BITS | schedule << 2 * SEED_BITS
            self.round_keys.append(repeated % (1 << KEY_BITS) ^ _PATTERN)
            rotated = schedule << _ROTATION | schedule >> SEED_BITS - _ROTATION
            schedule = rotated & _SEED_MASK ^ _STEP
        self._moved_keys = [_moved(key) for key in self.round_keys]

    def forward(self, key: int) -> int:
        """The permuted key."""
        tables = _forward_tables()
        state = key
        for following in self._moved_keys:
            before = state
            state = following
            for low, mask, contributions in tables:
                state ^= contributions[before >> low & mask]
        return state

    def inverse(self, permuted: int) -> int:
        """The key that has these permuted bits."""
        tables = _backward_tables()
        outputs = _unmoved(permuted)
        for round_key in reversed(self.round_keys[1:]):
            after, outputs = outputs ^ round_key, 0
            for low, mask, _, unmoved in tables:
                outputs ^= unmoved[after >> low & mask]
        after = outputs ^ self.round_keys[0]
        return sum(inputs[after >> low & mask] for low, mask, inputs, _ in tables)


def row_of(permuted: int, *, way: int, row_bits: int) -> int:
    """The row of a way that a permuted key addresses."""
    return permuted >> row_bits * way & (1 << row_bits) - 1


def key_bits(*, spi: int, destination: int, family: int = 0, protocol: int = 0) -> int:
    """A key as the table sees it: SPI in bits 31:0, destination above, then family (1: IPv6) and protocol (1: AH)."""
    return spi | destination << 32 | family << 160 | protocol << 161
