"""The one exception for what a user can put right, and the reading of files that leads to it most often."""

from pathlib import Path


class InputError(ValueError):
    """Input that cannot be used. The message is one line that names the place, the fault and the cure."""


def read_bytes(path: Path, kind: str, option: str) -> bytes:
    """A whole file. ``kind`` and ``option`` say in the message what it was for and how it was named."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such {kind}; give the path of one with {option}") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, not a {kind}; give the path of a file with {option}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read: {reason}; give a readable {kind} with {option}") from None


def quoted(value: object, limit: int = 60) -> str:
    """A value as a user wrote it, on one line and not longer than a message can bear."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}..."
