"""What a way of the hash table stores of a key, and how the key comes back from it."""

from amaranth.hdl import Cat, Value
from amaranth.lib import data

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig, HashSizes

KEY_BITS = layouts.KEY.size
"""Bits of a permuted key: as many as of the key, because the permutation is a bijection."""


def sizes_of(config: EngineConfig) -> HashSizes:
    """The sizes of a hashed table. Raises ``ValueError`` for the configuration of another kind of table."""
    if config.hashed is None:
        raise ValueError(f"{config.name} is no configuration of a hash table")
    return config.hashed


def row_of(config: EngineConfig, permuted: Value, way: int) -> Value:
    """The row of a way in which a key may stand: a slice of its own for each way."""
    bits = sizes_of(config).row_bits
    return Value.cast(permuted[way * bits : (way + 1) * bits])


def rest_of(config: EngineConfig, permuted: Value, way: int) -> Value:
    """The bits of a permuted key that its row in this way does not already tell."""
    bits = sizes_of(config).row_bits
    return Value.cast(Cat(permuted[: way * bits], permuted[(way + 1) * bits :]))


def join(config: EngineConfig, row: Value, rest: Value, way: int) -> Value:
    """The permuted key of which ``row`` and ``rest`` are stored in this way: the inverse of the two above."""
    bits = sizes_of(config).row_bits
    return Value.cast(Cat(rest[: way * bits], row, rest[way * bits :]))


def owner_layout(config: EngineConfig) -> data.StructLayout:
    """Which SA of which bundle a key belongs to."""
    return data.StructLayout({"index": range(config.bundles), "sa_number": 1})


def found_layout(config: EngineConfig) -> data.StructLayout:
    """A candidate of a lookup. Without ``is_found`` the owner is zero, so that candidates can be joined by OR."""
    return data.StructLayout({"is_found": 1, "owner": owner_layout(config)})


def placed_layout(config: EngineConfig) -> data.StructLayout:
    """A permuted key with its owner, wherever it stands."""
    return data.StructLayout({"is_used": 1, "owner": owner_layout(config), "permuted": KEY_BITS})


def stored_layout(config: EngineConfig) -> data.StructLayout:
    """One row of a way. All bits together have even parity, those of a cleared row too."""
    return data.StructLayout(
        {
            "is_used": 1,
            "owner": owner_layout(config),
            "rest": KEY_BITS - sizes_of(config).row_bits,
            "parity": 1,
        }
    )
