"""The engine's Verilog inside another design: its pins by name."""

from collections.abc import Collection

from amaranth.hdl import Instance, Module, Signal
from amaranth.lib import wiring

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.engine import EngineSignature
from saoffload.hdl.export import flat_ports
from saoffload.sim.designs import TOP as ENGINE


class EnginePins:
    """A signal for each port of the engine but clock and reset.

    Parameter: ``config``. Members: ``pins``, by name.
    """

    def __init__(self, config: EngineConfig):
        flat = list(flat_ports(EngineSignature(config).create()))
        self.pins = {port.name: Signal(len(port.value), name=port.name) for port in flat}
        self._inputs = {port.name for port in flat if port.is_input}

    def instance(self, clock: Signal, reset_n: Signal) -> Instance:
        """The engine behind these pins."""
        pins: dict[str, Signal] = {"i_aclk": clock, "i_aresetn": reset_n}
        pins |= {f"{'i' if name in self._inputs else 'o'}_{name}": pin for name, pin in self.pins.items()}
        return Instance(ENGINE, **pins)

    def connect(self, m: Module, prefix: str, interface: wiring.PureInterface, *, names: Collection[str] = ()) -> None:
        """Joins the pins ``prefix_name`` with the members of an interface of plain signals: all, or those ``names``."""
        for name in names or interface.signature.members:
            pin, signal = self.pins[f"{prefix}_{name}"], getattr(interface, name)
            m.d.comb += pin.eq(signal) if f"{prefix}_{name}" in self._inputs else signal.eq(pin)

    def connect_stream(self, m: Module, prefix: str, stream: wiring.PureInterface) -> None:
        """Joins the pins of one of the packet path's streams with that stream, seen from the packet path."""
        for name in ("valid", "ready", *stream.payload.shape().members):
            pin = self.pins.get(f"{prefix}_{name}")
            if pin is None:
                continue
            signal = getattr(stream, name) if name in ("valid", "ready") else stream.payload[name]
            m.d.comb += pin.eq(signal) if f"{prefix}_{name}" in self._inputs else signal.eq(pin)
