"""The one signature of every SA table: what the engine and the packet path may ask, and what they are promised."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig

from .retire_watch import AGE_BITS

RESET_TO_MISS = 3
"""Clocks after ``do_reset`` from which on every lookup is answered with a miss."""


class HostPorts(wiring.Signature):
    """The part of ``TableSignature`` that a table's keeper serves: adds, flushes, and the end of restore mode."""

    def __init__(self, config: EngineConfig):
        super().__init__(
            {
                "adds": In(stream.Signature(layouts.add_request(config))),
                "add_answers": Out(stream.Signature(layouts.ADD_ANSWER)),
                "flushes": In(stream.Signature(layouts.NOTHING)),
                "flush_answers": Out(stream.Signature(layouts.flush_answer(config), always_ready=True)),
                "end_restores": In(stream.Signature(layouts.NOTHING)),
                "is_ready": Out(1),
                "is_restoring": Out(1, init=1),
                "add_is_waiting": Out(1),
            }
        )


def connect_host_ports(m: Module, config: EngineConfig, outer: Any, inner: Any) -> None:
    """Lets ``inner`` serve the ``HostPorts`` of ``outer``, of which it is a part."""
    for name, member in HostPorts(config).members.items():
        ours, its = getattr(outer, name), getattr(inner, name)
        if member.is_signature:
            connect(m, flipped(ours), its)
        else:
            m.d.comb += ours.eq(its)


class TableSignature(wiring.Signature):
    """Ports of an SA table, seen from the table.

    Lookups (packet path), each kind with streams of its own:

    - ``key_requests`` / ``key_answers`` / ``key_retires``: receive lookups; hit inbound bundles only.
    - ``handle_requests`` / ``handle_answers`` / ``handle_retires``: transmit lookups; hit outbound bundles only.

    Requests are taken one per clock and wait for one reason alone: ``config.unretired_limit`` answers of the kind
    are not retired (each waiting clock is one ``..._is_waiting`` strobe). Answers come in order, a fixed number of
    clocks after their request, and must be taken at once. Every answer, a miss too, is retired exactly once, in any
    order, by its epoch; a retire that names no unretired answer changes nothing and strobes ``bad_retire``: bit 0
    for a key lookup's, bit 1 for a handle lookup's.

    Management:

    - ``adds`` / ``add_answers``: one bundle, all or nothing. Takes as long as it must: while only scrubs or
      unretired answers keep room from being free, ``add_is_waiting`` is 1.
    - ``deletes`` / ``delete_answers``: one per clock, never stalled, answered in order after a fixed number of clocks,
      taken at once. A lookup answered in the clock of the delete's answer, or later, misses; one answered earlier
      belongs to the grace period.
    - ``flushes`` / ``flush_answers``: from the clock after its offer every lookup answer is a miss. A flush is taken at
      once, but for the few clocks in which an add is sure to be answered OK: then it is taken with that answer. No
      answer to an add is offered after that until the flush is answered, which is when every bundle of before is gone;
      the table is in restore mode then.
    - ``end_restores``: leaves restore mode. Waits while an add is on offer, and is taken with its answer; waits while a
      flush is under way; else it is taken at once. So an add that names a handle is not overtaken. A flush that is
      taken takes a waiting end of restore mode with it, unheeded; before ``is_ready`` it is taken unheeded, too.
    - ``graces`` / ``grace_answers``: answered in order once every lookup answered before the request was taken is
      retired. At most ``config.completion_depth`` may be unanswered; the answer must be taken at once.

    - ``seed``: of the hash, where there is one. Followed while ``seed_is_open``: after a reset or a flush until the
      first add begins; from then on it may change without effect, until the next flush.

    - ``do_reset``: all begins as after a reset, but for the packet path: lookups under way are answered, what was
      answered is still to be retired, and no index is issued before it is. Grace periods asked for are forgotten.
      Lookups answered ``RESET_TO_MISS`` clocks after it or later miss.

    ``retire_is_due``: an answer that a grace period waits for is not retired; ``retire_age``, ``retire_is_late``: see
    ``RetireWatch`` (0 unless ``config.watches_retires``).

    State: ``is_ready`` after the reset scrub, ``is_restoring``, ``live_bundles``, ``live_keys``,
    ``seed_is_open``. ``is_damaged``: strobe, stored bits were found to have flipped. ``moved``: strobe, a key was
    displaced by another (never, in a table that displaces none): what an add costs depends on these.
    """

    def __init__(self, config: EngineConfig):
        answer = layouts.lookup_answer(config)
        epoch = layouts.epoch(config)
        super().__init__(
            {
                "key_requests": In(stream.Signature(layouts.KEY)),
                "key_answers": Out(stream.Signature(answer, always_ready=True)),
                "key_retires": In(stream.Signature(epoch, always_ready=True)),
                "handle_requests": In(stream.Signature(layouts.HANDLE_REQUEST)),
                "handle_answers": Out(stream.Signature(answer, always_ready=True)),
                "handle_retires": In(stream.Signature(epoch, always_ready=True)),
                **HostPorts(config).members,
                "deletes": In(stream.Signature(layouts.DELETE_REQUEST, always_ready=True)),
                "delete_answers": Out(stream.Signature(layouts.DELETE_ANSWER, always_ready=True)),
                "graces": In(stream.Signature(layouts.NOTHING, always_ready=True)),
                "grace_answers": Out(stream.Signature(layouts.NOTHING, always_ready=True)),
                "seed": In(layouts.SEED_BITS),
                "seed_is_open": Out(1),
                "do_reset": In(1),
                "retire_is_due": Out(1),
                "retire_age": Out(AGE_BITS),
                "retire_is_late": Out(1),
                "key_request_is_waiting": Out(1),
                "handle_request_is_waiting": Out(1),
                "bad_retire": Out(2),
                "is_damaged": Out(1),
                "moved": Out(1),
                "live_bundles": Out(range(config.bundles + 1)),
                "live_keys": Out(range(config.keys + 1)),
            }
        )
