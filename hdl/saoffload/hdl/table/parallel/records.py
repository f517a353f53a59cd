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
    """What a bundle's index is known by. While it lives ``generation`` is its own, else that of the next owner."""
    return data.StructLayout(
        {"generation": config.generation_bits, "direction": layouts.Direction, "key_count": range(3)}
    )


def entry_layout(config: EngineConfig) -> data.StructLayout:
    """An entry as the management reads it back: the comparators' registers are not readable."""
    return data.StructLayout({"is_used": 1, "key": stored_key(config)})


#: What of an entry is a single bit.
FLAGS = data.StructLayout({"is_used": 1, "protocol": layouts.Protocol})


def numbers_layout(config: EngineConfig) -> data.StructLayout:
    """What of an entry is not in ``FLAGS``."""
    key = stored_key(config)
    return data.StructLayout({name: shape for name, shape in key.members.items() if name != "protocol"})


def context_layout(config: EngineConfig) -> data.StructLayout:
    """A bundle's context word."""
    return data.StructLayout({"context": config.context_width})


class ManagementSignature(wiring.Signature):
    """How one management job reaches everything stored, seen from the job.

    Reads answer in the next clock, that of a record only if ``index_is_read``: deletes come first. An entry write goes
    to the comparators, the owner memory and the readable copy; it is held until ``entry_is_written``. A bundle write
    goes to record and context, in one clock.
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
                "entry_is_written": In(1),
                "entry_write_address": Out(entry),
                "written_entry": Out(entry_layout(config)),
                "written_owner": Out(owner_layout(config)),
                "index_address": Out(index),
                "index_is_read": In(1),
                "record": In(record_layout(config)),
                "do_write_bundle": Out(1),
                "index_write_address": Out(index),
                "written_record": Out(record_layout(config)),
                "written_context": Out(context_layout(config)),
            }
        )
