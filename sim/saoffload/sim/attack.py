"""Keys that an attacker would choose: those that collide under one seed, and those that collide in a linear hash.

What the keyed permutation promises is that neither is of any use under a seed that the attacker does not know.
"""

from random import Random

from .permutation import KEY_BITS, ROUNDS, KeyedPermutation, key_bits

_POLYNOMIAL = 0x1_0000_0000_0000_0000_0000_87
"""x^88 + x^7 + x^2 + x + 1: a shift register as long as eight rows of 11 bits."""
_HASH_BITS = _POLYNOMIAL.bit_length() - 1


def colliding_keys(
    *, seed: int, count: int, rows: int, ways: int, row_bits: int, random: Random, rounds: int = ROUNDS
) -> list[int]:
    """Keys that have one of only ``rows`` rows in each way under this seed: found backwards, from rows to keys.

    Raises ``ValueError`` for more rows than a way has.
    """
    if not 1 <= rows <= 1 << row_bits:
        raise ValueError(f"rows must be 1 to {1 << row_bits}, got {rows}")
    permutation = KeyedPermutation(seed=seed, rounds=rounds)
    chosen = [random.sample(range(1 << row_bits), rows) for _ in range(ways)]
    keys: dict[int, None] = {}
    while len(keys) < count:
        permuted = random.getrandbits(KEY_BITS - ways * row_bits) << ways * row_bits
        for way, of_way in enumerate(chosen):
            permuted |= random.choice(of_way) << way * row_bits
        keys[permutation.inverse(permuted)] = None
    return list(keys)


def linear_hash(key: int, *, seed: int) -> int:
    """The rows of a key in all ways, joined, under a cyclic redundancy check that starts from the seed: what hash
    tables in hardware like to use. Linear: the difference of two keys decides that of their rows, whatever the seed.
    """
    state = seed | key << _HASH_BITS
    for bit in range(state.bit_length() - 1, _HASH_BITS - 1, -1):
        if state >> bit & 1:
            state ^= _POLYNOMIAL << bit - _HASH_BITS
    return state


def linearly_colliding_keys(*, count: int, random: Random) -> list[int]:
    """Keys that collide in all ways of ``linear_hash`` under every seed: one key, and differences that the hash maps to
    nothing, which are a linear space.
    """
    dimension = (count - 1).bit_length()
    kernel = _kernel(KEY_BITS - 2)
    if dimension > len(kernel):
        raise ValueError(f"at most {1 << len(kernel)} keys collide, got {count}")
    # IPv6, ESP: no difference touches family and protocol.
    base = key_bits(spi=random.getrandbits(32), destination=random.getrandbits(127) + 1, family=1)
    basis = random.sample(kernel, dimension)
    keys = []
    for number in range(count):
        key = base
        for place, vector in enumerate(basis):
            if number >> place & 1:
                key ^= vector
        keys.append(key)
    return keys


def _kernel(bits: int) -> list[int]:
    """A basis of the differences of so many bits that the hash maps to nothing, by elimination."""
    pivots: dict[int, tuple[int, int]] = {}
    kernel = []
    for bit in range(bits):
        difference, image = 1 << bit, linear_hash(1 << bit, seed=0)
        while image:
            top = image.bit_length()
            if top not in pivots:
                pivots[top] = (difference, image)
                break
            difference, image = difference ^ pivots[top][0], image ^ pivots[top][1]
        else:
            kernel.append(difference)
    return kernel
