"""The generation of every index, twice, so that lookups, deletes and the management read it at the same time."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.dual_port import DualPortMemory, WriteCollision

from .timing import MEMORY_LATENCY, WORD_LATENCY
from .trees import parity_groups

WRITTEN_PARITY_BITS = 16
"""Bits whose parity is one piece on the way to the memory, where the pieces are joined without a register."""


class GenerationReader(wiring.Signature):
    """A reader of generations, seen from who reads: the ``generation`` of ``index``, and one clock later ``was_good``.

    Without ``was_good`` the word is not what was written, and nothing may come of it: a miss. What was not read is not
    good.

    Parameters: ``always_reads``: ``do_read`` may be left unconnected, and every clock is then a read.
    """

    def __init__(self, config: EngineConfig, *, always_reads: bool):
        super().__init__(
            {
                "index": Out(config.index_bits),
                "do_read": Out(1, init=always_reads),
                "generation": In(config.generation_bits),
                "was_good": In(1),
            }
        )


class GenerationAccess(wiring.Signature):
    """Reads and writes of the management, seen from it.

    ``index`` with ``do_read``, or with ``do_write`` and ``write_data``, held until ``is_ready``; never both. ``data``
    comes ``WORD_LATENCY`` clocks after that.
    """

    def __init__(self, config: EngineConfig):
        super().__init__(
            {
                "index": Out(config.index_bits),
                "do_read": Out(1),
                "do_write": Out(1),
                "write_data": Out(config.generation_bits),
                "is_ready": In(1),
                "data": In(config.generation_bits),
            }
        )


class GenerationStore(wiring.Component):
    """Holds a word for each index, in two copies with parity, which two lookups and the deletes read in every clock.

    The copies are written one by one, so they may differ: the word of a free index in the copy of the key lookups,
    which nobody looks up, holds a link of the free list.

    A write taken in clock n is in its copy's memory in clock n + 1: it holds for lookups that read in clock n + 2 and
    after, and for deletes and management that read in clock n + 1 and after. A lookup that reads the index in clock
    n + 1 itself gets an answer that is not good.

    Contents are unknown after a reset: write each index before it is read.

    Parameters: ``config`` (``bundles``, ``generation_bits``).

    Members, copy 0: ``key`` (``GenerationReader``), ``link`` (``GenerationAccess``, always taken).

    Members, copy 1: ``handle`` (``GenerationReader``); ``delete`` (``GenerationReader``, which reads in no clock
    without ``do_read``); ``manage`` (``GenerationAccess``), taken in the clocks in which ``delete`` does not read.

    ``has_error``: strobe, two clocks after the word of a read that has wrong parity; a collision is no error.

    Latency 2 clocks for the lookups, ``WORD_LATENCY`` for deletes and management, which share a port; one access
    per port and clock. ``write_data`` passes two levels of logic.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "key": In(GenerationReader(config, always_reads=True)),
                "link": In(GenerationAccess(config)),
                "handle": In(GenerationReader(config, always_reads=True)),
                "delete": In(GenerationReader(config, always_reads=False)),
                "manage": In(GenerationAccess(config)),
                "has_error": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        errors = []
        for name, reader, access in (("key_copy", self.key, self.link), ("handle_copy", self.handle, self.manage)):
            copy = _GenerationCopy(self._config)
            m.submodules[name] = copy
            m.d.comb += [
                copy.a_index.eq(reader.index),
                copy.a_do_read.eq(reader.do_read),
                reader.generation.eq(copy.a_word),
                reader.was_good.eq(copy.a_was_good),
                copy.b_index.eq(access.index),
                copy.b_do_read.eq(access.do_read),
                copy.b_do_write.eq(access.do_write),
                copy.b_write_data.eq(access.write_data),
                access.is_ready.eq(1),
                access.data.eq(copy.b_word),
            ]
            errors.append(copy.has_error)

        # Deletes come first: they are answered in a fixed time, and the management waits.
        is_delete = Signal(WORD_LATENCY + 1)
        m.d.sync += is_delete.eq(Cat(self.delete.do_read, is_delete[:-1]))
        with m.If(self.delete.do_read):
            m.d.comb += [
                copy.b_index.eq(self.delete.index),
                copy.b_do_read.eq(1),
                copy.b_do_write.eq(0),
                self.manage.is_ready.eq(0),
            ]
        m.d.comb += [
            self.delete.generation.eq(copy.b_word),
            self.delete.was_good.eq(copy.b_was_good & is_delete[-1]),
            self.has_error.eq(Cat(errors).any()),
        ]
        return m


class _GenerationCopy(wiring.Component):
    """One copy: a lookup reads on port A, port B reads or writes. Even parity over each word and its parity bit.

    Members: ``a_index``, ``a_do_read``, ``a_word``, ``a_was_good``; ``b_index``, ``b_do_read``, ``b_do_write``,
    ``b_write_data``, ``b_word``, ``b_was_good``; ``has_error``.

    Latency 2 clocks on port A; one more on port B, whose address comes from afar and is registered beside the memory.
    ``..._was_good`` comes one clock after the word, ``has_error`` two.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "a_index": In(config.index_bits),
                "a_do_read": In(1),
                "a_word": Out(config.generation_bits),
                "a_was_good": Out(1),
                "b_index": In(config.index_bits),
                "b_do_read": In(1),
                "b_do_write": In(1),
                "b_write_data": In(config.generation_bits),
                "b_word": Out(config.generation_bits),
                "b_was_good": Out(1),
                "has_error": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        depth = 1 << self._config.index_bits
        m.submodules.memory = memory = DualPortMemory(width=self._config.generation_bits + 1, depth=depth)
        m.submodules.collision = collision = WriteCollision(depth=depth)
        b_index_q = Signal(self._config.index_bits, reset_less=True)
        written_q = Signal(self._config.generation_bits, reset_less=True)
        written_parities = Signal(len(parity_groups(self.b_write_data, bits=WRITTEN_PARITY_BITS)), reset_less=True)
        do_write_q = Signal()
        a_is_read = Signal(MEMORY_LATENCY)
        b_is_read = Signal(WORD_LATENCY)
        m.d.comb += [
            memory.a_address.eq(self.a_index),
            memory.b_address.eq(b_index_q),
            memory.b_do_write.eq(do_write_q),
            memory.b_write_data.eq(Cat(written_q, written_parities.xor())),
            collision.read_address.eq(self.a_index),
            collision.write_address.eq(b_index_q),
            collision.do_write.eq(do_write_q),
            self.a_word.eq(memory.a_data),
            self.b_word.eq(memory.b_data),
        ]
        m.d.sync += [
            b_index_q.eq(self.b_index),
            written_q.eq(self.b_write_data),
            written_parities.eq(parity_groups(self.b_write_data, bits=WRITTEN_PARITY_BITS)),
            do_write_q.eq(self.b_do_write),
            a_is_read.eq(Cat(self.a_do_read, a_is_read[:-1])),
            b_is_read.eq(Cat(self.b_do_read, b_is_read[:-1])),
        ]
        errors = Signal(2)
        for port, is_answer, word in (
            ("a", a_is_read[-1] & ~collision.collided, memory.a_data),
            ("b", b_is_read[-1], memory.b_data),
        ):
            parities = parity_groups(word)
            parities_q = Signal(len(parities), name=f"{port}_parities_q", reset_less=True)
            was_answer = Signal(name=f"{port}_was_answer")
            m.d.sync += [
                parities_q.eq(parities),
                was_answer.eq(is_answer),
                errors[port == "b"].eq(was_answer & parities_q.xor()),
            ]
            m.d.comb += getattr(self, f"{port}_was_good").eq(was_answer & ~parities_q.xor())
        m.d.comb += self.has_error.eq(errors.any())
        return m
