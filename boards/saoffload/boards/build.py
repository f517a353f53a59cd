"""From a board's name to a bitstream and an honest report, with tools that pip installs."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.config import preset as engine_preset

from .catalogue import Board
from .catalogue import board as board_named
from .flow import LARGEST_SEED, Flow, Step, prepared
from .reports import BuildReport, RoutedDesign
from .tools import INSTALL, BuildError
from .top import BoardTop

__all__ = ["BuildError", "BuildReport", "Step", "build_board"]

DEFAULT_SEED = 1
MOST_SEEDS = 1000


def build_board(
    board: str,
    *,
    preset: str | None = None,
    seed: int | None = None,
    seeds: int = 1,
    out_dir: Path = Path("build"),
    progress: Callable[[Step], None] | None = None,
) -> BuildReport:
    """Build the bitstream of ``board`` and say what it takes and how fast it is.

    Seeds are tried one after the other, from ``seed`` on, at most ``seeds`` of them, until one meets the board's clock.
    When none does, the fastest is reported with ``met`` False, and its bitstream written: the caller decides.

    The same design, tools and seed give the same bitstream. What was built before, by content, is not built again:
    everything is kept in a folder of ``out_dir``; the bitstream stands in ``out_dir`` itself.

    Parameters: ``preset``, the engine, else the board's; ``seed``, from 1, default 1; ``progress`` is called as each
    step begins.

    Raises ``ValueError`` for an unknown board or preset or an impossible seed, ``BuildError`` when a tool is missing or
    fails; both messages are one line.
    """
    chosen = board_named(board)
    config = engine_preset(preset or chosen.preset)
    candidates = seeds_from(seed, seeds)
    number = 0

    def step(text: str, at: int | None = None) -> None:
        nonlocal number
        number = at or number + 1
        if progress is not None:
            progress(Step(text=text, number=number, count=3 + seeds))

    try:
        step("describing the hardware")
        flow = _flow(chosen, config, out_dir.resolve())
        flow.check_packing()
        step("synthesis")
        flow.synthesize()
        routed: dict[int, RoutedDesign] = {}
        failure: BuildError | None = None
        for tried in candidates:
            step(f"place and route, seed {tried}")
            try:
                routed[tried] = flow.route(tried)
            except BuildError as error:
                failure = error
                continue
            if routed[tried].fmax_mhz >= chosen.clock_hz / 1e6:
                break
        if not routed:
            raise failure or BuildError("no seed was tried")
        step("packing the bitstream", 3 + seeds)
        best = max(routed, key=lambda tried: routed[tried].fmax_mhz)
        made = flow.pack(best)
        bitstream = out_dir.resolve() / f"{chosen.name}-{config.name}{made.suffix}"
        shutil.copyfile(made, bitstream)
        return _report(chosen, config, best, routed[best], bitstream)
    except OSError as error:
        raise BuildError(f"cannot write {error.filename or out_dir}: {error.strerror}: name another folder") from error


def seeds_from(seed: int | None, count: int) -> range:
    """The seeds to try. Raises ``ValueError`` for numbers that place and route has no use for."""
    first = DEFAULT_SEED if seed is None else seed
    if not 1 <= count <= MOST_SEEDS:
        raise ValueError(f"seeds must be 1 to {MOST_SEEDS}, got {count}")
    if not 1 <= first <= LARGEST_SEED - count:
        raise ValueError(f"seed must be 1 to {LARGEST_SEED - count}, got {first}")
    return range(first, first + count)


def _flow(board: Board, config: EngineConfig, out_dir: Path) -> Flow:
    try:
        platform: Any = board.platform()
    except ModuleNotFoundError as error:
        raise BuildError(f"{error.name} is not installed: {INSTALL}") from None
    plan = prepared(platform, BoardTop(board=board, config=config), is_ecp5=board.device.startswith("LFE5U"))
    return Flow(
        plan,
        folder=out_dir / f"{board.name}-{config.name}",
        clock_hz=board.clock_hz,
        cure=f"take a smaller preset than {config.name} if it does not fit, else try --seeds with more seeds",
    )


def _report(board: Board, config: EngineConfig, seed: int, routed: RoutedDesign, bitstream: Path) -> BuildReport:
    clock_mhz = board.clock_hz / 1e6
    return BuildReport(
        board=board.name,
        preset=config.name,
        lut=routed.lut,
        ff=routed.ff,
        bram=routed.bram,
        fmax_mhz=round(routed.fmax_mhz, 2),
        clock_mhz=clock_mhz,
        met=routed.fmax_mhz >= clock_mhz,
        seed=seed,
        bitstream=str(bitstream),
    )
