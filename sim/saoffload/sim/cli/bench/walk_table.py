"""The table that `saoffload bench walk` prints for people."""

from rich.console import Console
from rich.table import Table

from saoffload.hdl.config import EngineConfig
from saoffload.sim.walk_speed.measure import Measurement, Row
from saoffload.sim.walk_speed.targets import Target, target_of

NARROWEST = 100


def print_walks(measured: Measurement, config: EngineConfig) -> None:
    """All rows, with what must be reached beside them, and the speed of the simulation."""
    table = Table(title=f"Walks on preset {config.name}", title_justify="left")
    table.add_column("list")
    table.add_column("latency", justify="right")
    for name in ("clocks per node", "to reach", "serial", "bytes per node", "to reach", "serial"):
        table.add_column(name, justify="right")
    table.add_column("met")
    serial = {(row.list, row.latency): row for row in measured.rows if row.engine == "serial"}
    ours = [row for row in measured.rows if row.engine == "saoffload"]
    for number, row in enumerate(ours):
        is_last = number + 1 == len(ours) or ours[number + 1].list != row.list
        cells = _cells(row, serial[row.list, row.latency], target_of(config, row.list, row.latency))
        table.add_row(*cells, end_section=is_last)
    console = Console()
    # Into a file or a pipe the table is as wide as it must be.
    console.print(table, width=None if console.is_terminal else NARROWEST)
    console.print(f"Simulated: {measured.simulated_nodes_per_second:,.0f} nodes per second", highlight=False)


def _cells(row: Row, serial: Row, target: Target | None) -> list[str]:
    clocks, reach_clocks, reach_bytes, met = f"{row.cycles_per_node:.2f}", "", "", ""
    if target is not None:
        reach_clocks, reach_bytes = f"≤ {target.cycles_per_node:g}", f"≤ {target.bytes_per_node:.1f}"
        met = "[green]met[/green]" if target.is_met(row) else "[red]not met[/red]"
    return [
        row.list,
        str(row.latency),
        clocks,
        reach_clocks,
        f"{serial.cycles_per_node:.2f}",
        f"{row.bytes_per_node:.1f}",
        reach_bytes,
        f"{serial.bytes_per_node:.1f}",
        met,
    ]
