"""Lists as they should not be: each ends as the contract says, RTL and model agree, and the program succeeds."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.end_to_end.command import run_json
from tests.end_to_end.inputs import BASE, HANDLES, IMAGE_BYTES, Inputs

pytestmark = pytest.mark.rtl


def head_outside(inputs: Inputs) -> None:
    inputs.head = BASE + IMAGE_BYTES


def head_near_the_end(inputs: Inputs) -> None:
    inputs.head = BASE + IMAGE_BYTES - 16


def misaligned(inputs: Inputs) -> None:
    inputs.builder.set_next(inputs.placed.addresses[2], inputs.placed.addresses[3] + 4)


def leaves_the_image(inputs: Inputs) -> None:
    inputs.builder.set_next(inputs.placed.addresses[2], BASE - 64)


def wrong_header(inputs: Inputs) -> None:
    inputs.builder.set_header(inputs.placed.addresses[3], 0x0018_0280)


def never_existed(inputs: Inputs) -> None:
    inputs.builder.set_handle(inputs.placed.addresses[3], 0xFFFF_FFFF)


def upper_bits(inputs: Inputs) -> None:
    inputs.builder.set_handle(inputs.placed.addresses[3], HANDLES[3] | 1 << 40)


def ring(inputs: Inputs) -> None:
    inputs.builder.set_next(inputs.placed.addresses[-1], inputs.placed.addresses[0])


def self_loop(inputs: Inputs) -> None:
    inputs.builder.set_next(inputs.placed.addresses[2], inputs.placed.addresses[2])


def empty(inputs: Inputs) -> None:
    inputs.head = 0


def head_above_4_gb(inputs: Inputs) -> None:
    inputs.head |= 1 << 33


def nothing(_inputs: Inputs) -> None:
    pass


# What is wrong, more arguments, and: status, visited, deleted, number of the node (in list order) that fails.
CASES: dict[str, tuple[Callable[[Inputs], None], tuple[str, ...], str, int, int]] = {
    "head outside the image": (head_outside, (), "OUT_OF_WINDOW", 0, 0),
    "image shorter than its first node": (head_near_the_end, (), "OUT_OF_WINDOW", 0, 0),
    "image shorter than its window": (
        head_near_the_end,
        ("--window", f"{BASE:#x}:{2 * IMAGE_BYTES:#x}"),
        "BUS_ERROR",
        0,
        0,
    ),
    "misaligned": (misaligned, (), "MISALIGNED", 3, 3),
    "leaves the image": (leaves_the_image, (), "OUT_OF_WINDOW", 3, 3),
    "wrong header": (wrong_header, (), "BAD_HEADER", 3, 3),
    "a handle that never existed": (never_existed, (), "OK", 8, 7),
    "a handle with upper bits": (upper_bits, (), "OK", 8, 7),
    "ring": (ring, (), "LOOP", 15, 8),
    "node that is its own next": (self_loop, (), "LOOP", 4, 3),
    "empty list": (empty, (), "OK", 0, 0),
    "longer than the budget": (nothing, ("--budget", "5"), "TOO_LONG", 5, 5),
    "exactly the budget": (nothing, ("--budget", "8"), "OK", 8, 8),
    "memory too slow": (nothing, ("--latency", "40", "--timeout", "41"), "TIMEOUT", 0, 0),
    "memory just quick enough": (nothing, ("--latency", "40", "--timeout", "42"), "OK", 8, 8),
    "head above 2^32 in x86": (head_above_4_gb, ("--abi", "x86"), "OUT_OF_WINDOW", 0, 0),
}


@pytest.mark.parametrize("case", CASES)
def test_ends_as_the_contract_says(case: str, tmp_path: Path) -> None:
    damage, more, status, visited, deleted = CASES[case]
    inputs = Inputs(tmp_path)
    damage(inputs)
    arguments = inputs.arguments(*more)
    result = run_json("walk", *arguments)
    assert result["agree"] is True
    assert (result["status"], result["visited"], result["deleted"]) == (status, visited, deleted)
    assert result["not_found"] == visited - deleted
    assert (result["fault_address"] is None) == (status == "OK")
    assert result["live"] == len(HANDLES) - deleted
    assert len(result["nodes"]) == visited
    assert (result["cycles_per_node"] is None) == (visited == 0)

    model = run_json("model", *arguments)
    assert model == {name: result[name] for name in model}
    assert set(result) - set(model) == {"agree", "cycles", "cycles_per_node", "latency"}
