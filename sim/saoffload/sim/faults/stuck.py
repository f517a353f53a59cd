"""Part ``stuck``: a packet path that never retires. It holds completions back, is told of, and hangs nothing else."""

from typing import Any

from saoffload.hdl.table.retire_watch import LATE_CLOCKS
from saoffload.host.interrupts import Event
from saoffload.host.lists import ListBuilder

from .rig import FIRST_HANDLE, Rig, bundle_of

BASE = 0x10_0000
SIZE = 0x2000
BUNDLES = 8
LISTS = 4
SETTLE_CLOCKS = 600
AGE_SLACK = 80
"""Clocks between two looks at the engine and what it counts."""
COMMANDS = ("walks", "delete", "flush")


async def run(dut: Any, chosen: list[int], *, is_patient: bool) -> dict[str, int]:
    """For each kind of lookup and each of the chosen of ``COMMANDS``: one answer is not retired. ``is_patient``: until
    that is late.
    """
    rig = Rig(dut)
    done = {"cases": 0, "commands": 0, "late": 0}
    for number in chosen:
        for kind in ("key", "handle"):
            async with rig.described(f"{COMMANDS[number]}, an unretired {kind} lookup"):
                await _run_case(rig, COMMANDS[number], kind, done, is_patient=is_patient)
            done["cases"] += 1
    return done


async def _run_case(rig: Rig, command: str, kind: str, done: dict[str, int], *, is_patient: bool) -> None:
    driver = rig.driver
    builder = ListBuilder(base=BASE, size=SIZE, seed=6)
    handles = [FIRST_HANDLE + index for index in range(BUNDLES)]
    lists = [builder.scattered(handles[number::LISTS]) for number in range(LISTS)]
    await rig.begin([builder.window])
    rig.memory.add(BASE, builder.image())
    await rig.restore(*(bundle_of(index, is_outbound=bool(index & 1)) for index in range(BUNDLES)))
    assert not (await driver.status()).retire_is_due
    held = (await rig.ask(kind, [0x1000] if kind == "key" else [FIRST_HANDLE + 1], retires=False))[0]
    assert held["hit"]

    # As many commands as the smallest queues take.
    tags = []
    if command == "walks":
        tags += [await driver.commands.submit_walk(placed.head) for placed in lists[:3]]
    elif command == "delete":
        tags += [await driver.commands.submit_delete(handle) for handle in handles[:3]]
    else:
        tags.append(await driver.commands.submit_flush())
    await rig.clocks(SETTLE_CLOCKS)
    while (await driver.status()).flush_is_active:
        assert await driver.completions.collect(count=1) == []
    # What they do is done, and only their completions are away.
    live = {"walks": BUNDLES - 3 * (BUNDLES // LISTS), "delete": BUNDLES - 3, "flush": 0}[command]
    assert await driver.table.live_bundles() == live
    assert await driver.completions.collect(count=1) == []
    age = await _check_age(rig)
    if is_patient and age is not None:
        await rig.clocks(LATE_CLOCKS)
        assert Event.RETIRE_LATE in await driver.interrupts.pending()
        assert await driver.completions.collect(count=1) == []
        done["late"] += 1
    # Later lookups are answered and retired, and change nothing.
    hits = [answer["hit"] for answer in await rig.ask("key", [0x1000 + index for index in range(0, BUNDLES, 2)])]
    assert sum(hits) <= live
    assert await driver.completions.collect(count=1) == []
    assert (await driver.status()).retire_is_due

    await rig.retire(kind, held["epoch"])
    completions = await driver.completions.wait_all(timeout_ms=rig.milliseconds(3000))
    assert sorted(completion.tag for completion in completions) == sorted(tags)
    assert {completion.status.name for completion in completions} == {"OK"}
    assert sum(completion.deleted for completion in completions) == BUNDLES - live
    await rig.clocks(SETTLE_CLOCKS)
    assert not (await driver.status()).retire_is_due
    assert await driver.unretired_age() == 0
    assert (await driver.counters.read()).bad_retires == 0
    await rig.quiesce()
    await rig.end([(BASE, SIZE)])
    done["commands"] += len(tags)


async def _check_age(rig: Rig) -> int | None:
    """The age grows with the clock. None where it is not counted."""
    driver = rig.driver
    assert (await driver.status()).retire_is_due
    first = await driver.unretired_age()
    if not driver.capabilities.has_retire_watch:
        assert first == 0
        return None
    assert first > 0
    await rig.clocks(1000)
    second = await driver.unretired_age()
    assert 1000 <= second - first <= 1000 + AGE_SLACK, (first, second)
    return second
