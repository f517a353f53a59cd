"""What one engine is made of: sizes, widths and depths, checked once, before any hardware is built."""

from dataclasses import dataclass, replace
from math import ceil

HANDLE_BITS = 32
"""A handle's width; bit 31 is always 1."""


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
    #: Bits of one AXI4 read beat.
    data_width: int = 64
    #: Bits of an AXI4 address; a window that does not fit is refused.
    address_width: int = 64
    #: Bits of an AXI4 read ID: the master owns 2**id_width IDs.
    id_width: int = 2
    #: Host memory windows.
    windows: int = 4
    #: Commands that wait for the walker.
    command_depth: int = 16
    #: Commands that may be accepted and not yet popped as completions by the host.
    completion_depth: int = 16
    #: Unretired lookup answers of each kind; at this number further requests of the kind wait.
    unretired_limit: int = 4096
    #: Bits of the epoch that a lookup answer carries.
    epoch_width: int = 2
    #: Bits of the event counters (32 or 64).
    counter_width: int = 64
    #: True builds the comparators of an IPv4-only table as block RAM and keeps its small memories there, too: for
    #: parts with few flip-flops and no distributed RAM.
    prefers_block_ram: bool = False
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
        if self.data_width != 64:
            raise ValueError(f"data_width must be 64, got {self.data_width}")
        if self.prefers_block_ram and self.ipv6:
            raise ValueError("prefers_block_ram builds tables of IPv4 keys only, got ipv6=True")
        if self.counter_width not in (32, 64):
            raise ValueError(f"counter_width must be 32 or 64, got {self.counter_width}")

    def _check(self, field: str, low: int, high: int) -> None:
        value = getattr(self, field)
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{field} must be an integer, got {value!r}")
        if not low <= value <= high:
            raise ValueError(f"{field} must be {low} to {high}, got {value}")

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
        return replace(self, name=f"{self.name}-{bundles}", bundles=bundles, keys=keys)


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
            counter_width=32,
            prefers_block_ram=True,
        ),
        EngineConfig(name="small", bundles=64, keys=96),
        EngineConfig(name="medium", bundles=256, keys=384),
    )
}
"""The engines we build and measure: ``tiny`` for iCE40, ``small`` for ECP5, ``medium`` for simulation."""


def preset(name: str) -> EngineConfig:
    """The preset of that name. Raises ``ValueError`` naming the presets there are."""
    try:
        return PRESETS[name]
    except KeyError:
        raise ValueError(f"unknown preset {name!r}: choose one of {', '.join(PRESETS)}") from None
