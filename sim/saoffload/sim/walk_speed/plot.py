"""Draws clocks per node against latency."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from .measure import Row

Points = Sequence[tuple[int, float]]


class Style(NamedTuple):
    """How one list is drawn. Lists of one kind share a colour; the marker tells them apart."""

    label: str
    colour: str
    marker: str


# The colours of Okabe and Ito: most colour-blind readers can tell them apart.
STYLES: dict[str, Style] = {
    "contiguous24": Style("contiguous, up", "#0072B2", "^"),
    "contiguous24_down": Style("contiguous, down", "#0072B2", "v"),
    "slots32": Style("32-byte slots, up", "#56B4E9", "^"),
    "slots32_down": Style("32-byte slots, down", "#56B4E9", "v"),
    "slots64": Style("64-byte slots, up", "#009E73", "^"),
    "slots64_down": Style("64-byte slots, down", "#009E73", "v"),
    "page_random": Style("random inside pages", "#E69F00", "s"),
    "random": Style("random in 64 MiB", "#D55E00", "o"),
    "random_16_lists": Style("random, 16 lists at once", "#CC79A7", "D"),
    "swapped20": Style("contiguous, 20 % swapped", "#332288", "P"),
    "malloc": Style("heap of a C program", "#882255", "X"),
}
INK, FAINT = "#333333", "#DDDDDD"
# The same rows give the same file, byte by byte, and its text stays text.
_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "saoffload",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10.0,
}


def draw(rows: Iterable[Row], path: Path, *, title: str) -> None:
    """Writes the picture, in the format that the name of ``path`` says: a line per list, the plain walker dashed."""
    rows = list(rows)
    ours = _lines(row for row in rows if row.engine == "saoffload")
    serial = _lines(row for row in rows if row.engine == "serial")
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(8.4, 5.0), layout="constrained")
        axes = figure.add_subplot()
        _draw_serial(axes, serial)
        # The slowest first, so that the legend reads as the lines stand at the right.
        for name, points in sorted(ours.items(), key=lambda item: -item[1][-1][1]):
            style = STYLES[name]
            axes.plot(
                *zip(*points, strict=True),
                color=style.colour, marker=style.marker, label=style.label,
                linewidth=1.6, markersize=6, markeredgecolor="white", markeredgewidth=0.6,
            )  # fmt: skip
        _label(axes, sorted({row.latency for row in rows}), title)
        metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        figure.savefig(path, dpi=160, metadata=metadata, facecolor="white")


def _lines(rows: Iterable[Row]) -> dict[str, Points]:
    lines: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        lines.setdefault(row.list, []).append((row.latency, row.cycles_per_node))
    return {name: sorted(points) for name, points in lines.items()}


def _draw_serial(axes: Axes, lines: dict[str, Points]) -> None:
    """One line: a walker that takes a node after the other is as slow on one list as on another. It lies on top, so
    that dashes show on a line of ours that is no faster.
    """
    by_latency: dict[int, list[float]] = {}
    for points in lines.values():
        for latency, cycles in points:
            by_latency.setdefault(latency, []).append(cycles)
    points = [(latency, mean(cycles)) for latency, cycles in sorted(by_latency.items())]
    axes.plot(
        *zip(*points, strict=True),
        color=INK, linestyle="--", marker=".", linewidth=1.2, label="plain state machine, any list", zorder=3,
    )  # fmt: skip


def _label(axes: Axes, latencies: Sequence[int], title: str) -> None:
    axes.set(xscale="log", yscale="log")
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    axes.set_xlabel("latency of host memory, clocks from a read's address to its first beat", color=INK)
    axes.set_ylabel("clocks per node", color=INK)
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axes.set_xticks(latencies)
    axes.xaxis.set_major_formatter(plain)
    axes.xaxis.set_minor_locator(NullLocator())
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 2.5), max(high, 10))
    axes.set_yticks([tick for tick in (3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000) if tick < max(high, 10)])
    axes.yaxis.set_major_formatter(plain)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, length=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, labelcolor=INK, borderaxespad=0.0)
