"""What can go wrong on the host side, by name, so that a caller can tell a refusal from a broken link.

Every class derives from ``HostError``. A *refusal* is the engine saying no: nothing was done, and the same call may
succeed later. Everything else means that the link, the engine or the caller's assumption about it is wrong.
"""

from collections.abc import Sequence


class HostError(Exception):
    """Base of everything this package raises, apart from ``TypeError`` and ``ValueError`` for bad arguments."""


class WrongEngineError(HostError):
    """What answers is not an engine that this driver knows: the identification or the version differs."""


class WaitTimeoutError(HostError):
    """A bounded wait ended without its event. ``what`` says what did not happen."""

    def __init__(self, what: str, milliseconds: float) -> None:
        super().__init__(f"{what}: not within {milliseconds:g} ms")
        self.what = what
        self.milliseconds = milliseconds


class TableLostError(HostError):
    """The engine lost its table (a reset or a parity error). ``void_tags`` are the commands whose completion will
    never come. Call ``Driver.recover``, then restore the bundles that are to live on.
    """

    def __init__(self, void_tags: Sequence[int]) -> None:
        super().__init__(f"the engine lost its table; {len(void_tags)} outstanding commands are void")
        self.void_tags = tuple(void_tags)


class NotRestoredError(HostError):
    """A bundle was to get the handle ``named`` back, but the engine was not in restore mode: it lives under ``handle``,
    until that is deleted.
    """

    def __init__(self, named: int, handle: int) -> None:
        super().__init__(f"not in restore mode: the bundle to restore as {named:#010x} lives under {handle:#010x}")
        self.named = named
        self.handle = handle


class NoSeedError(HostError):
    """The engine's table has no seed: it compares every key, so no choice of keys can fill it before its time."""


class CommandsOutstandingError(HostError):
    """Commands are outstanding whose completion must be there first: ``tags`` names them."""

    def __init__(self, tags: Sequence[int]) -> None:
        super().__init__(f"{len(tags)} commands are outstanding: collect their completions first")
        self.tags = tuple(tags)


class ReseedError(HostError):
    """A reseed flushed the table and could not restore every bundle, or not end restore mode; its cause says why.
    Lookups of the bundles whose handles are ``missing`` miss. Reseed again with all bundles, under another seed.
    """

    def __init__(self, missing: Sequence[int], count: int) -> None:
        super().__init__(f"{count - len(missing)} of {count} bundles live under the new seed, in restore mode")
        self.missing = tuple(missing)


class TagInUseError(HostError):
    """The chosen tag belongs to a command that is still outstanding."""

    def __init__(self, tag: int) -> None:
        super().__init__(f"tag {tag:#x} belongs to a command that is still outstanding")
        self.tag = tag


class UnknownTagError(HostError):
    """No outstanding command carries the tag: nothing was submitted with it, or its completion was handed out."""

    def __init__(self, tag: int) -> None:
        super().__init__(f"no outstanding command carries tag {tag:#x}")
        self.tag = tag


class RefusedError(HostError):
    """The engine refused. Nothing was changed."""


class QueueFullError(RefusedError):
    """The command queue is full: collect completions, then try again."""


class NotReadyError(RefusedError):
    """The engine still scrubs its table after a reset or a flush."""


class FlushBusyError(RefusedError):
    """A flush is under way, or no place for its completion is free: collect completions, then try again."""


class BadOpcodeError(RefusedError):
    """The engine does not know the opcode: driver and engine do not fit together."""


class StagingLostError(RefusedError):
    """The engine lacks words of the command: somebody else rings the doorbell too. One driver owns an engine."""


class WindowRefusedError(RefusedError):
    """The engine refused a window: a value breaks a rule, or a command is active or a read outstanding."""


class AddBusyError(RefusedError):
    """An earlier add is not answered, or its answer was not collected: see ``Table.finish_add``."""


class AddRefusedError(RefusedError):
    """An add was answered with something other than OK; ``result`` is the contract's name for it."""

    def __init__(self, result: str) -> None:
        super().__init__(f"the add was answered {result}")
        self.result = result
