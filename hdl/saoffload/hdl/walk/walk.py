"""The walk of an engine, in the size that its configuration asks for."""

from amaranth.hdl import Module
from amaranth.lib.wiring import connect, flipped

from .contexts.walk import ContextWalk
from .serial import SerialWalk
from .signature import WalkComponent


class Walk(WalkComponent):
    """What :class:`.WalkSignature` promises: a :class:`.SerialWalk`, or a :class:`.ContextWalk` for many lists at once.

    Parameters
    ----------
    config : :class:`EngineConfig`
        ``is_serial`` decides.
    """

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.room = room = SerialWalk(self._config) if self._config.is_serial else ContextWalk(self._config)
        connect(m, flipped(self), room)
        return m
