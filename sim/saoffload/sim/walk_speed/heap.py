"""Where the C library's allocator really puts the nodes of a list.

A heap holds the nodes and as many other blocks of 16 to 256 bytes, allocated in random order. Then blocks are freed and
reused: two random ones are freed and two of their kinds allocated anew, until on average each was freed once. The list
holds the nodes that live at the end, in the order of their allocation. About a third of them were never freed and
ascend with gaps; the others stand where another block was before.

``python -m saoffload.sim.walk_speed.heap COUNT SEED`` prints the offsets as JSON. ``offsets`` runs that, so that the
heap is a fresh one: the same count and seed give the same offsets as long as Python and the C library are the same.
"""

import ctypes
import json
import os
import subprocess
import sys
from random import Random

NODE_BYTES = 24
OTHER_BYTES = (16, 256)
PAGE_BYTES = 4096


def offsets(count: int, seed: int) -> list[int]:
    """Places of ``count`` nodes in list order, from the start of the lowest one's page. Raises ``RuntimeError`` when
    the allocator cannot be asked.
    """
    command = [sys.executable, "-m", __name__, str(count), str(seed)]
    # A fixed hash seed: the interpreter's own blocks are in the same heap.
    environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if ran.returncode:
        raise RuntimeError(f"the heap of {count} nodes could not be made: {ran.stderr.strip()}")
    return json.loads(ran.stdout)


def allocate(count: int, seed: int) -> list[int]:
    """Addresses of ``count`` nodes of this process, in list order. All of them are free again."""
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    library.malloc.argtypes = [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    random = Random(seed)
    clock = 0
    are_nodes = [True] * count + [False] * count
    random.shuffle(are_nodes)

    def block(number: int) -> tuple[int, int]:
        nonlocal clock
        clock += 1
        return clock, library.malloc(NODE_BYTES if are_nodes[number] else random.randint(*OTHER_BYTES))

    blocks = [block(number) for number in range(len(are_nodes))]
    for _ in range(len(blocks) // 2):
        pair = random.sample(range(len(blocks)), 2)
        for number in pair:
            library.free(blocks[number][1])
        # In the same order: what was freed last is reused first, so none gets its own place again.
        for number in pair:
            blocks[number] = block(number)
    nodes = sorted(blocks[number] for number, is_node in enumerate(are_nodes) if is_node)
    for _, address in blocks:
        library.free(address)
    return [address for _, address in nodes]


def main() -> None:
    """Print the offsets of COUNT nodes for SEED."""
    count, seed = map(int, sys.argv[1:])
    addresses = allocate(count, seed)
    start = min(addresses) & -PAGE_BYTES
    sys.stdout.write(json.dumps([address - start for address in addresses]))


if __name__ == "__main__":
    main()
