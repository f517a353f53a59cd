"""Part ``reads``: at every beat of every read of a walk, each thing that a memory can do wrong."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from saoffload.host.lists import ListBuilder
from saoffload.host.register_map import Abi
from saoffload.host.structures import NODE_LAYOUTS
from saoffload.sim.benches.memory import Fault, Response

from .rig import FIRST_HANDLE, Rig, bundle_of

BASE = 0x10_0000
SIZE = 0x2000
TIMEOUT = 60
LATE = 300
BEAT = 8
PAGE = 4096
PLACES = {
    # A node across 4 KB is two reads.
    Abi.X64: (0x100, 0x140, PAGE - 8, PAGE + 0x40),
    Abi.X86: (0x104, 0x140, PAGE - 4, PAGE + 0x44),
}
FAULTS: dict[str, dict[str, Any]] = {
    "SLVERR": {"response": Response.SLVERR},
    "DECERR": {"response": Response.DECERR},
    "RLAST early": {"last": "early"},
    "RLAST late": {"last": "late"},
    "RLAST missing": {"last": "missing"},
    "an answer for another ID": {"alien_id": -1},
    "no answer": {"delay": -1},
    "an answer after the timeout": {"delay": TIMEOUT + LATE},
}


class Case(NamedTuple):
    """A fault at a beat of a node."""

    abi: Abi
    node: int
    beat: int
    fault: str
    #: RLAST belongs on this beat, when the node is read by itself.
    ends_read: bool

    @property
    def status(self) -> str:
        """How the walk must end: never otherwise than with the cause, at the node that the beat belongs to."""
        if self.fault in ("no answer", "an answer after the timeout"):
            return "TIMEOUT"
        if self.fault == "an answer for another ID" or (self.fault == "RLAST early" and self.ends_read):
            return "OK"
        return "BUS_ERROR"


def cases() -> Iterator[Case]:
    """Every beat of every node, with each fault."""
    for abi, places in PLACES.items():
        size = NODE_LAYOUTS[abi].size
        for node, place in enumerate(places):
            beats = sorted({(BASE + place + byte) & -BEAT for byte in range(size)})
            for beat in beats:
                ends_read = beat == beats[-1] or (beat + BEAT) % PAGE == 0
                for fault in FAULTS:
                    yield Case(abi, node, beat, fault, ends_read)


async def run(dut: Any, chosen: list[int]) -> dict[str, int]:
    """The chosen of ``cases``, by number. Returns what was done."""
    rig = Rig(dut)
    every = list(cases())
    done = {"cases": 0, "nodes": 0, "timeouts": 0, "bus_errors": 0}
    for number in chosen:
        case = every[number]
        async with rig.described(f"case {number}, {case}"):
            await _run_case(rig, case, done)
        done["cases"] += 1
    return done


async def _run_case(rig: Rig, case: Case, done: dict[str, int]) -> None:
    driver, memory = rig.driver, rig.memory
    places = PLACES[case.abi]
    handles = [FIRST_HANDLE + index for index in range(len(places))]
    builder = ListBuilder(base=BASE, size=SIZE, abi=case.abi, seed=5)
    placed = builder.at_addresses(handles, [BASE + place for place in places])
    await rig.begin([builder.window], read_timeout=TIMEOUT)
    memory.add(BASE, builder.image())
    await rig.restore(*(bundle_of(index) for index in range(len(places))))
    memory.faults[case.beat] = Fault(**FAULTS[case.fault])

    tag = await driver.commands.submit_walk(placed.head, abi=case.abi)
    completion = await driver.completions.wait(tag, timeout_ms=rig.milliseconds(5000))
    visited = len(places) if case.status == "OK" else case.node
    fault_address = None if case.status == "OK" else placed.addresses[case.node]
    assert completion.status.name == case.status, completion
    assert (completion.visited, completion.deleted, completion.not_found) == (visited, visited, 0), completion
    assert completion.fault_address == fault_address, completion
    hits = [answer["hit"] for answer in await rig.ask("key", [0x1000 + index for index in range(len(places))])]
    assert hits == [index >= visited for index in range(len(places))], hits

    # Whatever came or did not come: what is lost is known, and memory stays mapped as long as that may still be read.
    lost = await driver.lost_ids()
    assert (await driver.status()).is_quiesced == (lost == 0)
    counters = await driver.counters.read()
    assert (counters.unknown_beats > 0) == (case.fault == "an answer for another ID"), counters
    if case.fault == "no answer":
        assert lost > 0
        memory.answer_withheld()
    if case.fault == "RLAST missing":
        assert lost > 0
    else:
        await rig.quiesce()
        assert await driver.lost_ids() == 0
        assert (await driver.counters.read()).unknown_beats == counters.unknown_beats, "a late answer is no unknown one"

    # The engine is as good as before.
    memory.faults.clear()
    tag = await driver.commands.submit_walk(placed.head, abi=case.abi)
    again = await driver.completions.wait(tag, timeout_ms=rig.milliseconds(5000))
    assert (again.status.name, again.visited, again.deleted) == ("OK", len(places), len(places) - visited), again
    await rig.end([(BASE, SIZE)])
    done["nodes"] += completion.visited + again.visited
    done["timeouts"] += case.status == "TIMEOUT"
    done["bus_errors"] += case.status == "BUS_ERROR"
