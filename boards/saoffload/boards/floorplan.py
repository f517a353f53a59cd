"""How a design is placed: in which parts, and where the block RAMs of an engine stand that takes all of its chip."""

import re
from dataclasses import dataclass
from typing import Any

from saoffload.hdl.config import EngineConfig, preset

from .netlist import BLOCK_RAM, FLIP_FLOP, cells_of
from .partition import Part

#: Columns and rows of the block RAMs of an LFE5U-85F; the number of a site counts to 4 along its row.
COLUMNS = (
    *(4, 6, 8, 10, 13, 15, 17, 19, 22, 24, 26, 28, 31, 33, 35, 37, 40, 42, 44, 46, 49, 51, 53, 55, 58, 60, 62, 64),
    *(69, 71, 73, 75, 78, 80, 82, 84, 87, 89, 91, 93, 96, 98, 100, 102, 105, 107, 109, 111, 114, 116, 118, 120),
)
ROWS = (22, 46, 70, 82)

MINDS_THE_CLOCK = "--placer heap --placer-heap-timingweight 30"
"""Options of nextpnr for designs of few block RAMs: this placer minds the clock, with thrice its weight more so."""

MAKES_SHORT_WIRES = "--placer static"
"""And for the others."""

TABLE = (
    # Which lookups are in use, and what is deleted next, is the others' to say.
    r"table\b(?!\.(packet_path\.drain|delete_pipe\.deletes__payload))",
    r"table_reset\b",
    r"borders\.(add|flush|end_restore)",
    # What is counted of lookups; and the registers of the harness that ask them.
    r"(borders\.)?(key|handle)_(requests?|answers|retires|lookup|hit)(_|\b)",
)
"""What names of the table's registers begin with, and of those that stand at its borders."""

MIDDLES = {
    r"\.walk_reset\.do_reset_": "X36/Y27/SLICEA.FF0",
    r"\.control_reset\.do_reset_": "X60/Y27/SLICEA.FF0",
    r"\.table_reset\.do_reset_": "X64/Y55/SLICEA.FF0",
    # That a delete reads, beside those who keep the table.
    r"\.delete_pipe\.local_read\.": "X92/Y30/SLICEA.FF0",
}
"""Flip-flops that much hangs on, and where they stand: the copies of the reset in the midst of it, and a strobe."""

WAYS, BLOCKS = 8, 19
"""Of the table of 16,384 keys: its ways, and the block RAMs of each."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """Block RAMs, or other cells of one ``kind``, that stand together: those whose name fits ``pattern``, by their
    numbers, on ``sites`` in order.
    """

    pattern: str
    sites: tuple[str, ...]
    kind: str = BLOCK_RAM


@dataclass(frozen=True, kw_only=True)
class Floorplan:
    """Tells the placer where cells go, by their names; everything else, and what has no room, it places itself.

    Parameters: ``rooms``; a cell belongs to the first that its name fits; ``parts``, in which the logic is placed,
    in this order, if it is not placed as a whole; ``routings`` of the parts together, of which the fastest is kept;
    ``placing``, options of nextpnr for the whole.
    """

    rooms: tuple[Room, ...]
    parts: tuple[Part, ...] = ()
    routings: int = 1
    placing: str = MAKES_SHORT_WIRES

    def apply(self, netlist: dict[str, Any]) -> None:
        """Notes the sites in a netlist, as yosys writes it in JSON.

        Raises ``ValueError`` when a room is too small: the netlist is of another design.
        """
        cells = cells_of(netlist)
        left = sorted(cells, key=_by_numbers)
        for room in self.rooms:
            inside = [name for name in left if cells[name]["type"] == room.kind and re.search(room.pattern, name)]
            if len(inside) > len(room.sites):
                raise ValueError(
                    f"{len(inside)} cells of type {room.kind} fit {room.pattern!r}, which has {len(room.sites)} sites"
                )
            for name, site in zip(inside, room.sites, strict=False):
                cells[name].setdefault("attributes", {})["BEL"] = site
            taken = set(inside)
            left = [name for name in left if name not in taken]


def floorplan_of(subject: str, config: EngineConfig, device: str) -> Floorplan:
    """That of the one design that takes all block RAMs of its chip. Of the others all is the placer's, as one part.

    Parameters: ``subject``, as in ``synth.synthesize``.
    """
    huge = preset("huge")
    is_huge = (config.bundles, config.keys, config.context_width) == (huge.bundles, huge.keys, huge.context_width)
    if subject == "engine" and device == "LFE5U-85F" and is_huge:
        return huge_engine()
    placing = MINDS_THE_CLOCK if subject == "walk" else MAKES_SHORT_WIRES
    return Floorplan(rooms=(), parts=(Part(name="all", placing=placing),))


def huge_engine() -> Floorplan:
    """The whole engine with a table of 16,384 keys: 207 block RAMs of the 208.

    The ways lie across each other: what stores the same bits of the keys in all of them stands together, because the
    most wires lead along the bits, from a way to the next, to all of them from the hand, and back to it. The blocks of
    a way are joined by its row's address and by whether each part of a key is equal, which are few wires.

    The row of block RAMs that is apart from the others holds what is no key: the walker's line buffers, the control
    room's queues, the state and the generations of bundles.

    Flip-flops that lead far in all directions stand in the midst of it. Their wires are as long all together wherever
    they are, so the placer puts them anywhere; but their longest one is not.

    Walker and control room, with few block RAMs but long paths, are placed first and by themselves, by a placer that
    minds the clock; then the table, beside them, by the one that makes short wires.
    """
    first, second, third, fourth = ([_site(number, row) for number in range(len(COLUMNS))] for row in ROWS)
    # The parts of the keys go along the second row from the right to the left, and back along the two below it. In the
    # midst of the row stands what tells which keys live: whoever asks it is near the generations.
    along = len(second) // WAYS
    spare = len(second) - along * WAYS
    gap = along // 2 * WAYS
    live, blocks = second[gap : gap + spare], second[:gap] + second[gap + spare :]
    slices = [blocks[start - WAYS : start][::-1] for start in range(len(blocks), 0, -WAYS)]
    pair = WAYS // 2
    slices += [
        third[start : start + pair] + fourth[start : start + pair][::-1]
        for start in range(0, pair * (BLOCKS - along), pair)
    ]
    # The control room stands between the walker and the table, the bits of deletes near those who keep the table.
    no_keys = (
        (r"\.pool\.buffer_\d+\.", first[:8]),
        (r"\.live\.handle\.", first[8:10]),
        (r"\.generations\.handle_copy\.", first[10:25] + first[27:30]),
        (r"\.control\.", first[25:27]),
        (r"\.live\.deletes\.", first[30:34]),
        (r"\.generations\.key_copy\.", first[34:]),
    )
    return Floorplan(
        rooms=(
            *(
                Room(pattern=rf"\.way_\d\.memory\.memory\.block_0_{part}$", sites=tuple(sites))
                for part, sites in enumerate(slices)
            ),
            Room(pattern=r"\.live\.(exact|wildcard)_key\.", sites=tuple(live)),
            *(Room(pattern=pattern, sites=tuple(sites)) for pattern, sites in no_keys),
            *(Room(pattern=pattern, sites=(site,), kind=FLIP_FLOP) for pattern, site in MIDDLES.items()),
        ),
        parts=(
            Part(name="rest", placing=MINDS_THE_CLOCK, tries=4),
            Part(name="table", pattern=rf"harness\.design\.({'|'.join(TABLE)})", placing=MAKES_SHORT_WIRES),
        ),
        routings=2,
    )


def _site(number: int, row: int) -> str:
    return f"X{COLUMNS[number]}/Y{row}/EBR{number % 4}"


def _by_numbers(name: str) -> list[int | str]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
