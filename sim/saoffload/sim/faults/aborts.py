"""Part ``aborts``: an abort, by tag or of all, at every clock of walks that are active and queued."""

from typing import Any, NamedTuple

from saoffload.host.lists import ListBuilder

from .rig import FIRST_HANDLE, Rig, bundle_of

BASE = 0x10_0000
SIZE = 0x1000
NODES = 3
TAG, OTHER = 5, 6
SETTLED_CLOCKS = 8
"""From the answer to the abort's write to the clock after which no read may begin: it passes the queue first, and what
the walker has decided before stands on offer.
"""
MOST_CLOCKS = 400


class Variant(NamedTuple):
    """``others``: walks with another tag that are queued behind the first; behind them stands one more of the first
    tag. ``latency`` of the memory.
    """

    is_all: bool
    others: int
    latency: int


VARIANTS = [Variant(is_all, others, latency) for is_all in (False, True) for others in (0, 1) for latency in (3, 25)]


async def run(dut: Any, chosen: list[int]) -> dict[str, int]:
    """The chosen of ``VARIANTS``, each at every clock from the doorbell until the abort comes too late."""
    rig = Rig(dut)
    done = {"cases": 0, "nodes": 0, "aborted": 0, "clocks": 0}
    for number in chosen:
        variant = VARIANTS[number]
        rig.memory.latency = variant.latency
        builder = ListBuilder(base=BASE, size=SIZE, seed=3)
        handles = [FIRST_HANDLE + index for index in range(NODES)]
        placed = builder.scattered(handles)
        await rig.begin([builder.window])
        rig.memory.add(BASE, builder.image())
        unknown = 0
        for delay in range(MOST_CLOCKS):
            async with rig.described(f"{variant}, {delay} clocks after the doorbell"):
                was_aborted, unknown = await _run_case(rig, variant, placed, delay, unknown, done)
            done["cases"] += 1
            if not was_aborted:
                break
        else:
            raise AssertionError(f"{variant}: no walk ended by itself within {MOST_CLOCKS} clocks")
        done["clocks"] += delay
    return done


async def _run_case(
    rig: Rig, variant: Variant, placed: Any, delay: int, unknown: int, done: dict[str, int]
) -> tuple[bool, int]:
    driver, memory = rig.driver, rig.memory
    memory.bursts.clear()
    await rig.restore(*[bundle_of(index) for index in range(NODES) if not await _lives(rig, index)])
    tags = [TAG, *[OTHER] * variant.others, *[TAG] * variant.others]
    for tag in tags:
        await driver.commands.submit_walk(placed.head, tag=tag, shares_tag=True)
    await rig.clocks(delay)
    await (driver.commands.abort_all() if variant.is_all else driver.commands.abort(TAG))
    read_count = len(memory.bursts)
    await rig.clocks(SETTLED_CLOCKS)
    begun = len(memory.bursts) - read_count
    # In flight reads are taken to their end: only then may memory be unmapped.
    completions = await driver.completions.wait_all(timeout_ms=rig.milliseconds(5000))
    late = len(memory.bursts) - read_count - begun
    await rig.quiesce()
    assert memory.is_idle, "quiesced with a read outstanding"
    assert sorted(completion.tag for completion in completions) == sorted(tags)
    left = set(range(NODES)) - {index for index in range(NODES) if await _lives(rig, index)}
    deleted = 0
    for completion in completions:
        assert completion.visited == completion.deleted + completion.not_found, completion
        deleted += completion.deleted
        if completion.status.name == "ABORTED":
            assert completion.visited < NODES or completion.fault_address == 0
            assert completion.fault_address == placed.addresses[completion.visited], completion
            assert variant.is_all or completion.tag == TAG, completion
        else:
            assert (completion.status.name, completion.visited) == ("OK", NODES), completion
    assert left == set(range(deleted)), f"{deleted} deleted, and gone are {left}"
    names = [completion.status.name for completion in completions]
    if variant.is_all or not variant.others:
        assert late == 0, f"{late} reads began after the abort"
    if not variant.is_all and variant.others:
        assert [c.status.name for c in completions if c.tag == OTHER] == ["OK"]
    # The tag is unknown when all that carried it was decided.
    if not variant.is_all and "ABORTED" not in names:
        unknown += 1
    assert (await driver.counters.read()).unknown_aborts == unknown
    await rig.end([(BASE, SIZE)])
    done["nodes"] += sum(completion.visited for completion in completions)
    done["aborted"] += names.count("ABORTED")
    return "ABORTED" in names, unknown


async def _lives(rig: Rig, index: int) -> bool:
    return bool((await rig.ask("key", [0x1000 + index]))[0]["hit"])
