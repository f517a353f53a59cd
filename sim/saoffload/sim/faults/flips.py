"""Part ``flips``: each bit that a hash table stores of its bundles, flipped, looked for, and told of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cocotb
from cocotb.triggers import First, RisingEdge, Timer

from saoffload.host.bundles import Bundle, Destination, Sa
from saoffload.host.interrupts import Event
from saoffload.host.register_map import Direction, Family, Protocol
from saoffload.sim.benches.strobes import CLOCK_PS, clock_number
from saoffload.sim.permutation import KEY_BITS, KeyedPermutation, key_bits, row_of

from .rig import ADDRESS, FIRST_HANDLE, Question, Rig

SEED = 0x1234_5678_9ABC_DEF0
BUNDLES = 8
INDEX_BITS = 3
EXACT = (0, 1, 2)
WILDCARDS = (3, 6)
OUTBOUND = (4, 5)
DEAD = 7
"""A bundle that was deleted: its handle must never live again."""
CONTEXT = 0xA5
SETTLE_CLOCKS = 60
"""After which everything that was under way at a repair is told of."""


class Place(NamedTuple):
    """One bit of one word of one memory."""

    memory: str
    word: int
    bit: int


@dataclass(frozen=True)
class Sizes:
    """What the cases need to know of the table."""

    ways: int
    way_depth: int
    rounds: int
    steps: int
    audits: int

    @property
    def row_bits(self) -> int:
        """Bits of a row's address."""
        return (self.way_depth - 1).bit_length()

    @property
    def sweep_clocks(self) -> int:
        """No sweep takes longer: a clock for each candidate and index of a step, and 24 more for its states and the
        keeper's.
        """
        return self.steps * (self.ways + 2 + self.audits + 24)


class FlipRig(Rig):
    """A table with bundles of every kind, whose memories can be reached."""

    def __init__(self, dut: Any, sizes: Sizes) -> None:
        super().__init__(dut, seed=SEED)
        self.sizes = sizes
        self.spis = _spread_spis(sizes)
        table = dut.engine.table
        live, wildcards, generations = table.live, table.management.keys.wildcards, table.generations
        self.memories = {
            **{f"way_{way}": getattr(table, f"way_{way}").memory.memory.memory for way in range(sizes.ways)},
            "generations of keys": generations.key_copy.memory.memory.memory,
            "generations of handles": generations.handle_copy.memory.memory.memory,
            "contexts of keys": table.contexts.key_copy.memory.memory,
            "contexts of handles": table.contexts.handle_copy.memory.memory,
            "states": live.deletes.memory.memory,
            "live exact keys": live.exact_key.memory.memory,
            "live wildcards": live.wildcard_key.memory.memory,
            "live handles": live.handle.memory.memory,
            "names of wildcards": wildcards.names.memory,
            "owners of wildcards": wildcards.owners.memory,
        }
        self._permutation = KeyedPermutation(seed=SEED, rounds=sizes.rounds)
        self._words: dict[str, list[int]] = {}

    def places(self) -> Iterator[Place]:
        """Every stored bit."""
        for name, memory in self.memories.items():
            for word in range(len(memory)):
                for bit in range(len(memory[word].value)):
                    yield Place(name, word, bit)

    async def set_up(self) -> None:
        """Three bundles with exact keys, two with wildcards, two outbound, and one that is no more."""
        await self.begin()
        for index in range(BUNDLES):
            destination = Destination(0, Family.IPV4) if index in WILDCARDS else ADDRESS
            sa = Sa(spi=self.spis[index], destination=destination, protocol=Protocol.ESP)
            direction = Direction.OUTBOUND if index in OUTBOUND else Direction.INBOUND
            bundle = Bundle(sas=(sa,), handle=FIRST_HANDLE + index, direction=direction, context=CONTEXT ^ index)
            await self.restore(bundle)
        tag = await self.driver.commands.submit_delete(FIRST_HANDLE + DEAD)
        assert (await self.driver.completions.wait(tag)).deleted == 1
        # The sweep that takes the dead key away, and the one after it.
        await self.clocks(3 * self.sizes.sweep_clocks)
        await self.driver.interrupts.enable(Event.TABLE_LOST)
        self._words = {
            name: [memory[word].value.to_unsigned() for word in range(len(memory))]
            for name, memory in self.memories.items()
        }
        assert await self.is_whole()

    def flip(self, place: Place) -> int:
        """Flips the bit; returns the word as it is then."""
        word = self._words[place.memory][place.word] ^ 1 << place.bit
        self.memories[place.memory][place.word].value = word
        return word

    def repair(self) -> None:
        """Writes every word back that is not as it was."""
        for name, words in self._words.items():
            memory = self.memories[name]
            for number, word in enumerate(words):
                if memory[number].value.to_unsigned() != word:
                    memory[number].value = word

    async def is_whole(self) -> bool:
        """Whether each bundle that lives is found, and nothing else. Raises when something else is found."""
        keys = [self.spis[index] for index in (*EXACT, *WILDCARDS, DEAD)]
        handles = [FIRST_HANDLE + index for index in OUTBOUND]
        return all(await self.look(keys, [*handles, FIRST_HANDLE + DEAD]))

    async def look(self, keys: Sequence[Question], handles: Sequence[int]) -> list[bool]:
        """Looks up these keys and handles: each must give what lives under it, or nothing. Returns, of those under
        which something lives, whether it was found.
        """
        found = []
        # Both kinds at the same time, before the sweep gets there.
        task = cocotb.start_soon(self.ask("handle", handles))
        key_answers = await self.ask("key", keys)
        for question, answer in (*zip(keys, key_answers, strict=True), *zip(handles, await task, strict=True)):
            due = self._due(question)
            is_handle = isinstance(question, int) and question >= FIRST_HANDLE
            if answer["hit"]:
                assert due is not None, f"a false hit: {question} gave {answer}"
                said = (answer["handle"], answer["context"])
                assert said == (FIRST_HANDLE + due, CONTEXT ^ due), f"{question} gave {answer}"
                assert (due in OUTBOUND) == is_handle, f"{question} gave {answer}"
            if due is not None:
                found.append(bool(answer["hit"]))
        return found

    def _due(self, question: Question) -> int | None:
        """The index of the bundle that lives under a key or handle."""
        if isinstance(question, tuple):
            spi, destination, family, protocol = question
            index = self.spis.index(spi) if spi in self.spis else None
            if family or protocol or not (index in WILDCARDS or (index in EXACT and destination == ADDRESS.value)):
                return None
            return index
        if question >= FIRST_HANDLE:
            index = question - FIRST_HANDLE
            return index if index in OUTBOUND else None
        index = self.spis.index(question) if question in self.spis else None
        return index if index in (*EXACT, *WILDCARDS) else None

    def questions(self, place: Place, word: int) -> tuple[list[Question], list[int]]:
        """What this flip could make a hit of, beside everything that lives and the one that is dead."""
        keys: list[Question] = [self.spis[index] for index in (*EXACT, *WILDCARDS, DEAD)]
        handles = [FIRST_HANDLE + index for index in (*OUTBOUND, DEAD, EXACT[0])]
        if place.memory.startswith("way"):
            keys.append(self._key_of(int(place.memory.removeprefix("way_")), place.word, word))
        elif place.memory.startswith("generations"):
            # The generation that the memory holds now, and the next.
            generation = word & (1 << 31 - INDEX_BITS) - 1
            handles += [FIRST_HANDLE | generation << INDEX_BITS | place.word, FIRST_HANDLE + BUNDLES + place.word]
        elif place.memory == "names of wildcards":
            keys.append((word & 0xFFFF_FFFF, 1, word >> 32 & 1, word >> 33 & 1))
        return keys, handles

    def _key_of(self, way: int, row: int, word: int) -> Question:
        """The key that a row of a way means: used, owner (index and SA), the rest of the permuted key, parity."""
        bits = self.sizes.row_bits
        rest = word >> 1 + INDEX_BITS + 1 & (1 << KEY_BITS - bits) - 1
        low = rest & (1 << way * bits) - 1
        permuted = low | row << way * bits | rest >> way * bits << (way + 1) * bits
        key = self._permutation.inverse(permuted)
        return key & 0xFFFF_FFFF, key >> 32 & (1 << 128) - 1, key >> 160 & 1, key >> 161


def _spread_spis(sizes: Sizes) -> list[int]:
    """The SPI of each index. No two exact keys want the same row of a way: then none is ever on the move, which would
    have what is stored change by itself.
    """
    permutation = KeyedPermutation(seed=SEED, rounds=sizes.rounds)
    spis = list(range(BUNDLES))
    taken: list[set[int]] = [set() for _ in range(sizes.ways)]
    candidates = iter(range(0x1000, 0x1_0000_0000, 0x11_2357))
    for index in (*EXACT, DEAD):
        for spi in candidates:
            permuted = permutation.forward(key_bits(spi=spi, destination=ADDRESS.value))
            rows = [row_of(permuted, way=way, row_bits=sizes.row_bits) for way in range(sizes.ways)]
            if all(row not in others for row, others in zip(rows, taken, strict=True)):
                spis[index] = spi
                for row, others in zip(rows, taken, strict=True):
                    others.add(row)
                break
        else:
            raise AssertionError("no key wants a row of its own")
    return spis


async def run(dut: Any, chosen: list[int] | None, *, step: int, sizes: dict[str, int]) -> dict[str, int]:
    """Every ``step``-th stored bit (or the chosen ones), flipped by itself."""
    rig = FlipRig(dut, Sizes(**sizes))
    await rig.set_up()
    every = list(rig.places())
    numbers = range(0, len(every), step) if chosen is None else chosen
    done = {
        "cases": 0,
        "stored_bits": len(every),
        "lookups": 0,
        "most_clocks": 0,
        "sweep_clocks": rig.sizes.sweep_clocks,
    }
    for number in numbers:
        async with rig.described(f"bit {number}, {every[number]}"):
            await _run_case(rig, every[number], done)
        done["cases"] += 1
    return done


async def _run_case(rig: FlipRig, place: Place, done: dict[str, int]) -> None:
    driver = rig.driver
    start = clock_number()
    word = rig.flip(place)
    reported = cocotb.start_soon(_report_clock(rig))
    keys, handles = rig.questions(place, word)
    await rig.look(keys, handles)
    done["lookups"] += len(keys) + len(handles)
    clocks = await reported - start
    assert clocks <= rig.sizes.sweep_clocks, f"told of after {clocks} clocks"
    done["most_clocks"] = max(done["most_clocks"], clocks)
    assert Event.TABLE_LOST in await driver.interrupts.pending()
    assert (await driver.status()).table_was_lost
    if place.word == DEAD and place.memory.split()[0] in ("states", "live", "generations"):
        await _delete_the_dead(rig)

    rig.repair()
    await rig.clocks(SETTLE_CLOCKS)
    await driver.interrupts.clear(Event.TABLE_LOST)
    # Registers may have followed what was damaged: then the table is made anew.
    if not await rig.is_whole():
        await rig.set_up()
    assert rig.dut.irq.value == 0


async def _delete_the_dead(rig: FlipRig) -> None:
    """A delete of the dead handle finds nothing, whatever bit of it has flipped."""
    live = await rig.driver.table.live_bundles()
    await rig.driver.commands.submit_delete(FIRST_HANDLE + DEAD)
    await rig.clocks(SETTLE_CLOCKS)
    assert rig.trace.commands[-1].found == [False], "a dead handle was found"
    assert await rig.driver.table.live_bundles() == live
    await rig.driver.completions.discard_all()


async def _report_clock(rig: FlipRig) -> int:
    if rig.dut.irq.value != 1:
        limit = Timer(2 * rig.sizes.sweep_clocks * CLOCK_PS, "ps")
        await First(RisingEdge(rig.dut.irq), limit)
    assert rig.dut.irq.value == 1, "told of nowhere"
    return clock_number()
