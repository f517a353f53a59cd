"""What the engine refuses at its registers, on the Verilog: reserved bits, windows that are not there, early adds."""

from typing import Any

import pytest

from saoffload.sim.designs import TOP, engine_verilog
from saoffload.sim.faults.campaign import ENGINES, SHOWS_MEMORIES
from saoffload.sim.runner import build, run

BENCH = "tests.cocotb.refusals_bench"
#: With each table; both are built for the fault campaign as well.
KINDS = ("serial, parallel", "contexts, hashed")

pytestmark = pytest.mark.rtl


@pytest.fixture(scope="module", params=KINDS)
def results(request: pytest.FixtureRequest) -> dict[str, Any]:
    """All cases in one run of the simulator."""
    kind = request.param
    simulation = build(engine_verilog(ENGINES[kind]), top=TOP, shows_memories=kind in SHOWS_MEMORIES)
    return run(simulation, bench=BENCH, job={})


def test_a_reserved_flag_makes_an_add_unsupported(results: dict[str, Any]) -> None:
    """Of an SA that the bundle has. Of another one it means nothing, and afterwards it is forgotten."""
    one_sa = ["UNSUPPORTED", "OK", "OK", "OK"]
    two_sas = ["UNSUPPORTED", "OK", "UNSUPPORTED", "OK"]
    assert results["reserved_flags"] == one_sa + two_sas


def test_no_other_window_is_taken_for_one_that_is_not_there(results: dict[str, Any]) -> None:
    result = results["windows_that_are_not_there"]
    count, refused = result["count"], result["refused"]
    assert len(refused) == result["counted"] == 1 + 32 - count.bit_length()
    assert all(f"the engine has {count} windows" in text for text in refused)


def test_adds_are_not_ready_until_the_table_is(results: dict[str, Any]) -> None:
    """Rule 7 puts NOT_READY first: these adds are of no SA, and would be UNSUPPORTED."""
    answers = results["adds_while_not_ready"]
    assert answers[0]["result"] == "NOT_READY"
    for answer in answers:
        # One that begins before the table is ready and ends after it may be either.
        expected = {"NOT_READY"} if not answer["is_ready"] else {"UNSUPPORTED"}
        expected |= set() if answer["was_ready"] else {"NOT_READY"}
        assert answer["result"] in expected, answers
