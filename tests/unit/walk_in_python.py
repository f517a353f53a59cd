"""The contract's walk in plain Python, the lists that it walks, and the commands that are tried with it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from struct import unpack
from typing import Any

from tests.unit.walk_bench import PAGE, X64, X86, Abi, Fault, Memory

from saoffload.hdl.layouts import Status

TOP = 1 << 64
WHOLE = ((0x0001_0000, 0x0010_0000, 0x0001_0000),)
"""One window that moves nothing: base, size, bus base."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """One walk to try, and the world it meets."""

    head: int
    abi: Abi = X64
    budget: int = 0
    windows: Sequence[tuple[int, int, int]] = WHOLE
    faults: dict[int, Fault] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a walk ends, and the nodes it visits as (list address, handle, whether it named something)."""

    status: Status
    fault_address: int
    nodes: tuple[tuple[int, int, bool], ...]


def walk_in_python(command: Command, memory: Memory, live: set[int]) -> Outcome:
    """The contract's walk, on bytes; takes what it deletes out of ``live``."""
    abi = command.abi
    address, nodes, saved = command.head, [], None

    def end(status: Status) -> Outcome:
        return Outcome(status, address, tuple(nodes))

    while address != 0:
        if address % abi.alignment:
            return end(Status.MISALIGNED)
        places = [
            address - base + bus
            for base, size, bus in command.windows
            if base <= address and address + abi.size <= base + size
        ]
        if not places or (abi is X86 and address + abi.size > 2**32):
            return end(Status.OUT_OF_WINDOW)
        if address == saved:
            return end(Status.LOOP)
        if len(nodes) == (command.budget or 2**32 - 1):
            return end(Status.TOO_LONG)
        place = places[0]
        page_end = (place // PAGE + 1) * PAGE
        for first, last in ((place, min(place + abi.size, page_end)), (page_end, place + abi.size)):
            kinds = {command.faults.get(word) for word in range(first // 8 * 8, last, 8)} - {None}
            if Fault.SILENCE in kinds:
                return end(Status.TIMEOUT)
            if kinds - {Fault.NO_END, Fault.EARLY_END} or _ends_wrong(command.faults, first, last):
                return end(Status.BUS_ERROR)
        content = memory.read(place, abi.size)
        header, next_address, handle = unpack("<III" if abi is X86 else "<I4xQQ", content)
        if header != abi.header:
            return end(Status.BAD_HEADER)
        nodes.append((address, handle, handle in live))
        live.discard(handle)
        if len(nodes) & (len(nodes) - 1) == 0:
            saved = address
        address = next_address
    return end(Status.OK)


def _ends_wrong(faults: dict[int, Fault], first: int, last: int) -> bool:
    """Whether the read of these bytes ends early, or not at its last word."""
    words = list(range(first // 8 * 8, last, 8))
    return any(faults.get(word) is Fault.EARLY_END for word in words[:-1]) or (
        bool(words) and faults.get(words[-1]) is Fault.NO_END
    )


def lay_list(
    memory: Memory, addresses: Sequence[int], abi: Abi = X64, *, end: int = 0, handles: Iterable[int] | None = None
) -> int:
    """Links nodes at ``addresses`` in this order, the last one to ``end``; returns the head."""
    handles = iter(handles) if handles is not None else iter(range(0x8000_0000, 0x8100_0000))
    for address, next_address in zip(addresses, [*addresses[1:], end], strict=True):
        memory.write(address, abi.node(next_address, next(handles)))
    return addresses[0]


def handles(count: int) -> list[int]:
    return [0x8000_0000 + number for number in range(count)]


def random_command(random: Random, memory: Memory, number: int, config: Any) -> Command:
    """A short list in a region of its own, in order or broken in one of the ways there are."""
    abi = random.choice([X64, X86])
    base = 0x10_0000 * (number + 1)
    bus = random.choice([base, base + 0x7000_0000, random.randrange(2**50) * PAGE])
    if config.address_width == 32:
        bus %= 1 << 31
        base = base if abi is X86 else random.choice([base, (random.randrange(1, 9) << 32) - 0x4000])
    windows = [(base, 0x8000, bus)]
    if config.windows > 1 and random.random() < 0.3:
        windows.append((base + 0x8000, 0x100, bus + 0x9_0000))
    if random.random() < 0.3:
        random.shuffle(windows)
    slot = random.choice([24, 32, 40, 64])
    count = random.randint(1, 24)
    shift = random.randrange(0, 8, abi.alignment)
    addresses = [base + slot * place + shift for place in random.sample(range(0x7F00 // slot), count)]
    kind = random.choice(["ok", "ok", "ring", "wild", "header", "budget", "fault", "outside"])
    end = {
        "ring": random.choice(addresses),
        "wild": random.randrange(2**32 if abi is X86 else TOP),
        "outside": base + 0x8000 - random.randrange(0, abi.size, abi.alignment),
    }.get(kind, 0)
    for place, (address, next_address) in enumerate(zip(addresses, [*addresses[1:], end], strict=True)):
        header = abi.header ^ (1 << random.randrange(32) if kind == "header" and place == count // 2 else 0)
        handle = random.choice([0, random.randrange(0x8000_0000, 0x8000_0040)])
        memory.write(address - base + bus, abi.node(next_address, handle, header=header))
    faults = {}
    if kind == "fault":
        faults[(random.choice(addresses) - base + bus) // 8 * 8] = random.choice([Fault.ERROR, Fault.SILENCE])
    budget = random.randint(1, 12) if kind == "budget" else 0
    return Command(head=addresses[0], abi=abi, windows=tuple(windows), faults=faults, budget=budget)
