"""What the table alone, the walker alone, or a whole engine takes on a bare FPGA, and how fast it is there."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.config import preset as engine_preset
from saoffload.hdl.engine import RESET_ROOMS, Engine
from saoffload.hdl.table.choice import sa_table

from .bare_chip import bare_chip
from .build import seeds_from
from .bus_walk import BusWalk
from .floorplan import floorplan_of
from .flow import Flow, Step, prepared
from .harness import Harness, HarnessTop
from .reports import RoutedDesign
from .tools import BuildError, allow_tools, stop_tools

CLOCKS_MHZ = {"table": 150.0, "walk": 125.0, "engine": 125.0}
"""What can be measured, and the clock that place and route aims for unless told."""

DEEP = ("walk", "engine")
"""Designs whose logic is deep, so that the mapper is to fold enables: see ``flow.prepared``."""

COPIES = (*(f"top.harness.design.{room}_reset" for room in RESET_ROOMS), "*.local_*")
"""The copies of the reset, and of other registers, as patterns of yosys: the same but for where they stand."""

APART = {"table": (), "walk": COPIES, "engine": COPIES}
"""Modules that synthesis must not make one. The table alone is faster without."""

DESIGNS: dict[str, Callable[[EngineConfig], wiring.Component]] = {
    "table": sa_table,
    "walk": BusWalk,
    "engine": Engine,
}


@dataclass(frozen=True, kw_only=True)
class SynthReport:
    """Size and speed of one design, alone between registers. All figures are those of routed designs, less what the
    harness around the design takes.
    """

    #: What was measured: ``table``, ``walk`` (with its read master) or ``engine``.
    subject: str
    preset: str
    bundles: int
    keys: int
    context_width: int
    #: Commands that walk at the same time, and how many of them may read lines ahead.
    contexts: int
    line_buffers: int
    device: str
    #: Places of 4-input lookup tables that are taken, as such, as carry or as RAM.
    lut: int
    ff: int
    #: DP16KD: block RAMs of 18 Kbit.
    bram: int
    #: Fastest clock of the best seed.
    fmax_mhz: float
    #: What place and route aimed for.
    clock_mhz: float
    #: The best seed.
    seed: int
    #: Fastest clock by seed of the placement.
    fmax_by_seed: dict[int, float]

    def to_json(self) -> dict[str, Any]:
        """The fields, in this order, ready for ``json.dumps``."""
        return asdict(self)


def synthesize(
    subject: str,
    *,
    preset: str = "huge",
    bundles: int | None = None,
    context_width: int | None = None,
    device: str = "LFE5U-85F",
    clock_mhz: float | None = None,
    seed: int | None = None,
    seeds: int = 1,
    jobs: int = 1,
    out_dir: Path = Path("build"),
    progress: Callable[[Step], None] | None = None,
) -> SynthReport:
    """Place and route a design alone, with each of ``seeds`` seeds, and report the fastest.

    What was done before, by content, is not done again: everything is kept in a folder of ``out_dir``.

    Parameters: ``subject``, ``table``, ``walk`` or ``engine``; ``bundles`` and ``context_width`` change the preset;
    ``device``, one of ``bare_chip.DEVICES``; ``clock_mhz``, what to aim for; ``seed``, the first; ``jobs``, seeds at a
    time, a core and up to 3 GB each; ``progress`` is called as each step begins.

    Raises ``ValueError`` for what there is not, ``BuildError`` when a tool is missing or fails, or when the design does
    not fit with any seed; both messages are one line.
    """
    if subject not in CLOCKS_MHZ:
        raise ValueError(f"unknown design {subject!r}: choose one of {', '.join(CLOCKS_MHZ)}")
    if not 1 <= jobs <= 64:
        raise ValueError(f"jobs must be 1 to 64, got {jobs}")
    candidates = seeds_from(seed, seeds)
    config = _config(preset, bundles, context_width)
    clock_hz = round((clock_mhz or CLOCKS_MHZ[subject]) * 1e6)
    if clock_hz < 1e6:
        raise ValueError(f"the clock must be at least 1 MHz, got {clock_mhz}")
    floorplan = floorplan_of(subject, config, device)
    step_count = 2 + seeds + bool(floorplan.parts)
    number = 0

    def step(text: str) -> None:
        nonlocal number
        number += 1
        if progress is not None:
            progress(Step(text=text, number=number, count=step_count))

    allow_tools()
    try:
        step("describing the hardware")
        harness = Harness(DESIGNS[subject](config))
        chip = bare_chip(device, clock_hz=clock_hz)
        plan = prepared(
            chip,
            HarnessTop(harness),
            is_ecp5=True,
            placing=floorplan.placing,
            apart=APART[subject],
            folds_enables=subject in DEEP,
        )
        flow = Flow(
            plan,
            folder=out_dir.resolve() / f"{device}-{subject}-{config.name}",
            clock_hz=clock_hz,
            cure=f"take a smaller preset than {config.name} if it does not fit",
            floorplan=floorplan,
        )
        step("synthesis")
        flow.synthesize()
        if flow.has_parts:
            step("packing cells")
            flow.pack_cells()
        routed: dict[int, RoutedDesign] = {}
        failure: BuildError | None = None
        with ThreadPoolExecutor(jobs) as pool:
            running = {pool.submit(flow.route, tried): tried for tried in candidates}
            try:
                step(f"place and route of {seeds} seeds" if seeds > 1 else "place and route")
                for done in as_completed(running):
                    try:
                        routed[running[done]] = done.result()
                    except BuildError as error:
                        failure = error
                    if len(routed) < seeds:
                        step(f"place and route, seed {running[done]} is done")
            except BaseException:
                # Whoever interrupts does not wait for the seeds under way, nor for those that were to follow.
                pool.shutdown(wait=False, cancel_futures=True)
                stop_tools()
                raise
        if not routed:
            raise failure or BuildError("no seed was tried")
    except OSError as error:
        raise BuildError(f"cannot write {error.filename or out_dir}: {error.strerror}: name another folder") from error
    best = max(routed, key=lambda tried: routed[tried].fmax_mhz)
    return SynthReport(
        subject=subject,
        preset=preset,
        bundles=config.bundles,
        keys=config.keys,
        context_width=config.context_width,
        contexts=config.contexts,
        line_buffers=config.line_buffers,
        device=device,
        lut=routed[best].lut - harness.lut,
        ff=routed[best].ff - harness.ff,
        bram=routed[best].bram,
        fmax_mhz=round(routed[best].fmax_mhz, 2),
        clock_mhz=clock_hz / 1e6,
        seed=best,
        fmax_by_seed={tried: round(routed[tried].fmax_mhz, 2) for tried in sorted(routed)},
    )


def _config(preset: str, bundles: int | None, context_width: int | None) -> EngineConfig:
    config = engine_preset(preset)
    if bundles is not None and bundles != config.bundles:
        config = config.with_bundles(bundles)
    if context_width is not None and context_width != config.context_width:
        config = replace(config, name=f"{config.name}-c{context_width}", context_width=context_width)
    return config
