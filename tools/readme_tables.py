"""The README's tables of figures, from docs/figures.json."""

from typing import Any

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

FAULT_NAMES = {
    "reads": (
        "reads of a walk, each beat",
        "{bus_errors:,} bus errors, {timeouts:,} timeouts, {nodes:,} nodes visited",
    ),
    "aborts": ("an abort at every clock", "{aborted:,} commands aborted, {nodes:,} nodes visited"),
    "resets": ("a reset at every clock", "{in_walk:,} during the walk"),
    "lists": ("hostile lists", "{loops:,} loops, {nodes:,} nodes visited"),
    "stuck": ("a packet path that never retires", "{commands:,} completions held back"),
    "flips": (
        "a flip of every stored bit",
        "{lookups:,} lookups, no false hit; told of after {most_clocks} clocks at most, a sweep taking {sweep_clocks}",
    ),
}
"""By part of the campaign: what it tries, and what its row says."""


def table_of(figures: dict[str, Any]) -> str:
    """The figures as the README shows them."""
    latencies = sorted({row["latency"] for row in figures["walks"]})
    node_count = figures["walks"][0]["nodes"]
    lines = [
        f"Walks of {node_count} scattered nodes on preset `small`, clocks per node, from the walker taking the command",
        "to its completion standing in the queue; L is the memory's latency in clocks.",
        "",
        "| nodes | " + " | ".join(f"L = {latency}" for latency in latencies) + " |",
        "|---|" + "---|" * len(latencies),
    ]
    for abi in ("x64", "x86"):
        cells = [f"{row['cycles_per_node']:.2f}" for row in figures["walks"] if row["abi"] == abi]
        lines.append(f"| {abi} | " + " | ".join(cells) + " |")
    lines += _lines_of_lists(figures.get("lists"))
    lines += [
        "",
        "| board | preset | LUT | FF | block RAM | Fmax | clock | seed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for board in figures["boards"]:
        size = f"{board['lut']:,} | {board['ff']:,} | {board['bram']}"
        speed = f"{board['fmax_mhz']:.1f} MHz | {board['clock_mhz']:g} MHz, {'met' if board['met'] else 'missed'}"
        lines.append(f"| `{board['board']}` | `{board['preset']}` | {size} | {speed} | {board['seed']} |")
    lines += _lines_of_synth(list(figures.get("synth", {}).values()))
    if "growth" in figures:
        lines += ["", f"![Logic, memory and speed of tables of 1,024 to 16,384 SAs.](docs/{figures['growth']['plot']})"]
    lines += _lines_of_tables(figures.get("tables", []))
    lines += _lines_of_faults(figures.get("faults"))
    lines += [
        "",
        f"Reference model: {figures['model_nodes_per_second']:,} nodes per second with the full list of events.",
    ]
    return "\n".join(lines)


def _lines_of_lists(figures: dict[str, Any] | None) -> list[str]:
    """Walks of every kind of list, as the README shows them."""
    if figures is None:
        return []
    latencies = sorted({row["latency"] for row in figures["rows"]})
    goals = {(goal["list"], goal["latency"]): goal for goal in figures["targets"]}
    lines = [
        "",
        f"Walks of {figures['nodes']:,} x64 nodes on preset `{figures['preset']}`, clocks and bytes read per node,",
        "in a memory that answers in order, a beat of 8 bytes per clock. The plain state machine asks for a node,",
        "waits for its beats, and asks for the next. A goal in brackets is one that was missed.",
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
        f"![{picture}](docs/{figures['plot']})",
    ]
    return lines


def _with_goal(row: dict[str, Any], goal: dict[str, Any] | None, name: str, form: str) -> str:
    is_missed = goal is not None and row[name] > goal[name]
    return f"{row[name]:{form}}" + (f" (goal {goal[name]:g})" if goal is not None and is_missed else "")


def _lines_of_tables(tables: list[dict[str, Any]]) -> list[str]:
    """Adds to the large hash tables, as the README shows them."""
    if not tables:
        return []
    lines = [
        "",
        "Adds to hash tables, clocks per add (mean / 99 % / most), with a key and a handle looked up in every clock.",
        "",
        "| preset | keys | 50 % full | 90 % | 95 % | 99 % | first refusal | flush | fills |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for table in tables:
        cells = [
            f"{cost['mean']:.0f} / {cost['p99']:,} / {cost['max']:,}" if cost else "-"
            for cost in table["clocks_per_add"].values()
        ]
        load = f"{100 * table['load_at_first_refusal']:.2f} %"
        lines.append(
            f"| `{table['preset']}` | {table['capacity']:,} | {' | '.join(cells)} | {load} | "
            f"{table['clocks_per_flush']:,} | {table['fills']}: {', '.join(table['families'])} |"
        )
    return lines


def _lines_of_faults(figures: dict[str, Any] | None) -> list[str]:
    """The fault campaign, as the README shows it."""
    if figures is None:
        return []
    lines = [
        "",
        f"Faults tried on the RTL by `make faults`, {figures['cases']:,} in all; nothing came of any that must not. By",
        "walker and table:",
        "",
        "| what goes wrong | on | faults | of that |",
        "|---|---|---|---|",
    ]
    for row in figures["rows"]:
        text, detail = FAULT_NAMES[row["part"]]
        lines.append(f"| {text} | {row['engine']} | {row['cases']:,} | {detail.format(**row)} |")
    return lines


def _lines_of_synth(reports: list[dict[str, Any]]) -> list[str]:
    """Designs on a bare FPGA, as the README shows them."""
    if not reports:
        return []
    lines = [
        "",
        "The table alone, the walker with its read master, and the whole engine on a bare ECP5, speed grade 6, between",
        "registers (`saoffload synth`):",
        "",
        "| design | preset | device | SAs | context | LUT | FF | block RAM | Fmax | seeds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for report in reports:
        size = f"{report['lut']:,} | {report['ff']:,} | {report['bram']}"
        seeds = len(report["fmax_by_seed"])
        lines.append(
            f"| {report['subject']} | `{report['preset']}` | {report['device']} | {report['bundles']:,} | "
            f"{report['context_width']} bit | {size} | "
            f"{report['fmax_mhz']:.1f} MHz | {seeds}, best {report['seed']} |"
        )
    return lines
