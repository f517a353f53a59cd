"""What one round of fuzzing does, as plain data: it can be written to a file, read, and done again.

A scenario begins with a reset. Its steps are the host's, one after the other; what the engine does meanwhile, the
memory's faults and the packet path's questions go on beside them.
"""

from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from saoffload.sim.model import Abi, Window

from .engines import ENGINES
from .records import MEMORY_BYTES

FORMAT = "saoffload-fuzz-1"
STEPS = ("add", "end_restore", "walk", "delete", "flush", "abort", "pause", "hold", "settle")


@dataclass(frozen=True, kw_only=True)
class Name:
    """A handle by what it names: the handle that add number ``add`` got (or was to get), with the bits of ``flip``
    inverted. ``add`` None: ``flip`` itself.
    """

    add: int | None = None
    flip: int = 0


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node at list ``address``. ``header_flip``: bits of its first word that are wrong."""

    address: int
    next: int
    handle: Name
    header_flip: int = 0
    padding: int = 0


@dataclass(frozen=True, kw_only=True)
class NodeList:
    """Nodes that are written to memory before the first command that walks them."""

    abi: str
    nodes: tuple[Node, ...]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong with the beat of a word at bus ``address``: see ``bench_hdl.responder`` for the numbers."""

    address: int
    response: int = 0
    last: int = 0
    timing: int = 0


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that the host does.

    ``add``: a bundle, ``sas`` being [SPI, destination, family, protocol]; ``handle`` 0 unless it is restored.
    ``end_restore``. ``walk``: ``list`` is the number of a list to write; ``abi``, ``head``, ``budget``.
    ``delete``: ``name``. ``flush``. ``abort``: of command number ``command``; one not there is a tag of nobody.
    ``pause``: ``clocks``. ``hold``: the packet path retires nothing for ``clocks``. ``settle``: until all
    commands are complete.
    """

    do: str
    sas: tuple[tuple[int, int, int, int], ...] = ()
    is_outbound: bool = False
    context: int = 0
    handle: int = 0
    list: int | None = None
    abi: str = "x64"
    head: int = 0
    budget: int = 0
    name: Name = Name()
    command: int = 0
    clocks: int = 0


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Memory and packet path. The settings of ``Responder`` and ``LookupTraffic``, and ``timeout`` in clocks."""

    seed: int = 0
    latency: int = 1
    spread: int = 0
    late_clocks: int = 1
    address_stall: int = 0
    beat_stall: int = 0
    does_mix: int = 0
    timeout: int = 0
    key_rate: int = 0
    handle_rate: int = 0
    hold: int = 0


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """``windows``: [base, size, bus base]."""

    engine: str
    surroundings: Surroundings = Surroundings()
    windows: tuple[tuple[int, int, int], ...] = ()
    lists: tuple[NodeList, ...] = ()
    faults: tuple[Fault, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def adds(self) -> list[Step]:
        """The steps that add, by their number."""
        return [step for step in self.steps if step.do == "add"]

    def to_json(self) -> dict[str, Any]:
        """Everything but what is as it is by default."""
        return _encoded(self)


def from_json(value: object) -> Scenario:
    """The scenario of ``to_json``. Raises ``ValueError`` saying where it is none, or one that cannot be run."""
    scenario: Scenario = _decoded(Scenario, value, "scenario")
    check(scenario)
    return scenario


def check(scenario: Scenario) -> None:
    """Raises ``ValueError`` unless the scenario can be run."""
    config = ENGINES.get(scenario.engine)
    if config is None:
        raise ValueError(f"scenario.engine: {scenario.engine!r} is unknown; choose one of {', '.join(ENGINES)}")
    if len(scenario.windows) > config.windows:
        raise ValueError(f"scenario.windows: {len(scenario.windows)} given, the engine has {config.windows}")
    for number, window in enumerate(scenario.windows):
        flaw = Window(*window).flaw(config.address_width)
        if flaw is None and window[2] + window[1] > MEMORY_BYTES:
            flaw = f"it leaves the memory of {MEMORY_BYTES} bytes"
        if flaw is not None:
            raise ValueError(f"scenario.windows[{number}]: {flaw}")
    for number, fault in enumerate(scenario.faults):
        if fault.address % 8 or fault.address >= MEMORY_BYTES or max(fault.response, fault.last, fault.timing) > 3:
            raise ValueError(f"scenario.faults[{number}]: an address is a multiple of 8 in memory, all else 0 to 3")
    for number, step in enumerate(scenario.steps):
        where = f"scenario.steps[{number}]"
        if step.do not in STEPS:
            raise ValueError(f"{where}.do: {step.do!r} is unknown; choose one of {', '.join(STEPS)}")
        if step.list is not None and step.list >= len(scenario.lists):
            raise ValueError(f"{where}.list: there are {len(scenario.lists)} lists")
    for abi in (*(step.abi for step in scenario.steps), *(one.abi for one in scenario.lists)):
        if abi not in {abi.value for abi in Abi}:
            raise ValueError(f"scenario: {abi!r} is no ABI")


def _encoded(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_encoded(item) for item in value]
    if not is_dataclass(value):
        return value
    return {
        one.name: _encoded(getattr(value, one.name))
        for one in fields(value)
        if one.default is MISSING or getattr(value, one.name) != one.default
    }


def _decoded(kind: Any, value: object, where: str) -> Any:
    """``value`` as a ``kind``, a type as the fields above have it."""
    if is_dataclass(kind):
        make: Any = kind
        hints = get_type_hints(kind)
        if not isinstance(value, dict) or not set(value) <= set(hints):
            raise ValueError(f"{where}: is no object with fields {', '.join(hints)}")
        try:
            return make(**{name: _decoded(hints[name], item, f"{where}.{name}") for name, item in value.items()})
        except TypeError as error:
            raise ValueError(f"{where}: {error}") from None
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        kinds = inner[:1] * len(value) if isinstance(value, list) and inner[-1] is Ellipsis else inner
        if not isinstance(value, list) or len(kinds) != len(value):
            raise ValueError(f"{where}: is no list of {len(inner)}")
        return tuple(
            _decoded(one, item, f"{where}[{at}]") for at, (one, item) in enumerate(zip(kinds, value, strict=True))
        )
    allowed = get_args(kind) or (kind,)
    if type(value) not in allowed or (isinstance(value, int) and value < 0):
        raise ValueError(f"{where}: {value!r} is no {' or '.join(one.__name__ for one in allowed)}")
    return value
