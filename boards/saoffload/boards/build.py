"""From a board's name to a bitstream and an honest report, with tools that pip installs."""

import hashlib
import json
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.config import preset as engine_preset

from .catalogue import Board
from .catalogue import board as board_named
from .reports import BuildReport, ReportError, RoutedDesign, read_routed
from .tools import INSTALL, TOOLS, BuildError, Tool
from .top import BoardTop

__all__ = ["BuildError", "BuildReport", "BuildStep", "build_board"]

DEFAULT_SEED = 1
MOST_SEEDS = 1000
LARGEST_SEED = 2**31 - 1
DESIGN = "top"

#: A change of how results are kept makes the ones of before void.
CACHE_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class BuildStep:
    """One step of a build that begins: ``number`` of ``count``. Seeds that are not needed are skipped."""

    text: str
    number: int
    count: int


def build_board(
    board: str,
    *,
    preset: str | None = None,
    seed: int | None = None,
    seeds: int = 1,
    out_dir: Path = Path("build"),
    progress: Callable[[BuildStep], None] | None = None,
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
    first = DEFAULT_SEED if seed is None else seed
    if not 1 <= seeds <= MOST_SEEDS:
        raise ValueError(f"seeds must be 1 to {MOST_SEEDS}, got {seeds}")
    if not 1 <= first <= LARGEST_SEED - seeds:
        raise ValueError(f"seed must be 1 to {LARGEST_SEED - seeds}, got {first}")

    number = 0

    def step(text: str, at: int | None = None) -> None:
        nonlocal number
        number = at or number + 1
        if progress is not None:
            progress(BuildStep(text=text, number=number, count=3 + seeds))

    try:
        step("describing the hardware")
        build = _Build(chosen, config, out_dir)
        step("synthesis")
        build.synthesize()
        routed: dict[int, RoutedDesign] = {}
        failure: BuildError | None = None
        for tried in range(first, first + seeds):
            step(f"place and route, seed {tried}")
            try:
                routed[tried] = build.route(tried)
            except BuildError as error:
                failure = error
                continue
            if routed[tried].fmax_mhz >= chosen.clock_hz / 1e6:
                break
        if not routed:
            raise failure or BuildError("no seed was tried")
        step("packing the bitstream", 3 + seeds)
        best = max(routed, key=lambda tried: routed[tried].fmax_mhz)
        return build.report(best, routed[best], build.pack(best))
    except OSError as error:
        raise BuildError(f"cannot write {error.filename or out_dir}: {error.strerror}: name another folder") from error


class _Build:
    """One design in its folder, which its content names."""

    def __init__(self, board: Board, config: EngineConfig, out_dir: Path):
        self._board = board
        self._config = config
        self._out_dir = out_dir.resolve()
        plan = _plan(board, config)
        self._synthesis, self._routing, self._packing = _commands(plan.files[f"{plan.script}.sh"])
        versions = [tool.version() for tool in (self._synthesis.tool, self._routing.tool)]
        self._packing.tool.find()
        content = repr((CACHE_FORMAT, plan.digest().hex(), versions)).encode()
        name = hashlib.blake2b(content, digest_size=8).hexdigest()
        self._folder = self._out_dir / f"{board.name}-{config.name}" / name
        plan.extract(self._folder)

    def synthesize(self) -> None:
        """Netlist from RTL."""
        done = self._folder / "synthesis.done"
        if not done.exists():
            self._synthesis.run(
                self._folder, "synthesis", cure="a fault of the design or of yosys: report it with the log"
            )
            done.touch()

    def route(self, seed: int) -> RoutedDesign:
        """Figures of the design placed and routed with that seed."""
        folder = self._seed_folder(seed)
        result = folder / "routed.json"
        if result.exists():
            return RoutedDesign(**json.loads(result.read_text()))
        folder.mkdir(parents=True, exist_ok=True)
        for name in self._routing.inputs:
            shutil.copyfile(self._folder / name, folder / name)
        log = self._routing.run(
            folder,
            "route",
            # Timing that is not met is a figure in the report, not a failure.
            extra=["--seed", str(seed), "--report", "report.json", "--timing-allow-fail"],
            cure=f"take a smaller preset than {self._config.name} if it does not fit, else try --seeds with more seeds",
        )
        try:
            routed = read_routed(
                family=self._routing.family,
                report=json.loads((folder / "report.json").read_text()),
                log=log.read_text(),
                clock_hz=self._board.clock_hz,
            )
        except (ReportError, ValueError) as error:
            raise BuildError(f"place and route left no usable report: {error} (log: {log}): {INSTALL}") from error
        _write_whole(result, json.dumps(asdict(routed)))
        return routed

    def pack(self, seed: int) -> Path:
        """The bitstream's path in the output folder."""
        folder = self._seed_folder(seed)
        self._packing.run(folder, "pack", cure="remove the build folder and build again")
        made = folder / self._packing.outputs[0]
        bitstream = self._out_dir / f"{self._board.name}-{self._config.name}{made.suffix}"
        shutil.copyfile(made, bitstream)
        return bitstream

    def report(self, seed: int, routed: RoutedDesign, bitstream: Path) -> BuildReport:
        clock_mhz = self._board.clock_hz / 1e6
        return BuildReport(
            board=self._board.name,
            preset=self._config.name,
            lut=routed.lut,
            ff=routed.ff,
            bram=routed.bram,
            fmax_mhz=round(routed.fmax_mhz, 2),
            clock_mhz=clock_mhz,
            met=routed.fmax_mhz >= clock_mhz,
            seed=seed,
            bitstream=str(bitstream),
        )

    def _seed_folder(self, seed: int) -> Path:
        return self._folder / f"seed-{seed}"


@dataclass(frozen=True, kw_only=True)
class _Command:
    """One line of Amaranth's build script."""

    tool: Tool
    arguments: list[str]

    @property
    def family(self) -> str:
        return self.tool.variable.removeprefix("NEXTPNR_").lower()

    @property
    def inputs(self) -> list[str]:
        """Names of the files that place and route reads."""
        return [self._value(option) for option in ("--json", "--lpf", "--pcf") if option in self.arguments]

    @property
    def outputs(self) -> list[str]:
        """Names of the bitstreams that packing writes."""
        return [name for name in self.arguments if Path(name).suffix in (".bit", ".bin")]

    def _value(self, option: str) -> str:
        return self.arguments[self.arguments.index(option) + 1]

    def run(self, folder: Path, name: str, *, cure: str, extra: list[str] | None = None) -> Path:
        """Runs it and returns its log."""
        log = folder / f"{name}.log"
        arguments = [argument for argument in self.arguments if argument not in ("-q", "--quiet")]
        self.tool.run([*arguments, *(extra or [])], folder=folder, log=log, cure=cure)
        return log


def _plan(board: Board, config: EngineConfig) -> Any:
    """Amaranth's build plan: RTL, constraints and script, without a path of this machine in any of them."""
    try:
        platform = board.platform()
    except ModuleNotFoundError as error:
        raise BuildError(f"{error.name} is not installed: {INSTALL}") from None
    overrides = {
        # Outputs of block RAM have no first value; asking for one costs a LUT per bit.
        "script_after_read": "setattr -unset init a:uninitialised",
    }
    if board.device.startswith("LFE5U"):
        # A tenth fewer LUTs than with abc9 for the comparators of the CAM, in a third of the time.
        overrides["synth_opts"] = "-noabc9"
    return platform.prepare(BoardTop(board=board, config=config), DESIGN, emit_src=False, **overrides)


def _commands(script: str) -> tuple[_Command, _Command, _Command]:
    """Synthesis, place and route, and packing, as Amaranth's script runs them."""
    lines = re.findall(r'^"\$(\w+)" (.*)$', script, re.MULTILINE)
    synthesis, routing, packing = (_Command(tool=TOOLS[name], arguments=shlex.split(rest)) for name, rest in lines)
    return synthesis, routing, packing


def _write_whole(path: Path, text: str) -> None:
    """A file that is there is complete, also after a build that was cut off."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)
