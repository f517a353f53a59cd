"""What an add request says of itself, before anything is looked up."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.table.handles import is_well_formed

from .trees import JOINED_BITS, all_groups, equal_groups


class RequestJudge(wiring.Component):
    """Tells what is wrong with a request by itself, and which of its keys are wildcards.

    Parameters: ``config``.

    Members: ``request``, ``is_restoring``: both stand until all is told. ``key_count``: of the bundle. ``is_refused``
    with ``refusal``; ``is_wildcard``: one bit per key; ``has_same_keys``: the bundle has two and they are equal.

    Latency: ``key_count`` 1 clock, ``is_refused``, ``refusal`` and ``is_wildcard`` 2 clocks, ``has_same_keys`` 3.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "request": In(layouts.add_request(config)),
                "is_restoring": In(1),
                "key_count": Out(range(3)),
                "is_refused": Out(1),
                "refusal": Out(layouts.AddResult),
                "is_wildcard": Out(2),
                "has_same_keys": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        request = self.request
        has_second = request.sa_count == 2
        is_inbound = request.direction == layouts.Direction.INBOUND
        m.d.sync += self.key_count.eq(Value.cast(request.sa_count) & is_inbound.replicate(2))

        has_bad_count = Signal()
        lacks_handle = Signal()
        has_bad_handle = Signal()
        m.d.sync += [
            has_bad_count.eq(~((request.sa_count == 1) | has_second)),
            lacks_handle.eq(self.is_restoring & (request.handle == 0)),
            has_bad_handle.eq(self.is_restoring & ~is_well_formed(self._config, request.handle)),
            self.is_refused.eq(has_bad_count | lacks_handle | has_bad_handle),
            self.refusal.eq(layouts.AddResult.OK),
        ]
        with m.If(has_bad_count):
            m.d.sync += self.refusal.eq(layouts.AddResult.UNSUPPORTED)
        with m.Elif(lacks_handle):
            m.d.sync += self.refusal.eq(layouts.AddResult.RESTORE_MODE)
        with m.Elif(has_bad_handle):
            m.d.sync += self.refusal.eq(layouts.AddResult.BAD_HANDLE)

        self._find_wildcards(m)
        self._compare_keys(m)
        return m

    def _find_wildcards(self, m: Module) -> None:
        """Which of the keys have no destination."""
        for number, key in enumerate(self.request.keys):
            lows = range(0, layouts.DESTINATION_BITS, JOINED_BITS)
            is_set = Signal(len(lows), name=f"is_set_{number}", reset_less=True)
            m.d.sync += [
                is_set.eq(Cat(key.destination[low : low + JOINED_BITS].any() for low in lows)),
                self.is_wildcard[number].eq(~is_set.any()),
            ]

    def _compare_keys(self, m: Module) -> None:
        """Whether both keys are the same."""
        groups = equal_groups(*(key.as_value() for key in self.request.keys))
        equal = Signal(len(groups), reset_less=True)
        all_equal = Signal(len(all_groups(equal)), reset_less=True)
        m.d.sync += [
            equal.eq(groups),
            all_equal.eq(all_groups(equal)),
            self.has_same_keys.eq((self.key_count == 2) & all_equal.all()),
        ]
