"""`saoffload bench table`: the JSON that docs/json.md promises, and plots."""

from pathlib import Path

import pytest
from tests.end_to_end.command import run_command, run_json

pytestmark = pytest.mark.rtl

COUNTS = ("mean", "p99", "max")


def test_json_and_plot(tmp_path: Path) -> None:
    plot = tmp_path / "adds.svg"
    figures = run_json("bench", "table", "--preset", "large", "--keys", "random", "--plot", str(plot))
    assert figures["preset"] == "large"
    assert figures["capacity"] == figures["bundles"] == 4096
    assert 0.95 <= figures["load_at_first_refusal"] <= 1
    assert figures["lookups_per_clock"] == figures["handle_lookups_per_clock"] == 1
    assert figures["clocks_per_delete"] == 1
    assert figures["clocks_per_flush"] > 4096
    assert figures["seeds"] == 1
    assert list(figures["families"]) == ["random"]
    for name in ("clocks_per_add", "moves_per_add"):
        assert list(figures[name]) == ["50", "90", "95", "99"]
        assert figures[name]["99"] is None, "four ways are refused before"
        for load in ("50", "90", "95"):
            mean, p99, most = (figures[name][load][count] for count in COUNTS)
            assert 0 <= mean <= p99 <= most or p99 <= mean <= most
    assert figures["clocks_per_add"]["50"]["mean"] < figures["clocks_per_add"]["95"]["mean"]
    for name in ("lookup_latency", "handle_lookup_latency", "delete_latency", "lookups_checked"):
        assert figures[name] > 0
    for name in ("simulated_clocks_per_second", "model_operations_per_second"):
        assert figures[name] > 1000
    text = plot.read_text()
    assert text.startswith("<?xml")
    assert "clocks per add" in text


def test_text(tmp_path: Path) -> None:
    plot = tmp_path / "adds.png"
    ran = run_command("bench", "table", "--preset", "large", "--plot", str(plot))
    assert ran.returncode == 0, ran.stderr
    assert "first refusal at 9" in ran.stdout
    assert "1 key and 1 handle lookups per clock" in ran.stdout
    # Compiled now or by an earlier run.
    assert all(line.startswith("compile the ") for line in ran.stderr.splitlines())
    assert plot.read_bytes().startswith(b"\x89PNG")
