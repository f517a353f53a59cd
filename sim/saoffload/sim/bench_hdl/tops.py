"""What is simulated: a walker, the memory that it is measured on, and a stopwatch, under one top."""

from abc import ABC, abstractmethod
from importlib import resources

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Instance, Module, ResetSignal, Signal
from amaranth.lib.wiring import connect

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.export import lowered
from saoffload.sim.designs import engine_verilog

from .engine_pins import EnginePins
from .read_memory import ReadMemory
from .serial_walker import ADDRESS_WIDTH, SerialWalker
from .stopwatch import Stopwatch

MEMORY_BASE = 0x1000_0000
MEMORY_BYTES = 64 << 20
TOP = "measured"
"""Name of the Verilog module."""

_COUNTS = ("beat_count", "byte_count", "burst_count", "refused_count")


class _Measured(Elaboratable, ABC):
    """A walker with memory and stopwatch, under ``aclk`` and ``aresetn``. ``ports`` are the top's, by name:

    ``latency``, ``beat_count``, ``byte_count``, ``burst_count``, ``refused_count`` (see ``ReadMemory``), ``do_load`` (a
    rising edge reads the file memory.hex), ``cycles``, ``start_count``, ``stop_count`` (see ``Stopwatch``), and those
    of the walker.
    """

    def __init__(self, *, address_width: int, data_width: int, id_width: int):
        self.memory = ReadMemory(
            address_width=address_width,
            data_width=data_width,
            id_width=id_width,
            base=MEMORY_BASE,
            size=MEMORY_BYTES,
        )
        self.stopwatch = Stopwatch()
        self._data_width = data_width
        self._do_load = Signal()
        self._clock, self._reset_n = Signal(), Signal()
        self.ports: dict[str, Signal] = {
            "aclk": self._clock,
            "aresetn": self._reset_n,
            "latency": self.memory.latency,
            "do_load": self._do_load,
            **{name: getattr(self.memory, name) for name in _COUNTS},
            **{name: getattr(self.stopwatch, name) for name in ("cycles", "start_count", "stop_count")},
        }

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.memory = memory = self.memory
        m.submodules.stopwatch = self.stopwatch
        m.submodules.words = Instance(
            "saoffload_words",
            p_WIDTH=self._data_width,
            p_ADDRESS_BITS=len(memory.word_address),
            i_do_load=self._do_load,
            i_address=memory.word_address,
            o_word=memory.word,
        )
        m.d.comb += [ClockSignal().eq(self._clock), ResetSignal().eq(~self._reset_n)]
        self._add_walker(m)
        return m

    @abstractmethod
    def _add_walker(self, m: Module) -> None:
        """Puts what is measured between the memory and the stopwatch: a top of each kind says how."""


class MeasuredEngine(_Measured):
    """The engine. Its ports but those of its memory bus are the top's. The stopwatch runs from the first command taken
    to the latest completion.
    """

    def __init__(self, config: EngineConfig):
        super().__init__(address_width=config.address_width, data_width=config.data_width, id_width=config.id_width)
        self._engine = EnginePins(config)
        pins = self._engine.pins
        self.ports |= {name: pin for name, pin in pins.items() if not name.startswith(("m_axi", "trace"))}

    def _add_walker(self, m: Module) -> None:
        m.submodules.engine = self._engine.instance(self._clock, self._reset_n)
        self._engine.connect(m, "m_axi", self.memory.axi)
        m.d.comb += [
            self.stopwatch.do_start.eq(self._engine.pins["trace_command_valid"]),
            self.stopwatch.do_stop.eq(self._engine.pins["trace_completion_valid"]),
        ]


class MeasuredSerial(_Measured):
    """The plain walker. ``head``, ``do_start``, ``is_done``, ``has_failed`` and ``visited_count`` are its own."""

    def __init__(self, *, data_width: int):
        super().__init__(address_width=ADDRESS_WIDTH, data_width=data_width, id_width=1)
        self._walker = SerialWalker(data_width=data_width)
        own = ("head", "do_start", "is_done", "has_failed", "visited_count")
        self.ports |= {name: getattr(self._walker, name) for name in own}

    def _add_walker(self, m: Module) -> None:
        m.submodules.walker = walker = self._walker
        connect(m, walker.axi, self.memory.axi)
        m.d.comb += [self.stopwatch.do_start.eq(walker.do_start), self.stopwatch.do_stop.eq(walker.is_done)]


def measured_engine_verilog(config: EngineConfig) -> str:
    """Verilog of the engine under ``measured``."""
    return _verilog(MeasuredEngine(config)) + engine_verilog(config)


def measured_serial_verilog(*, data_width: int) -> str:
    """Verilog of the plain walker under ``measured``."""
    return _verilog(MeasuredSerial(data_width=data_width))


def _verilog(design: _Measured) -> str:
    ports = {name: (value, None) for name, value in design.ports.items()}
    words = resources.files(__package__).joinpath("words.v").read_text()
    return words + lowered(rtlil.convert(design, name=TOP, ports=ports, emit_src=False))
