"""The home of keys with a wildcard destination: a small CAM of SPI, family and protocol."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.memory import SharedMemory
from saoffload.hdl.table.encode import encode

from .entry import found_layout, owner_layout, sizes_of
from .trees import equal_groups, parity_groups

#: What a wildcard is matched by: all of a key but its destination.
NAME = data.StructLayout({"spi": layouts.SPI_BITS, "family": layouts.Family, "protocol": layouts.Protocol})


def name_of(key: data.View) -> Value:
    """What a key has to match a wildcard with."""
    return Value.cast(Cat(key.spi, Value.cast(key.family), Value.cast(key.protocol)))


class Wildcards(wiring.Component):
    """Compares every search with all wildcards at once. A name is stored at most once, dead or alive.

    Parameters: ``config``.

    Members, lookups: ``search``; ``found``, 4 clocks later. A cleared entry keeps its owner, so that a lookup which
    matched it before is led to the dead bundle and to no other. Names and owners are kept with even parity: an owner
    of wrong parity is not found. ``was_damaged``: strobe, an entry in use has wrong parity; every scan and the sweep
    look at it.

    Members, management: ``do_scan`` with ``name`` (held): after ``wildcards + 7`` clocks at most ``scan_is_done``,
    with ``has_twin``, ``twin_owner`` (an entry has this name), ``free_count`` (unused entries, up to 2); all until the
    next scan. ``do_write`` gives ``name``, which must still stand in the next clock, and ``written_owner`` to the twin,
    or else to the first unused entry. ``number`` names an entry for the sweep: ``is_used`` and ``owner`` two clocks
    later; ``do_clear`` empties it.

    Latency: as said; a write counts for searches presented in the second clock.
    """

    LATENCY = 4

    def __init__(self, config: EngineConfig):
        self._config = config
        number = range(sizes_of(config).wildcards)
        super().__init__(
            {
                "search": In(NAME.size),
                "found": Out(found_layout(config)),
                "do_scan": In(1),
                "name": In(NAME.size),
                "scan_is_done": Out(1),
                "has_twin": Out(1),
                "twin_owner": Out(owner_layout(config)),
                "free_count": Out(range(3)),
                "do_write": In(1),
                "written_owner": In(owner_layout(config)),
                "number": In(number),
                "is_used": Out(1),
                "owner": Out(owner_layout(config)),
                "do_clear": In(1),
                "was_damaged": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        count = sizes_of(self._config).wildcards
        number = range(count)
        kept_owner = data.StructLayout({"owner": owner_layout(self._config), "parity": 1})
        m.submodules.owners = owners = SharedMemory(shape=kept_owner, depth=count, readers=2)
        kept_name = data.StructLayout({"name": NAME.size, "parity": 1})
        m.submodules.names = names = SharedMemory(shape=kept_name, depth=count, readers=1)
        is_used = Signal(count)
        address = Signal(number)
        write_number = Signal(number)
        cursor = Signal(range(count + 1))
        is_scanning = Signal()
        read_number = Signal(number)
        m.d.comb += read_number.eq(Mux(is_scanning, cursor, self.number))
        # What tells all entries something is registered first.
        does_write = Signal()
        does_clear = Signal()
        is_addressed = Signal(count)
        is_read = Signal(count)
        is_written = Signal(count)
        written_owner = Signal.like(self.written_owner, reset_less=True)

        m.d.sync += [
            address.eq(read_number),
            # One bit each: to choose by the number would take a level more than anything else here.
            is_read.eq((1 << read_number)[:count]),
            does_write.eq(self.do_write),
            does_clear.eq(self.do_clear),
            is_addressed.eq((1 << self.number)[:count]),
            is_written.eq((1 << write_number)[:count]),
            written_owner.eq(self.written_owner),
            self.is_used.eq((is_used & is_read).any()),
        ]
        m.d.comb += [
            names.read_addresses[0].eq(address),
            owners.read_addresses[1].eq(address),
            names.do_write.eq(does_write),
            names.write_address.eq(write_number),
            names.write_data.name.eq(self.name),
            names.write_data.parity.eq(self.name.xor()),
            owners.do_write.eq(does_write),
            owners.write_address.eq(write_number),
            owners.write_data.owner.eq(written_owner),
            owners.write_data.parity.eq(written_owner.as_value().xor()),
            self.owner.eq(owners.read_data[1].owner),
        ]
        # What was read in the clock of a write, or before an entry was first written, means nothing.
        was_written = Signal(2)
        is_wrong = Signal()
        name_parities = parity_groups(names.read_data[0].as_value())
        name_parities_q = Signal(len(name_parities), reset_less=True)
        owner_parity_q = Signal(reset_less=True)
        m.d.sync += [
            was_written.eq(Cat(does_write, was_written[0])),
            name_parities_q.eq(name_parities),
            owner_parity_q.eq(owners.read_data[1].as_value().xor()),
            is_wrong.eq(self.is_used & ~was_written.any()),
        ]
        m.d.comb += self.was_damaged.eq(is_wrong & (name_parities_q.xor() | owner_parity_q))
        self._elaborate_scan(m, names.read_data[0].name, cursor, is_scanning, write_number)

        matches = Signal(count)
        for entry in range(count):
            # Compared from a register beside the comparator; the readable copy serves the scan.
            stored = Signal(NAME.size, name=f"name_{entry}", reset_less=True)
            with m.If(does_write & is_written[entry]):
                m.d.sync += [stored.eq(self.name), is_used[entry].eq(1)]
            with m.Elif(does_clear & is_addressed[entry]):
                m.d.sync += is_used[entry].eq(0)
            groups = equal_groups(stored, self.search)
            equal = Signal(len(groups) + 1, name=f"equal_{entry}", reset_less=True)
            m.d.sync += [equal.eq(Cat(groups, is_used[entry])), matches[entry].eq(equal.all())]
        found_number = Signal(number)
        is_found = Signal()
        is_found_q = Signal()
        m.d.sync += [is_found.eq(matches.any()), found_number.eq(encode(matches)), is_found_q.eq(is_found)]
        m.d.comb += [
            owners.read_addresses[0].eq(found_number),
            self.found.is_found.eq(is_found_q & ~owners.read_data[0].as_value().xor()),
            self.found.owner.eq(owners.read_data[0].owner),
        ]
        return m

    def _elaborate_scan(
        self, m: Module, name: Value, cursor: Signal, is_scanning: Signal, write_number: Signal
    ) -> None:
        """Read each entry once; remember the one with this name, and the first that is unused."""
        # An entry is read, compared and judged in three clocks, and what comes of it is written in a fourth.
        last = sizes_of(self._config).wildcards - 1
        is_at_end = Signal()
        cursors = [Signal.like(cursor, name=f"cursor_{clock}") for clock in range(4)]
        is_reading = Signal(4)
        groups = equal_groups(name, self.name)
        equal = Signal(len(groups), reset_less=True)
        was_used = Signal()
        owner = Signal.like(self.owner, reset_less=True)
        owner_q = Signal.like(self.owner, reset_less=True)
        is_twin = Signal()
        is_free = Signal()
        m.d.sync += [
            *(later.eq(earlier) for earlier, later in zip([cursor, *cursors], cursors, strict=False)),
            is_reading.eq(Cat(is_scanning & ~is_at_end, is_reading[:-1])),
            equal.eq(groups),
            was_used.eq(self.is_used),
            owner.eq(self.owner),
            owner_q.eq(owner),
            is_twin.eq(is_reading[2] & was_used & equal.all()),
            is_free.eq(is_reading[2] & ~was_used),
        ]
        with m.If(self.do_scan):
            m.d.sync += [
                cursor.eq(0),
                is_at_end.eq(0),
                is_scanning.eq(1),
                self.scan_is_done.eq(0),
                self.has_twin.eq(0),
                self.free_count.eq(0),
            ]
        with m.Elif(is_scanning):
            with m.If(~is_at_end):
                m.d.sync += [cursor.eq(cursor + 1), is_at_end.eq(cursor == last)]
            with m.Elif(~is_reading.any()):
                m.d.sync += [is_scanning.eq(0), self.scan_is_done.eq(1)]
        with m.If(is_twin):
            m.d.sync += [self.has_twin.eq(1), self.twin_owner.eq(owner_q), write_number.eq(cursors[-1])]
        with m.If(is_free):
            with m.If(self.free_count != 2):
                m.d.sync += self.free_count.eq(self.free_count + 1)
            with m.If((self.free_count == 0) & ~self.has_twin):
                m.d.sync += write_number.eq(cursors[-1])
