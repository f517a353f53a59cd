"""Every bit layout that crosses a block border, once.

A layout used on both sides of a border stands here and nowhere else, because connecting two streams of the
same width with swapped fields is silent. Layouts that depend on sizes are functions of the ``EngineConfig``.
"""

from amaranth.lib import data, enum

from saoffload.hdl.config import HANDLE_BITS, EngineConfig

SPI_BITS = 32
DESTINATION_BITS = 128
WIDE_HANDLE_BITS = 64
"""A handle as hosts hold it, pointer-sized: all its bits count, so all of them travel to the table."""
SEED_BITS = 64
"""The seed of a hash table."""
TAG_BITS = 32
COUNT_BITS = 32
LIST_ADDRESS_BITS = 64
WORD_DATA_BITS = 64
"""What memory is read in: words of 8 bytes."""


class Family(enum.Enum, shape=1):
    """Address family of a destination."""

    IPV4 = 0
    IPV6 = 1


class Protocol(enum.Enum, shape=1):
    """IPsec protocol of an SA."""

    ESP = 0
    AH = 1


class Direction(enum.Enum, shape=1):
    """Direction of a bundle."""

    INBOUND = 0
    OUTBOUND = 1


class Abi(enum.Enum, shape=1):
    """Layout of the nodes of one list."""

    X64 = 0
    X86 = 1


class Opcode(enum.Enum, shape=2):
    """What a command asks for."""

    #: Follow the list at ``head`` and delete the handle of every node.
    WALK = 0
    #: Delete the one handle in ``head``: a walk of one node that is not in memory.
    DELETE = 1
    #: Remove every bundle.
    FLUSH = 2


class Status(enum.Enum, shape=4):
    """How a command ended."""

    OK = 0
    MISALIGNED = 1
    OUT_OF_WINDOW = 2
    LOOP = 3
    TOO_LONG = 4
    BUS_ERROR = 5
    TIMEOUT = 6
    BAD_HEADER = 7
    ABORTED = 8


class AddResult(enum.Enum, shape=4):
    """Answer to an add, the first that applies in this order (OK last)."""

    OK = 0
    NOT_READY = 1
    UNSUPPORTED = 2
    RESTORE_MODE = 3
    BAD_HANDLE = 4
    HANDLE_IN_USE = 5
    DUPLICATE = 6
    FULL = 7


class FetchOutcome(enum.Enum, shape=2):
    """What became of the read of one node."""

    OK = 0
    BUS_ERROR = 1
    TIMEOUT = 2
    #: It was read, but its first word is not that of its ABI.
    BAD_HEADER = 3


#: What a receive lookup matches. IPv4 destinations stand in bits 31:0, bits 127:32 zero.
KEY = data.StructLayout({"spi": SPI_BITS, "destination": DESTINATION_BITS, "family": Family, "protocol": Protocol})

#: One command, as the driver submitted it.
COMMAND = data.StructLayout(
    {
        "opcode": Opcode,
        "abi": Abi,
        "tag": TAG_BITS,
        "head": LIST_ADDRESS_BITS,
        "budget": COUNT_BITS,
    }
)

#: What became of one command. ``fault_address`` means something only when ``status`` is not OK.
COMPLETION = data.StructLayout(
    {
        "tag": TAG_BITS,
        "status": Status,
        "visited": COUNT_BITS,
        "deleted": COUNT_BITS,
        "not_found": COUNT_BITS,
        "fault_address": LIST_ADDRESS_BITS,
    }
)

#: A delete of what one handle names, and whether that was anything.
DELETE_REQUEST = data.StructLayout({"handle": WIDE_HANDLE_BITS})
DELETE_ANSWER = data.StructLayout({"found": 1})

#: A transmit lookup.
HANDLE_REQUEST = data.StructLayout({"handle": WIDE_HANDLE_BITS})

#: Bits without content: the stream's handshake alone is the message.
NOTHING = data.StructLayout({"nothing": 1})


def read_request(config: EngineConfig) -> data.StructLayout:
    """Ask the read master for ``beat_count`` words (1 to ``longest_read``) from ``address``, a multiple of 8. They must
    not cross 4 KB.
    """
    return data.StructLayout(
        {
            "id": config.id_width,
            "address": config.address_width,
            "beat_count": config.longest_read.bit_length(),
        }
    )


def read_beat(config: EngineConfig) -> data.StructLayout:
    """One word of a read in flight, whatever the width of the bus. ``number`` counts the words of the read (a serial
    walker needs no numbers and gets none). ``failed``: the response is an error, or RLAST stood where it must not or
    was missing where it must stand. ``is_final``: no further word of this request will be delivered.
    """
    number_bits = 0 if config.is_serial else (config.longest_read - 1).bit_length()
    return data.StructLayout(
        {"id": config.id_width, "data": WORD_DATA_BITS, "number": number_bits, "failed": 1, "is_final": 1}
    )


def abandoned_read(config: EngineConfig) -> data.StructLayout:
    """The ID whose answer nobody waits for any longer."""
    return data.StructLayout({"id": config.id_width})


def node_request(config: EngineConfig) -> data.StructLayout:
    """Ask for the node whose first byte is at bus ``address``, aligned as its ABI demands."""
    return data.StructLayout({"address": config.address_width, "abi": Abi})


#: A fetched node; x86 fields are zero-extended.
NODE = data.StructLayout({"outcome": FetchOutcome, "next": LIST_ADDRESS_BITS, "handle": WIDE_HANDLE_BITS})


def window_write(config: EngineConfig) -> data.StructLayout:
    """Set window ``index``; ``size`` 0 turns it off."""
    return data.StructLayout({"index": range(max(2, config.windows)), "base": 64, "size": 64, "bus_base": 64})


#: Whether the window write was refused; nothing changed then.
WINDOW_ANSWER = data.StructLayout({"refused": 1})


def index_layout(config: EngineConfig) -> range:
    """The shape of a bundle index."""
    return range(config.bundles)


def epoch(config: EngineConfig) -> data.StructLayout:
    """What the packet path returns when it is done with an answer: the epoch that the answer carried."""
    return data.StructLayout({"epoch": config.epoch_width})


def lookup_answer(config: EngineConfig) -> data.StructLayout:
    """Answer to a lookup of either kind. Without ``hit`` all fields but ``epoch`` are zero."""
    return data.StructLayout(
        {
            "hit": 1,
            "handle": HANDLE_BITS,
            "sa_number": 1,
            "direction": Direction,
            "context": config.context_width,
            "epoch": config.epoch_width,
        }
    )


def add_request(config: EngineConfig) -> data.StructLayout:
    """A bundle to add. ``sa_count`` is what the host said, also 0 or 3; ``keys`` are ignored for outbound bundles
    except their family, which must be supported. ``handle`` is 0 unless the host restores.
    """
    return data.StructLayout(
        {
            "handle": WIDE_HANDLE_BITS,
            "direction": Direction,
            "sa_count": 2,
            "keys": data.ArrayLayout(KEY, 2),
            "context": config.context_width,
        }
    )


#: Answer to an add. ``handle`` is 0 unless ``result`` is OK.
ADD_ANSWER = data.StructLayout({"result": AddResult, "handle": HANDLE_BITS})


def flush_answer(config: EngineConfig) -> data.StructLayout:
    """How many bundles a flush removed."""
    return data.StructLayout({"deleted": range(config.bundles + 1)})


def flush_result(config: EngineConfig) -> data.StructLayout:
    """What became of a flush: always OK, and ``visited`` is ``deleted``."""
    return data.StructLayout({"tag": TAG_BITS, "deleted": range(config.bundles + 1)})
