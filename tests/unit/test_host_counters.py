"""The driver's counters, against a small engine behind a register file."""

from dataclasses import fields

from tests.unit.host_engine import started

from saoffload.host.counters import CounterValues
from saoffload.host.register_map import Register
from saoffload.host.transport import run


def test_a_carry_between_two_reads_is_never_seen():
    engine, driver = started()

    def count() -> None:
        for address in range(Register.KEY_LOOKUPS_LOW, Register.BAD_RETIRES_HIGH, 8):
            engine.counters[address] = engine.counters.get(address, 0xFFFF_FFFF - 10) + 1

    count()
    engine.counts_while_read = count
    values = run(driver.counters.read())
    expected = [0xFFFF_FFFF - 9 + place for place in range(16)]
    assert [getattr(values, field.name) for field in fields(values)] == expected


def test_every_counter_register_has_a_name_in_the_snapshot():
    registers = {
        register.name.removesuffix("_LOW").lower()
        for register in Register
        if Register.KEY_LOOKUPS_LOW <= register <= Register.BAD_RETIRES_HIGH and register.name.endswith("_LOW")
    }
    assert registers == {field.name for field in fields(CounterValues)}


def test_narrow_counters_cost_one_read_each():
    engine, driver = started(words={Register.COUNTER_WIDTH: 32})
    engine.counters[Register.COMPLETIONS_LOW] = 41
    before = driver.transport.access_count
    assert run(driver.counters.read()).completions == 41
    assert driver.transport.access_count - before == len(fields(CounterValues))


def test_differences_survive_a_wrap():
    names = [field.name for field in fields(CounterValues)]
    earlier = CounterValues(**dict.fromkeys(names, (1 << 32) - 3))
    later = CounterValues(**dict.fromkeys(names, 4))
    assert later.since(earlier, width=32).visited_nodes == 7
