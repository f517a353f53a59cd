"""The memory of the benchmark with words in it, under Amaranth's own simulator."""

from collections.abc import Mapping
from random import Random

from amaranth.hdl import Elaboratable, Module
from amaranth.lib.memory import Memory

from saoffload.sim.bench_hdl.read_memory import ReadMemory

BASE = 0x10_0000
SIZE = 1 << 14


class WordMemory(Elaboratable):
    """``reads`` are answered from ``words``: random ones, but for those of 64 bits given by their offsets."""

    def __init__(self, *, data_width: int = 64, id_width: int = 2, given: Mapping[int, int] | None = None) -> None:
        self.reads = ReadMemory(address_width=64, data_width=data_width, id_width=id_width, base=BASE, size=SIZE)
        beat_bytes = data_width // 8
        image = bytearray(Random(1).randbytes(SIZE))
        for offset, word in (given or {}).items():
            image[offset : offset + 8] = word.to_bytes(8, "little")
        self.words = [int.from_bytes(image[at : at + beat_bytes], "little") for at in range(0, SIZE, beat_bytes)]
        self._data_width = data_width

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.reads = self.reads
        m.submodules.store = store = Memory(shape=self._data_width, depth=len(self.words), init=self.words)
        port = store.read_port(domain="comb")
        m.d.comb += [port.addr.eq(self.reads.word_address), self.reads.word.eq(port.data)]
        return m
