"""Which logic of an ECP5 design is deep because it must be, not because the mapper had no reason to make it flatter.

    saoffload synth walk --preset huge
    python tools/depths.py build/LFE5U-85F-walk-huge/*/top.json

For every group of registers the least number of levels of 4-input tables that cover the logic in front of it, as the
mapper left it, the deepest first. The tables of the netlist are taken apart and cuts of four signals are put together
anew, as FlowMap does (Cong and Ding, IEEE TCAD 13(1), 1994), of each node the best few. Carry chains and RAM in tables
stay what they are: a RAM is a level, a chain one and a tenth for each step. A clock enable or a reset counts 0.6 more,
for its way. With --behind NAME, the levels behind that signal instead of those behind registers.
"""

import argparse
import itertools
import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

INPUTS = 4
KEPT = 12
"""Cuts that are kept of a node."""
STEP, LEAVE = 0.1, 0.6
"""Levels of a step of a carry chain, and of leaving it."""
ENABLE = 0.6
COMBINATIONAL = ("LUT4", "CCU2C")
RAMS = ("TRELLIS_DPR16X4", "DPR16X4C")
CLOCKS = ("CLK", "CLKA", "CLKB")
ENABLES = ("CE", "LSR")
CONSTANT = 0
NEVER = float("-inf")
"""Depth of what does not hang on any of the signals that were asked about."""
NO_CELL: tuple[dict[str, Any], str] = ({"type": ""}, "")

Cut = frozenset[int]


class Depths:
    """The least depth of each signal of a flat netlist, as yosys writes it in JSON.

    What no logic drives has depth 0. Parameters: ``module``, of ``modules`` in that file; ``starts``, signals: these
    have depth 0, and what does not hang on any of them has depth ``NEVER``.
    """

    def __init__(self, module: dict[str, Any], *, starts: frozenset[int] | None = None):
        self._module = module
        self._starts = starts
        self._drivers = {
            bit: (cell, port)
            for cell in module["cells"].values()
            for port, bits in _ports(cell, "output")
            for bit in bits
            if isinstance(bit, int)
        }
        # Signals are numbers above 1 there; what is put together here has numbers below 0.
        self._nodes = itertools.count(-1, -1)
        self._depth: dict[int, float] = {CONSTANT: 0}
        self._cuts: dict[int, list[Cut]] = {CONSTANT: [frozenset()]}
        self._node_of: dict[int, int] = {}
        self._reached = None if starts is None else self._behind(starts)

    def depth_of(self, bits: Iterable[int | str]) -> float:
        """The depth of the deepest of these signals."""
        return max(self._depth[self._signal(bit)] for bit in bits)

    def endpoints(self) -> dict[str, list[float]]:
        """The depths at the inputs of registers and memories: by the name of what they drive, and the port."""
        names = self._names()
        found = defaultdict(list)
        for name, cell in self._module["cells"].items():
            if cell["type"] in COMBINATIONAL:
                continue
            output = cell["connections"].get("Q", [None])[0]
            for port, bits in _ports(cell, "input"):
                if port in CLOCKS:
                    continue
                depth = self.depth_of(bits)
                found[f"{names.get(output, name)} {port}"].append(depth + ENABLE * (port in ENABLES and depth > 0))
        return found

    def _names(self) -> dict[int, str]:
        """The shortest name of each signal, without the number of its bit."""
        names: dict[int, str] = {}
        for name, net in sorted(self._module["netnames"].items(), key=lambda item: (len(item[0]), item[0])):
            for bit in net["bits"]:
                names.setdefault(bit, name)
        return names

    def _signal(self, bit: int | str) -> int:
        """The node of a signal."""
        if not isinstance(bit, int):
            return CONSTANT
        if bit not in self._node_of:
            self._node_of[bit] = self._driven(bit)
        return self._node_of[bit]

    def _behind(self, starts: frozenset[int]) -> set[int]:
        """These signals, and all that hang on them without a register between."""
        readers = defaultdict(list)
        for cell in self._module["cells"].values():
            if cell["type"] in COMBINATIONAL or cell["type"] in RAMS:
                # What is written into a RAM is read from it in a later clock.
                names = ("RAD",) if cell["type"] in RAMS else tuple(cell["connections"])
                outputs = [bit for _, bits in _ports(cell, "output") for bit in bits]
                for name, bits in _ports(cell, "input"):
                    for bit in bits if name in names else ():
                        readers[bit].append(outputs)
        reached, coming = set(starts), list(starts)
        while coming:
            for outputs in readers[coming.pop()]:
                coming += [bit for bit in outputs if isinstance(bit, int) and bit not in reached]
                reached.update(outputs)
        return reached

    def _driven(self, bit: int) -> int:
        is_start = self._starts is not None and bit in self._starts
        cell, port = NO_CELL if is_start else self._drivers.get(bit, NO_CELL)
        depth = 0.0
        if self._reached is not None and bit not in self._reached:
            self._depth[bit] = NEVER
            self._cuts[bit] = [frozenset([bit])]
            return bit
        if cell["type"] == "LUT4":
            inputs = [self._signal(cell["connections"][name][0]) for name in "ABCD"]
            return self._mapped(cell["parameters"]["INIT"][::-1], inputs)
        if cell["type"] == "CCU2C":
            for name, bits in _ports(cell, "input"):
                inside = (STEP if port == "COUT" else LEAVE) if name == "CIN" else 1
                nodes = {self._signal(bit) for bit in bits} - {CONSTANT}
                depth = max([depth, *(self._depth[node] + inside for node in nodes)])
        elif cell["type"] in RAMS and port.startswith("DO"):
            depth = 1 + max(self._depth[self._signal(address)] for address in cell["connections"]["RAD"])
        self._depth[bit] = depth
        self._cuts[bit] = [frozenset([bit])]
        return bit

    def _mapped(self, table: str, inputs: list[int]) -> int:
        """A node for a table of truth, a character for each number that the inputs make, the first input lowest: taken
        apart into multiplexers, the input that comes last as what selects.
        """
        used = [place for place in range(len(inputs)) if _cofactor(table, place, 0) != _cofactor(table, place, 1)]
        if not used:
            return CONSTANT
        if len(used) == 1:
            return inputs[used[0]]
        last = max(used, key=lambda place: self._depth[inputs[place]])
        rest = [*inputs[:last], *inputs[last + 1 :]]
        low, high = (_cofactor(table, last, value) for value in (0, 1))
        is_xor = all(one != other for one, other in zip(low, high, strict=True))
        tables = (low,) if is_xor else (low, high)
        return self._joined({inputs[last], *(self._mapped(part, rest) for part in tables)})

    def _joined(self, parts: set[int]) -> int:
        """A node of these, with the best of the cuts that theirs make."""
        cuts: set[Cut] = {frozenset()}
        for part in sorted(parts):
            joined = {one | other for one in cuts for other in self._cuts[part]}
            cuts = set(self._best(cut for cut in joined if len(cut) <= INPUTS)[: 5 * KEPT])
        best = self._best(cuts)[:KEPT]
        node = next(self._nodes)
        self._depth[node] = self._cost(best[0])
        self._cuts[node] = [*best, frozenset([node])]
        return node

    def _best(self, cuts: Iterable[Cut]) -> list[Cut]:
        return sorted(cuts, key=lambda cut: (self._cost(cut), len(cut), sorted(cut)))

    def _cost(self, cut: Cut) -> float:
        return 1 + max((self._depth[leaf] for leaf in cut), default=0)


def _ports(cell: dict[str, Any], direction: str) -> list[tuple[str, list[int | str]]]:
    return [(name, bits) for name, bits in cell["connections"].items() if cell["port_directions"][name] == direction]


def _cofactor(table: str, place: int, value: int) -> str:
    """The table with this input held at a value."""
    return "".join(entry for number, entry in enumerate(table) if number >> place & 1 == value)


def main() -> None:
    """The deepest groups, one in a line, and how many there are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("netlist", type=Path, help="flat netlist of yosys, after mapping")
    parser.add_argument("--at-least", type=float, default=5, metavar="LEVELS", help="leave out what is flatter (5)")
    parser.add_argument("--behind", metavar="NAME", help="a signal of the netlist; only what hangs on it is told")
    arguments = parser.parse_args()
    try:
        modules = json.loads(arguments.netlist.read_text())["modules"]
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"error: {arguments.netlist} is no netlist of yosys: {error}")
    # Cells of the library are there as well, without content.
    sys.setrecursionlimit(1_000_000)
    module = max(modules.values(), key=lambda module: len(module["cells"]))
    starts = None
    if arguments.behind is not None:
        if arguments.behind not in module["netnames"]:
            sys.exit(f"error: no signal of {arguments.netlist} is called {arguments.behind}")
        starts = frozenset(bit for bit in module["netnames"][arguments.behind]["bits"] if isinstance(bit, int))
    found = Depths(module, starts=starts).endpoints()
    deep = {name: depths for name, depths in found.items() if max(depths) >= arguments.at_least}
    for name, depths in sorted(deep.items(), key=lambda item: (-max(item[1]), item[0])):
        print(f"{max(depths):5.1f}  {sum(depth >= arguments.at_least for depth in depths):4}  {name}")
    print(f"{len(deep)} of {len(found)} groups of inputs need {arguments.at_least:g} levels or more")


if __name__ == "__main__":
    main()
