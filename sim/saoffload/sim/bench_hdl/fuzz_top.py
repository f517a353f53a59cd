"""What is fuzzed: an engine between a memory that misbehaves, a packet path that never rests, and a host."""

from importlib import resources
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import (
    Cat,
    ClockDomain,
    ClockSignal,
    Const,
    Elaboratable,
    Instance,
    Module,
    Signal,
    Value,
)

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.control.bank import ADDRESS_WIDTH
from saoffload.hdl.export import lowered
from saoffload.sim.designs import engine_verilog
from saoffload.sim.fuzz.records import FIELDS, KINDS, MEMORY_BYTES

from .engine_pins import EnginePins
from .lite_master import LiteMaster
from .lookup_traffic import LookupTraffic
from .responder import FAULTY_WORD, Responder

TOP = "fuzzed"
"""Name of the Verilog module."""

_MEMORY_SETTINGS = ("latency", "spread", "late_clocks", "address_stall", "beat_stall", "does_mix", "do_release")


class FuzzedEngine(Elaboratable):
    """The engine with its surroundings under ``aclk`` and ``aresetn``. ``ports`` are the top's, by name:

    The settings of ``Responder``; ``key_rate``, ``handle_rate`` and what else ``LookupTraffic`` has; ``access`` and
    ``outcome`` (see ``LiteMaster``); ``irq``; ``seed`` of all dice, ``do_restart`` of all of them; rising edges of
    ``do_load_memory``, ``do_load_keys``, ``do_load_handles`` read the files memory.hex, keys.hex and handles.hex;
    ``do_open``, ``do_flush`` (see event_log.v), ``is_logged``, and ``clock``, the number that stands in records.
    """

    def __init__(self, config: EngineConfig):
        self._engine = EnginePins(config)
        self._memory = Responder(
            address_width=config.address_width,
            data_width=config.data_width,
            id_width=config.id_width,
            size=MEMORY_BYTES,
        )
        self._lookups = {
            "key": LookupTraffic(config, layouts.KEY),
            "handle": LookupTraffic(config, layouts.HANDLE_REQUEST),
        }
        self._host = LiteMaster(address_width=ADDRESS_WIDTH)
        names = ("aclk", "aresetn", "do_restart", "do_open", "do_flush", "is_logged")
        loads = ("do_load_memory", "do_load_keys", "do_load_handles")
        widths = {**dict.fromkeys((*names, *loads), 1), "seed": 64, "clock": 32}
        self._own = {name: Signal(width, name=name) for name, width in widths.items()}
        self.ports: dict[str, Value] = {
            **self._own,
            "irq": self._engine.pins["irq"],
            "access": Value.cast(self._host.access),
            "outcome": Value.cast(self._host.outcome),
            **{name: getattr(self._memory, name) for name in _MEMORY_SETTINGS},
        }
        for kind, lookups in self._lookups.items():
            for name in ("rate", "hold", "is_frozen", "is_draining", "used_count"):
                self.ports[f"{kind}_{name}"] = getattr(lookups, name)

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        own, memory, engine = self._own, self._memory, self._engine
        m.domains.sync = ClockDomain(reset_less=True)
        m.d.comb += ClockSignal().eq(own["aclk"])
        m.submodules.engine = engine.instance(own["aclk"], own["aresetn"])
        m.submodules.memory = memory
        m.submodules.host = self._host
        engine.connect(m, "m_axi", memory.axi)
        engine.connect(m, "s_axil", self._host.axi)
        m.submodules.words = _words(
            "memory.hex", own["do_load_memory"], memory.word_address, FAULTY_WORD.size, Value.cast(memory.word)
        )
        for number, (kind, lookups) in enumerate(self._lookups.items()):
            m.submodules[f"{kind}_lookups"] = lookups
            for stream in ("requests", "answers", "retires"):
                engine.connect_stream(m, f"{kind}_{stream.removesuffix('s')}", getattr(lookups, stream))
            m.submodules[f"{kind}_items"] = _words(
                f"{kind}s.hex", own[f"do_load_{kind}s"], lookups.item_number, len(lookups.item), lookups.item
            )
            m.d.comb += [lookups.seed.eq(own["seed"] + number + 1), lookups.do_restart.eq(own["do_restart"])]
        m.d.comb += [memory.seed.eq(own["seed"]), memory.do_restart.eq(own["do_restart"])]
        m.d.sync += own["clock"].eq(own["clock"] + 1)
        self._log(m)
        return m

    def _log(self, m: Module) -> None:
        """Every strobe of ``KINDS`` with its fields, as ``records.FIELDS`` has them."""
        pins, memory, own = self._engine.pins, self._memory, self._own
        axi = memory.axi
        trace = {name.removeprefix("trace_"): pin for name, pin in pins.items() if name.startswith("trace_")}
        nothing = Const(0)
        strobes: dict[str, tuple[Any, Any, Any, Any]] = {
            "DELETE": (trace["delete_valid"], trace["delete_context"], trace["delete_found"], nothing),
            "RESULT": (trace["result_valid"], trace["result_context"], trace["result_is_flush"], nothing),
            "COMMAND": (trace["command_valid"], trace["command_context"], trace["command_tag"], nothing),
            "NODE": (trace["node_valid"], trace["node_context"], trace["node_address"], trace["node_handle"]),
            "COMPLETION": (trace["completion_valid"], nothing, nothing, nothing),
            "READ": (
                axi.arvalid & axi.arready, Cat(axi.arid, Const(0, 8 - len(axi.arid)), axi.arlen), axi.araddr,
                Cat(axi.arsize, axi.arburst),
            ),
            "HELD": (memory.is_held, memory.held_id, nothing, nothing),
            "OVER": (memory.is_over, memory.over_id, nothing, nothing),
            "ALIEN": (memory.is_alien, nothing, nothing, nothing),
            "DOUBLED": (memory.is_doubled, axi.arid, axi.araddr, nothing),
        }  # fmt: skip
        for kind, lookups in self._lookups.items():
            answer = lookups.answers.payload
            what = Cat(answer.hit, answer.sa_number, answer.direction, Const(0, 1), lookups.answered_slot)
            # A key is too long for a record; keys stay what they are, so that the number tells which.
            asked = lookups.asked if kind == "handle" else lookups.asked_number
            strobes[f"{kind.upper()}_ANSWER"] = (lookups.did_answer, what, asked, Cat(answer.handle, answer.context))
            strobes[f"{kind.upper()}_RETIRE"] = (lookups.did_retire, lookups.retired_slot, nothing, nothing)
        records = []
        for number, name in enumerate(KINDS):
            record = Signal(FIELDS, name=f"record_{name.lower()}")
            m.d.comb += [
                record.kind.eq(number),
                *(record[field].eq(value) for field, value in zip(("small", "x", "y"), strobes[name][1:], strict=True)),
            ]
            records.append(record.as_value())
        m.submodules.log = Instance(
            "saoffload_event_log",
            p_COUNT=len(KINDS),
            p_WIDTH=FIELDS.size,
            i_clk=own["aclk"],
            i_is_on=own["is_logged"] & own["aresetn"],
            i_clock=own["clock"],
            i_valid=Cat(*(strobes[name][0] for name in KINDS)),
            i_records=Cat(*records),
            i_do_open=own["do_open"],
            i_do_flush=own["do_flush"],
        )


def _words(file: str, do_load: Signal, address: Value, width: int, word: Value) -> Instance:
    return Instance(
        "saoffload_words",
        p_WIDTH=width,
        p_ADDRESS_BITS=len(address),
        p_FILE=file,
        i_do_load=do_load,
        i_address=address,
        o_word=word,
    )


def fuzzed_verilog(config: EngineConfig) -> str:
    """Verilog of the engine in its surroundings."""
    design = FuzzedEngine(config)
    ports = {name: (value, None) for name, value in design.ports.items()}
    parts = [resources.files(__package__).joinpath(name).read_text() for name in ("words.v", "event_log.v")]
    return (
        "".join(parts) + lowered(rtlil.convert(design, name=TOP, ports=ports, emit_src=False)) + engine_verilog(config)
    )
