"""How long the paths of a placed design are, before they are routed."""

import pytest
from tests.unit.placed_netlist import CLOCK, cell, flip_flop, lut, netlist

from saoffload.boards.timing import ALONG_COLUMN, ALONG_ROW, LENGTHS, TO_CARRY, TO_LUT, Timing

# What nextpnr reports of an ECP5 of speed grade 6, in nanoseconds.
CLOCK_TO_Q, LUT, OWN_FLIP_FLOP = 0.525, 0.236, 0.13
INTO_CARRY, ALONG_CARRY, OUT_OF_CARRY = 0.45, 0.071, 0.443
BLOCK_RAM, REGISTERED_BLOCK_RAM = 5.73, 0.96


def wire(columns: int, rows: int) -> float:
    return ALONG_ROW[LENGTHS.index(columns)] + ALONG_COLUMN[LENGTHS.index(rows)]


def through_a_table(**end) -> Timing:
    """From a flip-flop to a table six columns to the right, and on."""
    return Timing(netlist(start=flip_flop("X1/Y1/SLICEA.FF0", Q=1), table=lut("X7/Y1/SLICEA.K0", A=1, F=2), **end))


def test_a_path_leads_from_clock_to_clock() -> None:
    timing = through_a_table(end=flip_flop("X4/Y13/SLICEA.FF0", M=2))
    first, second = wire(6, 0) + TO_LUT, wire(3, 12)
    assert list(timing.wire) == pytest.approx([first, second])
    assert list(timing.before) == pytest.approx([CLOCK_TO_Q, CLOCK_TO_Q + first + LUT])
    assert list(timing.after) == pytest.approx([LUT + second, 0])
    assert list(timing.longest()) == pytest.approx([CLOCK_TO_Q + first + LUT + second] * 2)


def test_a_flip_flop_is_near_the_table_of_its_place() -> None:
    timing = through_a_table(end=flip_flop("X7/Y1/SLICEA.FF0", DI=2))
    assert max(timing.longest()) == pytest.approx(CLOCK_TO_Q + wire(6, 0) + TO_LUT + LUT + OWN_FLIP_FLOP)


def test_the_slower_of_two_inputs_and_the_slower_of_two_readers_count() -> None:
    timing = Timing(
        netlist(
            near=flip_flop("X1/Y1/SLICEA.FF0", Q=1),
            far=flip_flop("X1/Y25/SLICEA.FF0", Q=2),
            table=lut("X1/Y1/SLICEA.K0", A=1, D=2, F=3),
            here=flip_flop("X1/Y2/SLICEA.FF0", M=3),
            there=flip_flop("X25/Y1/SLICEA.FF0", M=3),
        )
    )
    short, long = wire(0, 0) + TO_LUT, wire(0, 24) + TO_LUT
    one, other = LUT + wire(0, 1), LUT + wire(24, 0)
    expected = (short + other, long + other, long + one, long + other)
    assert list(timing.longest()) == pytest.approx([CLOCK_TO_Q + path for path in expected])
    # Both readers are late for the slower input alone.
    period = CLOCK_TO_Q + long
    assert timing.lateness(period) == pytest.approx(one + other)
    assert timing.lateness(100) == 0


def test_a_carry_runs_along_its_chain_without_wires() -> None:
    bits = 5
    chain = {
        f"bit{bit}": lut(f"X2/Y1/SLICE{'ABCD'[bit // 2]}.K{bit % 2}", mode="CCU2", A=1, FCI=10 + bit, FCO=11 + bit)
        for bit in range(bits)
    }
    timing = Timing(
        netlist(
            start=flip_flop("X1/Y1/SLICEA.FF0", Q=1),
            **chain,
            top=lut("X2/Y1/SLICEC.K1", mode="CCU2", FCI=10 + bits, F=2),
            end=flip_flop("X2/Y1/SLICEC.FF1", DI=2),
        )
    )
    entry = CLOCK_TO_Q + wire(1, 0) + TO_CARRY + INTO_CARRY
    assert max(timing.longest()) == pytest.approx(entry + (bits - 1) * ALONG_CARRY + OUT_OF_CARRY + OWN_FLIP_FLOP)


@pytest.mark.parametrize(("mode", "delay"), [("OUTREG", REGISTERED_BLOCK_RAM), ("NOREG ", BLOCK_RAM)])
def test_a_block_ram_is_slow_unless_its_output_is_a_register(mode: str, delay: float) -> None:
    ram = cell("DP16KD", "X1/Y10/EBR0", CLKA=CLOCK, DOB0=1, ADA0=2)
    ram["parameters"] = {"REGMODE_A": "NOREG", "REGMODE_B": mode}
    timing = Timing(netlist(ram=ram, end=flip_flop("X7/Y10/SLICEA.FF0", M=1, Q=2)))
    # And back to its address.
    assert list(timing.longest()) == pytest.approx([CLOCK_TO_Q + wire(6, 0), delay + wire(6, 0)])


def test_what_has_no_site_and_what_is_a_constant_has_no_paths() -> None:
    names = {
        "start": flip_flop("", Q=1),
        "$PACKER_VCC": lut("X60/Y1/SLICEA.K0", F=2),
        "end": flip_flop("X1/Y1/SLICEA.FF0", M=1),
        "other": flip_flop("X1/Y1/SLICEA.FF1", M=2, enable=2),
    }
    assert len(Timing(netlist(**names)).longest()) == 0
    assert Timing(netlist()).lateness(0) == 0


def test_what_is_to_stand_somewhere_has_paths_as_if_it_stood_there() -> None:
    """Block RAMs of a floorplan are placed by their sites alone, when parts are put together."""
    ram = cell("DP16KD", "", CLKA=CLOCK, DOA0=1)
    ram["attributes"] = {"BEL": "X1/Y10/EBR0"}
    timing = Timing(netlist(ram=ram, end=flip_flop("X7/Y10/SLICEA.FF0", M=1)))
    assert list(timing.longest()) == pytest.approx([BLOCK_RAM + wire(6, 0)])


def test_enables_and_resets_are_ends_of_paths_and_what_a_ram_is_written_with_is_none() -> None:
    ram = lut("X1/Y1/SLICEA.K0", mode="DPRAM", WD=3, WAD0=3, F=4)
    timing = Timing(
        netlist(
            start=flip_flop("X1/Y1/SLICEB.FF0", Q=3),
            end=flip_flop("X7/Y1/SLICEA.FF0", enable=3, reset=3, M=4),
            ram=ram,
        )
    )
    assert list(timing.longest()) == pytest.approx([CLOCK_TO_Q + wire(6, 0)] * 2 + [wire(6, 0)])


def test_paths_are_found_anew_once_a_cell_has_moved() -> None:
    timing = through_a_table(end=flip_flop("X7/Y1/SLICEA.FF1", M=2))
    number = timing.index["table"]
    timing.x[number] = 1
    arcs = [*timing.arcs_into[number], *timing.arcs_from[number]]
    timing.move(arcs)
    timing.update()
    expected = CLOCK_TO_Q + wire(0, 0) + TO_LUT + LUT + wire(6, 0)
    assert list(timing.longest()) == pytest.approx([expected, expected])


def test_a_loop_of_logic_is_refused() -> None:
    loop = netlist(one=lut("X1/Y1/SLICEA.K0", A=1, F=2), other=lut("X1/Y1/SLICEA.K1", A=2, F=1))
    with pytest.raises(ValueError, match="2 signals are part of a loop, or come from one"):
        Timing(loop)
