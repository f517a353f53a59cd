"""The register map by name: offsets, fields and enumerations.

Generated from hdl/saoffload/hdl/control/registers.rdl: change that and run `make registers`.
"""

from dataclasses import dataclass
from enum import IntEnum


@dataclass(frozen=True)
class Field:
    """Bits ``low`` to ``low + width - 1`` of a register."""

    low: int
    width: int

    @property
    def mask(self) -> int:
        """The bits of the field where they stand in the register."""
        return ((1 << self.width) - 1) << self.low

    def get(self, word: int) -> int:
        """The field of a register's word."""
        return (word & self.mask) >> self.low

    def put(self, value: int) -> int:
        """The word with ``value`` in this field, else 0. Raises ``ValueError`` when it does not fit."""
        if not 0 <= value < 1 << self.width:
            raise ValueError(f"{value} does not fit into {self.width} bits")
        return value << self.low


class Register(IntEnum):
    """Byte offset of every register."""

    #: Identification. Tells that this is a saoffload engine.
    ID = 0x000
    #: Version. Version of this register map.
    VERSION = 0x004
    #: Capacity in bundles. Bundles that can live at a time.
    CAPACITY_BUNDLES = 0x008
    #: Capacity in keys. Keys that can live at a time: an inbound bundle takes one per SA, an outbound bundle none.
    CAPACITY_KEYS = 0x00C
    #: Table features. What the table was built with.
    TABLE_FEATURES = 0x010
    #: Context width. Bits of the context kept per bundle; 0 when none is kept.
    CONTEXT_WIDTH = 0x014
    #: Unretired limit. Answers of each lookup kind that may wait for their retire before requests wait.
    UNRETIRED_LIMIT = 0x018
    #: Bus features. The AXI4 read port to host memory.
    BUS_FEATURES = 0x01C
    #: Queue depths. Sizes of the two queues.
    QUEUE_DEPTHS = 0x020
    #: Window count. Host memory windows, numbered from 0.
    WINDOW_COUNT = 0x024
    #: Counter width. Bits of every event counter: 32 or 64. A counter that reaches its end starts again from 0.
    COUNTER_WIDTH = 0x028
    #: Live bundles. Bundles that live now.
    LIVE_BUNDLES = 0x02C
    #: Live keys. Keys that live now.
    LIVE_KEYS = 0x030
    #: Lost read IDs. Read IDs that are out of use now, because their read timed out and its answer is not complete.
    LOST_IDS = 0x034
    #: Status. What the engine does now.
    STATUS = 0x040
    #: Interrupt status. Events since they were last cleared: write 1 to clear. An event in the clock of its clearing
    #: stays set. The interrupt line is high while a bit is 1 here and in interrupt_enable.
    INTERRUPT_STATUS = 0x044
    #: Interrupt enable. Which bits of interrupt_status raise the interrupt line.
    INTERRUPT_ENABLE = 0x048
    #: Timeout. Clocks that a read of host memory may take before its command ends in timeout; 0 waits for ever.
    TIMEOUT = 0x04C
    #: End restore. A write of any value ends restore mode. While an add or a flush is under way it waits for the end of
    #: that, and status.end_restore_busy is 1 until then. A flush that is accepted while it waits discards it; before
    #: status.ready it is ignored.
    END_RESTORE = 0x050
    #: Seed, low. Bits 31:0 of the next seed of the table's hash: it waits for seed_high. A seed is a secret, so no
    #: register shows it.
    SEED_LOW = 0x054
    #: Seed, high. Bits 63:32. Its write sets the whole seed in one clock, with seed_low as last written. A reset sets
    #: 0. The table takes it at once while status.seed_open is 1, else when it is next flushed.
    SEED_HIGH = 0x058
    #: Reset. A write with do_reset 1 resets the engine, once every read of host memory that is under way was answered
    #: or timed out; until then status.resetting is 1 and commands are refused with not_ready. After it all is as after
    #: a reset of the whole: no bundle, no command, no completion, no window, settings at their first values, table_lost
    #: set, and status.ready 0 until all is scrubbed. Two things go on: lookups that were answered before still have to
    #: be retired, and no index is issued before they are; read IDs that are lost stay lost until their answer comes.
    #: Writes while status.resetting is 1 are void.
    RESET = 0x05C
    #: Unretired age. Clocks for which the oldest unretired epoch has been the one that completions, or indices, wait
    #: for. 0 while none is; it stops at 2^32-1. Completions are held back until it is retired, and nothing else: walks,
    #: deletes and lookups go on. Always 0 when table_features.retire_watch is 0.
    UNRETIRED_AGE = 0x060
    #: Window base, low. Bits 31:0 of the first list address of the window. The six staged words keep their values; a
    #: write to one while window_status.busy is 1 is refused and counted.
    WINDOW_BASE_LOW = 0x080
    #: Window base, high. Bits 63:32 of the first list address.
    WINDOW_BASE_HIGH = 0x084
    #: Window size, low. Bits 31:0 of the bytes of the window; size 0 turns the window off.
    WINDOW_SIZE_LOW = 0x088
    #: Window size, high. Bits 63:32 of the bytes.
    WINDOW_SIZE_HIGH = 0x08C
    #: Window bus base, low. Bits 31:0 of the bus address of the first byte.
    WINDOW_BUS_LOW = 0x090
    #: Window bus base, high. Bits 63:32 of the bus address of the first byte.
    WINDOW_BUS_HIGH = 0x094
    #: Window commit. Writes the staged words into the window of this number. Refused and counted: a number at or above
    #: window_count, a commit while window_status.busy is 1, a commit while status.quiesced is 0, base, size or bus base
    #: not a multiple of 8, base and bus base different modulo 4096, a window that ends beyond 2^64 or whose bus
    #: addresses do not fit the bus.
    WINDOW_COMMIT = 0x098
    #: Window status. What became of the last window_commit.
    WINDOW_STATUS = 0x09C
    #: Command tag. The tag that the completion will carry. The staged words belong to one command: a walk needs all
    #: four staged anew, a delete the tag and both head words, a flush the tag. A refused doorbell keeps what is staged.
    COMMAND_TAG = 0x0A0
    #: Command head, low. Bits 31:0 of the address of the first node, or of the handle to delete.
    COMMAND_HEAD_LOW = 0x0A4
    #: Command head, high. Bits 63:32 of the address of the first node, or of the handle to delete. Must be written too
    #: when 0.
    COMMAND_HEAD_HIGH = 0x0A8
    #: Command budget. Nodes that the walk may visit; 0 means 2^32-1.
    COMMAND_BUDGET = 0x0AC
    #: Doorbell. Submits the staged command. What became of it stands in doorbell_result from the next clock on; a
    #: refusal is counted. All other bits must be 0.
    DOORBELL = 0x0B0
    #: Doorbell result. What became of the last doorbell.
    DOORBELL_RESULT = 0x0B4
    #: Abort. Aborts every walk and delete, queued or active, that carries this tag. A tag that none of them carries is
    #: counted in unknown_aborts and changes nothing; a flush cannot be aborted.
    ABORT = 0x0B8
    #: Abort all. A write of any value aborts every walk and delete, queued or active.
    ABORT_ALL = 0x0BC
    #: Completion status. The oldest completion. It stands still until it is popped; all its words are 0 while there is
    #: none.
    COMPLETION_STATUS = 0x0C0
    #: Completion tag. Tag of the command.
    COMPLETION_TAG = 0x0C4
    #: Completion visited. Nodes visited: always deleted plus not_found. A flush counts its bundles.
    COMPLETION_VISITED = 0x0C8
    #: Completion deleted. Bundles that the command removed.
    COMPLETION_DELETED = 0x0CC
    #: Completion not found. Handles that named nothing.
    COMPLETION_NOT_FOUND = 0x0D0
    #: Completion fault address, low. Bits 31:0 of the list address that failed; of the next node not visited when
    #: aborted. Means nothing when status is ok.
    COMPLETION_FAULT_LOW = 0x0D4
    #: Completion fault address, high. Bits 63:32 of the list address that failed.
    COMPLETION_FAULT_HIGH = 0x0D8
    #: Completion pop. A write of any value removes the completion that stands at the head. Changes nothing when there
    #: is none.
    COMPLETION_POP = 0x0DC
    #: Key lookups: low word. Receive lookups answered. Bits 31:0. Reading it latches bits 63:32 into the high word.
    KEY_LOOKUPS_LOW = 0x100
    #: Key lookups: high word. Receive lookups answered. Bits 63:32 as they were when a low word was last read; 0 when
    #: counter_width is 32.
    KEY_LOOKUPS_HIGH = 0x104
    #: Key hits: low word. Receive lookups answered with a hit. Bits 31:0. Reading it latches bits 63:32 into the high
    #: word.
    KEY_HITS_LOW = 0x108
    #: Key hits: high word. Receive lookups answered with a hit. Bits 63:32 as they were when a low word was last read;
    #: 0 when counter_width is 32.
    KEY_HITS_HIGH = 0x10C
    #: Handle lookups: low word. Transmit lookups answered. Bits 31:0. Reading it latches bits 63:32 into the high word.
    HANDLE_LOOKUPS_LOW = 0x110
    #: Handle lookups: high word. Transmit lookups answered. Bits 63:32 as they were when a low word was last read; 0
    #: when counter_width is 32.
    HANDLE_LOOKUPS_HIGH = 0x114
    #: Handle hits: low word. Transmit lookups answered with a hit. Bits 31:0. Reading it latches bits 63:32 into the
    #: high word.
    HANDLE_HITS_LOW = 0x118
    #: Handle hits: high word. Transmit lookups answered with a hit. Bits 63:32 as they were when a low word was last
    #: read; 0 when counter_width is 32.
    HANDLE_HITS_HIGH = 0x11C
    #: Key lookup waits: low word. Clocks in which a receive lookup waited for the limit of unretired answers. Bits
    #: 31:0. Reading it latches bits 63:32 into the high word.
    KEY_WAITS_LOW = 0x120
    #: Key lookup waits: high word. Clocks in which a receive lookup waited for the limit of unretired answers. Bits
    #: 63:32 as they were when a low word was last read; 0 when counter_width is 32.
    KEY_WAITS_HIGH = 0x124
    #: Handle lookup waits: low word. Clocks in which a transmit lookup waited for the limit of unretired answers. Bits
    #: 31:0. Reading it latches bits 63:32 into the high word.
    HANDLE_WAITS_LOW = 0x128
    #: Handle lookup waits: high word. Clocks in which a transmit lookup waited for the limit of unretired answers. Bits
    #: 63:32 as they were when a low word was last read; 0 when counter_width is 32.
    HANDLE_WAITS_HIGH = 0x12C
    #: Visited nodes: low word. Nodes visited by all walks. Bits 31:0. Reading it latches bits 63:32 into the high word.
    VISITED_NODES_LOW = 0x130
    #: Visited nodes: high word. Nodes visited by all walks. Bits 63:32 as they were when a low word was last read; 0
    #: when counter_width is 32.
    VISITED_NODES_HIGH = 0x134
    #: Deleted handles: low word. Handles that walks and deletes removed; what flushes removed stands in their
    #: completions. Bits 31:0. Reading it latches bits 63:32 into the high word.
    DELETED_HANDLES_LOW = 0x138
    #: Deleted handles: high word. Handles that walks and deletes removed; what flushes removed stands in their
    #: completions. Bits 63:32 as they were when a low word was last read; 0 when counter_width is 32.
    DELETED_HANDLES_HIGH = 0x13C
    #: Handles not found: low word. Handles of walks and deletes that named nothing. Bits 31:0. Reading it latches bits
    #: 63:32 into the high word.
    NOT_FOUND_HANDLES_LOW = 0x140
    #: Handles not found: high word. Handles of walks and deletes that named nothing. Bits 63:32 as they were when a low
    #: word was last read; 0 when counter_width is 32.
    NOT_FOUND_HANDLES_HIGH = 0x144
    #: Completions: low word. Completions put into the queue. Bits 31:0. Reading it latches bits 63:32 into the high
    #: word.
    COMPLETIONS_LOW = 0x148
    #: Completions: high word. Completions put into the queue. Bits 63:32 as they were when a low word was last read; 0
    #: when counter_width is 32.
    COMPLETIONS_HIGH = 0x14C
    #: Refused doorbells: low word. Doorbells that were not accepted. Bits 31:0. Reading it latches bits 63:32 into the
    #: high word.
    REFUSED_DOORBELLS_LOW = 0x150
    #: Refused doorbells: high word. Doorbells that were not accepted. Bits 63:32 as they were when a low word was last
    #: read; 0 when counter_width is 32.
    REFUSED_DOORBELLS_HIGH = 0x154
    #: Refused window writes: low word. Commits that were refused, and words staged while a commit was under way. Bits
    #: 31:0. Reading it latches bits 63:32 into the high word.
    REFUSED_WINDOWS_LOW = 0x158
    #: Refused window writes: high word. Commits that were refused, and words staged while a commit was under way. Bits
    #: 63:32 as they were when a low word was last read; 0 when counter_width is 32.
    REFUSED_WINDOWS_HIGH = 0x15C
    #: Refused adds: low word. add_go writes while an add was under way, and words staged while an add was not yet
    #: taken. Bits 31:0. Reading it latches bits 63:32 into the high word.
    REFUSED_ADDS_LOW = 0x160
    #: Refused adds: high word. add_go writes while an add was under way, and words staged while an add was not yet
    #: taken. Bits 63:32 as they were when a low word was last read; 0 when counter_width is 32.
    REFUSED_ADDS_HIGH = 0x164
    #: Unknown aborts: low word. Aborts whose tag no queued or active walk or delete carried. Bits 31:0. Reading it
    #: latches bits 63:32 into the high word.
    UNKNOWN_ABORTS_LOW = 0x168
    #: Unknown aborts: high word. Aborts whose tag no queued or active walk or delete carried. Bits 63:32 as they were
    #: when a low word was last read; 0 when counter_width is 32.
    UNKNOWN_ABORTS_HIGH = 0x16C
    #: Unknown beats: low word. Read beats dropped because nothing was outstanding under their ID. Bits 31:0. Reading it
    #: latches bits 63:32 into the high word.
    UNKNOWN_BEATS_LOW = 0x170
    #: Unknown beats: high word. Read beats dropped because nothing was outstanding under their ID. Bits 63:32 as they
    #: were when a low word was last read; 0 when counter_width is 32.
    UNKNOWN_BEATS_HIGH = 0x174
    #: Bad retires: low word. Retires that named no unretired answer. Bits 31:0. Reading it latches bits 63:32 into the
    #: high word.
    BAD_RETIRES_LOW = 0x178
    #: Bad retires: high word. Retires that named no unretired answer. Bits 63:32 as they were when a low word was last
    #: read; 0 when counter_width is 32.
    BAD_RETIRES_HIGH = 0x17C
    #: Add handle, low. Bits 31:0 of the handle to restore; both words 0 when the engine shall choose. All staged words
    #: of an add, keys and context too, are cleared when the table takes it; a write to one between add_go and then
    #: (while add_status.staged is 1) is refused and counted.
    ADD_HANDLE_LOW = 0x200
    #: Add handle, high. Bits 63:32 of the handle to restore: any bit that is 1 makes it a bad handle.
    ADD_HANDLE_HIGH = 0x204
    #: Add control. What kind of bundle it is. A reserved bit that is 1 is answered with unsupported.
    ADD_CONTROL = 0x208
    #: Add go. A write of any value submits the staged bundle. Refused and counted while add_status.busy is 1.
    ADD_GO = 0x20C
    #: Add status. What became of the last add.
    ADD_STATUS = 0x210
    #: Add answer handle. The handle of the bundle; 0 unless the result is ok.
    ADD_ANSWER_HANDLE = 0x214
    #: SPI. SA 0 and SA 1 of the bundle; SA 1 counts only when sa_count is 2. Write-only. The SPI as a number.
    ADD_SA_0_SPI = 0x220
    #: SA of the add: destination word. SA 0 and SA 1 of the bundle; SA 1 counts only when sa_count is 2. Write-only.
    #: Bits 32k+31:32k of the destination as a number: word 0 alone for IPv4, the other three 0. All words 0 is the
    #: wildcard of the family. On a preset without IPv6 an inbound bundle with any bit in words 1 to 3 is answered with
    #: unsupported.
    ADD_SA_0_DESTINATION_0 = 0x224
    #: SA of the add: destination word. SA 0 and SA 1 of the bundle; SA 1 counts only when sa_count is 2. Write-only.
    #: Bits 32k+31:32k of the destination as a number: word 0 alone for IPv4, the other three 0. All words 0 is the
    #: wildcard of the family. On a preset without IPv6 an inbound bundle with any bit in words 1 to 3 is answered with
    #: unsupported.
    ADD_SA_0_DESTINATION_1 = 0x228
    #: SA of the add: destination word. SA 0 and SA 1 of the bundle; SA 1 counts only when sa_count is 2. Write-only.
    #: Bits 32k+31:32k of the destination as a number: word 0 alone for IPv4, the other three 0. All words 0 is the
    #: wildcard of the family. On a preset without IPv6 an inbound bundle with any bit in words 1 to 3 is answered with
    #: unsupported.
    ADD_SA_0_DESTINATION_2 = 0x22C
    #: SA of the add: destination word. SA 0 and SA 1 of the bundle; SA 1 counts only when sa_count is 2. Write-only.
    #: Bits 32k+31:32k of the destination as a number: word 0 alone for IPv4, the other three 0. All words 0 is the
    #: wildcard of the family. On a preset without IPv6 an inbound bundle with any bit in words 1 to 3 is answered with
    #: unsupported.
    ADD_SA_0_DESTINATION_3 = 0x230
    #: SA of the add: sA flags. SA 0 and SA 1 of the bundle; SA 1 counts only when sa_count is 2. Write-only. What kind
    #: of SA it is. A reserved bit that is 1 is answered with unsupported.
    ADD_SA_0_FLAGS = 0x234
    #: SPI. SA 0 and SA 1 of the bundle; SA 1 counts only when sa_count is 2. Write-only. The SPI as a number.
    ADD_SA_1_SPI = 0x240
    #: SA of the add: destination word. SA 0 and SA 1 of the bundle; SA 1 counts only when sa_count is 2. Write-only.
    #: Bits 32k+31:32k of the destination as a number: word 0 alone for IPv4, the other three 0. All words 0 is the
    #: wildcard of the family. On a preset without IPv6 an inbound bundle with any bit in words 1 to 3 is answered with
    #: unsupported.
    ADD_SA_1_DESTINATION_0 = 0x244
    #: SA of the add: destination word. SA 0 and SA 1 of the bundle; SA 1 counts only when sa_count is 2. Write-only.
    #: Bits 32k+31:32k of the destination as a number: word 0 alone for IPv4, the other three 0. All words 0 is the
    #: wildcard of the family. On a preset without IPv6 an inbound bundle with any bit in words 1 to 3 is answered with
    #: unsupported.
    ADD_SA_1_DESTINATION_1 = 0x248
    #: SA of the add: destination word. SA 0 and SA 1 of the bundle; SA 1 counts only when sa_count is 2. Write-only.
    #: Bits 32k+31:32k of the destination as a number: word 0 alone for IPv4, the other three 0. All words 0 is the
    #: wildcard of the family. On a preset without IPv6 an inbound bundle with any bit in words 1 to 3 is answered with
    #: unsupported.
    ADD_SA_1_DESTINATION_2 = 0x24C
    #: SA of the add: destination word. SA 0 and SA 1 of the bundle; SA 1 counts only when sa_count is 2. Write-only.
    #: Bits 32k+31:32k of the destination as a number: word 0 alone for IPv4, the other three 0. All words 0 is the
    #: wildcard of the family. On a preset without IPv6 an inbound bundle with any bit in words 1 to 3 is answered with
    #: unsupported.
    ADD_SA_1_DESTINATION_3 = 0x250
    #: SA of the add: sA flags. SA 0 and SA 1 of the bundle; SA 1 counts only when sa_count is 2. Write-only. What kind
    #: of SA it is. A reserved bit that is 1 is answered with unsupported.
    ADD_SA_1_FLAGS = 0x254


class Memory(IntEnum):
    """Byte offset of the first word of every run of words."""

    #: 128 words. Word k holds bits 32k+31:32k of the context of the add. Write-only; bits at or above context_width are
    #: ignored.
    ADD_CONTEXT = 0x800


class Abi(IntEnum):
    """Values of doorbell.abi."""

    #: 24-byte nodes with 64-bit pointers, aligned to 8.
    X64 = 0
    #: 12-byte nodes with 32-bit pointers, aligned to 4.
    X86 = 1


class AddResult(IntEnum):
    """Values of add_status.result."""

    #: The bundle lives under the handle in add_answer_handle.
    OK = 0
    #: The table is not ready.
    NOT_READY = 1
    #: Not 1 or 2 SAs, a reserved bit, or IPv6 where table_features.ipv6 is 0.
    UNSUPPORTED = 2
    #: Restore mode, and no handle was given.
    RESTORE_MODE = 3
    #: The given handle is malformed or names an index above the capacity.
    BAD_HANDLE = 4
    #: The index of the given handle is taken.
    HANDLE_IN_USE = 5
    #: A key lives already, or stands twice in the bundle.
    DUPLICATE = 6
    #: No room for the bundle or for its keys.
    FULL = 7


class CompletionStatus(IntEnum):
    """Values of completion_status.status."""

    #: The whole list was walked.
    OK = 0
    #: The address is not aligned as the ABI demands.
    MISALIGNED = 1
    #: No window holds the whole node.
    OUT_OF_WINDOW = 2
    #: The list came back to an address that it had passed.
    LOOP = 3
    #: The budget of nodes is used up.
    TOO_LONG = 4
    #: A read was answered with an error.
    BUS_ERROR = 5
    #: A read was not answered in time.
    TIMEOUT = 6
    #: The first 32-bit word of the node is not that of the ABI.
    BAD_HEADER = 7
    #: An abort of its tag came before the last node was decided.
    ABORTED = 8


class Direction(IntEnum):
    """Values of add_control.direction."""

    #: Found by key; has one key per SA.
    INBOUND = 0
    #: Found by handle; has no keys.
    OUTBOUND = 1


class DoorbellResult(IntEnum):
    """Values of doorbell_result.result."""

    #: No doorbell was rung since reset.
    NONE = 0
    #: The command was accepted: exactly one completion with its tag will come.
    ACCEPTED = 1
    #: Refused: the table is not ready.
    NOT_READY = 2
    #: Refused: no such opcode, or a reserved bit was set.
    BAD_OPCODE = 3
    #: Refused: a word that this opcode needs was not staged since the last accepted command.
    INCOMPLETE = 4
    #: Refused: the command queue is full. What is staged stays: ring again later.
    QUEUE_FULL = 5
    #: Refused: a flush is under way, or no place for its completion is free: pop one first.
    FLUSH_BUSY = 6


class Family(IntEnum):
    """Values of add_sa_flags.family."""

    #: The destination is 32 bits, in word 0.
    IPV4 = 0
    #: The destination is 128 bits, its last four bytes on the wire in word 0.
    IPV6 = 1


class Opcode(IntEnum):
    """Values of doorbell.opcode."""

    #: Follow the list whose first node is at the head and delete the handle of every node.
    WALK = 0
    #: Delete the one handle that stands in the head words: a walk of one node not in memory.
    DELETE_ONE = 1
    #: Remove every bundle and enter restore mode.
    FLUSH = 2


class Protocol(IntEnum):
    """Values of add_sa_flags.protocol."""

    #: Encapsulating Security Payload.
    ESP = 0
    #: Authentication Header.
    AH = 1


class VersionFields:
    """Fields of Version."""

    #: Grows when something is added.
    MINOR = Field(0, 16)
    #: Changes when a driver of before would break.
    MAJOR = Field(16, 16)


class TableFeaturesFields:
    """Fields of TableFeatures."""

    #: Bits of a handle that are its index; the generation stands between them and bit 31.
    INDEX_BITS = Field(0, 5)
    #: 1 when IPv6 bundles are supported.
    IPV6 = Field(8, 1)
    #: 1 when keys are hashed with a seed; 0: every key is compared, and seed_low and seed_high are ignored.
    SEED = Field(9, 1)
    #: 1 when the age of unretired answers is counted; 0: unretired_age reads 0 and retire_late never comes.
    RETIRE_WATCH = Field(10, 1)
    #: Bits of the epoch that a lookup answer carries.
    EPOCH_WIDTH = Field(12, 4)


class BusFeaturesFields:
    """Fields of BusFeatures."""

    #: Bits of a read beat.
    DATA_WIDTH = Field(0, 11)
    #: Bits of an address.
    ADDRESS_WIDTH = Field(16, 7)
    #: Bits of a read ID: the engine owns 2**id_width IDs.
    ID_WIDTH = Field(24, 4)


class QueueDepthsFields:
    """Fields of QueueDepths."""

    #: Commands that can wait for the walker.
    COMMAND_DEPTH = Field(0, 16)
    #: Commands that can be under way or stand as completions not yet popped.
    COMPLETION_DEPTH = Field(16, 16)


class StatusFields:
    """Fields of Status."""

    #: The scrub after reset is over, and no reset is pending: commands and adds are taken.
    READY = Field(0, 1)
    #: No command is active and no read is outstanding: only now may host memory be unmapped.
    QUIESCED = Field(1, 1)
    #: Restore mode: an add must give the handle that it gets.
    RESTORING = Field(2, 1)
    #: The sticky bit of interrupt_status: all bundles and all tags of before are void.
    TABLE_LOST = Field(3, 1)
    #: The command queue would refuse a command now.
    COMMAND_QUEUE_FULL = Field(4, 1)
    #: A completion stands at the head of the completion queue.
    COMPLETION_VALID = Field(5, 1)
    #: A flush is under way.
    FLUSH_ACTIVE = Field(6, 1)
    #: An add is under way.
    ADD_BUSY = Field(7, 1)
    #: The add waits until scrubs and retires make room.
    ADD_WAITING = Field(8, 1)
    #: A window write is under way.
    WINDOW_BUSY = Field(9, 1)
    #: An end_restore was written and has not been taken yet.
    END_RESTORE_BUSY = Field(10, 1)
    #: The walker has a command.
    WALK_ACTIVE = Field(11, 1)
    #: The table follows the seed registers: no add has begun since the last reset or flush. While it is 0, a new seed
    #: counts from the next flush on. Always 0 when table_features.seed is 0.
    SEED_OPEN = Field(12, 1)
    #: A reset was written and waits for the reads of host memory that are under way.
    RESETTING = Field(13, 1)
    #: A completion, or an index that shall be issued again, waits for the packet path to retire an answer. For a moment
    #: in every delete under traffic; for long when the packet path is stuck: see unretired_age.
    RETIRE_DUE = Field(14, 1)


class InterruptStatusFields:
    """Fields of InterruptStatus."""

    #: A completion was put into the queue. Clear first, then pop until none is left.
    COMPLETION = Field(0, 1)
    #: An add was answered.
    ADD_DONE = Field(1, 1)
    #: The table became ready.
    READY = Field(2, 1)
    #: The table was lost: set by reset and by a table error. All tags of before are void.
    TABLE_LOST = Field(3, 1)
    #: A doorbell, a window write or an add was refused.
    REFUSED = Field(4, 1)
    #: The packet path has kept an answer that a completion or an index waits for, for 65,536 clocks.
    RETIRE_LATE = Field(5, 1)


class InterruptEnableFields:
    """Fields of InterruptEnable."""

    #: Enables interrupt_status.completion.
    COMPLETION = Field(0, 1)
    #: Enables interrupt_status.add_done.
    ADD_DONE = Field(1, 1)
    #: Enables interrupt_status.ready.
    READY = Field(2, 1)
    #: Enables interrupt_status.table_lost.
    TABLE_LOST = Field(3, 1)
    #: Enables interrupt_status.refused.
    REFUSED = Field(4, 1)
    #: Enables interrupt_status.retire_late.
    RETIRE_LATE = Field(5, 1)


class ResetFields:
    """Fields of Reset."""

    #: 1: reset. 0: nothing happens.
    DO_RESET = Field(0, 1)


class WindowStatusFields:
    """Fields of WindowStatus."""

    #: The commit is under way.
    BUSY = Field(0, 1)
    #: The last commit was refused: the window is as it was.
    REFUSED = Field(1, 1)


class DoorbellFields:
    """Fields of Doorbell."""

    #: What to do.
    OPCODE = Field(0, 4)
    #: Layout of the nodes; only a walk uses it.
    ABI = Field(8, 1)


class DoorbellResultFields:
    """Fields of DoorbellResult."""

    #: Accepted, or why not: the first reason that applies.
    RESULT = Field(0, 3)


class CompletionStatusFields:
    """Fields of CompletionStatus."""

    #: How the command ended.
    STATUS = Field(0, 4)
    #: 1 when a completion stands here.
    VALID = Field(8, 1)


class AddControlFields:
    """Fields of AddControl."""

    #: Direction of the bundle.
    DIRECTION = Field(0, 1)
    #: SAs of the bundle; 0 and 3 are answered with unsupported.
    SA_COUNT = Field(4, 2)


class AddStatusFields:
    """Fields of AddStatus."""

    #: An add is under way.
    BUSY = Field(0, 1)
    #: The add waits until scrubs and retires make room.
    WAITING = Field(1, 1)
    #: The add was answered: result and add_answer_handle are those of the last add_go that was not refused.
    DONE = Field(2, 1)
    #: The last write to add_go was refused.
    GO_REFUSED = Field(3, 1)
    #: The answer.
    RESULT = Field(4, 4)
    #: The staged words still wait for the table to take them: do not write them.
    STAGED = Field(8, 1)


class AddSaFlagsFields:
    """Fields of AddSaFlags."""

    #: Family of the destination.
    FAMILY = Field(0, 1)
    #: Protocol of the SA.
    PROTOCOL = Field(1, 1)
