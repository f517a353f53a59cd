"""The walk with its read master, as one component: what is measured when the walker is."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from saoffload.hdl.bus.axi4 import Axi4ReadSignature
from saoffload.hdl.bus.choice import read_master
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.walk.signature import WalkSignature
from saoffload.hdl.walk.walk import Walk

ARRIVALS = ("arrives", "arriving_id", "arriving_is_last", "arriving_data")
"""Those that only a walker of many lists has."""

BETWEEN_THEM = ("reads", "beats", "abandons", "busy_ids", *ARRIVALS)
"""Members of ``WalkSignature`` that lead to the read master."""


class BusWalk(wiring.Component):
    """A walk and the read master that a configuration gives it, wired as in an engine.

    Parameters: ``config``.

    Members: those of :class:`.WalkSignature` but for what passes between the two; of the read master ``axi``,
    ``busy_ids``, ``lost_id_count`` and ``unknown_beat``.
    """

    commands: stream.Interface
    results: stream.Interface
    deletes: stream.Interface
    delete_answers: stream.Interface
    window_writes: stream.Interface
    window_write_answers: stream.Interface
    axi: wiring.PureInterface
    busy_ids: Signal
    lost_id_count: Signal
    unknown_beat: Signal

    def __init__(self, config: EngineConfig):
        self._config = config
        widths = {
            "address_width": config.address_width,
            "data_width": config.data_width,
            "id_width": config.id_width,
        }
        members = {name: member for name, member in WalkSignature(config).members.items() if name not in BETWEEN_THEM}
        super().__init__(
            {
                **members,
                "axi": Out(Axi4ReadSignature(**widths)),
                "lost_id_count": Out(range(2**config.id_width + 1)),
                "unknown_beat": Out(1),
                "busy_ids": Out(2**config.id_width),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.walk = walk = Walk(self._config)
        m.submodules.master = master = read_master(self._config)

        connect(m, walk.reads, master.requests)
        connect(m, master.beats, walk.beats)
        connect(m, walk.abandons, master.abandons)
        connect(m, master.axi, flipped(self.axi))
        m.d.comb += [
            walk.busy_ids.eq(master.busy_ids),
            self.lost_id_count.eq(master.lost_id_count),
            self.unknown_beat.eq(master.unknown_beat),
            self.busy_ids.eq(master.busy_ids),
        ]

        if not self._config.is_serial:
            m.d.comb += [getattr(walk, name).eq(getattr(master, name)) for name in ARRIVALS]

        # Everything else goes straight through.
        for name, member in WalkSignature(self._config).members.items():
            if name in BETWEEN_THEM:
                continue
            inner, outer = getattr(walk, name), getattr(self, name)
            if not member.is_port:
                connect(m, inner, flipped(outer))
            elif member.flow is In:
                m.d.comb += inner.eq(outer)
            else:
                m.d.comb += outer.eq(inner)
        return m
