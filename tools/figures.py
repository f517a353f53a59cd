"""Measures what the README states and writes it down: docs/figures.json, and the table between the README's marks.

    python tools/figures.py            walks, the model's speed, and the bitstreams of all boards
    python tools/figures.py --walks    walks and the model's speed alone; the bitstreams' figures stay as they were
    python tools/figures.py --lists    walks of every kind of list at every latency alone, and their plot

Clocks, LUTs, block RAMs and Fmax are exact; the model's speed is that of the machine it runs on.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from saoffload.host.lists import ListBuilder
from saoffload.host.register_map import Abi
from saoffload.host.structures import NODE_LAYOUTS

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "docs" / "figures.json"
README = ROOT / "README.md"
LISTS_PLOT = ROOT / "docs" / "walks.svg"
BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"
BOARDS = ("ulx3s-85f", "icebreaker")
LATENCIES = (1, 13, 100)
NODE_COUNT = 1000
LISTS_PRESET = "huge"
LISTS_NODE_COUNT = 20_000
LIST_NAMES = {
    "contiguous24": "contiguous, up",
    "contiguous24_down": "contiguous, down",
    "slots32": "32-byte slots, up",
    "slots32_down": "32-byte slots, down",
    "slots64": "64-byte slots, up",
    "slots64_down": "64-byte slots, down",
    "page_random": "4 KB pages in random order, their 128 slots in random order",
    "random": "32-byte slots, random in 64 MiB",
    "random_16_lists": "the same as 16 lists at once",
    "swapped20": "contiguous, 20 % of the neighbours swapped",
    "malloc": "heap of a C program, freed and reused in random order",
}
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


def measure_lists(nodes: int) -> dict[str, Any]:
    """What `saoffload bench walk` says of every list; draws clocks per node against latency."""
    options = ["--preset", LISTS_PRESET, "--nodes", str(nodes), "--plot", str(LISTS_PLOT)]
    figures = run_json("saoffload.sim.cli", "bench", "walk", *options)
    for row in figures["rows"]:
        for name in ("cycles_per_node", "bytes_per_node"):
            row[name] = round(row[name], 3)
    figures["simulated_nodes_per_second"] = round(figures["simulated_nodes_per_second"])
    return figures


def lines_of_lists(figures: dict[str, Any] | None) -> list[str]:
    """Walks of every kind of list, as the README shows them."""
    if figures is None:
        return []
    latencies = sorted({row["latency"] for row in figures["rows"]})
    goals = {(goal["list"], goal["latency"]): goal for goal in figures["targets"]}
    lines = [
        "",
        f"Walks of {figures['nodes']:,} x64 nodes on preset `{figures['preset']}`, clocks and bytes read per node,",
        "in a memory that answers in order, a beat of 8 bytes per clock. The plain state machine asks for a node,",
        "waits for its beats, and asks for the next. What misses the design's goal has the goal beside it.",
        "",
        "| list | " + " | ".join(f"L = {latency}" for latency in latencies) + " | bytes |",
        "|---|" + "---|" * (len(latencies) + 1),
    ]
    for name, text in LIST_NAMES.items():
        rows = [row for row in figures["rows"] if (row["list"], row["engine"]) == (name, "saoffload")]
        cells = [_with_goal(row, goals.get((name, row["latency"])), "cycles_per_node", ".2f") for row in rows]
        worst = max(rows, key=lambda row: row["bytes_per_node"])
        cells.append(_with_goal(worst, goals.get((name, worst["latency"])), "bytes_per_node", ".1f"))
        lines.append(f"| {text} | {' | '.join(cells)} |")
    serial = [row for row in figures["rows"] if row["engine"] == "serial"]
    cells = []
    for latency in latencies:
        clocks = sorted({f"{row['cycles_per_node']:.1f}" for row in serial if row["latency"] == latency}, key=float)
        cells.append(clocks[0] if len(clocks) == 1 else f"{clocks[0]} to {clocks[-1]}")
    picture = (
        "Clocks per node against the latency of host memory, a line for each list, the plain state machine dashed."
    )
    lines += [
        f"| plain state machine, any of these lists | {' | '.join(cells)} | 24.0 |",
        "",
        f"![{picture}](docs/{LISTS_PLOT.name})",
    ]
    return lines


def _with_goal(row: dict[str, Any], goal: dict[str, Any] | None, name: str, form: str) -> str:
    is_missed = goal is not None and row[name] > goal[name]
    return f"{row[name]:{form}}" + (f" (goal {goal[name]:g})" if goal is not None and is_missed else "")


def table_of(figures: dict[str, Any]) -> str:
    """The figures as the README shows them."""
    lines = [
        f"Walks of {NODE_COUNT} scattered nodes, clocks per node, from the walker taking the command to its completion",
        "standing in the queue; L is the memory's latency in clocks.",
        "",
        "| nodes | " + " | ".join(f"L = {latency}" for latency in LATENCIES) + " |",
        "|---|" + "---|" * len(LATENCIES),
    ]
    for abi in ("x64", "x86"):
        cells = [f"{row['cycles_per_node']:.2f}" for row in figures["walks"] if row["abi"] == abi]
        lines.append(f"| {abi} | " + " | ".join(cells) + " |")
    lines += lines_of_lists(figures.get("lists"))
    lines += [
        "",
        "| board | preset | LUT | FF | block RAM | Fmax | clock | seed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for board in figures["boards"]:
        size = f"{board['lut']:,} | {board['ff']:,} | {board['bram']}"
        speed = f"{board['fmax_mhz']:.1f} MHz | {board['clock_mhz']:g} MHz, {'met' if board['met'] else 'missed'}"
        lines.append(f"| `{board['board']}` | `{board['preset']}` | {size} | {speed} | {board['seed']} |")
    lines += [
        "",
        f"Reference model: {figures['model_nodes_per_second']:,} nodes per second with the full list of events.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, write the JSON, and put the table into the README."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--walks", action="store_true", help="leave the bitstreams' figures as they are")
    parser.add_argument("--lists", action="store_true", help="measure every kind of list, and nothing else")
    parser.add_argument("--nodes", type=int, default=LISTS_NODE_COUNT, help="of each list (%(default)s)")
    arguments = parser.parse_args()
    figures: dict[str, Any] = json.loads(FIGURES.read_text()) if FIGURES.exists() else {"boards": []}
    if not arguments.walks:
        figures["lists"] = measure_lists(arguments.nodes)
    if arguments.lists:
        write(figures)
        return
    if not arguments.walks:
        figures["boards"] = []
        for board in BOARDS:
            report = run_json("saoffload.sim.cli", "build", board)
            del report["bitstream"]
            figures["boards"].append(report)
    with tempfile.TemporaryDirectory() as folder:
        figures["walks"] = measure_walks(Path(folder))
    speed = run_json("saoffload.sim.model.speed")
    figures["model_nodes_per_second"] = int(speed["nodes_per_second"]) // 1000 * 1000
    write(figures)


def write(figures: dict[str, Any]) -> None:
    """Puts the figures into the JSON and the table into the README."""
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n")
    before, _, rest = README.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    README.write_text(f"{before}{BEGIN}\n{table_of(figures)}\n{END}{after}")


if __name__ == "__main__":
    main()
