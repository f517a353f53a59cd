"""The random walks find what is wrong: deliberate faults in the RTL, each seen by the comparison with the model."""

import pytest
from tests.cocotb.deliberate import patch

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.export import to_verilog
from saoffload.hdl.table.drain import EpochDrain
from saoffload.hdl.table.parallel.lifecycle import BundleLifecycle
from saoffload.hdl.walk.fetch import SerialFetch
from saoffload.hdl.walk.windows import WindowTable
from saoffload.sim.designs import TOP, engine_verilog
from saoffload.sim.runner import BenchError, build, run

BENCH = "tests.cocotb.random_bench"
GRACE_BENCH = "tests.cocotb.grace_bench"
#: The fastest serial walker, on a wide bus: no other engine of these tests is of this kind.
SMALL = EngineConfig(
    name="faulty",
    bundles=4,
    keys=4,
    ipv6=False,
    context_width=0,
    data_width=128,
    windows=1,
    asks_early=True,
    command_depth=4,
    completion_depth=4,
)
FAULTS = {
    "a delete leaves the live bit": (BundleLifecycle, "elaborate", "(self.live | born) & ~died", "self.live | born"),
    "no window is checked": (
        WindowTable,
        "_add_check",
        "check.is_allowed.eq(found.is_any & is_in_abi)",
        "check.is_allowed.eq(1)",
    ),
    "errors of the bus are ignored": (SerialFetch, "elaborate", "beat.failed | has_failed_q", "beat.failed & 0"),
}

pytestmark = pytest.mark.rtl


def walks(verilog: str) -> dict[str, int]:
    simulation = build(verilog, top=TOP)
    job = {"reads_by": "serial", "seed": 1, "stall": "none", "first_round": 0, "nodes": 1000}
    return run(simulation, bench=BENCH, job=job)


def test_without_a_fault_they_agree() -> None:
    assert walks(engine_verilog(SMALL))["nodes"] >= 1000


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    patch(monkeypatch, *FAULTS[fault])
    with pytest.raises(BenchError) as caught:
        walks(to_verilog(SMALL))
    print(caught.value)
    assert caught.value.kind == "AssertionError"


def test_a_completion_that_comes_too_early_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drain of one device was tested with OR where AND was meant."""
    patch(monkeypatch, EpochDrain, "elaborate", "Cat(empty).all()", "Cat(empty).any()")
    job = {"cases": [{"command": "walk", "kind": kind} for kind in ("key", "handle")]}
    results = run(build(to_verilog(SMALL), top=TOP), bench=GRACE_BENCH, job=job)
    assert [result["early"] for result in results] == [1, 1]
