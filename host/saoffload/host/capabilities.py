"""What an engine is, and what it does now: two snapshots of its registers."""

from dataclasses import dataclass
from typing import Self

from .errors import WrongEngineError
from .register_map import (
    BusFeaturesFields,
    Field,
    QueueDepthsFields,
    Register,
    StatusFields,
    TableFeaturesFields,
    VersionFields,
)
from .registers import Registers

IDENTIFICATION = int.from_bytes(b"SAOF", "big")
MAP_MAJOR_VERSION = 1
"""The version of the register map that this driver was written for."""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What the engine was built with. It never changes."""

    version: tuple[int, int]
    #: Bundles that can live at a time.
    bundles: int
    #: Keys that can live at a time.
    keys: int
    #: Bits of a handle that are its index.
    index_bits: int
    has_ipv6: bool
    #: Keys are hashed with a seed; else every key is compared.
    has_seed: bool
    #: The age of unretired answers is counted.
    has_retire_watch: bool
    epoch_width: int
    context_width: int
    unretired_limit: int
    data_width: int
    address_width: int
    id_width: int
    command_depth: int
    completion_depth: int
    window_count: int
    counter_width: int

    @classmethod
    async def read(cls, registers: Registers) -> Self:
        """Identify the engine and read what it is. Raises ``WrongEngineError`` when it is not one that this driver
        knows; nothing but the identification is read then.
        """
        identification = await registers.read(Register.ID)
        if identification != IDENTIFICATION:
            raise WrongEngineError(f"no saoffload engine: identification {identification:#010x}")
        version = await registers.read(Register.VERSION)
        major, minor = VersionFields.MAJOR.get(version), VersionFields.MINOR.get(version)
        if major != MAP_MAJOR_VERSION:
            raise WrongEngineError(f"register map {major}.{minor}: this driver knows {MAP_MAJOR_VERSION}.x only")
        table = await registers.read(Register.TABLE_FEATURES)
        bus = await registers.read(Register.BUS_FEATURES)
        depths = await registers.read(Register.QUEUE_DEPTHS)
        return cls(
            version=(major, minor),
            bundles=await registers.read(Register.CAPACITY_BUNDLES),
            keys=await registers.read(Register.CAPACITY_KEYS),
            index_bits=TableFeaturesFields.INDEX_BITS.get(table),
            has_ipv6=bool(TableFeaturesFields.IPV6.get(table)),
            has_seed=bool(TableFeaturesFields.SEED.get(table)),
            has_retire_watch=bool(TableFeaturesFields.RETIRE_WATCH.get(table)),
            epoch_width=TableFeaturesFields.EPOCH_WIDTH.get(table),
            context_width=await registers.read(Register.CONTEXT_WIDTH),
            unretired_limit=await registers.read(Register.UNRETIRED_LIMIT),
            data_width=BusFeaturesFields.DATA_WIDTH.get(bus),
            address_width=BusFeaturesFields.ADDRESS_WIDTH.get(bus),
            id_width=BusFeaturesFields.ID_WIDTH.get(bus),
            command_depth=QueueDepthsFields.COMMAND_DEPTH.get(depths),
            completion_depth=QueueDepthsFields.COMPLETION_DEPTH.get(depths),
            window_count=await registers.read(Register.WINDOW_COUNT),
            counter_width=await registers.read(Register.COUNTER_WIDTH),
        )


@dataclass(frozen=True, kw_only=True)
class EngineStatus:
    """The status register, field by field, all of one moment."""

    #: Commands and adds are taken.
    is_ready: bool
    #: No command is active and no read is outstanding.
    is_quiesced: bool
    #: Adds must give the handle that they get.
    is_restoring: bool
    #: All bundles and all tags of before are void.
    table_was_lost: bool
    command_queue_is_full: bool
    completion_is_valid: bool
    flush_is_active: bool
    add_is_busy: bool
    #: The add waits until scrubs and retires make room.
    add_is_waiting: bool
    window_is_busy: bool
    end_restore_is_busy: bool
    walk_is_active: bool
    #: A seed counts at once; else from the next flush on.
    seed_is_open: bool
    #: A reset was asked for and waits for reads of host memory.
    is_resetting: bool
    #: A completion, or an index, waits for the packet path to retire an answer.
    retire_is_due: bool

    @classmethod
    async def read(cls, registers: Registers) -> Self:
        """What the engine does now."""
        word = await registers.read(Register.STATUS)

        def is_set(field: Field) -> bool:
            return bool(field.get(word))

        return cls(
            is_ready=is_set(StatusFields.READY),
            is_quiesced=is_set(StatusFields.QUIESCED),
            is_restoring=is_set(StatusFields.RESTORING),
            table_was_lost=is_set(StatusFields.TABLE_LOST),
            command_queue_is_full=is_set(StatusFields.COMMAND_QUEUE_FULL),
            completion_is_valid=is_set(StatusFields.COMPLETION_VALID),
            flush_is_active=is_set(StatusFields.FLUSH_ACTIVE),
            add_is_busy=is_set(StatusFields.ADD_BUSY),
            add_is_waiting=is_set(StatusFields.ADD_WAITING),
            window_is_busy=is_set(StatusFields.WINDOW_BUSY),
            end_restore_is_busy=is_set(StatusFields.END_RESTORE_BUSY),
            walk_is_active=is_set(StatusFields.WALK_ACTIVE),
            seed_is_open=is_set(StatusFields.SEED_OPEN),
            is_resetting=is_set(StatusFields.RESETTING),
            retire_is_due=is_set(StatusFields.RETIRE_DUE),
        )
