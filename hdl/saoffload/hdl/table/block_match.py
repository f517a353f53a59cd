"""The comparators as block RAM: for parts where flip-flops and look-up tables are scarcer than memories."""

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.memory import UNINITIALISED

from .match import MatchSignature, encode

SLICE_BITS = 8
"""Key bits that address one memory: the address width of the smallest block RAM we build for."""


class BlockMatchArray(wiring.Component):
    """``MatchArray`` with its keys turned on their side: the promise is that of ``MatchSignature``.

    The key is cut into slices. Each slice addresses a memory whose word has one bit per entry: 1 where that entry's key
    has this slice. The words of all slices together are the matching entries. Changing an entry means to write its bit
    in every word, one per clock, beside the lookups: a word's other bits are not written and keep being read.

    Parameters: ``config``: ``keys`` entries. Only tables without IPv6: the slices of a longer key would not pay.

    Latency: lookups as ``MatchArray``; a write takes ``2**SLICE_BITS`` clocks, in which its entry matches nothing.
    """

    def __init__(self, config: EngineConfig):
        if config.ipv6:
            raise ValueError("a block RAM match array stores IPv4 keys only, got a configuration with ipv6")
        self._config = config
        super().__init__(MatchSignature(config))

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        keys = self._config.keys
        row = Signal(SLICE_BITS)
        m.d.comb += self.write_is_done.eq(row.all())
        with m.If(self.do_write):
            m.d.sync += row.eq(row + 1)

        # The protocol is one bit, and what kind of match an entry allows changes at once: registers.
        is_exact = Signal(keys)
        is_wildcard = Signal(keys)
        protocol = Signal(keys)
        key_is_wildcard = self.key.destination == 0
        is_exact_q = Signal(keys)
        is_wildcard_q = Signal(keys)
        search_protocol = Value.cast(self.search.protocol)
        same_protocol = (protocol ^ ~search_protocol.replicate(keys))[:keys]
        m.d.sync += [is_exact_q.eq(is_exact & same_protocol), is_wildcard_q.eq(is_wildcard & same_protocol)]
        becomes_used = self.is_used & self.write_is_done
        for number in range(keys):
            with m.If(self.do_write & (self.entry == number)):
                m.d.sync += [
                    is_exact[number].eq(becomes_used & ~key_is_wildcard),
                    is_wildcard[number].eq(becomes_used & key_is_wildcard),
                    protocol[number].eq(self.key.protocol),
                ]

        rest = self._add_slices(m, "spi", self.search.spi, self.key.spi, row)
        destination = self._add_slices(m, "destination", self.search.destination, self.key.destination, row)
        exact = Signal(keys)
        wildcard = Signal(keys)
        m.d.comb += [wildcard.eq(rest & is_wildcard_q), exact.eq(rest & destination & is_exact_q)]
        m.d.sync += [
            self.exact_found.eq(exact.any()),
            self.exact_entry.eq(encode(exact)),
            self.wildcard_found.eq(wildcard.any()),
            self.wildcard_entry.eq(encode(wildcard)),
        ]
        return m

    def _add_slices(self, m: Module, name: str, search: Value, stored: Value, row: Signal) -> Value:
        """One memory per slice of a field; which entries have the field that is searched, one clock later."""
        keys = self._config.keys
        matches: Value = Const(-1, keys)
        for low in range(0, len(search), SLICE_BITS):
            memory = Memory(shape=keys, depth=1 << SLICE_BITS, init=[], attrs={"ram_style": "block", "no_rw_check": 1})
            m.submodules[f"{name}_{low}"] = memory
            write = memory.write_port(granularity=1)
            read = memory.read_port(domain="comb")
            word = Signal(keys, name=f"{name}_{low}_q", reset_less=True, attrs=UNINITIALISED)
            has_slice = self.is_used & (stored[low : low + SLICE_BITS] == row)
            m.d.comb += [
                write.addr.eq(row),
                write.data.eq(has_slice.replicate(keys)),
                write.en.eq((self.do_write << self.entry)[:keys]),
                read.addr.eq(search[low : low + SLICE_BITS]),
            ]
            m.d.sync += word.eq(read.data)
            matches = matches & word
        return matches
