"""The options that commands share, and what they mean together."""

from pathlib import Path
from typing import Annotated

import typer

from saoffload.hdl.config import EngineConfig, preset

from .failures import UsageError

DEFAULT_LATENCY = "13"

ImageOption = Annotated[
    Path,
    typer.Option("--image", metavar="FILE", help="Raw bytes of host memory that hold the list.", show_default=False),
]
BaseOption = Annotated[
    str, typer.Option("--base", metavar="ADDR", help="List address of the image's first byte.", show_default=False)
]
HeadOption = Annotated[
    str,
    typer.Option("--head", metavar="ADDR", help="Address of the first node; 0 is an empty list.", show_default=False),
]
TableOption = Annotated[
    Path,
    typer.Option(
        "--table",
        metavar="FILE",
        help="JSON file of the bundles that live before the walk: "
        '{"bundles": [{"handle": "0x80000000", "sas": [{"spi": "0x1001", "dst": "192.0.2.1", "protocol": "esp"}]}]}. '
        'dst may be IPv6 or "any", protocol "ah"; two SAs make one bundle of two; "direction": "out" for transmit.',
        show_default=False,
    ),
]
AbiOption = Annotated[str, typer.Option("--abi", metavar="x64|x86", help="Layout of the nodes: 24 or 12 bytes.")]
PresetOption = Annotated[
    str, typer.Option("--preset", metavar="PRESET", help="Engine: tiny, small, medium, large or huge.")
]
BundlesOption = Annotated[
    str | None,
    typer.Option("--bundles", metavar="N", help="Capacity in bundles, instead of the preset's.", show_default=False),
]
BudgetOption = Annotated[
    str, typer.Option("--budget", metavar="N", help="Nodes to visit at most, then TOO_LONG; 0 means 2^32-1.")
]
LatencyOption = Annotated[
    str, typer.Option("--latency", metavar="CLOCKS", help="Of host memory: from a read's address to its first beat.")
]
TimeoutOption = Annotated[
    str, typer.Option("--timeout", metavar="CLOCKS", help="A read that takes longer ends the walk; 0 means never.")
]
WindowOption = Annotated[
    list[str] | None,
    typer.Option(
        "--window",
        metavar="BASE:SIZE[:BUS]",
        help="List addresses the engine may read, and where the bus finds them (BUS, else BASE). Repeat for more. "
        "Default: the whole image.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text, for scripts.")]
SimulatorOption = Annotated[
    str, typer.Option("--simulator", metavar="verilator|icarus", help="Icarus must be on the machine.")
]
WavesOption = Annotated[
    Path | None,
    typer.Option(
        "--waves", metavar="FILE", help="Record all signals, as .vcd or .fst by the name.", show_default=False
    ),
]


def engine_config(name: str, bundles: str | None) -> EngineConfig:
    """The engine that ``--preset`` and ``--bundles`` ask for."""
    from saoffload.sim.inputs import parse_number

    try:
        config = preset(name)
    except ValueError as error:
        raise UsageError(f"--preset: {error}") from None
    if bundles is None:
        return config
    count = parse_number(bundles, "--bundles", bits=32)
    try:
        return config.with_bundles(count)
    except ValueError as error:
        raise UsageError(f"--bundles: {error}") from None


def waves_path(path: Path | None) -> Path | None:
    """The file that ``--waves`` names, if it can be written and its name says how."""
    if path is None:
        return None
    if path.suffix not in (".vcd", ".fst"):
        raise UsageError(f"--waves {path}: the name must end in .vcd or .fst")
    if not path.parent.is_dir():
        raise UsageError(f"--waves {path}: there is no folder {path.parent}; make it, or name another")
    return path


def simulator_name(name: str) -> str:
    """The simulator that ``--simulator`` names."""
    if name not in ("verilator", "icarus"):
        raise UsageError(f"--simulator: {name!r} is unknown; choose verilator or icarus")
    return name
