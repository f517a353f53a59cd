"""`saoffload verilog`: the engine for somebody else's design."""

import json
from pathlib import Path
from typing import Annotated

import typer

from .inputs import BundlesOption, JsonOption, PresetOption, engine_config

OutputOption = Annotated[
    Path, typer.Option("-o", "--output", metavar="FILE", help="Verilog file to write.", show_default=False)
]


def add_to(app: typer.Typer) -> None:
    """Makes this a command of ``app``."""
    app.command("verilog")(verilog)


def verilog(
    output: OutputOption,
    preset: PresetOption = "small",
    bundles: BundlesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the engine as plain Verilog, and a JSON description of its sizes and ports beside it.

    One file, one module hierarchy under `saoffload`: clock `aclk`, reset `aresetn`, registers on `s_axil_*`, host
    memory on `m_axi_*`, `irq`, and the packet path's streams by name. The same bytes on every machine.
    """
    from saoffload.hdl.export import describe
    from saoffload.sim.designs import TOP, exported_verilog

    from .failures import UsageError
    from .output import print_json
    from .progress import shown_progress

    config = engine_config(preset, bundles)
    description = output.with_suffix(".json")
    if description == output:
        raise UsageError(f"-o {output}: that is the name of the description beside it; name the Verilog file .v")
    if not output.parent.is_dir():
        raise UsageError(f"-o {output}: there is no folder {output.parent}; make it, or name another")
    with shown_progress() as progress:
        progress("convert the engine to Verilog", 0, 0)
        text = exported_verilog(config)
    output.write_text(text)
    description.write_text(json.dumps(describe(config), indent=2) + "\n")
    if as_json:
        print_json({"verilog": str(output), "description": str(description), "module": TOP, "preset": config.name})
    else:
        typer.echo(
            f"{output}: module {TOP}, preset {config.name}, {len(text.splitlines())} lines; {description}: its ports"
        )
