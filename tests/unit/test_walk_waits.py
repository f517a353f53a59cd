"""Walks that wait, for a memory that does not answer or for an abort: how they end, and when."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit import one_walk_bench
from tests.unit.one_walk_bench import ABIS, SERIAL_ONLY, Bed
from tests.unit.streams import receive
from tests.unit.walk_bench import X86, Abi, Fault
from tests.unit.walk_in_python import WHOLE, Command, Outcome, handles, lay_list, walk_in_python

from saoffload.hdl.layouts import Opcode, Status

pytestmark = pytest.mark.usefixtures("kind")


# Timeouts


@SERIAL_ONLY
def test_lost_ids_stay_out_of_use_until_all_are_lost() -> None:
    """Four reads time out and take their IDs with them; the fifth walk reads nothing; all is well after the answers."""
    bed = Bed(live=handles(1), latency=3)
    lay_list(bed.memory, [0x2_0000])
    silent = Command(head=0x2_0000, faults={0x2_0008: Fault.SILENCE})

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 25)
        for lost_count in range(1, 7):
            assert (await bed.walk(ctx, silent)).status is Status.TIMEOUT
            assert bed.reads.busy_ids.bit_count() == min(lost_count, 4)
        assert len(bed.reads.log) == 4
        bed.reads.release()
        await ctx.tick().repeat(30)
        assert (await bed.walk(ctx, replace(silent, faults={}))).status is Status.OK

    bed.run(bench)
    assert [
        abandon - offer for abandon, offer in zip(bed.reads.abandon_clocks, bed.reads.offer_clocks, strict=False)
    ] == [25] * 4


def test_one_id_is_enough() -> None:
    # A context has one ID, its own; a serial walker takes any.
    config = one_walk_bench.CONFIG
    id_count = 2**config.id_width if config.is_serial else config.contexts
    bed = Bed(live=handles(40), latency=3)
    lay_list(bed.memory, [0x2_0FF8 + 0x1000 * number for number in range(6)])
    silent = Command(head=0x2_0FF8, faults={0x2_0FF8: Fault.SILENCE})

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 20)
        for _ in range(id_count - 1):
            assert (await bed.walk(ctx, silent)).status is Status.TIMEOUT
        outcome = await bed.walk(ctx, replace(silent, faults={}))
        assert outcome.status is Status.OK
        assert len(outcome.nodes) == 6

    bed.run(bench)


def test_address_that_is_never_accepted() -> None:
    """The read stays on offer, walks end in TIMEOUT without another, and its answer reaches nobody once it comes."""
    bed = Bed(live=handles(3), latency=3)
    lay_list(bed.memory, [0x2_0000])
    lay_list(bed.memory, [0x3_0000], handles=[0x8000_0001])

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 20)
        await bed.set_windows(ctx, WHOLE)
        bed.reads.is_address_blocked = True
        for head in (0x2_0000, 0x3_0000, 0x3_0000):
            await bed.submit(ctx, Command(head=head))
            await bed.check(ctx, Command(head=head), Outcome(Status.TIMEOUT, head, ()))
        assert bed.reads.log == []
        # A walk that waits behind the held read goes on when the bus accepts it.
        command = Command(head=0x3_0000)
        expected = walk_in_python(command, bed.memory, bed.live)
        await bed.submit(ctx, command)
        await ctx.tick().repeat(15)
        bed.reads.is_address_blocked = False
        await bed.check(ctx, command, expected)

    bed.run(bench)
    assert [address for _, _, address, _ in bed.reads.log] == [0x2_0000, 0x3_0000]
    assert len(bed.reads.abandon_clocks) == 1


def test_abort_ends_a_walk_that_waits_behind_a_held_read_without_a_timeout() -> None:
    bed = Bed(live=handles(1))
    lay_list(bed.memory, [0x2_0000])
    command = Command(head=0x2_0000)

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, 10)
        await bed.set_windows(ctx, WHOLE)
        bed.reads.is_address_blocked = True
        await bed.submit(ctx, command)
        await bed.check(ctx, command, Outcome(Status.TIMEOUT, 0x2_0000, ()))
        ctx.set(bed.dut.timeout, 0)
        await bed.submit(ctx, command)
        await ctx.tick().repeat(100)
        ctx.set(bed.dut.abort_tag, bed.tag)
        ctx.set(bed.dut.do_abort, 1)
        await ctx.tick()
        ctx.set(bed.dut.do_abort, 0)
        await bed.check(ctx, command, Outcome(Status.ABORTED, 0x2_0000, ()))
        bed.reads.is_address_blocked = False

    bed.run(bench)
    assert len(bed.reads.log) == 1


@SERIAL_ONLY
@pytest.mark.parametrize("timeout", [4, 5, 6, 7])
def test_timeout_counts_from_arvalid(timeout: int) -> None:
    """At latency 3 the last of 3 beats comes 5 clocks after ARVALID: in time if the timeout is 5 or more."""
    bed = Bed(live=handles(1), latency=3)
    lay_list(bed.memory, [0x2_0000])
    command = Command(head=0x2_0000)
    expected = (
        Outcome(Status.OK, 0, ((0x2_0000, 0x8000_0000, True),))
        if timeout >= 5
        else Outcome(Status.TIMEOUT, 0x2_0000, ())
    )

    async def bench(ctx: Any) -> None:
        ctx.set(bed.dut.timeout, timeout)
        await bed.set_windows(ctx, WHOLE)
        await bed.submit(ctx, command)
        await bed.check(ctx, command, expected)

    bed.run(bench)
    clocks = [abandon - bed.reads.offer_clocks[0] for abandon in bed.reads.abandon_clocks]
    assert clocks == ([] if timeout >= 5 else [timeout])


# Aborts


async def abort_after(ctx: Any, bed: Bed, clock_count: int, tag: int) -> bool:
    """Aborts ``clock_count`` clocks from now; whether the active walk said that it is meant."""
    if clock_count:
        await ctx.tick().repeat(clock_count)
    ctx.set(bed.dut.abort_tag, tag)
    ctx.set(bed.dut.do_abort, 1)
    await ctx.tick()
    ctx.set(bed.dut.do_abort, 0)
    ctx.set(bed.dut.abort_tag, 0)
    while not ctx.get(bed.dut.abort_is_done):
        await ctx.tick()
    return bool(ctx.get(bed.dut.abort_matches))


@ABIS
@pytest.mark.parametrize("ending", [Status.OK, Status.LOOP, Status.BAD_HEADER, Status.BUS_ERROR])
def test_abort_in_every_clock(abi: Abi, ending: Status) -> None:
    """ABORTED names the next node, as long as a node is left; the real status afterwards; never a read too many."""
    bed = Bed(latency=3)
    addresses = [0x2_0000, 0x2_0FFC if abi is X86 else 0x2_0FF8, 0x3_0000]
    bad = 0x5_0000
    end = {Status.OK: 0, Status.LOOP: addresses[1], Status.BAD_HEADER: bad, Status.BUS_ERROR: bad}[ending]
    lay_list(bed.memory, addresses, abi, end=end)
    bed.memory.write(bad, abi.node(0, 0x8000_0009, header=abi.header ^ (ending is Status.BAD_HEADER)))
    faults = {bad: Fault.ERROR} if ending is Status.BUS_ERROR else {}
    command = Command(head=addresses[0], abi=abi, faults=faults)
    statuses = []

    async def bench(ctx: Any) -> None:
        await bed.set_windows(ctx, WHOLE)
        bed.reads.faults = faults
        whole = walk_in_python(command, bed.memory, set())
        path = [*(node[0] for node in whole.nodes), whole.fault_address]
        for clock_count in range(48):
            reads_before = len(bed.reads.log)
            await bed.submit(ctx, command)
            abort_clock = bed.reads.clock + clock_count
            matches = await abort_after(ctx, bed, clock_count, bed.tag)
            result = await receive(ctx, bed.dut.results)
            visited = result["visited"]
            bed.expected_nodes += whole.nodes[:visited]
            statuses.append(result["status"])
            assert result["tag"] == bed.tag
            assert visited == result["deleted"] + result["not_found"]
            assert result["fault_address"] == path[visited], f"abort after {clock_count}"
            if result["status"] is Status.ABORTED:
                assert matches
                # No read is offered once the abort is known, but a read under way is taken to its end.
                known = abort_clock + (0 if one_walk_bench.CONFIG.is_serial else 3)
                assert all(clock <= known for clock in bed.reads.offer_clocks)
                assert len(bed.reads.log) - reads_before <= visited + 2
            else:
                assert not matches, f"abort after {clock_count}"
                assert (result["status"], visited) == (whole.status, len(whole.nodes))
            assert bed.reads.busy_ids == 0

    bed.run(bench)
    assert statuses == sorted(statuses, key=lambda status: status is not Status.ABORTED)
    assert statuses.count(Status.ABORTED) > 15
    assert statuses[-1] is ending


@pytest.mark.parametrize("is_delete", [False, True], ids=["walk", "delete"])
@pytest.mark.parametrize("way", ["queued", "now"])
def test_abort_before_acceptance(way: str, is_delete: bool) -> None:
    """The queue's mark, or the abort itself in the clock in which the command is taken: nothing is done."""
    bed = Bed(live=handles(1))
    lay_list(bed.memory, [0x2_0000])
    opcode = Opcode.DELETE if is_delete else Opcode.WALK

    async def bench(ctx: Any) -> None:
        await bed.set_windows(ctx, WHOLE)
        for head in (0x2_0000, 0, 3):
            command = Command(head=head)
            ctx.set(bed.dut.do_abort, way == "now")
            ctx.set(bed.dut.abort_tag, bed.tag + 1)
            await bed.submit(ctx, command, opcode=opcode, is_aborted=way == "queued")
            ctx.set(bed.dut.do_abort, 0)
            ctx.set(bed.dut.abort_tag, 0)
            await bed.check(ctx, command, Outcome(Status.ABORTED, 0 if is_delete else head, ()))

    bed.run(bench)
    assert bed.reads.log == []


def test_abort_of_another_tag_changes_nothing() -> None:
    bed = Bed(live=handles(9))
    addresses = [0x2_0000 + 0x40 * number for number in range(9)]
    lay_list(bed.memory, addresses)
    command = Command(head=addresses[0])

    async def bench(ctx: Any) -> None:
        await bed.set_windows(ctx, WHOLE)
        expected = walk_in_python(command, bed.memory, bed.live)
        ctx.set(bed.dut.do_abort, 1)
        ctx.set(bed.dut.abort_tag, 0x7A60_0001 ^ 1 << 31)
        await bed.submit(ctx, command)
        await bed.check(ctx, command, expected)

    bed.run(bench)
