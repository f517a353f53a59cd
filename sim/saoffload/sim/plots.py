"""What was measured, drawn."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from saoffload.hdl.config import EngineConfig

from .bench_hdl.fill_plan import FillPlan
from .table_speed import Fill

TICKS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0)
INK, FAINT = "#1f2933", "#c3cad2"
COLOURS = ("#0b6fa4", "#d1495b", "#2a9d5b", "#b5722a", "#6b4fa1", "#4a5560")
STRETCH = 0.004
"""The load axis is stretched towards full, where everything happens, until this much is left."""
WINDOWS = 10
"""Points of a curve while what is left to full becomes 2.7 times less."""


def plot_adds(config: EngineConfig, fills: Sequence[Fill], path: Path) -> None:
    """Clocks per add against load: the mean of each family, and how far 99 % of its adds reach. The suffix of ``path``
    says the format.
    """
    mpl.rcParams["svg.hashsalt"] = "saoffload"
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots()
    families = list(dict.fromkeys(fill.family for fill in fills))
    for colour, family in zip(COLOURS, families, strict=False):
        loads, means, most = _curve(config, [fill for fill in fills if fill.family == family])
        axes.fill_between(loads, means, most, color=colour, alpha=0.10, linewidth=0)
        axes.plot(loads, means, color=colour, linewidth=1.8, label=family)
    axes.set_xscale("function", functions=(_stretch, _shrink))
    axes.set_yscale("log")
    axes.set_xlim(0, 1)
    axes.set_xticks(TICKS)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda load, _position: f"{100 * load:.3g} %"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:,.0f}"))
    axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _position: _minor(value)))
    axes.set_xlabel(f"load of {config.keys:,} keys")
    axes.set_ylabel("clocks per add")
    axes.set_title(
        f"Adds to preset {config.name}: mean, and 99 % of the adds below the shade's edge", loc="left", fontsize=11
    )
    axes.tick_params(which="both", colors=INK, labelsize=8.5)
    axes.grid(which="major", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False, loc="upper left", fontsize=9)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=160)


def _minor(value: float) -> str:
    return f"{value:,.0f}" if str(int(value))[0] in "25" else ""


def _stretch(load: Any) -> Any:
    return -np.log(1 + STRETCH - np.asarray(load, dtype=float))


def _shrink(position: Any) -> Any:
    return 1 + STRETCH - np.exp(-np.asarray(position, dtype=float))


def _curve(config: EngineConfig, fills: Sequence[Fill]) -> tuple[list[float], list[float], list[int]]:
    """Load, mean and 99th percentile, over windows that narrow towards full."""
    plan = FillPlan(config)
    windows: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for fill in fills:
        for number, (clocks, _, _) in enumerate(fill.adds[:-1]):
            load = plan.keys_before(number) / config.keys
            windows[int(_stretch(load) * WINDOWS)].append((load, clocks))
    loads: list[float] = []
    means: list[float] = []
    most: list[int] = []
    for _, adds in sorted(windows.items()):
        ordered = sorted(clocks for _, clocks in adds)
        loads.append(sum(load for load, _ in adds) / len(adds))
        means.append(sum(ordered) / len(ordered))
        most.append(ordered[len(ordered) * 99 // 100])
    return loads, means, most
