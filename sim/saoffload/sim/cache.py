"""A folder of things that take long to build and are the same whenever they are built from the same input."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

_UNUSED_DAYS = 30
_DAY = 24 * 3600


def cache_folder() -> Path:
    """Where builds are kept: ``SAOFFLOAD_CACHE``, else ``saoffload`` in the user's cache folder."""
    chosen = os.environ.get("SAOFFLOAD_CACHE")
    if chosen:
        return Path(chosen).expanduser().resolve()
    user = os.environ.get("XDG_CACHE_HOME")
    return (Path(user) if user else Path.home() / ".cache") / "saoffload"


def digest(*parts: str | bytes) -> str:
    """A short name for these inputs. The same inputs in the same order have the same name, others another one."""
    summary = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        summary.update(len(data).to_bytes(8, "big") + data)
    return summary.hexdigest()[:24]


def cached(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """The folder of what ``build`` makes for ``key``, made now unless it is there already.

    ``build`` gets an empty folder and fills it. Other processes that want the same wait meanwhile. A build that fails
    or is killed leaves nothing that could be taken for a result. What nobody used for 30 days is removed.
    """
    root = cache_folder()
    root.mkdir(parents=True, exist_ok=True)
    result = root / f"{kind}-{key}"
    if not result.is_dir():
        # The lock ends with its process, however that ends.
        with (root / f"{kind}-{key}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not result.is_dir():
                _build(root, result, build)
    os.utime(result)
    return result


def _build(root: Path, result: Path, build: Callable[[Path], None]) -> None:
    for rest in root.glob(f"{result.name}.part-*"):
        shutil.rmtree(rest, ignore_errors=True)
    part = Path(tempfile.mkdtemp(prefix=f"{result.name}.part-", dir=root))
    try:
        build(part)
        part.rename(result)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    _remove_unused(root)


def _remove_unused(root: Path) -> None:
    oldest = time.time() - _UNUSED_DAYS * _DAY
    for entry in root.iterdir():
        # Lock files stay: removing one that is held would let two builds run at once.
        if entry.is_dir() and entry.stat().st_mtime < oldest:
            shutil.rmtree(entry, ignore_errors=True)
