"""`saoffload bench walk` as its users see it."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.end_to_end.command import run_command, run_json

from saoffload.sim.cli.app import run
from saoffload.sim.walk_speed import measure
from saoffload.sim.walk_speed.lists import LISTS

pytestmark = pytest.mark.rtl

FIELDS = "preset windows data_width nodes seed rows targets simulated_nodes_per_second"
ROW_FIELDS = "list latency engine cycles_per_node bytes_per_node"
LATENCIES = (1, 13, 40, 100, 400)


def serial_clocks(offsets: list[list[int]], latency: int) -> int:
    """What the plain walker takes for these lists."""
    nodes = [offset for one in offsets for offset in one]
    splits = sum(offset % 4096 > 4096 - 24 for offset in nodes)
    # Each list's end shows a clock later, and the next one starts in the clock after that.
    return len(nodes) * (latency + 4) + splits * latency + 2 * len(offsets) - 1


def check_rows(result: dict[str, Any], names: list[str], latencies: tuple[int, ...]) -> None:
    """Every row that was asked for, in order; the serial ones exact, ours possible."""
    assert [(row["list"], row["engine"], row["latency"]) for row in result["rows"]] == [
        (name, engine, latency) for name in names for engine in ("saoffload", "serial") for latency in latencies
    ]
    nodes = result["nodes"]
    for row in result["rows"]:
        assert list(row) == ROW_FIELDS.split()
        if row["engine"] == "serial":
            offsets = LISTS[row["list"]](nodes, result["seed"])
            assert row["cycles_per_node"] * nodes == pytest.approx(serial_clocks(offsets, row["latency"]))
            assert row["bytes_per_node"] == 24
        else:
            # A node has 24 bytes, and takes 3 beats.
            assert row["bytes_per_node"] >= 24
            assert row["cycles_per_node"] >= 3


def test_rows_as_json_and_a_plot(tmp_path: Path) -> None:
    # More lists than the queue of this preset holds.
    plot = tmp_path / "walks.svg"
    options = ["--preset", "tiny", "--nodes", "50", "--seed", "3", "--latency", "13", "--latency", "2"]
    result = run_json(
        "bench", "walk", *options, "--list", "random_16_lists", "--list", "contiguous24", "--plot", str(plot)
    )
    assert list(result) == FIELDS.split()
    assert (result["preset"], result["data_width"], result["nodes"], result["seed"]) == ("tiny", 64, 50, 3)
    check_rows(result, ["contiguous24", "random_16_lists"], (2, 13))
    assert result["targets"] == []
    assert result["simulated_nodes_per_second"] > 0
    assert "random, 16 lists at once" in plot.read_text()


def test_the_table_that_people_read() -> None:
    ran = run_command("bench", "walk", "--preset", "tiny", "--nodes", "16", "--latency", "13", "--list", "random")
    assert ran.returncode == 0, ran.stderr
    (line,) = [line for line in ran.stdout.splitlines() if line.split()[:2] == ["random", "13"]]
    goals = [word for word in line.split() if word.startswith("≤")]
    assert goals == ["≤15", "≤26.4"]
    assert line.rstrip().endswith("met")
    assert "nodes per second" in ran.stdout
    assert all(len(line) <= 80 for line in ran.stdout.splitlines())


def test_a_wrong_walk_is_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # An image of which the benchmark believes that it holds a node more.
    make = measure.make_image

    def with_a_node_more(*arguments: Any) -> measure.Image:
        image = make(*arguments)
        return measure.Image(text=image.text, heads=image.heads, live=image.live, node_count=image.node_count + 1)

    monkeypatch.setattr(measure, "make_image", with_a_node_more)
    options = ["--preset", "tiny", "--nodes", "20", "--latency", "7", "--list", "slots64"]
    assert run(["bench", "walk", *options, "--json"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "wrong walk: slots64 at L = 7 on saoffload: 20 nodes visited, expected 21\n"


@pytest.mark.parametrize(
    ("engine", "reason"),
    [("saoffload", "LOOP after 20 nodes"), ("serial", "1 of 1 lists did not end")],
)
def test_a_ring_is_told_and_given_up(
    engine: str, reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make = measure.make_image

    def ring(lists: list[list[int]], config: Any) -> measure.Image:
        # The last node's Next, the only word that is NULL, names the 16th node, which the loop detector saves last.
        image = make(lists, config)
        words = image.text.splitlines()
        place = words.index("0")
        words[place] = f"{image.heads[0] + lists[0][15]:x}"
        return measure.Image(text="\n".join(words), heads=image.heads, live=image.live, node_count=image.node_count)

    monkeypatch.setattr(measure, "make_image", ring)
    monkeypatch.setattr(measure, "ENGINES", (engine,))
    options = ["--preset", "tiny", "--nodes", "20", "--latency", "7", "--list", "contiguous24"]
    assert run(["bench", "walk", *options]) == 1
    assert capsys.readouterr().err == f"wrong walk: contiguous24 at L = 7 on {engine}: {reason}\n"


def test_help_names_every_list() -> None:
    words = run_command("bench", "walk", "--help").stdout.translate(dict.fromkeys(map(ord, ",.│"), " ")).split()
    assert {name.removesuffix("_down") for name in LISTS} <= set(words)


@pytest.mark.nightly
@pytest.mark.parametrize("preset", ["small", "huge"])
def test_every_list_at_every_latency(preset: str) -> None:
    result = json.loads(run_command("bench", "walk", "--preset", preset, "--nodes", "1000", "--json").stdout)
    check_rows(result, list(LISTS), LATENCIES)
    assert len(result["targets"]) == 27
