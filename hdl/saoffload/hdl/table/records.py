"""What the table remembers beside the keys: who owns an entry, and the record and context of each bundle."""

from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .. import layouts
from ..config import EngineConfig
from .match import stored_key


def owner_layout(config: EngineConfig) -> data.StructLayout:
    """Which SA of which bundle an entry belongs to."""
    return data.StructLayout({"index": range(config.bundles), "sa_number": 1})


def record_layout(config: EngineConfig) -> data.StructLayout:
    """What a bundle's index is known by. ``generation`` is the owner's while the bundle lives, else the next owner's."""
    return data.StructLayout(
        {"generation": config.generation_bits, "direction": layouts.Direction, "key_count": range(3)}
    )


def entry_layout(config: EngineConfig) -> data.StructLayout:
    """An entry as the management reads it back: the comparators' registers are not readable."""
    return data.StructLayout({"is_used": 1, "key": stored_key(config)})


def context_layout(config: EngineConfig) -> data.StructLayout:
    """A bundle's context word."""
    return data.StructLayout({"context": config.context_width})


class ManagementSignature(wiring.Signature):
    """How one management job reaches everything stored, seen from the job.

    Reads answer in the next clock. An entry write goes to the comparators, the owner memory and the readable copy in
    one clock; a bundle write to record and context.
    """

    def __init__(self, config: EngineConfig):
        entry = range(config.keys)
        index = range(config.bundles)
        super().__init__(
            {
                "entry_address": Out(entry),
                "entry": In(entry_layout(config)),
                "owner": In(owner_layout(config)),
                "do_write_entry": Out(1),
                "entry_write_address": Out(entry),
                "written_entry": Out(entry_layout(config)),
                "written_owner": Out(owner_layout(config)),
                "index_address": Out(index),
                "record": In(record_layout(config)),
                "do_write_bundle": Out(1),
                "index_write_address": Out(index),
                "written_record": Out(record_layout(config)),
                "written_context": Out(context_layout(config)),
            }
        )


class SharedMemory(wiring.Component):
    """A memory with one write port and several read ports of one clock latency.

    A read in the clock of a write to its address gives the old content. Content after a reset is whatever it was
    before: whoever needs it clean writes it.

    Parameters: ``shape``, ``depth``, ``readers``; ``in_block_ram`` asks synthesis for block RAM whatever the size.

    Members: ``read_addresses[n]``; ``read_data[n]`` one clock later. ``do_write``, ``write_address``, ``write_data``.
    """

    def __init__(self, *, shape: data.StructLayout, depth: int, readers: int, in_block_ram: bool = False):
        if depth < 1 or readers < 1:
            raise ValueError(f"depth and readers must be at least 1, got {depth} and {readers}")
        self._shape = shape
        self._depth = depth
        self._attributes = {"ram_style": "block"} if in_block_ram else {}
        super().__init__(
            {
                "read_addresses": In(range(depth)).array(readers),
                "read_data": Out(shape).array(readers),
                "do_write": In(1),
                "write_address": In(range(depth)),
                "write_data": In(shape),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(
            shape=self._shape, depth=self._depth, init=[], attrs=self._attributes
        )
        write = memory.write_port()
        m.d.comb += [
            write.en.eq(self.do_write),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
        ]
        for address, content in zip(self.read_addresses, self.read_data, strict=True):
            read = memory.read_port()
            m.d.comb += [read.addr.eq(address), content.eq(read.data)]
        return m
