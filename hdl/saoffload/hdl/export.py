"""The engine as plain Verilog, with the port names that IP integrators know, and a description of it."""

import os
from dataclasses import asdict
from typing import Any

from amaranth._toolchain.yosys import find_yosys
from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, ClockSignal, Const, Module, ResetSignal, Signal, Value, ValueCastable
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.engine import PACKET_PATH, Engine

INTERNAL_ATTRIBUTES = " ".join(
    f"-remove {name}" for name in ("generator", "top", "src", "amaranth.hierarchy", "amaranth.decoding")
)
"""Attributes that tell of this machine, or mean nothing outside amaranth."""

TOP = "saoffload"
"""Name of the Verilog module."""


class ExportedEngine(wiring.Component):
    """The engine under ``aclk`` and ``aresetn`` (active low, sampled by the clock), every port a plain signal.

    Members: ``aclk``, ``aresetn``; ``ports``: name to signal and whether it is an input.
    """

    aclk: Signal
    aresetn: Signal

    def __init__(self, config: EngineConfig):
        self._engine = Engine(config)
        super().__init__({"aclk": In(1), "aresetn": In(1)})
        self._connections: list[tuple[Signal, Value, bool]] = []
        self.ports: dict[str, tuple[Signal, bool]] = {"aclk": (self.aclk, True), "aresetn": (self.aresetn, True)}
        self._flatten("s_axil", self._engine.s_axil, is_ours=False)
        self._flatten("m_axi", self._engine.m_axi, is_ours=True)
        self._add_port("irq", self._engine.irq, is_input=False)
        for name in PACKET_PATH:
            self._flatten_stream(
                name.removesuffix("s"), getattr(self._engine, name), is_input=not name.endswith("answers")
            )
        self._flatten("trace", self._engine.trace, is_ours=True)

    def _flatten(self, prefix: str, interface: Any, *, is_ours: bool) -> None:
        for name, member in wiring.Signature(interface.signature.members).members.items():
            is_input = member.flow == In
            self._add_port(f"{prefix}_{name}", getattr(interface, name), is_input=is_input)

    def _flatten_stream(self, prefix: str, interface: Any, *, is_input: bool) -> None:
        self._add_port(f"{prefix}_valid", interface.valid, is_input=is_input)
        self._add_port(f"{prefix}_ready", interface.ready, is_input=not is_input)
        layout = interface.payload.shape()
        assert isinstance(layout, data.StructLayout)
        for name in layout.members:
            self._add_port(f"{prefix}_{name}", interface.payload[name], is_input=is_input)

    def _add_port(self, name: str, inner: Any, *, is_input: bool) -> None:
        value = inner.as_value() if isinstance(inner, ValueCastable) else Value.cast(inner)
        # A stream that is always ready has no ready signal, a context of no bits no signal at all.
        if isinstance(value, Const) or len(value) == 0:
            return
        port = Signal(len(value), name=name)
        self.ports[name] = (port, is_input)
        self._connections.append((port, value, is_input))

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.engine = self._engine
        m.d.comb += [ClockSignal().eq(self.aclk), ResetSignal().eq(~self.aresetn)]
        for port, inner, is_input in self._connections:
            m.d.comb += inner.eq(port) if is_input else port.eq(inner)
        return m


def to_rtlil(config: EngineConfig) -> str:
    """What synthesis reads: never the Verilog."""
    engine = ExportedEngine(config)
    return rtlil.convert(engine, name=TOP, ports=[port for port, _ in engine.ports.values()], emit_src=False)


def to_verilog(config: EngineConfig) -> str:
    """Verilog of one engine, one module hierarchy under ``saoffload``. The same configuration gives the same text.

    Amaranth's own converter keeps processes as ``always @*``. One that only assigns constants then waits for a change of
    nothing: no simulator ever runs it. So every process becomes assignments and flip-flops here.
    """
    # The small yosys that comes with amaranth, whatever else is installed: another version writes other text.
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    yosys = find_yosys(lambda version: version >= (0, 40))
    commands = [
        f"read_rtlil <<rtlil\n{to_rtlil(config)}\nrtlil",
        "proc",
        "opt_clean",
        "memory_collect",
        f"attrmap {INTERNAL_ATTRIBUTES}",
        f"attrmap -modattr {INTERNAL_ATTRIBUTES}",
        "write_verilog -norename",
    ]
    return yosys.run(["-q", "-"], "\n".join(commands), ignore_warnings=True)


def describe(config: EngineConfig) -> dict[str, Any]:
    """What an integrator's script needs to know of the Verilog: its sizes, and each port's direction and width."""
    engine = ExportedEngine(config)
    return {
        "module": TOP,
        "preset": config.name,
        "config": asdict(config),
        "index_bits": config.index_bits,
        "generation_bits": config.generation_bits,
        "ports": [
            {"name": name, "direction": "input" if is_input else "output", "width": len(port)}
            for name, (port, is_input) in engine.ports.items()
        ],
    }
