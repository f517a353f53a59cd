"""The log of a simulation: what stands in a record of event_log.v, and how it is read."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from amaranth.lib import data

MEMORY_BYTES = 1 << 16
"""Bytes of the host memory, from bus address 0 on."""

KINDS = (
    "DELETE",
    "KEY_RETIRE",
    "HANDLE_RETIRE",
    "KEY_ANSWER",
    "HANDLE_ANSWER",
    "READ",
    "RESULT",
    "COMMAND",
    "NODE",
    "COMPLETION",
    "HELD",
    "OVER",
    "ALIEN",
    "DOUBLED",
)
"""In the order in which events of one clock are told: a lookup answered in the clock of a delete's answer comes after
it, and a context that is free can be taken in the same clock.
"""

FIELDS = data.StructLayout({"y": 64, "x": 64, "small": 16, "unused": 8, "kind": 8})
"""What follows the clock in a record. The meaning of ``small``, ``x`` and ``y``:

======================= ======================= =================== ==================
DELETE                  context                 found
RESULT                  context                 is it a flush's
COMMAND                 context                 tag
NODE                    context                 list address        handle
READ                    ID, ARLEN               address             ARSIZE, ARBURST
KEY_ANSWER              hit, SA, direction, slot number of the key  handle, context
HANDLE_ANSWER           the same                handle asked for    the same
KEY/HANDLE_RETIRE       slot
HELD, OVER              ID: a read will not go on in its turn; it has ended
DOUBLED                 ID                      address: an ID that has a read already
======================= ======================= =================== ==================
"""

_RECORD = struct.Struct(">IBxHQQ")


class Record(NamedTuple):
    """One event. ``kind`` is a place in ``KINDS``."""

    clock: int
    kind: int
    small: int
    x: int
    y: int


def read_records(text: str) -> Iterator[Record]:
    """The records of a log. A last line that is not complete is left out."""
    whole = text[: text.rfind("\n") + 1]
    return map(Record._make, _RECORD.iter_unpack(bytes.fromhex(whole)))
