"""Detailed placement: logic on the longest paths of a placed design moves to where they are shorter."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from functools import reduce

import numpy as np

from .netlist import FLIP_FLOP, FROM_ITS_LUT, PACKED_LUT, PLAIN, Cell, Netlist, cells_of, mode_of, site_of
from .tiles import Site, Tile, coordinates_of, sites_in
from .timing import LUT_DELAY, UNREACHED, Numbers, Reals, Timing

AIM = 0.85
"""Of the clock's period: what takes longer is to become shorter. The router makes some paths longer than expected."""

AIMS = (0.9, AIM, 0.9)
"""One after the other: where the very longest paths can be made shorter first, more can be made of the others."""

PASSES = 60
"""For each aim."""
MARGIN = 3
"""Tiles around the longest paths of a cell, in which it looks for a site."""
BEST = 60
"""Tiles of those whose sites it asks for, before it stays where it is."""
LEAST_GAIN = 0.03
"""Of what a cell loses on long paths: for less it does not move."""

WIRE_WEIGHT = 1e-3
"""What a nanosecond of path counts as loss where no path is too long."""

Unit = tuple[str, ...]


class Refinement:
    """Moves look-up tables and flip-flops of a placed design, one by one, to free sites where the longest paths through
    them are shorter. The wires of nextpnr's placers follow its own idea of how long they take, which is far from what
    the router makes of them; here it is what routed designs have (``timing``).

    A flip-flop and the look-up table that feeds it in its place move together. Carry chains, RAM in tables, tables
    that a multiplexer joins, and block RAMs stay. What is not placed is left alone.

    Parameters: ``placed``, a netlist of nextpnr with the sites of its cells, changed by ``run``; ``fixed``, names of
    cells that stay, too; ``clock_hz``, which paths are too long for.

    Raises ``ValueError`` when combinational logic is in a loop.
    """

    def __init__(self, placed: Netlist, *, fixed: Collection[str] = (), clock_hz: float):
        self._period = 1e9 / clock_hz
        self._timing = Timing(placed)
        self._cells = cells_of(placed)
        self._tiles: defaultdict[str, Tile] = defaultdict(Tile)
        self._sites: dict[str, Site] = {}
        for name, cell in self._cells.items():
            site = Site.of(site_of(cell) or "")
            if site is not None:
                self._tiles[site.tile].add(site, cell)
                self._sites[name] = site
        at = {site: name for name, site in self._sites.items()}
        self._units = {
            number: unit
            for unit in self._find_units(at, fixed)
            for number in (self._timing.index[name] for name in unit)
        }
        # Logic stands in whole columns and whole rows.
        tiles = [coordinates_of(tile) for tile in self._tiles]
        self._columns = np.array(sorted({x for x, _ in tiles}))
        self._rows = np.array(sorted({y for _, y in tiles}))

    def _find_units(self, at: dict[Site, str], fixed: Collection[str]) -> Iterator[Unit]:
        for name, site in self._sites.items():
            cell = self._cells[name]
            if name in fixed or name not in self._timing.index:
                continue
            if cell["type"] == FLIP_FLOP:
                if not _has_own_lut(cell):
                    yield (name,)
            elif cell["type"] == PACKED_LUT and mode_of(cell) == PLAIN and not _is_joined(cell):
                fed = at.get(site.beside("FF"))
                if fed is None or not _has_own_lut(self._cells[fed]):
                    yield (name,)
                elif fed not in fixed:
                    yield (name, fed)

    @property
    def lateness(self) -> float:
        """How late the inputs of all registers together are expected to be, in nanoseconds, for the aim."""
        return self._timing.lateness(AIM * self._period)

    def run(self) -> int:
        """Moves what gains by it, and says how many cells moved; notes their sites in the netlist."""
        moved: set[str] = set()
        for aim in AIMS:
            for _ in range(PASSES):
                now = self._run_pass(aim * self._period)
                if not now:
                    break
                moved |= now
        for name in moved:
            self._cells[name]["attributes"]["NEXTPNR_BEL"] = str(self._sites[name])
        return len(moved)

    def _run_pass(self, aim: float) -> set[str]:
        """Every unit on a path that is longer than that may move once, the longest paths' first. One that leads to or
        from a unit that moved stays: what is known of its paths is not true any more.
        """
        timing = self._timing
        longest = timing.longest()
        late = np.flatnonzero(longest > aim)
        units = {
            unit: None
            for arc in late[np.argsort(-longest[late], kind="stable")]
            for number in (int(timing.driver[arc]), int(timing.sink[arc]))
            if (unit := self._units.get(number))
        }
        moved: set[str] = set()
        stale: set[int] = set()
        for unit in units:
            numbers = {timing.index[name] for name in unit}
            arcs = [arc for number in numbers for arc in (*timing.arcs_into[number], *timing.arcs_from[number])]
            around = numbers.union(timing.driver[arcs].tolist(), timing.sink[arcs].tolist())
            if not stale.isdisjoint(numbers):
                continue
            site = self._better_site(unit, [arc for arc in arcs if longest[arc] > aim], aim)
            if site is not None:
                self._move(unit, site)
                timing.move(arcs)
                moved.update(unit)
                stale |= around
        timing.update()
        return moved

    def _better_site(self, unit: Unit, late: list[int], aim: float) -> Site | None:
        """One that takes the first cell of the unit, in a place that takes all of it."""
        timing = self._timing
        ends = np.concatenate([timing.driver[late], timing.sink[late]])
        x = _between(self._columns, timing.x[ends])
        y = _between(self._rows, timing.y[ends])
        x, y = (grid.ravel() for grid in np.meshgrid(x, y, indexing="ij"))
        here = self._sites[unit[0]]
        number = timing.index[unit[0]]
        enough = self._loss(unit, timing.x[[number]], timing.y[[number]], aim)[0] * (1 - LEAST_GAIN)
        loss = self._loss(unit, x, y, aim)
        for best in np.argsort(loss, kind="stable")[:BEST]:
            tile = f"X{x[best]}/Y{y[best]}"
            if loss[best] >= enough or tile == here.tile:
                return None
            for site in sites_in(tile, here.kind):
                if all(self._tiles[tile].takes(site.beside(_kind(cell)), cell) for cell in self._all(unit)):
                    return site
        return None

    def _loss(self, unit: Unit, x: Numbers, y: Numbers, aim: float) -> Reals:
        """What is lost on paths longer than the aim with the unit in each of these tiles, in square nanoseconds, and a
        little for each path, however short. All others stay.
        """
        timing = self._timing
        inside = {timing.index[name] for name in unit}
        loss = np.zeros(len(x))

        def wire(arc: int, other: int) -> Reals | float:
            if other in inside:
                return float(timing.wire[arc])
            return timing.length(x - timing.x[other], y - timing.y[other]) + timing.extra[arc]

        def arrival(arc: int) -> Reals | float:
            return timing.before[arc] + wire(arc, int(timing.driver[arc]))

        def left(arc: int) -> Reals | float:
            return timing.after[arc] + wire(arc, int(timing.sink[arc]))

        def lose(path: "Reals | float") -> None:
            loss[:] += np.square(np.maximum(path - aim, 0.0)) + WIRE_WEIGHT * path

        for number in inside:
            into = timing.arcs_into[number]
            out = [arc for arc in timing.arcs_from[number] if timing.after[arc] > UNREACHED / 2]
            if timing.cells[number]["type"] == FLIP_FLOP:
                for arc in into:
                    lose(arrival(arc) + timing.after[arc])
                for arc in out:
                    lose(timing.before[arc] + left(arc))
            elif into and out:
                slowest = _slowest(map(arrival, into)) + LUT_DELAY
                rest = _slowest(map(left, out)) + LUT_DELAY
                for arc in into:
                    lose(arrival(arc) + rest)
                for arc in out:
                    lose(slowest + left(arc))
        return loss

    def _move(self, unit: Unit, site: Site) -> None:
        for name in unit:
            self._tiles[self._sites[name].tile].remove(self._sites[name])
        for name, cell in zip(unit, self._all(unit), strict=True):
            self._sites[name] = site.beside(_kind(cell))
            self._tiles[site.tile].add(self._sites[name], cell)
            number = self._timing.index[name]
            self._timing.x[number], self._timing.y[number] = coordinates_of(site.tile)

    def _all(self, unit: Unit) -> list[Cell]:
        return [self._cells[name] for name in unit]


def _kind(cell: Cell) -> str:
    return "FF" if cell["type"] == FLIP_FLOP else "K"


def _is_joined(cell: Cell) -> bool:
    """Whether a multiplexer joins the table with its neighbour's, which ties their places together."""
    return any(cell["connections"].get(port) for port in ("F1", "FXA", "FXB", "M", "OFX"))


def _has_own_lut(cell: Cell) -> bool:
    return bool(cell["parameters"].get("SD") == FROM_ITS_LUT and cell["connections"].get("DI"))


def _between(lines: Numbers, wanted: Numbers) -> Numbers:
    return lines[(lines >= wanted.min() - MARGIN) & (lines <= wanted.max() + MARGIN)]


def _slowest(paths: "Iterable[Reals | float]") -> Reals | float:
    return reduce(np.maximum, paths)
