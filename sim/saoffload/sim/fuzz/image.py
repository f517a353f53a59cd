"""Host memory of a scenario, rubbish and the nodes written into it, and the keys and handles that packets ask for.

Used by the bench, which puts it into the simulation, and by the judge, which gives it to the model.
"""

from collections.abc import Mapping, Sequence
from random import Random

from saoffload.sim.model import LAYOUTS, Abi, Key, WindowTable, write_node

from .records import MEMORY_BYTES
from .scenario import Name, NodeList, Scenario

RUBBISH = Random(0).randbytes(MEMORY_BYTES)
"""What stands where nothing was written."""
ITEMS = 64

Piece = tuple[int, bytes]
"""A bus address and what is written there."""


def resolve(name: Name, handles: Mapping[int, int]) -> int:
    """The handle that is named. ``handles``: of the adds that were answered, and of those that name one."""
    return (handles.get(name.add, 0) if name.add is not None else 0) ^ name.flip


def pieces(nodes: NodeList, windows: WindowTable, handles: Mapping[int, int]) -> list[Piece]:
    """The nodes of a list, where a walk finds them. A node that no window holds is left out."""
    abi = Abi(nodes.abi)
    layout = LAYOUTS[abi]
    mask = (1 << layout.pointer_bits) - 1
    found = []
    for node in nodes.nodes:
        bus_address = windows.translate(node.address, abi)
        if bus_address is not None:
            data = write_node(
                abi=abi,
                next_address=node.next & mask,
                handle=resolve(node.handle, handles) & mask,
                header=layout.header ^ node.header_flip & 0xFFFF_FFFF,
                padding=node.padding & 0xFFFF_FFFF,
            )
            found.append((bus_address, data))
    return found


def asked_keys(scenario: Scenario) -> list[Key]:
    """The keys that packets carry: those of all bundles, and such as nearly match them."""
    random = Random(scenario.surroundings.seed)
    known = [Key(*sa) for step in scenario.adds for sa in step.sas] or [Key(0, 0, 0, 0)]
    return [_varied(known[number % len(known)], random, is_repeated=number >= len(known)) for number in range(ITEMS)]


def asked_handles(scenario: Scenario, handles: Mapping[int, int]) -> list[int]:
    """The handles that packets carry: those that are known, the latest more often, and such as nearly match them."""
    random = Random(scenario.surroundings.seed)
    known: Sequence[int] = [handle for handle in handles.values() if handle] or [1 << 31]
    found = []
    for number in range(ITEMS):
        handle = known[-1 - number % len(known)]
        found.append(handle ^ 1 << random.randrange(64) if number >= len(known) and random.random() < 0.2 else handle)
    return found


def _varied(key: Key, random: Random, *, is_repeated: bool) -> Key:
    if key.destination == 0:
        # A packet's destination: it meets the wildcard.
        key = key._replace(destination=random.choice((0, 1, random.getrandbits(128 if key.family else 32))))
    if not is_repeated or random.random() < 0.6:
        return key
    return random.choice(
        (
            key._replace(spi=key.spi ^ 1 << random.randrange(32)),
            key._replace(destination=key.destination ^ 1 << random.randrange(128 if key.family else 32)),
            key._replace(protocol=1 - key.protocol),
            key._replace(family=1 - key.family, destination=key.destination & 0xFFFF_FFFF),
        )
    )
