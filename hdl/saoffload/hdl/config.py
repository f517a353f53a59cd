"""What one engine is made of: sizes, widths and depths, checked once, before any hardware is built."""

from dataclasses import dataclass, replace
from math import ceil

HANDLE_BITS = 32
"""A handle's width; bit 31 is always 1."""


WORDS_PER_LINE = 64
"""Words of 8 bytes in a line: 512 bytes."""


@dataclass(frozen=True, kw_only=True)
class HashSizes:
    """The sizes of a hash table. Raises ``ValueError`` for one that cannot be built."""

    #: Block RAMs that a key may stand in, one row in each: 2, 4 or 8.
    ways: int = 8
    #: Rows of a way, a power of two.
    way_depth: int
    #: Keys that found no row and are compared one by one; two of them are needed for a bundle of two keys.
    overflow: int = 4
    #: Wildcard SAs that can live at a time.
    wildcards: int = 32
    #: Rounds of the keyed permutation; fewer than 8 are for simulation, where nobody attacks.
    rounds: int = 8
    #: Keys that an add displaces at most before it parks the last one.
    max_moves: int = 300

    def __post_init__(self) -> None:
        if self.ways not in (2, 4, 8):
            raise ValueError(f"ways must be 2, 4 or 8, got {self.ways}")
        if self.way_depth < 4 or self.way_depth & (self.way_depth - 1):
            raise ValueError(f"way_depth must be a power of two and at least 4, got {self.way_depth}")
        if self.way_depth > 1 << 14:
            raise ValueError(f"way_depth must be at most {1 << 14}, got {self.way_depth}")
        for field, low, high in (
            ("rounds", 2, 64),
            ("overflow", 2, 64),
            ("wildcards", 2, 1024),
            ("max_moves", 1, 1 << 16),
        ):
            if not low <= getattr(self, field) <= high:
                raise ValueError(f"{field} must be {low} to {high}, got {getattr(self, field)}")

    @property
    def row_bits(self) -> int:
        """Bits of a row's address."""
        return (self.way_depth - 1).bit_length()


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """Every size of one engine. Frozen: an engine never changes after it was described.

    Raises ``ValueError`` with the offending value when a size cannot be built.
    """

    name: str
    #: Bundles that can live at a time: the capacity that the contract and the driver speak of.
    bundles: int
    #: Keys that can live at a time (an inbound bundle takes one key per SA, an outbound bundle none).
    keys: int
    #: False builds a table whose stored destinations are 32 bits; IPv6 bundles are then UNSUPPORTED.
    ipv6: bool = True
    #: Bits of the context word kept per bundle; 0 stores none.
    context_width: int = 32
    #: Bits of the AXI4 data bus: 64 or 128.
    data_width: int = 64
    #: Bits of an AXI4 address; a window that does not fit is refused.
    address_width: int = 64
    #: Bits of an AXI4 read ID: the master owns 2**id_width IDs.
    id_width: int = 2
    #: Host memory windows.
    windows: int = 4
    #: Commands that walk at the same time. 1 without lines is the small serial walker.
    contexts: int = 1
    #: The next node is asked for as the last word of the node before it comes, a clock earlier than otherwise. Only
    #: with one window and one list at a time, where the way from RVALID to ARVALID is short enough.
    asks_early: bool = False
    #: Contexts that may read whole lines ahead at a time: 0 builds no line buffer.
    line_buffers: int = 0
    #: Lines of 512 bytes that one line buffer holds, a power of two.
    lines: int = 16
    #: Commands that wait for the walker.
    command_depth: int = 16
    #: Commands that may be accepted and not yet popped as completions by the host.
    completion_depth: int = 16
    #: Unretired lookup answers of each kind; at this number further requests of the kind wait.
    unretired_limit: int = 4096
    #: Bits of the epoch that a lookup answer carries.
    epoch_width: int = 2
    #: Counts the age of the oldest epoch that the packet path has not retired, and tells when that is late.
    watches_retires: bool = True
    #: Bits of the event counters (32 or 64).
    counter_width: int = 64
    #: True builds the comparators as block RAM and keeps the small memories of the table there, too: for parts with few
    #: flip-flops, and for tables of so many keys that the wires to their registers cannot be routed. An entry is
    #: written in 256 clocks then.
    prefers_block_ram: bool = False
    #: Sizes of the hash table that keeps the keys in block RAM; None builds a parallel CAM instead.
    hashed: HashSizes | None = None
    #: AXI4 ARPROT of every read: unprivileged, secure, data.
    arprot: int = 0b000
    #: AXI4 ARCACHE of every read: normal, non-cacheable, bufferable.
    arcache: int = 0b0011

    def __post_init__(self) -> None:
        self._check("bundles", 2, 1 << 20)
        self._check("keys", 2, 1 << 21)
        self._check("context_width", 0, 4096)
        self._check("address_width", 32, 64)
        self._check("id_width", 1, 8)
        self._check("windows", 1, 16)
        self._check("command_depth", 2, 1024)
        self._check("completion_depth", 2, 1024)
        self._check("unretired_limit", 2, 1 << 20)
        self._check("epoch_width", 1, 8)
        self._check("arprot", 0, 7)
        self._check("arcache", 0, 15)
        self._check("contexts", 1, 16)
        self._check("line_buffers", 0, 2)
        self._check("lines", 8, 32)
        if self.data_width not in (64, 128):
            raise ValueError(f"data_width must be 64 or 128, got {self.data_width}")
        if self.lines & (self.lines - 1):
            raise ValueError(f"lines must be a power of two, got {self.lines}")
        if self.id_width < self.needed_id_width:
            raise ValueError(f"id_width must be at least {self.needed_id_width}, got {self.id_width}")
        if self.asks_early and not (self.is_serial and self.windows == 1):
            raise ValueError(
                "asks_early is for one window and one list at a time, got it with "
                f"{self.windows} windows, {self.contexts} contexts, {self.line_buffers} line buffers"
            )
        if self.hashed is not None:
            self._check_hash(self.hashed)
        if self.counter_width not in (32, 64):
            raise ValueError(f"counter_width must be 32 or 64, got {self.counter_width}")

    def _check_hash(self, hashed: HashSizes) -> None:
        if self.prefers_block_ram:
            raise ValueError("prefers_block_ram is for parallel tables, got it with hashed")
        if not self.ipv6:
            raise ValueError("hash tables keep IPv6 keys as well, got ipv6=False")
        if hashed.ways * hashed.way_depth < self.keys:
            raise ValueError(f"{hashed.ways} ways of {hashed.way_depth} rows have no room for {self.keys} keys")
        if self.index_bits > self.generation_bits:
            raise ValueError(f"a hash table keeps at most {1 << 15} bundles, got {self.bundles}")

    def _check(self, field: str, low: int, high: int) -> None:
        value = getattr(self, field)
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{field} must be an integer, got {value!r}")
        if not low <= value <= high:
            raise ValueError(f"{field} must be {low} to {high}, got {value}")

    @property
    def is_serial(self) -> bool:
        """One list, one node at a time: the serial walker."""
        return self.contexts == 1 and not self.line_buffers

    @property
    def context_bits(self) -> int:
        """Bits of a context's number."""
        return max(1, (self.contexts - 1).bit_length())

    @property
    def needed_id_width(self) -> int:
        """Bits of the IDs that the walker uses: one per context, and one per line behind them."""
        if self.is_serial:
            return 1
        if not self.line_buffers:
            return self.context_bits
        return 1 + max(self.context_bits, (self.line_buffers * self.lines - 1).bit_length())

    @property
    def longest_read(self) -> int:
        """Words of 8 bytes that one read asks for at most."""
        return WORDS_PER_LINE if self.line_buffers else 3

    @property
    def index_bits(self) -> int:
        """Bits of a handle that name the index: ceil(log2(bundles))."""
        return (self.bundles - 1).bit_length()

    @property
    def generation_bits(self) -> int:
        """Bits of a handle between the index and bit 31."""
        return HANDLE_BITS - 1 - self.index_bits

    @property
    def destination_bits(self) -> int:
        """Bits of a destination as the table stores it."""
        return 128 if self.ipv6 else 32

    def with_bundles(self, bundles: int) -> "EngineConfig":
        """The same engine for another number of bundles; keys grow or shrink in proportion."""
        keys = max(2, ceil(bundles * self.keys / self.bundles))
        hashed = self.hashed
        if hashed is not None:
            depth = ceil(keys * hashed.way_depth / self.keys)
            hashed = replace(hashed, way_depth=max(4, 1 << (depth - 1).bit_length()))
        return replace(self, name=f"{self.name}-{bundles}", bundles=bundles, keys=keys, hashed=hashed)


PRESETS: dict[str, EngineConfig] = {
    config.name: config
    for config in (
        EngineConfig(
            name="tiny",
            bundles=8,
            keys=8,
            ipv6=False,
            context_width=0,
            address_width=32,
            id_width=1,
            windows=1,
            command_depth=2,
            completion_depth=4,
            unretired_limit=256,
            epoch_width=1,
            watches_retires=False,
            counter_width=32,
            prefers_block_ram=True,
        ),
        EngineConfig(name="small", bundles=64, keys=96, hashed=HashSizes(ways=4, way_depth=32, wildcards=96)),
        EngineConfig(
            name="medium",
            bundles=256,
            keys=384,
            id_width=4,
            contexts=4,
            line_buffers=1,
            lines=8,
            hashed=HashSizes(ways=4, way_depth=128, wildcards=96),
        ),
        EngineConfig(
            name="large",
            bundles=4096,
            keys=4096,
            context_width=0,
            id_width=5,
            contexts=8,
            line_buffers=1,
            hashed=HashSizes(ways=4, way_depth=1024),
        ),
        EngineConfig(
            name="huge",
            bundles=16384,
            keys=16384,
            context_width=0,
            id_width=6,
            contexts=16,
            line_buffers=2,
            completion_depth=32,
            hashed=HashSizes(ways=8, way_depth=2048),
        ),
    )
}
"""The engines we build and measure: ``tiny`` (a parallel CAM) for iCE40, the others (hash tables) for ECP5. ``large``
fits the block RAM of an LFE5U-25F, ``huge`` that of an LFE5U-85F; in both every row is a key. ``tiny`` and ``small``
walk one list at a time, which takes a clock less per node than sharing a pipeline.
"""


def preset(name: str) -> EngineConfig:
    """The preset of that name. Raises ``ValueError`` naming the presets there are."""
    try:
        return PRESETS[name]
    except KeyError:
        raise ValueError(f"unknown preset {name!r}: choose one of {', '.join(PRESETS)}") from None
