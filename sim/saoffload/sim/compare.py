"""Runs one walk on the RTL and on the reference model, and says where they first differ, if they do."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saoffload.hdl.config import EngineConfig

from .benches.bursts import Burst, flaws, from_json
from .designs import TOP, engine_verilog
from .inputs import TableEntry, fill_table
from .model import (
    Abi,
    Completion,
    Fault,
    Memory,
    NodeResult,
    Read,
    SaTable,
    Status,
    Walk,
    Window,
    WindowTable,
    difference,
    walk,
)
from .runner import Progress, build, check_tools, run

BENCH = "saoffload.sim.benches.walk_bench"
BEAT_BYTES = 8
TAG = 1


@dataclass(frozen=True, kw_only=True)
class WalkInput:
    """A list to walk and everything that it needs: what `saoffload walk` makes of its arguments."""

    config: EngineConfig
    entries: Sequence[TableEntry]
    memory: Memory
    windows: Sequence[Window]
    head: int
    abi: Abi = Abi.X64
    budget: int = 0
    latency: int = 13
    timeout: int = 0


@dataclass(frozen=True, kw_only=True)
class ModelWalk:
    """A walk of the model. ``live``: bundles left in its table."""

    walk: Walk
    live: int


@dataclass(frozen=True, kw_only=True)
class RtlWalk:
    """A walk of the RTL. ``completion`` is None, and ``cycles`` too, when it did not end within its bounds."""

    completion: Completion | None
    nodes: list[NodeResult]
    bursts: list[Burst]
    cycles: int | None
    live: int


def walk_model(given: WalkInput) -> ModelWalk:
    """The walk as the contract has it."""
    table = SaTable(
        bundles=given.config.bundles,
        keys=given.config.keys,
        ipv6=given.config.ipv6,
        context_width=given.config.context_width,
    )
    fill_table(table, given.entries)
    given.memory.fault = _slow_reads(given.latency, given.timeout)
    result = walk(
        memory=given.memory,
        windows=WindowTable.of(*given.windows),
        table=table,
        head=given.head,
        abi=given.abi,
        budget=given.budget,
        tag=TAG,
    )
    return ModelWalk(walk=result, live=len(table))


def walk_rtl(
    given: WalkInput,
    expected: Walk,
    *,
    simulator: str = "verilator",
    waves_file: Path | None = None,
    progress: Progress | None = None,
) -> RtlWalk:
    """The walk as the RTL does it. ``expected`` bounds how long it may take."""
    check_tools(simulator)
    if progress:
        progress("convert the engine to Verilog", 0, 0)
    verilog = engine_verilog(given.config)
    waves = waves_file.suffix.removeprefix(".") if waves_file else None
    simulation = build(verilog, top=TOP, simulator=simulator, waves=waves, progress=progress)
    result = run(simulation, bench=BENCH, job=_job(given, expected), waves_file=waves_file, progress=progress)
    completion = result["completion"]
    if completion is not None:
        completion = Completion(**completion | {"status": Status[completion["status"]]})
    return RtlWalk(
        completion=completion,
        nodes=[NodeResult(*node) for node in result["nodes"]],
        bursts=from_json(result["bursts"]),
        cycles=result["cycles"],
        live=result["live"],
    )


def first_disagreement(given: WalkInput, model: ModelWalk, rtl: RtlWalk) -> str | None:
    """The first thing in which both walks differ, or a read of the RTL that must not be; None when they agree."""
    windows = [(window.bus_base, window.size) for window in given.windows]
    for flaw in flaws(rtl.bursts, windows):
        return flaw
    if rtl.completion is None:
        return (
            f"no completion from the RTL after {len(rtl.nodes)} nodes; the model ends with "
            f"{model.walk.completion.status.name} after {model.walk.completion.visited}"
        )
    found = difference(model.walk, rtl.nodes, rtl.completion)
    # Lines read ahead are nobody's promise; that they stay inside the windows was seen above.
    if found is None and not given.config.line_buffers:
        found = _read_difference(model.walk.reads, rtl.bursts)
    if found is None and rtl.live != model.live:
        return f"bundles left: expected {model.live}, got {rtl.live}"
    return found


def _slow_reads(latency: int, timeout: int) -> Fault | None:
    """What the model cannot know of itself: which reads this memory does not finish in time."""

    def fault(address: int, length: int) -> Status | None:
        beat_count = len(Read(address, length).beats(BEAT_BYTES))
        return Status.TIMEOUT if latency + beat_count - 1 > timeout else None

    return fault if timeout else None


def _read_difference(reads: Sequence[Read], bursts: Sequence[Burst]) -> str | None:
    """Without lines the engine reads by demand: the beats of each node, once per visit, and no others."""
    expected = [beat for read in reads for beat in read.beats(BEAT_BYTES)]
    observed = [burst.address + BEAT_BYTES * beat for burst in bursts for beat in range(burst.beat_count)]
    for number, (mine, yours) in enumerate(zip(expected, observed, strict=False)):
        if mine != yours:
            return f"beat {number} read: expected {mine:#x}, got {yours:#x}"
    if len(expected) != len(observed):
        return f"beats read: expected {len(expected)}, got {len(observed)}"
    return None


def _job(given: WalkInput, expected: Walk) -> dict[str, Any]:
    reads = len(expected.reads) + 2
    return {
        "bundles": [
            {
                "handle": entry.handle,
                "direction": entry.bundle.direction.value,
                "context": entry.bundle.context,
                "sas": [key._asdict() for key in entry.bundle.sas],
            }
            for entry in given.entries
        ],
        "memory": [[start, base64.b64encode(data).decode()] for start, data in given.memory.regions],
        "windows": [list(window) for window in given.windows],
        "head": given.head,
        "abi": given.abi.value,
        "budget": given.budget,
        "latency": given.latency,
        "timeout": given.timeout,
        "expected_nodes": expected.completion.visited,
        "clock_limit": 4 * reads * (given.latency + 32) + given.timeout + 4096,
    }
