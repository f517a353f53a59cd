"""What the table remembers beside the keys: who owns an entry, and the record and context of each bundle."""

from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig

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
