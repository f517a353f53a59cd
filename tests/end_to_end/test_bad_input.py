"""Input that cannot be used: exit code 2, nothing on stdout, one line on stderr that names place and cure."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.end_to_end.command import run_command
from tests.end_to_end.inputs import HANDLES, Inputs, bundle

from saoffload.sim.cli.app import run


def duplicate_keys(inputs: Inputs) -> None:
    inputs.bundles[1]["sas"] = inputs.bundles[0]["sas"]


def duplicate_handles(inputs: Inputs) -> None:
    inputs.bundles[1]["handle"] = inputs.bundles[0]["handle"]


def bad_address(inputs: Inputs) -> None:
    inputs.bundles[2]["sas"][0]["dst"] = "192.0.2.256"


def ipv6_address(inputs: Inputs) -> None:
    inputs.bundles[2]["sas"][0]["dst"] = "2001:db8::1"


def too_many_bundles(inputs: Inputs) -> None:
    inputs.bundles.append(bundle(HANDLES[-1] + 1))


def index_beyond_capacity(inputs: Inputs) -> None:
    inputs.bundles[0] = bundle(0)


TABLES: dict[str, tuple[Callable[[Inputs], None], str]] = {
    "duplicate keys": (duplicate_keys, "bundles[1]"),
    "duplicate handles": (duplicate_handles, "bundles[1]"),
    "bad address": (bad_address, "192.0.2.256"),
    "IPv6 on an IPv4 preset": (ipv6_address, "--preset small"),
    "more bundles than the engine has": (too_many_bundles, "8"),
    "not a handle": (index_beyond_capacity, "0x80000000"),
}
ARGUMENTS: dict[str, tuple[tuple[str, ...], str]] = {
    "unknown preset": (("--preset", "enormous"), "tiny, small, medium, large, huge"),
    "capacity that cannot be": (("--bundles", "1"), "--bundles"),
    "capacity that is no number": (("--bundles", "many"), "--bundles"),
    "unknown layout": (("--abi", "arm"), "x64 or x86"),
    "no such image": (("--image", "/nowhere/image.bin"), "/nowhere/image.bin"),
    "no such table": (("--table", "/nowhere/table.json"), "/nowhere/table.json"),
    "address that is none": (("--head", "7f00"), "0x7f00"),
    "address of 65 bits": (("--base", "0x10000000000000000"), "--base"),
    "no latency": (("--latency", "0"), "--latency"),
    "window that is none": (("--window", "0x1000"), "--window"),
    "window of odd size": (("--window", "0x1000:3"), "multiples of 8"),
    "more windows than the engine has": (("--window", "0:8", "--window", "0:8"), "1"),
    "unknown option": (("--colour", "red"), "--help"),
}


def assert_refused(arguments: list[str], hint: str, environment: dict[str, str] | None = None) -> None:
    ran = run_command(*arguments, environment=environment)
    assert ran.returncode == 2, f"exit code {ran.returncode}: {ran.stdout}{ran.stderr}"
    assert ran.stdout == ""
    assert ran.stderr.startswith("error: ")
    assert ran.stderr.count("\n") == 1, ran.stderr
    assert hint in ran.stderr


@pytest.mark.parametrize("command", ["walk", "model"])
@pytest.mark.parametrize("case", TABLES)
def test_table_file(command: str, case: str, tmp_path: Path) -> None:
    damage, hint = TABLES[case]
    inputs = Inputs(tmp_path)
    damage(inputs)
    assert_refused([command, *inputs.arguments()], hint)


@pytest.mark.parametrize("command", ["walk", "model"])
@pytest.mark.parametrize("case", ARGUMENTS)
def test_argument(command: str, case: str, tmp_path: Path) -> None:
    more, hint = ARGUMENTS[case]
    assert_refused([command, *Inputs(tmp_path).arguments(*more)], hint)


def test_image_of_no_bytes(tmp_path: Path) -> None:
    arguments = Inputs(tmp_path).arguments()
    (tmp_path / "image.bin").write_bytes(b"")
    assert_refused(["model", *arguments], "image.bin")


def test_table_that_is_no_json(tmp_path: Path) -> None:
    arguments = Inputs(tmp_path).arguments()
    (tmp_path / "table.json").write_text('{"bundles": [}')
    assert_refused(["model", *arguments], "line 1 column 14")


@pytest.mark.parametrize(
    ("missing", "hint"),
    [("compiler", "apt install g++"), ("make", "apt install make"), ("perl", "apt install perl")],
)
def test_missing_tool(missing: str, hint: str, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    there = {"compiler": ("c++", "g++", "clang++"), "make": ("make",), "perl": ("perl",)}
    for name in (name for kind, names in there.items() if kind != missing for name in names):
        found = shutil.which(name)
        if found:
            (tools / name).symlink_to(found)
    environment = {name: value for name, value in os.environ.items() if name != "CXX"}
    environment |= {"PATH": str(tools), "SAOFFLOAD_CACHE": str(tmp_path / "cache")}
    assert_refused(["walk", *Inputs(tmp_path).arguments()], hint, environment)
    assert_refused(["demo"], hint, environment)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["verilog", "--preset", "enormous", "-o", "x.v"], "tiny, small, medium, large, huge"),
        (["verilog", "-o", "/nowhere/engine.v"], "/nowhere"),
        (["verilog", "-o", "engine.json"], "engine.json"),
        (["build", "breadboard"], "ulx3s-85f, icebreaker"),
        (["build", "icebreaker", "--seed", "none"], "--seed"),
        (["demo", "--waves", "waves.txt"], ".vcd or .fst"),
        (["bench", "table", "--preset", "enormous"], "tiny, small, medium, large, huge"),
        (["bench", "table", "--seeds", "0"], "--seeds"),
        (["bench", "table", "--seeds", "many"], "--seeds"),
        (["bench", "table", "--keys", "ascending"], "random, sequential-spis"),
        (["bench", "table", "--preset", "tiny", "--keys", "random"], "sequential-spis, sequential-ipv4"),
        (["bench", "table", "--plot", "adds.txt"], ".png or .svg"),
        (["bench", "table", "--plot", "/nowhere/adds.svg"], "/nowhere"),
        (["bench", "walk", "--list", "linked"], "contiguous24, contiguous24_down, slots32"),
        (["bench", "walk", "--latency", "0"], "1 to 4095"),
        (["bench", "walk", "--latency", "4096"], "1 to 4095"),
        (["bench", "walk", "--latency", "long"], "--latency"),
        (["bench", "walk", "--nodes", "15"], "16 to 100000"),
        (["bench", "walk", "--nodes", "100001"], "16 to 100000"),
        (["bench", "walk", "--seed", "-1"], "--seed"),
        (["bench", "walk", "--preset", "enormous"], "tiny, small, medium, large, huge"),
        (["bench", "walk", "--windows", "17"], "windows must be 1 to 16, got 17"),
        (["bench", "walk", "--windows", "one"], "--windows"),
        (["bench", "walk", "--plot", "walks.pdf"], ".png or .svg"),
        (["bench", "walk", "--plot", "/nowhere/walks.svg"], "/nowhere"),
        (["fly"], "--help"),
        (["walk"], "--image"),
    ],
)
def test_other_commands(arguments: list[str], hint: str) -> None:
    assert_refused(arguments, hint)


def test_a_plot_without_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run(["bench", "walk", "--plot", str(tmp_path / "walks.svg")]) == 2
    expected = "error: matplotlib is not installed; install what this command needs: pip install 'saoffload[sim]'\n"
    assert capsys.readouterr() == ("", expected)
