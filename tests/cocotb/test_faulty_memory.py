"""Host memory that answers wrongly, late or never: the walk ends there with address and cause, and nothing is lost."""

from typing import Any, NamedTuple

import pytest
from tests.cocotb.faulty_memory_bench import LATENCY, NODES

from saoffload.hdl.config import preset
from saoffload.sim.designs import TOP, engine_verilog
from saoffload.sim.runner import build, run

BENCH = "tests.cocotb.faulty_memory_bench"
TIMEOUT = 50
FAILED_NODE = 3
IN_TIME = TIMEOUT - LATENCY - 2
"""The delay with which the last of three beats comes in the last clock that is good."""

pytestmark = pytest.mark.rtl

QUIET = {"lost": 0, "quiesced": True, "unknown": 0}
LOST = {"lost": 1, "quiesced": False, "unknown": 0}
ALL_DELETED = ["OK", NODES, NODES, None]


class Case(NamedTuple):
    """``faults``: beat of node 3, and what is wrong with it. ``ends``: of each walk, the status and its counts.
    ``left``: what is seen at the end of the walks; ``after``: once all answers came that still come. ``deaf_walks``: of
    the first so many walks no address is taken.
    """

    faults: list[tuple[int, dict[str, Any]]]
    ends: list[list[Any]]
    left: dict[str, Any] = QUIET
    after: dict[str, Any] = QUIET
    timeout: int = 0
    reads: int | None = None
    deaf_walks: int = 0


def stops(status: str) -> list[Any]:
    return [status, FAILED_NODE, FAILED_NODE, FAILED_NODE]


def visits_again(status: str) -> list[Any]:
    """The next walk over the same nodes finds nothing to delete and stops at the same place."""
    return [status, FAILED_NODE, 0, FAILED_NODE]


BAD_READ = [stops("BUS_ERROR")]
CASES = {
    "no fault": Case([], [ALL_DELETED], reads=NODES),
    **{
        f"{response} on beat {beat}": Case([(beat, {"response": response})], BAD_READ, reads=FAILED_NODE + 1)
        for response in ("SLVERR", "DECERR", "EXOKAY")
        for beat in range(3)
    },
    "RLAST on beat 0": Case([(0, {"last": "early"})], BAD_READ),
    "RLAST on beat 1": Case([(1, {"last": "early"})], BAD_READ),
    "RLAST missing": Case([(2, {"last": "missing"})], BAD_READ, left=LOST, after=LOST),
    "RLAST late": Case([(2, {"last": "late"})], BAD_READ),
    "no answer": Case([(0, {"delay": -1})], [stops("TIMEOUT")], left=LOST, timeout=TIMEOUT),
    "answer too late": Case([(0, {"delay": IN_TIME + 1})], [stops("TIMEOUT")], left=QUIET, timeout=TIMEOUT),
    "answer much too late": Case([(0, {"delay": 150})], [stops("TIMEOUT")], left=LOST, timeout=TIMEOUT),
    "answer just in time": Case([(0, {"delay": IN_TIME})], [ALL_DELETED], timeout=TIMEOUT),
    "slow, and no timeout": Case([(0, {"delay": 1000})], [ALL_DELETED]),
    # Reads take the two IDs in turn: the fourth has ID 1.
    "an answer nobody asked for": Case(
        [(0, {"alien_id": 0})],
        [ALL_DELETED],
        left={"lost": 0, "quiesced": True, "unknown": 1},
        after={"lost": 0, "quiesced": True, "unknown": 1},
    ),
    # The read stays on offer, as AXI wants, and counts as lost. The second walk waits behind it, without a read of its
    # own; the third, too, but the address is taken in time.
    "no address taken": Case(
        [], [["TIMEOUT", 0, 0, 0], ["TIMEOUT", 0, 0, 0], ALL_DELETED], timeout=TIMEOUT, reads=1 + NODES, deaf_walks=2
    ),
    # Two IDs: the third walk ends without a read, and nothing is unmapped before both answers are there.
    "no ID left": Case(
        [(0, {"delay": -1})],
        [stops("TIMEOUT"), visits_again("TIMEOUT"), ["TIMEOUT", 0, 0, 0]],
        left={"lost": 2, "quiesced": False, "unknown": 0},
        timeout=TIMEOUT,
        reads=2 * (FAILED_NODE + 1),
    ),
}


@pytest.fixture(scope="module")
def results() -> dict[str, dict[str, Any]]:
    """All cases in one run of the simulator."""
    simulation = build(engine_verilog(preset("tiny")), top=TOP)
    cases = [
        {
            "faults": [(FAILED_NODE, beat, fields) for beat, fields in case.faults],
            "timeout": case.timeout,
            "walks": len(case.ends),
            "deaf_walks": case.deaf_walks,
        }
        for case in CASES.values()
    ]
    return dict(zip(CASES, run(simulation, bench=BENCH, job={"cases": cases}), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_faulty_memory(name: str, results: dict[str, dict[str, Any]]) -> None:
    case, result = CASES[name], results[name]
    assert result["ends"] == case.ends
    assert result["deaf"] == (LOST if case.deaf_walks else {})
    assert result["left"] == case.left
    assert result["after"] == case.after
    if case.reads is not None:
        assert result["reads"] == case.reads
