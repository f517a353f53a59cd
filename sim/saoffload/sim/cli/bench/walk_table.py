"""The table that `saoffload bench walk` prints for people."""

from rich import box
from rich.console import Console
from rich.table import Table

from saoffload.hdl.config import EngineConfig
from saoffload.sim.walk_speed.measure import Measurement, Row
from saoffload.sim.walk_speed.targets import Target, target_of

COLUMNS = ("L", "clocks", "goal", "serial", "bytes", "goal", "serial")
WIDTH = 80


def print_walks(measured: Measurement, config: EngineConfig) -> None:
    """All rows, with what must be reached beside them, and the speed of the simulation."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("list", no_wrap=True)
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("met", no_wrap=True)
    serial = {(row.list, row.latency): row for row in measured.rows if row.engine == "serial"}
    ours = [row for row in measured.rows if row.engine == "saoffload"]
    for number, row in enumerate(ours):
        is_last = number + 1 == len(ours) or ours[number + 1].list != row.list
        cells = _cells(row, serial[row.list, row.latency], target_of(config, row.list, row.latency))
        table.add_row(*cells, end_section=is_last)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    console.print(
        f"Clocks and bytes per node, preset {config.name}. L: latency of host memory in clocks; goal: what must be "
        "reached; serial: a plain state machine."
    )
    console.print(table)
    console.print(f"Simulated: {measured.simulated_nodes_per_second:,.0f} nodes per second")


def _cells(row: Row, serial: Row, target: Target | None) -> list[str]:
    clock_goal, byte_goal, met = "", "", ""
    if target is not None:
        clock_goal, byte_goal = f"≤{target.cycles_per_node:g}", f"≤{target.bytes_per_node:.1f}"
        met = "[green]met[/green]" if target.is_met(row) else "[red]not met[/red]"
    return [
        row.list,
        str(row.latency),
        f"{row.cycles_per_node:.2f}",
        clock_goal,
        f"{serial.cycles_per_node:.2f}",
        f"{row.bytes_per_node:.1f}",
        byte_goal,
        f"{serial.bytes_per_node:.1f}",
        met,
    ]
