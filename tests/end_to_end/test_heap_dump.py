"""A delete list from a real heap, through the command line, deleted by the RTL."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.end_to_end.command import run_json

from saoffload.host.register_map import Abi
from saoffload.host.structures import NODE_LAYOUTS

SOURCE = Path(__file__).with_name("heap_dump.c")
NODE_COUNT = 1000
LATENCY = 13
PAGE = 4096
TRANSLATION = 0x12_3456_7000
"""What lies between a list address and its bus address: whole pages."""

pytestmark = pytest.mark.rtl


@dataclass(frozen=True)
class Dump:
    """One dumped heap."""

    image: Path
    table: Path
    base: int
    size: int
    head: int
    nodes: list[int]


@pytest.fixture(scope="module")
def heap_dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    assert compiler, "no C compiler found: install gcc or clang"
    program = tmp_path_factory.mktemp("heap") / "heap_dump"
    subprocess.run([compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", program, SOURCE], check=True)
    return program


def dump(program: Path, abi: str, seed: int, folder: Path) -> Dump:
    image, table = folder / "heap.bin", folder / "table.json"
    arguments = [program, abi, str(NODE_COUNT), str(seed), image, table]
    ran = subprocess.run(arguments, capture_output=True, text=True, check=False)
    for _ in range(4):  # an x86 heap that lies across 4 GB is refused: the next process has another one
        if ran.returncode == 0:
            break
        ran = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    return Dump(
        image, table, int(said["base"], 0), said["size"], int(said["head"], 0), [int(one, 0) for one in said["nodes"]]
    )


def walk(heap: Dump, abi: str, *more: str) -> dict[str, Any]:
    window = f"{heap.base:#x}:{heap.size:#x}:{heap.base + TRANSLATION:#x}"
    files = ["--image", str(heap.image), "--base", hex(heap.base), "--head", hex(heap.head), "--table", str(heap.table)]
    sizes = ["--abi", abi, "--bundles", "1024", "--latency", str(LATENCY), "--window", window]
    return run_json("walk", *files, *sizes, *more)


@pytest.mark.parametrize("abi", ["x64", "x86"])
def test_a_thousand_nodes_of_a_real_heap(heap_dump: Path, abi: str, tmp_path: Path) -> None:
    heap = dump(heap_dump, abi, seed=1, folder=tmp_path)
    result = walk(heap, abi)
    assert result["agree"] is True
    assert (result["status"], result["fault_address"]) == ("OK", None)
    assert (result["visited"], result["deleted"], result["not_found"]) == (NODE_COUNT, NODE_COUNT, 0)
    assert result["live"] == 0
    assert [int(node["address"], 0) for node in result["nodes"]] == heap.nodes
    assert {node["result"] for node in result["nodes"]} == {"deleted"}

    # One round trip and four clocks per node; a node across 4 KB of bus address takes two reads, so two round trips.
    size = NODE_LAYOUTS[Abi.X64 if abi == "x64" else Abi.X86].size
    split_count = sum(node % PAGE + size > PAGE for node in heap.nodes)
    assert result["latency"] == LATENCY
    assert result["cycles"] <= (NODE_COUNT + split_count) * (LATENCY + 4)
    assert result["cycles_per_node"] == pytest.approx(result["cycles"] / NODE_COUNT)
