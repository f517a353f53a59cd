"""Walks lists on the engine and on the plain state machine, checks every walk, and tells what it took."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from saoffload.hdl.config import EngineConfig
from saoffload.host.register_map import Abi
from saoffload.host.structures import NODE_LAYOUTS
from saoffload.sim.bench_hdl.tops import (
    MEMORY_BASE,
    MEMORY_BYTES,
    TOP,
    measured_engine_verilog,
    measured_serial_verilog,
)
from saoffload.sim.runner import Progress, Simulation, build, check_tools, run

from .lists import LISTS, Offsets

BENCH = "saoffload.sim.benches.walk_speed_bench"
ENGINES = ("saoffload", "serial")
LIVE_BUNDLES = 32
"""Bundles that live before a walk, at most: the table is filled through registers, which takes the simulator long."""
WORD_BYTES = 8


class WrongWalkError(Exception):
    """A walk did not do what it should: its time means nothing."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One list at one latency on one engine."""

    list: str
    latency: int
    engine: str
    cycles_per_node: float
    bytes_per_node: float


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """All rows, and how many nodes of our engine's walks were simulated in a second of real time."""

    rows: list[Row]
    simulated_nodes_per_second: float


@dataclass(frozen=True, kw_only=True)
class Image:
    """Lists in memory. ``text`` is what $readmemh reads, ``live`` the handles of nodes that live bundles carry."""

    text: str
    heads: list[int]
    live: list[int]
    node_count: int


def measure(
    config: EngineConfig,
    *,
    lists: Sequence[str],
    latencies: Sequence[int],
    nodes: int,
    seed: int,
    progress: Progress | None = None,
) -> Measurement:
    """Walks each of ``lists`` (names of ``LISTS``) with ``nodes`` nodes at each of ``latencies``.

    Every walk starts from a reset, with the whole memory in one window. Some nodes name live bundles, ``LIVE_BUNDLES``
    at most, spread over the list. The others name an index of the table with a generation that nobody has yet: they
    are ``not_found``, which takes a walker as long. The clocks are those from the first command taken to the latest
    completion.

    Raises ``WrongWalkError`` when a walk ends otherwise than it must, ``SimulatorError`` when it cannot be simulated.
    """
    report = progress or _ignore
    check_tools()
    report("convert to Verilog", 0, 0)
    designs = {
        "serial": measured_serial_verilog(data_width=config.data_width),
        "saoffload": measured_engine_verilog(config),
    }
    simulations = {name: build(text, top=TOP, progress=report) for name, text in designs.items()}
    rows: list[Row] = []
    seconds = 0.0
    row_count = len(lists) * len(latencies) * len(ENGINES)
    for name in lists:
        report(f"make list {name}", len(rows), row_count)
        image = make_image(LISTS[name](nodes, seed), config)
        for engine in ENGINES:
            done = len(rows)

            def show(text: str, more: int, _: int, *, where: str = f"{name}, {engine}", done: int = done) -> None:
                report(f"{where}, {text}", done + more, row_count)

            results = _run(simulations[engine], engine, image, latencies, show)
            for latency, result in zip(latencies, results, strict=True):
                check(f"{name} at L = {latency} on {engine}", image, engine, result)
                rows.append(
                    Row(
                        list=name,
                        latency=latency,
                        engine=engine,
                        cycles_per_node=result["cycles"] / nodes,
                        bytes_per_node=result["byte_count"] / nodes,
                    )
                )
                if engine == "saoffload":
                    seconds += result["seconds"]
    return Measurement(rows=rows, simulated_nodes_per_second=nodes * len(lists) * len(latencies) / max(seconds, 1e-9))


def make_image(lists: Sequence[Offsets], config: EngineConfig) -> Image:
    """The memory that holds these lists, their nodes at offsets from its start."""
    layout = NODE_LAYOUTS[Abi.X64]
    count = sum(map(len, lists))
    live_count = min(LIVE_BUNDLES, config.bundles, count)
    # In the order of the lists; every list of many has some.
    live_places = {place * count // live_count: 0x8000_0000 + place for place in range(live_count)}
    unknown = 0x8000_0000 | 1 << config.index_bits
    words: dict[int, int] = {}
    place = 0
    for offsets in lists:
        addresses = [MEMORY_BASE + offset for offset in offsets]
        for offset, successor in zip(offsets, [*addresses[1:], 0], strict=True):
            handle = live_places.get(place, unknown | place % config.bundles)
            node = layout.pack(next_address=successor, handle=handle)
            for at in range(0, layout.size, WORD_BYTES):
                words[(offset + at) // WORD_BYTES] = int.from_bytes(node[at : at + WORD_BYTES], "little")
            place += 1
    return Image(
        text=memory_text(words.items(), config.data_width),
        heads=[MEMORY_BASE + offsets[0] for offsets in lists],
        live=list(live_places.values()),
        node_count=count,
    )


def memory_text(words: Iterable[tuple[int, int]], data_width: int) -> str:
    """64-bit words, each with its number, as $readmemh reads them into words of ``data_width`` bits."""
    per_beat = data_width // 64
    beats: dict[int, int] = {}
    for at, word in words:
        beat, lane = divmod(at, per_beat)
        beats[beat] = beats.get(beat, 0) | word << 64 * lane
    lines = []
    following = -1
    for beat in sorted(beats):
        if beat != following:
            lines.append(f"@{beat:x}")
        lines.append(f"{beats[beat]:x}")
        following = beat + 1
    return "\n".join(lines) + "\n"


def _run(
    simulation: Simulation, engine: str, image: Image, latencies: Sequence[int], progress: Progress
) -> list[dict[str, Any]]:
    job = {
        "engine": engine,
        "memory": image.text,
        "heads": image.heads,
        "live": image.live,
        "window": [MEMORY_BASE, MEMORY_BYTES],
        "latencies": latencies,
        "clock_limits": [4 * (image.node_count + 16) * (latency + 16) + 100_000 for latency in latencies],
    }
    return run(simulation, bench=BENCH, job=job, progress=progress)


def check(where: str, image: Image, engine: str, result: dict[str, Any]) -> None:
    """Raises ``WrongWalkError`` unless every list was walked whole, once, and what lived was deleted."""
    walks, lists = result["walks"], len(image.heads)
    if len(walks) != lists:
        raise WrongWalkError(f"{where}: {lists - len(walks)} of {lists} lists did not end")
    for walk in walks:
        if walk["status"] != "OK":
            raise WrongWalkError(f"{where}: {walk['status']} after {walk['visited']} nodes")
    for what, found, expected in (
        ("nodes visited", sum(walk["visited"] for walk in walks), image.node_count),
        ("bundles deleted", sum(walk["deleted"] for walk in walks), len(image.live) if engine == "saoffload" else 0),
        ("commands taken", result["start_count"], lists),
        ("completions", result["stop_count"], lists),
        ("forbidden reads", result["refused_count"], 0),
    ):
        if found != expected:
            raise WrongWalkError(f"{where}: {found} {what}, expected {expected}")


def _ignore(_text: str, _done: int, _total: int) -> None:
    pass
