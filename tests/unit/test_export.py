"""The ports of the exported engine, as integrators see them."""

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Elaboratable, Fragment

from saoffload.hdl.config import PRESETS, EngineConfig, preset
from saoffload.hdl.export import describe, to_verilog
from saoffload.hdl.table.choice import sa_table
from saoffload.hdl.walk.contexts.walk import ContextWalk

WRITE_CHANNELS = ("m_axi_aw", "m_axi_w", "m_axi_b")
READ_PORTS = {
    *("arid", "araddr", "arlen", "arsize", "arburst", "arlock", "arcache", "arprot", "arqos", "arvalid", "arready"),
    *("rid", "rdata", "rresp", "rlast", "rvalid", "rready"),
}
LITE_PORTS = {
    *("awaddr", "awprot", "awvalid", "awready", "wdata", "wstrb", "wvalid", "wready", "bresp", "bvalid", "bready"),
    *("araddr", "arprot", "arvalid", "arready", "rdata", "rresp", "rvalid", "rready"),
}
ANSWER_FIELDS = {"valid", "hit", "handle", "sa_number", "direction", "context", "epoch"}


def ports_of(config: EngineConfig) -> dict[str, dict[str, Any]]:
    return {port["name"]: port for port in describe(config)["ports"]}


@pytest.mark.parametrize("name", ["tiny", "small", "medium"])
def test_the_ports_have_the_names_of_the_contract(name: str) -> None:
    config = preset(name)
    ports = ports_of(config)
    expected = {"aclk", "aresetn", "irq"}
    expected |= {f"s_axil_{port}" for port in LITE_PORTS} | {f"m_axi_{port}" for port in READ_PORTS}
    for kind, question in (("key", {"spi", "destination", "family", "protocol"}), ("handle", {"handle"})):
        expected |= {f"{kind}_request_{part}" for part in {"valid", "ready"} | question}
        expected |= {f"{kind}_answer_{part}" for part in ANSWER_FIELDS if part != "context" or config.context_width}
        expected |= {f"{kind}_retire_{part}" for part in ("valid", "epoch")}
    assert {port for port in ports if not port.startswith("trace_")} == expected
    assert {port["direction"] for name, port in ports.items() if name.startswith("trace_")} == {"output"}
    assert ports["m_axi_araddr"]["width"] == config.address_width
    assert ports["key_request_destination"]["width"] == 128
    assert ports["handle_request_handle"]["width"] == 64
    if config.context_width:
        assert ports["handle_answer_context"]["width"] == config.context_width


def test_the_engine_cannot_write_host_memory() -> None:
    assert not [port for port in ports_of(preset("small")) if port.startswith(WRITE_CHANNELS)]


def test_a_context_of_no_bits_has_no_port() -> None:
    ports = ports_of(replace(preset("tiny"), context_width=0))
    assert "key_answer_context" not in ports
    assert "handle_answer_context" not in ports
    assert "key_answer_epoch" in ports


def test_reads_carry_the_configured_attributes() -> None:
    with pytest.raises(ValueError, match="arprot"):
        replace(preset("tiny"), arprot=8)
    description = describe(replace(preset("tiny"), arprot=0b101, arcache=0b1011))
    assert (description["config"]["arprot"], description["config"]["arcache"]) == (0b101, 0b1011)
    assert {"name": "aresetn", "direction": "input", "width": 1} in description["ports"]


def test_no_name_begins_with_a_dollar_sign() -> None:
    """An escaped one is legal, but Icarus takes the call of a function of such a name for a system function."""
    assert "\\$" not in to_verilog(preset("tiny"))


@pytest.mark.parametrize("part", [ContextWalk, sa_table])
def test_every_register_has_a_name(part: Callable[[EngineConfig], Elaboratable]) -> None:
    """Who looks at a trace, or at a path that a router reports, finds it in the source."""
    fragments, nameless = [Fragment.get(part(preset("large")), None)], set()
    while fragments:
        fragment = fragments.pop()
        fragments += [part for part, _, _ in fragment.subfragments]
        for statement in chain.from_iterable(fragment.statements.values()):
            nameless |= {signal.src_loc for signal in statement._lhs_signals() if signal.name == "$signal"}
    assert not nameless


def test_the_integration_guide_lists_the_presets_as_they_are() -> None:
    guide = (Path(__file__).resolve().parents[2] / "docs" / "integration-guide.md").read_text()
    rows = {}
    for line in guide.partition("## Sizes")[2].splitlines():
        cells = [cell.strip().replace(",", "") for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            rows[cells[0].strip("`")] = cells[1:]
    assert rows == {
        name: [
            str(config.bundles),
            str(config.keys),
            "yes" if config.ipv6 else "no",
            f"{config.context_width} bits",
            f"{config.address_width} bits",
            str(1 << config.id_width),
            str(config.windows),
            f"{config.command_depth} / {config.completion_depth}",
            str(config.unretired_limit),
        ]
        for name, config in PRESETS.items()
    }
