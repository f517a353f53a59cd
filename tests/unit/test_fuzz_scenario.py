"""Scenarios: what makes them, what shrinks them, and their form in files."""

import json
from collections import Counter
from dataclasses import replace
from itertools import count

import pytest

from saoffload.sim.fuzz.choices import Choices
from saoffload.sim.fuzz.engines import ENGINES
from saoffload.sim.fuzz.maker import make_scenario
from saoffload.sim.fuzz.prune import NO_COMMAND, without_steps
from saoffload.sim.fuzz.records import FIELDS, KINDS, Record, read_records
from saoffload.sim.fuzz.scenario import Name, Node, NodeList, Scenario, Step, from_json
from saoffload.sim.fuzz.shrink import shrink

SEEDS = 20


@pytest.fixture(scope="module", params=ENGINES)
def scenarios(request: pytest.FixtureRequest) -> list[Scenario]:
    return [make_scenario(Choices.of_seed(f"{seed}"), request.param) for seed in range(SEEDS)]


def test_the_same_seed_makes_the_same_scenario() -> None:
    one, other = (make_scenario(Choices.of_seed("5/3"), "lines") for _ in range(2))
    assert one == other
    assert one != make_scenario(Choices.of_seed("5/4"), "lines")


def test_the_same_choices_make_the_same_scenario() -> None:
    choices = Choices.of_seed("5/3")
    made = make_scenario(choices, "serial")
    drawn = iter(choices.drawn)
    assert make_scenario(Choices(lambda _: next(drawn)), "serial") == made


def test_the_smallest_choices_make_next_to_nothing() -> None:
    made = make_scenario(Choices(lambda _: 0), "serial")
    assert [step.do for step in made.steps] == ["walk", "settle"]
    assert len(made.lists[0].nodes) == 1


def test_as_json_and_back(scenarios: list[Scenario]) -> None:
    for scenario in scenarios:
        assert from_json(json.loads(json.dumps(scenario.to_json()))) == scenario


def test_everything_comes_about(scenarios: list[Scenario]) -> None:
    steps = Counter(step.do for scenario in scenarios for step in scenario.steps)
    assert set(steps) == {"add", "end_restore", "walk", "delete", "flush", "abort", "pause", "hold", "settle"}
    assert {one.abi for scenario in scenarios for one in scenario.lists} == {"x64", "x86"}
    faults = [fault for scenario in scenarios for fault in scenario.faults]
    assert {fault.response for fault in faults} == {0, 1, 2, 3}
    assert {fault.last for fault in faults} == {0, 1, 2, 3}
    assert {fault.timing for fault in faults} == {0, 1, 2, 3}
    # What is never answered needs a timeout.
    for scenario in scenarios:
        assert scenario.surroundings.timeout or all(fault.timing != 2 for fault in scenario.faults)


def test_a_failure_becomes_small() -> None:
    def fails(scenario: Scenario) -> bool:
        """Needs a node with a wrong header, and an abort behind a flush."""
        has_wrong_header = any(node.header_flip for one in scenario.lists for node in one.nodes[:3])
        steps = [step.do for step in scenario.steps]
        return has_wrong_header and "flush" in steps and "abort" in steps[steps.index("flush") :]

    sources = (Choices.of_seed(f"{seed}") for seed in count())
    choices = next(source for source in sources if fails(make_scenario(source, "serial")))
    smallest = shrink(choices.drawn, "serial", fails)
    assert smallest is not None
    assert fails(smallest)
    # Hypothesis makes the choices smaller, and what is left is pruned: nothing can be taken away.
    assert sorted(step.do for step in smallest.steps) == ["abort", "flush"]
    assert sum(len(one.nodes) for one in smallest.lists) == 1
    assert smallest.faults == ()
    assert shrink(choices.drawn, "serial", lambda _: False) is None


def test_what_is_named_by_number_keeps_its_name() -> None:
    node = Node(address=8, next=0, handle=Name(add=2, flip=5))
    steps = ("add", "walk", "add", "delete", "add", "abort", "flush", "abort")
    scenario = Scenario(
        engine="serial",
        lists=(
            NodeList(abi="x64", nodes=(node, replace(node, handle=Name(add=1)), replace(node, handle=Name(flip=7)))),
        ),
        steps=tuple(
            Step(do=do, name=Name(add=2), command=2 if place == 5 else 1 if do == "abort" else 0)
            for place, do in enumerate(steps)
        ),
    )
    fewer = without_steps(scenario, range(2, 4))
    assert [step.do for step in fewer.steps] == ["add", "walk", "add", "abort", "flush", "abort"]
    assert [node.handle for node in fewer.lists[0].nodes] == [Name(add=1, flip=5), Name(), Name(flip=7)]
    # Of the flush, which was number 2, and of the delete, which is gone.
    assert [step.command for step in fewer.steps if step.do == "abort"] == [1, NO_COMMAND]


def test_the_log_is_read_as_it_is_written() -> None:
    record = Record(clock=0x1234_5678, kind=KINDS.index("READ"), small=0x203, x=0x1122_3344_5566_7788, y=0xB)
    fields = {"kind": record.kind, "small": record.small, "x": record.x, "y": record.y}
    line = f"{record.clock:08x}{FIELDS.const(fields).as_bits():040x}\n"
    assert list(read_records(2 * line + line[:20])) == [record, record]
