"""The engine as plain Verilog, with the port names that IP integrators know, and a description of it."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, NamedTuple

from amaranth._toolchain.yosys import find_yosys
from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, ClockSignal, Const, Elaboratable, Module, ResetSignal, Shape, Signal, Value
from amaranth.lib.wiring import In

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.engine import PACKET_PATH, Engine, EngineSignature

INTERNAL_ATTRIBUTES = " ".join(
    f"-remove {name}" for name in ("generator", "top", "src", "amaranth.hierarchy", "amaranth.decoding")
)
"""Attributes that tell of this machine, or mean nothing outside amaranth."""

TOP = "saoffload"
"""Name of the Verilog module."""


class FlatPort(NamedTuple):
    """One port of the Verilog, and the value of the engine behind it."""

    name: str
    value: Value
    is_input: bool


def flat_ports(engine: Any) -> Iterator[FlatPort]:
    """The ports of an engine, or of an interface of ``EngineSignature``, one plain signal each.

    A stream that is always ready has no ready signal, and a context of no bits no signal at all.
    """
    for prefix in ("s_axil", "m_axi", "trace"):
        interface = getattr(engine, prefix)
        for name, member in interface.signature.members.items():
            yield FlatPort(f"{prefix}_{name}", Value.cast(getattr(interface, name)), member.flow == In)
    yield FlatPort("irq", Value.cast(engine.irq), is_input=False)
    for stream_name in PACKET_PATH:
        stream, prefix = getattr(engine, stream_name), stream_name.removesuffix("s")
        is_input = not stream_name.endswith("answers")
        yield FlatPort(f"{prefix}_valid", stream.valid, is_input)
        if not isinstance(stream.ready, Const):
            yield FlatPort(f"{prefix}_ready", stream.ready, not is_input)
        for name, field in stream.payload.shape().members.items():
            if Shape.cast(field).width:
                yield FlatPort(f"{prefix}_{name}", Value.cast(stream.payload[name]), is_input)


class ExportedEngine(Elaboratable):
    """The engine under ``aclk`` and ``aresetn`` (active low, sampled by the clock), every port a plain signal.

    Members: ``ports``: the signals of the module, each with its name.
    """

    def __init__(self, config: EngineConfig):
        self._engine = Engine(config)
        self._clock = Signal(name="aclk")
        self._reset_n = Signal(name="aresetn")
        self._flat = [(port, Signal(len(port.value), name=port.name)) for port in flat_ports(self._engine)]
        self.ports = [self._clock, self._reset_n, *(signal for _, signal in self._flat)]

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.engine = self._engine
        m.d.comb += [ClockSignal().eq(self._clock), ResetSignal().eq(~self._reset_n)]
        for port, signal in self._flat:
            m.d.comb += port.value.eq(signal) if port.is_input else signal.eq(port.value)
        return m


def to_rtlil(config: EngineConfig) -> str:
    """What synthesis reads: never the Verilog."""
    engine = ExportedEngine(config)
    return rtlil.convert(engine, name=TOP, ports=engine.ports, emit_src=False)


def to_verilog(config: EngineConfig) -> str:
    """Verilog of one engine, one module hierarchy under ``saoffload``. The same configuration gives the same text."""
    return lowered(to_rtlil(config))


def lowered(rtlil_text: str) -> str:
    """RTLIL as Verilog that every simulator runs.

    Amaranth's own converter keeps processes as ``always @*``. One that only assigns constants then waits for a change
    of nothing: no simulator ever runs it. So every process becomes assignments and flip-flops here.
    """
    # Names that yosys chose begin with "$", which Icarus takes for system functions: they are numbered instead.
    return _written(rtlil_text, passes=("proc", "opt_clean"))


def branching(rtlil_text: str) -> str:
    """RTLIL as Verilog whose processes keep the branches of their source, for Verilator: it counts which are taken.

    A process is ``always_comb``, which Verilator runs at time 0 even if it waits for a change of nothing.
    """
    return _written(rtlil_text, passes=("proc -nomux -norom",), options=("-sv",))


def _written(rtlil_text: str, *, passes: Iterable[str] = (), options: Iterable[str] = ()) -> str:
    # The small yosys that comes with amaranth, whatever else is installed: another version writes other text.
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    yosys = find_yosys(lambda version: version >= (0, 40))
    commands = [
        f"read_rtlil <<rtlil\n{rtlil_text}\nrtlil",
        *passes,
        "memory_collect",
        f"attrmap {INTERNAL_ATTRIBUTES}",
        f"attrmap -modattr {INTERNAL_ATTRIBUTES}",
        " ".join(("write_verilog", *options)),
    ]
    return yosys.run(["-q", "-"], "\n".join(commands), ignore_warnings=True)


def describe(config: EngineConfig) -> dict[str, Any]:
    """What an integrator's script needs to know of the Verilog: its sizes, and each port's direction and width."""
    clocking = [{"name": name, "direction": "input", "width": 1} for name in ("aclk", "aresetn")]
    ports = [
        {"name": port.name, "direction": "input" if port.is_input else "output", "width": len(port.value)}
        for port in flat_ports(EngineSignature(config).create())
    ]
    return {
        "module": TOP,
        "preset": config.name,
        "config": asdict(config),
        "index_bits": config.index_bits,
        "generation_bits": config.generation_bits,
        "ports": clocking + ports,
    }
