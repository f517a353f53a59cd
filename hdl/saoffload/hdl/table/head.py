"""The head of an SA table, the same for both: its ports, and who answers there."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from saoffload.hdl.config import EngineConfig

from .packet_path import COMPLETIONS, KINDS, REUSE, PacketPath
from .signature import TableSignature, connect_host_ports


class SaTable(wiring.Component):
    """A component with ``TableSignature`` and the packet path behind it; how keys are found is not said here.

    Parameters: ``config``; ``key_latency``, ``handle_latency``, ``delete_latency``: clocks from a request of each kind
    to its answer.
    """

    def __init__(self, config: EngineConfig, *, key_latency: int, handle_latency: int, delete_latency: int):
        self._config = config
        self.key_latency = key_latency
        self.handle_latency = handle_latency
        self.delete_latency = delete_latency
        super().__init__(TableSignature(config))

    def _elaborate_head(
        self, m: Module, *, key_lookup: Any, handle_lookup: Any, delete_pipe: Any, keeper: Any, reuse: Any
    ) -> None:
        """Adds the packet path and wires it between the ports and the lookups, which have ``do_request`` with ``key``
        or ``handle``, and ``did_answer`` with ``answer``. ``delete_pipe`` takes the deletes; ``keeper`` serves
        ``HostPorts`` and has ``gate_is_closed``; ``reuse`` has the ``graces`` of indices.
        """
        m.submodules.packet_path = path = PacketPath(self._config)
        for kind, lookup in zip(KINDS, (key_lookup, handle_lookup), strict=True):
            for port in (f"{kind}_requests", f"{kind}_retires"):
                connect(m, flipped(getattr(self, port)), getattr(path, port))
            connect(m, getattr(path, f"{kind}_answers"), flipped(getattr(self, f"{kind}_answers")))
            is_waiting = f"{kind}_request_is_waiting"
            m.d.comb += [
                getattr(self, is_waiting).eq(getattr(path, is_waiting)),
                lookup.do_request.eq(getattr(path, f"{kind}_do_request")),
                getattr(lookup, kind).eq(getattr(path, kind)),
                getattr(path, f"{kind}_did_answer").eq(lookup.did_answer),
                getattr(path, f"{kind}_answer").eq(lookup.answer),
            ]
        m.d.comb += [path.do_forget.eq(self.do_reset), path.gate_is_closed.eq(keeper.gate_is_closed)]
        for name in ("bad_retire", "retire_is_due", "retire_age", "retire_is_late"):
            m.d.comb += getattr(self, name).eq(getattr(path, name))
        connect(m, flipped(self.graces), path.graces[COMPLETIONS])
        connect(m, path.grace_answers[COMPLETIONS], flipped(self.grace_answers))
        connect(m, reuse.graces, path.graces[REUSE])
        connect(m, path.grace_answers[REUSE], reuse.grace_answers)
        connect(m, flipped(self.deletes), delete_pipe.deletes)
        connect(m, delete_pipe.delete_answers, flipped(self.delete_answers))
        connect_host_ports(m, self._config, self, keeper)
