"""The context of every index, twice, so that both kinds of lookups read it at the same time."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl.config import EngineConfig
from saoffload.hdl.dual_port import DualPortMemory

from .timing import MEMORY_LATENCY
from .trees import parity_groups


class ContextReader(wiring.Signature):
    """A reader of contexts, seen from who reads: the ``context`` of ``index``, and one clock later ``was_good``.

    Without ``was_good`` the word is not what was written, and nothing may come of it: a miss.
    """

    def __init__(self, config: EngineConfig):
        super().__init__(
            {"index": Out(config.index_bits), "context": In(config.context_width), "was_good": In(1)},
        )


class ContextAccess(wiring.Signature):
    """Writes and audits of the management, seen from it.

    ``index`` with ``do_audit``, or with ``do_write`` and ``write_data``, held until ``is_ready``.
    """

    def __init__(self, config: EngineConfig):
        super().__init__(
            {
                "index": Out(config.index_bits),
                "do_audit": Out(1),
                "do_write": Out(1),
                "write_data": Out(config.context_width),
                "is_ready": In(1),
            }
        )


class ContextStore(wiring.Component):
    """Holds a context for each index, one copy for each kind of lookup, with even parity.

    Contents are unknown after a reset: write each index before it is read. Without contexts (``context_width`` 0) every
    word is good, and everything is taken.

    Parameters: ``config`` (``bundles``, ``context_width``).

    Members: ``key``, ``handle`` (``ContextReader``). ``do_scrub`` with ``scrub_index``: a dead bundle's word goes,
    always at once; ``manage`` (``ContextAccess``) is taken in the other clocks. ``has_error``: strobe, an audit met a
    word of wrong parity.

    Latency ``MEMORY_LATENCY`` clocks for the lookups, ``MEMORY_LATENCY + 2`` for ``has_error``.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "key": In(ContextReader(config)),
                "handle": In(ContextReader(config)),
                "do_scrub": In(1),
                "scrub_index": In(range(config.bundles)),
                "manage": In(ContextAccess(config)),
                "has_error": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        width, manage = self._config.context_width, self.manage
        if not width:
            m.d.comb += [manage.is_ready.eq(1), self.key.was_good.eq(1), self.handle.was_good.eq(1)]
            return m
        is_audited = Signal(MEMORY_LATENCY + 1)
        m.d.sync += is_audited.eq(Cat(manage.do_audit & manage.is_ready, is_audited[:-1]))
        context = Signal(width)
        m.d.comb += [
            manage.is_ready.eq(~self.do_scrub),
            context.eq(Mux(self.do_scrub, 0, manage.write_data)),
        ]
        errors = []
        for name, reader in (("key", self.key), ("handle", self.handle)):
            memory = DualPortMemory(width=width + 1, depth=self._config.bundles)
            m.submodules[f"{name}_copy"] = memory
            m.d.comb += [
                memory.a_address.eq(reader.index),
                reader.context.eq(memory.a_data),
                memory.b_address.eq(Mux(self.do_scrub, self.scrub_index, manage.index)),
                memory.b_do_write.eq(self.do_scrub | manage.do_write),
                memory.b_write_data.eq(Cat(context, context.xor())),
            ]
            read, audited = (
                Signal(len(parity_groups(word)), name=f"{name}_parities_{port}", reset_less=True)
                for port, word in (("a", memory.a_data), ("b", memory.b_data))
            )
            m.d.sync += [
                read.eq(parity_groups(memory.a_data)),
                audited.eq(parity_groups(memory.b_data)),
            ]
            m.d.comb += reader.was_good.eq(~read.xor())
            errors.append(is_audited[-1] & audited.xor())
        m.d.sync += self.has_error.eq(Cat(errors).any())
        return m
