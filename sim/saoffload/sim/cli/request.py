"""From the arguments of `walk` and `model` to the walk that they ask for."""

from dataclasses import dataclass

from saoffload.sim.compare import ModelWalk, WalkInput, walk_model
from saoffload.sim.inputs import (
    Image,
    PlacedImage,
    check_reads,
    default_window,
    load_image,
    load_table,
    parse_number,
    parse_windows,
    place_image,
)
from saoffload.sim.model import Abi

from .failures import UsageError
from .inputs import engine_config
from .walk_arguments import WalkArguments


@dataclass(frozen=True, kw_only=True)
class WalkRequest:
    """The walk asked for, and the image that it is in."""

    given: WalkInput
    image: Image
    placed: PlacedImage

    def walk_model(self) -> ModelWalk:
        """The model's walk. Raises ``InputError`` when it reads what the image has only in part."""
        result = walk_model(self.given)
        check_reads(self.image, self.placed, result.walk.reads)
        return result


def read_request(arguments: WalkArguments) -> WalkRequest:
    """Checks all arguments and reads the files. Raises ``InputError`` or ``UsageError`` at the first that is wrong."""
    config = engine_config(arguments.preset, arguments.bundles)
    layout = _abi(arguments.abi)
    numbers = {
        "head": parse_number(arguments.head, "--head"),
        "budget": parse_number(arguments.budget, "--budget", bits=32),
        "latency": parse_number(arguments.latency, "--latency", bits=20),
        "timeout": parse_number(arguments.timeout, "--timeout", bits=32),
    }
    if numbers["latency"] < 1:
        raise UsageError(
            "--latency: 0 clocks cannot be; the first beat comes in the next clock at best: give 1 or more"
        )
    loaded = load_image(arguments.image, parse_number(arguments.base, "--base"))
    windows = parse_windows(arguments.window or [], count=config.windows, address_width=config.address_width)
    if not arguments.window:
        windows = [default_window(loaded, layout, address_width=config.address_width)]
    placed = place_image(loaded, windows, layout)
    entries = load_table(
        arguments.table,
        bundles=config.bundles,
        keys=config.keys,
        wildcards=config.hashed.wildcards if config.hashed else None,
        ipv6=config.ipv6,
    )
    given = WalkInput(
        config=config,
        entries=entries,
        memory=placed.memory,
        windows=windows,
        abi=layout,
        **numbers,
    )
    return WalkRequest(given=given, image=loaded, placed=placed)


def _abi(text: str) -> Abi:
    try:
        return Abi(text)
    except ValueError:
        raise UsageError(f"--abi: {text!r} is no layout; choose {' or '.join(abi.value for abi in Abi)}") from None
