"""Part ``lists``: lists that a hostile host can lay out, each walk compared with the reference model."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from saoffload.host.register_map import Abi as HostAbi
from saoffload.host.windows import Window as HostWindow
from saoffload.sim.model import Abi, Memory, SaTable, Window, WindowTable, walk, write_node

from .rig import FIRST_HANDLE, Rig

BASE = 0x10_0000
LONGEST_RING = 64
SLOT = 32
PAGE = 4096
TOP = 1 << 64
ABI_END = {Abi.X64: TOP, Abi.X86: 1 << 32}
EDGE_STEPS = (-24, -16, -12, -8, -4, 0, 4, 8)


@dataclass(frozen=True, kw_only=True)
class Case:
    """``nodes``: list address and ``Next`` of each. ``windows``: list address, size, bus address. ``headers``: bits
    flipped in the header of a node, by its address.
    """

    text: str
    head: int
    nodes: tuple[tuple[int, int], ...]
    abi: Abi = Abi.X64
    windows: tuple[tuple[int, int, int], ...] = ((BASE, PAGE, BASE),)
    headers: dict[int, int] = field(default_factory=dict)


def cases(*, address_width: int, window_count: int) -> list[Case]:
    """Every list for an engine with such a bus and so many windows."""
    made = [*_rings(), *_headers(), *_edges(), *_high(address_width)]
    return [case for case in made if len(case.windows) <= window_count]


def _slots(count: int) -> list[int]:
    return [BASE + SLOT * slot for slot in range(count)]


def _chain(addresses: list[int], end: int) -> tuple[tuple[int, int], ...]:
    return tuple(zip(addresses, [*addresses[1:], end], strict=True))


def _rings() -> Iterator[Case]:
    """Rings of every length, entered at once, after a tail, and in their middle; a tail into a list that ends."""
    for abi in Abi:
        for length in range(1, LONGEST_RING + 1):
            ring = _slots(length)
            yield Case(text=f"ring of {length}", head=ring[0], nodes=_chain(ring, ring[0]), abi=abi)
            tail = _slots(length + length // 3 + 1)
            entry = tail[length // 3 + 1]
            yield Case(text=f"tail into a ring of {length}", head=tail[0], nodes=_chain(tail, entry), abi=abi)
            yield Case(text=f"self loop after {length}", head=ring[0], nodes=_chain(ring, ring[-1]), abi=abi)
            other = [*_chain(ring, 0), (BASE + SLOT * length, ring[length // 2])]
            yield Case(text=f"tail into a list of {length}", head=other[-1][0], nodes=tuple(other), abi=abi)


def _headers() -> Iterator[Case]:
    """Each bit of the header flipped, in the first node and in the third."""
    for abi in Abi:
        for bit in range(32):
            for place in (0, 2):
                slots = _slots(4)
                yield Case(
                    text=f"bit {bit} of header {place}",
                    head=slots[0],
                    nodes=_chain(slots, 0),
                    abi=abi,
                    headers={slots[place]: 1 << bit},
                )


def _edges() -> Iterator[Case]:
    """Second nodes at, across and beyond the edges of a window, of two that meet, and of two that overlap."""
    layouts = {
        "one window": ((BASE, PAGE, BASE),),
        "windows that meet": ((BASE, PAGE // 2, BASE), (BASE + PAGE // 2, PAGE // 2, BASE + 0x2_0000 + PAGE // 2)),
        "windows that overlap": (
            (BASE, PAGE // 2 + 16, BASE),
            (BASE + PAGE // 2 - 16, PAGE // 2, BASE + 0x3_0000 + PAGE // 2 - 16),
        ),
    }
    for text, windows in layouts.items():
        edges = sorted({start + offset for start, size, _ in windows for offset in (0, size)})
        for abi in Abi:
            for edge in edges:
                for step in EDGE_STEPS:
                    second = edge + step
                    first = BASE + 0x200
                    yield Case(
                        text=f"{text}, node at {second:#x}",
                        head=first,
                        nodes=((first, second), (second, 0)),
                        abi=abi,
                        windows=windows,
                    )


def _high(address_width: int) -> Iterator[Case]:
    """Nodes at the end of what an ABI can name, below 2^64 and below 2^32, with windows that end there."""
    for abi in Abi:
        end = ABI_END[abi]
        start = end - PAGE
        # The bus may be narrower than list addresses.
        bus = min(end, 1 << address_width) - PAGE
        for step in range(4, 41, 4):
            address = end - step
            yield Case(
                text=f"node {step} below {end:#x}",
                head=start,
                nodes=((start, address), (address, 0)),
                abi=abi,
                windows=((start, PAGE, bus),),
            )
        for beyond in (end, end + 8, TOP - 8, TOP - 4, TOP - 1, 1 << 63, (1 << 32) - 8, 1 << 32):
            if 0 < beyond < TOP:
                yield Case(text=f"head {beyond:#x}", head=beyond, nodes=(), abi=abi, windows=((start, PAGE, bus),))


async def run(dut: Any, chosen: list[int], *, address_width: int, window_count: int) -> dict[str, int]:
    """The chosen of ``cases``, by number, one after the other without a reset in between."""
    rig = Rig(dut)
    every = cases(address_width=address_width, window_count=window_count)
    done = {"cases": 0, "nodes": 0, "loops": 0}
    await rig.begin()
    for number in chosen:
        async with rig.described(f"case {number}: {every[number].text}, {every[number].abi.name}"):
            await _run_case(rig, every[number], window_count, done)
        done["cases"] += 1
    return done


async def _run_case(rig: Rig, case: Case, window_count: int, done: dict[str, int]) -> None:
    driver, memory = rig.driver, rig.memory
    model_memory, windows = Memory(), [Window(*window) for window in case.windows]
    memory.clear()
    images = {bus: bytearray(size) for _, size, bus in case.windows}
    for place, (address, following) in enumerate(case.nodes):
        node = bytearray(write_node(abi=case.abi, next_address=following, handle=FIRST_HANDLE + place))
        flipped = case.headers.get(address, 0).to_bytes(4, "little")
        node[:4] = bytes(byte ^ bits for byte, bits in zip(node[:4], flipped, strict=True))
        # A node may stand in several windows, or half in one: each sees of it what lies inside.
        for base, size, bus in case.windows:
            for offset, byte in enumerate(node):
                if base <= address + offset < base + size:
                    images[bus][address + offset - base] = byte
    for bus, image in images.items():
        memory.add(bus, bytes(image))
        model_memory.add(bus, bytes(image))
    for place in range(window_count):
        if place < len(case.windows):
            base, size, bus = case.windows[place]
            await driver.windows.set(place, HostWindow(base=base, size=size, bus_base=bus))
        else:
            await driver.windows.clear(place)

    expected = walk(
        memory=model_memory,
        windows=WindowTable.of(*windows),
        table=SaTable(bundles=2),
        head=case.head,
        abi=case.abi,
    )
    tag = await driver.commands.submit_walk(case.head, abi=HostAbi[case.abi.name])
    completion = await driver.completions.wait(tag, timeout_ms=rig.milliseconds(20_000))
    due = expected.completion
    said = (completion.status.name, completion.visited, completion.deleted, completion.not_found)
    assert said == (due.status.name, due.visited, due.deleted, due.not_found), f"{completion}, due is {due}"
    assert completion.fault_address == due.fault_address or due.status.name == "OK", f"{completion}, due is {due}"
    assert rig.trace.commands[-1].nodes == [(node.address, node.handle) for node in expected.nodes]
    await rig.quiesce()
    await rig.end([(bus, size) for _, size, bus in case.windows])
    rig.trace.clear()
    done["nodes"] += completion.visited
    done["loops"] += completion.status.name == "LOOP"
