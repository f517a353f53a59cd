"""Both forms of the beat RAM against the same list of words; the large RAMs of iCE40 through a model of theirs."""

from random import Random
from types import SimpleNamespace

import pytest
from amaranth.hdl import Const, Elaboratable, Module, Mux, Signal
from amaranth.lib.memory import Memory
from tests.unit.streams import seeds, simulate

from saoffload.boards import ram
from saoffload.boards.ram import BeatRam

GARBAGE = 0xDEAD


class Spram(Elaboratable):
    """SB_SPRAM256KA as Lattice's memory usage guide describes it, in place of the ``Instance`` of that name."""

    def __init__(self, name, **ports):
        assert name == "SB_SPRAM256KA"
        self.ports = ports
        assert len(ports["i_ADDRESS"]) == 14
        assert len(ports["i_DATAIN"]) == len(ports["o_DATAOUT"]) == 16
        assert len(ports["i_MASKWREN"]) == 4

    def elaborate(self, _platform):
        m = Module()
        ports = self.ports
        for name, value in (("i_STANDBY", 0), ("i_SLEEP", 0), ("i_POWEROFF", 1)):
            assert ports[name].value == value
        m.submodules.memory = memory = Memory(shape=16, depth=16384, init=[])
        read, write = memory.read_port(domain="comb"), memory.write_port(granularity=4)
        output = Signal(16)
        m.d.comb += [
            read.addr.eq(ports["i_ADDRESS"]),
            write.addr.eq(ports["i_ADDRESS"]),
            write.data.eq(ports["i_DATAIN"]),
            write.en.eq(Mux(ports["i_WREN"] & ports["i_CHIPSELECT"], ports["i_MASKWREN"], 0)),
            ports["o_DATAOUT"].eq(output),
        ]
        with m.If(ports["i_CHIPSELECT"]):
            m.d.sync += output.eq(Mux(ports["i_WREN"], Const(GARBAGE, 16), read.data))
        return m


class On(Elaboratable):
    """A component elaborated as for an FPGA of that name."""

    def __init__(self, dut, device):
        self.dut, self.device = dut, device

    def elaborate(self, _platform):
        return self.dut.elaborate(SimpleNamespace(device=self.device))


@pytest.mark.parametrize("device", ["LFE5U-85F", "iCE40UP5K"])
@pytest.mark.parametrize("depth", [2, 4096])
@pytest.mark.parametrize("seed", seeds(2))
def test_reads_give_what_was_written_and_stand(monkeypatch, device, depth, seed):
    monkeypatch.setattr(ram, "Instance", Spram)
    random = Random(seed)
    dut = BeatRam(depth=depth)
    words = {}

    async def bench(ctx):
        indices = [0, 1, depth - 1, depth // 2]
        for n in range(2 * len(indices)):
            words[indices[n // 2], n % 2] = value = random.getrandbits(32)
            await write(ctx, indices[n // 2], n % 2, value)
        for _ in range(200):
            index = random.choice(indices)
            if random.random() < 0.4:
                half, value = random.randrange(2), random.getrandbits(32)
                words[index, half] = value
                await write(ctx, index, half, value)
            else:
                ctx.set(dut.index, index)
                ctx.set(dut.do_read, 1)
                await ctx.tick()
                ctx.set(dut.do_read, 0)
                ctx.set(dut.index, random.randrange(depth))
                for _ in range(random.randrange(1, 4)):
                    assert ctx.get(dut.read_data) == words[index, 0] | words[index, 1] << 32, f"seed {seed}"
                    await ctx.tick()

    async def write(ctx, index, half, value):
        ctx.set(dut.index, index)
        ctx.set(dut.is_high, half)
        ctx.set(dut.write_data, value)
        ctx.set(dut.do_write, 1)
        await ctx.tick()
        ctx.set(dut.do_write, 0)
        ctx.set(dut.write_data, 0)

    simulate(On(dut, device), bench)


@pytest.mark.parametrize("depth", [0, 1, 3, 100])
def test_other_depths_are_refused(depth):
    with pytest.raises(ValueError, match=str(depth)):
        BeatRam(depth=depth)


def test_depths_beyond_the_large_rams_are_refused():
    with pytest.raises(ValueError, match="at most 16384 on this FPGA, got 32768"):
        BeatRam(depth=32768).elaborate(SimpleNamespace(device="iCE40UP5K"))


def test_depths_are_integers():
    with pytest.raises(TypeError, match=r"2\.5"):
        BeatRam(depth=2.5)
