"""What a scenario's run on the RTL showed: what the judge holds against the model."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from saoffload.host.completions import Completion
from saoffload.host.counters import CounterValues


class HostEvent(NamedTuple):
    """What the host did, or saw, before what happened in ``clock``. By ``kind``:

    ``write``: ``detail`` is what was written (``image.Piece``). ``submit``: of command ``number``, ``detail`` its step;
    a flush takes effect from here on. ``flushed``: by now the flush with that number has. ``add``: of that number is on
    offer, ``detail`` its step. ``added``: its (result, handle). ``end_restore``. ``abort``: of command ``number``.
    """

    clock: int
    kind: str
    number: int = 0
    detail: Any = None


@dataclass(kw_only=True)
class Observation:
    """``log``: see ``records``. ``completions``: as the host collected them. ``failure``: what the host waited for in
    vain. What the engine said in the end, None when it did not come to that: ``counters``, ``live`` bundles and keys,
    ``lost_ids``. ``refused_count``: commands that the doorbell refused. ``delete_handles``: by the number of their
    command. ``begin_clock``, ``clock_count``: when it began, and how long it took.
    """

    log: str = ""
    host: list[HostEvent] = field(default_factory=list)
    completions: list[Completion] = field(default_factory=list)
    stray_count: int = 0
    failure: str | None = None
    counters: CounterValues | None = None
    live: tuple[int, int] | None = None
    lost_ids: int = 0
    refused_count: int = 0
    delete_handles: dict[int, int] = field(default_factory=dict)
    begin_clock: int = 0
    clock_count: int = 0
