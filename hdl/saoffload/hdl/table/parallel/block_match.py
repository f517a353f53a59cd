"""The comparators as block RAM: for parts where flip-flops, look-up tables or wires are scarcer than memories."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.memory import UNINITIALISED, SharedMemory
from saoffload.hdl.table.encode import encode

from .match import MatchSignature

SLICE_BITS = 8
"""Key bits that address one memory: the address width of the smallest block RAM we build for."""


class BlockMatchArray(wiring.Component):
    """``MatchArray`` with its keys turned on their side: the promise is that of ``MatchSignature``.

    The key is cut into slices. Each slice addresses a memory whose word has one bit per entry: 1 where that entry's key
    has this slice. The words of all slices together are the matching entries. Changing an entry means to write its bit
    in every word, one per clock, beside the lookups, which keep seeing all other bits.

    Small parts (iCE40, tables without IPv6) can write single bits of a word. Larger ones (ECP5) cannot: there each word
    is read, changed and written, and what a lookup reads in the clock of the write is taken from the write.

    Parameters: ``config``: ``keys`` entries.

    Latency: lookups as ``MatchArray``; a write takes ``2**SLICE_BITS`` clocks, and 1 more with IPv6, in which its entry
    matches nothing.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        self._writes_bits = not config.ipv6
        super().__init__(MatchSignature(config))

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        keys = self._config.keys
        row, may_write = self._elaborate_rows(m)

        # Family and protocol are one bit each, and what kind of match an entry allows changes at once: registers.
        is_exact = Signal(keys)
        is_wildcard = Signal(keys)
        key_is_wildcard = self.key.destination == 0
        is_exact_q = Signal(keys)
        is_wildcard_q = Signal(keys)
        same: Value = Const(-1, keys)
        for name in ("family", "protocol"):
            if name in self.key.shape().members:
                stored = Signal(keys, name=name)
                searched = Value.cast(self.search[name])
                same = same & (stored ^ ~searched.replicate(keys))[:keys]
                for number in range(keys):
                    with m.If(self.do_write & (self.entry == number)):
                        m.d.sync += stored[number].eq(self.key[name])
        m.d.sync += [is_exact_q.eq(is_exact & same), is_wildcard_q.eq(is_wildcard & same)]
        becomes_used = self.is_used & self.write_is_done
        for number in range(keys):
            with m.If(self.do_write & (self.entry == number)):
                m.d.sync += [
                    is_exact[number].eq(becomes_used & ~key_is_wildcard),
                    is_wildcard[number].eq(becomes_used & key_is_wildcard),
                ]

        rest = self._add_slices(m, "spi", row, may_write)
        destination = self._add_slices(m, "destination", row, may_write)
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

    def _elaborate_rows(self, m: Module) -> tuple[Signal, Value]:
        """Count through the rows of a write. Returns the row and whether it may be written in this clock."""
        row = Signal(SLICE_BITS)
        may_write: Value = Const(1)
        if not self._writes_bits:
            # The first clock of a write only reads row 0.
            is_read = Signal()
            m.d.sync += is_read.eq(self.do_write & ~self.write_is_done)
            may_write = is_read
        with m.If(self.do_write & may_write):
            m.d.sync += row.eq(row + 1)
        m.d.comb += self.write_is_done.eq(row.all() & may_write)
        return row, may_write

    def _add_slices(self, m: Module, name: str, row: Signal, may_write: Value) -> Value:
        """One memory per slice of a field; which entries have the field that is searched, one clock later."""
        search, stored = Value.cast(self.search[name]), Value.cast(self.key[name])
        matches: Value = Const(-1, self._config.keys)
        for low in range(0, len(search), SLICE_BITS):
            slice_name = f"{name}_{low}"
            has_slice = self.is_used & (stored[low : low + SLICE_BITS] == row)
            add_slice = self._add_bitwise if self._writes_bits else self._add_wordwise
            matches = matches & add_slice(m, slice_name, search[low : low + SLICE_BITS], has_slice, row, may_write)
        return matches

    def _add_bitwise(
        self, m: Module, name: str, search: Value, has_slice: Value, row: Signal, may_write: Value
    ) -> Signal:
        """A memory of which single bits can be written."""
        keys = self._config.keys
        memory = Memory(shape=keys, depth=1 << SLICE_BITS, init=[], attrs={"ram_style": "block", "no_rw_check": 1})
        m.submodules[name] = memory
        write = memory.write_port(granularity=1)
        read = memory.read_port(domain="comb")
        word = Signal(keys, name=f"{name}_q", reset_less=True, attrs=UNINITIALISED)
        m.d.comb += [
            write.addr.eq(row),
            write.data.eq(has_slice.replicate(keys)),
            write.en.eq(((self.do_write & may_write) << self.entry)[:keys]),
            read.addr.eq(search),
        ]
        m.d.sync += word.eq(read.data)
        return word

    def _add_wordwise(
        self, m: Module, name: str, search: Value, has_slice: Value, row: Signal, may_write: Value
    ) -> Value:
        """A memory of which whole words are written: the row is read a clock before."""
        keys = self._config.keys
        m.submodules[name] = memory = SharedMemory(
            shape=data.StructLayout({"word": keys}), depth=1 << SLICE_BITS, readers=2, in_block_ram=True
        )
        does_write = self.do_write & may_write
        is_changed = (Const(1) << self.entry)[:keys]
        m.d.comb += [
            memory.write_address.eq(row),
            memory.write_data.word.eq(
                (memory.read_data[1].word & ~is_changed) | (is_changed & has_slice.replicate(keys))
            ),
            memory.do_write.eq(does_write),
            memory.read_addresses[0].eq(search),
            memory.read_addresses[1].eq((row + does_write)[:SLICE_BITS]),
        ]
        # What is read in the clock of its write is unknown; all entries but one need it to be as it was.
        collides = Signal(name=f"{name}_collides")
        written = Signal(keys, name=f"{name}_written", reset_less=True)
        m.d.sync += [collides.eq(does_write & (search == row)), written.eq(memory.write_data.word)]
        return Mux(collides, written, memory.read_data[0].word)
