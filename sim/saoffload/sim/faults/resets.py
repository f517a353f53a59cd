"""Part ``resets``: a reset, of the whole or by register, at every clock of a short walk."""

from typing import Any, NamedTuple

import cocotb

from saoffload.host.interrupts import Event
from saoffload.host.lists import ListBuilder
from saoffload.host.register_map import Register
from saoffload.sim.benches.memory import Fault, Stall

from .rig import FIRST_HANDLE, Rig, bundle_of

BASE = 0x10_0000
SIZE = 0x1000
NODES = 2
BUNDLES = 4
LATENCY = 12
TAIL_CLOCKS = 12
"""Clocks after the completion in which resets are tried as well."""
QUIET_CLOCKS = 150
"""Far longer than a walk and its grace period take."""
TIMEOUT = 40
ADD_CLOCKS = 600
"""No add takes longer that need not wait."""


class Variant(NamedTuple):
    """``is_soft``: by register. ``lasts``: clocks for which a hard reset is held. ``is_silent``: the memory never
    answers, so that the reset has to wait for the timeout.
    """

    is_soft: bool
    lasts: int = 1
    is_silent: bool = False


VARIANTS = [
    Variant(is_soft=False, lasts=1),
    Variant(is_soft=False, lasts=5),
    Variant(is_soft=True),
    Variant(is_soft=True, is_silent=True),
]


async def run(dut: Any, chosen: list[int], *, step: int) -> dict[str, int]:
    """The chosen of ``VARIANTS``, each at every ``step``-th clock from the doorbell to after the completion."""
    rig = Rig(dut, latency=LATENCY, stall=Stall(address=300))
    done = {"cases": 0, "clocks": 0, "in_walk": 0}
    for number in chosen:
        variant = VARIANTS[number]
        delay, tail = 0, TAIL_CLOCKS
        while tail > 0:
            async with rig.described(f"{variant}, {delay} clocks after the doorbell"):
                was_over = await _run_case(rig, variant, delay)
            done["cases"] += 1
            done["in_walk"] += not was_over
            tail -= step if was_over else 0
            delay += step
        done["clocks"] += delay
    return done


async def _run_case(rig: Rig, variant: Variant, delay: int) -> bool:
    """True when the walk was over before the reset."""
    dut, driver, memory = rig.dut, rig.driver, rig.memory
    builder = ListBuilder(base=BASE, size=SIZE, seed=4)
    # The list names one inbound and one outbound bundle; two more live beside them.
    handles = [FIRST_HANDLE + index for index in range(NODES)]
    placed = builder.scattered(handles)
    await rig.begin([builder.window], read_timeout=TIMEOUT if variant.is_silent else 0)
    memory.add(BASE, builder.image())
    secret = (1 << driver.capabilities.context_width) - 1
    bundles = [bundle_of(index, is_outbound=bool(index & 1), context=secret) for index in range(BUNDLES)]
    await rig.restore(*bundles)
    held = await rig.ask("key", [0x1000 + 2], retires=False)
    assert held[0]["hit"]
    if variant.is_silent:
        memory.faults[placed.addresses[0]] = Fault(delay=-1)
    await driver.commands.submit_walk(placed.head)
    await rig.clocks(delay)
    was_over = bool(rig.trace.posted) or (bool(rig.trace.commands) and rig.trace.commands[0].ended is not None)

    if variant.is_soft:
        await driver.registers.write(Register.RESET, 1)
        # Read as fast as the bus can: what it says holds in that very clock.
        while (await driver.status()).is_resetting:
            pass
        assert memory.is_idle, "reset while a read that somebody waits for was under way"
    else:
        await rig.edge
        dut.aresetn.value = 0
        # The memory is reset as well: it forgets what it has, and what it takes in the clock of the reset.
        memory.drop()
        await rig.clocks(variant.lasts)
        dut.aresetn.value = 1
        await rig.clocks(1)
        memory.drop()
    rig.trace.clear()

    # From now on nothing of before is seen, whatever is asked, during the scrub and after it.
    await _expect_nothing(rig, bundles)
    status = await driver.status()
    assert status.table_was_lost
    assert Event.TABLE_LOST in await driver.interrupts.pending()
    await driver.wait_ready(timeout_ms=rig.milliseconds(60_000))
    reads = len(memory.bursts)
    await _expect_nothing(rig, bundles)
    await rig.clocks(QUIET_CLOCKS)
    assert len(memory.bursts) == reads, "a read of a forgotten command"
    assert not (await driver.status()).completion_is_valid, "a completion of a forgotten command"
    assert await driver.table.live_bundles() == await driver.table.live_keys() == 0
    assert await driver.registers.read(Register.TIMEOUT) == await driver.registers.read(Register.INTERRUPT_ENABLE) == 0
    counters = await driver.counters.read()
    assert (counters.visited_nodes, counters.completions, counters.unknown_beats) == (0, 0, 0), counters
    if variant.is_silent and memory.withheld:
        # What may still be answered is remembered over the reset.
        assert await driver.lost_ids() == 1
        assert not (await driver.status()).is_quiesced
        memory.answer_withheld()
    await driver.recover(timeout_ms=rig.milliseconds(60_000))
    await rig.end([(BASE, SIZE)])

    # A window is needed again, and the same list works, on bundles that have nothing of those of before.
    memory.faults.clear()
    await driver.windows.set(0, builder.window)
    fresh = [bundle_of(index, is_outbound=bool(index & 1)) for index in range(BUNDLES)]
    if variant.is_soft:
        # No index is issued before the answers of before are retired.
        first = cocotb.start_soon(rig.restore(fresh[0]))
        await rig.clocks(ADD_CLOCKS)
        assert (await driver.status()).add_is_waiting
        await rig.retire("key", held[0]["epoch"])
        await first
        del fresh[0]
    await rig.restore(*fresh)
    hit = (await rig.ask("key", [0x1000 + 2]))[0]
    assert (hit["hit"], hit["handle"], hit.get("context", 0)) == (1, FIRST_HANDLE + 2, 0), hit
    tag = await driver.commands.submit_walk(placed.head)
    completion = await driver.completions.wait(tag, timeout_ms=rig.milliseconds(5000))
    assert (completion.status.name, completion.visited, completion.deleted) == ("OK", NODES, NODES), completion
    assert (await driver.counters.read()).bad_retires == 0
    return was_over


async def _expect_nothing(rig: Rig, bundles: list[Any]) -> None:
    keys = await rig.ask("key", [bundle.sas[0].spi for bundle in bundles])
    handles = await rig.ask("handle", [bundle.handle for bundle in bundles])
    assert not any(answer["hit"] for answer in keys + handles), "an SA of before the reset was found"
