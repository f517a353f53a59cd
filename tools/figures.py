"""Measures what the README states and writes it down: docs/figures.json, and the tables between the README's marks.

    python tools/figures.py                    everything: hours
    python tools/figures.py walks model        a few minutes
    python tools/figures.py lists tables       walks of every kind of list, fills of the large tables, with their plots
    python tools/figures.py boards synth       bitstreams, and designs on bare FPGAs (--designs: some of them)
    python tools/figures.py faults             the fault campaign
    python tools/figures.py growth             tables of 1 K to 16 K SAs on a bare FPGA

Clocks, LUTs, block RAMs and Fmax are exact; the model's speed is that of the machine it runs on.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from readme_tables import table_of

from saoffload.host.lists import ListBuilder
from saoffload.host.register_map import Abi
from saoffload.host.structures import NODE_LAYOUTS

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "docs" / "figures.json"
README = ROOT / "README.md"
PLOTS = ROOT / "docs"
LISTS_PLOT = PLOTS / "walks.svg"
BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"
BOARDS = ("ulx3s-85f", "icebreaker")
TABLES = ("large", "huge")
SYNTH: dict[str, tuple[str, ...]] = {
    "table-huge": ("table", "--preset", "huge"),
    "table-8192-c32": ("table", "--preset", "huge", "--bundles", "8192", "--context", "32"),
    "table-large": ("table", "--preset", "large", "--device", "LFE5U-25F"),
    "walk-huge": ("walk", "--preset", "huge"),
    "engine-huge": ("engine", "--preset", "huge"),
}
"""Designs on a bare FPGA, in the order of the README's table, and what `saoffload synth` is told of them."""

GROWTH = (1024, 2048, 4096, 8192, 16384)
PARTS = ("walks", "model", "lists", "tables", "boards", "synth", "growth", "faults")
FAMILIES = ("random", "sequential-spis", "sequential-ipv4", "spread-bits")
SEEDS = 20
LATENCIES = (1, 13, 100)
NODE_COUNT = 1000
LISTS_PRESET = "huge"
LISTS_NODE_COUNT = 20_000
BASE = 0xFFFF_8000_1234_0000
X86_BASE = 0x1234_0000


def run_json(*command: str) -> Any:
    """What a command prints with --json."""
    ran = subprocess.run([sys.executable, "-m", *command, "--json"], capture_output=True, text=True, check=False)
    if not ran.stdout.strip():
        sys.exit(f"error: {' '.join(command)} failed:\n{ran.stderr}")
    return json.loads(ran.stdout)


def measure_walks(folder: Path) -> list[dict[str, Any]]:
    """Clocks per node of scattered lists, each node deleting one bundle."""
    handles = [0x8000_0000 + index for index in range(NODE_COUNT)]
    bundles = [
        {"handle": hex(handle), "sas": [{"spi": hex(handle & 0xFFFF), "dst": "192.0.2.1", "protocol": "esp"}]}
        for handle in handles
    ]
    table = folder / "table.json"
    table.write_text(json.dumps({"bundles": bundles}))
    rows = []
    for abi in (Abi.X64, Abi.X86):
        name = abi.name.lower()
        builder = ListBuilder(base=BASE if abi == Abi.X64 else X86_BASE, size=1 << 20, abi=abi, seed=1)
        placed = builder.scattered(handles)
        image = folder / f"{name}.bin"
        image.write_bytes(builder.image())
        split_count = sum(address % 4096 + NODE_LAYOUTS[abi].size > 4096 for address in placed.addresses)
        for latency in LATENCIES:
            files = ["--image", str(image), "--base", hex(builder.window.base), "--table", str(table)]
            options = ["--head", hex(placed.head), "--abi", name, "--bundles", "1024", "--latency", str(latency)]
            walk = run_json("saoffload.sim.cli", "walk", *files, *options)
            if not walk["agree"] or walk["deleted"] != NODE_COUNT:
                sys.exit(f"error: the {name} walk at latency {latency} went wrong: {walk['status']}")
            rows.append(
                {
                    "abi": name,
                    "latency": latency,
                    "nodes": NODE_COUNT,
                    "nodes_across_4_kb": split_count,
                    "cycles_per_node": round(walk["cycles_per_node"], 3),
                }
            )
    return rows


def measure_tables(seeds: int) -> list[dict[str, Any]]:
    """What `saoffload bench table` says of the large hash tables; draws clocks per add against load."""
    families = [option for family in FAMILIES for option in ("--keys", family)]
    rows = []
    for name in TABLES:
        plot = PLOTS / f"adds-{name}.svg"
        options = ["--preset", name, "--seeds", str(seeds), "--plot", str(plot), *families]
        figures = run_json("saoffload.sim.cli", "bench", "table", *options)
        figures["families"] = list(FAMILIES)
        figures["fills"] = len(FAMILIES) * seeds
        rows.append(figures)
    return rows


def measure_lists(nodes: int) -> dict[str, Any]:
    """What `saoffload bench walk` says of every list; draws clocks per node against latency."""
    options = ["--preset", LISTS_PRESET, "--nodes", str(nodes), "--plot", str(LISTS_PLOT)]
    figures = run_json("saoffload.sim.cli", "bench", "walk", *options)
    for row in figures["rows"]:
        for name in ("cycles_per_node", "bytes_per_node"):
            row[name] = round(row[name], 3)
    figures["simulated_nodes_per_second"] = round(figures["simulated_nodes_per_second"])
    figures["plot"] = LISTS_PLOT.name
    return figures


def measure_synth(figures: dict[str, Any], designs: list[str], seeds: int, jobs: int) -> None:
    """What `saoffload synth` says of these designs, each written down as it is known."""
    known = figures.setdefault("synth", {})
    for name in designs:
        known[name] = run_json("saoffload.sim.cli", "synth", *SYNTH[name], "--seeds", str(seeds), "--jobs", str(jobs))
        figures["synth"] = known = {design: known[design] for design in SYNTH if design in known}
        write(figures)


def measure_growth() -> dict[str, Any]:
    """Size and speed of tables of 1 K to 16 K SAs, and a picture of them."""
    rows = [
        run_json("saoffload.sim.cli", "synth", "table", "--preset", "huge", "--bundles", str(bundles))
        for bundles in GROWTH
    ]
    figure, (sizes, speed) = plt.subplots(1, 2, figsize=(10, 4))
    for name, text in (("lut", "LUT"), ("ff", "flip-flops"), ("bram", "block RAMs")):
        sizes.plot(GROWTH, [row[name] for row in rows], marker="o", label=text)
    speed.plot(GROWTH, [row["fmax_mhz"] for row in rows], marker="o", color="tab:red", label="Fmax, one seed")
    for axes, unit in ((sizes, "cells"), (speed, "MHz")):
        axes.set_xscale("log", base=2)
        axes.set_xticks(GROWTH, [f"{bundles:,}" for bundles in GROWTH])
        axes.set_xlabel("SAs")
        axes.set_ylabel(unit)
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    sizes.set_yscale("log")
    speed.set_ylim(0)
    figure.suptitle("The hash table on an LFE5U-85F")
    figure.tight_layout()
    figure.savefig(PLOTS / "growth.svg", metadata={"Date": None})
    return {"rows": rows, "plot": "growth.svg"}


def main() -> None:
    """Measure, write the JSON, and put the tables into the README."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them without any")
    parser.add_argument("--nodes", type=int, default=LISTS_NODE_COUNT, help="of each of the lists (%(default)s)")
    parser.add_argument("--fills", type=int, default=SEEDS, help="of each family of keys (%(default)s)")
    parser.add_argument("--seeds", type=int, default=2, help="of place and route for synth (%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="seeds at a time (%(default)s)")
    parser.add_argument("--designs", nargs="*", choices=tuple(SYNTH), default=list(SYNTH), help="of synth alone")
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        parser.error(f"unknown part {unknown[0]!r}: choose from {', '.join(PARTS)}")
    figures: dict[str, Any] = json.loads(FIGURES.read_text()) if FIGURES.exists() else {"boards": []}
    for part in arguments.parts or PARTS:
        if part == "walks":
            with tempfile.TemporaryDirectory() as folder:
                figures[part] = measure_walks(Path(folder))
        elif part == "model":
            speed = run_json("saoffload.sim.model.speed")
            figures["model_nodes_per_second"] = int(speed["nodes_per_second"]) // 1000 * 1000
        elif part == "lists":
            figures[part] = measure_lists(arguments.nodes)
        elif part == "tables":
            figures[part] = measure_tables(arguments.fills)
        elif part == "boards":
            figures[part] = [run_json("saoffload.sim.cli", "build", board) for board in BOARDS]
            for report in figures[part]:
                del report["bitstream"]
        elif part == "synth":
            measure_synth(figures, arguments.designs, arguments.seeds, arguments.jobs)
        elif part == "faults":
            figures[part] = run_json("saoffload.sim.faults")
        else:
            figures[part] = measure_growth()
        write(figures)


def write(figures: dict[str, Any]) -> None:
    """Puts the figures into the JSON and the tables into the README."""
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n")
    before, _, rest = README.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    README.write_text(f"{before}{BEGIN}\n{table_of(figures)}\n{END}{after}")


if __name__ == "__main__":
    main()
