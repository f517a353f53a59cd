"""The packet path's side of a table: lookups come in while there is room, answers leave with their epoch."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig

from .drain import EpochDrain, UnretiredLimit
from .retire_watch import AGE_BITS, RetireWatch

KINDS = ("key", "handle")
"""The two kinds of lookups, in the order in which the drain numbers them."""

COMPLETIONS, REUSE = 0, 1
"""Who asks for grace periods: completions, and the reuse of indices."""


class PacketPath(wiring.Component):
    """Lets requests in while fewer than the limit are unretired, gives answers their epoch, and counts retires, so that
    a grace period ends when every answer given before it is retired. While the gate is closed every answer is a miss.

    Parameters: ``config``.

    Members: the packet path's streams and strobes of ``TableSignature``. Per kind, K being ``key`` or ``handle``:
    ``K_do_request`` with ``K``: to the lookup; ``K_did_answer`` with ``K_answer``: from it, a fixed number of clocks
    later (its epoch is not looked at, and without ``hit`` nothing else is). ``gate_is_closed``. ``do_forget``,
    ``retire_is_due``: see ``EpochDrain``; ``retire_age``, ``retire_is_late``: see ``RetireWatch``, 0 without one.
    ``graces[n]``,
    ``grace_answers[n]``: of ``COMPLETIONS``, of which ``config.completion_depth`` may be unanswered, and of ``REUSE``,
    one at a time.

    Latency: none from request to lookup, none from lookup to answer; a retire makes room, or is told to be bad, three
    clocks later. For grace periods see ``EpochDrain``.
    """

    key_requests: stream.Interface
    key_answers: stream.Interface
    key_retires: stream.Interface
    handle_requests: stream.Interface
    handle_answers: stream.Interface
    handle_retires: stream.Interface

    def __init__(self, config: EngineConfig):
        self._config = config
        requests = {"key": layouts.KEY, "handle": layouts.HANDLE_REQUEST}
        answer = layouts.lookup_answer(config)
        answers = stream.Signature(answer, always_ready=True)
        retires = stream.Signature(layouts.epoch(config), always_ready=True)
        grace = stream.Signature(layouts.NOTHING, always_ready=True)
        members = {
            "gate_is_closed": In(1),
            "do_forget": In(1),
            "bad_retire": Out(len(KINDS)),
            "retire_is_due": Out(1),
            "retire_age": Out(AGE_BITS),
            "retire_is_late": Out(1),
            "graces": In(grace).array(2),
            "grace_answers": Out(grace).array(2),
        }
        for kind in KINDS:
            members |= {
                f"{kind}_requests": In(stream.Signature(requests[kind])),
                f"{kind}_answers": Out(answers),
                f"{kind}_retires": In(retires),
                f"{kind}_request_is_waiting": Out(1),
                f"{kind}_do_request": Out(1),
                f"{kind}_did_answer": In(1),
                f"{kind}_answer": In(answer),
            }
        super().__init__({**members, "key": Out(layouts.KEY), "handle": Out(layouts.WIDE_HANDLE_BITS)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.drain = drain = EpochDrain(self._config, depths=(self._config.completion_depth, 1))
        for number, kind in enumerate(KINDS):
            m.submodules[f"{kind}_limit"] = limit = UnretiredLimit(
                limit=self._config.unretired_limit, is_small=self._config.prefers_block_ram
            )
            requests, answers = getattr(self, f"{kind}_requests"), getattr(self, f"{kind}_answers")
            do_request, answer = getattr(self, f"{kind}_do_request"), getattr(self, f"{kind}_answer")
            connect(m, flipped(getattr(self, f"{kind}_retires")), drain.retires[number])
            m.d.comb += [
                requests.ready.eq(limit.has_room),
                getattr(self, f"{kind}_request_is_waiting").eq(requests.valid & ~limit.has_room),
                do_request.eq(requests.valid & requests.ready),
                limit.do_request.eq(do_request),
                answers.valid.eq(getattr(self, f"{kind}_did_answer")),
                answers.payload.epoch.eq(drain.epoch),
                drain.did_answer[number].eq(answers.valid),
            ]
            m.d.sync += limit.do_retire.eq(drain.did_retire[number])
            with m.If(answer.hit & ~self.gate_is_closed):
                m.d.comb += [
                    answers.payload[field].eq(answer[field])
                    for field in ("hit", "handle", "sa_number", "direction", "context")
                ]
        m.d.comb += [
            self.key.eq(self.key_requests.payload),
            self.handle.eq(self.handle_requests.payload.handle),
            self.retire_is_due.eq(drain.retire_is_due),
            drain.do_forget.eq(self.do_forget),
        ]
        m.d.sync += self.bad_retire.eq(drain.bad_retire)
        if self._config.watches_retires:
            m.submodules.watch = watch = RetireWatch()
            m.d.comb += [
                watch.is_due.eq(drain.retire_is_due),
                watch.is_new.eq(drain.oldest_is_new),
                self.retire_age.eq(watch.age),
                self.retire_is_late.eq(watch.is_late),
            ]
        for requester in (COMPLETIONS, REUSE):
            connect(m, flipped(self.graces[requester]), drain.graces[requester])
            connect(m, drain.grace_answers[requester], flipped(self.grace_answers[requester]))
        return m
