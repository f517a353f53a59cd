"""The fault campaign: a cut through it by day, the whole at night; and deliberate faults in the RTL that it finds.

All of it is deterministic: a failure names its part, engine and case, and the same comes again with
``python -m saoffload.sim.faults PART --engine ENGINE``.
"""

import subprocess
import sys

import pytest
from tests.cocotb.deliberate import patch

from saoffload.hdl.bus.read_master import ReadMaster
from saoffload.hdl.control.commands import CommandQueue
from saoffload.hdl.engine import Engine
from saoffload.hdl.export import to_verilog
from saoffload.hdl.soft_reset import SoftReset
from saoffload.hdl.table.drain import EpochDrain
from saoffload.hdl.table.hashed.sweep import Sweep
from saoffload.hdl.table.hashed.way import Way
from saoffload.hdl.walk.fetch import SerialFetch
from saoffload.sim.faults.campaign import DAY, ENGINES, WHOLE, CampaignError, jobs, run_part

JOBS = list(jobs())
# Its walker and its table are tried by day as well, each in another engine.
DAY_JOBS = [job for job in JOBS if job[1] != "serial, hashed"]
TINY, HASHED = "serial, parallel", "contexts, hashed"
BROKEN = {
    "errors of the bus are ignored": (
        "reads",
        TINY,
        SerialFetch,
        "elaborate",
        "beat.failed | has_failed_q",
        "beat.failed & 0",
    ),
    "a beat of another ID is taken": (
        "reads",
        TINY,
        ReadMaster,
        "elaborate",
        "axi.rvalid & answered_read.is_outstanding & answered_read.remaining_count.any()",
        "axi.rvalid",
    ),
    "an abort of all forgets what waits": (
        "aborts",
        TINY,
        CommandQueue,
        "_add_tags",
        "(is_match_q | self.mark_is_all) & is_waiting[first]",
        "is_match_q & is_waiting[first]",
    ),
    "a reset waits for no read": ("resets", TINY, SoftReset, "elaborate", " & ~self.is_awaited", ""),
    "what is between rooms outlives a reset": (
        "resets",
        HASHED,
        Engine,
        "elaborate",
        "ResetInserter(soft_reset.do_reset)(borders)",
        "borders",
    ),
    "half a grace period is enough": ("stuck", TINY, EpochDrain, "elaborate", "Cat(empty).all()", "Cat(empty).any()"),
    "the sweep audits nothing": (
        "flips",
        HASHED,
        Sweep,
        "elaborate",
        "self.do_audit.eq(1)",
        "self.do_audit.eq(0)",
    ),
    "a lookup believes a damaged row": (
        "flips",
        HASHED,
        Way,
        "_elaborate_lookups",
        "is_used[0] & (other_parities.xor() == due_parity)",
        "is_used[0]",
    ),
}
"""Part and engine that must find it, and what is broken how."""

pytestmark = pytest.mark.rtl


@pytest.mark.parametrize(("part", "engine"), DAY_JOBS, ids=[" on ".join(job) for job in DAY_JOBS])
def test_a_cut_of_the_campaign(part: str, engine: str) -> None:
    assert run_part(part, engine, share=DAY)["cases"] > 0


@pytest.mark.nightly
@pytest.mark.parametrize(("part", "engine"), JOBS, ids=[" on ".join(job) for job in JOBS])
def test_the_whole_campaign(part: str, engine: str) -> None:
    row = run_part(part, engine, share=WHOLE)
    print(row)
    if part == "flips":
        assert row["cases"] == row["stored_bits"], "a bit was not tried"


@pytest.mark.nightly
@pytest.mark.parametrize("fault", BROKEN)
def test_a_deliberate_fault_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    part, engine, *change = BROKEN[fault]
    patch(monkeypatch, *change)
    with pytest.raises(CampaignError) as caught:
        run_part(part, engine, share=DAY, verilog=to_verilog(ENGINES[engine]))
    print(caught.value)


def test_an_unknown_part_is_refused() -> None:
    command = [sys.executable, "-m", "saoffload.sim.faults", "earthquakes"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "unknown part 'earthquakes'" in ran.stderr
