"""One design on its way through synthesis, place and route: run once per content, kept in a folder that it names."""

import hashlib
import json
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from .floorplan import Floorplan
from .joining import join
from .netlist import Netlist, cells_of
from .partition import Part, Partition
from .refinement import Refinement
from .reports import ReportError, RoutedDesign, read_routed
from .tools import INSTALL, TOOLS, BuildError, Tool

LARGEST_SEED = (1 << 31) - 1
"""nextpnr takes no larger one."""

PACKED = "packed.json"
"""The netlist as place and route packs it, whose cells can be told each its site."""

PLACED = "placed.json"
"""What place and route writes of a part."""

#: A change of how results are kept, or of how logic is placed and moved, makes the ones of before void.
CACHE_FORMAT = 3

# Outputs of block RAM have no first value; asking for one costs a LUT per bit.
FIRST_VALUES_DO_NOT_MATTER = "setattr -unset init a:uninitialised"

WIRE_PICOSECONDS = 1000
"""A wire in front of a look-up table, as the mapper sees it: what routed designs have. ``synth_ecp5`` says 300, with
which a carry chain of 32 bits is as long as six tables, and everything else may be as deep as that.
"""

FEWEST_ENABLED = 3
"""Flip-flops that a clock enable, or a synchronous reset, of their own is worth, where depth matters."""

FLIP_FLOPS = " ".join(
    f"-cell {kind} {first_values}"
    for kind, first_values in (
        *(("$_DFF_?_", "01"), ("$_DFF_?P?_", "r"), ("$_SDFF_?P?_", "r")),
        *(("$_DFFE_??_", "01"), ("$_DFFE_?P??_", "r"), ("$_SDFFE_?P??_", "r")),
    )
)
"""Those of an ECP5, in the words of yosys."""

# A lone flip-flop with an enable has two ways to it of look-up tables, of which the one to the enable is as long as
# that to the data, or longer: as one the mapper can fold them. Not in modules that stay apart: a floorplan may have a
# site for the flip-flop alone.
FOLD_ENABLES = f"""\
opt_clean
dfflegalize {FLIP_FLOPS} -mince {FEWEST_ENABLED} -minsrst {FEWEST_ENABLED} * A:keep_hierarchy=1 %d
synth_ecp5 -nowidelut -run map_ffs:map_luts -top top
"""

# What synth_ecp5 does for the rest, but for that delay, which no option of it tells.
MAP_TO_ECP5 = f"""\
check -latchonly -assert
techmap -map +/lattice/latches_map.v
abc9 -W {WIRE_PICOSECONDS} -maxlut 4
clean
synth_ecp5 -nowidelut -run map_cells: -top top"""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a build that begins: ``number`` of ``count``. Steps that are not needed are skipped."""

    text: str
    number: int
    count: int


class Flow:
    """Synthesis, place and route, and packing of one design, as Amaranth plans them for its platform.

    The same design, tools and seed give the same results, so what was done before, by content, is not done again.

    Parameters: ``plan``, of ``prepared``; ``folder``, in which a folder for this content is made; ``clock_hz``, what
    the platform constrains the clock to; ``cure``, what a user should try when it does not fit; ``floorplan``, which
    place and route of an ECP5 is given.

    All methods raise ``BuildError`` when a tool is missing or fails.
    """

    def __init__(self, plan: Any, *, folder: Path, clock_hz: int, cure: str, floorplan: Floorplan | None = None):
        self._clock_hz = clock_hz
        self._cure = cure
        self._floorplan = floorplan
        self._synthesis, self._routing, self._packing = _commands(plan.files[f"{plan.script}.sh"])
        versions = [tool.version() for tool in (self._synthesis.tool, self._routing.tool)]
        planned = () if floorplan is None else (floorplan,)
        content = repr((CACHE_FORMAT, plan.digest().hex(), versions, *planned)).encode()
        self._folder = folder / hashlib.blake2b(content, digest_size=8).hexdigest()
        plan.extract(self._folder)

    def check_packing(self) -> None:
        """Finds the last tool before the first takes minutes."""
        self._packing.tool.find()

    def synthesize(self) -> None:
        """Netlist from RTL."""
        done = self._folder / "synthesis.done"
        if not done.exists():
            self._synthesis.run(
                self._folder, "synthesis", cure="a fault of the design or of yosys: report it with the log"
            )
            if self._floorplan is not None:
                self._apply(self._floorplan)
            done.touch()

    def _apply(self, floorplan: Floorplan) -> None:
        netlist = self._folder / self._routing.netlist
        with _fitting(netlist):
            content = json.loads(netlist.read_text())
            floorplan.apply(content)
        _write_whole(netlist, json.dumps(content))

    @property
    def has_parts(self) -> bool:
        """Whether the design is placed in parts, so that ``pack_cells`` has something to do."""
        return self._floorplan is not None and bool(self._floorplan.parts)

    def pack_cells(self) -> None:
        """The netlist in which the places of parts that were placed by themselves can be noted, if there are parts."""
        packed = self._folder / PACKED
        if not self.has_parts or packed.exists():
            return
        part = packed.with_suffix(".part")
        # There is no configuration of what has no place yet: nextpnr would stumble over it.
        packing = self._without_placing().without_option("--textcfg")
        packing.run(self._folder, "pack_cells", extra=["--pack-only", "--write", part.name], cure=self._cure)
        part.replace(packed)

    def route(self, seed: int) -> RoutedDesign:
        """Figures of the design placed and routed with that seed. A clock that is not met is a figure, no failure."""
        folder = self._seed_folder(seed)
        result = folder / "routed.json"
        if result.exists():
            return RoutedDesign(**json.loads(result.read_text()))
        folder.mkdir(parents=True, exist_ok=True)
        for name in self._routing.inputs:
            shutil.copyfile(self._folder / name, folder / name)
        if self.has_parts:
            self._place_parts(folder, seed)
            routed = self._route_joined(folder, seed)
        else:
            routed = self._route_in(folder, self._routing, seed)
        _write_whole(result, json.dumps(asdict(routed)))
        return routed

    def _route_joined(self, folder: Path, seed: int) -> RoutedDesign:
        """The fastest of the floorplan's routings, the first one that meets the clock if any does. It alone is kept."""
        assert self._floorplan is not None
        routing = self._without_placing().with_options("--no-pack", "--freq", f"{self._clock_hz / 1e6:.6f}")
        routed: dict[int, RoutedDesign] = {}
        folders: dict[int, Path] = {}
        failure: BuildError | None = None
        for tried in _seeds(seed, self._floorplan.routings):
            folders[tried] = folder / f"routing-{tried}"
            folders[tried].mkdir(exist_ok=True)
            for name in self._routing.inputs:
                shutil.copyfile(folder / name, folders[tried] / name)
            try:
                routed[tried] = self._route_in(folders[tried], routing, tried)
            except BuildError as error:
                failure = error
                continue
            if routed[tried].fmax_mhz * 1e6 >= self._clock_hz:
                break
        if failure and not routed:
            raise failure
        best = max(routed, key=lambda tried: routed[tried].fmax_mhz)
        for path in folders[best].iterdir():
            path.replace(folder / path.name)
        for path in folders.values():
            shutil.rmtree(path)
        return routed[best]

    def _route_in(self, folder: Path, routing: "_Command", seed: int) -> RoutedDesign:
        """Figures of what nextpnr makes of the folder's netlist."""
        extra = ["--seed", str(seed), "--report", "report.json", "--timing-allow-fail"]
        log = routing.run(folder, "route", extra=extra, cure=self._cure)
        try:
            return read_routed(
                family=self._routing.family,
                report=json.loads((folder / "report.json").read_text()),
                log=log.read_text(),
                clock_hz=self._clock_hz,
            )
        except (ReportError, ValueError) as error:
            raise BuildError(f"place and route left no usable report: {error} (log: {log}): {INSTALL}") from error

    def _place_parts(self, folder: Path, seed: int) -> None:
        """The netlist of that seed's folder, with the places of all parts."""
        assert self._floorplan is not None
        netlist = self._folder / self._routing.netlist
        with _fitting(netlist):
            content = json.loads(netlist.read_text())
            partition = Partition(content, self._floorplan.parts)
            placed: dict[Part, Netlist] = {}
            for part in self._floorplan.parts:
                placed[part] = self._place(part, partition.alone(part, placed), folder / part.name, seed)
            whole = json.loads((self._folder / PACKED).read_text())
            join(whole, partition, placed, clock_hz=self._clock_hz)
            self._refine(whole, content)
        _write_whole(folder / self._routing.netlist, json.dumps(whole))

    def _place(self, part: Part, netlist: Netlist, folder: Path, seed: int) -> Netlist:
        """The part as nextpnr places it, the best of its tries."""
        folder.mkdir(exist_ok=True)
        for name in self._routing.inputs:
            shutil.copyfile(self._folder / name, folder / name)
        _write_whole(folder / self._routing.netlist, json.dumps(netlist))
        best: tuple[float, Netlist] | None = None
        failure: BuildError | None = None
        for tried in _seeds(seed, part.tries):
            try:
                self._without_placing().run(
                    folder,
                    f"place-{tried}",
                    extra=[
                        *shlex.split(part.placing),
                        *("--seed", str(tried), "--no-route", "--write", PLACED, "--timing-allow-fail"),
                    ],
                    cure=self._cure,
                )
            except BuildError as error:
                failure = error
                continue
            placed = json.loads((folder / PLACED).read_text())
            # They are large.
            (folder / PLACED).unlink()
            lateness = self._refine(placed, netlist)
            if best is None or lateness < best[0]:
                best = lateness, placed
        if best is None:
            raise failure or BuildError(f"no placement of the part {part.name!r} was tried")
        return best[1]

    def _refine(self, placed: Netlist, netlist: Netlist) -> float:
        """How late the registers of what is placed are expected to be, once it is as good as moves make it. What has a
        site in the netlist stays there.
        """
        fixed = {name for name, cell in cells_of(netlist).items() if "BEL" in cell["attributes"]}
        try:
            refinement = Refinement(placed, fixed=fixed, clock_hz=self._clock_hz)
        except ValueError as error:
            raise BuildError(f"the paths of the design have no end: {error}: {self._cure}") from error
        refinement.run()
        return refinement.lateness

    def _without_placing(self) -> "_Command":
        assert self._floorplan is not None
        return self._routing.without(shlex.split(self._floorplan.placing))

    def pack(self, seed: int) -> Path:
        """The bitstream of the design routed with that seed."""
        folder = self._seed_folder(seed)
        self._packing.run(folder, "pack", cure="remove the build folder and build again")
        return folder / self._packing.outputs[0]

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
    def netlist(self) -> str:
        """Name of the one that place and route reads."""
        return self._value("--json")

    @property
    def outputs(self) -> list[str]:
        """Names of the bitstreams that packing writes."""
        return [name for name in self.arguments if Path(name).suffix in (".bit", ".bin")]

    def without(self, arguments: list[str]) -> "_Command":
        """The same command, less ``arguments``, which stand in it one after the other.

        Raises ``ValueError`` when they do not.
        """
        count = len(arguments)
        starts = range(len(self.arguments) - count + 1)
        at = next((at for at in starts if self.arguments[at : at + count] == arguments), None)
        if at is None:
            raise ValueError(f"{' '.join(arguments)} is no part of {' '.join(self.arguments)}")
        return replace(self, arguments=self.arguments[:at] + self.arguments[at + count :])

    def with_options(self, *options: str) -> "_Command":
        """The same command, and ``options``."""
        return replace(self, arguments=[*self.arguments, *options])

    def without_option(self, option: str) -> "_Command":
        """The same command, less an option and its value."""
        return self.without([option, self._value(option)]) if option in self.arguments else self

    def _value(self, option: str) -> str:
        return self.arguments[self.arguments.index(option) + 1]

    def run(self, folder: Path, name: str, *, cure: str, extra: list[str] | None = None) -> Path:
        """Runs it and returns its log."""
        log = folder / f"{name}.log"
        arguments = [argument for argument in self.arguments if argument not in ("-q", "--quiet")]
        self.tool.run([*arguments, *(extra or [])], folder=folder, log=log, cure=cure)
        return log


def prepared(
    platform: Any,
    top: Any,
    *,
    is_ecp5: bool,
    placing: str = "--placer static",
    apart: Sequence[str] = (),
    folds_enables: bool = False,
) -> Any:
    """Amaranth's build plan: RTL, constraints and script, without a path of this machine in any of them.

    Parameters: ``placing``, options of nextpnr for ECP5. The default placer makes half the wire length of the other,
    ``heap``, on tables of many block RAMs, which the router cannot do without; ``heap`` minds the clock more.
    ``apart``: modules, as patterns of yosys, that stay what they are while the design is mapped, and are flattened
    behind it.
    ``folds_enables``: enables of few flip-flops become part of their data, for designs of deep logic.
    """
    overrides = {"script_after_read": FIRST_VALUES_DO_NOT_MATTER, "script_after_synth": ""}
    if is_ecp5:
        # Multiplexers that join LUTs of a slice tie their places together: the placer then finds some far from where
        # they belong. Without them the table of 16,384 SAs is a tenth faster with the same number of LUTs.
        overrides["synth_opts"] = f"-nowidelut -run begin:{'map_ffs' if folds_enables else 'map_luts'}"
        overrides["nextpnr_opts"] = placing
        overrides["script_after_synth"] = (FOLD_ENABLES if folds_enables else "") + MAP_TO_ECP5
    if apart:
        names = " ".join(apart)
        overrides["script_after_read"] += f"\nsetattr -mod -set keep_hierarchy 1 {names}"
        overrides["script_after_synth"] += f"\nsetattr -mod -unset keep_hierarchy {names}\nflatten\nclean\nautoname"
    return platform.prepare(top, "top", emit_src=False, **overrides)


def _commands(script: str) -> tuple[_Command, _Command, _Command]:
    """Synthesis, place and route, and packing, as Amaranth's script runs them."""
    lines = re.findall(r'^"\$(\w+)" (.*)$', script, re.MULTILINE)
    synthesis, routing, packing = (_Command(tool=TOOLS[name], arguments=shlex.split(rest)) for name, rest in lines)
    return synthesis, routing, packing


@contextmanager
def _fitting(netlist: Path) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise BuildError(f"the netlist is none that the floorplan is for: {error} (netlist: {netlist})") from error


def _seeds(seed: int, count: int) -> list[int]:
    """Of so many tries of one step with that seed: no other seed has any of them."""
    return [((seed - 1) * count + number) % LARGEST_SEED + 1 for number in range(count)]


def _write_whole(path: Path, text: str) -> None:
    """A file that is there is complete, also after a build that was cut off."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)
