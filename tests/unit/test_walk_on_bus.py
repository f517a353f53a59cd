"""The walk and the read master together, on AXI: the period that a host's memory sees."""

from collections import deque
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from tests.unit.streams import receive, send, simulate
from tests.unit.walk_bench import X64, DeletePort, Memory

from saoffload.boards.bus_walk import BusWalk
from saoffload.hdl.config import EngineConfig, preset
from saoffload.hdl.layouts import Opcode, Status

SERIAL = replace(preset("small"), contexts=1)
SHARED = replace(preset("small"), contexts=2)


@pytest.mark.parametrize(("config", "more"), [(SERIAL, 3), (SHARED, 4)], ids=["serial", "contexts"])
@pytest.mark.parametrize("latency", [1, 5, 13, 100])
def test_period_on_axi(latency: int, config: EngineConfig, more: int) -> None:
    """Scattered x64 nodes, a beat per clock, ``latency`` clocks from the address to the first beat."""
    walk, memory = BusWalk(config), Memory()
    axi = walk.axi
    addresses = [0x2_0000 + 32 * place for place in Random(1).sample(range(512), 12)]
    for number, (address, next_address) in enumerate(zip(addresses, [*addresses[1:], 0], strict=True)):
        memory.write(address, X64.node(next_address, 0x8000_0000 + number))
    table = DeletePort(walk, {0x8000_0000 + number for number in range(0, 12, 2)})
    address_clocks = []

    async def answer(ctx: Any) -> None:
        beats: deque[tuple[int, int, int, bool]] = deque()
        clock = 0
        ctx.set(axi.arready, 1)
        while True:
            is_due = bool(beats) and beats[0][0] <= clock
            ctx.set(axi.rvalid, is_due)
            if is_due:
                _, read_id, word, is_last = beats.popleft()
                ctx.set(axi.rid, read_id)
                ctx.set(axi.rdata, int.from_bytes(memory.read(word, 8), "little"))
                ctx.set(axi.rlast, is_last)
            _, _, valid, read_id, address, length = await ctx.tick().sample(
                axi.arvalid, axi.arid, axi.araddr, axi.arlen
            )
            if valid:
                address_clocks.append(clock)
                for number in range(length + 1):
                    beats.append((clock + latency + number, read_id, address + 8 * number, number == length))
            clock += 1

    async def bench(ctx: Any) -> None:
        await send(ctx, walk.window_writes, {"index": 0, "base": 0x2_0000, "size": 0x4000, "bus_base": 0x2_0000})
        assert not (await receive(ctx, walk.window_write_answers))["refused"]
        await send(ctx, walk.commands, {"opcode": Opcode.WALK, "abi": 0, "tag": 9, "head": addresses[0], "budget": 0})
        result = await receive(ctx, walk.results)
        assert result == {
            "tag": 9,
            "status": Status.OK,
            "visited": 12,
            "deleted": 6,
            "not_found": 6,
            "fault_address": 0,
        }

    simulate(walk, bench, background=[answer, table.run], deadline=5000)
    assert {after - before for before, after in pairwise(address_clocks)} == {latency + more}


@pytest.mark.parametrize("released", range(36, 45))
def test_a_read_that_leaves_as_its_time_is_up_is_abandoned(released: int) -> None:
    """Two walks ask on a bus that takes nothing until both have given up, or nearly: every read that is taken after
    all is lost, and counted.
    """
    walk = BusWalk(SHARED)
    axi, table = walk.axi, DeletePort(walk, set())
    taken = []

    async def bench(ctx: Any) -> None:
        ctx.set(walk.timeout, 12)
        await send(ctx, walk.window_writes, {"index": 0, "base": 0x2_0000, "size": 0x4000, "bus_base": 0x2_0000})
        assert not (await receive(ctx, walk.window_write_answers))["refused"]
        ctx.set(walk.results.ready, 1)
        clock = sent = ended = 0
        while ended < 2 or clock < released + 12:
            ctx.set(axi.arready, clock >= released)
            ctx.set(walk.commands.valid, sent < 2)
            head = 0x2_0000 + 64 * sent
            ctx.set(walk.commands.payload, {"opcode": Opcode.WALK, "abi": 0, "tag": sent, "head": head, "budget": 0})
            commands, results = walk.commands, walk.results
            _, _, is_read, is_sent, has_ended, read_id = await ctx.tick().sample(
                axi.arvalid & axi.arready, commands.valid & commands.ready, results.valid, axi.arid
            )
            taken.extend([read_id] if is_read else [])
            sent += is_sent
            ended += has_ended
            clock += 1
        assert ctx.get(walk.lost_id_count) == len(taken)

    simulate(walk, bench, background=[table.run], deadline=2000)
