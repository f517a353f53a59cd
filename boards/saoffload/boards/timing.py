"""When signals arrive in a design that is placed and not routed, by what wires of their length take once they are."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .netlist import (
    BLOCK_RAM,
    CARRY_MODE,
    CONSTANT,
    FLIP_FLOP,
    LUT_INPUTS,
    PACKED_LUT,
    PACKED_RAM_INPUT,
    Cell,
    Netlist,
    bits_of,
    cells_of,
    is_clock,
    is_output,
    mode_of,
    site_of,
)
from .tiles import coordinates_of

Reals = NDArray[np.floating[Any]]
Numbers = NDArray[np.int64]

LENGTHS = (0, 1, 2, 3, 6, 12, 24, 48, 96)
ALONG_ROW = (0.46, 0.68, 0.69, 0.90, 0.94, 1.24, 1.88, 3.12, 5.00)
ALONG_COLUMN = (0.00, 0.26, 0.28, 0.52, 0.63, 1.01, 1.63, 2.66, 4.90)
"""Nanoseconds of a wire that leads so many tiles along a row and along a column, the sum of both, of an ECP5 of speed
grade 6: ``tools/wire_delays.py`` finds them in routed designs. Eight wires in ten are between 0.2 faster and 0.35
slower. nextpnr itself expects 0.5 and 0.08 for each tile, which makes long wires half as long again as they become, and
nothing of a wire from a look-up table to another of its tile. Along 96 rows
led no wire: what is said of them is a guess.
"""
LONGEST = 200
"""Tiles, more than any chip has."""

TO_LUT, TO_CARRY = 0.1, 0.2
"""What a wire takes more to the input of a look-up table, and of one in a carry chain, than to a flip-flop."""

CLOCK_TO_Q, LUT_DELAY, TO_OWN_FLIP_FLOP = 0.525, 0.236, 0.13
CARRY_DELAYS = {("FCI", "FCO"): 0.071, ("FCI", "F"): 0.443}
INTO_CARRY = 0.45
CLOCK_TO_DATA, CLOCK_TO_REGISTERED_DATA = 5.73, 0.96
"""Of an ECP5 of speed grade 6, in nanoseconds, as nextpnr reports them. Block RAMs with an output register are fast."""

UNREACHED = -1e6
"""After an arc that leads to no register: less than any path takes."""


class Timing:
    """Paths of a placed design, and how long they take: from clock to clock, in nanoseconds.

    Its wires are arcs, numbered, from one cell to one other; all arrays that speak of arcs go by these numbers, those
    that speak of cells by ``index``. Inputs and outputs of the chip, clocks, and what drives constants are left out.

    Parameter: ``placed``, a netlist of nextpnr with the sites of its cells. Without a site a cell has no paths.

    Raises ``ValueError`` when combinational logic is in a loop.
    """

    def __init__(self, placed: Netlist):
        kinds = (FLIP_FLOP, PACKED_LUT, PACKED_RAM_INPUT, BLOCK_RAM)
        named = {
            name: cell
            for name, cell in cells_of(placed).items()
            if cell["type"] in kinds and site_of(cell) and not name.startswith(CONSTANT)
        }
        self.cells: list[Cell] = list(named.values())
        self.index = {name: number for number, name in enumerate(named)}
        tiles = np.array([tile_of(cell) for cell in self.cells], np.int64).reshape(-1, 2)
        self.x: Numbers = tiles[:, 0].copy()
        self.y: Numbers = tiles[:, 1].copy()
        self._find_arcs()
        self._sort_by_level()
        lengths = np.arange(LONGEST)
        self._wires = np.add.outer(np.interp(lengths, LENGTHS, ALONG_ROW), np.interp(lengths, LENGTHS, ALONG_COLUMN))
        self.wire: Reals = np.zeros(len(self.sink))
        self.move(slice(None))
        self.update()

    def _find_arcs(self) -> None:
        signals: dict[int, int] = {}
        starts: list[float] = []
        sources: list[tuple[int, str]] = []
        for number, cell in enumerate(self.cells):
            for port, bit in bits_of(cell):
                if is_output(cell, port):
                    signals[bit] = len(sources)
                    sources.append((number, port))
                    starts.append(_start_of(cell, port))
        self._end = len(sources)
        """Stands for all registers that signals end in."""
        self._starts = np.array([*starts, 0.0])
        outputs: defaultdict[int, list[int]] = defaultdict(list)
        for signal, (number, _) in enumerate(sources):
            outputs[number].append(signal)
        arcs: list[tuple[int, int, int, bool, float]] = []
        edges: list[tuple[int, int, int, float]] = []
        self.arcs_into: defaultdict[int, list[int]] = defaultdict(list)
        self.arcs_from: defaultdict[int, list[int]] = defaultdict(list)
        for number, cell in enumerate(self.cells):
            for port, bit in _inputs_of(cell):
                if bit not in signals:
                    continue
                signal, arc = signals[bit], len(arcs)
                driver, output = sources[signal]
                is_fixed = (output, port) in (("FCO", "FCI"), ("F", "DI"))
                arcs.append((signal, driver, number, is_fixed, _extra_of(cell, port)))
                self.arcs_into[number].append(arc)
                self.arcs_from[driver].append(arc)
                if cell["type"] == PACKED_LUT and port in LUT_INPUTS:
                    edges += [(signal, arc, other, _delay_of(port, sources[other][1])) for other in outputs[number]]
                else:
                    edges.append((signal, arc, self._end, TO_OWN_FLIP_FLOP if port == "DI" else 0.0))
        columns = list(zip(*arcs, strict=True)) or [()] * 5
        self._signal, self.driver, self.sink = (np.array(column, np.int64) for column in columns[:3])
        self._is_fixed = np.array(columns[3], bool)
        self.extra: Reals = np.array(columns[4], np.float64)
        columns = list(zip(*edges, strict=True)) or [()] * 4
        self._edges = (*(np.array(column, np.int64) for column in columns[:3]), np.array(columns[3], np.float64))

    def _sort_by_level(self) -> None:
        """Edges, one level after the other: what one begins with was found by those before."""
        source, arc, target, delay = self._edges
        level = _levels(source, target, self._end)
        self._is_end = np.zeros(len(self.sink), bool)
        self._is_end[arc[target == self._end]] = True
        order = np.lexsort((target, level[target]))
        self._forward = (source[order], arc[order], delay[order], _runs(level[target[order]], target[order]))
        order = np.lexsort((source, -level[source]))
        self._backward = (target[order], arc[order], delay[order], _runs(-level[source[order]], source[order]))

    def move(self, arcs: "Sequence[int] | slice") -> None:
        """These arcs lead from or to a cell that has moved. ``update`` says what comes of it."""
        driver, sink = self.driver[arcs], self.sink[arcs]
        wire = self.length(self.x[driver] - self.x[sink], self.y[driver] - self.y[sink]) + self.extra[arcs]
        self.wire[arcs] = np.where(self._is_fixed[arcs], 0.0, wire)

    def length(self, columns: Numbers, rows: Numbers) -> Reals:
        """What wires take that lead so many tiles along a row and along a column."""
        return self._wires[np.abs(columns), np.abs(rows)]

    def update(self) -> None:
        """Finds all paths anew: ``before`` the wire of each arc, and ``after`` it, up to the end."""
        source, arc, delay, runs = self._forward
        arrival = self._starts.copy()
        steps = self.wire[arc] + delay
        for first, last, starts, signals in runs:
            found = np.maximum.reduceat(arrival[source[first:last]] + steps[first:last], starts)
            arrival[signals] = np.maximum(arrival[signals], found)
        target, arc, delay, runs = self._backward
        left = np.full(self._end + 1, UNREACHED)
        left[self._end] = 0
        steps = self.wire[arc] + delay
        for first, last, starts, signals in runs:
            left[signals] = np.maximum.reduceat(left[target[first:last]] + steps[first:last], starts)
        self.before: Reals = arrival[self._signal]
        self.after: Reals = np.full(len(self.sink), UNREACHED)
        _, arc, target, delay = self._edges
        np.maximum.at(self.after, arc, delay + left[target])

    def longest(self) -> Reals:
        """Of each arc, the longest path through it."""
        return self.before + self.wire + self.after

    def lateness(self, period: float) -> float:
        """How late the inputs of all registers together are for a clock of that period."""
        return float(np.maximum(self.longest()[self._is_end] - period, 0.0).sum())


def tile_of(cell: Cell) -> tuple[int, int]:
    """Column and row of a placed cell. Raises ``ValueError`` when it has no site in a tile."""
    return coordinates_of(site_of(cell) or "")


def _start_of(cell: Cell, port: str) -> float:
    """When an output is there after the clock; of logic it is found along the paths."""
    if cell["type"] == FLIP_FLOP:
        return CLOCK_TO_Q
    if cell["type"] != BLOCK_RAM:
        return 0.0
    # Outputs are named DOA0 to DOA17, and DOB0 to DOB17.
    registers = cell["parameters"].get(f"REGMODE_{port[2]}", "")
    return CLOCK_TO_REGISTERED_DATA if registers.strip() == "OUTREG" else CLOCK_TO_DATA


def _inputs_of(cell: Cell) -> Iterator[tuple[str, int]]:
    """Those that paths lead to. What a RAM in tables is written with comes from beside it."""
    is_lut = cell["type"] == PACKED_LUT
    for port, bit in bits_of(cell):
        if not (is_output(cell, port) or is_clock(port) or (is_lut and port.startswith(("WAD", "WD")))):
            yield port, bit


def _extra_of(cell: Cell, port: str) -> float:
    if cell["type"] != PACKED_LUT or port not in "ABCD":
        return 0.0
    return TO_CARRY if mode_of(cell) == CARRY_MODE else TO_LUT


def _delay_of(port: str, output: str) -> float:
    into_carry = INTO_CARRY if output == "FCO" else LUT_DELAY
    return CARRY_DELAYS.get((port, output), into_carry)


def _levels(source: Numbers, target: Numbers, end: int) -> Numbers:
    """Of each signal, the most edges that lead to it; ``end`` comes after all."""
    following: defaultdict[int, list[int]] = defaultdict(list)
    waits_for = [0] * end
    for one, other in zip(source.tolist(), target.tolist(), strict=True):
        if other != end:
            following[one].append(other)
            waits_for[other] += 1
    level = [0] * end
    known = [signal for signal in range(end) if not waits_for[signal]]
    for signal in known:
        for other in following[signal]:
            level[other] = max(level[other], level[signal] + 1)
            waits_for[other] -= 1
            if not waits_for[other]:
                known.append(other)
    if len(known) != end:
        raise ValueError(f"{end - len(known)} signals are part of a loop, or come from one")
    return np.array([*level, max(level, default=0) + 1])


def _runs(level: Numbers, key: Numbers) -> list[tuple[int, int, Numbers, Numbers]]:
    """Of what is sorted by level and key: where a level begins and ends, where each key begins, and the keys."""
    runs = []
    borders = [0, *(np.flatnonzero(np.diff(level)) + 1).tolist(), len(level)]
    for first, last in pairwise(borders):
        if first == last:
            continue
        keys = key[first:last]
        starts = np.concatenate([[0], np.flatnonzero(np.diff(keys)) + 1])
        runs.append((first, last, starts, keys[starts]))
    return runs
