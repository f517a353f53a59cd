"""One scenario on the RTL, judged as it was, and again with a lie in what was seen. A cocotb module."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import cocotb

from saoffload.hdl.control.bank import ADDRESS_WIDTH
from saoffload.sim.benches.fuzz_host import Host
from saoffload.sim.benches.fuzz_surroundings import Surroundings
from saoffload.sim.benches.fuzz_transport import PortTransport
from saoffload.sim.fuzz.judge import judge
from saoffload.sim.fuzz.observation import Observation
from saoffload.sim.fuzz.records import KINDS, Record, read_records
from saoffload.sim.fuzz.scenario import from_json
from saoffload.sim.jobs import answer_job

HIT = 1
FAR_AWAY = 1 << 40
Lie = Callable[[list[Record], Observation], None]


@cocotb.test()
async def lies(dut: Any) -> None:
    """Answers the job of this process."""
    await answer_job(lambda job: run_job(dut, job))


async def run_job(dut: Any, job: dict[str, Any]) -> dict[str, Any]:
    """``scenario`` as JSON. The result: what the judge says without a lie, None for nothing, and with each of them."""
    scenario = from_json(job["scenario"])
    around, transport = Surroundings(dut), PortTransport(dut, address_width=ADDRESS_WIDTH)
    await around.begin()
    await around.prepare(scenario)
    seen = await Host(dut, transport, around, scenario).run()
    said = {"the truth": judge(scenario, seen).failure}
    for name, lie in LIES.items():
        records, told = list(read_records(seen.log)), deepcopy(seen)
        lie(records, told)
        told.log = "".join(map(_line, records))
        said[name] = judge(scenario, told).failure
    return said


def _line(record: Record) -> str:
    clock, kind, small, x, y = record
    return f"{clock:08x}{kind:02x}00{small:04x}{x:016x}{y:016x}\n"


def _places(records: list[Record], kind: str) -> list[int]:
    return [place for place, record in enumerate(records) if KINDS[record.kind] == kind]


def change(kind: str, which: int = 0, *, only: Callable[[Record], bool] = bool, **fields: Any) -> Lie:
    """One record of a kind has other fields; those that are functions are told what stood there."""

    def lie(records: list[Record], _: Observation) -> None:
        place = [place for place in _places(records, kind) if only(records[place])][which]
        changes = {
            name: value(getattr(records[place], name)) if callable(value) else value for name, value in fields.items()
        }
        records[place] = records[place]._replace(**changes)

    return lie


def drop(kind: str, which: int = 0) -> Lie:
    """One record is missing."""

    def lie(records: list[Record], _: Observation) -> None:
        del records[_places(records, kind)[which]]

    return lie


def double(kind: str, which: int = 0) -> Lie:
    """One record stands there twice."""

    def lie(records: list[Record], _: Observation) -> None:
        place = _places(records, kind)[which]
        records.insert(place, records[place])

    return lie


def complete_too_early(records: list[Record], _: Observation) -> None:
    """A completion stands before the retire that it waited for."""
    place = _places(records, "COMPLETION")[-1]
    result = max(at for at in _places(records, "RESULT") if at < place)
    record = records.pop(place)
    records.insert(result + 1, record._replace(clock=records[result].clock))


def completion(**fields: Any) -> Lie:
    """The host collected something else."""

    def lie(_: list[Record], seen: Observation) -> None:
        old = seen.completions[0]
        changes = {name: value(getattr(old, name)) for name, value in fields.items()}
        seen.completions[0] = replace(old, **changes)

    return lie


def counter(name: str) -> Lie:
    """A counter is one more."""

    def lie(_: list[Record], seen: Observation) -> None:
        assert seen.counters is not None
        seen.counters = replace(seen.counters, **{name: getattr(seen.counters, name) + 1})

    return lie


def observed(**fields: Any) -> Lie:
    """Something else was seen in the end."""

    def lie(_: list[Record], seen: Observation) -> None:
        for name, value in fields.items():
            setattr(seen, name, value(getattr(seen, name)))

    return lie


def add_answer(_: list[Record], seen: Observation) -> None:
    """An add had another answer."""
    place = next(place for place, event in enumerate(seen.host) if event.kind == "added" and event.detail[0] == "OK")
    seen.host[place] = seen.host[place]._replace(detail=("FULL", 0))


LIES: dict[str, Lie] = {
    "a hit is a miss": change(
        "KEY_ANSWER", only=lambda record: bool(record.small & HIT), small=lambda s: s & ~HIT, y=0
    ),
    "a miss is a hit": change(
        "KEY_ANSWER", only=lambda record: not record.small & HIT, small=lambda s: s | HIT, y=1 << 31
    ),
    "a hit has another context": change(
        "HANDLE_ANSWER", only=lambda record: bool(record.small & HIT), y=lambda y: y ^ 1 << 32
    ),
    "a hit has another handle": change("KEY_ANSWER", only=lambda record: bool(record.small & HIT), y=lambda y: y ^ 1),
    "a dead handle hits": change("HANDLE_ANSWER", only=lambda record: not record.small & HIT, small=lambda s: s | HIT),
    "an answer is not retired": drop("KEY_RETIRE", -1),
    "a node has another handle": change("NODE", x=lambda x: x, y=lambda y: y ^ 1),
    "a node is elsewhere": change("NODE", x=lambda x: x + 8),
    "a node is not visited": drop("NODE", 1),
    "a node is visited twice": double("NODE", 1),
    "a delete finds what is not there": change("DELETE", only=lambda record: not record.x, x=1),
    "a delete does not find what lives": change("DELETE", only=lambda record: record.x == 1, x=0),
    "a delete has no answer": drop("DELETE", 1),
    "a read is outside of the windows": change("READ", x=FAR_AWAY),
    "a read crosses 4 KB": change("READ", small=lambda s: s | 0xFF00, x=lambda x: x & -4096 | 4088),
    "a read is not of whole beats": change("READ", y=lambda y: y - 1),
    "a read is of something else": change("READ", 1, x=lambda x: x ^ 8),
    "a node is not read": drop("READ", 1),
    "a node is read twice": double("READ", 1),
    "an ID reads twice at a time": lambda records, _: records.insert(5, Record(records[5].clock, 13, 0, 0, 0)),
    "a command is taken twice": double("COMMAND"),
    "a command has no result": drop("RESULT"),
    "a command has no completion": drop("COMPLETION"),
    "a completion comes twice": double("COMPLETION"),
    "a completion comes too early": complete_too_early,
    "the host collects another status": completion(status=lambda status: type(status)((status + 1) % 8)),
    "the host collects another count": completion(visited=lambda count: count + 1, not_found=lambda count: count + 1),
    "the host collects another fault address": completion(fault_address=lambda address: (address or 0) + 8),
    "the host collects nothing": observed(completions=lambda many: many[1:]),
    "the host collects one twice": observed(completions=lambda many: [*many, many[0]]),
    "a completion of nobody's": observed(stray_count=lambda count: count + 1),
    "an add is refused that was not": add_answer,
    "a bundle is left": observed(live=lambda live: (live[0] + 1, live[1])),
    "an ID is lost": observed(lost_ids=lambda count: count + 1),
    "the host waited in vain": observed(failure=lambda _: "in vain"),
    **{
        f"counter {name} is one more": counter(name)
        for name in (
            "key_lookups",
            "key_hits",
            "handle_lookups",
            "handle_hits",
            "visited_nodes",
            "deleted_handles",
            "not_found_handles",
            "completions",
            "refused_doorbells",
            "refused_windows",
            "refused_adds",
            "unknown_aborts",
            "unknown_beats",
            "bad_retires",
        )
    },
}
