"""A table under whatever traffic a program prepares and judges, a frame of clocks at a time.

A frame is ``FRAME`` clocks. Between two of them, while the clock is low, the program reads what happened in the frame
before and writes what shall happen in the next. All else runs without it.
"""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.layouts import AddResult
from saoffload.hdl.table.choice import sa_table

FRAME = 32
LANE = 64
KEYS = 64
"""Keys that can be asked for, by number."""
HELD = 64
"""Answers that may be held before they are retired."""
ONCE = ("add", "flush", "end_restore", "grace")
"""What can be offered once in a frame, from a chosen clock on, until it is taken."""

#: What shall happen in one clock.
STIMULUS = data.StructLayout(
    {
        "handle": LANE,
        "deleted": LANE,
        "key": range(KEYS),
        "asks_key": 1,
        "asks_handle": 1,
        "deletes": 1,
        "unused": LANE - 9,
    }
)


def answer_lane(config: EngineConfig) -> data.StructLayout:
    """An answer to a lookup. All zero without one."""
    used = 1 + 1 + 32 + 1 + 1 + config.context_width
    return data.StructLayout(
        {
            "is_answer": 1,
            "hit": 1,
            "handle": 32,
            "sa_number": 1,
            "direction": 1,
            "context": config.context_width,
            "unused": LANE - used,
        }
    )


EVENTS = data.StructLayout(
    {
        "is_added": 1,
        "result": AddResult,
        "handle": 32,
        "is_deleted": 1,
        "found": 1,
        "flush_is_offered": 1,
        "flush_is_taken": 1,
        "flush_is_answered": 1,
        "flush_deleted": 8,
        "end_restore_is_taken": 1,
        "grace_is_answered": 1,
        "bad_retire": 1,
        "moved": 1,
        "add_is_waiting": 1,
        "is_damaged": 1,
        "unused": LANE - 56,
    }
)
"""What else happened in one clock."""


class TrafficHarness(wiring.Component):
    """Drives all ports of a table as it is told, and tells what they did.

    Answers are retired in their order, each when ``held`` younger ones are there.

    Parameters: ``config``.

    Members: ``load``, ``load_number``, ``load_key``: the keys that can be asked for. ``stimulus``: a ``STIMULUS`` for
    each clock of the frame. ``do_...`` with ``..._at``: this is offered from that clock of the frame on. ``request`` of
    the add. ``held``, ``seed``. ``history``: for each clock two lanes of ``answer_lane``, keys first, and ``EVENTS``.
    ``is_ready``. ``run``: the clocks of frames are counted.

    Latency: the history of a clock is there after its edge.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "load": In(1),
                "load_number": In(range(KEYS)),
                "load_key": In(layouts.KEY.size),
                "run": In(1),
                "seed": In(layouts.SEED_BITS),
                "stimulus": In(FRAME * STIMULUS.size),
                "request": In(layouts.add_request(config).size),
                **{f"do_{name}": In(1) for name in ONCE},
                **{f"{name}_at": In(range(FRAME)) for name in ONCE},
                "held": In(range(HELD)),
                "history": Out(FRAME * 3 * LANE),
                "is_ready": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.table = table = sa_table(self._config)
        m.submodules.keys = keys = Memory(shape=layouts.KEY.size, depth=KEYS, init=[])
        write, read = keys.write_port(), keys.read_port(domain="comb")
        clock = Signal(range(FRAME))
        m.d.sync += clock.eq(clock + self.run)
        now = Signal(STIMULUS)
        m.d.comb += [
            write.en.eq(self.load),
            write.addr.eq(self.load_number),
            write.data.eq(self.load_key),
            table.seed.eq(self.seed),
            self.is_ready.eq(table.is_ready),
            now.eq(Array(self.stimulus.word_select(number, STIMULUS.size) for number in range(FRAME))[clock]),
            read.addr.eq(now.key),
            Value.cast(table.key_requests.payload).eq(read.data),
            table.key_requests.valid.eq(now.asks_key & self.run),
            table.handle_requests.payload.handle.eq(now.handle),
            table.handle_requests.valid.eq(now.asks_handle & self.run),
            table.deletes.payload.handle.eq(now.deleted),
            table.deletes.valid.eq(now.deletes & self.run),
            Value.cast(table.adds.payload).eq(self.request),
            table.add_answers.ready.eq(1),
        ]
        streams = (table.adds, table.flushes, table.end_restores, table.graces)
        for name, stream in zip(ONCE, streams, strict=True):
            waits = Signal(name=f"{name}_waits")
            begins = self.run & getattr(self, f"do_{name}") & (getattr(self, f"{name}_at") == clock)
            m.d.comb += stream.valid.eq(waits | begins)
            m.d.sync += waits.eq(stream.valid & ~stream.ready)
        for name in ("key", "handle"):
            self._retire(m, name, getattr(table, f"{name}_answers"), getattr(table, f"{name}_retires"))
        self._trace(m, table, clock)
        return m

    def _retire(self, m: Module, name: str, answers: wiring.PureInterface, retires: wiring.PureInterface) -> None:
        """A queue of epochs."""
        m.submodules[f"{name}_epochs"] = epochs = Memory(shape=self._config.epoch_width, depth=2 * HELD, init=[])
        write, read = epochs.write_port(), epochs.read_port(domain="comb")
        count = Signal(range(2 * HELD), name=f"{name}_count")
        m.d.comb += [
            write.en.eq(answers.valid),
            write.data.eq(answers.payload.epoch),
            retires.valid.eq(count > self.held),
            retires.payload.epoch.eq(read.data),
        ]
        m.d.sync += [
            write.addr.eq(write.addr + answers.valid),
            read.addr.eq(read.addr + retires.valid),
            count.eq(count + answers.valid - retires.valid),
        ]

    def _trace(self, m: Module, table: wiring.Component, clock: Signal) -> None:
        lanes = []
        for name in ("key", "handle"):
            answers = getattr(table, f"{name}_answers")
            lane = Signal(answer_lane(self._config), name=f"{name}_lane")
            with m.If(answers.valid):
                m.d.comb += [
                    lane.is_answer.eq(1),
                    *(
                        Value.cast(lane[field]).eq(answers.payload[field])
                        for field in ("hit", "handle", "sa_number", "direction", "context")
                    ),
                ]
            lanes.append(lane)
        events = Signal(EVENTS)
        add = table.add_answers
        m.d.comb += [
            events.is_added.eq(add.valid),
            events.result.eq(Mux(add.valid, add.payload.result, AddResult.OK)),
            events.handle.eq(Mux(add.valid, add.payload.handle, 0)),
            events.is_deleted.eq(table.delete_answers.valid),
            events.found.eq(table.delete_answers.valid & table.delete_answers.payload.found),
            events.flush_is_offered.eq(table.flushes.valid),
            events.flush_is_taken.eq(table.flushes.valid & table.flushes.ready),
            events.flush_is_answered.eq(table.flush_answers.valid),
            events.flush_deleted.eq(Mux(table.flush_answers.valid, table.flush_answers.payload.deleted, 0)),
            events.end_restore_is_taken.eq(table.end_restores.valid & table.end_restores.ready),
            events.grace_is_answered.eq(table.grace_answers.valid),
            events.bad_retire.eq(table.bad_retire.any()),
            events.moved.eq(table.moved),
            events.add_is_waiting.eq(table.add_is_waiting),
            events.is_damaged.eq(table.is_damaged),
        ]
        words = [Signal(3 * LANE, name=f"trace_{number}") for number in range(FRAME)]
        for number, word in enumerate(words):
            with m.If((clock == number) & self.run):
                m.d.sync += word.eq(Cat(*(lane.as_value() for lane in (*lanes, events))))
        m.d.comb += self.history.eq(Cat(words))
