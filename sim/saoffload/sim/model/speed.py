"""Measures the model: nodes per second of one walk with its list of events.

``python -m saoffload.sim.model.speed --json``. Beside it stands a bare loop that only unpacks the same nodes, since
the ratio of the two says more about the model than the machine it ran on does. Times are processor time.
"""

import argparse
import json
import random
import sys
from struct import unpack_from
from time import process_time
from typing import NamedTuple

from .bundles import Bundle, Key
from .memory import Memory
from .nodes import Abi, write_node
from .table import SaTable
from .walk import walk
from .windows import Window, WindowTable

TARGET = 200_000
"""Nodes per second that the model is to reach."""
_BASE = 0x7F00_0000_0000
_SLOT = 32


class Speed(NamedTuple):
    """What was measured. ``ratio`` is the bare loop's speed over the model's."""

    nodes: int
    nodes_per_second: int
    bare_nodes_per_second: int
    ratio: float


def measure(*, node_count: int = 100_000, bundle_count: int = 1024, seed: int = 1, repeats: int = 3) -> Speed:
    """Walks a scattered x64 list, of which the first ``bundle_count`` handles live. The best of ``repeats``."""
    slots = random.Random(seed).sample(range(node_count), node_count)
    addresses = [_BASE + _SLOT * slot for slot in slots]
    image = bytearray(_SLOT * node_count)
    for number, address in enumerate(addresses):
        following = addresses[number + 1] if number + 1 < node_count else 0
        node = write_node(next_address=following, handle=0x8000_0000 + number)
        image[address - _BASE : address - _BASE + len(node)] = node
    memory = Memory()
    memory.add(_BASE, image)
    windows = WindowTable.of(Window(_BASE, len(image), _BASE))
    model: list[float] = []
    bare: list[float] = []
    for _ in range(repeats):
        table = SaTable(bundles=bundle_count)
        for number in range(bundle_count):
            table.add(Bundle((Key(number, 1),)), requested=0x8000_0000 + number)
        start = process_time()
        completion = walk(memory=memory, windows=windows, table=table, head=addresses[0], abi=Abi.X64).completion
        model.append(process_time() - start)
        if completion.visited != node_count or len(table):
            raise AssertionError(f"the measured walk went wrong: {completion}")
        start = process_time()
        _chase(image, addresses[0])
        bare.append(process_time() - start)
    ratio = round(min(model) / min(bare), 2)
    return Speed(node_count, int(node_count / min(model)), int(node_count / min(bare)), ratio)


def _chase(image: bytearray, address: int) -> None:
    while address:
        _, address, _ = unpack_from("<I4xQQ", image, address - _BASE)


def main() -> int:
    """The command. Exit code 1 when the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m saoffload.sim.model.speed", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--nodes", type=int, default=100_000, help="length of the list (default: %(default)s)")
    arguments = parser.parse_args()
    speed = measure(node_count=arguments.nodes)
    if arguments.json:
        text = json.dumps({**speed._asdict(), "target": TARGET, "met": speed.nodes_per_second >= TARGET})
    else:
        text = f"{speed.nodes_per_second:,} nodes per second (target {TARGET:,}), 1/{speed.ratio} of a bare loop"
    sys.stdout.write(text + "\n")
    return 0 if speed.nodes_per_second >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
