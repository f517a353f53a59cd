"""The register map as data.

Generated from hdl/saoffload/hdl/control/registers.rdl: change that and run `make registers`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """Bits of a register; ``access`` is constant, r, w, rw or w1c; r and w have no reset value."""

    name: str
    low: int
    width: int
    access: str
    reset: int


@dataclass(frozen=True)
class Register:
    """A 32-bit register at a byte offset; ``is_external``: it is read from a memory outside."""

    name: str
    offset: int
    is_external: bool
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Memory:
    """``word_count`` 32-bit words without fields, from a byte offset on."""

    name: str
    offset: int
    word_count: int
    access: str


REGISTERS: tuple[Register, ...] = (
    Register(
        "id",
        0x000,
        is_external=False,
        fields=(
            Field("value", 0, 32, "constant", 0x53414F46),
        ),
    ),
    Register(
        "version",
        0x004,
        is_external=False,
        fields=(
            Field("minor", 0, 16, "constant", 0x1),
            Field("major", 16, 16, "constant", 0x1),
        ),
    ),
    Register(
        "capacity_bundles",
        0x008,
        is_external=False,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "capacity_keys",
        0x00C,
        is_external=False,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "table_features",
        0x010,
        is_external=False,
        fields=(
            Field("index_bits", 0, 5, "r", 0x0),
            Field("ipv6", 8, 1, "r", 0x0),
            Field("seed", 9, 1, "r", 0x0),
            Field("retire_watch", 10, 1, "r", 0x0),
            Field("epoch_width", 12, 4, "r", 0x0),
        ),
    ),
    Register(
        "context_width",
        0x014,
        is_external=False,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "unretired_limit",
        0x018,
        is_external=False,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "bus_features",
        0x01C,
        is_external=False,
        fields=(
            Field("data_width", 0, 11, "r", 0x0),
            Field("address_width", 16, 7, "r", 0x0),
            Field("id_width", 24, 4, "r", 0x0),
        ),
    ),
    Register(
        "queue_depths",
        0x020,
        is_external=False,
        fields=(
            Field("command_depth", 0, 16, "r", 0x0),
            Field("completion_depth", 16, 16, "r", 0x0),
        ),
    ),
    Register(
        "window_count",
        0x024,
        is_external=False,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "counter_width",
        0x028,
        is_external=False,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "live_bundles",
        0x02C,
        is_external=False,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "live_keys",
        0x030,
        is_external=False,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "lost_ids",
        0x034,
        is_external=False,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "status",
        0x040,
        is_external=False,
        fields=(
            Field("ready", 0, 1, "r", 0x0),
            Field("quiesced", 1, 1, "r", 0x0),
            Field("restoring", 2, 1, "r", 0x0),
            Field("table_lost", 3, 1, "r", 0x0),
            Field("command_queue_full", 4, 1, "r", 0x0),
            Field("completion_valid", 5, 1, "r", 0x0),
            Field("flush_active", 6, 1, "r", 0x0),
            Field("add_busy", 7, 1, "r", 0x0),
            Field("add_waiting", 8, 1, "r", 0x0),
            Field("window_busy", 9, 1, "r", 0x0),
            Field("end_restore_busy", 10, 1, "r", 0x0),
            Field("walk_active", 11, 1, "r", 0x0),
            Field("seed_open", 12, 1, "r", 0x0),
            Field("resetting", 13, 1, "r", 0x0),
            Field("retire_due", 14, 1, "r", 0x0),
        ),
    ),
    Register(
        "interrupt_status",
        0x044,
        is_external=False,
        fields=(
            Field("completion", 0, 1, "w1c", 0x0),
            Field("add_done", 1, 1, "w1c", 0x0),
            Field("ready", 2, 1, "w1c", 0x0),
            Field("table_lost", 3, 1, "w1c", 0x1),
            Field("refused", 4, 1, "w1c", 0x0),
            Field("retire_late", 5, 1, "w1c", 0x0),
        ),
    ),
    Register(
        "interrupt_enable",
        0x048,
        is_external=False,
        fields=(
            Field("completion", 0, 1, "rw", 0x0),
            Field("add_done", 1, 1, "rw", 0x0),
            Field("ready", 2, 1, "rw", 0x0),
            Field("table_lost", 3, 1, "rw", 0x0),
            Field("refused", 4, 1, "rw", 0x0),
            Field("retire_late", 5, 1, "rw", 0x0),
        ),
    ),
    Register(
        "timeout",
        0x04C,
        is_external=False,
        fields=(
            Field("value", 0, 32, "rw", 0x0),
        ),
    ),
    Register(
        "end_restore",
        0x050,
        is_external=False,
        fields=(
            Field("ignored", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "seed_low",
        0x054,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "seed_high",
        0x058,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "reset",
        0x05C,
        is_external=False,
        fields=(
            Field("do_reset", 0, 1, "w", 0x0),
        ),
    ),
    Register(
        "unretired_age",
        0x060,
        is_external=False,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "window_base_low",
        0x080,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "window_base_high",
        0x084,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "window_size_low",
        0x088,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "window_size_high",
        0x08C,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "window_bus_low",
        0x090,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "window_bus_high",
        0x094,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "window_commit",
        0x098,
        is_external=False,
        fields=(
            Field("index", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "window_status",
        0x09C,
        is_external=False,
        fields=(
            Field("busy", 0, 1, "r", 0x0),
            Field("refused", 1, 1, "r", 0x0),
        ),
    ),
    Register(
        "command_tag",
        0x0A0,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "command_head_low",
        0x0A4,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "command_head_high",
        0x0A8,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "command_budget",
        0x0AC,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "doorbell",
        0x0B0,
        is_external=False,
        fields=(
            Field("opcode", 0, 4, "w", 0x0),
            Field("abi", 8, 1, "w", 0x0),
        ),
    ),
    Register(
        "doorbell_result",
        0x0B4,
        is_external=False,
        fields=(
            Field("result", 0, 3, "r", 0x0),
        ),
    ),
    Register(
        "abort",
        0x0B8,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "abort_all",
        0x0BC,
        is_external=False,
        fields=(
            Field("ignored", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "completion_status",
        0x0C0,
        is_external=True,
        fields=(
            Field("status", 0, 4, "r", 0x0),
            Field("valid", 8, 1, "r", 0x0),
        ),
    ),
    Register(
        "completion_tag",
        0x0C4,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "completion_visited",
        0x0C8,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "completion_deleted",
        0x0CC,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "completion_not_found",
        0x0D0,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "completion_fault_low",
        0x0D4,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "completion_fault_high",
        0x0D8,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "completion_pop",
        0x0DC,
        is_external=False,
        fields=(
            Field("ignored", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "key_lookups_low",
        0x100,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "key_lookups_high",
        0x104,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "key_hits_low",
        0x108,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "key_hits_high",
        0x10C,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "handle_lookups_low",
        0x110,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "handle_lookups_high",
        0x114,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "handle_hits_low",
        0x118,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "handle_hits_high",
        0x11C,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "key_waits_low",
        0x120,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "key_waits_high",
        0x124,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "handle_waits_low",
        0x128,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "handle_waits_high",
        0x12C,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "visited_nodes_low",
        0x130,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "visited_nodes_high",
        0x134,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "deleted_handles_low",
        0x138,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "deleted_handles_high",
        0x13C,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "not_found_handles_low",
        0x140,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "not_found_handles_high",
        0x144,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "completions_low",
        0x148,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "completions_high",
        0x14C,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "refused_doorbells_low",
        0x150,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "refused_doorbells_high",
        0x154,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "refused_windows_low",
        0x158,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "refused_windows_high",
        0x15C,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "refused_adds_low",
        0x160,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "refused_adds_high",
        0x164,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "unknown_aborts_low",
        0x168,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "unknown_aborts_high",
        0x16C,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "unknown_beats_low",
        0x170,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "unknown_beats_high",
        0x174,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "bad_retires_low",
        0x178,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "bad_retires_high",
        0x17C,
        is_external=True,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "add_handle_low",
        0x200,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "add_handle_high",
        0x204,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "add_control",
        0x208,
        is_external=False,
        fields=(
            Field("direction", 0, 1, "w", 0x0),
            Field("sa_count", 4, 2, "w", 0x0),
        ),
    ),
    Register(
        "add_go",
        0x20C,
        is_external=False,
        fields=(
            Field("ignored", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "add_status",
        0x210,
        is_external=False,
        fields=(
            Field("busy", 0, 1, "r", 0x0),
            Field("waiting", 1, 1, "r", 0x0),
            Field("done", 2, 1, "r", 0x0),
            Field("go_refused", 3, 1, "r", 0x0),
            Field("result", 4, 4, "r", 0x0),
            Field("staged", 8, 1, "r", 0x0),
        ),
    ),
    Register(
        "add_answer_handle",
        0x214,
        is_external=False,
        fields=(
            Field("value", 0, 32, "r", 0x0),
        ),
    ),
    Register(
        "add_sa_0_spi",
        0x220,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "add_sa_0_destination_0",
        0x224,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "add_sa_0_destination_1",
        0x228,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "add_sa_0_destination_2",
        0x22C,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "add_sa_0_destination_3",
        0x230,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "add_sa_0_flags",
        0x234,
        is_external=False,
        fields=(
            Field("family", 0, 1, "w", 0x0),
            Field("protocol", 1, 1, "w", 0x0),
        ),
    ),
    Register(
        "add_sa_1_spi",
        0x240,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "add_sa_1_destination_0",
        0x244,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "add_sa_1_destination_1",
        0x248,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "add_sa_1_destination_2",
        0x24C,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "add_sa_1_destination_3",
        0x250,
        is_external=False,
        fields=(
            Field("value", 0, 32, "w", 0x0),
        ),
    ),
    Register(
        "add_sa_1_flags",
        0x254,
        is_external=False,
        fields=(
            Field("family", 0, 1, "w", 0x0),
            Field("protocol", 1, 1, "w", 0x0),
        ),
    ),
)
"""Every register, by offset."""

MEMORIES: tuple[Memory, ...] = (
    Memory("add_context", 0x800, 128, "w"),
)
"""Every memory, by offset."""
