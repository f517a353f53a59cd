"""What the walk's tests stand on: nodes in memory, the read master's side of its port, a table's delete port."""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from random import Random
from struct import pack
from typing import Any

from amaranth.hdl import Value
from tests.unit.streams import Stalls, never

WORD = 8
PAGE = 4096
LINE = 512


class Memory:
    """2**64 bytes; those that were never written hold noise, the same at each read."""

    def __init__(self, seed: int | str = 0):
        self._seed = seed
        self._words: dict[int, bytearray] = {}

    def word(self, address: int) -> bytearray:
        number = address // WORD
        if number not in self._words:
            self._words[number] = bytearray(Random(f"{self._seed} {number}").randbytes(WORD))
        return self._words[number]

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.word(byte)[byte % WORD] for byte in range(address, address + size))

    def write(self, address: int, content: bytes) -> None:
        for offset, byte in enumerate(content):
            self.word(address + offset)[(address + offset) % WORD] = byte


@dataclass(frozen=True, kw_only=True)
class Abi:
    """How nodes of one ABI look, from the public headers."""

    code: int
    size: int
    alignment: int
    header: int

    def node(
        self, next_address: int, handle: int, *, header: int | None = None, padding: bytes = b"\xa5\x5a\xff\x00"
    ) -> bytes:
        header = self.header if header is None else header
        if self.size == 12:
            return pack("<III", header, next_address, handle)
        return pack("<I4sQQ", header, padding, next_address, handle)


X64 = Abi(code=0, size=24, alignment=8, header=0x00180180)
X86 = Abi(code=1, size=12, alignment=4, header=0x000C0180)


class Fault(Enum):
    """What a memory can do wrong at the beat of one word."""

    ERROR = auto()  # an error response
    EARLY_END = auto()  # the burst ends here
    NO_END = auto()  # the burst does not end where it should; the rest comes when the memory is released
    SILENCE = auto()  # the read that holds this word is not answered until the memory is released


@dataclass
class Read:
    """One accepted read; ``beats`` still to come as (clock, word address, failed, is_final, frees the ID)."""

    id: int
    beats: deque[tuple[int, int, bool, bool, bool]]
    is_silent: bool
    is_lost: bool = False
    #: Of the next word.
    number: int = 0


@dataclass
class ReadPort:
    """The read master and the memory behind it: ``reads``, ``beats``, ``abandons`` and ``busy_ids`` of ``dut``.

    A ``dut`` that is told of arrivals is handed their beats a clock later, and sees an ID that it offered as busy two
    clocks later instead of one, as the master of bursts shows it.

    ``latency`` is the number of clocks from the acceptance of an address to its first beat; further beats follow in
    each clock in which ``beat_stalls`` does not hold them back.
    """

    dut: Any
    memory: Memory
    latency: int = 1
    address_stalls: Stalls = field(default_factory=never)
    beat_stalls: Stalls = field(default_factory=never)
    faults: dict[int, Fault] = field(default_factory=dict)
    is_address_blocked: bool = False
    #: (clock of acceptance, ID, bus address, beat count)
    log: list[tuple[int, int, int, int]] = field(default_factory=list)
    offer_clocks: list[int] = field(default_factory=list)
    abandon_clocks: list[int] = field(default_factory=list)
    #: Clock, word address of every beat delivered.
    beat_log: list[tuple[int, int]] = field(default_factory=list)
    busy_ids: int = 0
    clock: int = 0
    _reads: list[Read] = field(default_factory=list)

    def release(self) -> None:
        """Lets the memory answer what it owes."""
        for read in self._reads:
            read.is_silent = False

    async def run(self, ctx: Any) -> None:
        dut = self.dut
        is_offered = False
        is_offer_abandoned = False
        is_told = hasattr(dut, "arrives")
        was_offered = 0
        nothing: dict[str, Any] = {}
        arrived = nothing
        while True:
            is_ready = not self.is_address_blocked and not next(self.address_stalls)
            ctx.set(dut.reads.ready, is_ready)
            beat = self._take_beat()
            read, delivered = beat or (None, None)
            is_delivered = delivered is not None and not read.is_lost
            content_now = nothing
            if is_told:
                ctx.set(dut.arrives, delivered is not None)
                ctx.set(dut.arriving_id, read.id if delivered else 0)
                ctx.set(dut.arriving_is_last, bool(delivered and delivered[-1]))
                ctx.set(dut.arriving_data, self._content(*delivered[1:3]) if delivered else 0)
            if is_delivered:
                _, word, failed, is_final, _ = delivered
                content_now = {
                    "id": read.id,
                    "data": self._content(word, failed),
                    "number": read.number,
                    "failed": failed,
                    "is_final": is_final,
                }
                read.number += 1
                self.beat_log.append((self.clock, word))
            handed = arrived if is_told else content_now
            arrived = content_now
            ctx.set(dut.beats.valid, handed is not nothing)
            ctx.set(Value.cast(dut.beats.payload), (1 << len(Value.cast(dut.beats.payload))) - 1)
            if handed is not nothing:
                ctx.set(dut.beats.payload, handed)

            request = dut.reads.payload
            sampled = (dut.reads.valid, request.id, request.address, request.beat_count)
            abandon = (dut.abandons.valid, dut.abandons.payload.id)
            _, _, valid, read_id, address, beat_count, is_abandoned, abandoned_id = await ctx.tick().sample(
                *sampled, *abandon
            )
            # An end of the read in this very clock prevails.
            self.busy_ids |= was_offered
            was_offered = 0
            if delivered:
                self._settle(read, delivered)
            if is_abandoned:
                self.abandon_clocks.append(self.clock)
                outstanding = [read for read in self._reads if read.id == abandoned_id]
                assert len(outstanding) + (valid and read_id == abandoned_id) == 1, "abandoned what is not outstanding"
                for lost in outstanding:
                    assert not lost.is_lost, "abandoned twice"
                    lost.is_lost = True
                is_offer_abandoned |= not outstanding
            if valid:
                if not is_offered:
                    self.offer_clocks.append(self.clock)
                    assert not self.busy_ids >> read_id & 1, f"ID {read_id} is in use"
                was_offered = 1 << read_id
            if not is_told:
                self.busy_ids |= was_offered
            is_offered = valid and not is_ready
            if valid and is_ready:
                self._accept(read_id, address, beat_count, is_lost=is_offer_abandoned)
                is_offer_abandoned = False
            ctx.set(dut.busy_ids, self.busy_ids)
            self.clock += 1

    def _accept(self, read_id: int, address: int, beat_count: int, *, is_lost: bool) -> None:
        assert address % WORD == 0
        assert 1 <= beat_count <= 3 or (beat_count == LINE // WORD and address % LINE == 0)
        assert address // PAGE == (address + beat_count * WORD - 1) // PAGE, f"{address:#x} crosses 4 KB"
        self.log.append((self.clock, read_id, address, beat_count))
        words = [address + WORD * n for n in range(beat_count)]
        kinds = [self.faults.get(word) for word in words]
        beats = deque()
        for number, (word, kind) in enumerate(zip(words, kinds, strict=True)):
            is_last = number == beat_count - 1
            is_final = is_last or kind is Fault.EARLY_END
            failed = (
                kind is Fault.ERROR or (kind is Fault.EARLY_END and not is_last) or (kind is Fault.NO_END and is_last)
            )
            frees_id = is_final and not (kind is Fault.NO_END and is_last)
            beats.append((self.clock + self.latency + number, word, failed, is_final, frees_id))
            if is_final:
                break
        self._reads.append(Read(read_id, beats, is_silent=Fault.SILENCE in kinds, is_lost=is_lost))

    def _content(self, word: int, failed: bool) -> int:
        """A word as the bus has it: a beat that failed is not what memory holds."""
        content = int.from_bytes(self.memory.read(word, WORD), "little")
        return content ^ 0x5555_AAAA_3333_CCCC if failed else content

    def _take_beat(self) -> tuple[Read, tuple[int, int, bool, bool, bool]] | None:
        if next(self.beat_stalls):
            return None
        for read in self._reads:
            if not read.is_silent and read.beats and read.beats[0][0] <= self.clock:
                return read, read.beats.popleft()
        return None

    def _settle(self, read: Read, beat: tuple[int, int, bool, bool, bool]) -> None:
        *_, is_final, frees_id = beat
        if frees_id:
            self._reads.remove(read)
            self.busy_ids &= ~(1 << read.id)
        elif is_final:
            # The beat with RLAST that should have been this one comes when the memory is released.
            read.is_silent, read.is_lost = True, True
            read.beats.append((self.clock + 1, beat[1], True, True, True))


@dataclass
class DeletePort:
    """A table's side of ``deletes`` and ``delete_answers``: a handle in ``live`` is found, and lives no longer."""

    dut: Any
    live: set[int]
    latency: int = 3
    stalls: Stalls = field(default_factory=never)
    log: list[tuple[int, bool]] = field(default_factory=list)
    clocks: list[int] = field(default_factory=list)

    async def run(self, ctx: Any) -> None:
        dut = self.dut
        answers: deque[tuple[int, bool]] = deque()
        clock = 0
        while True:
            is_ready = not next(self.stalls)
            ctx.set(dut.deletes.ready, is_ready)
            is_answered = bool(answers) and answers[0][0] <= clock
            ctx.set(dut.delete_answers.valid, is_answered)
            ctx.set(dut.delete_answers.payload.found, answers.popleft()[1] if is_answered else 1)
            _, _, valid, handle = await ctx.tick().sample(dut.deletes.valid, dut.deletes.payload.handle)
            if valid and is_ready:
                found = handle in self.live
                self.live.discard(handle)
                self.log.append((handle, found))
                self.clocks.append(clock)
                answers.append((clock + self.latency, found))
            clock += 1
