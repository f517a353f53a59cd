"""The comparators of the parallel CAM: every stored key against one search, in every clock."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.table.encode import encode


def stored_key(config: EngineConfig) -> data.StructLayout:
    """A key as the table keeps it: an IPv4-only table stores neither family nor the upper 96 destination bits."""
    members: dict[str, object] = {"spi": layouts.SPI_BITS, "destination": config.destination_bits}
    if config.ipv6:
        members["family"] = layouts.Family
    members["protocol"] = layouts.Protocol
    return data.StructLayout(members)


def to_stored(config: EngineConfig, key: data.View) -> data.View:
    """The stored form of a key of the port. Only meaningful when ``is_storable``."""
    layout = stored_key(config)
    fields = [key.spi, key.destination[: config.destination_bits]]
    if config.ipv6:
        fields.append(Value.cast(key.family))
    fields.append(Value.cast(key.protocol))
    return layout(Cat(fields))


def is_supported(config: EngineConfig, key: data.View) -> Value:
    """Whether the key is of a family that this table knows."""
    return Value.cast(1) if config.ipv6 else Value.cast(key.family) == layouts.Family.IPV4.value


def is_storable(config: EngineConfig, key: data.View) -> Value:
    """Whether this table could hold the key at all: an IPv4-only table holds IPv4 destinations alone."""
    return is_supported(config, key) & ~key.destination[config.destination_bits :].any()


class MatchSignature(wiring.Signature):
    """Ports of a match array, seen from it: one search a clock against every stored key.

    At most one exact and one wildcard entry can match, because the table stores a key at most once; so naming them
    needs no priority. A stored destination of zero makes the entry a wildcard: it matches any destination of its
    family.

    ``search`` (a stored key); two clocks later ``exact_found``, ``exact_entry``, ``wildcard_found``,
    ``wildcard_entry``. A write (``do_write``, ``entry``, ``is_used``, ``key``) is held until ``write_is_done``, and
    holds for searches presented in the clock after that; from its first clock on the entry's old key matches no more,
    or still does, until then.
    """

    def __init__(self, config: EngineConfig):
        layout = stored_key(config)
        super().__init__(
            {
                "search": In(layout),
                "exact_found": Out(1),
                "exact_entry": Out(range(config.keys)),
                "wildcard_found": Out(1),
                "wildcard_entry": Out(range(config.keys)),
                "do_write": In(1),
                "write_is_done": Out(1),
                "entry": In(range(config.keys)),
                "is_used": In(1),
                "key": In(layout),
            }
        )


class MatchArray(wiring.Component):
    """Compares one search with every stored key, each clock. The promise is that of ``MatchSignature``.

    Parameters: ``config`` (``keys`` entries).

    Latency: 2 clocks, one search per clock; a write takes 1 clock.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        self._layout = stored_key(config)
        super().__init__(MatchSignature(config))

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        exact = Signal(self._config.keys)
        wildcard = Signal(self._config.keys)
        key_is_wildcard = Signal()
        m.d.comb += self.write_is_done.eq(1)
        m.d.comb += key_is_wildcard.eq(self.is_used & (self.key.destination == 0))

        for number in range(self._config.keys):
            # Wiped by the sweep after a reset, so that thousands of flip-flops stay off the reset net.
            stored = Signal(self._layout, name=f"key_{number}", reset_less=True)
            # Two bits instead of "used" and "wildcard": each gates one kind of match.
            is_exact = Signal(name=f"is_exact_{number}")
            is_wildcard = Signal(name=f"is_wildcard_{number}")
            with m.If(self.do_write & (self.entry == number)):
                m.d.sync += [
                    stored.eq(self.key),
                    is_exact.eq(self.is_used & ~key_is_wildcard),
                    is_wildcard.eq(key_is_wildcard),
                ]
            destination_matches = stored.destination == self.search.destination
            rest_matches = self._rest(stored) == self._rest(self.search)
            m.d.sync += [
                exact[number].eq(is_exact & destination_matches & rest_matches),
                wildcard[number].eq(is_wildcard & rest_matches),
            ]

        m.d.sync += [
            self.exact_found.eq(exact.any()),
            self.exact_entry.eq(encode(exact)),
            self.wildcard_found.eq(wildcard.any()),
            self.wildcard_entry.eq(encode(wildcard)),
        ]
        return m

    @staticmethod
    def _rest(key: data.View) -> Value:
        """All of a stored key but its destination."""
        layout = key.shape()
        assert isinstance(layout, data.StructLayout)
        return Value.cast(Cat(Value.cast(key[name]) for name in layout.members if name != "destination"))
