"""What crosses the rooms of an engine: that nothing is forgotten, and what its registers do."""

import json
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import ClockDomain, Module, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tests.unit.streams import Monitor, Probe, receive_all, send_all, simulate

from saoffload.hdl.borders import LINKS, Borders, Wire, has_registers, wires_of
from saoffload.hdl.bus.choice import read_master
from saoffload.hdl.config import PRESETS, preset
from saoffload.hdl.control.control import Control
from saoffload.hdl.engine import PACKET_PATH
from saoffload.hdl.soft_reset import SoftReset
from saoffload.hdl.table.choice import sa_table
from saoffload.hdl.walk.walk import Walk

TOOL = Path(__file__).resolve().parents[2] / "tools" / "borders.py"
ROOMS: dict[str, Any] = {
    "control": Control,
    "soft_reset": lambda _config: SoftReset(),
    "walk": Walk,
    "read_master": read_master,
    "table": sa_table,
}
#: Ports that lead out of the engine, that only a trace shows, or that the engine makes or joins itself.
OTHERS = {
    "control": {
        *("axi", "irq", "completion_is_posted", "flush_is_reported"),
        *(f"{kind}_{event}" for kind in ("key", "handle") for event in ("lookup", "hit")),
        *("handle_deleted", "handle_not_found", "do_reset"),
    },
    "soft_reset": {"is_offered", "may_read", "do_reset", "will_reset"},
    "walk": {
        *("visited_context", "visited_address", "visited_handle"),
        *("command_context", "answered_context", "result_context", "reads"),
    },
    "read_master": {"axi", "requests"},
    "table": {*PACKET_PATH, "moved", "do_reset"},
}
WIDTH = 5


@pytest.mark.parametrize("name", PRESETS)
def test_every_port_of_every_room_is_accounted_for(name: str) -> None:
    config = preset(name)
    told: dict[str, list[str]] = {room: [] for room in ROOMS}
    for link in LINKS:
        told[link.source].append(link.stream)
        told[link.sink].append(link.stream)
    for wire in wires_of(config):
        told[wire.reader].append(wire.read_as or wire.name)
    for room, make in ROOMS.items():
        owned = {wire.name for wire in wires_of(config) if wire.owner == room}
        assert sorted(chain(told[room], owned, OTHERS[room])) == sorted(make(config).signature.members), room


def test_small_parts_have_no_registers() -> None:
    assert [name for name in PRESETS if not has_registers(preset(name))] == ["tiny"]


class Source(wiring.Component):
    """A room that sends: the bench drives its ports."""

    requests: stream.Interface
    answers: stream.Interface
    state: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "requests": Out(stream.Signature(WIDTH)),
                "answers": Out(stream.Signature(WIDTH, always_ready=True)),
                "state": Out(1, init=1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        return Module()


class Sink(wiring.Component):
    """A room that takes."""

    requests: stream.Interface
    answers: stream.Interface
    state: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "requests": In(stream.Signature(WIDTH)),
                "answers": In(stream.Signature(WIDTH, always_ready=True)),
                "state": In(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        return Module()


@pytest.mark.parametrize("is_registered", [False, True])
@pytest.mark.parametrize("name", ["tiny", "huge"])
def test_a_register_is_a_clock(name: str, is_registered: bool) -> None:
    """Streams and signals lead from one room to the other, a clock later where there are registers."""
    clocks = 1 if is_registered and name == "huge" else 0
    source, sink = Source(), Sink()
    m, borders = Module(), Borders(preset(name))
    m.domains.sync = ClockDomain()
    m.submodules += (source, sink, borders)
    for port in ("requests", "answers"):
        borders.join(getattr(source, port), getattr(sink, port), name=port, is_registered=is_registered)
    m.d.comb += sink.state.eq(borders.told(source.state, name="state", is_registered=is_registered))
    sent, received = Monitor(source.requests), Monitor(sink.requests)
    told, heard = Monitor(source.answers), Monitor(sink.answers)
    state, known = Probe(source.state), Probe(sink.state)

    async def ask(ctx: Any) -> None:
        await send_all(ctx, source.requests, range(20))

    async def take(ctx: Any) -> None:
        assert await receive_all(ctx, sink.requests, 20) == list(range(20))

    async def answer(ctx: Any) -> None:
        await send_all(ctx, source.answers, range(20))

    async def change(ctx: Any) -> None:
        await ctx.tick().repeat(4)
        ctx.set(source.state, 0)
        await ctx.tick().repeat(3)
        ctx.set(source.state, 1)

    simulate(m, ask, take, answer, change, monitors=[sent, received, told, heard, state, known])
    assert [clock + clocks for clock in sent.offer_clocks] == received.offer_clocks
    assert [clock + clocks for clock in told.clocks] == heard.clocks
    assert heard.payloads == told.payloads == list(range(20))
    assert known.values[clocks:] == state.values[: len(state.values) - clocks]
    # A state that is 1 from the start is never told to be 0.
    assert known.values[0] == 1


TOLD_AS_THEY_ARE = {"lost_id_count", "retire_is_due", "retire_age"}
"""States that a reset leaves alone: of the read master, and of the packet path."""


def test_what_a_reset_leaves_alone_is_told_through_it() -> None:
    """``registers.rdl``: a reset changes neither the lost IDs nor the answers that wait to be retired."""
    marked = {wire.name for wire in wires_of(preset("huge")) if wire.outlives_reset}
    assert marked == TOLD_AS_THEY_ARE
    source = Source()
    m, borders = Module(), Borders(preset("huge"))
    m.domains.sync = ClockDomain()
    do_reset = Signal()
    m.submodules.source, m.submodules.borders = source, ResetInserter(do_reset)(borders)
    kept, lost = (
        borders.lead(Wire("table", "control", name, is_registered=True, outlives_reset=outlives), source.state)
        for name, outlives in (("kept", True), ("lost", False))
    )
    seen: list[tuple[int, int]] = []

    async def bench(ctx: Any) -> None:
        for clock in range(8):
            ctx.set(do_reset, clock == 4)
            ctx.set(source.state, clock < 2)
            seen.append((ctx.get(kept), ctx.get(lost)))
            await ctx.tick()

    simulate(m, bench)
    assert [state for state, _ in seen] == [1, 1, 1, 0, 0, 0, 0, 0]
    # The other begins anew.
    assert [state for _, state in seen] == [1, 1, 1, 0, 0, 1, 0, 0]


@pytest.mark.nightly
def test_the_tool_refuses_a_preset_that_is_not_there() -> None:
    done = subprocess.run([sys.executable, TOOL, "--preset", "vast"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: unknown preset 'vast'")


@pytest.mark.nightly
def test_how_deep_the_borders_are() -> None:
    """What is said of every signal that crosses, on the smallest engine: what comes from a register has no level."""
    command = [sys.executable, TOOL, "--preset", "tiny", "--json"]
    rows = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=3600).stdout)
    told = {(row["source"], row["sink"], row["signal"]): row for row in rows}
    assert len(told) == len(rows) > 60
    assert not any(row["is_registered"] for row in rows)
    for row in rows:
        assert row["levels"] == row["before"] + row["behind"]
    for command_port in ("valid", "payload"):
        assert told["control", "walk", f"commands.{command_port}"]["before"] == 0
    assert told["read_master", "walk", "busy_ids"]["before"] == 0 < told["read_master", "walk", "busy_ids"]["behind"]
    assert told["walk", "control", "results.valid"]["through"].keys() == {"graces.valid"}
