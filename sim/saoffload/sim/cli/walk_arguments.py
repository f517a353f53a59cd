"""The arguments that say which walk is meant: one list of them for every command that walks."""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, Concatenate, TypeVar, get_type_hints

from .inputs import (
    DEFAULT_LATENCY,
    AbiOption,
    BaseOption,
    BudgetOption,
    BundlesOption,
    HeadOption,
    ImageOption,
    LatencyOption,
    PresetOption,
    TableOption,
    TimeoutOption,
    WindowOption,
)

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, kw_only=True)
class WalkArguments:
    """As they were written, nothing checked: see ``request.read_request``."""

    image: ImageOption
    base: BaseOption
    head: HeadOption
    table: TableOption
    abi: AbiOption = "x64"
    preset: PresetOption = "small"
    bundles: BundlesOption = None
    budget: BudgetOption = "0"
    latency: LatencyOption = DEFAULT_LATENCY
    timeout: TimeoutOption = "0"
    window: WindowOption = None


def takes_walk(command: Callable[Concatenate[WalkArguments, ...], ResultT]) -> Callable[..., ResultT]:
    """The command with every field of ``WalkArguments`` as an option, before its own; it gets them as one."""
    names = [field.name for field in fields(WalkArguments)]

    @wraps(command)
    def with_options(**options: Any) -> ResultT:
        walk = WalkArguments(**{name: options.pop(name) for name in names})
        return command(walk, **options)

    hints = get_type_hints(WalkArguments, include_extras=True)
    parameters = [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(WalkArguments)
    ]
    own_hints = get_type_hints(command, include_extras=True)
    own = [
        parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=own_hints[parameter.name])
        for parameter in list(signature(command).parameters.values())[1:]
    ]
    shown: Any = with_options
    shown.__signature__ = Signature([*parameters, *own], return_annotation=own_hints.get("return"))
    shown.__annotations__ = {parameter.name: parameter.annotation for parameter in (*parameters, *own)}
    return with_options
