"""`saoffload demo`: a list in memory, a table, and the RTL between them, in one command."""

from random import Random
from typing import TYPE_CHECKING

import typer

from .inputs import JsonOption, WavesOption, waves_path

if TYPE_CHECKING:
    from saoffload.sim.compare import WalkInput

NODE_COUNT = 64
LATENCY = 13
IMAGE_BYTES = 1 << 14
LIST_BASE = 0xFFFF_8000_1234_0000
"""Kernel virtual addresses, as a driver gets them."""
BUS_BASE = 0x4_5678_0000
SEED = 1
PRESET = "small"
FIRST_SPI = 0x1001
SURVIVORS = 3
"""Bundles that the list does not name."""


def add_to(app: typer.Typer) -> None:
    """Makes this a command of ``app``."""
    app.command("demo")(demo)


def demo(waves: WavesOption = None, as_json: JsonOption = False) -> int:
    """Delete a list of 64 nodes on the real RTL: no input needed.

    Builds a memory image with a list scattered among other data and a table of SAs, walks the list on the engine's
    Verilog in a simulator, prints each node in the order visited and what became of it, and compares with the model.
    A few nodes name nothing (a handle that was never issued, one named twice, NULL): that is no error.
    """
    from saoffload.sim.compare import first_disagreement, walk_model, walk_rtl

    from .output import print_completion, print_cycles, print_json, print_nodes, walk_json
    from .progress import shown_progress
    from .walk import conclude

    waves_file = waves_path(waves)
    given = demo_input()
    expected = walk_model(given)
    with shown_progress() as progress:
        result = walk_rtl(given, expected.walk, waves_file=waves_file, progress=progress)
    disagreement = first_disagreement(given, expected, result)
    if as_json:
        print_json(walk_json(result, is_agreed=disagreement is None, latency=LATENCY))
    else:
        typer.echo(
            f"{len(given.entries)} bundles in the table; a list of {NODE_COUNT} nodes, scattered over {IMAGE_BYTES} "
            f"bytes at {LIST_BASE:#x}, which the bus sees at {BUS_BASE:#x}\n"
        )
        print_nodes(result.nodes, "Nodes in the order visited")
        print_completion(result.completion, result.live)
        print_cycles(result, LATENCY)
    return conclude(disagreement, is_quiet=as_json)


def demo_input() -> "WalkInput":
    """The demo's list, table and memory: the same every time."""
    from saoffload.hdl.config import preset
    from saoffload.host.lists import ListBuilder
    from saoffload.sim.compare import WalkInput
    from saoffload.sim.inputs import TableEntry
    from saoffload.sim.model import AH, ESP, Bundle, Direction, Key, Memory, Window

    config = preset(PRESET)
    handles = [0x8000_0000 + index for index in range(config.bundles)]
    entries = []
    for index, handle in enumerate(handles):
        spi, destination = FIRST_SPI + index, f"192.0.2.{index + 1}"
        sas = [Key.of(spi, destination, ESP)]
        if index % 8 == 0:
            sas.append(Key.of(spi, destination, AH))
        direction = Direction.OUTBOUND if index % 4 == 3 else Direction.INBOUND
        entries.append(TableEntry(handle, Bundle(tuple(sas), direction)))

    named = handles[SURVIVORS:]
    strays = [0x8000_0000 + config.bundles, named[0], 0]
    builder = ListBuilder(base=LIST_BASE, size=IMAGE_BYTES, bus_base=BUS_BASE, seed=SEED)
    order = [*named, *strays]
    Random(SEED).shuffle(order)
    placed = builder.scattered(order)
    memory = Memory()
    memory.add(BUS_BASE, builder.image())
    window = Window(LIST_BASE, IMAGE_BYTES, BUS_BASE)
    return WalkInput(config=config, entries=entries, memory=memory, windows=[window], head=placed.head, latency=LATENCY)
