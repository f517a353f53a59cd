"""`bench walk` apart from the simulation: which walks count, what must be reached, how it is drawn."""

from pathlib import Path
from typing import Any

import pytest

from saoffload.hdl.config import preset
from saoffload.sim.walk_speed import measure
from saoffload.sim.walk_speed.lists import LISTS
from saoffload.sim.walk_speed.measure import Image, Row, WrongWalkError
from saoffload.sim.walk_speed.plot import STYLES, draw
from saoffload.sim.walk_speed.targets import Target, target_of

IMAGE = Image(text="", heads=[8, 16], live=[0x8000_0000], node_count=10)
RIGHT: dict[str, Any] = {
    "walks": [{"status": "OK", "visited": 4, "deleted": 1}, {"status": "OK", "visited": 6, "deleted": 0}],
    "start_count": 2,
    "stop_count": 2,
    "refused_count": 0,
}


def tampered(**changes: Any) -> dict[str, Any]:
    return RIGHT | changes


def walks(*changes: dict[str, Any]) -> dict[str, Any]:
    return tampered(walks=[walk | change for walk, change in zip(RIGHT["walks"], changes, strict=False)])


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no end": (walks({}), "1 of 2 lists did not end"),
    "bad status": (walks({}, {"status": "LOOP"}), "LOOP after 6 nodes"),
    "a node too few": (walks({"visited": 3}, {}), "9 nodes visited, expected 10"),
    "a node too many": (walks({}, {"visited": 7}), "11 nodes visited, expected 10"),
    "not deleted": (walks({"deleted": 0}, {}), "0 bundles deleted, expected 1"),
    "a command too many": (tampered(start_count=3), "3 commands taken, expected 2"),
    "a completion too many": (tampered(stop_count=3), "3 completions, expected 2"),
    "reads outside": (tampered(refused_count=1), "1 forbidden reads, expected 0"),
}


def test_a_right_walk_counts() -> None:
    measure.check("here", IMAGE, "saoffload", RIGHT)


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_walk_does_not_count_and_says_why(case: str) -> None:
    result, text = WRONG[case]
    with pytest.raises(WrongWalkError, match=f"random at L = 13 on saoffload: {text}"):
        measure.check("random at L = 13 on saoffload", IMAGE, "saoffload", result)


def test_the_plain_walker_deletes_nothing() -> None:
    measure.check("here", IMAGE, "serial", walks({"deleted": 0}, {}))
    with pytest.raises(WrongWalkError, match="1 bundles deleted, expected 0"):
        measure.check("here", IMAGE, "serial", RIGHT)


# As the design states them: list, clocks at L = 13, 100 and 400, bytes for each byte of a node.
DEMANDS = [
    ("contiguous24", (3.3, 3.3, 4), 1.1),
    ("contiguous24_down", (3.3, 3.3, 4), 1.1),
    ("slots32", (4.3, 4.3, 5), 1.4),
    ("slots32_down", (4.3, 4.3, 5), 1.4),
    ("slots64", (8.5, 8.5, 9), 2.7),
    ("slots64_down", (8.5, 8.5, 9), 2.7),
    ("page_random", (8, 13, 40), 2),
    ("random", (17, 104, 404), 1.1),
    ("random_16_lists", (4.2, 7, 27), 1.1),
]


@pytest.mark.parametrize(("name", "clocks", "factor"), DEMANDS)
def test_targets(name: str, clocks: tuple[float, ...], factor: float) -> None:
    config = preset("huge")
    found = [target_of(config, name, latency) for latency in (13, 100, 400)]
    assert found == [Target(cycles, 24 * factor) for cycles in clocks]
    assert target_of(config, name, 40) is None


def test_where_nothing_is_demanded_or_something_else() -> None:
    huge, tiny = preset("huge"), preset("tiny")
    assert {name for name in LISTS if target_of(huge, name, 13) is None} == {"swapped20", "malloc"}
    assert {name for name in LISTS if target_of(tiny, name, 13) is not None} == {"random"}
    assert [target_of(tiny, "random", latency) for latency in (13, 100, 400)] == [
        Target(cycles, 24 * 1.1) for cycles in (15, 102, 402)
    ]


@pytest.mark.parametrize(
    ("cycles", "bytes_read", "is_met"),
    [(4, 30, True), (4.01, 30, False), (4, 30.1, False), (1, 1, True), (4.002, 30, True), (4.006, 30, False)],
)
def test_a_target_is_met_in_clocks_and_in_bytes(cycles: float, bytes_read: float, is_met: bool) -> None:
    row = Row(list="random", latency=13, engine="saoffload", cycles_per_node=cycles, bytes_per_node=bytes_read)
    assert Target(4, 30).is_met(row) is is_met


def rows(*names: str) -> list[Row]:
    return [
        Row(list=name, latency=latency, engine=engine, cycles_per_node=latency + extra, bytes_per_node=24.0)
        for name in names
        for latency in (100, 13)
        for engine, extra in (("saoffload", 3), ("serial", 4))
    ]


def test_a_plot_names_every_line_and_is_the_same_every_time(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one.svg", "two.svg")]
    for path in paths:
        draw(rows(*LISTS), path, title="all of them")
    text = paths[0].read_text()
    for label in ("all of them", "clocks per node", "plain state machine", *(style.label for style in STYLES.values())):
        assert label in text
    assert text == paths[1].read_text()
    assert len({style.label for style in STYLES.values()}) == len(LISTS)


def test_a_plot_of_a_single_row_as_png(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    draw(rows("malloc")[:2], path, title="one")
    assert path.read_bytes().startswith(b"\x89PNG")
