"""What the judges of one run share: the scenario, the model that follows the engine, and what was counted."""

from collections import Counter

from saoffload.hdl.bus.axi4 import Response
from saoffload.hdl.config import EngineConfig
from saoffload.sim.model import DisagreementError, Engine, Memory, SaTable, Status, Window, WindowTable

from .engines import ENGINES
from .image import RUBBISH
from .observation import Observation
from .scenario import Fault, Scenario

BEAT_BYTES = 8
_EARLY, _IN_TIME = 1, (0, 3)
_LATE = 1


class Case:
    """Members: ``scenario``, ``seen``, ``config``; ``engine``, the model, with its ``table``, ``windows`` and
    ``memory``; ``counts``; ``clock`` of the event that is judged.
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
        self.memory = Memory(fault=_bad_reads(scenario))
        self.memory.add(0, RUBBISH)
        self.engine = Engine(memory=self.memory, windows=self.windows, table=self.table)
        for number, window in enumerate(scenario.windows):
            if not self.engine.set_window(number, Window(*window)):
                raise ValueError(f"window {number} of the scenario is refused: {Window(*window).flaw()}")

    @staticmethod
    def fail(text: str) -> None:
        """What happened must not."""
        raise DisagreementError(text)


def _bad_reads(scenario: Scenario) -> "object":
    """What becomes of a read by demand, from the faults of its words; None when there are none."""
    faults = {fault.address: fault for fault in scenario.faults}
    around = scenario.surroundings
    is_too_late = bool(around.timeout) and around.late_clocks > around.timeout // 2

    def never_comes(fault: Fault) -> bool:
        return fault.timing == 2 or (fault.timing == _LATE and is_too_late)

    def bad_read(address: int, length: int) -> Status | None:
        beats = range(address & -BEAT_BYTES, address + length, BEAT_BYTES)
        has_failed = False
        for beat in beats:
            fault = faults.get(beat)
            if fault is None:
                continue
            if never_comes(fault):
                return Status.BUS_ERROR if has_failed else Status.TIMEOUT
            is_last = beat == beats[-1]
            has_failed |= fault.response != Response.OKAY.value or fault.last not in ((0, 1) if is_last else (0, 2, 3))
            if fault.last == _EARLY:
                break
        return Status.BUS_ERROR if has_failed else None

    return bad_read if faults else None
