"""The folder of builds: made once, whole or not at all, whoever asks for them at the same time."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from saoffload.sim.cache import cache_folder, cached, digest


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAOFFLOAD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(folder: Path) -> None:
    (folder / "file").write_text("content")


def write_slowly(folder: Path) -> None:
    (folder / "begun").touch()
    time.sleep(0.3)
    write(folder)


def write_for_ever(folder: Path) -> None:
    (folder / "begun").touch()
    time.sleep(60)


def never(folder: Path) -> None:
    raise AssertionError(f"built again in {folder}")


def count(folder: Path) -> None:
    with (cache_folder() / "count").open("a") as file:
        file.write("x")
    write_slowly(folder)


def ask(build: Callable[[Path], None]) -> None:
    cached("thing", "key", build)


def test_built_once(own_cache: Path) -> None:
    first = cached("thing", "key", write)
    assert (first / "file").read_text() == "content"
    assert first.parent == own_cache
    assert cached("thing", "key", never) == first
    assert cached("thing", "other", write) != first


def test_a_failed_build_leaves_nothing(own_cache: Path) -> None:
    with pytest.raises(AssertionError, match="built again"):
        cached("thing", "key", never)
    assert [entry.name for entry in own_cache.iterdir()] == ["thing-key.lock"]
    assert (cached("thing", "key", write) / "file").exists()


def test_two_processes_build_once(own_cache: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=ask, args=(count,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert (own_cache / "count").read_text() == "x"


def test_a_killed_build_is_built_again(own_cache: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=ask, args=(write_for_ever,))
    process.start()
    deadline = time.monotonic() + 30
    while not list(own_cache.glob("thing-key.part-*/begun")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    result = cached("thing", "key", write)
    assert sorted(entry.name for entry in result.iterdir()) == ["file"]
    assert list(own_cache.glob("*.part-*")) == []


def test_what_nobody_uses_goes(own_cache: Path) -> None:
    old = cached("thing", "old", write)
    os.utime(old, (0, 0))
    used = cached("thing", "used", write)
    os.utime(used, (0, 0))
    assert cached("thing", "used", never) == used
    cached("thing", "new", write)
    assert not old.exists()
    assert used.exists()
    assert own_cache.is_dir()


def test_digests_tell_inputs_apart() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("a") == digest(b"a")


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SAOFFLOAD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "saoffload"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "saoffload"
