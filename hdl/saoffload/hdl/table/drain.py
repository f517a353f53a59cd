"""Which lookup answers are still in use: epochs, their counts, and grace periods."""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig
from saoffload.hdl.lut_memory import LutMemory

from .watched_count import WatchedCount


class UnretiredLimit(wiring.Component):
    """Lets a lookup request in only while fewer than ``limit`` answers of its kind are not retired.

    Parameters: ``limit``; ``is_small``: see ``WatchedCount``.

    Members: ``do_request`` (a request was taken), ``do_retire`` (an answer was retired), ``has_room``.

    Latency: ``has_room`` is a register and follows in the next clock; it never lets one request too many in.
    """

    def __init__(self, *, limit: int, is_small: bool = False):
        if limit < 2:
            raise ValueError(f"limit must be at least 2, got {limit}")
        self._limit = limit
        self._is_small = is_small
        super().__init__({"do_request": In(1), "do_retire": In(1), "has_room": Out(1, init=1)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.count = count = WatchedCount(high=self._limit, watched=self._limit - 1, is_small=self._is_small)
        m.d.comb += [count.does_add.eq(self.do_request), count.does_remove.eq(self.do_retire)]
        m.d.sync += self.has_room.eq(self.do_retire | (self.has_room & ~(count.is_watched & self.do_request)))
        return m


class GraceTickets(wiring.Component):
    """Keeps the grace requests of one requester and answers each, in order, when the oldest epoch has passed it.

    Parameters: ``depth`` requests may be unanswered; ``sequence_bits`` of an epoch's number.

    Members: ``graces``, ``grace_answers``: as of ``EpochDrain``. ``current``, ``oldest``: epochs.

    Latency: an answer comes 3 clocks after its epoch was passed; one every third clock.
    """

    graces: stream.Interface
    grace_answers: stream.Interface

    def __init__(self, *, depth: int, sequence_bits: int):
        grace = stream.Signature(layouts.NOTHING, always_ready=True)
        self._depth = depth
        super().__init__(
            {
                "graces": In(grace),
                "grace_answers": Out(grace),
                "current": In(sequence_bits),
                "oldest": In(sequence_bits),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        # There is a place for each: no one looks whether the queue is full, and only what is there is taken.
        m.submodules.tickets = tickets = LutMemory(shape=len(self.current), depth=self._depth)
        level = Signal(range(self._depth + 1))
        first, behind_last = tickets.read_addresses[0], tickets.write_address
        age = (self.oldest - tickets.read_data[0])[: len(self.current)]
        # Subtracted in one clock, judged in the next and taken in the third: only then does the next ticket show.
        age_q = Signal.like(age)
        is_known = Signal()
        has_passed = Signal()
        m.d.sync += [
            age_q.eq(age),
            is_known.eq(level.any() & ~has_passed),
            has_passed.eq(is_known & ~has_passed & (age_q != 0) & ~age_q[-1]),
        ]
        m.d.sync += level.eq(level + self.graces.valid - has_passed)
        for is_used, place in ((self.graces.valid, behind_last), (has_passed, first)):
            with m.If(is_used):
                m.d.sync += place.eq(Mux(place == self._depth - 1, 0, place + 1))
        m.d.comb += [
            tickets.write_data.eq(self.current),
            tickets.do_write.eq(self.graces.valid),
            self.grace_answers.valid.eq(has_passed),
        ]
        return m


class EpochDrain(wiring.Component):
    """Answers a grace request once every lookup answered before it was taken is retired.

    Time is cut into epochs. Every answer belongs to the epoch that was current in its clock, and is counted there,
    per kind. A grace request closes the current epoch; it is answered when that epoch and all before it are empty.
    Requests of one requester are answered in order. A retire that no unretired answer of its epoch and kind can match
    is ignored and reported: counting it would end a grace period too early.

    Parameters: ``config`` (epoch width, unretired limit), ``depths``: grace requests that each requester may have
    unanswered.

    Members: ``do_forget``: whoever asked for grace periods forgets them, so none is answered any more; answers and
    epochs stay as they are. ``epoch``: what an answer given in this clock carries. ``did_answer[kind]``: an answer of
    this kind is given in this clock. ``retires[kind]``; in the next clock ``did_retire[kind]``: it was counted, or
    ``bad_retire``: one strobe per kind. ``graces[n]``, ``grace_answers[n]``: always taken at once. ``retire_is_due``: a
    closed epoch is not empty, so that what was asked for waits; ``oldest_is_new``: strobe, the oldest epoch is passed.

    Latency: with nothing unretired, a grace request is answered 6 clocks after it was taken.
    """

    KINDS = 2

    def __init__(self, config: EngineConfig, *, depths: tuple[int, ...]):
        if not depths or any(depth < 1 for depth in depths):
            raise ValueError(f"each requester needs a depth of at least 1, got {depths}")
        self._config = config
        self._depths = depths
        retires = stream.Signature(layouts.epoch(config), always_ready=True)
        grace = stream.Signature(layouts.NOTHING, always_ready=True)
        super().__init__(
            {
                "do_forget": In(1),
                "epoch": Out(config.epoch_width),
                "did_answer": In(1).array(self.KINDS),
                "retires": In(retires).array(self.KINDS),
                "did_retire": Out(1).array(self.KINDS),
                "graces": In(grace).array(len(depths)),
                "grace_answers": Out(grace).array(len(depths)),
                "bad_retire": Out(self.KINDS),
                "retire_is_due": Out(1),
                "oldest_is_new": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        ring = 1 << self._config.epoch_width
        # Epochs are numbered so far that a ticket cannot be mistaken: it is at most the whole ring ahead of the oldest
        # epoch, and, as a passed ticket leaves in three clocks and an epoch takes two to end, at most twice
        # ``depth`` + 2 behind.
        sequence_bits = max(ring, 2 * (max(self._depths) + 2)).bit_length() + 1
        current = Signal(sequence_bits)
        oldest = Signal(sequence_bits)
        # Its place in the ring, one bit each: cheaper to choose by than the number.
        is_oldest = Signal(ring, init=1)
        m.d.comb += self.epoch.eq(current)

        empty = []
        for kind in range(self.KINDS):
            is_empty = self._elaborate_counts(m, kind)
            empty.append((is_empty & is_oldest).any())

        # The current epoch closes when a grace period asks for it and the ring has a place; the oldest one ends when
        # it is closed and both kinds are empty.
        asked = Cat(grace.valid for grace in self.graces).any()
        is_asked = Signal()
        # Known a clock ahead, so not in the clock after one has closed.
        can_close = Signal(init=1)
        closes = (is_asked | asked) & can_close
        closed_count = Signal(range(ring))
        m.d.sync += [
            closed_count.eq(closed_count + closes - self.oldest_is_new),
            can_close.eq((closed_count < ring - 1) & ~closes),
            is_asked.eq((is_asked | asked) & ~can_close),
        ]
        with m.If(closes):
            m.d.sync += current.eq(current + 1)
        m.d.comb += self.retire_is_due.eq(closed_count.any())
        m.d.sync += self.oldest_is_new.eq(self.retire_is_due & Cat(empty).all() & ~self.oldest_is_new)
        with m.If(self.oldest_is_new):
            m.d.sync += [oldest.eq(oldest + 1), is_oldest.eq(is_oldest.rotate_left(1))]

        for number, depth in enumerate(self._depths):
            tickets = GraceTickets(depth=depth, sequence_bits=sequence_bits)
            m.submodules[f"tickets_{number}"] = ResetInserter(self.do_forget)(tickets)
            m.d.comb += [tickets.current.eq(current), tickets.oldest.eq(oldest)]
            connect(m, flipped(self.graces[number]), tickets.graces)
            connect(m, tickets.grace_answers, flipped(self.grace_answers[number]))
        return m

    def _elaborate_counts(self, m: Module, kind: int) -> Signal:
        """Count the unretired answers of one kind, per epoch. Returns, per closed epoch, whether there are none.

        Answers and retires are counted a clock late. An epoch may look empty in the clock after its last answer, so
        that is looked at as well.
        """
        ring = 1 << self._config.epoch_width
        retire = self.retires[kind]
        answered = Signal(ring, name=f"answered_{kind}")
        retired = Signal(ring, name=f"retired_{kind}")
        was_empty = Signal(ring, name=f"was_empty_{kind}")
        removes = Signal(ring, name=f"removes_{kind}")
        m.d.sync += [
            answered.eq(Cat(self.did_answer[kind] & (self.epoch == number) for number in range(ring))),
            retired.eq(Cat(retire.valid & (retire.payload.epoch == number) for number in range(ring))),
        ]
        for number in range(ring):
            count = WatchedCount(high=self._config.unretired_limit, watched=0, is_small=self._config.prefers_block_ram)
            m.submodules[f"count_{kind}_{number}"] = count
            m.d.comb += [
                removes[number].eq(retired[number] & (answered[number] | ~count.is_watched)),
                # One of each changes nothing, and who asks for the count waits for it.
                count.does_add.eq(answered[number] & ~retired[number]),
                count.does_remove.eq(retired[number] & ~answered[number] & ~count.is_watched),
            ]
            m.d.sync += was_empty[number].eq(count.is_watched & ~answered[number])
        m.d.comb += [
            self.did_retire[kind].eq(removes.any()),
            self.bad_retire[kind].eq((retired & ~removes).any()),
        ]
        is_empty = Signal(ring, name=f"is_empty_{kind}")
        m.d.comb += is_empty.eq(was_empty & ~answered)
        return is_empty
