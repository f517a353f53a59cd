"""What the judges of one run share: the scenario, the model that follows the engine, and what was counted."""

from collections import Counter
from typing import NoReturn

from saoffload.hdl.bus.axi4 import Response
from saoffload.hdl.config import EngineConfig
from saoffload.sim.model import DisagreementError, Engine, Memory, SaTable, Status, Window, WindowTable

from .engines import ENGINES
from .image import RUBBISH
from .observation import Observation
from .scenario import Scenario

BEAT_BYTES = 8
LATE, NEVER = 1, 2
"""Of ``Fault.timing``."""
EARLY = 1
NOT_AT_THE_END = (2, 3)
"""Of ``Fault.last``."""


class Case:
    """Members: ``scenario``, ``seen``, ``config``; ``engine``, the model, with its ``table``, ``windows`` and
    ``memory``, and what
    ``bad_reads`` it makes; ``counts``; ``clock`` of the event that is judged.
    """

    def __init__(self, scenario: Scenario, seen: Observation) -> None:
        self.scenario = scenario
        self.seen = seen
        self.config: EngineConfig = ENGINES[scenario.engine]
        self.counts: Counter[str] = Counter()
        self.clock = 0
        config = self.config
        self.table = SaTable(
            bundles=config.bundles,
            keys=config.keys,
            ipv6=config.ipv6,
            context_width=config.context_width,
            unretired_limit=config.unretired_limit,
        )
        self.windows = WindowTable(count=config.windows, address_width=config.address_width)
        self.bad_reads = BadReads(scenario)
        self.memory = Memory(fault=self.bad_reads or None)
        self.memory.add(0, RUBBISH)
        self.engine = Engine(memory=self.memory, windows=self.windows, table=self.table)
        for number, window in enumerate(scenario.windows):
            if not self.engine.set_window(number, Window(*window)):
                raise ValueError(f"window {number} of the scenario is refused: {Window(*window).flaw()}")

    @staticmethod
    def fail(text: str) -> NoReturn:
        """What happened must not."""
        raise DisagreementError(text)


class BadReads:
    """What becomes of a read by demand, from the faults of its words: what the model asks before every read.

    Where RLAST stands wrongly at the end of a read only, a read of another length brings the same words without a flaw.
    An engine that reads lines may do either. ``is_forgiving``: the read was such a one.
    """

    def __init__(self, scenario: Scenario) -> None:
        around = scenario.surroundings
        self._faults = {fault.address: fault for fault in scenario.faults}
        self._never = {NEVER, LATE} if around.timeout and around.late_clocks > around.timeout // 2 else {NEVER}
        self.is_forgiving = False

    def __bool__(self) -> bool:
        return bool(self._faults)

    def __call__(self, address: int, length: int) -> Status | None:
        """BUS_ERROR, TIMEOUT, or None."""
        beats = range(address & -BEAT_BYTES, address + length, BEAT_BYTES)
        has_failed = False
        for beat in beats:
            fault = self._faults.get(beat)
            if fault is None:
                continue
            if fault.timing in self._never:
                return Status.BUS_ERROR if has_failed else Status.TIMEOUT
            has_failed |= fault.response != Response.OKAY.value
            if beat == beats[-1]:
                has_failed |= fault.last in NOT_AT_THE_END and not self.is_forgiving
            elif fault.last == EARLY:
                return Status.BUS_ERROR
        return Status.BUS_ERROR if has_failed else None
